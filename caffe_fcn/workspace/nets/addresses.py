"""What the address of a request asks about a net: its folder, a prototxt of it, the phase and the size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.graph import PHASES
from caffe_fcn.workspace import places
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.nets.folder import NetFolder, find_folder
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.web.state import find_workspace

_SIZE = re.compile(r"([0-9]{1,5})(?:[xX]([0-9]{1,5}))?")


def open_named(request: Request) -> NetFolder:
    """Return the folder that an address names; raises `NotFoundError`."""
    name = request.path_params["name"]
    folder = find_folder(find_workspace(request).settings, name)
    if folder is None:
        raise NotFoundError(name, "is no net of this workspace", "see the list of nets")
    return folder


def choose_file(request: Request, folder: NetFolder) -> str:
    """Return the prototxt that an address is about; "" where the folder has none; raises `NotFoundError`."""
    file = request.query_params.get("file", "")
    if file and file not in folder.files:
        raise NotFoundError(file, f"is no prototxt of {folder.name}")
    return file or (folder.main_file if folder.files else "")


def make_question(request: Request, folder: NetFolder, file: str, parts: tuple[str, ...] = ()) -> Question:
    """Make the question about a file of a net, with the phase and the size of the address."""
    settings = find_workspace(request).settings
    return Question(
        path=str(places.resolve(settings, f"{folder.name}/{file}")),
        shown=file,
        phase=read_phase(request.query_params),
        size=read_size(request.query_params),
        folders=tuple(str(each.resolve()) for each in (settings.root, *settings.allowed)),
        parts=parts,
    )


def read_phase(query: Mapping[str, Any]) -> str:
    """Return the phase that an address names; "" where it names none."""
    phase = query.get("phase", "")
    if phase and phase not in PHASES:
        raise CaffeFcnError("the phase", f"is one of {', '.join(PHASES)}", "choose one of them")
    return str(phase)


def read_size(query: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size that an address names, or None."""
    text = str(query.get("size", "")).strip()
    if not text:
        return None
    match = _SIZE.fullmatch(text)
    if not match or "0" in (match[1].lstrip("0") or "0", (match[2] or "1").lstrip("0") or "0"):
        raise CaffeFcnError("the size", "is no size such as 375x500", "give height x width")
    return int(match[1]), int(match[2] or match[1])
