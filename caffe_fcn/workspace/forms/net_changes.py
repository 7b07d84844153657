"""What one does with a net that is there: mend it, bring it up to date, make convolutions of its dense layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.workspace.forms.arguments import keep_argument, make_parent, name_new
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import NAME
from caffe_fcn.workspace.forms.net_sources import NETS
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.nets.folder import NetFolder
from caffe_fcn.workspace.settings import Settings


@dataclass(frozen=True)
class Change:
    """A change of a net: the text of its button, further fields, and the task that it becomes."""

    title: str
    fields: tuple[Field, ...]
    make: Callable[[Settings, NetFolder, Mapping[str, Any]], Task]


def list_fields(change: Change, folder: NetFolder) -> tuple[Field, ...]:
    """List the fields of a change: the prototxt of the folder that it is about, and its own."""
    files = tuple(Choice(each) for each in folder.files if each != folder.solver)
    return (Field("file", "File", Kind.CHOICE, default=folder.main_file, choices=files), *change.fields)


def mend(settings: Settings, folder: NetFolder, values: Mapping[str, Any]) -> Task:
    """Make the task that mends what the rules know how to mend."""
    path = f"{folder.name}/{values['file']}"
    return Task(f"Mend {path}", JobKind.NET, (("check", keep_argument(path), "--fix"),), makes=folder.name)


def upgrade(settings: Settings, folder: NetFolder, values: Mapping[str, Any]) -> Task:
    """Make the task that writes a prototxt in Caffe's current format, in its place."""
    path = keep_argument(f"{folder.name}/{values['file']}")
    return Task(f"Upgrade {path}", JobKind.NET, (("net", "upgrade", path, "-o", path),), makes=folder.name)


def convolutionize(settings: Settings, folder: NetFolder, values: Mapping[str, Any]) -> Task:
    """Make the task that writes a net with convolutions in place of its dense layers, as a net of its own."""
    made = name_new(settings, NETS, values["name"])
    path = f"{folder.name}/{values['file']}"
    target = f"{made}/{DEPLOY_FILE}"
    make_parent(settings, target)
    command = ("net", "convolutionize", keep_argument(path), "-o", keep_argument(target))
    return Task(f"Convolutionize {path} as {made}", JobKind.NET, (command,), makes=made)


CHANGES: dict[str, Change] = {
    "mend": Change("Mend what is certain", (), mend),
    "upgrade": Change("Upgrade to the current format", (), upgrade),
    "convolutionize": Change("Make convolutions of dense layers", (NAME,), convolutionize),
}
"""The changes by name, as in addresses."""


def require_net(folder: NetFolder) -> None:
    """Raise `FormError` for a run, whose net belongs to its snapshots."""
    if folder.kind == "run":
        raise FormError({"file": "The net of a training stays as it was trained."})
