"""Damaged, lying and changing weights files; killed runs and full disks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_disks import small_disk_in

from caffe_fcn import surgery
from caffe_fcn.errors import CaffeFcnError, FileError, WeightsError
from caffe_fcn.proto import BlobProto, NetParameter, wire

WEIGHTS = np.arange(100, 112, dtype=np.float32).reshape(2, 3, 2, 1)
BIAS = np.array([0.5, -0.5], np.float32)


def small_model() -> bytes:
    net = NetParameter(name="small")
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 3, 4, 4])
    conv = net.layer.add(name="conv", type="Convolution", bottom=["data"], top=["conv"])
    conv.convolution_param.num_output = 2
    conv.convolution_param.kernel_h, conv.convolution_param.kernel_w = 2, 1
    for values in (WEIGHTS, BIAS):
        conv.blobs.add(data=values.ravel(), shape={"dim": values.shape})
    fc = net.layer.add(name="fc", type="InnerProduct", bottom=["conv"], top=["fc"])
    fc.inner_product_param.num_output = 1
    fc.blobs.add(data=range(24), shape={"dim": [1, 24]})
    fc.blobs.add(data=[7], shape={"dim": [1]})
    return bytes(net.SerializeToString())


MODEL = small_model()


def whole(path: Path) -> list[tuple[str, int, tuple[int, ...], bytes]]:
    with surgery.open_weights(path) as weights:
        return [(layer, index, tensor.shape, tensor.load().tobytes()) for layer, index, tensor in weights]


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> list[tuple[str, int, tuple[int, ...], bytes]]:
    path = tmp_path_factory.mktemp("truth") / "w.caffemodel"
    path.write_bytes(MODEL)
    return whole(path)


def converted(suffix: str, folder: Path) -> bytes:
    (folder / "w.caffemodel").write_bytes(MODEL)
    surgery.convert(folder / "w.caffemodel", folder / f"good{suffix}")
    return (folder / f"good{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".caffemodel", ".npz", ".safetensors"])
def test_a_file_cut_anywhere_is_an_error_or_ends_before_a_layer(tmp_path, truth, suffix):
    data = converted(suffix, tmp_path)
    for length in range(len(data)):
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(data[:length])
        try:
            found = whole(path)
        except CaffeFcnError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
        else:  # whole layers are missing, which only the net can tell: transplanting says so
            assert suffix == ".caffemodel"
            assert found in (truth[:0], truth[:2])


def test_a_cut_error_names_the_layer_the_parameter_and_the_byte(tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(MODEL[:-8])
    with pytest.raises(WeightsError, match=r"w.caffemodel, byte \d+: field 100 runs 8 bytes past the end \(.*cut off"):
        surgery.open_weights(tmp_path / "w.caffemodel")
    at = MODEL.index(WEIGHTS.tobytes())
    (tmp_path / "w.caffemodel").write_bytes(MODEL[: at - 1] + b"\x2f" + MODEL[at:])
    with pytest.raises(WeightsError, match=r"layer 'conv', parameter 0, byte \d+: "):
        surgery.open_weights(tmp_path / "w.caffemodel")


@pytest.mark.parametrize("suffix", [".caffemodel", ".npz", ".safetensors"])
def test_a_byte_flipped_anywhere_is_an_error_or_another_file_that_holds_together(tmp_path, suffix):
    data = converted(suffix, tmp_path)
    path = tmp_path / f"flipped{suffix}"
    for place in range(len(data)):
        for mask in (0x01, 0x80):
            path.write_bytes(data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :])
            try:
                found = whole(path)
            except CaffeFcnError as error:
                assert "\n" not in str(error), str(error)
            else:
                for _, _, shape, values in found:
                    assert len(values) in {size * int(np.prod(shape)) for size in (2, 4, 8)}


def test_a_flipped_header_never_goes_through_a_transplant_without_a_word(tmp_path, truth):
    """Whatever a flip outside the numbers does: an error, the same values, or a report that differs."""
    (tmp_path / "good.caffemodel").write_bytes(MODEL)
    net = tmp_path / "good.caffemodel"  # a caffemodel says its net
    reports = surgery.transplant(net, net, tmp_path / "out.caffemodel").parameters
    numbers = [MODEL.rindex(np.asarray(v, np.float32).tobytes()) for v in (WEIGHTS, BIAS, range(24), [7])]
    inside = {at + i for at, size in zip(numbers, (48, 8, 96, 4), strict=True) for i in range(size)}
    for place in sorted(set(range(len(MODEL))) - inside):
        flipped = MODEL[:place] + bytes([MODEL[place] ^ 0x01]) + MODEL[place + 1 :]
        (tmp_path / "bad.caffemodel").write_bytes(flipped)
        try:
            report = surgery.transplant(tmp_path / "bad.caffemodel", net, tmp_path / "out.caffemodel")
        except CaffeFcnError as error:
            assert "\n" not in str(error)
        else:
            assert report.parameters != reports or whole(tmp_path / "out.caffemodel") == truth


def declared(count: int) -> bytes:
    """A model of a few bytes that declares so many values."""
    return bytes(BlobProto(shape={"dim": [count]}, data=[1]).SerializeToString())


def layer_of(blob: bytes, length: int | None = None) -> bytes:
    layer = NetParameter().layer.add(name="conv").SerializeToString()
    layer += wire.encode_key(7, 2) + wire.encode_varint(len(blob) if length is None else length) + blob
    return wire.encode_key(100, 2) + wire.encode_varint(len(layer) if length is None else length) + layer


LIES = {
    "10^9 values": layer_of(declared(10**9)),
    "10^18 values": layer_of(bytes(BlobProto(shape={"dim": [10**9, 10**9]}, data=[1]).SerializeToString())),
    "a blob of 10^9 bytes": layer_of(declared(4), 10**9),
    "values of 10^9 bytes": layer_of(wire.encode_key(5, 2) + wire.encode_varint(10**9) + b"1234"),
    "a negative dimension": layer_of(bytes(BlobProto(shape={"dim": [-1]}, data=[1]).SerializeToString())),
    "a negative old dimension": layer_of(bytes(BlobProto(num=-3, channels=1, height=1, width=1).SerializeToString())),
    "33 axes": layer_of(bytes(BlobProto(shape={"dim": [1] * 33}, data=[1]).SerializeToString())),
    "half a float": layer_of(wire.encode_key(5, 2) + b"\x06123456"),
    "raw data of no type": layer_of(
        wire.encode_key(12, 2) + b"\x04abcd" + bytes(BlobProto(shape={"dim": [1]}).SerializeToString())
    ),
    "raw integers": layer_of(wire.encode_key(10, 0) + b"\x03" + wire.encode_key(12, 2) + b"\x04abcd"),
    "an npz of 10^9 values": b"",
    "a safetensors header of 10^9 bytes": (10**8 - 1).to_bytes(8, "little") + b"{",
    "safetensors beyond the file": (
        (62).to_bytes(8, "little") + b'{"conv/0":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}  ' + b"1234"
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_declares_more_than_it_has_is_refused_before_memory_is_taken(tmp_path, lie):
    path = tmp_path / "w"
    path.write_bytes(LIES[lie])
    if lie == "an npz of 10^9 values":
        np.savez(tmp_path / "w.npz", **{"conv/0": BIAS})
        text = (tmp_path / "w.npz").read_bytes()
        path.write_bytes(text.replace(b"(2,), }" + b" " * 9, b"(1000000000,), }"))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
    code = limit + f"from caffe_fcn import surgery\nsurgery.convert({str(path)!r}, {str(tmp_path / 'out.npz')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("caffe_fcn.errors."), done.stderr
    assert "MemoryError" not in done.stderr
    assert not (tmp_path / "out.npz").exists()


def test_hdf5_that_declares_values_it_does_not_have_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("data/conv/0", shape=(10**9,), dtype="<f4")
        file.create_dataset("data/fc/0", shape=(10**9,), dtype="<f4", chunks=(10**6,))
    with pytest.raises(WeightsError, match="layer 'conv', parameter 0"):
        surgery.open_weights(tmp_path / "w.h5")


def test_a_source_that_changes_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "w.caffemodel"
    path.write_bytes(MODEL)
    with surgery.open_weights(path) as weights:
        os.utime(path, ns=(1, 1))
        with pytest.raises(FileError, match="changed while it was read"):
            surgery.save_weights(tmp_path / "out.caffemodel", weights.layers, weights.head)
        with path.open("r+b") as file:
            file.truncate(40)
        for read in (weights["fc"][0].array, weights["fc"][0].load):
            with pytest.raises(FileError, match="changed while it was read"):
                read()
    assert [each.name for each in tmp_path.iterdir()] == ["w.caffemodel"]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A model of 64 MB, so that writing it takes a while."""
    path = tmp_path_factory.mktemp("large") / "w.npz"
    np.savez(path, **{f"layer{i}/0": np.full((1 << 20,), i, np.float32) for i in range(16)})
    return path


def test_a_killed_run_leaves_the_old_file_or_the_new_one_and_the_next_run_cleans_up(tmp_path, large):
    target = tmp_path / "out.caffemodel"
    surgery.convert(large, tmp_path / "new.caffemodel")
    old, new = MODEL, (tmp_path / "new.caffemodel").read_bytes()
    code = f"from caffe_fcn import surgery\nsurgery.convert({str(large)!r}, {str(target)!r})"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    usual = time.perf_counter() - started
    random.seed(4)
    outcomes = set()
    for _ in range(12):
        target.write_bytes(old)
        process = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(random.uniform(0.5, 1.05) * usual)
        process.send_signal(signal.SIGKILL)
        process.wait()
        content = target.read_bytes()
        assert content in (old, new)
        outcomes.add((content == new, len(list(tmp_path.iterdir()))))
    surgery.convert(large, target)
    assert target.read_bytes() == new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.caffemodel", "out.caffemodel"]


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".npz", ".safetensors"])
def test_a_full_disk_is_told_and_the_old_file_stays(tmp_path, large, suffix):
    with small_disk_in(tmp_path, "8m") as disk:
        target = disk / f"out{suffix}"
        target.write_bytes(MODEL)
        with pytest.raises(FileError, match=r"no space left on device \(free some space\)"):
            surgery.convert(large, target)
        assert target.read_bytes() == MODEL
        assert list(disk.iterdir()) == [target]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["weights", "info", "nowhere.caffemodel"], "no such file"),
        (["weights", "info", "."], "has no deploy.prototxt"),
        (["weights", "info", "empty.caffemodel"], "is empty"),
        (["weights", "info", "net.prototxt"], "is text"),
        (["weights", "convert", "w.caffemodel", "out.txt"], "no weights format"),
        (["weights", "convert", "w.caffemodel", "nowhere/out.npz"], "no such file"),
        (
            ["surgery", "transplant", "--weights", "w.caffemodel", "--to-net", "w.caffemodel", "-o", "d.npz"],
            "is a folder",
        ),
        (["surgery", "transplant", "--weights", "w.caffemodel", "--to-net", "net.prototxt", "-o", "o"], "has no shape"),
        (["surgery", "recipe", "alexnett", "--weights", "w.caffemodel", "-o", "o.caffemodel"], "did you mean alexnet"),
        (["surgery", "recipe", "alexnet", "--weights", "w.caffemodel", "-o", "o.caffemodel"], "name"),
        (["weights", "inof", "w.caffemodel"], "did you mean info"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, monkeypatch, cli, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("w.caffemodel").write_bytes(MODEL)
    Path("empty.caffemodel").write_bytes(b"")
    dense = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }'
    Path("net.prototxt").write_text('layer { name: "data" type: "Input" top: "data" }' + dense)
    Path("d.npz").mkdir()
    before = sorted(tmp_path.iterdir())
    ran = cli(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err
    assert sorted(tmp_path.iterdir()) == before
