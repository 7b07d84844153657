"""A net whose prototxt somebody pastes, types or uploads: kept as it is written, once it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caffe_fcn import files
from caffe_fcn.file_names import DEPLOY_FILE, TRAIN_VAL_FILE
from caffe_fcn.workspace.forms.arguments import keep_argument, make_parent, name_new
from caffe_fcn.workspace.forms.fields import Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import NAME
from caffe_fcn.workspace.forms.net_sources import NETS
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.nets import asking
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.settings import Settings

MOST_TEXT = 1 << 20
"""The characters of a prototxt that is pasted; the largest in the wild have half a million."""

FIELDS = (
    NAME,
    Field(
        "text",
        "Prototxt",
        Kind.LINES,
        required=True,
        most_signs=MOST_TEXT,
        hint="A net for training or to run, of any Caffe since 2013 and of its forks. No code in it is run.",
    ),
)


def write_net(settings: Settings, values: Mapping[str, Any]) -> str:
    """Write a prototxt into a new folder of nets; return the folder, relative to the workspace.

    Raises `FormError` for a text that is not a net, and for a net that runs code of its own.
    """
    answer = asking.ask(Question(text=values["text"], shown="the text", parts=("nothing",)))
    if "net" not in answer:
        fault = answer.get("fault")
        raise FormError({"text": _say(fault) if fault else answer.get("late", "It cannot be read.")})
    for refusal in answer["net"]["refusals"]:
        raise FormError({"text": _say(refusal)})
    folder = name_new(settings, NETS, values["name"])
    path = settings.root / folder
    with files.naming_errors(folder), files.make_folder(path):
        files.write_text(path / name_file(answer["net"]["phases"]), values["text"])
    return folder


def convert_net(settings: Settings, values: Mapping[str, Any], source: str) -> Task:
    """Make the task that writes the net of a binary file as a prototxt of a new net."""
    folder = name_new(settings, NETS, values["name"])
    target = f"{folder}/{DEPLOY_FILE}"
    make_parent(settings, target)
    command = ("net", "upgrade", keep_argument(source), "-o", keep_argument(target))
    return Task(f"Read {source} as {folder}", JobKind.NET, (command,), makes=folder)


def name_file(phases: Sequence[str]) -> str:
    """Return the name of the file for a net with these phases."""
    if list(phases) == ["deploy"]:
        return DEPLOY_FILE
    return f"{phases[0]}.prototxt" if len(phases) == 1 else TRAIN_VAL_FILE


def is_binary(path: Path) -> bool:
    """Whether an uploaded file is a binary net."""
    from caffe_fcn import proto

    with files.naming_errors(path), path.open("rb") as file:
        return proto.is_binary(file.read(4096))


def read_upload(path: Path) -> str:
    """Return the text of an uploaded prototxt; raises `FormError` for one that is too large, or none."""
    with files.naming_errors(path):
        if path.stat().st_size > MOST_TEXT:
            raise FormError({"text": f"The file has more than {MOST_TEXT:,} bytes, too many for a prototxt."})
        content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormError({"text": "The file is not UTF-8 text."}) from None


def _say(fault: Mapping[str, Any]) -> str:
    """Return what is wrong as a sentence, with the line where it is known."""
    where = fault["where"]
    if fault.get("line"):
        where = f"Line {fault['line']}" + (f", column {fault['column']}" if fault.get("column") else "")
    return f"{where}: {fault['what']}" + (f" ({fault['mend']})." if fault["mend"] else ".")
