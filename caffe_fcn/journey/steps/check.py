"""The fourth step: what can be found before hours of training, is (`caffe_fcn.checks`), and room on the disk.

An error ends the journey, a warning is a note.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from caffe_fcn import checks, proto
from caffe_fcn.checks import Level
from caffe_fcn.checks.memory import state_bytes
from caffe_fcn.errors import FileError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Observer
from caffe_fcn.journey.steps.data import find_splits, fingerprint_dataset
from caffe_fcn.journey.steps.run_step import RunStep
from caffe_fcn.proto import read_solver
from caffe_fcn.surgery.donors import infer_shapes

IGNORED = ("FCN131", "FCN132", "FCN209", "FCN304", "FCN314", "FCN316")
"""Rules that do not apply: an engine that has a fork's layers is taken, the score layers of a start are zero, few
snapshots stay on the disk, a training needs no seed, and it takes a GPU where there is one."""


@dataclass(frozen=True)
class CheckRun(RunStep):
    """Check the run in ``folder`` on ``data``; ``keep`` snapshots will be on the disk, and for a moment two more.

    With ``records`` all records of the data set are decoded: those of a data set that was not built on this way.
    """

    name: ClassVar[str] = "check"

    records: bool
    keep: int

    @property
    def net(self) -> Path:
        """The deploy net."""
        return self.folder / DEPLOY_FILE

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "data set": fingerprint_dataset(self.data, hashes, observer),
            "net": hashes.hash_file(self.net),
            "solver": hashes.hash_file(self.solver),
            "weights": hashes.hash_file(self.start),
        }

    def list_outputs(self) -> list[Path]:
        return []

    def run(self, observer: Observer, resume: bool) -> None:
        train, val = find_splits(self.data)
        if train == val:
            observer.note(f"{self.data} has no validation part: the score will be that of the images it learned from")
        workers = os.cpu_count() or 1
        found = checks.run(
            *(self.net, self.start, self.data, self.solver), ignore=IGNORED, thorough=self.records, workers=workers
        )
        checks.raise_first_error(found)
        for finding in found:
            if finding.level is Level.WARNING:
                observer.note(f"{finding.place}: {finding.code}, {finding.what} ({finding.mend})")
        self._check_space()

    def _check_space(self) -> None:
        shapes = infer_shapes(proto.read_net(self.net), None, None, self.net)
        solver = read_solver(self.solver)
        need = (self.keep + 2) * (shapes.parameter_bytes + state_bytes(shapes, solver))
        free = shutil.disk_usage(self.folder).free
        if need > free:
            what = f"has {free / 1e6:.1f} MB free, and the snapshots take {need / 1e6:.1f} MB"
            raise FileError(self.folder, what, "free some space, or name another `output`")
