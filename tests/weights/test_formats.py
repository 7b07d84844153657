"""Weights files of every age and format: what real Caffe, numpy, h5py and safetensors read and write."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import surgery
from caffe_fcn.errors import FileError, WeightsError
from caffe_fcn.proto import BlobProto, NetParameter, V1LayerParameter, wire
from caffe_fcn.weights import output_file, tensors
from caffe_fcn.weights.input_file import InputFile

NET = """
    name: "small"
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" }
                                bias_filler { type: "uniform" } } }
    layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
    layer { name: "prelu" type: "PReLU" bottom: "norm" top: "prelu" prelu_param { channel_shared: true } }
    layer { name: "fc" type: "InnerProduct" bottom: "prelu" top: "fc"
            inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""


def arrays(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """Every parameter of a weights file, loaded."""
    with surgery.open_weights(path) as weights:
        return {(layer, index): np.array(tensor.array()) for layer, index, tensor in weights}


def assert_equal(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].shape == b[key].shape, key
        np.testing.assert_array_equal(a[key], b[key], err_msg=str(key))


def net_with(*blobs: BlobProto) -> bytes:
    net = NetParameter(name="made")
    net.layer.add(name="conv", type="Convolution").blobs.extend(blobs)
    return bytes(net.SerializeToString())


def blob(values: np.ndarray) -> BlobProto:
    message = BlobProto(data=values.ravel())
    message.shape.dim.extend(values.shape)
    return message


@pytest.fixture(scope="module")
def saved(pycaffe, tmp_path_factory) -> dict[str, Path]:
    """A net with weights that real Caffe made, saved by it as .caffemodel and as .h5."""
    folder = tmp_path_factory.mktemp("saved")
    paths = {"net": folder / "net.prototxt", "weights": folder / "w.caffemodel", "h5": folder / "w.caffemodel.h5"}
    paths["net"].write_text(NET)
    made = pycaffe(
        """
        net = caffe.Net(str(inputs["net"]), caffe.TEST)
        for i, blob in enumerate(net.params["norm"]):
            blob.data[...] = np.arange(1, blob.data.size + 1) + i
        net.save(str(inputs["weights"]))
        net.save_hdf5(str(inputs["h5"]))
        for name, blobs in net.params.items():
            for i, blob in enumerate(blobs):
                outputs["%s/%d" % (name, i)] = blob.data
        """,
        **paths,
    )
    np.savez(folder / "truth.npz", **made)
    return {**paths, "truth": folder / "truth.npz"}


def truth(saved: dict[str, Path]) -> dict[tuple[str, int], np.ndarray]:
    with np.load(saved["truth"]) as made:
        return {(name.rpartition("/")[0], int(name.rpartition("/")[2])): made[name] for name in made.files}


@pytest.mark.caffe
@pytest.mark.parametrize("written", ["weights", "h5"])
def test_weights_that_real_caffe_saved_come_back_equal(saved, written):
    assert_equal(arrays(saved[written]), truth(saved))


@pytest.mark.caffe
def test_real_caffe_loads_what_we_converted_and_has_the_same_values(pycaffe, saved, tmp_path):
    for through in (".caffemodel", ".npz", ".safetensors", ".caffemodel.h5"):
        surgery.convert(saved["weights"], tmp_path / f"between{through}")
        for suffix in (".caffemodel", ".caffemodel.h5"):
            surgery.convert(tmp_path / f"between{through}", tmp_path / f"by{through}{suffix}")
    loaded = pycaffe(
        """
        import glob
        for path in glob.glob(str(inputs["folder"]) + "/by*"):
            net = caffe.Net(str(inputs["net"]), path, caffe.TEST)
            for name, blobs in net.params.items():
                for i, blob in enumerate(blobs):
                    outputs["%s:%s:%d" % (path.rpartition("/")[2], name, i)] = blob.data.copy()
        """,
        net=saved["net"],
        folder=tmp_path,
    )
    files: dict[str, dict[tuple[str, int], np.ndarray]] = {}
    for key, values in loaded.items():
        file, layer, index = key.split(":")
        files.setdefault(file, {})[layer, int(index)] = values
    assert len(files) == 8
    for found in files.values():
        assert_equal(found, truth(saved))


@pytest.mark.caffe
def test_a_v1_file_is_to_us_what_real_caffe_upgrades_it_to(pycaffe, caffe_prefix, saved, tmp_path):
    pycaffe(
        """
        from caffe.proto import caffe_pb2
        new, old = caffe_pb2.NetParameter(), caffe_pb2.NetParameter()
        new.ParseFromString(open(str(inputs["weights"]), "rb").read())
        kinds = {"Convolution": 4, "InnerProduct": 14}
        for layer in new.layer:
            if layer.type in kinds:
                v1 = old.layers.add(name=layer.name, type=kinds[layer.type])
                v1.bottom.extend(layer.bottom)
                v1.top.extend(layer.top)
                v1.convolution_param.CopyFrom(layer.convolution_param)
                v1.inner_product_param.CopyFrom(layer.inner_product_param)
                for blob in layer.blobs:
                    b = v1.blobs.add(data=blob.data, diff=blob.data)
                    dims = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
                    b.num, b.channels, b.height, b.width = dims
        open(str(inputs["v1"]), "wb").write(old.SerializeToString())
        """,
        weights=saved["weights"],
        v1=tmp_path / "v1.caffemodel",
    )
    upgrade = [
        caffe_prefix / "bin" / "upgrade_net_proto_binary",
        tmp_path / "v1.caffemodel",
        tmp_path / "up.caffemodel",
    ]
    subprocess.run(upgrade, check=True, capture_output=True)
    surgery.convert(tmp_path / "v1.caffemodel", tmp_path / "ours.caffemodel")
    old, theirs, ours = (arrays(tmp_path / f"{name}.caffemodel") for name in ("v1", "up", "ours"))
    assert_equal(old, theirs)
    assert_equal(ours, theirs)
    assert_equal(old, {key: values for key, values in truth(saved).items() if key[0] in ("conv", "fc")})
    with surgery.open_weights(tmp_path / "v1.caffemodel") as weights:
        assert weights.format == "caffemodel (V1)"
        assert [layer.type for layer in weights.layers] == ["Convolution", "InnerProduct"]
    loaded = pycaffe(
        'outputs["fc"] = caffe.Net(str(inputs["n"]), str(inputs["w"]), caffe.TEST).params["fc"][0].data',
        n=saved["net"],
        w=tmp_path / "ours.caffemodel",
    )
    np.testing.assert_array_equal(loaded["fc"], truth(saved)["fc", 0])


def test_v0_layers_are_read_under_their_own_names(tmp_path):
    net = NetParameter()
    old = net.layers.add(bottom=["data"], top=["conv"])
    old.layer.name, old.layer.type, old.layer.num_output, old.layer.kernelsize = "conv", "conv", 2, 1
    old.layer.blobs.add(num=2, channels=3, height=1, width=1, data=range(6))
    (tmp_path / "v0.caffemodel").write_bytes(net.SerializeToString())
    with surgery.open_weights(tmp_path / "v0.caffemodel") as weights:
        assert (weights.format, weights.layers[0].name, weights.layers[0].type) == (
            "caffemodel (V0)",
            "conv",
            "Convolution",
        )
        np.testing.assert_array_equal(weights["conv"][0].array().ravel(), range(6))


VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) - 7.5


def unpacked(number: int, kind: int, values: np.ndarray) -> bytes:
    return b"".join(wire.encode_key(number, kind) + value.tobytes() for value in values.ravel())


def _raw(dtype: str, kind: int) -> bytes:
    data = VALUES.astype(dtype).tobytes()
    raw = wire.encode_key(10, 0) + bytes([kind]) + wire.encode_key(12, 2) + wire.encode_varint(len(data)) + data
    return raw + BlobProto(shape={"dim": VALUES.shape}).SerializeToString()


SPELLINGS = {
    "packed floats": blob(VALUES).SerializeToString(),
    "packed floats in two parts": BlobProto(shape={"dim": VALUES.shape}, data=VALUES.ravel()[:5]).SerializeToString()
    + BlobProto(data=VALUES.ravel()[5:]).SerializeToString(),
    "unpacked floats": unpacked(5, 5, VALUES) + BlobProto(shape={"dim": VALUES.shape}).SerializeToString(),
    "unpacked and packed floats": unpacked(5, 5, VALUES.ravel()[:7])
    + BlobProto(shape={"dim": VALUES.shape}, data=VALUES.ravel()[7:]).SerializeToString(),
    "doubles": BlobProto(shape={"dim": VALUES.shape}, double_data=VALUES.ravel()).SerializeToString(),
    "unpacked doubles": unpacked(8, 1, VALUES.astype("<f8"))
    + BlobProto(shape={"dim": VALUES.shape}).SerializeToString(),
    "floats with diffs": blob(VALUES).SerializeToString() + BlobProto(diff=range(24)).SerializeToString(),
    "floats with unpacked diffs": blob(VALUES).SerializeToString() + unpacked(6, 5, VALUES),
    "old shape": BlobProto(num=2, channels=3, height=2, width=2, data=VALUES.ravel()).SerializeToString(),
    "NVIDIA's float16": _raw("<f2", 2),
    "NVIDIA's float": _raw("<f4", 1),
    "NVIDIA's double": _raw("<f8", 0),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_blob_holds_the_same_values(tmp_path, spelling):
    inner = SPELLINGS[spelling]
    layer = NetParameter().layer.add(name="conv").SerializeToString()
    layer += wire.encode_key(7, 2) + wire.encode_varint(len(inner)) + inner
    (tmp_path / "w.caffemodel").write_bytes(wire.encode_key(100, 2) + wire.encode_varint(len(layer)) + layer)
    found = arrays(tmp_path / "w.caffemodel")
    np.testing.assert_array_equal(found["conv", 0], VALUES)
    for suffix in (".caffemodel", ".caffemodel.h5", ".npz", ".safetensors"):
        surgery.convert(tmp_path / "w.caffemodel", tmp_path / f"out{suffix}")
        np.testing.assert_array_equal(arrays(tmp_path / f"out{suffix}")["conv", 0], VALUES)


def test_the_blobs_that_caffe_prefers_are_the_ones_that_count(tmp_path):
    both = BlobProto(shape={"dim": [2]}, data=[1, 2], double_data=[3, 4])
    old = BlobProto(num=1, channels=1, height=1, width=2, shape={"dim": [7]}, data=[5, 6])
    (tmp_path / "w.caffemodel").write_bytes(net_with(both, old))
    found = arrays(tmp_path / "w.caffemodel")
    np.testing.assert_array_equal(found["conv", 0], [3, 4])
    np.testing.assert_array_equal(found["conv", 1], [5, 6])


def test_converting_keeps_every_byte_of_data_and_all_that_the_file_says_of_its_net(tmp_path):
    net = NetParameter(name="made", force_backward=True)
    layer = net.layer.add(name="conv", type="Convolution", bottom=["data"], top=["conv"], param=[{"lr_mult": 3}])
    layer.convolution_param.num_output = 2
    layer.blobs.append(blob(np.arange(3, dtype=np.float32)))
    weird = b"\x01\x00\x80\x7f\xff\xff\xff\xff\x00\x00\x00\x80"  # a signalling NaN, a NaN, minus zero
    nvidia = wire.encode_key(13, 0) + b"\x01"  # default_forward_math
    data = net.SerializeToString().replace(np.arange(3, dtype=np.float32).tobytes(), weird) + nvidia
    (tmp_path / "a.caffemodel").write_bytes(data)
    surgery.convert(tmp_path / "a.caffemodel", tmp_path / "b.caffemodel")
    converted = (tmp_path / "b.caffemodel").read_bytes()
    assert nvidia in converted
    assert weird in converted
    again = NetParameter.FromString(converted)
    net.layer[0].ClearField("blobs")
    again.layer[0].ClearField("blobs")
    assert again.layer[0] == net.layer[0]
    assert (again.name, again.force_backward) == ("made", True)


def test_half_is_nvidias_form_and_comes_back_as_floats(tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(net_with(blob(VALUES)))
    surgery.convert(tmp_path / "w.caffemodel", tmp_path / "half.caffemodel", half=True)
    with surgery.open_weights(tmp_path / "half.caffemodel") as weights:
        assert weights["conv"][0].dtype == "float16"
    surgery.convert(tmp_path / "half.caffemodel", tmp_path / "back.caffemodel")
    assert_equal(arrays(tmp_path / "back.caffemodel"), arrays(tmp_path / "w.caffemodel"))


def test_a_value_beyond_float16_is_an_error_that_names_it(tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(net_with(blob(np.array([1, 70000], np.float32))))
    with pytest.raises(WeightsError, match=r"layer 'conv', parameter 0: 70000 does not fit float16"):
        surgery.convert(tmp_path / "w.caffemodel", tmp_path / "half.npz", half=True)
    assert [path.name for path in tmp_path.iterdir()] == ["w.caffemodel"]


NAMED = {"conv/0": VALUES, "conv/1": np.array([1.5, -2], np.float32), "a/b/0": np.array(3, np.float32)}


def test_numpys_own_files_are_read_and_ours_by_numpy(tmp_path):
    np.savez(tmp_path / "theirs.npz", **NAMED)
    np.savez_compressed(tmp_path / "packed.npz", **NAMED)
    surgery.convert(tmp_path / "theirs.npz", tmp_path / "ours.npz")
    expected = {(name.rpartition("/")[0], int(name[-1])): values for name, values in NAMED.items()}
    for name in ("theirs", "packed", "ours"):
        assert_equal(arrays(tmp_path / f"{name}.npz"), expected)
    with np.load(tmp_path / "ours.npz") as ours:
        for name, values in NAMED.items():
            np.testing.assert_array_equal(ours[name], values)


def test_safetensors_own_files_are_read_and_ours_by_safetensors(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(NAMED, tmp_path / "theirs.safetensors")
    surgery.convert(tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors")
    expected = {(name.rpartition("/")[0], int(name[-1])): values for name, values in NAMED.items()}
    assert_equal(arrays(tmp_path / "theirs.safetensors"), expected)
    ours = library.load_file(tmp_path / "ours.safetensors")
    assert ours.keys() == NAMED.keys()
    for name, values in NAMED.items():
        np.testing.assert_array_equal(ours[name], values)


def test_hdf5_that_somebody_compressed_is_read_and_links_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("data/conv/0", data=VALUES, chunks=(1, 2, 2, 2), compression="gzip")
        file.create_dataset("data/conv/1", data=VALUES[0, 0, 0].astype(">f8"))
    found = arrays(tmp_path / "w.h5")
    np.testing.assert_array_equal(found["conv", 0], VALUES)
    np.testing.assert_array_equal(found["conv", 1], VALUES[0, 0, 0])
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file.create_group("data/conv")["0"] = h5py.ExternalLink("w.h5", "/data/conv/0")
    with pytest.raises(WeightsError, match="link"):
        surgery.open_weights(tmp_path / "link.h5")


def test_a_layer_name_that_caffes_hdf5_cannot_hold_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", **{"inception/1x1/0": VALUES})
    with pytest.raises(WeightsError, match=r"inception/1x1.*HDF5"):
        surgery.convert(tmp_path / "w.npz", tmp_path / "w.caffemodel.h5")


@pytest.mark.caffe
def test_real_caffe_itself_can_save_no_such_name_and_passes_over_it_when_it_loads(pycaffe, tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "net.prototxt").write_text(NET.replace('name: "conv"', 'name: "inception/conv"'))
    with h5py.File(tmp_path / "nested.caffemodel.h5", "w") as file:
        file["data/inception/conv/0"] = np.full((4, 3, 3, 3), 7, np.float32)
    found = pycaffe(
        """
        import os
        net = caffe.Net(str(inputs["net"]), caffe.TEST)
        child = os.fork()
        if not child:
            net.save_hdf5(str(inputs["saved"]))
            os._exit(0)
        outputs["status"] = os.waitpid(child, 0)[1]
        net.load_hdf5(str(inputs["nested"]))
        outputs["loaded"] = net.params["inception/conv"][0].data
        """,
        net=tmp_path / "net.prototxt",
        saved=tmp_path / "saved.caffemodel.h5",
        nested=tmp_path / "nested.caffemodel.h5",
    )
    assert found["status"] != 0
    assert not (found["loaded"] == 7).any()


@pytest.fixture
def sizes_of_reads(monkeypatch) -> list[int]:
    """The bytes of every read of a weights file so far."""
    sizes = []
    pread = os.pread

    def count(descriptor: int, size: int, offset: int) -> bytes:
        data = pread(descriptor, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", count)
    return sizes


def test_a_file_above_two_gigabytes_is_read_where_protobuf_gives_up(tmp_path, sizes_of_reads):
    count = (2**31 + 2**20) // 4
    shape = BlobProto(shape={"dim": [count]}).SerializeToString()
    inner = shape + wire.encode_key(5, 2) + wire.encode_varint(4 * count)
    layer = NetParameter().layer.add(name="huge").SerializeToString()
    layer += wire.encode_key(7, 2) + wire.encode_varint(len(inner) + 4 * count) + inner
    head = wire.encode_key(100, 2) + wire.encode_varint(len(layer) + 4 * count) + layer
    with (tmp_path / "huge.caffemodel").open("wb") as file:  # a hole: it takes no room on the disk
        file.write(head)
        file.truncate(len(head) + 4 * count)
        file.seek(0, os.SEEK_END)
        file.write(net_with(blob(VALUES)))
    with surgery.open_weights(tmp_path / "huge.caffemodel") as weights:
        assert [layer.name for layer in weights.layers] == ["huge", "conv"]
        assert weights["huge"][0].shape == (count,)
        np.testing.assert_array_equal(weights["conv"][0].array(), VALUES)
        assert weights["huge"][0].array()[-1] == 0
    assert sum(sizes_of_reads) < 1 << 20
    with pytest.raises(WeightsError, match=r"Caffe loads no more than 2147483647 .*\.h5"):
        surgery.convert(tmp_path / "huge.caffemodel", tmp_path / "copy.caffemodel")
    assert [path.name for path in tmp_path.iterdir()] == ["huge.caffemodel"]


def test_ten_thousand_layers_are_no_more_work_than_their_bytes(tmp_path, sizes_of_reads):
    net = NetParameter()
    for number in range(10_000):
        net.layer.add(name=f"layer{number}", type="Bias", bottom=["x"], top=["x"]).blobs.append(blob(VALUES[:1, 0, 0]))
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    surgery.convert(tmp_path / "w.caffemodel", tmp_path / "copy.caffemodel")
    assert sum(sizes_of_reads) < 10 * (tmp_path / "w.caffemodel").stat().st_size
    assert NetParameter.FromString((tmp_path / "copy.caffemodel").read_bytes()) == net


@pytest.mark.parametrize("ways", [["_splice"], ["_copy_file_range"], []])
@pytest.mark.parametrize("ahead", [0, 1, 4095, 1 << 19])
def test_segments_of_any_place_and_length_arrive_whichever_way_the_kernel_copies(tmp_path, monkeypatch, ways, ahead):
    monkeypatch.setattr(output_file, "_KERNEL_COPIES", [getattr(output_file, way) for way in ways])
    content = np.random.default_rng(ahead).bytes(3_000_001)
    (tmp_path / "source").write_bytes(content)
    source = InputFile(tmp_path / "source")
    segments = [(1, 100_000), (7, 2_999_988), (1 << 19, 1 << 20), (2_000_000, 1_000_001)]
    with (tmp_path / "target").open("wb") as out:
        output = output_file.OutputFile(out.fileno())
        output.write(bytes(ahead))
        for begin, size in segments:
            segment = tensors.FileSegment(source, begin, size)
            output.write_tensor(tensors.Tensor((size // 4,), "float32", (segment,)))
            output.write(b"between")
        output.flush()
    expected = bytes(ahead) + b"".join(content[begin : begin + size] + b"between" for begin, size in segments)
    assert (tmp_path / "target").read_bytes() == expected


def test_an_array_is_a_map_of_the_file_and_not_a_copy(tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(net_with(blob(VALUES)))
    with surgery.open_weights(tmp_path / "w.caffemodel") as weights:
        array = weights["conv"][0].array()
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable


dtypes = st.sampled_from(["<f2", "<f4", "<f8"])
shapes = st.lists(st.integers(0, 5), max_size=4)
names = st.text(min_size=1, max_size=8).filter(lambda name: "\x00" not in name)
layer_lists = st.dictionaries(
    names, st.lists(st.tuples(shapes, dtypes), min_size=1, max_size=3), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(layer_lists, st.sampled_from([".caffemodel", ".npz", ".safetensors"]), st.randoms(use_true_random=False))
def test_any_layers_survive_any_format(tmp_path_factory, layers, suffix, random):
    from caffe_fcn.weights.tensors import from_array

    path = tmp_path_factory.mktemp("any") / f"w{suffix}"
    made = {
        (name, index): np.array([random.uniform(-9, 9) for _ in range(int(np.prod(shape)))]).astype(kind).reshape(shape)
        for name, tensors in layers.items()
        for index, (shape, kind) in enumerate(tensors)
    }
    surgery.save_weights(
        path,
        [
            surgery.Layer(name, tuple(from_array(made[name, index]) for index in range(len(tensors))))
            for name, tensors in layers.items()
        ],
    )
    with surgery.open_weights(path) as weights:
        assert [layer.name for layer in weights.layers] == list(layers)
    assert_equal(arrays(path), made)
    assert {key: str(a.dtype) for key, a in arrays(path).items()} == {key: str(a.dtype) for key, a in made.items()}


SUFFIXES = [".caffemodel", ".caffemodel.h5", ".npz", ".safetensors"]
any_sides = st.one_of(st.integers(0, 4), st.sampled_from([2**31 - 1, 2**31, 10**30]))
any_shapes = st.one_of(st.lists(st.integers(0, 3), max_size=4), st.lists(any_sides, max_size=34))
any_names = st.one_of(names, st.sampled_from(["", "a/b", ".", "a\x00b", "x" * 70_000, "conv"]))


def caffe_takes(shape: list[int]) -> bool:
    """The checks of Blob::Reshape in Caffe's src/caffe/blob.cpp, line by line."""
    count = 1
    for side in shape:
        if side < 0 or side > 2**31 - 1 or (count and side > (2**31 - 1) // count):
            return False
        count *= side
    return len(shape) <= 32


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(any_names, st.lists(st.tuples(any_shapes, dtypes), max_size=2)), max_size=3),
    st.permutations(SUFFIXES),
)
def test_what_one_format_takes_goes_through_all_formats_and_back_or_is_refused_before_a_byte_is_written(
    tmp_path_factory, layers, suffixes
):
    from caffe_fcn.weights.tensors import from_array

    pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("formats")
    made = [
        surgery.Layer(name, tuple(_handle(shape, kind, from_array) for shape, kind in tensors))
        for name, tensors in layers
    ]
    refused = [shape for _, tensors in layers for shape, _ in tensors if not caffe_takes(shape)]
    held: Path | None = None
    for step, suffix in enumerate([*suffixes, suffixes[0]]):
        path = folder / f"{step}{suffix}"
        try:
            if held is None:
                surgery.save_weights(path, made)
            else:
                surgery.convert(held, path)
        except WeightsError as error:
            assert "\n" not in str(error)
            assert not path.exists()
            continue
        assert not refused
        assert contents(path) == {
            (layer.name, index): (tensor.shape, b"".join(tensor.cast("float64", "").chunks()))
            for layer in made
            for index, tensor in enumerate(layer.tensors)
        }
        held = path


def _handle(shape: list[int], kind: str, from_array) -> surgery.Tensor:
    count = math.prod(shape)
    if count > 10_000:  # nothing that is refused is read
        return surgery.Tensor(tuple(shape), "float32", ())
    return replace(from_array(np.arange(count).astype(kind)), shape=tuple(shape))


def contents(path: Path) -> dict[tuple[str, int], tuple[tuple[int, ...], bytes]]:
    """Shapes and values; an array of numpy's cannot have all shapes of no values that a blob can."""
    with surgery.open_weights(path) as weights:
        return {
            (layer, index): (tensor.shape, b"".join(tensor.cast("float64", "").chunks()))
            for layer, index, tensor in weights
        }


SHAPES = [[1] * 32, [1] * 33, [0, 2**31 - 1], [2**31 - 1, 2, 0], [0, 2**31 - 1, 2], [2, -1]]


@pytest.mark.caffe
def test_real_caffe_takes_and_refuses_the_same_shapes(pycaffe, tmp_path):
    for at, sides in enumerate(SHAPES):
        shape = " ".join(f"dim: {side}" for side in sides)
        text = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {shape} }} }} }}'
        (tmp_path / f"{at}.prototxt").write_text(text)
    found = pycaffe(
        """
        import os
        for at in range(int(inputs["count"])):
            child = os.fork()
            if not child:
                os.close(2)
                caffe.Net("%s/%d.prototxt" % (inputs["folder"], at), caffe.TEST)
                os._exit(0)
            outputs[str(at)] = np.array(os.waitpid(child, 0)[1] == 0)
        """,
        folder=tmp_path,
        count=len(SHAPES),
    )
    assert [bool(found[str(at)]) for at in range(len(SHAPES))] == [caffe_takes(sides) for sides in SHAPES]
    assert [not tensors.explain_bad_shape(sides) for sides in SHAPES] == [caffe_takes(sides) for sides in SHAPES]


def test_differences_are_told_per_parameter(tmp_path):
    np.savez(tmp_path / "a.npz", **{"x/0": VALUES, "x/1": VALUES[0], "y/0": VALUES[0], "z/0": VALUES})
    changed = VALUES.copy()
    changed[1, 2, 1, 0] += 0.5
    np.savez(tmp_path / "b.npz", **{"x/0": changed, "x/1": VALUES[0].reshape(12), "z/0": VALUES, "w/0": VALUES})
    with surgery.open_weights(tmp_path / "a.npz") as a, surgery.open_weights(tmp_path / "b.npz") as b:
        found = {(each.layer, each.index): each for each in surgery.differences(a, b)}
    assert found["x", 0].largest == 0.5
    assert (found["x", 1].largest, found["x", 1].same) == (0, False)
    assert found["y", 0].shapes == ((3, 2, 2), None)
    assert found["w", 0].shapes == (None, (2, 3, 2, 2))
    assert found["z", 0].same


def test_values_that_are_not_finite_are_counted(tmp_path):
    bad = VALUES.copy().ravel()
    bad[3], bad[5], bad[9] = np.nan, np.inf, -np.inf
    np.savez(tmp_path / "w.npz", **{"good/0": VALUES, "bad/0": VALUES, "bad/1": bad})
    with surgery.open_weights(tmp_path / "w.npz") as weights:
        (found,) = surgery.not_finite(weights)
    assert (found.layer, found.index, found.nan, found.inf) == ("bad", 1, 1, 2)


@pytest.mark.caffe
def test_an_image_mean_is_the_same_to_caffe_numpy_and_us(pycaffe, tmp_path):
    mean = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    surgery.write_mean(tmp_path / "ours.binaryproto", mean)
    read = pycaffe(
        """
        blob = caffe.proto.caffe_pb2.BlobProto()
        blob.ParseFromString(open(str(inputs["ours"]), "rb").read())
        outputs["ours"] = caffe.io.blobproto_to_array(blob)
        theirs = caffe.io.array_to_blobproto(inputs["mean"][None])
        open(str(inputs["theirs"]), "wb").write(theirs.SerializeToString())
        """,
        ours=tmp_path / "ours.binaryproto",
        theirs=tmp_path / "theirs.binaryproto",
        mean=mean,
    )
    np.testing.assert_array_equal(read["ours"][0], mean)
    np.testing.assert_array_equal(surgery.read_mean(tmp_path / "theirs.binaryproto"), mean)
    surgery.write_mean(tmp_path / "mean.npy", mean)
    np.testing.assert_array_equal(np.load(tmp_path / "mean.npy"), mean)
    np.testing.assert_array_equal(surgery.read_mean(tmp_path / "mean.npy"), mean)
    assert surgery.per_channel(mean) == [9.5, 29.5, 49.5]


def test_three_numbers_make_an_image_of_means(tmp_path):
    surgery.write_mean(tmp_path / "mean.binaryproto", surgery.mean_of([104, 117, 123]), size=(2, 3))
    image = surgery.read_mean(tmp_path / "mean.binaryproto")
    assert image.shape == (3, 2, 3)
    assert surgery.per_channel(image) == [104, 117, 123]


@pytest.mark.numerics
def test_opencv_reads_what_we_write_in_both_widths(tmp_path):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless<5 is not installed")
    net = tmp_path / "net.prototxt"
    net.write_text(NET.split('layer { name: "norm"')[0])
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float16).astype(np.float32)
    np.savez(tmp_path / "w.npz", **{"conv/0": weights, "conv/1": np.arange(4, dtype=np.float32)})
    image = np.random.default_rng(1).normal(size=(1, 3, 9, 9)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), axis=(1, 2))
    expected = np.einsum("cyxij,ocij->oyx", windows, weights) + np.arange(4)[:, None, None]
    for half in (False, True):
        surgery.convert(tmp_path / "w.npz", tmp_path / "w.caffemodel", half=half)
        loaded = cv2.dnn.readNetFromCaffe(str(net), str(tmp_path / "w.caffemodel"))
        loaded.setInput(image)
        np.testing.assert_allclose(loaded.forward()[0], expected, atol=1e-4)


def test_info_tells_layers_and_shapes_as_json(tmp_path, cli):
    (tmp_path / "w.caffemodel").write_bytes(net_with(blob(VALUES), blob(VALUES[0, 0, 0])))
    told = json.loads(cli("weights", "info", tmp_path / "w.caffemodel", "--json").out)
    assert told["params"] == 26
    assert told["layers"][0]["name"] == "conv"
    assert [each["shape"] for each in told["layers"][0]["blobs"]] == [[2, 3, 2, 2], [2]]


def test_looking_at_headers_waits_for_neither_protobuf_nor_numpy(tmp_path):
    (tmp_path / "w.caffemodel").write_bytes(net_with(blob(VALUES)))
    code = "import sys\nfrom caffe_fcn.cli import main\ntry: main(['weights', 'info', sys.argv[1]])\n"
    code += "finally: print({'google.protobuf', 'numpy', 'zipfile', 'h5py'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "w.caffemodel"], capture_output=True, text=True)
    assert "2x3x2x2" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_commands_end_with_1_where_something_is_wrong_and_0_where_not(tmp_path, cli):
    bad = VALUES.copy()
    bad[0, 0, 0, 0] = np.nan
    (tmp_path / "good.caffemodel").write_bytes(net_with(blob(VALUES)))
    (tmp_path / "bad.caffemodel").write_bytes(net_with(blob(bad)))
    assert cli("weights", "info", "--check", tmp_path / "good.caffemodel").status == 0
    checked = cli("weights", "info", "--check", tmp_path / "bad.caffemodel")
    assert checked.status == 1
    assert "layer 'conv', parameter 0: 1 NaN" in checked.out
    assert cli("weights", "diff", tmp_path / "good.caffemodel", tmp_path / "good.caffemodel").status == 0
    assert cli("weights", "diff", tmp_path / "good.caffemodel", tmp_path / "bad.caffemodel").status == 1


def test_a_file_that_is_no_weights_is_told_so(tmp_path):
    cases = {
        "prototxt": (NET.encode(), "text"),
        "empty": (b"", "is empty"),
        "solverstate": (b"\x08\x05", "not a net's"),
    }
    for name, (content, told) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=told):
            surgery.open_weights(tmp_path / name)
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileError):
            surgery.open_weights(path)


def test_layers_of_the_old_formats_keep_their_definition(tmp_path):
    net = NetParameter()
    layer = net.layers.add(name="fc", type=V1LayerParameter.INNER_PRODUCT, bottom=["data"], top=["fc"])
    layer.inner_product_param.num_output = 2
    layer.blobs.add(num=1, channels=1, height=2, width=3, data=range(6))
    (tmp_path / "v1.caffemodel").write_bytes(net.SerializeToString())
    surgery.convert(tmp_path / "v1.caffemodel", tmp_path / "new.caffemodel")
    new = NetParameter.FromString((tmp_path / "new.caffemodel").read_bytes()).layer[0]
    assert (new.type, new.inner_product_param.num_output, list(new.bottom)) == ("InnerProduct", 2, ["data"])


@pytest.mark.parametrize("before", [0, 1, 2, 31, 62, 63, 64, 127, 128])
def test_large_values_lie_on_the_cache_lines_of_their_source_wherever_they_come_from(tmp_path, before):
    net = NetParameter(name="n" * before)
    large = np.arange(1 << 18, dtype=np.float32)
    for name in ("a", "b"):
        net.layer.add(name=name).blobs.append(blob(large))
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString())
    with surgery.open_weights(tmp_path / "w.caffemodel") as source:
        surgery.save_weights(tmp_path / "out.caffemodel", source.layers[::-1])
        with surgery.open_weights(tmp_path / "out.caffemodel") as target:
            for name in ("a", "b"):
                (there,), (here,) = source[name][0].segments, target[name][0].segments
                assert (there.begin - here.begin) % 64 == 0
    parsed = NetParameter.FromString((tmp_path / "out.caffemodel").read_bytes())
    assert [layer.SerializeToString() for layer in parsed.layer] == [
        layer.SerializeToString() for layer in reversed(net.layer)
    ]
