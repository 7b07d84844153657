"""Weights by name under /api/models: the published ones and one's own."""

from __future__ import annotations

from typing import Any

from caffe_fcn.workspace.api.document import FLAG, INTEGER, TEXT, Asked, Operation, array_of, object_of, optional, ref
from caffe_fcn.workspace.forms.fields import parse
from caffe_fcn.workspace.jobs.job import Job


def list_models(asked: Asked) -> dict[str, Any]:
    """Answer with all models."""
    from caffe_fcn.workspace.forms.models import list_rows

    return {"models": [{**vars(row), "checksums": list(row.checksums)} for row in list_rows()]}


def add_model(asked: Asked) -> Job:
    """Keep a weights file under a name."""
    from caffe_fcn.workspace.forms.models import ADD, add

    return asked.workspace.jobs.submit(add(asked.workspace.settings, parse(ADD, asked.body)))


def get_model(asked: Asked) -> Job:
    """Fetch a published model."""
    from caffe_fcn.workspace.forms.models import get

    return asked.workspace.jobs.submit(get(asked.path["name"]))


def remove_model(asked: Asked) -> Job:
    """Remove a model that is kept."""
    from caffe_fcn.workspace.forms.models import remove

    return asked.workspace.jobs.submit(remove(asked.path["name"]))


_MODEL = object_of(
    name=TEXT,
    title=TEXT,
    size=optional({**INTEGER, "description": "Bytes."}),
    licence={**TEXT, "description": "Empty where nobody states it."},
    net={**TEXT, "description": "The net of the catalogue that it belongs to, or empty."},
    checksums={**array_of(TEXT), "description": "The kinds of its published checksums."},
    is_kept=FLAG,
    is_published=FLAG,
)
SCHEMAS = {"Model": _MODEL, "Models": object_of(models=array_of(ref("Model")))}

_ADD = {
    "type": "object",
    "properties": {
        "file": {**TEXT, "description": "In the workspace, or in a folder that is allowed."},
        "name": {**TEXT, "description": "That of the file, without its ending, where nothing is given."},
    },
    "required": ["file"],
}

OPERATIONS = (
    Operation("GET", "/api/models", "Weights by name.", list_models, response=ref("Models")),
    Operation("POST", "/api/models", "Keep a weights file under a name.", add_model, request=_ADD),
    Operation("POST", "/api/models/{name}/get", "Fetch a published model.", get_model),
    Operation("DELETE", "/api/models/{name}", "Remove a model that is kept.", remove_model),
)
