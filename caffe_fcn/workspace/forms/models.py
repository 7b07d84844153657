"""Weights by name: a published model is fetched, a file of one's own is kept, either is removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caffe_fcn import models
from caffe_fcn.errors import FileError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.arguments import require_pattern, spell_path
from caffe_fcn.workspace.forms.fields import Field, FormError, Kind
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings

PAGE = "/models"

ADD = (
    Field("file", "Weights file", Kind.PATH, hint="In the workspace, or in a folder that is allowed."),
    Field("name", "Name", most_signs=80, hint="That of the file, without its ending, where nothing is given."),
)


@dataclass(frozen=True)
class Row:
    """A model as a list shows it. ``size`` is in bytes; None where nobody states it, as ``licence`` "" is."""

    name: str
    title: str
    size: int | None
    licence: str
    net: str
    checksums: tuple[str, ...]
    is_kept: bool
    is_published: bool


def list_rows() -> list[Row]:
    """List the published models, and those that were added; raises `FileError` for a damaged record."""
    kept = {each.name: each for each in models.list_kept()}
    rows = [
        Row(
            name,
            model.title,
            model.size.value if model.size else kept[name].record.size if name in kept else None,
            model.license.value if model.license else "",
            model.net,
            tuple(str(fact.value).partition(" ")[0] for fact in model.checksums),
            name in kept,
            True,
        )
        for name, model in models.MODELS.items()
    ]
    own = [each for name, each in kept.items() if name not in models.MODELS]
    return rows + [Row(each.name, "added here", each.record.size, "", "", ("SHA-256",), True, False) for each in own]


def get(name: str) -> Task:
    """Make the task that fetches a model; raises `FileError` for a name that no published model has."""
    model = models.find_model(name)
    if model is None:
        raise FileError(name[:80], "is not a published model", models.suggest_name(name[:80]))
    size = f", {model.size.value / 1e6:.0f} MB" if model.size else ""
    return Task(f"Fetch {model.name}{size}", JobKind.MODEL, (("models", "get", model.name),), page=PAGE)


def remove(name: str) -> Task:
    """Make the task that removes a model which is kept; raises `FileError`."""
    kept = models.find_kept(name)
    if kept is None:
        raise FileError(name[:80], "is not kept here", models.suggest_name(name[:80]))
    return Task(f"Remove {kept.name}", JobKind.MODEL, (("models", "remove", kept.name),), page=PAGE)


def add(settings: Settings, values: Mapping[str, Any]) -> Task:
    """Make the task that keeps a weights file under a name; raises `FormError`."""
    require_pattern(values, "name", r"[A-Za-z0-9][\w.+-]*", "Give a name of letters, digits, - and _.")
    if not values["file"]:
        raise FormError({"file": "Upload them, or say where they lie on the server."})
    try:
        path = places.resolve_source(settings, values["file"])
    except FileError as error:
        raise FormError({"file": f"This {error.what} ({error.mend})."}) from None
    if not path.is_file():
        raise FormError({"file": "There is no such file."})
    named = ("--name", values["name"]) if values["name"] else ()
    command = ("models", "add", spell_path(settings, path), *named)
    return Task(f"Keep {values['name'] or path.name}", JobKind.MODEL, (command,), page=PAGE)
