"""The last step: the trained net as a bundle, what is delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from caffe_fcn.description import model_json
from caffe_fcn.evaluation.score_files import FILE as SCORES_FILE
from caffe_fcn.evaluation.score_files import read_scores
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.interop.bundle import Facts, write_bundle
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Observer, Step

BUNDLE = "bundle"


@dataclass(frozen=True)
class WriteBundle(Step):
    """The bundle of the run in ``folder`` with its trained ``weights``."""

    name: ClassVar[str] = "bundle"

    folder: Path
    weights: Path

    @property
    def output(self) -> Path:
        """The folder of the bundle."""
        return self.folder / BUNDLE

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "net": hashes.hash_file(self.folder / DEPLOY_FILE),
            "description of the net": hashes.hash_file(self.folder / model_json.FILE),
            "weights": hashes.hash_file(self.weights),
            "scores": hashes.hash_file(self.folder / SCORES_FILE),
        }

    def list_outputs(self) -> list[Path]:
        return sorted(path for path in self.output.iterdir() if path.is_file())

    def run(self, observer: Observer, resume: bool) -> None:
        facts = Facts(scores=read_scores(self.folder, self.weights))
        made = write_bundle(self.folder / DEPLOY_FILE, self.weights, self.output, facts=facts)
        for note in made.notes:
            observer.note(note)
