"""The models of a workspace: what has a deploy net and weights, and what its main output is.

| output | shown as |
|---|---|
| scores, probabilities | classes in their colours, probabilities |
| grey | a grey picture |
| a vector | the five best classes |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import contents
from caffe_fcn.workspace.contents import WEIGHTS_SUFFIXES, Entry
from caffe_fcn.workspace.settings import Settings


@dataclass(frozen=True)
class TrialModel:
    """A folder that `infer` takes as MODEL; ``kind`` is bundle, run or net."""

    entry: Entry
    kind: str

    @property
    def name(self) -> str:
        """Its path from the workspace's folder."""
        return self.entry.name


def list_models(settings: Settings) -> list[TrialModel]:
    """List the runs that have snapshots, the bundles, and the nets with weights beside them."""
    found = contents.find(settings)
    nets = [entry for entry in found.nets if _has_weights(entry.path)]
    groups = (("run", found.runs), ("bundle", found.bundles), ("net", nets))
    return [TrialModel(entry, kind) for kind, entries in groups for entry in entries]


def gives_grey(folder: Path) -> bool:
    """Whether the main output of a model is a grey picture, of which there are no probabilities."""
    return _read_kind(folder) == "grey"


def _read_kind(folder: Path) -> str:
    try:
        model = model_json.read(folder)
    except CaffeFcnError:  # whoever runs it says so
        return ""
    return model.outputs[0].kind or "" if model else ""


def _has_weights(folder: Path) -> bool:
    try:
        return any(each.name.endswith(WEIGHTS_SUFFIXES) for each in folder.iterdir())
    except OSError:
        return False
