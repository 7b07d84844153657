"""Damaged and lying headers of numpy's, safetensors' and HDF5's files: one line each, and no memory for lies."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from caffe_fcn import surgery
from caffe_fcn.errors import WeightsError
from caffe_fcn.proto import BlobProto
from caffe_fcn.weights import hdf5, npz

VALUES = np.arange(24, dtype="<f4").reshape(2, 3, 4)


def npy(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + data


def zipped(path: Path, member: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("conv/0.npy", member)
    return path


def described(shape: str = "(2,)", descr: str = "'<f4'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


HEADERS = {
    "an open bracket": (described("(2,"), "damaged header"),
    "thousands of brackets": ("(" * 3000, "damaged header"),
    "no dict": ("[1, 2]", "damaged header"),
    "a call": (described("(__import__('os').abort(),)"), "damaged header"),
    "a number for a shape": (described("(2)"), "damaged header"),
    "a negative side": (described("(-2,)"), "damaged header"),
    "digits without end": (described(f"({'9' * 3000},)"), "damaged header"),
    "a side beyond Caffe's": (described("(0, 1000000000000000000000000000000)"), "axis beyond all numbers"),
    "40 axes": (described(f"({'1,' * 40})"), "has 40 axes"),
    "more values than it has": (described("(1000000000,)"), "needs 40000000"),
    "objects": (described(descr="'|O'"), "holds '|O'"),
    "records": (described(descr="[('a', '<f4')]"), "holds records"),
    "big-endian values": (described(descr="'>f4'"), "holds '>f4'"),
    "Fortran's order": (described("(1, 2)", fortran="True"), "Fortran"),
    "a key too few": ("{'descr': '<f4', 'shape': (2,), }", "damaged header"),
    "a header of 60 kB": (described() + " " * 60_000, "header of 60"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_damaged_numpy_header_is_a_line_in_an_npz_and_in_a_mean(tmp_path, cli, case):
    header, told = HEADERS[case]
    member = npy(header, b"\0" * 8)
    (tmp_path / "m.npy").write_bytes(member)
    path = zipped(tmp_path / "w.npz", member)
    for arguments in (["weights", "info", path], ["weights", "mean", tmp_path / "m.npy"]):
        ran = cli(*map(str, arguments))
        assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert told in ran.err


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("shape", [(), (1,), (24,), (2, 3, 4), (1,) * 32, (0, 5)])
@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8"])
def test_headers_that_numpy_writes_are_read_as_numpy_reads_them(version, shape, kind):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.zeros(shape, kind), version)
    data = stream.getvalue()
    count = math.prod(shape) * np.dtype(kind).itemsize
    assert npz.parse_header(data, "x") == (shape, np.dtype(kind).name, len(data) - count)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write_are_refused_before_they_unpack(tmp_path, method):
    path = zipped(tmp_path / "w.npz", npy(described("(4000000,)"), b"\0" * 16_000_000), method)
    tracemalloc.start()
    with pytest.raises(WeightsError, match="compressed in way"):
        surgery.open_weights(path)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        for name in ("conv/0.npy", "conv/0"):
            archive.writestr(name, npy(described(), b"\0" * 8))
    with pytest.raises(WeightsError, match="two arrays 'conv/0'"):
        surgery.open_weights(tmp_path / "w.npz")


def entry(begin: int, end: int, **other: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end], **other}


SAFETENSORS = {
    "deep JSON": ('{"a":' + "[" * 100_000, "no JSON"),
    "a name twice": ('{"a/0":{},"a/0":{}}', "appears twice"),
    "UTF-16": ('{"é":1}'.encode("latin-1"), "no JSON"),
    "half of a surrogate pair": (json.dumps({"\ud800/0": entry(0, 8)}), "not named in Unicode"),
    "an overlap": (json.dumps({"a/0": entry(0, 8), "a/1": entry(4, 8)}), "overlaps"),
    "a hole": (json.dumps({"a/0": entry(0, 4), "a/1": entry(8, 8)}), "leaves 4 bytes"),
    "bytes behind": (json.dumps({"a/0": entry(0, 4)}), "4 bytes behind"),
    "true for a number": ('{"a/0":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}', "makes no sense"),
    "40 axes": (json.dumps({"a/0": entry(0, 8, shape=[1] * 39 + [2])}), "40 axes"),
    "a side beyond Caffe's": (json.dumps({"a/0": entry(0, 0, shape=[0, 10**30])}), "axis beyond all numbers"),
    "a fractional side": ('{"a/0":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}', "makes no sense"),
    "no end": ('{"a/0":', "no JSON"),
}


# What the format allows and Caffe's blobs, or our reading of names, do not
TAKEN_BY_SAFETENSORS = {"40 axes"}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_a_damaged_safetensors_header_is_a_line(tmp_path, case):
    header, told = SAFETENSORS[case]
    text = header if isinstance(header, bytes) else header.encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 8)
    with pytest.raises(WeightsError, match=told) as raised:
        surgery.open_weights(path)
    assert "\n" not in str(raised.value)
    if case not in TAKEN_BY_SAFETENSORS:
        library = pytest.importorskip("safetensors")
        with pytest.raises(library.SafetensorError):
            library.deserialize(path.read_bytes())


def test_a_safetensors_header_longer_than_any_models_is_refused_unread(tmp_path):
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        file.write((90_000_000).to_bytes(8, "little") + b"{")
        file.truncate(100_000_000)
    with pytest.raises(WeightsError, match="header of 90000000 bytes"):
        surgery.open_weights(path)


def test_a_chunk_of_hdf5_is_unpacked_once_however_large_it_is(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    values = np.arange(3 << 20, dtype="<f4").reshape(3072, 1024)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("data/conv/0", data=values, chunks=values.shape, compression="gzip", compression_opts=1)
        file.create_dataset("data/conv/1", data=values[:64], chunks=(7, 100), compression="gzip")
        file.create_dataset("data/conv/2", data=values[:2].reshape(1, 2, 1024), chunks=(1, 1, 100), compression="gzip")
    reads = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda data, at: reads.append(data.name) or original(data, at))
    with surgery.open_weights(tmp_path / "w.h5") as weights:
        for tensor, expected in zip(weights["conv"], (values, values[:64], values[:2]), strict=True):
            chunks = list(tensor.chunks())
            assert max(map(len, chunks)) <= 1 << 20
            np.testing.assert_array_equal(np.frombuffer(b"".join(chunks), "<f4"), expected.ravel())
    assert reads.count("/data/conv/0") == 1


@pytest.mark.parametrize(("chunks", "taken"), [((4, 64), True), ((1, 8), True), ((8, 1), False), ((1, 64), True)])
def test_hdf5_chunks_that_need_more_than_the_memory_for_them_are_refused(tmp_path, monkeypatch, chunks, taken):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr(hdf5, "_LARGEST_SLAB", 4 * 64 * 4)  # four rows
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("data/conv/0", data=np.ones((16, 64), "<f4"), chunks=chunks, compression="gzip")
    if taken:
        with surgery.open_weights(tmp_path / "w.h5") as weights:
            assert weights["conv"][0].load().sum() == 16 * 64
    else:
        with pytest.raises(WeightsError, match=r"layer 'conv', parameter 0: .* must be unpacked together"):
            surgery.open_weights(tmp_path / "w.h5")


def test_hdf5_that_declares_more_than_its_bytes_can_unpack_to_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        data = file.create_dataset("data/conv/0", (1 << 20,), "<f4", chunks=(1 << 20,), compression="gzip")
        data.id.write_direct_chunk((0,), b"x" * 100)
    with pytest.raises(WeightsError, match="declares 4194304 bytes that are not there"):
        surgery.open_weights(tmp_path / "w.h5")


def test_an_array_or_a_mean_among_weights_is_told_for_what_it_is(tmp_path, cli):
    np.save(tmp_path / "m.npy", VALUES)
    mean = BlobProto(num=1, channels=3, height=1, width=2, data=range(6))
    (tmp_path / "m.binaryproto").write_bytes(mean.SerializeToString())
    for name, told in (("m.npy", "one array of 2x3x4 float32"), ("m.binaryproto", "image mean of 1x3x1x2")):
        ran = cli("weights", "info", str(tmp_path / name))
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert told in ran.err


MEANS = {
    "more values than it has": BlobProto(num=1, channels=3, height=1000, width=1000, data=range(6)),
    "a negative side": BlobProto(num=1, channels=-3, height=1, width=2, data=range(6)),
    "two axes": BlobProto(shape={"dim": [2, 3]}, data=range(6)),
    "no values": BlobProto(),
}


@pytest.mark.parametrize("case", MEANS)
def test_a_mean_of_another_shape_than_it_says_is_a_line(tmp_path, cli, case):
    (tmp_path / "m.binaryproto").write_bytes(MEANS[case].SerializeToString())
    ran = cli("weights", "mean", str(tmp_path / "m.binaryproto"))
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_name_in_hdf5_that_is_not_utf8_is_a_line(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        group = h5py.h5g.create(file.create_group("data").id, b"c\xffnv")
        h5py.Group(group).create_dataset("0", data=VALUES)
    with pytest.raises(WeightsError, match="utf-8"):
        surgery.open_weights(tmp_path / "w.h5")
