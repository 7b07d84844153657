"""MNIST: its IDX files, plain or gzipped (a magic number, the dimensions, then bytes), and LMDBs made of them."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.records import datum
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import FileError

_MOST_BYTES = 1 << 30  # twenty times MNIST
_BYTES = 8  # the element type of MNIST's files
_PARTS = {"train": "train", "val": "t10k"}


def build(
    output: str | os.PathLike[str],
    mnist_folder: str | os.PathLike[str],
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Write MNIST's digits, each record with its value as the label, in MNIST's order.

    Raises `FileError` for files that are not MNIST's, and what `build_dataset` raises.
    """
    return plan(mnist_folder, options).build(output)


def plan(
    mnist_folder: str | os.PathLike[str],
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does: read the files; raises as it does."""
    splits = [_make_split(name, *read(mnist_folder, part)) for name, part in _PARTS.items()]
    listed = [source for part in _PARTS.values() for source in list_sources(mnist_folder, part)]
    return Plan(Description("mnist", channels=1, sources=listed), splits, options)


def _make_split(name: str, digits: NDArray[np.uint8], values: NDArray[np.uint8]) -> SplitSource:
    def record(index: int) -> Record:
        return Record({"images": datum.pack_raw(digits[index][None], int(values[index]))})

    return SplitSource(name, [f"{index:08d}" for index in range(len(values))], record, ("images",))


def read(folder: str | os.PathLike[str], part: str = "train") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The digits N x 28 x 28 and their values N, of ``part`` train or t10k; raises `FileError`."""
    image_file, value_file = _find_files(folder, part)
    images, values = read_idx(image_file, 3), read_idx(value_file, 1)
    if min(images.shape[1:]) < 1:
        raise FileError(image_file, f"has images of {images.shape[1]} x {images.shape[2]}", "fetch MNIST again")
    if len(images) != len(values):
        raise FileError(folder, f"has {len(images)} images and {len(values)} labels of {part}", "fetch MNIST again")
    if len(values) and values.max() > 9:
        raise FileError(folder, f"has the label {values.max()}, which is not a digit", "fetch MNIST again")
    return images, values


def list_sources(folder: str | os.PathLike[str], part: str = "train") -> list[dict[str, str]]:
    """The files of a part, with their checksums."""
    return [
        {"file": str(path), "sha256": sha256(files.read_bytes(path)).hexdigest()} for path in _find_files(folder, part)
    ]


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of bytes in an IDX file; raises `FileError` where it has another number of dimensions."""
    with files.naming_errors(path), path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if zipped else raw as file:
            try:
                return _parse_idx(file, path, dimensions)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise FileError(path, f"is broken: {str(error).lower()}", "fetch it again") from error


def _parse_idx(file: IO[bytes] | gzip.GzipFile, path: Path, dimensions: int) -> NDArray[np.uint8]:
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes((0, 0, _BYTES, dimensions)):
        raise FileError(path, f"is no IDX file of bytes in {dimensions} dimensions", "name the folder of MNIST")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    size = 1
    for length in shape:
        size *= length
    if size > _MOST_BYTES:
        raise FileError(path, f"says that it holds {size} bytes", f"at most {_MOST_BYTES} are read")
    data = file.read(size + 1)  # memory grows with what the file holds, not with what its header says
    if len(data) != size:
        more = "more" if len(data) > size else f"{len(data)}"
        raise FileError(path, f"holds {more} bytes where its header says {size}", "fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _find_files(folder: str | os.PathLike[str], part: str) -> tuple[Path, Path]:
    return _find(Path(folder), f"{part}-images", 3), _find(Path(folder), f"{part}-labels", 1)


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    """The file, gzipped or not; programs that unpack it write a dot or a hyphen before ``idx``."""
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise FileError(folder, "no such folder", "name the folder of MNIST's IDX files")
    raise FileError(folder, f"has no {names[0]} (or .gz)", "name the folder of MNIST's IDX files")
