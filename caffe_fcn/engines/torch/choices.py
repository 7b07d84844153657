"""Which of several ways is quicker on this machine: measured once, and kept in the user's cache.

find_choice("convolutions", ("direct", "winograd"), measure)        # one of the names
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path

import torch

from caffe_fcn import files, strict_json
from caffe_fcn.errors import EngineError, FileError, nearest

AUTO = "auto"
_LARGEST_FILE = 1 << 20


def find_choice(subject: str, ways: tuple[str, ...], measure: Callable[[], str]) -> str:
    """The way that the variable CAFFE_FCN_SUBJECT names, or else the one that ``measure`` found to be the quickest.

    Raises `EngineError` for a variable that names none.
    """
    setting = f"CAFFE_FCN_{subject.upper()}"
    named = os.environ.get(setting) or AUTO
    if named not in (AUTO, *ways):
        raise EngineError(f"{setting}={named}", f"no such way of {subject}", nearest(named, ways) or " or ".join(ways))
    return named if named != AUTO else _find_quickest(subject, ways, measure, torch.get_num_threads())


@cache
def _find_quickest(subject: str, ways: tuple[str, ...], measure: Callable[[], str], threads: int) -> str:
    machine = f"{_name_processor()}, torch {torch.__version__}, {threads} threads"
    path = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "caffe-fcn" / f"{subject}.json"
    known = _read(path, ways)
    if machine in known:
        return known[machine]
    found = measure()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic_write(path) as file:
            file.write(json.dumps({**known, machine: found}, indent=1, sort_keys=True).encode())
    except (FileError, OSError):  # nothing is kept where the user has no cache
        pass
    return found


def _read(path: Path, ways: Collection[str]) -> dict[str, str]:
    """What is known of machines; nothing if the file is not there, or is not one that this module writes."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return {}
        content = strict_json.parse(path.read_bytes())
        return {str(machine): way for machine, way in content.items() if way in ways}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
