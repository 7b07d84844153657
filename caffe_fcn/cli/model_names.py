"""Weights by name: what a command takes as a weights file may be the name of a model.

A file of that name comes first; a folder does not, because nets are built into folders of their name. A published model
is downloaded when the command runs, after all of its options were read, and progress is shown on stderr.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.printing import print_note
from caffe_fcn.errors import FileError

if TYPE_CHECKING:
    from caffe_fcn import models

_MEGABYTE = 1_000_000
WEIGHTS_SUFFIXES = (".caffemodel", ".h5", ".hdf5", ".npz", ".safetensors")


class WeightsParam(click.types.StringParamType):
    """The type of parameters that take a weights file or the name of a model (see `commands.Command`)."""


def find_weights(text: str) -> str:
    """Return the path of the weights that ``text`` names: a file, or a model, which is fetched if need be.

    Raises `FileError` for a name that is nearly that of a model. Any other text is returned as it is, for the reader
    of the file to say what is wrong with it.
    """
    if os.sep in text or (os.path.lexists(text) and not Path(text).is_dir()):
        return text
    from caffe_fcn import models

    if models.is_known(text):
        return str(fetch_model(text).path)
    is_place = Path(text).is_dir() or text.endswith(WEIGHTS_SUFFIXES)
    suggestion = "" if is_place else models.suggest_name(text)
    if suggestion:
        raise FileError(text, "is neither a file nor a model", suggestion)
    return text


def fetch_model(name: str, mirror: str = "", again: bool = False) -> models.Kept:
    """Fetch a model into the user's cache while progress is shown; a note says when its checksum was pinned."""
    from caffe_fcn import models
    from caffe_fcn.cli.progress import show_progress

    with show_progress("MB") as progress:

        def report(have: int, total: int) -> None:
            if progress:
                progress(f"fetching {name}", have // _MEGABYTE, total // _MEGABYTE)

        kept = models.fetch(name, mirror=mirror, progress=report, again=again)
    if kept.pinned:
        pin = f"SHA-256 {kept.record.sha256} of this file is pinned, and later ones must match it"
        print_note(f"nobody published a checksum of {kept.name}: {pin}")
    return kept
