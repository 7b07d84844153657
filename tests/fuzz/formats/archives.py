"""Published data sets as they are fetched: VOC's tar, MATLAB's labels, MNIST's files."""

from __future__ import annotations

import gzip
import io
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import published_samples
import scipy.io
from fuzz.containers import damaged_mat, damaged_tar, gzipped, tar_of
from fuzz.formats.format import Files, Format, ValueChanged, either, one_of_its_files, tree
from fuzz.mutations import damaged, number_near

from caffe_fcn.datasets.formats import mnist
from caffe_fcn.datasets.formats.voc import MatLabels
from caffe_fcn.datasets.records import stores
from caffe_fcn.datasets.reference_layers import decoders

_SPLITS = {"train": ["2007_000001", "2007_000002"], "val": ["2007_000003"]}


def _published(make: Any, splits: dict[str, list[str]]) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), splits)
        return {
            name: _timeless(content) if name.endswith(".mat") else content
            for name, content in tree(Path(folder)).items()
        }


def _timeless(mat: bytes) -> bytes:
    """A MATLAB file whose header tells no time."""
    return b"MATLAB 5.0 MAT-file".ljust(116) + mat[116:]


@cache
def _voc() -> Files:
    return _published(published_samples.voc, _SPLITS)


def _tars() -> list[Files]:
    files = {f"VOCdevkit/VOC2012/{name}": content for name, content in _voc().items()}
    return [{"voc.tar": tar_of(files)}, {"voc.tar": gzipped(tar_of(files))}]


def _damaged_archive(random: Random, data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzipped(damaged_tar(random, gzip.decompress(data)))
    return damaged_tar(random, data)


def _open_tar(inputs: Path) -> None:
    stores.open_store(inputs / "voc.tar").names()


# MATLAB: SBDD's, NYUD's and SIFT Flow's labels.

_NYUD = {"trainval": ["5001"], "test": ["5002"]}
_SIFT = {"trainval": ["a"], "test": ["b"]}


@cache
def _matlab() -> list[Files]:
    sbdd = {
        f"sbdd/{name}": content
        for name, content in _published(published_samples.sbdd, {"train": ["2008_000001"]}).items()
    }
    nyud = {f"nyud/{name}": content for name, content in _published(published_samples.nyud, _NYUD).items()}
    sift = {f"sift/{name}": content for name, content in _published(published_samples.siftflow, _SIFT).items()}
    base = {f"voc/{name}": content for name, content in _voc().items()}
    return [{**sbdd, **nyud, **sift, **base}]


def _changed_mat(random: Random, data: bytes) -> bytes:
    """The same variables with one of another kind."""
    content = {name: value for name, value in scipy.io.loadmat(io.BytesIO(data)).items() if not name.startswith("__")}
    name = random.choice(sorted(content))
    value = content[name]
    numbers = value if value.dtype != object and value.dtype.names is None else np.arange(6).reshape(2, 3)
    content[name] = random.choice([
        numbers.astype("f8"), numbers.astype("i2"), numbers.T, numbers[None], numbers[:0], numbers.ravel(), "text", 3.5,
        numbers.astype(complex), numbers > 1, np.array([{"a": 1}], object), np.full(numbers.shape, -1), numbers * 100.0,
        np.full(numbers.shape, np.nan), {"Segmentation": numbers}, {"other": 1},
    ])  # fmt: skip
    if random.random() < 0.2:
        content["x"] = content.pop(name)
    out = io.BytesIO()
    scipy.io.savemat(out, content, do_compression=random.random() < 0.7)
    return _timeless(out.getvalue())


_DECODERS = {"sbdd": decoders.sbdd_label, "nyud": decoders.nyud_label, "sift": decoders.siftflow_label}


def _read_mats(inputs: Path) -> None:
    for path in sorted(inputs.rglob("*.mat")):
        MatLabels(_DECODERS[path.relative_to(inputs).parts[0]])(path.read_bytes(), str(path))


_MAT_BUILDS = (
    "data voc {i}/voc --sbdd {i}/sbdd -o {o}/set --val-split val",
    "data nyud {i}/nyud -o {o}/set",
    "data sift-flow {i}/sift -o {o}/set",
    "data sift-flow {i}/sift -o {o}/set --on-error skip",
)


# MNIST.


@cache
def _digits() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    files = {}
    for part, count in (("train", 12), ("t10k", 5)):
        images = random.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        values = random.integers(0, 10, count).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", values)):
            head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            files[name] = head + array.tobytes()
    return files


def _mnist() -> list[Files]:
    plain = {f"mnist/{name}": content for name, content in _digits().items()}
    return [plain, {f"{name}.gz": gzipped(content) for name, content in plain.items()}]


def _changed_idx(random: Random, data: bytes) -> bytes:
    """The header's numbers or the values changed; in a gzip whose checksum is right, or whose stream is damaged."""
    zipped = data.startswith(b"\x1f\x8b")
    if zipped and random.random() < 0.4:
        return damaged(random, data)
    content = bytearray(gzip.decompress(data) if zipped else data)
    if random.random() < 0.3:
        place = 4 * random.randrange(1, 1 + content[3] % 4)
        old = int.from_bytes(content[place : place + 4], "big")
        content[place : place + 4] = (number_near(random, old) % 2**32).to_bytes(4, "big")
    else:
        place = random.randrange(len(content))
        content[place] = random.randrange(10)
    return gzipped(bytes(content)) if zipped else bytes(content)


def _read_digits(inputs: Path) -> None:
    for part in ("train", "t10k"):
        mnist.read(inputs / "mnist", part)


def _digits_are_as_written(inputs: Path, outputs: Path) -> None:
    """The pixels are those behind the header."""
    for part in ("train", "t10k"):
        images, values = mnist.read(inputs / "mnist", part)
        for array, name in ((images, f"{part}-images-idx3-ubyte"), (values, f"{part}-labels-idx1-ubyte")):
            (path,) = (inputs / "mnist").glob(f"{name}*")
            data = path.read_bytes()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            if data[4 + 4 * array.ndim :] != array.tobytes():
                raise ValueChanged(f"{name} has other values")


FORMATS = [
    Format(
        "tar",
        _tars,
        one_of_its_files(either((3, _damaged_archive), (1, damaged)), "voc.tar"),
        _open_tar,
        ("data voc {i}/voc.tar -o {o}/set", "data voc {i}/voc.tar -o {o}/set --on-error skip --no-statistics"),
    ),
    Format(
        "mat",
        _matlab,
        one_of_its_files(either((2, damaged_mat), (2, _changed_mat), (1, damaged)), ".mat"),
        _read_mats,
        _MAT_BUILDS,
    ),
    Format(
        "mnist",
        _mnist,
        one_of_its_files(either((3, _changed_idx), (1, damaged)), "ubyte", ".gz"),
        _read_digits,
        ("data mnist --mnist {i}/mnist -o {o}/set", "data m2nist --mnist {i}/mnist --count 4 -o {o}/set"),
        (_digits_are_as_written,),
    ),
]
