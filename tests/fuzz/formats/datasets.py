"""Data sets as they lie on the disk: dataset.json, LMDBs and their records, lists of images, rows of HDF5."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py
import lmdb
import numpy as np
from fuzz.formats.format import Files, Format, ValueChanged, either, one_of_its_files, tree
from fuzz.formats.pictures import jpeg, png
from fuzz.formats.weights import hdf5_of
from fuzz.judges import binary_by_protobuf
from fuzz.mutations import damaged, damaged_lines, number_near
from fuzz.trees import change_json, change_message

from caffe_fcn import datasets, proto
from caffe_fcn.datasets.records import datum, lmdb_pages, opening
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.description import dataset_json
from caffe_fcn.engines.readers import open_reader

_DATABASES = ("train_images", "train_labels", "val_images", "val_labels")


def database_of(records: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The file of an LMDB that holds these keys and values."""
    with tempfile.TemporaryDirectory() as folder:
        with lmdb.open(folder, map_size=1 << 24, lock=False) as environment:
            with environment.begin(write=True) as transaction:
                for key, value in records:
                    transaction.put(key, value)
        return (Path(folder) / "data.mdb").read_bytes()


@cache
def _a_set() -> Files:
    """A data set of 5 and 3 pairs, as ``caffe-fcn data folder`` makes it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, make in (("images", lambda number: png(number)), ("labels", lambda number: png(number, "L", 3))):
            for number in range(8):
                path = folder / kind / f"{number}.png"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(make(number))
        datasets.folder.build(
            folder / "set", folder / "images", folder / "labels", classes=["a", "b", "c"], val_percent=40
        )
        files = tree(folder / "set")
        files["dataset.json"] = files["dataset.json"].replace(name.encode(), b"/nowhere")
        return {f"set/{path}": content for path, content in files.items()}


def _and_photos(files: Files) -> Files:
    """With photos and labels beside it, from which it is built anew."""
    return {
        **files,
        **{f"photos/{n}.png": png(n) for n in range(2)},
        **{f"masks/{n}.png": png(n, "L", 3) for n in range(2)},
    }


_LOOKS = (
    "data info {i}/set",
    "data info {i}/set --json",
    "data info {i}/set --check",
    "data statistics {c}/set",
    "data lists {c}/set",
    "data explore {i}/set -o {o}/page.html --side 16",
    "data explore {i}/set --sheet {o}/sheet.png --side 16",
)


def _open_set(inputs: Path) -> None:
    for name in opening.splits(inputs / "set"):
        len(opening.open(inputs / "set", name))


def _changed_description(random: Random, data: bytes) -> bytes:
    document = json.loads(data)
    document = change_json(random, document)
    return json.dumps(document, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _nested(random: Random, data: bytes) -> bytes:
    document = json.loads(data)
    deep = random.choice(["[", '{"x":']) * 60_000
    return json.dumps({**document, random.choice(sorted(document)): "DEEP"}).replace('"DEEP"', deep).encode()


# LMDB: pages of 4096 bytes; two of them (meta) tell where the trees are.

_PAGE = 4096
_META = {"magic": (16, 4), "version": (20, 4), "map size": (32, 8), "page size": (40, 4), "flags": (92, 2),
         "depth": (94, 2), "branch pages": (96, 8), "leaf pages": (104, 8), "overflow pages": (112, 8),
         "entries": (120, 8), "root": (128, 8), "last page": (136, 8), "transaction": (144, 8)}  # fmt: skip
_PAGE_HEAD = {"number": (0, 8), "flags": (10, 2), "lower": (12, 2), "upper": (14, 2), "overflow": (12, 4)}


def _damaged_pages(random: Random, data: bytes) -> bytes:
    """One field of a page changed: of both metas, or of another page, or a node's offset, flags or sizes."""
    out = bytearray(data)
    pages = max(1, len(data) // _PAGE)
    if random.random() < 0.4:
        place, size = random.choice(list(_META.values()))
        for page in random.choice([(0, 1), (0,), (1,)]):
            _change_field(random, out, page * _PAGE + place, size)
        return bytes(out)
    page = random.randrange(pages) * _PAGE
    draw = random.random()
    if draw < 0.4:
        place, size = random.choice(list(_PAGE_HEAD.values()))
    else:
        (lower,) = struct.unpack_from("<H", out, page + 12) if page + 14 <= len(out) else (16,)
        nodes = max(1, (min(lower, _PAGE) - 16) // 2)
        slot = 16 + 2 * random.randrange(nodes)
        place, size = slot, 2
        if draw > 0.6 and page + slot + 2 <= len(out):
            (node,) = struct.unpack_from("<H", out, page + slot)
            place, size = random.choice([(node, 2), (node + 2, 2), (node + 4, 2), (node + 6, 2), (node + 8, 8)])
    _change_field(random, out, page + place, size)
    return bytes(out)


def _change_field(random: Random, data: bytearray, place: int, size: int) -> None:
    if place + size <= len(data):
        value = number_near(random, int.from_bytes(data[place : place + size], "little")) % (1 << 8 * size)
        data[place : place + size] = value.to_bytes(size, "little")


def records_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """The keys and values of a sound LMDB; raises `FileError` for one that LMDB itself would die of."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.mdb"
        path.write_bytes(data)
        with path.open("rb") as file:
            lmdb_pages.check(file.fileno(), path)
        with lmdb.open(folder, readonly=True, lock=False) as environment, environment.begin() as transaction:
            return [(bytes(key), bytes(value)) for key, value in transaction.cursor()]


def _changed_records(random: Random, data: bytes) -> bytes:
    """The same database with other keys, or some records less."""
    records = records_of(data)
    place = random.randrange(len(records))
    key, value = records[place]
    draw = random.randrange(4)
    if draw == 0:
        del records[place]
    elif draw == 1:
        records[place] = damaged(random, key)[:500] or b"x", value
    elif draw == 2:
        records.append((random.choice([b"zzz", b"\xff", b"00000009", b"5", b"-1", b"\0"]), value))
    else:
        records[place] = key, damaged(random, value)
    return database_of(records)


@cache
def _records_of_every_kind() -> Files:
    """Two databases in step whose records are raw, float, PNG and JPEG."""
    random = np.random.default_rng(0)
    images = [
        datum.pack_raw(random.integers(0, 256, (3, 12, 16)).astype(np.uint8)),
        datum.pack_floats(random.normal(size=(3, 12, 16)).astype(np.float32)),
        datum.pack_image(png(0, "RGB"), (3, 12, 16)),
        datum.pack_image(jpeg(1), (3, 12, 16)),
    ]
    labels = [datum.pack_image(png(n, "L", 3), (1, 12, 16)) for n in range(3)]
    labels.append(datum.pack_raw(random.integers(0, 3, (1, 12, 16)).astype(np.uint8)))
    keyed = {"images": images, "labels": labels}
    return {
        f"set/train_{kind}/data.mdb": database_of([(b"%08d" % n, value) for n, value in enumerate(values)])
        for kind, values in keyed.items()
    }


def _changed_datum(random: Random, data: bytes) -> bytes:
    records = records_of(data)
    place = random.randrange(len(records))
    key, value = records[place]
    if random.random() < 0.7:
        message = proto.Datum.FromString(value)
        if message.data and random.random() < 0.5:
            message.data = damaged(random, message.data)
        else:
            change_message(random, message)
        value = bytes(message.SerializePartialToString(deterministic=True))
    else:
        value = damaged(random, value)
    records[place] = key, value
    return database_of(records)


def _first_datum(inputs: Path) -> None:
    for name in ("train_images", "train_labels"):
        database = Database(inputs / "set" / name)
        for number in range(len(database)):
            datum.parse(database[number], f"record {number}")


def _datum_is_protobufs(inputs: Path, outputs: Path) -> None:
    """A raw record has the values that protobuf reads."""
    for name in ("train_images", "train_labels"):
        database = Database(inputs / "set" / name)
        for number in range(len(database)):
            value = database[number]
            array = datum.to_array(datum.parse(value, "record"), "record")
            theirs = binary_by_protobuf(value, proto.Datum)
            if theirs is None:
                raise ValueChanged("protobuf refuses a record, and we take it")
            if not theirs.encoded and array.tobytes() != (theirs.data or np.array(theirs.float_data, "<f4").tobytes()):
                raise ValueChanged("a record has other values")


# Lists of images and HDF5 files, as the data layers of a net read them.

_IMAGE_DATA = """layer { name: "data" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "%s/list.txt" root_folder: "%s/" batch_size: 1 } }"""
_HDF5_DATA = """layer { name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "%s/list.txt" batch_size: 2 } }"""


def _batches(inputs: Path, layer: str, count: int) -> None:
    net = proto.NetParameter()
    proto.parse(layer, net)
    reader = open_reader(net.layer[0], training=False, seed=1)
    for number in range(count):
        reader.batch(number)


def _read_image_list(inputs: Path) -> None:
    net = proto.NetParameter()
    proto.parse(_IMAGE_DATA % (inputs, inputs), net)
    open_reader(net.layer[0], training=False, seed=1)


def _image_batches(inputs: Path, outputs: Path) -> None:
    _batches(inputs, _IMAGE_DATA % (inputs, inputs), 4)


def _image_list() -> list[Files]:
    files = {"a.png": png(0), "b.jpg": jpeg(1), "sub/c d.png": png(2, "P"), "e.png": png(3, "L")}
    return [{**files, "list.txt": b"a.png 0\nb.jpg 1\nsub/c d.png 2\ne.png -1\n"}]


def _rows(rows: int = 3) -> dict[str, Any]:
    return {"data": np.ones((rows, 2, 3, 4), np.float32), "label": np.zeros((rows, 1), np.float32)}


def _changed_rows(random: Random, data: bytes) -> bytes:
    things = _rows()
    name = random.choice(["data", "label"])
    values = things[name]
    things[name] = random.choice([
        None, values[:2], values[:0], values[0, 0], values.astype("f8"), values.astype("i8"), np.array(["a"] * 3, "S1"),
        h5py.SoftLink("/nowhere"), h5py.SoftLink("/"), h5py.Empty("f4"), values > 0, values[:, :0], values * 1j,
        {"shape": (10**9, 2), "dtype": "f4"}, {"shape": (3, 10**6, 10**3), "dtype": "f4", "chunks": (1, 1000, 10)},
        np.array([(1, 2.0)] * 3, [("a", "i4"), ("b", "f4")]), {"shape": (3,), "dtype": h5py.string_dtype()},
        {"data": values, "chunks": True, "compression": "gzip"},
    ])  # fmt: skip
    return hdf5_of(things)


def _open_rows(inputs: Path) -> Any:
    (inputs / "list.txt").read_bytes()
    net = proto.NetParameter()
    proto.parse(_HDF5_DATA % inputs, net)
    return open_reader(net.layer[0], training=False, seed=1)


def _row_batches(inputs: Path, outputs: Path) -> None:
    _batches(inputs, _HDF5_DATA % inputs, 3)


def _relative(parse: Callable[[Path], object]) -> Callable[[Path], object]:
    """The list names the file as seen from the folder of inputs."""

    def parse_from_there(inputs: Path) -> object:
        (inputs.parent / "cwd" / "rows.h5").symlink_to(inputs / "rows.h5")
        try:
            return parse(inputs)
        finally:
            (inputs.parent / "cwd" / "rows.h5").unlink()

    return parse_from_there


def _rows_from_there(inputs: Path, outputs: Path) -> None:
    _relative(lambda each: _row_batches(each, outputs))(inputs)


FORMATS = [
    Format(
        "dataset.json",
        lambda: [_and_photos(_a_set())],
        one_of_its_files(
            either((10, _changed_description), (3, damaged_lines), (0.3, _nested), (1, damaged)), "dataset.json"
        ),
        lambda inputs: dataset_json.read(inputs / "set"),
        (
            *_LOOKS,
            "net build voc-fcn-alexnet --source {i}/set -o {o}/net",
            "data folder --images {i}/photos --labels {i}/masks -o {c}/set",
        ),
    ),
    Format(
        "lmdb",
        lambda: [_a_set(), {name: content for name, content in _a_set().items() if "json" not in name}],
        one_of_its_files(either((3, _damaged_pages), (2, _changed_records), (1, damaged)), "data.mdb"),
        _open_set,
        _LOOKS,
    ),
    Format(
        "datum",
        lambda: [_records_of_every_kind()],
        one_of_its_files(_changed_datum, "data.mdb"),
        _first_datum,
        _LOOKS,
        (_datum_is_protobufs,),
    ),
    Format(
        "image list",
        _image_list,
        lambda random, files: one_of_its_files(damaged if random.random() < 0.3 else damaged_lines, "list.txt")(
            random, files
        ),
        _read_image_list,
        (),
        (_image_batches,),
    ),
    Format(
        "hdf5 rows",
        lambda: [{"list.txt": b"rows.h5\n", "rows.h5": hdf5_of(_rows())}],
        one_of_its_files(either((3, _changed_rows), (1, damaged)), "rows.h5"),
        _relative(_open_rows),
        (),
        (_rows_from_there,),
    ),
]
