"""A step of a journey: what it needs, what it writes, and how it is done; and who watches.

Every step can also be done alone, by a function of this library or by the command that calls it. A step therefore has
its settings as fields, from which the command line writes that command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from caffe_fcn.engines.choice import choose_first_gpu
from caffe_fcn.journey.fingerprints import FileHashes

if TYPE_CHECKING:
    from caffe_fcn.engines.events import Event, Score
    from caffe_fcn.engines.training import Training


class Step(ABC):
    """A part of the way from photos to a bundle, with its settings; `name` is how the ledger knows it.

    A step that only some nets need is ``part_of`` another one, and is not numbered by itself.
    """

    name: ClassVar[str]
    part_of: ClassVar[str] = ""

    @abstractmethod
    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        """Return what decides about the outputs: names that people understand, and fingerprints."""

    @abstractmethod
    def list_outputs(self) -> list[Path]:
        """Return the files that the step writes, once it is done."""

    @abstractmethod
    def run(self, observer: Observer, resume: bool) -> None:
        """Do it; with ``resume``, go on where the same step was interrupted."""

    def clear(self, observer: Observer) -> None:  # noqa: B027 - most steps leave nothing behind
        """Put out of the way what was begun with other inputs, so that nothing can go on from it."""

    def can_resume(self, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
        """Whether what was begun with the inputs ``before`` can go on with the inputs ``now``."""
        return before == now


class Observer:
    """What a journey reports, and to whom; this one hears everything and does nothing.

    Subclasses override what they want to show.
    """

    def begin(self, step: Step, why: str) -> None:
        """A step begins; ``why`` says what changed since it was done, or is empty."""

    def pass_over(self, step: Step) -> None:
        """A step is done already."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def progress(self, task: str, done: int, total: int) -> None:
        """How much of a task is done (see `caffe_fcn.progress`)."""

    def name_command(self, step: Step) -> str:
        """Return the command that does a step alone; empty where there are no commands."""
        return ""

    @contextmanager
    def watch(self, training: Training) -> Iterator[Callable[[Event | Score], None]]:
        """Around a training; yields what is called with each event."""
        yield lambda event: None


@dataclass(frozen=True)
class Device:
    """What runs and trains the net, as `engines.train` takes it."""

    engine: str = "auto"
    gpu: str = ""
    nproc: int | None = None
    precision: str = "float32"
    caffe: str | None = None

    @property
    def first_gpu(self) -> int | None:
        """The GPU that runs the net where only one does."""
        return choose_first_gpu(self.gpu)

    @property
    def processes(self) -> int:
        """How many processes share each update, as far as the settings say so."""
        return self.nproc or len(self.gpu.split(","))
