"""Broken and hostile sources of data sets: each is one line, or skips one pair, and none blocks or runs for ever."""

from __future__ import annotations

import gzip
import io
import os
import random
import socket
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats import folder, m2nist, mnist
from caffe_fcn.datasets.inspect import explore
from caffe_fcn.datasets.records import datum, images, labels, opening, png, stores
from caffe_fcn.datasets.records.database import Writer
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.engines.readers.reader import Reader
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError
from caffe_fcn.proto import Datum, NetParameter, parse

RANDOM = np.random.default_rng(0)


def grey(height: int = 4, width: int = 5) -> bytes:
    return png.encode(RANDOM.integers(0, 2, (1, height, width), np.uint8))


def path_of(folder: Path, name: bytes) -> Path:
    """A file whose name need not be UTF-8."""
    return folder / os.fsdecode(name)


def pairs_in(root: Path, *stems: bytes) -> None:
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
        for stem in stems:
            path_of(root / kind, stem + b".png").write_bytes(grey())


def reader(text: str) -> Any:
    net = NetParameter()
    parse(text, net)
    found = open_data_layers(net, training=False, seed=0)
    return next(iter(found.values())).batch(0)


# MNIST


def idx(*shape: int) -> bytes:
    head = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    return head + bytes(int(np.prod(shape)))


STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "a damaged stream": lambda data: data[:30] + b"\xff" * 20 + data[50:],
    "cut off": lambda data: data[:-20],
    "cut off in the header": lambda data: data[:5],
    "a wrong checksum": lambda data: data[:-8] + bytes(8),
    "something behind it": lambda data: data + b"junk",
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_damaged_mnist_is_one_line(tmp_path: Path, case: str) -> None:
    packed = gzip.compress(idx(9, 28, 28)[:16] + RANDOM.bytes(9 * 28 * 28))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(STREAMS[case](packed))
    with pytest.raises(FileError, match=r"train-images-idx3-ubyte\.gz") as raised:
        mnist.read_idx(tmp_path / "train-images-idx3-ubyte.gz", 3)
    assert "\n" not in str(raised.value)


def test_digits_of_another_size_are_not_mnist(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(3, 20, 20))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(3))
    with pytest.raises(DatasetError, match="20 x 20"):
        m2nist.build(tmp_path / "set", tmp_path, 10)


# Images and labels


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with another chunk behind its pixels."""
    end = data.index(b"IEND") - 4
    return data[:end] + chunk(kind, body) + data[end:]


def paletted(colours: int = 3) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(RANDOM.integers(0, 3, (4, 5), np.uint8))
    image.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0, *bytes(3 * (colours - 3))])
    image.save(buffer, "PNG")
    return buffer.getvalue()


CUT = {b"gAMA": b"\0\0", b"sRGB": b"", b"pHYs": b"\0", b"iCCP": b"x", b"tRNS": b"", b"fcTL": b"\0"}


@pytest.mark.parametrize("kind", CUT)
def test_a_label_with_a_cut_chunk_is_read_or_one_line(kind: bytes) -> None:
    data = with_chunk(paletted(), kind, CUT[kind])
    colours = {0: (0, 0, 0), 1: (9, 9, 9), 2: (200, 0, 0)}
    for act in (
        lambda: labels.LabelFormat("palette", colours).read(data, "label"),
        lambda: labels.detect(data[:-1], "label", None),  # cut off, so that it must be decoded
        lambda: images.decode_as_caffe(data, "label"),
    ):
        try:
            act()
        except Fault as fault:
            assert fault.check == "broken" and "\n" not in str(fault)


def test_a_palette_of_more_than_256_colours_is_one_line() -> None:
    sound = paletted(256)  # its pixels are copied
    begin = sound.index(b"PLTE") - 4
    data = sound[:begin] + chunk(b"PLTE", bytes(3 * 300)) + sound[sound.index(b"IDAT") - 4 :]
    with pytest.raises(Fault, match="more than 256 colours") as found:
        labels.detect(data, "label", None)
    assert found.value.check == "broken"


def test_a_fifo_a_socket_and_a_device_in_a_folder_of_images_are_named_at_once(tmp_path: Path) -> None:
    pairs_in(tmp_path, *(b"%03d" % number for number in range(70)))  # more than are fetched ahead
    os.mkfifo(tmp_path / "images" / "fifo.png")
    os.mkfifo(tmp_path / "labels" / "fifo.png")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(tmp_path / "images")  # the names of sockets are short
        try:
            bound.bind("socket.png")
        finally:
            os.chdir(here)
    (tmp_path / "labels" / "socket.png").write_bytes(grey())
    (tmp_path / "images" / "device.png").symlink_to("/dev/zero")
    (tmp_path / "labels" / "device.png").write_bytes(grey())
    command = [sys.executable, "-m", "caffe_fcn", "data", "folder", "--images", "images", "--labels", "labels"]
    command += ["--allow", "one-class", "--on-error", "skip", "--label-encoding", "grey", "-o", "set"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    about = datasets.open(tmp_path / "set").about
    assert about is not None
    skipped = {each["name"]: each["why"] for each in about.splits["train"]["skipped"]}
    assert skipped.keys() == {"fifo", "socket", "device"}
    assert "not a regular file" in skipped["fifo"] and "not a regular file" in skipped["device"]


def test_a_fifo_for_a_tar_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "voc.tar")
    with pytest.raises(FileError, match="regular file"):
        stores.open_store(tmp_path / "voc.tar")


NAMES = {b"line\nbreak": r"line\nbreak", b"not UTF-8 \xff": r"not UTF-8 \xff", b"escape \x1b[31m": r"escape \x1b[31m"}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_list_can_hold_are_refused_or_skipped(tmp_path: Path, name: bytes) -> None:
    pairs_in(tmp_path, b"one", b"two ", name)
    build = lambda options: folder.build(  # noqa: E731
        tmp_path / "set", tmp_path / "images", tmp_path / "labels", val_percent=0, options=options
    )
    with pytest.raises(Fault, match="no list can hold") as raised:
        build(ImportOptions(allow=["one-class"]))
    assert raised.value.check == "name" and f"{NAMES[name]}.png" in raised.value.where
    about = build(ImportOptions(allow=["one-class"], on_error="skip"))
    assert [each["name"] for each in about.splits["train"]["skipped"]] == [NAMES[name]]
    assert sorted(opening.open(tmp_path / "set").names) == ["one", "two "]
    assert sorted((tmp_path / "set" / "train.txt").read_bytes().split(b"\n")) == [b"", b"one", b"two "]


def test_a_folder_whose_name_is_not_utf8_is_built_from_and_described(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    pairs_in(root, b"one", b"two")
    folder.build(tmp_path / "set", root / "images", root / "labels", options=ImportOptions(allow=["one-class"]))
    about = opening.open(tmp_path / "set").about
    assert about is not None and about.sources[0]["images"] == str(root / "images")


def tar_of(*stems: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for stem in stems:
            member = tarfile.TarInfo(f"{stem}/{'x' * 120}.png")  # long enough for a header of its own
            member.size = 300
            tar.addfile(member, io.BytesIO(bytes(300)))
    return buffer.getvalue()


def test_damaged_tars_are_one_line_or_read(tmp_path: Path) -> None:
    whole = tar_of("a", "b", "c")
    at_random = random.Random(0)
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(at_random.choice([1, 3, 10])):
            place = at_random.choice(
                [at_random.randrange(512), 512 + at_random.randrange(40), at_random.randrange(1536)]
            )
            content[place] = at_random.choice([0, 0x80, 0xFF, ord("9"), ord("-"), ord(" "), at_random.randrange(256)])
        for start in (0, 1024):  # with correct checksums, so that the other fields are used
            header = content[start : start + 148] + b" " * 8 + content[start + 156 : start + 512]
            content[start + 148 : start + 156] = b"%06o\0 " % sum(header)
        (tmp_path / "x.tar").write_bytes(content)
        try:
            store = stores.Tar(tmp_path / "x.tar")
            for name in store.names():
                assert len(store.read(name)) <= len(content)
        except CaffeFcnError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 10 < refused < 190


# Records


RECORDS = {
    "cut off": lambda whole: whole[: len(whole) // 2],
    "no protobuf": lambda whole: b"\xff" * 20,
    "too few values": lambda whole: Datum(channels=3, height=4, width=4, data=b"x" * 47).SerializeToString(),
    "a negative size": lambda whole: Datum(channels=3, height=-4, width=-4, data=b"x" * 48).SerializeToString(),
    "a huge size": lambda whole: Datum(channels=2**30, height=2**30, width=2**30, data=b"x").SerializeToString(),
    "nothing": lambda whole: b"",
    "encoded junk": lambda whole: Datum(data=b"junk", encoded=True).SerializeToString(),
    "an encoded nothing": lambda whole: Datum(encoded=True).SerializeToString(),
    "a cut PNG": lambda whole: Datum(data=grey()[:-30], encoded=True).SerializeToString(),
    "floats that are none": lambda whole: Datum(
        channels=1, height=1, width=2, float_data=[float("nan"), 1]
    ).SerializeToString(),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_damaged_record_is_one_line_everywhere(tmp_path: Path, case: str, cli: Callable[..., Any]) -> None:
    whole = datum.pack_raw(RANDOM.integers(0, 2, (1, 4, 4), np.uint8))
    for kind in ("images", "labels"):
        with Writer(tmp_path / f"train_{kind}") as writer:
            writer.append([RECORDS[case](whole), whole])
    for command, status in (
        (["info"], (0, 2)),
        (["info", "--check"], (1, 2)),
        (["statistics"], (2,)),
        (["lists"], (0, 2)),
    ):
        ran = cli("--quiet", "data", *command, tmp_path)
        assert ran.status in status and "Traceback" not in ran.err, (command, ran)
    explored = cli("--quiet", "data", "explore", tmp_path, "-o", tmp_path / "page.html")
    assert explored.status == 2 and explored.err.count("\n") == 1
    if "floats" not in case:  # which Caffe trains on, to no end
        with pytest.raises(DatasetError, match="record 0"):
            reader(
                f'layer {{ name: "d" type: "Data" top: "d" data_param {{ source: "{tmp_path}/train_images" '
                "batch_size: 1 backend: LMDB } }"
            )


# Lists of images, and HDF5


def listed(place: Path, line: bytes) -> Any:
    (place / "list").write_bytes(line)
    return reader(
        f'layer {{ name: "i" type: "ImageData" top: "x" top: "n" image_data_param {{ source: "{place}/list" '
        f'root_folder: "{place}/" batch_size: 1 }} }}'
    )


@pytest.mark.parametrize(
    "line", ["\u00b2.png \u00b2", "x.png --1", "x.png 1e3", "x.png 99999999999", "x\0.png 1", "\x1b[31m.png 1", "x.png"]
)
def test_a_wrong_line_of_a_list_is_one_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DatasetError) as raised:
        listed(tmp_path, line.encode())
    assert str(raised.value).replace("\u00b2", "").isprintable()


def test_lists_need_not_be_utf8_and_bombs_are_not_decoded(tmp_path: Path) -> None:
    """As Caffe does it: names are bytes, lines end at line feeds, and the last blank ends a name."""
    for name in (b"\xff x .png", "a\u2028b.png".encode()):
        path_of(tmp_path, name).write_bytes(grey())
        tops = listed(tmp_path, name + b" -7\r\n")
        assert tops[1].tolist() == [-7]
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"x"))
    (tmp_path / "bomb.png").write_bytes(png.SIGNATURE + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))
    with pytest.raises(DatasetError, match=r"bomb\.png: is too large"):
        listed(tmp_path, b"bomb.png 1\n")
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(DatasetError, match=r"fifo\.png: is not a regular file"):
        listed(tmp_path, b"fifo.png 1\n")


def hdf5(file: Path, more: str) -> Reader:
    """The reader of an HDF5Data layer."""
    listed = file.with_suffix(".txt")
    listed.write_text(f"{file}\n")
    net = NetParameter()
    parse(f'layer {{ name: "h" type: "HDF5Data" top: "x" hdf5_data_param {{ source: "{listed}" {more} }} }}', net)
    return open_data_layers(net, training=False, seed=0)["h"]


def test_hdf5_tops_that_hold_no_rows_of_numbers_are_one_line(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    makes: dict[str, Callable[[Any], Any]] = {
        "no data set": lambda file: file.create_group("x"),
        "of rows": lambda file: file.create_dataset("x", data=1.0),
        "not numbers": lambda file: file.create_dataset("x", data=[b"text"] * 3),
        "no data": lambda file: file.__setitem__("x", h5py.SoftLink("/nowhere")),
        "too large": lambda file: file.create_dataset("x", (4, 1 << 40), "f4", chunks=(1, 1 << 10)),
        "chunks": lambda file: file.create_dataset("x", (4, 1 << 29), "f4", chunks=(1, 1 << 29)),
        "rows must": lambda file: file.create_dataset("x", (0, 3), "f4"),
    }
    for number, (what, make) in enumerate(makes.items()):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            make(file)
        with pytest.raises(DatasetError, match=what) as raised:
            hdf5(path, "batch_size: 2")
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shuffle", ["", "shuffle: true"])
def test_a_chunk_of_hdf5_is_inflated_once_for_all_of_its_rows(tmp_path: Path, shuffle: str) -> None:
    """After the first row is read, the file is overwritten: the other rows come from memory."""
    h5py = pytest.importorskip("h5py")
    values = RANDOM.integers(0, 9, (200, 2500)).astype(np.float32)  # 2 MB, and HDF5's own cache holds 1
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, chunks=values.shape, compression="gzip")
        stored = file["x"].id.get_chunk_info(0)
    rows = hdf5(tmp_path / "x.h5", f"batch_size: 1 {shuffle}")
    read = [rows.batch(0)[0][0]]
    with (tmp_path / "x.h5").open("r+b") as raw:
        raw.seek(stored.byte_offset)
        raw.write(bytes(stored.size))
    read += [rows.batch(number)[0][0] for number in range(1, 200)]
    assert sorted(map(bytes, read)) == sorted(map(bytes, values))


# The page


def test_a_page_of_noise_is_compact_and_reports_its_progress(tmp_path: Path) -> None:
    """Labels are compressed at one byte for each pixel, not as colours."""
    noise = RANDOM.integers(0, 256, (1, 128, 128), np.uint8)
    for kind in ("images", "labels"):
        with Writer(tmp_path / f"train_{kind}") as writer:
            writer.append([datum.pack_raw(noise)] * 3)
    pairs = opening.open(tmp_path)
    views = explore.make_views(pairs, 3, 256)
    said: list[tuple[str, int, int]] = []
    assert explore.render_page({"train": (pairs, views)}, "noise", lambda *step: said.append(step))
    assert said == [("writing train", done, 3) for done in (1, 2, 3)]
    assert views[0].label is not None and views[0].label.mode == "P"
    assert len(explore._encode_url(views[0].label, "PNG")) < 1.5 * noise.size
