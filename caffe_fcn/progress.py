"""How the library reports progress: it calls a callback that its caller passes in, and shows nothing itself.

A function that does one task takes a `TaskProgress`. A function that does several tasks takes a `Progress`, from
which `name_task` makes the callback of each task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

TaskProgress: TypeAlias = Callable[[int, int], None]
"""Called with how much of a task is done, and how much there is in all (0 where that is not known)."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a task, how much of it is done, and how much there is in all."""


def name_task(progress: Progress | None, task: str) -> TaskProgress | None:
    """Make the callback of one task of ``progress``; None where there is no ``progress``."""
    return None if progress is None else lambda done, total: progress(task, done, total)
