"""ONNX models of Caffe nets: ONNX Runtime must give what the torch engine gives, which real Caffe judges."""

from __future__ import annotations

import json
import math
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from catalogue_nets import shrink_deploy_net
from hypothesis import HealthCheck, assume, given, settings
from layer_nets import FCN, LAYER_NETS
from onnx_judge import KNOWN_OPSETS, Exported
from pooling_nets import list_poolings
from prototxts import input_layer, layer
from random_nets import has_empty_windows, nets
from saved_weights import save

from caffe_fcn import netspec, proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import EngineError, MissingExtraError, NetError, WeightsError
from caffe_fcn.interop.onnx import model_file
from caffe_fcn.interop.onnx.comparison import compare_model, run_model
from caffe_fcn.interop.onnx.exporting import write_onnx
from caffe_fcn.net.shapes import infer
from caffe_fcn.weights import write_mean

SMALL = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("opset", [KNOWN_OPSETS[0], 17, KNOWN_OPSETS[-1]])
def test_random_nets(tmp_path_factory: pytest.TempPathFactory, opset: int) -> None:
    @SMALL
    @given(text=nets())
    def check(text: str) -> None:
        assume(not has_empty_windows(text))
        Exported(text, tmp_path_factory.mktemp("net"), opset=opset).assert_equal()

    check()


@pytest.mark.long
@settings(SMALL, max_examples=200)
@given(text=nets())
def test_two_hundred_random_nets(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assume(not has_empty_windows(text))
    Exported(text, tmp_path_factory.mktemp("net"), fold_normalization=False).assert_equal()


@pytest.mark.parametrize(
    "size", [size if size in (1, 6, 13) else pytest.param(size, marks=pytest.mark.long) for size in range(1, 41)]
)
def test_poolings_have_caffes_windows(tmp_path: Path, size: int) -> None:
    Exported(list_poolings(size), tmp_path, opset=13).assert_equal()


def test_poolings_of_any_size(tmp_path: Path) -> None:
    """The graph computes its pads for sizes other than the one that it was written for."""
    exported = Exported(list_poolings(20, range(1, 5)), tmp_path, opset=13, dynamic=["batch", "size"])
    for batch, height, width in ((1, 20, 21), (2, 5, 13), (1, 8, 4), (3, 17, 30)):
        exported.assert_equal(
            {"data": np.random.default_rng(height).normal(0, 1, (batch, 2, height, width)).astype("f")}
        )


@pytest.mark.parametrize("text", LAYER_NETS)
def test_layers_that_the_random_nets_do_not_have(tmp_path: Path, text: str) -> None:
    Exported(text, tmp_path, opset=18).assert_equal()


def test_of_equal_scores_the_last_class_wins_as_in_caffe(tmp_path: Path) -> None:
    text = input_layer("data", 1, 3, 1, 4) + layer("ArgMax", "data", "y", "argmax_param { axis: 1 }")
    exported = Exported(text, tmp_path)
    scores = np.array([[[[1, 2, 0, 5]], [[1, 2, 1, 4]], [[1, 0, 1, 5]]]], np.float32)
    assert run_model(exported.made.files[0], {"data": scores})["y"].tolist() == [[[[2, 1, 2, 2]]]]


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("m2nist-fcn", "unet") else pytest.param(name, marks=pytest.mark.long)
        for name in netspec.catalogue()
    ],
)
def test_the_nets_of_the_catalogue(tmp_path: Path, name: str) -> None:
    Exported(proto.to_text(shrink_deploy_net(name)), tmp_path).assert_equal()


def test_a_checkout_that_is_not_installed_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_no_package(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", find_no_package)
    assert onnx.load(Exported(FCN, tmp_path).made.files[0]).producer_version == ""


def test_the_graph_is_simple_and_keeps_the_names(tmp_path: Path) -> None:
    graph = onnx.load(Exported(FCN, tmp_path).made.files[0]).graph
    assert [node.op_type for node in graph.node] == ["Conv", "Relu", "MaxPool", "Conv", "ConvTranspose", "Slice"]
    assert [node.output[0] for node in graph.node][1:] == ["conv1", "pool1", "score_fr", "up", "score"]
    assert [each.name for each in graph.input] == ["data"] and not {"conv1/0"} & {each.name for each in graph.input}
    assert [node.name for node in graph.node] == ["conv1", "relu1", "pool1", "score_fr", "up", "score"]


@pytest.mark.parametrize("size", [(37, 41), (64, 30), (9, 100)])
def test_an_fcn_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    exported = Exported(FCN, tmp_path, dynamic=["batch", "size"])
    exported.assert_equal({"data": np.random.default_rng(0).normal(0, 9, (2, 3, *size)).astype(np.float32)})
    (data,) = onnx.load(exported.made.files[0]).graph.input
    assert [dim.dim_param for dim in data.type.tensor_type.shape.dim] == ["batch", "", "data_height", "data_width"]


@pytest.mark.parametrize(
    "kernel, stride, pad, offset, size, resized",
    [
        (16, 8, 0, 31, (40, 50), True),  # FCN-8s
        (4, 2, 0, 1, (16, 20), False),  # begins a quarter of a pixel before the first one
        (4, 2, 0, 3, (14, 18), True),
        (4, 2, 1, 0, (18, 22), False),
        (5, 3, 0, 4, (20, 20), True),
        (3, 2, 0, 3, (10, 10), False),  # shifted by half a pixel
        (6, 3, 0, 6, (10, 10), False),
        (5, 2, 0, 6, (10, 10), False),  # no interpolation by its stride
    ],
)
def test_upscores_as_resize(
    tmp_path: Path, kernel: int, stride: int, pad: int, offset: int, size: tuple[int, int], resized: bool
) -> None:
    inside = f"num_output: 4 group: 4 kernel_size: {kernel} stride: {stride} pad: {pad} bias_term: false"
    up = f'convolution_param {{ {inside} weight_filler {{ type: "bilinear" }} }}'
    text = input_layer("data", 1, 4, 9, 11) + input_layer("size", 1, 1, *size)
    text += layer("Deconvolution", "data", "up", up) + layer(
        "Crop", "up size", "score", f"crop_param {{ axis: 2 offset: {offset} }}"
    )
    exported = Exported(text, tmp_path, resize_upscores=True)
    exported.assert_equal()
    types = [node.op_type for node in onnx.load(exported.made.files[0]).graph.node]
    assert types == (["Resize", "Slice"] if resized else ["ConvTranspose", "Slice"])


def test_the_same_net_gives_the_same_bytes(tmp_path: Path) -> None:
    first = Exported(FCN, tmp_path).made.files[0].read_bytes()
    assert Exported(FCN, tmp_path).made.files[0].read_bytes() == first


def test_large_models_keep_their_numbers_in_a_file_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "LARGEST", 1000)
    monkeypatch.setattr(model_file, "_SMALL", 64)
    exported = Exported(FCN, tmp_path)
    assert [each.name for each in exported.made.files] == ["net.onnx", "net.onnx.data"]
    exported.assert_equal()


MODEL = Model(
    [Input("data", 3, "BGR", mean=[104.0, 117.0, 123.0], scale=0.02)],
    [Output("score", classes=["sky", "road", "tree", "car"])],
)


@pytest.mark.parametrize("mean_image", [False, True])
def test_a_model_that_takes_raw_pixels_and_gives_classes(tmp_path: Path, mean_image: bool) -> None:
    model = MODEL
    if mean_image:
        mean = np.random.default_rng(3).uniform(90, 130, (3, 37, 41)).astype(np.float32)
        write_mean(tmp_path / "mean.binaryproto", mean)
        model = Model([Input("data", 3, "BGR", mean_file="mean.binaryproto", scale=0.02)], MODEL.outputs)
    model.write(tmp_path)
    exported = Exported(FCN, tmp_path, preprocess=True, softmax=True, argmax=True)
    compared = compare_model(exported.made, exported.weights)
    assert {each.blob for each in compared} == {"softmax", "argmax"}
    assert all(each.ok for each in compared)
    # By numpy: the channels turned round, the mean subtracted, and the engine's scores
    pixels = np.random.default_rng(5).integers(0, 256, (1, 3, 37, 41)).astype(np.float32)
    found = run_model(exported.made.files[0], {"data": pixels})
    prepared = (pixels[:, ::-1] - (mean if mean_image else np.array([104, 117, 123]).reshape(3, 1, 1))) * 0.02
    scores = exported.net.forward(data=prepared.astype(np.float32))["score"].numpy()
    powers = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(found["softmax"], powers / powers.sum(1, keepdims=True), atol=1e-4)
    described = {each.key: each.value for each in onnx.load(exported.made.files[0]).metadata_props}
    taken = json.loads(described["model.json"])
    assert taken["inputs"][0]["order"] == "RGB" and taken["inputs"][0]["mean"] == [0.0]
    assert taken["outputs"][0]["classes"] == ["sky", "road", "tree", "car"]


def test_a_changed_model_is_found_different(tmp_path: Path) -> None:
    exported = Exported(FCN, tmp_path)
    path = exported.made.files[0]
    model = onnx.load(path)
    bias = next(each for each in model.graph.initializer if list(each.dims) == [4] and each.data_type == 1)
    values = onnx.numpy_helper.to_array(bias).copy()
    values[2] += 1
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, path)
    assert not all(each.ok for each in compare_model(exported.made, exported.weights))


@pytest.mark.parametrize(
    "text, options, error, words",
    [
        (FCN, {"opset": 12}, NetError, "13 to 21"),
        (FCN, {"dynamic": ["sise"]}, NetError, "did you mean size"),
        (FCN, {"preprocess": True}, WeightsError, "its mean is unknown"),
        (
            input_layer("data", 1, 2, 4, 4)
            + layer("InnerProduct", "data", "y", "inner_product_param { num_output: 2 }"),
            {"dynamic": ["size"]},
            NetError,
            "takes one size alone",
        ),
        (
            input_layer("data", 1, 2, 4, 4)
            + layer("Python", "data", "y", 'python_param { module: "m" layer: "L" } custom_param { shape { dim: 1 } }'),
            {},
            NetError,
            "layer 'Python' (Python): ONNX has no equivalent",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(
    tmp_path: Path, text: str, options: dict[str, object], error: type[Exception], words: str
) -> None:
    (tmp_path / "deploy.prototxt").write_text(text)
    message = proto.NetParameter()
    proto.parse(text, message)
    weights = tmp_path / "net.caffemodel"
    values = {name: [np.ones(shape, np.float32) for shape in shapes] for name, shapes in infer(message).params.items()}
    save(weights, message, values)
    with pytest.raises(error) as raised:
        write_onnx(tmp_path / "deploy.prototxt", weights, tmp_path / "net.onnx", **options)
    assert words in str(raised.value)
    assert not (tmp_path / "net.onnx").exists()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="caffe-fcn\\[onnx\\]"):
        write_onnx(tmp_path / "a", tmp_path / "b", tmp_path / "c")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"nonsense")
    with pytest.raises(EngineError, match=r"net\.onnx: ONNX Runtime refuses it"):
        run_model(tmp_path / "net.onnx", {})


def test_the_command(tmp_path: Path, cli) -> None:
    exported = Exported(FCN, tmp_path)
    output = tmp_path / "out.onnx"
    done = cli("export", "onnx", tmp_path / "deploy.prototxt", exported.weights, "-o", output, "--verify")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == str(output)
    assert "score (1x4x37x41): equal" in done.out
    done = cli("export", "onnx", tmp_path, "-o", output, "--json", "--size", "24x30", "--dynamic", "batch")
    assert json.loads(done.out)["outputs"] == {"score": [1, 4, 24, 30]}
    done = cli("export", "onnx", tmp_path, "-o", output, "--opset", "9")
    assert done.status == 2 and done.err.startswith("error: --opset 9: ")
    assert (
        math.prod(run_model(output, {"data": np.zeros((2, 3, 24, 30), np.float32)})["score"].shape) == 2 * 4 * 24 * 30
    )
