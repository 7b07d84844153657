"""The fourth step: what can be checked before hours of training, is.

- every record of a data set that was not built on this way (the build checks the others)
- labels below the number of classes, by the statistics of the data set
- each weight of the net, in the file that the training starts from
- room on the disk for the snapshots

All that is wrong is one error, so that it can be mended in one go.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from caffe_fcn import proto
from caffe_fcn.datasets.inspect import overview
from caffe_fcn.datasets.records import opening
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Observer, Step
from caffe_fcn.journey.steps.data import find_splits, fingerprint_dataset
from caffe_fcn.journey.steps.net import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.journey.steps.weights import START_FILE
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.proto import read_solver
from caffe_fcn.surgery.donors import infer_shapes
from caffe_fcn.weights import open_weights

_HISTORIES = {"Adam": 2, "AdaDelta": 2}
"""Arrays in the solver state for each parameter, by the type of the solver; one for all others."""

_SINGLE = 4  # bytes


@dataclass(frozen=True)
class CheckRun(Step):
    """Check the run in ``folder`` on ``data``; ``keep`` snapshots will be on the disk, and for a moment two more.

    With ``records`` all records of the data set are decoded and checked. ``classes`` is the number of the net's, None
    where it learns grey values.
    """

    name: ClassVar[str] = "check"

    folder: Path
    data: Path
    classes: int | None
    records: bool
    keep: int

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "data set": fingerprint_dataset(self.data, hashes, observer),
            "net": hashes.hash_file(self.folder / DEPLOY_FILE),
            "weights": hashes.hash_file(self.folder / START_FILE),
        }

    def list_outputs(self) -> list[Path]:
        return []

    def run(self, observer: Observer, resume: bool) -> None:
        found = [*self._check_data(observer), *self._check_weights(), *self._check_space()]
        if found:
            first, *others = found
            more = f"; and {'; '.join(map(str, others))}" if others else ""
            raise type(first)(first.where, first.what, first.mend + more)

    def _check_data(self, observer: Observer) -> Iterator[CaffeFcnError]:
        summary = overview.summarize(self.data)
        train, val = find_splits(self.data)
        if train == val:
            observer.note(f"{self.data} has no validation part: the score will be that of the images it learned from")
        if self.records:
            rules = overview.make_rules(summary, self.classes)
            overview.check(summary, rules, workers=os.cpu_count() or 1, progress=observer.progress)
            faults = summary.faults
            if faults:
                first = faults[0]
                more = f", and there are {len(faults) - 1} more faults" if len(faults) > 1 else ""
                yield DatasetError(first.where, f"{first.what}{more}", first.mend)
                return
        for name, split in summary.splits.items():
            yield from self._check_labels(name, split.statistics)

    def _check_labels(self, split: str, statistics: Mapping[str, Mapping[str, int]] | None) -> Iterator[DatasetError]:
        if not statistics or self.classes is None:
            return
        about = opening.describe(self.data)
        ignored = about.ignore_label if about else 255
        values = [int(value) for value in statistics.get("pixels", {})]
        wrong = [value for value in values if value >= self.classes and value != ignored]
        if wrong:
            what = f"has labels {', '.join(map(str, wrong))} in split {split}, and the net {self.classes} classes"
            yield DatasetError(self.data, what, f"it takes 0 to {self.classes - 1}: give more `classes`")

    def _check_weights(self) -> Iterator[CaffeFcnError]:
        deploy, start = self.folder / DEPLOY_FILE, self.folder / START_FILE
        shapes = infer_shapes(proto.read_net(deploy), None, None, deploy)
        with open_weights(start) as weights:
            have = {layer.name: [tensor.count for tensor in layer.tensors] for layer in weights.layers}
        for name, wanted in shapes.params.items():
            counts = [math.prod(shape) for shape in wanted]
            if counts and have.get(name) != counts:
                yield FileError(start, f"does not fit layer '{name}' of {deploy}", "remove it, and run again")
                return

    def _check_space(self) -> Iterator[FileError]:
        deploy = self.folder / DEPLOY_FILE
        shapes = infer_shapes(proto.read_net(deploy), None, None, deploy)
        solver = read_solver(self.folder / SOLVER_FILE)
        need = (self.keep + 2) * _SINGLE * count_parameters(shapes) * (1 + _HISTORIES.get(solver.type, 1))
        free = shutil.disk_usage(self.folder).free
        if need > free:
            what = f"has {free / 1e6:.0f} MB free, and the snapshots take {need / 1e6:.0f} MB"
            yield FileError(self.folder, what, "free some space, or name another `output`")


def count_parameters(shapes: Shapes) -> int:
    """Return how many numbers a net learns."""
    return sum(math.prod(shape) for params in shapes.params.values() for shape in params)
