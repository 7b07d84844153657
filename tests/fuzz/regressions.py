"""Small inputs that were badly handled once: a format, the files that differ from its first sound input, and why."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from fuzz.containers import Chunk, png_chunks, png_of, zip_members, zip_of
from fuzz.formats.datasets import database_of, records_of
from fuzz.formats.format import Files
from fuzz.formats.weights import hdf5_of

SEED = "regression"


class Regression(NamedTuple):
    """What was wrong, and the input of a format that showed it."""

    format: str
    change: Callable[[Files], Files]


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    """A sound input in one of whose files ``new`` stands for ``old``."""

    def change(files: Files) -> Files:
        assert old in files[name], f"{name} has no {old!r}"
        return {**files, name: files[name].replace(old, new, 1)}

    return change


def whole(name: str, content: bytes) -> Callable[[Files], Files]:
    """A sound input one of whose files has another content."""
    return lambda files: {**files, name: content}


def _database(change: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> Callable[[Files], Files]:
    """A sound input the records of whose first database are others."""

    def changed(files: Files) -> Files:
        name = next(name for name in sorted(files) if name.endswith("data.mdb"))
        return {**files, name: database_of(change(records_of(files[name])))}

    return changed


def _inside(name: str, change: Callable[[bytes], bytes]) -> Callable[[Files], Files]:
    """A sound input one of whose files is changed by a function."""
    return lambda files: {**files, name: change(files[name])}


def _cut_gamma(png: bytes) -> bytes:
    chunks = png_chunks(png)
    return png_of([chunks[0], Chunk(b"gAMA", b"\0\0"), *chunks[1:]])


def _long_text(png: bytes) -> bytes:
    return png_of(
        [*png_chunks(png)[:-1], Chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 22))), Chunk(b"IEND", b"")]
    )


REGRESSIONS: dict[str, Regression] = {
    "an octal zero is no float": Regression("solver text", replaced("solver.prototxt", b"1e-4", b"00")),
    "a hexadecimal number is no float": Regression("solver text", replaced("solver.prototxt", b"1e-4", b"0x10")),
    "Arabic digits are no number": Regression(
        "solver text", replaced("solver.prototxt", b"max_iter: 1000", b"max_iter: \xd9\xa3")
    ),
    "an enum of thousands of digits": Regression(
        "net text", whole("net.prototxt", b"layer { phase: %s }" % (b"1" * 5000))
    ),
    "a name that is not UTF-8": Regression("net binary", replaced("net.prototxt", b"mixed", b"mix\xff\xfe")),
    "a Crop of three offsets before a Pooling": Regression(
        "net text", replaced("net.prototxt", b"axis: 2 offset: 5", b"axis: 1 offset: 0 offset: 1 offset: 2")
    ),
    "a stride of 2**31": Regression("net text", replaced("net.prototxt", b"stride: 2", b"stride: 2147483648")),
    "an .npy with an open bracket": Regression("mean npy", replaced("m.npy", b"(3, 4, 5), }", b"(3, 4, 5,   ")),
    "an .npz with an open bracket": Regression(
        "npz", _inside("w.npz", lambda data: zip_of([("conv1/0.npy", zip_members(data)[0][1].replace(b")", b" ", 1))]))
    ),
    "an HDF5 data set of no values": Regression(
        "h5", whole("w.caffemodel.h5", hdf5_of({"data/x/0": np.zeros((0, 3), "f4")}))
    ),
    "a first convolution of one axis": Regression(
        "h5", whole("w.caffemodel.h5", hdf5_of({"data/conv1/0": np.ones(216, "f4"), "data/conv1/1": np.ones(8, "f4")}))
    ),
    "a bias for other outputs": Regression(
        "h5",
        whole(
            "w.caffemodel.h5", hdf5_of({"data/conv1/0": np.ones((8, 3, 3, 3), "f4"), "data/conv1/1": np.ones(5, "f4")})
        ),
    ),
    "a type with a line break": Regression("safetensors", replaced("w.safetensors", b'"F32"', b'"F\\n2"')),
    "rows larger than the memory": Regression(
        "hdf5 rows",
        whole(
            "rows.h5",
            hdf5_of(
                {
                    "data": {"shape": (3, 10**6, 10**3), "dtype": "f4", "chunks": (1, 1000, 10)},
                    "label": np.zeros((3, 1), "f4"),
                }
            ),
        ),
    ),
    "rows that are a group": Regression("hdf5 rows", whole("rows.h5", hdf5_of({"data": None, "label": None}))),
    "rows of text": Regression(
        "hdf5 rows", whole("rows.h5", hdf5_of({"data": np.array(["a"] * 3, "S1"), "label": [0, 1, 2]}))
    ),
    "a list whose number has thousands of digits": Regression(
        "image list", whole("list.txt", b"a.png %s\n" % (b"1" * 5000))
    ),
    "a description of 60,000 brackets": Regression("dataset.json", whole("set/dataset.json", b"[" * 60_000)),
    "four classes as a number": Regression("dataset.json", whole("set/dataset.json", b'{"name": "x", "classes": 4}')),
    "a mean file in a list": Regression(
        "dataset.json", replaced("set/dataset.json", b'"mean.binaryproto"', b'["mean.binaryproto"]')
    ),
    "labels without images": Regression(
        "lmdb",
        lambda files: {
            **{name: data for name, data in files.items() if name.endswith("mdb")},
            "set/train_images/data.mdb": database_of([]),
        },
    ),
    "keys that do not count up": Regression(
        "lmdb", _database(lambda records: [(b"00000000", records[0][1]), (b"5", b""), (b"\xff", records[1][1])])
    ),
    "a label with a cut gAMA chunk": Regression("label", _inside("masks/0.png", _cut_gamma)),
    "a label with a long compressed text": Regression("label", _inside("masks/0.png", _long_text)),
    "a class index of thousands of digits": Regression(
        "class names", whole("classes.txt", b"%s: sky\n" % (b"1" * 5000))
    ),
    "a damaged gzip of MNIST": Regression(
        "mnist", lambda files: {**files, "mnist/train-labels-idx1-ubyte": b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 30}
    ),
    "a type of numbers with a line break": Regression("mean npy", replaced("m.npy", b"'<f4'", b"'\n<f'")),
    "a solver state of 60,000 brackets": Regression(
        "solverstate", whole("s.solverstate", b"\x08\x32\xc2\x3e\xe0\xd4\x03" + b"[" * 60_000)
    ),
}


def files(form: str, place: int) -> Files:
    """The input of a regression, the ``place``-th of its format."""
    from fuzz.formats import FORMATS

    found = [each for each in REGRESSIONS.values() if each.format == form][place]
    return found.change(dict(FORMATS[form].seeds()[0]))


def names() -> list[str]:
    """Every regression as a case, which is given to all commands that read its format."""
    places: dict[str, int] = {}
    listed = []
    for each in REGRESSIONS.values():
        place = places[each.format] = places.get(each.format, -1) + 1
        listed.append(f"{SEED}:{each.format}:{place}")
    return listed
