"""How the library reports progress: it calls what its caller passed in.

A function that does one task takes a `TaskProgress`; one that does several takes a `Progress` and hands each
task its part of it by `name_task`. The library itself shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

TaskProgress: TypeAlias = Callable[[int, int], None]
"""Called with how much of the task is done, and how much there is in all (0 where that is not known)."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a task, how much of it is done, and how much there is in all."""


def name_task(progress: Progress | None, task: str) -> TaskProgress | None:
    """Return what reports the progress of ``task`` to ``progress``, or None where nobody listens."""
    return None if progress is None else lambda done, total: progress(task, done, total)
