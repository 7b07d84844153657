"""Commands that go on where they were interrupted, and those that take a GPU, by their words."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from caffe_fcn.workspace.jobs.job import Task

Names: TypeAlias = tuple[tuple[str, ...], ...]

RESUMABLE: Names = (
    ("train",),
    *(("data", name) for name in ("folder", "m2nist", "mnist", "nyud", "pascal-context", "sift-flow", "synthia")),
    *(("data", name) for name in ("triangles", "voc")),
)
"""The commands with ``--resume``; others are run again, or go on by themselves (``fit``)."""

ON_GPU: Names = (
    *(("evaluate",), ("fit",), ("infer",), ("look",), ("report",)),
    *(("surgery", "fold-statistics"), ("train",)),
)
"""The commands with ``--gpu``."""

RESUME, GPU = "--resume", "--gpu"


def resume(task: Task, step: int) -> Task:
    """Return the task that goes on where ``task`` was interrupted: in its command ``step``."""
    first, *rest = task.commands[step:]
    if _is_one_of(first, RESUMABLE) and RESUME not in first:
        first = _insert(first, RESUMABLE, (RESUME,))
    return replace(task, commands=(first, *rest), outputs=task.outputs[step:])


def use_gpu(command: tuple[str, ...], gpu: int) -> tuple[str, ...]:
    """Return a command with the option for a GPU, where it takes one and has none."""
    given = any(word == GPU or word.startswith(f"{GPU}=") for word in command)
    return command if given or not _is_one_of(command, ON_GPU) else _insert(command, ON_GPU, (GPU, str(gpu)))


def _is_one_of(command: tuple[str, ...], names: Names) -> bool:
    return any(command[: len(name)] == name for name in names)


def _insert(command: tuple[str, ...], names: Names, option: tuple[str, ...]) -> tuple[str, ...]:
    """Put an option behind the name of a command, where nothing stands before it that would change its meaning."""
    length = next(len(name) for name in names if command[: len(name)] == name)
    return (*command[:length], *option, *command[length:])
