"""What was measured once on a machine, kept in the user's cache: a text for a subject.

    recall("products", measure, is_known)       # measures the first time; a text that `is_known` takes

A machine is its processor, torch's release and the number of threads. Where there is no cache it is measured in each
process.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError

_LARGEST_FILE = 1 << 20


def recall(subject: str, measure: Callable[[], str], is_known: Callable[[str], bool], compared: str = "") -> str:
    """Return what is kept for this machine, or else what ``measure`` returns, which is then kept.

    A text that ``is_known`` does not take, such as one of another version, is measured again; and so is one that was
    found when other things were ``compared``.
    """
    machine = f"{_name_processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    machine += f": {compared}" * bool(compared)
    path = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "caffe-fcn" / f"{subject}.json"
    known = _read(path, is_known)
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


def _read(path: Path, is_known: Callable[[str], bool]) -> dict[str, str]:
    """What is known of machines; nothing if the file is not there, or is not one that this module writes."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return {}
        content = strict_json.parse(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {machine: text for machine, text in content.items() if isinstance(text, str) and is_known(text)}


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
