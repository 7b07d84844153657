"""The second step: the prototxts of a net for this data set, its solver, and ``model.json``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from caffe_fcn import netspec
from caffe_fcn.datasets.records import opening
from caffe_fcn.description import model_json
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Observer, Step
from caffe_fcn.journey.steps.data import fingerprint_dataset
from caffe_fcn.netspec.dataset_facts import list_notes


@dataclass(frozen=True)
class BuildNet(Step):
    """The net ``net`` of the catalogue in ``folder``, as `netspec.write` makes it of ``options``."""

    name: ClassVar[str] = "net"

    net: str
    folder: Path
    data: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "net": self.net,
            "data set": fingerprint_dataset(self.data, hashes, observer),
            "place of the data set": self._find_source() if self.has_data_inside else str(self.data.absolute()),
            "settings of the net": repr(sorted(self.options.items())),
        }

    def list_outputs(self) -> list[Path]:
        return [*sorted(self.folder.glob("*.prototxt")), self.folder / model_json.FILE]

    def run(self, observer: Observer, resume: bool) -> None:
        about = opening.describe(self.data)
        if about is not None:
            for note in list_notes(self.net, about):
                observer.note(note)
        netspec.write(self.net, self.folder, source=self._find_source(), dataset=about, **self.options)

    @property
    def has_data_inside(self) -> bool:
        """Whether the data set lies in the net's folder: then the nets find it there, wherever the folder is moved."""
        return self.folder.absolute() in self.data.absolute().parents

    def _find_source(self) -> str:
        """The data set as seen from the net's folder; a path outside of it that is absolute stays so."""
        if self.data.is_absolute() and not self.has_data_inside:
            return str(self.data)
        return os.path.relpath(self.data, self.folder)
