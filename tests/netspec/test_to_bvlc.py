"""Nets of forks in BVLC's terms: real Caffe computes what the fork's formula says.

The judges of the forks' layers are OpenCV 4, which reads some of them, and their formulas in numpy: BN of SegNet
(bn_layer.cpp) and PSPNet (bn_layer.cpp), BatchNorm with scale_bias of NVIDIA's Caffe, bilinear interpolation of aligned
corners (DeepLab's util/interp.cpp).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import CaffeWorker, PyCaffe

from caffe_fcn import proto
from caffe_fcn.errors import NetError
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec.to_bvlc import to_bvlc

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: %d dim: %d } } }'
LAYER = 'layer { name: "x" type: "%s" bottom: "data" top: "y" %s }'


def read(text: str) -> proto.NetParameter:
    net = proto.NetParameter()
    proto.parse(text, net)
    return net


def convert(caffe: CaffeWorker, folder: Path, text: str, arrays: list[Array], data: Array) -> Array:
    """What real Caffe makes of the converted net, with the converted weights."""
    net = read(text)
    converted = to_bvlc(net)
    for array in arrays:
        blob = net.layer[-1].blobs.add(data=array.ravel())
        blob.shape.dim.extend(array.shape)
    (folder / "fork.caffemodel").write_bytes(net.SerializeToString())
    converted.write_weights(folder / "fork.caffemodel", folder / "bvlc.caffemodel")
    ran = caffe.run(proto.to_text(converted.net), {"data": data}, weights=folder / "bvlc.caffemodel")
    assert ran is not None, proto.to_text(converted.net)
    made: Array = ran["blob/y"]
    return made


def interpolate(x: Array, height: int, width: int) -> Array:
    """Bilinear, the corners of both on each other."""
    for axis, size in ((2, height), (3, width)):
        before = x.shape[axis]
        at = np.arange(size) * ((before - 1) / max(size - 1, 1))
        low = np.minimum(at.astype(int), before - 1)
        high = np.minimum(low + 1, before - 1)
        weight = (at - low).reshape([-1 if each == axis else 1 for each in range(4)])
        x = np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight
    return x


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("size", "settings", "made"),
    [
        ((5, 7), "zoom_factor: 4", (17, 25)),
        ((5, 7), "zoom_factor: 3", (13, 19)),
        ((9, 13), "shrink_factor: 2", (5, 7)),
        ((9, 13), "shrink_factor: 4 zoom_factor: 3", (7, 10)),
        ((3, 3), "height: 60 width: 60", (60, 60)),  # PSPNet's 59/2
        ((6, 6), "height: 60 width: 60", (60, 60)),  # and 59/5
        ((1, 1), "height: 6 width: 9", (6, 9)),
        ((4, 6), "height: 7 width: 4", (7, 4)),  # 2 and 3/5
        ((9, 9), "zoom_factor: 2 pad_beg: -1 pad_end: -1", (13, 13)),
    ],
)
def test_an_interpolation_is_a_deconvolution(
    caffe: CaffeWorker, tmp_path: Path, size: tuple[int, int], settings: str, made: tuple[int, int]
) -> None:
    data = RANDOM.normal(size=(2, 3, *size)).astype("f4")
    cut = data[:, :, 1:-1, 1:-1] if "pad_beg" in settings else data
    text = INPUT % size + LAYER % ("Interp", f"interp_param {{ {settings} }}")
    assert infer(read(text)).blobs["y"] == (2, 3, *made)
    assert np.abs(convert(caffe, tmp_path, text, [], data) - interpolate(cut, *made)).max() < 1e-5


FILLED = """
import glob
for path in glob.glob(str(inputs["folder"]) + "/*.prototxt"):
    net = caffe.Net(path, caffe.TEST)
    net.blobs["data"].data[...] = inputs["data"][:, :, : net.blobs["data"].shape[2], : net.blobs["data"].shape[3]]
    net.forward()
    outputs[path.split("/")[-1]] = net.blobs["y"].data.copy()
"""


@pytest.mark.caffe
def test_an_interpolation_needs_no_weights(pycaffe: PyCaffe, tmp_path: Path) -> None:
    """Caffe's fillers make what interpolates, whatever the scale: p over q for each axis."""
    sizes = [(before, after) for before in (2, 3, 6) for after in (5, 7, 9, 16, 41, 60)]
    data = RANDOM.normal(size=(2, 3, 6, 6)).astype("f4")
    for high, wide in zip(sizes, [*sizes[5:], *sizes[:5]], strict=True):
        settings = f"interp_param {{ height: {high[1]} width: {wide[1]} }}"
        net = to_bvlc(read(INPUT % (high[0], wide[0]) + LAYER % ("Interp", settings))).net
        proto.write(net, tmp_path / f"{high[0]}-{high[1]}-{wide[0]}-{wide[1]}.prototxt")
    for name, made in pycaffe(FILLED, folder=tmp_path, data=data).items():
        before_h, after_h, before_w, after_w = map(int, name.removesuffix(".prototxt").split("-"))
        assert np.abs(made - interpolate(data[:, :, :before_h, :before_w], after_h, after_w)).max() < 1e-5, name


def test_opencv_interpolates_as_the_formula(tmp_path: Path) -> None:
    dnn = pytest.importorskip("cv2").dnn
    text = INPUT % (5, 7) + LAYER % ("Interp", "interp_param { height: 17 width: 25 }")
    (tmp_path / "net.prototxt").write_text(text)
    net = dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"))
    data = RANDOM.normal(size=(2, 3, 5, 7)).astype("f4")
    net.setInput(data)
    assert np.abs(net.forward() - interpolate(data, 17, 25)).max() < 1e-5


def per_channel(array: Array) -> Array:
    return array.reshape(1, -1, 1, 1)


def normalize(x: Array, mean: Array, variance: Array, eps: float) -> Array:
    result: Array = (x - per_channel(mean)) / np.sqrt(per_channel(variance) + eps)
    return result


def pspnets(x: Array, slope: Array, bias: Array, mean: Array, variance: Array) -> Array:
    return normalize(x, mean, variance, 1e-5) * per_channel(slope) + per_channel(bias)


def segnets_inference(x: Array, scale: Array, shift: Array) -> Array:
    return x * per_channel(scale) + per_channel(shift)


def segnets_learning(x: Array, scale: Array, shift: Array) -> Array:
    return segnets_inference(normalize(x, x.mean((0, 2, 3)), x.var((0, 2, 3)), 1e-9), scale, shift)


def nvidias(x: Array, mean: Array, variance: Array, count: Array, scale: Array, bias: Array) -> Array:
    return segnets_inference(normalize(x, mean / count, variance / count, 1e-5), scale, bias)


COLUMN = (1, 3, 1, 1)


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("layer", "settings", "shapes", "formula"),
    [
        ("BN", "bn_param { slope_filler { value: 1 } frozen: true }", [COLUMN] * 4, pspnets),
        ("BN", "bn_param { bn_mode: INFERENCE }", [COLUMN] * 2, segnets_inference),
        ("BN", 'bn_param { scale_filler { type: "constant" value: 1 } }', [COLUMN] * 2, segnets_learning),
        ("BatchNorm", "batch_norm_param { scale_bias: true }", [(3,), (3,), (1,), (3,), (3,)], nvidias),
        ("ReLU6", "", [], lambda x: np.clip(x, 0, 6)),
        ("Upsample", "upsample_param { scale: 2 }", [], lambda x: x.repeat(2, 2).repeat(2, 3)),
    ],
)
def test_a_layer_becomes_layers_that_compute_the_same(
    caffe: CaffeWorker,
    tmp_path: Path,
    layer: str,
    settings: str,
    shapes: list[tuple[int, ...]],
    formula: Callable[..., Array],
) -> None:
    data = 3 * RANDOM.normal(size=(2, 3, 5, 4)).astype("f4")
    arrays = [RANDOM.uniform(0.5, 2, shape).astype("f4") for shape in shapes]
    text = INPUT % (5, 4) + LAYER % (layer, settings)
    assert infer(read(text)).params["x"] == shapes
    assert np.abs(convert(caffe, tmp_path, text, arrays, data) - formula(data, *arrays)).max() < 1e-5


@pytest.mark.caffe
@pytest.mark.parametrize("layer", ["DepthwiseConvolution", "ConvolutionDepthwise"])
def test_a_depthwise_convolution_is_a_grouped_one(caffe: CaffeWorker, tmp_path: Path, layer: str) -> None:
    data, kernel = RANDOM.normal(size=(2, 3, 5, 4)).astype("f4"), RANDOM.normal(size=(3, 1, 3, 3)).astype("f4")
    text = INPUT % (5, 4) + LAYER % (layer, "convolution_param { num_output: 3 kernel_size: 3 bias_term: false }")
    assert infer(read(text)).params["x"] == [(3, 1, 3, 3)]
    windows = np.lib.stride_tricks.sliding_window_view(data, (3, 3), (2, 3))
    expected = np.einsum("nchwyx,cyx->nchw", windows, kernel[:, 0])
    assert np.abs(convert(caffe, tmp_path, text, [kernel], data) - expected).max() < 1e-5


@pytest.mark.caffe
def test_scales_times_values_plus_values(caffe: CaffeWorker) -> None:
    blobs = {"s": (2, 3, 1, 1), "x": (2, 3, 4, 5), "data": (2, 3, 4, 5)}
    given = {name: RANDOM.normal(size=shape).astype("f4") for name, shape in blobs.items()}
    inputs = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
        + "".join(f"dim: {dim} " for dim in shape)
        + "} } }"
        for name, shape in blobs.items()
    )
    text = inputs + 'layer { name: "a" type: "Axpy" bottom: "s" bottom: "x" bottom: "data" top: "y" }'
    ran = caffe.run(proto.to_text(to_bvlc(read(text)).net), given)
    assert ran is not None
    assert np.abs(ran["blob/y"] - (given["s"] * given["x"] + given["data"])).max() < 1e-6


def test_the_mode_of_rounding_is_bvlcs() -> None:
    for spelled, rounded in (("ceil_mode: false", 1), ("ceil_mode: true", 0), ("", 0), ("torch_pooling: true", 1)):
        text = INPUT % (8, 8) + LAYER % ("Pooling", f"pooling_param {{ kernel_size: 3 stride: 2 {spelled} }}")
        param = to_bvlc(read(text)).net.layer[1].pooling_param
        assert param.round_mode == rounded and not param.HasField("ceil_mode")
        assert infer(read(text)).blobs["y"] == (2, 3, *[4 - rounded] * 2)


@pytest.mark.parametrize(
    ("layer", "settings", "said"),
    [
        ("Permute", "permute_param { order: 0 order: 2 }", r"layer 'x' \(Permute\).*cannot express"),
        ("Interp", "interp_param { zoom_factor: 2 pad_beg: -1 }", r"'x' \(Interp\).*cuts 1 before and 0 behind"),
        (
            "Convolution",
            "convolution_param { num_output: 1 kernel_size: 1 } quantization_param { }",
            "quantization_param",
        ),
        ("ImageData", "image_data_param { label_type: PIXEL }", "image_data_param.label_type"),
        ("Dropout", "dropout_param { scale_train: false }", "scale_train: false"),
    ],
)
def test_what_bvlc_cannot_express_is_refused_by_name(layer: str, settings: str, said: str) -> None:
    with pytest.raises(NetError, match=said):
        to_bvlc(read(INPUT % (8, 8) + LAYER % (layer, settings)))


def test_who_computes_is_left_out_and_named() -> None:
    text = INPUT % (8, 8) + LAYER % ("ReLU", "relu_param { engine: MKLDNN } forward_type: FLOAT16")
    converted = to_bvlc(read(text))
    assert converted.net.layer[1] == proto.LayerParameter(
        name="x", type="ReLU", bottom=["data"], top=["y"], relu_param={}
    )
    assert converted.notes == [
        "layer 'x' (ReLU): relu_param.engine is left out",
        "layer 'x' (ReLU): forward_type is left out",
    ]


def test_the_command_converts_a_net_and_its_weights(cli: Callable, tmp_path: Path) -> None:
    text = INPUT % (5, 4) + LAYER % ("BatchNorm", "batch_norm_param { scale_bias: true }")
    net = read(text)
    for count in (3, 3, 1, 3, 3):
        net.layer[1].blobs.add(data=range(count)).shape.dim.append(count)
    fork, text_file, made = tmp_path / "fork.caffemodel", tmp_path / "bvlc.prototxt", tmp_path / "bvlc.caffemodel"
    fork.write_bytes(net.SerializeToString())
    (tmp_path / "fork.prototxt").write_text(text)
    options = ("--to", "bvlc", "--weights", fork, "--weights-output", made)
    assert cli("net", "upgrade", tmp_path / "fork.prototxt", "-o", text_file, *options).status == 0
    layers = proto.NetParameter.FromString(made.read_bytes()).layer
    assert [(layer.type, len(layer.blobs)) for layer in layers] == [("Input", 0), ("BatchNorm", 3), ("Scale", 2)]
    assert [layer.type for layer in proto.read_net(text_file).layer] == ["Input", "BatchNorm", "Scale"]
    assert cli("net", "upgrade", fork, "-o", tmp_path / "again.caffemodel", "--to", "bvlc").status == 0
    assert (tmp_path / "again.caffemodel").read_bytes() == made.read_bytes()
