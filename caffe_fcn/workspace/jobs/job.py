"""What a job is: commands that are run one after another, and what became of them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """Where a job stands. A lost job was ended by something else than its command: killed, or the machine went off."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self in (State.DONE, State.FAILED, State.STOPPED, State.LOST)


class Kind(str, Enum):
    """What a job is for; it chooses the page that shows what came of it."""

    DATA = "data"
    NET = "net"
    TRAIN = "train"
    INFER = "infer"
    EVALUATE = "evaluate"
    FIT = "fit"
    EXPORT = "export"
    MODEL = "model"


@dataclass(frozen=True)
class Task:
    """What a job has to do.

    ``commands`` are run in the workspace's folder, each without the program: ``("train", "runs/x/s.prototxt")``;
    the first one that fails ends the job. ``makes`` is the folder or file that they write, relative to the workspace.
    """

    title: str
    kind: Kind
    commands: tuple[tuple[str, ...], ...]
    makes: str = ""
    cores: int = 1
    """The cores that it takes, and the threads that its commands are told to use."""
    gpu: bool = False
    """Whether it needs a GPU for itself, which its commands get as ``--gpu N``."""
    outputs: tuple[str, ...] = ()
    """For each command the file that its stdout is written to, relative to the workspace; "" for none."""
    page: str = ""
    """The address of the page that shows what came of it, where ``kind`` and ``makes`` do not tell."""

    def spell(self) -> str:
        """Return the commands as one would type them, one a line."""
        lines = [shlex.join(("caffe-fcn", *command)) for command in self.commands]
        named = zip(lines, self.outputs or ("",) * len(lines), strict=True)
        return "\n".join(line + (f" > {shlex.quote(output)}" if output else "") for line, output in named)


@dataclass(frozen=True)
class Progress:
    """How far a task of a command is: ``done`` of ``total`` (0 where that is not known)."""

    task: str
    done: int
    total: int
    text: str = ""
    """What else is known of it: its speed, the loss."""
    seconds_left: float | None = None


@dataclass(frozen=True)
class Resources:
    """What the processes of a job used so far. Memory is in bytes; None where it is not known."""

    cpu_seconds: float = 0.0
    memory: int | None = None
    """What they occupy now."""
    peak_memory: int | None = None
    gpu_memory: int | None = None
    """The most that they occupied on GPUs."""


@dataclass(frozen=True)
class Job:
    """A job as it stands now. Times are seconds since 1970."""

    number: int
    task: Task
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    step: int = 0
    """The command that runs, from 0."""
    status: int | None = None
    """The exit status of the last command that ended."""
    message: str = ""
    """The line that says what went wrong, or why it waits."""
    progress: Progress | None = None
    resumes: int | None = None
    """The job that this one goes on with."""
    gpu: int | None = None
    """The GPU that it has."""
    resources: Resources | None = None
