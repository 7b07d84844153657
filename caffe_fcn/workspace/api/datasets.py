"""Data sets under /api/datasets: what there is, one of them, its records, a new one, an upload; and the trash."""

from __future__ import annotations

from typing import Any

from caffe_fcn.workspace import contents, places, trash
from caffe_fcn.workspace.api.document import (
    FLAG,
    INTEGER,
    JOB,
    NUMBER,
    TEXT,
    TIME,
    Asked,
    Operation,
    array_of,
    object_of,
    optional,
    ref,
)
from caffe_fcn.workspace.explorer import browsing
from caffe_fcn.workspace.explorer import index as record_index
from caffe_fcn.workspace.explorer.facts import Facts, find_dataset, list_names, read_facts
from caffe_fcn.workspace.explorer.index import Index
from caffe_fcn.workspace.forms import datasets as form_of
from caffe_fcn.workspace.forms.fields import describe
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.web.receiving import receive_upload

_MOST = 1000


def list_datasets(asked: Asked) -> dict[str, Any]:
    """Answer with the data sets, the newest first."""
    found = contents.find(asked.workspace.settings).datasets
    return {"datasets": [_describe(entry.name, read_facts(entry.path), entry.changed) for entry in found]}


def show_dataset(asked: Asked) -> dict[str, Any]:
    """Answer with one data set and its statistics."""
    settings = asked.workspace.settings
    facts = find_dataset(settings, asked.path["name"])
    if facts.error:
        raise facts.error
    about = facts.about
    statistics = {name: split.get("statistics") for name, split in about.splits.items()} if about else {}
    known = _describe(places.name_relative(settings, facts.path), facts, facts.path.stat().st_mtime)
    return {**known, "palette": about.palette if about else None, "statistics": statistics}


def list_records(asked: Asked) -> dict[str, Any]:
    """Answer with records of a split, by class and size; while their index is made, with how far it is."""
    facts = find_dataset(asked.workspace.settings, asked.query["name"])
    split = asked.query.get("split") or next(iter(facts.splits), "")
    if split not in facts.splits:
        raise NotFoundError(asked.query["name"], f"has no split {split!r}", f"it has {', '.join(facts.splits)}")
    query = asked.query
    found = asked.workspace.indexer.find(facts, split)
    if not isinstance(found, Index):
        return {
            "ready": False,
            "done": found.done,
            "total": found.total,
            "error": found.error,
            "records": [],
            "count": 0,
        }
    chosen = record_index.select(found, query.get("class"), None, query.get("sort") == "share")
    names = list_names(facts, split)
    shares = found.list_shares(query["class"]) if "class" in query else None
    skip = query.get("skip", 0)
    records = [
        {
            "index": int(i),
            "name": names[i] if names else f"{i:08d}",
            "height": int(found.sizes[i, 0]),
            "width": int(found.sizes[i, 1]),
            "share": None if shares is None else float(shares[i]),
        }
        for i in chosen[skip : skip + query.get("most", 100)]
    ]
    total = len(found)
    return {"ready": True, "done": total, "total": total, "error": "", "records": records, "count": len(chosen)}


def build_dataset(asked: Asked) -> Job:
    """Queue the build of a data set."""
    return asked.workspace.jobs.submit(form_of.make_task(asked.workspace.settings, asked.body))


def preview_dataset(asked: Asked) -> dict[str, Any]:
    """Answer with what the checks find in a sample of a data set that is not built."""
    made = form_of.make_preview(asked.workspace.settings, asked.body, 24)
    faults = [{"check": getattr(each, "check", "broken"), "where": each.where, "what": each.what, "mend": each.mend}
              for each in made.preview.faults[:200]]  # fmt: skip
    records = [{"split": each.split, "name": each.name, "size": each.size, "values": sorted(each.shares)}
               for each in made.preview.records]  # fmt: skip
    return {
        "counts": made.preview.counts,
        "records": records,
        "faults": faults,
        "fields": made.error.fields if made.error else {},
    }


async def upload(asked: Asked) -> dict[str, Any]:
    """Take an upload, and answer with its folder."""
    return (await receive_upload(asked.request)).describe()


def browse(asked: Asked) -> dict[str, Any]:
    """Answer with the names in a folder of the server."""
    found = browsing.browse(asked.workspace.settings, asked.query.get("path", ""), asked.query.get("page", 0))
    entries = [vars(each).copy() for each in found.entries]
    known = {"path": found.path, "parent": found.parent, "page": found.page, "pages": found.pages}
    return {**known, "total": found.total, "entries": entries}


def list_trash(asked: Asked) -> dict[str, Any]:
    """Answer with what is in the trash."""
    return {"trash": [vars(each).copy() for each in trash.list_all(asked.workspace.settings)]}


def move(asked: Asked) -> dict[str, Any]:
    """Move something of the workspace to the trash."""
    return vars(trash.move_finished(asked.workspace, str(asked.body.get("name", "")))).copy()


def restore(asked: Asked) -> dict[str, Any]:
    """Bring something back from the trash."""
    return vars(trash.restore(asked.workspace.settings, asked.path["key"])).copy()


def _describe(name: str, facts: Facts, changed: float) -> dict[str, Any]:
    return {
        "name": name,
        "changed": changed,
        "bytes": facts.bytes,
        "splits": {split.name: split.count for split in facts.splits.values()},
        "classes": facts.about.classes if facts.about else None,
        "ignore_label": facts.ignore_label,
        "labels": facts.about.labels if facts.about else "classes",
        "mean": facts.about.mean if facts.about else None,
        "error": str(facts.error) if facts.error else "",
        "address": f"/datasets/view/{name}",
    }


def _describe_kinds() -> dict[str, Any]:
    choices = []
    for kind in form_of.KINDS.values():
        schema = describe(kind.fields)
        schema["properties"] = {"kind": {"const": kind.name}, **schema["properties"]}
        choices.append({**schema, "title": kind.title, "required": ["kind", *schema["required"]]})
    return {"oneOf": choices}


_NAMES = {"type": "object", "additionalProperties": TEXT}
_FAULT = object_of(check=TEXT, where=TEXT, what=TEXT, mend=TEXT)
_DATASET = object_of(
    name=TEXT, changed=TIME, bytes=INTEGER, splits={"type": "object", "additionalProperties": INTEGER},
    classes=optional(array_of(TEXT)), ignore_label=optional(INTEGER), labels=TEXT, mean=optional(array_of(NUMBER)),
    error=TEXT, address=TEXT,
)  # fmt: skip
_RECORD = object_of(index=INTEGER, name=TEXT, height=INTEGER, width=INTEGER, share=optional(NUMBER))

SCHEMAS = {
    "Dataset": _DATASET,
    "Datasets": object_of(datasets=array_of(ref("Dataset"))),
    "NewDataset": _describe_kinds(),
    "Preview": object_of(
        counts={"type": "object", "additionalProperties": INTEGER},
        records=array_of(object_of(split=TEXT, name=TEXT, size=TEXT, values=array_of(INTEGER))),
        faults=array_of(_FAULT), fields={**_NAMES, "description": "A sentence for each field that is wrong."},
    ),
    "Records": object_of(
        ready={**FLAG, "description": "Whether the index is there, which is made once."}, done=INTEGER, total=INTEGER,
        error=TEXT, records=array_of(_RECORD), count=INTEGER,
    ),
    "Upload": object_of(folder=TEXT, files=INTEGER, bytes=INTEGER),
    "Folder": object_of(path=TEXT, parent=optional(TEXT), page=INTEGER, pages=INTEGER, total=INTEGER,
                        entries=array_of(object_of(name=TEXT, path=TEXT, is_folder=FLAG))),
    "Trashed": object_of(key=TEXT, name=TEXT, moved=TIME),
    "Trash": object_of(trash=array_of(ref("Trashed"))),
}  # fmt: skip

_RECORDS = {
    "name": TEXT, "split": TEXT, "sort": {"type": "string", "enum": ["share"]},
    "class": {"type": "integer", "minimum": 0, "maximum": 255},
    "most": {"type": "integer", "minimum": 1, "maximum": _MOST, "default": 100},
    "skip": {"type": "integer", "minimum": 0, "default": 0},
}  # fmt: skip

OPERATIONS = (
    Operation("GET", "/api/datasets", "The data sets, the newest first.", list_datasets, response=ref("Datasets")),
    Operation("POST", "/api/datasets", "Build a data set.", build_dataset, request=ref("NewDataset"), response=JOB),
    Operation("POST", "/api/datasets/preview", "Look at a sample of one before it is built.", preview_dataset,
              request=ref("NewDataset"), response=ref("Preview")),
    Operation("POST", "/api/datasets/upload", "Upload an archive, or images and labels.", upload,
              response=ref("Upload"), media="multipart/form-data"),
    Operation("GET", "/api/datasets/records", "Records of a split, by class.", list_records, response=ref("Records"),
              query=_RECORDS, needs=("name",)),
    Operation("GET", "/api/datasets/{name:path}", "One data set, with its statistics.", show_dataset,
              response=ref("Dataset")),
    Operation("GET", "/api/folders", "The names in a folder of the server.", browse, response=ref("Folder"),
              query={"path": TEXT, "page": INTEGER}),
    Operation("GET", "/api/trash", "What is in the trash.", list_trash, response=ref("Trash")),
    Operation("POST", "/api/trash", "Move something to the trash.", move, request=object_of(name=TEXT),
              response=ref("Trashed")),
    Operation("POST", "/api/trash/{key}/restore", "Bring something back.", restore, response=ref("Trashed")),
)  # fmt: skip
