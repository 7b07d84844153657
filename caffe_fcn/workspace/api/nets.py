"""Nets under /api/nets: what there is, what one has inside, new ones, changes, exports, and the check of a text."""

from __future__ import annotations

from typing import Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.graph import PHASES
from caffe_fcn.workspace import trash
from caffe_fcn.workspace.api.document import (
    INTEGER,
    TEXT,
    TIME,
    Asked,
    Operation,
    array_of,
    object_of,
    optional,
    ref,
)
from caffe_fcn.workspace.forms.fields import Field, Kind, describe, parse
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.nets import asking, glances
from caffe_fcn.workspace.nets.addresses import choose_file, make_question, open_named
from caffe_fcn.workspace.nets.folder import NetFolder, list_folders
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.web.rendering import render_fragment

_MOST_TEXT = 1 << 20


def list_nets(asked: Asked) -> dict[str, Any]:
    """Answer with the nets, bundles and trainings of the workspace."""
    folders = list_folders(asked.workspace.settings)
    figures = glances.glance_at(folders)
    return {"nets": [_describe(folder, figures.get(folder.name)) for folder in folders]}


def show_net(asked: Asked) -> dict[str, Any]:
    """Answer with one net: a file of it, in a phase."""
    folder = open_named(asked.request)
    file = choose_file(asked.request, folder)
    answer: asking.Answer = {}
    if file and file != folder.solver:
        answer = asking.ask(make_question(asked.request, folder, file))
    figures = glances.glance_at([folder])
    return {**_describe(folder, figures.get(folder.name)), "file": file, "analysis": answer}


def check_text(asked: Asked) -> dict[str, Any]:
    """Answer with what is known of a net as a text; it is not kept."""
    values = parse(_CHECK, asked.body)
    question = Question(text=values["text"], shown="the text", phase=values["phase"], size=values["size"])
    answer = asking.ask(question, _SECONDS)
    if values["markup"]:
        return {**answer, "markup": render_fragment(asked.request, "nets/answer.html", answer=answer)}
    return answer


def make_net(asked: Asked) -> Job | dict[str, Any]:
    """Make a net in one of the ways; a text is kept at once, and the others are jobs."""
    from caffe_fcn.workspace.forms import net_texts
    from caffe_fcn.workspace.forms.nets import WAYS

    settings = asked.workspace.settings
    given = dict(asked.body)
    way = given.pop("way", None)
    if way == "text":
        name = net_texts.write_net(settings, parse(net_texts.FIELDS, given))
        return next(_describe(folder, None) for folder in list_folders(settings) if folder.name == name)
    if not isinstance(way, str) or way not in WAYS:
        raise CaffeFcnError("way", f"is one of {', '.join(('text', *WAYS))}", "see /api/nets/ways")
    values = parse(WAYS[way].list_fields(settings), given)
    return asked.workspace.jobs.submit(WAYS[way].make(settings, values))


def list_ways(asked: Asked) -> dict[str, Any]:
    """Answer with the ways to a new net, each with the schema of its fields."""
    from caffe_fcn.workspace.forms import net_texts
    from caffe_fcn.workspace.forms.nets import WAYS

    settings = asked.workspace.settings
    ways = [
        {"way": name, "title": way.title, "hint": way.hint, "fields": describe(way.list_fields(settings))}
        for name, way in WAYS.items()
    ]
    text = {"way": "text", "title": "Text", "hint": "a prototxt as it is", "fields": describe(net_texts.FIELDS)}
    return {"ways": [*ways, text]}


def list_catalogue(asked: Asked) -> dict[str, Any]:
    """Answer with the nets of the catalogue."""
    from caffe_fcn.netspec.catalogue import catalogue

    return {
        "nets": [
            {
                "name": net.name,
                "backbone": net.backbone.name,
                "stride": net.stride,
                "classes": list(net.classes),
                "dataset": net.dataset.name,
            }
            for net in catalogue().values()
        ]
    }


def change_net(asked: Asked) -> Job:
    """Mend, upgrade or convolutionize a net."""
    from caffe_fcn.workspace.forms import net_changes

    folder = open_named(asked.request)
    change = net_changes.CHANGES.get(asked.path["change"])
    if change is None:
        raise NotFoundError(asked.path["change"], "is no change of a net", f"one of {', '.join(net_changes.CHANGES)}")
    net_changes.require_net(folder)
    values = parse(net_changes.list_fields(change, folder), asked.body)
    return asked.workspace.jobs.submit(change.make(asked.workspace.settings, folder, values))


def export_net(asked: Asked) -> Job:
    """Write a net with its weights for others."""
    from caffe_fcn.workspace.forms.exports import FORMATS

    folder = open_named(asked.request)
    kind = asked.path["format"]
    if kind not in FORMATS:
        raise NotFoundError(kind, "is no format of an export", f"one of {', '.join(FORMATS)}")
    settings = asked.workspace.settings
    values = parse(FORMATS[kind].list_fields(settings, folder), asked.body)
    return asked.workspace.jobs.submit(FORMATS[kind].make(settings, folder, values, kind))


def pack_bundle(asked: Asked) -> Job:
    """Write a bundle as one archive."""
    from caffe_fcn.workspace.forms.exports import pack

    return asked.workspace.jobs.submit(pack(asked.workspace.settings, open_named(asked.request)))


def trash_net(asked: Asked) -> dict[str, Any]:
    """Move a net to the trash."""
    moved = trash.move_finished(asked.workspace, open_named(asked.request).name)
    return {"key": moved.key, "name": moved.name}


_SECONDS = 5.0

_CHECK = (
    Field("text", "Prototxt", Kind.LINES, default="", most_signs=_MOST_TEXT),
    Field("phase", "Phase", default="", hint="train, val or deploy."),
    Field("size", "Size of images", Kind.SIZE, most=99_999),
    Field("markup", "With the markup that the page shows", Kind.FLAG, default=False),
)


def _describe(folder: NetFolder, figures: glances.Glance | None) -> dict[str, Any]:
    model = folder.model
    return {
        "name": folder.name,
        "kind": folder.kind,
        "files": list(folder.files),
        "weights": list(folder.weights),
        "changed": folder.entry.changed,
        "params": figures.params if figures else None,
        "macs": figures.macs if figures else None,
        "layers": figures.layers if figures else None,
        "image": figures.image if figures else "",
        "classes": [output.classes for output in model.outputs] if model else [],
        "dataset": model.dataset if model else None,
        "address": f"/nets/view/{folder.name}",
    }


_NUMBER_OR_NULL = optional(INTEGER)
_OBJECT = {"type": "object"}
_NET = object_of(
    name=TEXT,
    kind={"type": "string", "enum": ["net", "bundle", "run"]},
    files=array_of(TEXT),
    weights=array_of(TEXT),
    changed=TIME,
    params=_NUMBER_OR_NULL,
    macs=_NUMBER_OR_NULL,
    layers=_NUMBER_OR_NULL,
    image={**TEXT, "description": "The shape of the image that it takes, N x C x H x W."},
    classes={**array_of(optional(array_of(TEXT))), "description": "The classes of each output."},
    dataset=optional(TEXT),
    address={**TEXT, "description": "Its page."},
)
SCHEMAS = {
    "Net": _NET,
    "Nets": object_of(nets=array_of(ref("Net"))),
    "Analysis": {
        "type": "object",
        "description": "What is known of a net; fault or late says why a part is missing.",
        "properties": {
            "fault": {**_OBJECT, "description": "Why it cannot be read: where, line, column, what, mend."},
            "late": {**TEXT, "description": "Why parts are missing, where they took too long."},
            "net": {**_OBJECT, "description": "Its phases, and what is refused."},
            "layers": {**_OBJECT, "description": "Each layer with shapes, parameters, MACs; the sums."},
            "offsets": {**_OBJECT, "description": "The scale/offset table and every Crop."},
            "findings": {**_OBJECT, "description": "What the rules find, each with its line."},
            "picture": {**_OBJECT, "description": "The topology as SVG."},
            "markup": {**TEXT, "description": "All of it as a page shows it, where that was asked for."},
        },
    },
    "NetWithAnalysis": {"allOf": [ref("Net"), object_of(file=TEXT, analysis=ref("Analysis"))]},
    "Trashed": object_of(key=TEXT, name=TEXT),
}

_QUERY = {
    "file": {**TEXT, "description": "A prototxt of the net; by default the deploy net."},
    "phase": {"type": "string", "enum": [*PHASES]},
    "size": {**TEXT, "description": "HxW, in place of the net's own."},
}
_OF_A_WAY = {
    "type": "object",
    "properties": {"way": {**TEXT, "description": "One of /api/nets/ways, which have the other fields."}},
    "required": ["way"],
}
_OF_A_FORM = {"type": "object", "description": "The fields of the form; those of /nets/view and /nets/export."}

OPERATIONS = (
    Operation("GET", "/api/nets", "The nets, bundles and trainings.", list_nets, response=ref("Nets")),
    Operation("POST", "/api/nets", "Make a net.", make_net, request=_OF_A_WAY),
    Operation(
        "GET",
        "/api/nets/ways",
        "The ways to a new net, with their fields.",
        list_ways,
        response=object_of(ways=array_of(object_of(way=TEXT, title=TEXT, hint=TEXT, fields=_OBJECT))),
    ),
    Operation(
        "GET",
        "/api/nets/catalogue",
        "The nets of the catalogue.",
        list_catalogue,
        response=object_of(nets=array_of(_OBJECT)),
    ),
    Operation(
        "POST",
        "/api/nets/check",
        "Check a prototxt; nothing is kept of it.",
        check_text,
        request=describe(_CHECK),
        response=ref("Analysis"),
    ),
    Operation(
        "POST",
        "/api/nets/change/{change}/{name:path}",
        "Mend, upgrade, convolutionize.",
        change_net,
        request=_OF_A_FORM,
    ),
    Operation(
        "POST",
        "/api/nets/export/{format}/{name:path}",
        "Write a bundle, an ONNX model, or a module of torch.",
        export_net,
        request=_OF_A_FORM,
    ),
    Operation("POST", "/api/nets/pack/{name:path}", "Write a bundle as one archive.", pack_bundle),
    Operation("GET", "/api/nets/{name:path}", "One net.", show_net, response=ref("NetWithAnalysis"), query=_QUERY),
    Operation("DELETE", "/api/nets/{name:path}", "Move a net to the trash.", trash_net, response=ref("Trashed")),
)
