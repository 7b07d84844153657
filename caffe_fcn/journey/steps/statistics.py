"""What belongs to the training of a net with SegNet's BN: the statistics of the training set, folded into the weights.

They become the snapshot that counts for the run, which is scored and delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from caffe_fcn.engines.choice import require_torch
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Device, Observer
from caffe_fcn.journey.steps.data import fingerprint_dataset
from caffe_fcn.journey.steps.run_step import RunStep
from caffe_fcn.journey.steps.train import TrainNet
from caffe_fcn.progress import name_task
from caffe_fcn.proto import read_net, read_solver
from caffe_fcn.surgery.statistics import fold_statistics, needs_statistics
from caffe_fcn.training.snapshots import name_chosen


@dataclass(frozen=True)
class FoldStatistics(RunStep):
    """Fold the statistics of the training part of ``data`` into the ``trained`` weights."""

    name: ClassVar[str] = "statistics"
    part_of: ClassVar[str] = TrainNet.name

    trained: Path
    device: Device = field(default_factory=Device)

    @property
    def net(self) -> Path:
        """The net that was trained."""
        param = read_solver(self.solver)
        return self.folder / (param.train_net or param.net)

    @property
    def output(self) -> Path:
        """The weights with the statistics."""
        return name_chosen(self.trained)

    @property
    def is_needed(self) -> bool:
        """Whether the deploy net expects statistics in its BN layers that the training leaves out."""
        return needs_statistics(read_net(self.net), read_net(self.folder / DEPLOY_FILE))

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "training net": hashes.hash_file(self.net),
            "weights": hashes.hash_file(self.trained),
            "data set": fingerprint_dataset(self.data, hashes, observer),
        }

    def list_outputs(self) -> list[Path]:
        return [self.output]

    def run(self, observer: Observer, resume: bool) -> None:
        require_torch()
        from caffe_fcn.engines.torch.batch_statistics import measure_statistics

        progress = name_task(observer.progress, "averaging batches")
        found = measure_statistics(self.net, self.trained, self.data, gpu=self.device.first_gpu, progress=progress)
        fold_statistics(found.norms, self.trained, self.output, found.statistics)
