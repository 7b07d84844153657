"""The fifth step: the training, which goes on from its newest whole snapshot after any interruption.

What the weights become depends on the solver's rates, the training net, the data set and the start. The number of
iterations, tests, snapshots and lines of the log decide only how far it goes and what it shows: a training that is to
be longer goes on from where it was. Where anything else changed, the snapshots so far belong to another training.
They are moved aside to ``snapshot.old``, in place of those that are there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from caffe_fcn import engines, files
from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Device, Observer
from caffe_fcn.journey.steps.data import fingerprint_dataset
from caffe_fcn.journey.steps.run_step import RunStep
from caffe_fcn.proto import read_solver, to_text
from caffe_fcn.training import Run, Watch, read_log, snapshots
from caffe_fcn.training.record import make_record, without_lengths
from caffe_fcn.viz.loss_curve import write_loss_curve

ITERATIONS = "iterations"


@dataclass(frozen=True)
class TrainNet(RunStep):
    """Train the net of the solver in ``folder`` on ``data``; ``keep`` snapshots stay on the disk.

    ``checked`` says whether a mistake stops a training with these files, when it is started by its own command.
    """

    name: ClassVar[str] = "train"

    device: Device = field(default_factory=Device)
    keep: int = 2
    checked: bool = True

    @property
    def prefix(self) -> Path:
        """What the names of the snapshots begin with."""
        return self.folder / read_solver(self.solver).snapshot_prefix

    @property
    def weights(self) -> Path:
        """The weights at the end of the training."""
        return self.prefix.with_name(f"{self.prefix.name}_iter_{read_solver(self.solver).max_iter}.caffemodel")

    def find_snapshot(self) -> snapshots.SavedSnapshot | None:
        """Return the newest whole snapshot that is not beyond the end, and before which no figure is missing."""
        most = read_solver(self.solver).max_iter
        return snapshots.find_recorded(self.prefix, most)

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        param = read_solver(self.solver)
        nets = [name for name in (param.net, param.train_net) if name]
        return {
            "solver": to_text(without_lengths(param)),
            "training net": " ".join(hashes.hash_file(self.folder / name) for name in nets),
            "data set": fingerprint_dataset(self.data, hashes, observer),
            "start": hashes.hash_file(self.start),
            "processes": str(self.device.processes),
            "precision": self.device.precision,
            ITERATIONS: str(param.max_iter),
        }

    def list_outputs(self) -> list[Path]:
        return [self.weights]

    def can_resume(self, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
        return {**before, ITERATIONS: ""} == {**now, ITERATIONS: ""}

    def clear(self, observer: Observer) -> None:
        folder = self.prefix.parent
        if not any(folder.glob(f"{self.prefix.name}_iter_*")):
            return
        old = folder.with_name(f"{folder.name}.old")
        with files.naming_errors(old):
            if old.exists():
                shutil.rmtree(old)
            folder.rename(old)
            folder.mkdir()
        observer.note(f"the snapshots of the training before are in {old}")

    def run(self, observer: Observer, resume: bool) -> None:
        self._check_working_directory()
        newest = self.find_snapshot() if resume else None
        if newest and newest.iteration == read_solver(self.solver).max_iter:
            return
        device = self.device
        with engines.train(
            self.solver,
            [] if newest else [self.start],
            newest.state if newest else None,
            engine=device.engine,
            gpu=device.gpu,
            nproc=device.nproc,
            precision=device.precision,
            caffe=device.caffe,
        ) as training:
            if newest:
                training.notes.append(f"goes on from iteration {newest.iteration}")
            settings = (device.gpu, device.nproc, device.precision, observer.name_command(self))
            record = make_record(training.engine, training.solver, [self.start], *settings)
            with observer.watch(training) as show:
                for event in Run(training, Watch(keep=self.keep), record=record):
                    show(event)
        if training.interrupted:
            raise KeyboardInterrupt
        self._draw_losses(training.log)
        if not self.weights.is_file():
            raise EngineError(self.solver, f"the training ended without {self.weights.name}", f"see {training.log}")

    def _draw_losses(self, log: Path) -> None:
        history = read_log(log)
        if history.losses():
            curve = self.prefix.with_name(f"{self.prefix.name}.svg")
            write_loss_curve(history, curve, title=f"Loss of {self.prefix.name}")

    def _check_working_directory(self) -> None:
        """A solver's nets are looked for in the working directory first: others of these names would be trained."""
        param = read_solver(self.solver)
        names = [name for name in (param.net, param.train_net, *param.test_net) if name]
        here = Path.cwd()
        if here.resolve() != self.folder.resolve() and all((here / name).is_file() for name in names):
            what = f"has a {names[0]} of its own, which the training would take for that of {self.folder}"
            raise FileError(here, what, "run this in another folder")
