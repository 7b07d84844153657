"""What the steps that check and train a run have in common: the run's folder, its solver, its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.journey.step import Step
from caffe_fcn.journey.steps.weights import START_FILE


@dataclass(frozen=True)
class RunStep(Step):
    """A step that works on the run in ``folder``, which was built on the data set ``data``."""

    folder: Path
    data: Path

    @property
    def solver(self) -> Path:
        """The solver, which names the nets of the training."""
        return self.folder / SOLVER_FILE

    @property
    def start(self) -> Path:
        """The weights that the training starts from."""
        return self.folder / START_FILE
