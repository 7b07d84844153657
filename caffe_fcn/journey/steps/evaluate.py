"""The sixth step: the scores of the trained net on the validation part, as ``scores.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from caffe_fcn import evaluation, files
from caffe_fcn.datasets.records import opening
from caffe_fcn.description import model_json
from caffe_fcn.evaluation.score_files import FILE as SCORES_FILE
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Device, Observer, Step
from caffe_fcn.journey.steps.data import fingerprint_dataset
from caffe_fcn.progress import name_task


@dataclass(frozen=True)
class EvaluateNet(Step):
    """Score ``weights`` in the deploy net of ``folder`` on a split of ``data``."""

    name: ClassVar[str] = "evaluate"

    folder: Path
    weights: Path
    data: Path
    split: str
    device: Device = field(default_factory=Device)

    @property
    def net(self) -> Path:
        """The net that is scored."""
        return self.folder / DEPLOY_FILE

    @property
    def output(self) -> Path:
        """The file of the scores."""
        return self.folder / SCORES_FILE

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "net": hashes.hash_file(self.net),
            "description of the net": hashes.hash_file(self.folder / model_json.FILE),
            "weights": hashes.hash_file(self.weights),
            "data set": fingerprint_dataset(self.data, hashes, observer),
            "split": self.split,
        }

    def list_outputs(self) -> list[Path]:
        return [self.output]

    def run(self, observer: Observer, resume: bool) -> None:
        found = evaluation.evaluate(
            self.net,
            self.weights,
            opening.open(self.data, self.split),
            engine=self.device.engine,
            progress=name_task(observer.progress, "scoring"),
            gpu=self.device.first_gpu,
            precision=self.device.precision,
            caffe=self.device.caffe,
        )
        observer.note(found.note)
        files.write_text(self.output, f"{json.dumps(found.to_json(), indent=1)}\n")
