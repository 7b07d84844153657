"""The figures of a net that a list shows, as far as they are known within a short time; the rest is known later."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.workspace.nets import asking
from caffe_fcn.workspace.nets.folder import NetFolder
from caffe_fcn.workspace.nets.question import Question

_SECONDS = 1.0
"""How long a list of nets may take to look at those that were never looked at."""

_MOST_KEPT = 10_000


@dataclass(frozen=True)
class Glance:
    """Parameters, multiply-accumulates and layers of a net, and the shape of its image; None where they are unknown."""

    params: int | None = None
    macs: int | None = None
    layers: int | None = None
    image: str = ""


def glance_at(folders: list[NetFolder], seconds: float = _SECONDS) -> dict[str, Glance]:
    """Return the figures of the nets by name; those for which there was no time are left out."""
    end = time.monotonic() + seconds
    found = {}
    for folder in folders:
        path = folder.entry.path / folder.main_file if folder.files else None
        if path is None:
            continue
        try:
            key = path.stat()
        except OSError:
            continue
        known = (str(path), key.st_mtime_ns, key.st_size)
        if known in _KNOWN:
            found[folder.name] = _KNOWN[known]
        elif time.monotonic() < end:
            found[folder.name] = _KNOWN[known] = _look(path)
            if len(_KNOWN) > _MOST_KEPT:
                _KNOWN.clear()
    return found


_KNOWN: dict[tuple[str, int, int], Glance] = {}


def _look(path: Path) -> Glance:
    try:
        answer = asking.ask(Question(path=str(path), parts=("layers",)))
    except asking.BusyError:
        return Glance()
    layers = answer.get("layers", {})
    return Glance(layers.get("params"), layers.get("macs"), layers.get("count"), layers.get("size", ""))
