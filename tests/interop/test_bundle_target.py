"""Bundles for targets: what is rewritten computes the same in real Caffe, OpenCV runs it, and what stays is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from caffe_worker import CaffeWorker
from command import Ran
from google.protobuf import text_format
from saved_weights import load, save

from caffe_fcn import checks, proto
from caffe_fcn.checks.example_nets import conv, crop, image, pointwise, upscore
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.interop.bundle import Bundle, write_bundle
from caffe_fcn.proto import NetParameter

Cli = Callable[..., Ran]
SHAPE = (1, 3, 24, 28)
BLOB = "1 3 24 28"
HEAD = upscore("num_output: 4 group: 2 kernel_size: 4 stride: 2 pad: 1 bias_term: false", more="", bottom="normal")
NET = (
    image(BLOB)
    + conv("features", "data", "num_output: 8 kernel_size: 3 stride: 2 pad: 2")
    + conv("grouped", "features", "num_output: 8 kernel_size: 3 pad: 1 group: 4")
    + pointwise('type: "BatchNorm"', "grouped", "normal")
    + pointwise('type: "Scale"', "normal", "normal", "scale_param { bias_term: true }", name="scale")
    + HEAD
    + crop("axis: 2 offset: 1 offset: 2", ("upscore", "data"), "score")
)
V1 = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 24 input_dim: 28
layers { name: "features" type: CONVOLUTION bottom: "data" top: "features"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu" type: RELU bottom: "features" top: "features" }
layers { name: "score" type: CONVOLUTION bottom: "features" top: "score"
  convolution_param { num_output: 5 kernel_size: 1 } }
"""
FORK = (
    image(BLOB)
    + conv("features", "data", "num_output: 4 kernel_size: 3 stride: 2 pad: 1")
    + pointwise('type: "ReLU6"', "features", "features", name="relu")
    + pointwise('type: "Interp"', "features", "score", "interp_param { zoom_factor: 2 }")
)


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.RandomState(3).normal(0, 40, SHAPE).astype("f4")


def run(net: Path, weights: Path, photo: np.ndarray, caffe: CaffeWorker, blob: str = "score") -> np.ndarray:
    made = caffe.run(net.read_text(), {"data": photo}, weights=weights)
    assert made is not None
    return made[f"blob/{blob}"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "net"
    path.mkdir()
    Model([Input("data", 3, mean=[0.0])], [Output("score")], "test").write(path)
    return path


def deliver(folder: Path, text: str, target: str, photo: np.ndarray, caffe: CaffeWorker) -> tuple[Bundle, np.ndarray]:
    """The bundle of a net with random weights, and what the net before computes in real Caffe."""
    (folder / "deploy.prototxt").write_text(text)
    weights = folder / "train_iter_1.caffemodel"
    made = caffe.run(text, {"data": photo}, save=weights)
    assert made is not None
    return write_bundle(folder / "deploy.prototxt", weights, folder / target, target=target), made["blob/score"]


def assert_same(made: Bundle, expected: np.ndarray, photo: np.ndarray, caffe: CaffeWorker) -> NetParameter:
    found = run(made.path / "deploy.prototxt", made.path / made.weights, photo, caffe)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    return proto.read_net(made.path / "deploy.prototxt")


def run_in_opencv(made: Bundle, photo: np.ndarray) -> np.ndarray:
    net = cv2.dnn.readNetFromCaffe(str(made.path / "deploy.prototxt"), str(made.path / made.weights))
    net.setInput(photo)
    return np.asarray(net.forward("score"))


# Target -> the types that its bundle of NET has and has not, and what is left that it refuses
BUNDLES = {
    "ascend": ({"BatchNorm", "Scale", "Crop"}, set(), []),
    "mindspore": ({"BatchNorm", "Crop"}, set(), []),
    "mnn": ({"BatchNorm", "Crop"}, set(), []),
    "ncnn": ({"Slice", "Silence"}, {"Crop"}, []),
    "opencv": ({"BatchNorm", "Crop"}, set(), []),
    "vitis": ({"Crop"}, set(), []),
}


@pytest.mark.parametrize("target", BUNDLES)
def test_a_bundle_for_a_target_computes_the_same(
    target: str, folder: Path, photo: np.ndarray, caffe: CaffeWorker
) -> None:
    made, expected = deliver(folder, NET, target, photo, caffe)
    net = assert_same(made, expected, photo, caffe)
    types = {layer.type for layer in net.layer}
    has, lacks, left = BUNDLES[target]
    assert has <= types and not lacks & types
    assert [each.what for each in made.misfits] == left
    found = checks.run(made.path / "deploy.prototxt", target=target, select=["FCN5"])
    assert not checks.has_errors(found), found
    if target != "ncnn":  # of a Slice, OpenCV gives the first blob, whatever its name
        found_by_opencv = run_in_opencv(made, photo)
        np.testing.assert_allclose(found_by_opencv, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_groups_become_one_where_a_target_reads_them_otherwise(
    folder: Path, photo: np.ndarray, caffe: CaffeWorker
) -> None:
    """MindSpore Lite takes a Deconvolution with any groups for a depthwise one; weights between groups are zero."""
    made, expected = deliver(folder, NET, "mindspore", photo, caffe)
    layers = {layer.name: layer for layer in assert_same(made, expected, photo, caffe).layer}
    assert (layers["upscore"].convolution_param.group, layers["grouped"].convolution_param.group) == (1, 4)
    kernel = load(made.path / made.weights)["upscore"][0]
    assert kernel.shape[:2] == (8, 4)
    assert not kernel[:4, 2:].any() and not kernel[4:, :2].any() and kernel[:4, :2].all() and kernel[4:, 2:].all()
    (finding,) = checks.run(folder / "deploy.prototxt", target="mindspore", select=["FCN503"])
    assert finding.place.layer == "upscore"


def test_global_statistics_are_said(folder: Path, photo: np.ndarray, caffe: CaffeWorker) -> None:
    before = folder / "before.prototxt"
    before.write_text(NET)
    assert "sets no use_global_stats" in str(checks.run(before, target="ascend", select=["FCN502"])[0])
    made, expected = deliver(folder, NET, "ascend", photo, caffe)
    (layer,) = (each for each in assert_same(made, expected, photo, caffe).layer if each.type == "BatchNorm")
    assert layer.batch_norm_param.use_global_stats


@pytest.mark.parametrize("target", ["rockchip", "ncnn"])
def test_a_net_of_2013_is_delivered_in_the_format_of_today(
    target: str, folder: Path, photo: np.ndarray, caffe: CaffeWorker
) -> None:
    made, expected = deliver(folder, V1, target, photo, caffe)
    assert checks.has_errors(checks.run(folder / "deploy.prototxt", target=target, select=["FCN505"]))
    assert_same(made, expected, photo, caffe)
    raw = text_format.Parse((made.path / "deploy.prototxt").read_text(), NetParameter())
    assert (len(raw.layers), len(raw.input), raw.layer[0].type, made.misfits) == (0, 0, "Input", ())


def test_types_of_forks_become_bvlcs_where_the_target_lacks_them(
    folder: Path, photo: np.ndarray, caffe: CaffeWorker
) -> None:
    """Interp of aligned corners by its formula, in numpy; the features before it by real Caffe."""
    (folder / "deploy.prototxt").write_text(FORK)
    features = image(BLOB) + conv("features", "data", "num_output: 4 kernel_size: 3 stride: 2 pad: 1")
    weights = folder / "train_iter_1.caffemodel"
    made = caffe.run(features, {"data": photo}, save=weights)
    assert made is not None
    clipped = np.clip(made["blob/features"].astype("f8"), 0, 6)
    rows, columns = (interpolate(side, 2 * side - 1) for side in clipped.shape[2:])
    expected = np.einsum("ai,bj,ncij->ncab", rows, columns, clipped)
    delivered = write_bundle(folder / "deploy.prototxt", weights, folder / "rockchip", target="rockchip")
    net = proto.read_net(delivered.path / "deploy.prototxt")
    types = {layer.type for layer in net.layer}
    assert "ReLU6" in types and "Interp" not in types  # RKNN lists ReLU6, and no Interp
    found = run_in_opencv(delivered, photo)  # real Caffe has no ReLU6
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())


def interpolate(before: int, after: int) -> np.ndarray:
    """The matrix of a linear interpolation whose corners are aligned, after x before."""
    places = np.arange(after) * (before - 1) / (after - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(before)))


def test_normalization_across_channels_is_composed_where_the_target_lacks_it(
    folder: Path, photo: np.ndarray, caffe: CaffeWorker
) -> None:
    text = (
        image(BLOB)
        + conv("features", "data", "num_output: 9 kernel_size: 3")
        + pointwise('type: "LRN"', "features", "score", "lrn_param { local_size: 5 alpha: 0.02 beta: 0.75 k: 1.5 }")
    )
    made, expected = deliver(folder, text, "mindspore", photo, caffe)
    net = assert_same(made, expected, photo, caffe)
    assert [layer.type for layer in net.layer] == ["Input", "Convolution", "Power", "Convolution", "Power", "Eltwise"]
    assert not made.misfits


def test_what_nnie_lacks_is_custom_with_its_shape(folder: Path, photo: np.ndarray, caffe: CaffeWorker) -> None:
    net = text_format.Parse(FORK, NetParameter())
    random = np.random.RandomState(0)
    values = {"features": [random.normal(size=(4, 3, 3, 3)).astype("f4"), np.zeros(4, "f4")]}
    (folder / "deploy.prototxt").write_text(FORK)
    weights = save(folder / "train_iter_1.caffemodel", net, values)
    made = write_bundle(folder / "deploy.prototxt", weights, folder / "nnie", target="nnie")
    layers = {layer.name: layer for layer in proto.read_net(made.path / "deploy.prototxt").layer}
    assert (layers["score"].type, list(layers["score"].custom_param.shape[0].dim)) == ("Custom", [1, 4, 23, 27])
    assert not layers["score"].HasField("interp_param")
    assert any("your own code computes it" in note for note in made.notes)
    assert not made.misfits


def test_what_stays_impossible_is_said_and_makes_the_exit_status_1(folder: Path, cli: Cli, caffe: CaffeWorker) -> None:
    text = image(BLOB) + conv("score", "data", "num_output: 5 kernel_size: 3 pad: 100")
    (folder / "deploy.prototxt").write_text(text)
    weights = folder / "train_iter_1.caffemodel"
    assert caffe.run(text, {"data": np.zeros(SHAPE, "f4")}, save=weights)
    ran = cli("export", "bundle", folder, "--weights", weights, "--target", "ascend", "-o", folder / "bundle")
    assert (ran.status, (folder / "bundle/deploy.prototxt").is_file()) == (1, True)
    assert "for ascend, refused: layer 'score' (Convolution) pads by as much as its kernel or more" in ran.err
    unknown = cli("export", "bundle", folder, "--weights", weights, "--target", "ascent", "-o", folder / "other")
    assert unknown.status == 2 and "did you mean ascend? there are ascend, horizon" in unknown.err
    assert not (folder / "other").exists()


def test_a_separate_layer_for_each_input(folder: Path, photo: np.ndarray, caffe: CaffeWorker) -> None:
    both = (
        image(BLOB)
        .replace('top: "data"', 'top: "data" top: "depth"')
        .replace("input_param {", f"input_param {{ shape {{ {' '.join(f'dim: {side}' for side in BLOB.split())} }}")
    )
    joined = 'layer { name: "joined" type: "Concat" bottom: "data" bottom: "depth" top: "joined" }\n'
    text = both + joined + conv("score", "joined", "num_output: 5 kernel_size: 1")
    Model([Input("data", 3, mean=[0.0]), Input("depth", 3, mean=[0.0])], [Output("score")], "test").write(folder)
    made, expected = deliver(folder, text, "mnn", photo, caffe)
    net = assert_same(made, expected, photo, caffe)
    assert [(layer.type, list(layer.top)) for layer in net.layer[:2]] == [("Input", ["data"]), ("Input", ["depth"])]
