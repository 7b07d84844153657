"""What ``--source`` names: a data set, a job of DIGITS, or the published sets as they were unpacked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.cli.printing import print_note
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import FileError
from caffe_fcn.netspec.dataset_facts import list_notes
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.reference_tree import find_folders, find_root


@dataclass(frozen=True)
class Source:
    """The folder that the nets read, and the description of the data set in it; None where it has none."""

    folder: str
    about: Description | None = None


def open_source(path: str) -> Source:
    """Read what is known of the data in ``path``; that of a model job of DIGITS is its data set job.

    A note says which one that is. Raises `FileError` for a file, and what reading a damaged description raises.
    """
    from caffe_fcn.datasets.records import opening  # loads numpy, which nets without a data set do not need

    if Path(path).is_file():
        raise FileError(path, "is a file", "name the folder of a data set")
    about = opening.describe(path)
    if about is not None or not Path(path).is_dir():
        return Source(path, about)
    from caffe_fcn.interop.digits_job import find_data_folder

    job = find_data_folder(path)
    if job is None:
        return Source(path)
    folder = str(job) if Path(path).is_absolute() else os.path.relpath(job)
    print_note(f"{path} is a model job of DIGITS: its data set is {folder}")
    return Source(folder, opening.describe(folder))


def fit_source(source: Source, net: NetDesign, data: str, with_classes: bool = True) -> Source:
    """Print notes on what the source says for a net with the data layers ``data``; return the source for this net.

    For Python layers that is the folder in which the published sets lie.
    """
    about = source.about
    if data == "python":
        return _fit_tree(source.folder, net)
    if about is None:
        _note_bare_folder(source.folder)
        return source
    if about.classes and with_classes:
        described = Path(source.folder) / dataset_json.FILE
        where = described if described.is_file() else f"{source.folder}, a data set job of DIGITS,"
        print_note(f"{len(about.classes)} classes, as {where} says")
    for note in list_notes(net, about):
        print_note(note)
    return source


def _fit_tree(folder: str, net: NetDesign) -> Source:
    """The folder of data for Python layers; notes say what of the published sets is there, and what is not."""
    root = find_root(net, Path(folder)) or Path(folder)
    folders = list(dict.fromkeys(find_folders(net, root).values()))
    there = [str(each) for each in folders if each.is_dir()]
    missing = [str(each) for each in folders if not each.is_dir()]
    if there:
        print_note(f"the reference's Python layers read {' and '.join(there)}")
    if missing and Path(folder).exists():
        print_note(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there: the nets read from it")
    elif missing:
        _note_missing_folder(folder)
    return Source(str(root))


def _note_bare_folder(folder: str) -> None:
    """Say that the nets read what is not there, unless the folder has databases that nothing describes."""
    from caffe_fcn.datasets.records import opening

    if not Path(folder).exists():
        _note_missing_folder(folder)
    elif not opening.splits(folder):
        print_note(f"{folder} holds no data set: the nets read train_images, ... in it once they are there")


def _note_missing_folder(folder: str) -> None:
    print_note(f"{folder} does not exist: the nets read from it once it is there")
