"""The weights that a form chooses from: none, a model by its name, a weights file of the workspace.

field = Field("weights", "Weights", Kind.CHOICE, default="", choices=offer_weights(settings))
argument = spell_weights(settings, "alexnet")              # what a command takes; "" where there are none
"""

from __future__ import annotations

from caffe_fcn.errors import FileError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.arguments import spell_path
from caffe_fcn.workspace.forms.fields import Choice
from caffe_fcn.workspace.forms.models import list_rows
from caffe_fcn.workspace.forms.net_sources import UPLOADS
from caffe_fcn.workspace.nets.folder import WEIGHTS, list_folders
from caffe_fcn.workspace.settings import Settings

_MODEL = "model:"
_MOST = 500


def offer_weights(settings: Settings) -> tuple[Choice, ...]:
    """Return the weights that there are: models that are kept, files of nets and trainings, uploads, other models."""
    rows = list_rows()
    kept = [Choice(f"{_MODEL}{row.name}", f"{row.name} (kept here)") for row in rows if row.is_kept]
    others = [Choice(f"{_MODEL}{row.name}", f"{row.name} (is fetched first)") for row in rows if not row.is_kept]
    files = [f"{folder.name}/{name}" for folder in list_folders(settings) for name in folder.weights]
    uploads = settings.root / UPLOADS
    if uploads.is_dir():
        files += sorted(f"{UPLOADS}/{each.name}" for each in uploads.iterdir() if each.name.endswith(WEIGHTS))
    return (Choice("", "none"), *kept, *(Choice(each) for each in files[:_MOST]), *others)


def spell_weights(settings: Settings, value: str) -> str:
    """Return the weights of a choice as an argument; raises `FileError` for a path that leads outside."""
    if not value:
        return ""
    if value.startswith(_MODEL):
        return value.removeprefix(_MODEL)
    path = places.resolve_source(settings, value)
    if not path.is_file():
        raise FileError(value, "is no file", "choose a weights file")
    return spell_path(settings, path)
