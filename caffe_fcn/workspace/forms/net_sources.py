"""Prototxts and folders of the workspace that forms of nets choose from."""

from __future__ import annotations

from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.workspace import places
from caffe_fcn.workspace.nets.folder import list_folders
from caffe_fcn.workspace.settings import Settings

NETS = "nets"
"""The folder of the workspace that new nets are made in."""

UPLOADS = "uploads"
"""The folder of the workspace that files go to which a page sends."""


def list_prototxts(settings: Settings) -> list[str]:
    """List the prototxts of all nets of the workspace, relative to it."""
    return [
        f"{folder.name}/{name}" for folder in list_folders(settings) for name in folder.files if name != SOLVER_FILE
    ]


def find_prototxt(settings: Settings, name: str) -> str:
    """Return the prototxt of that name as commands name it; raises `FileError` where it leads outside."""
    return places.name_relative(settings, places.resolve(settings, name))
