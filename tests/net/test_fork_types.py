"""Shapes of the forks' layer types.

The judges: OpenCV 4, which reads some of them from a prototxt; published figures (the 8732 boxes of SSD300); the
formulas of the forks' Reshape methods, written out as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from caffe_fcn import offsets, proto
from caffe_fcn.errors import NetError
from caffe_fcn.net.graph import Graph
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.net.shapes import infer
from caffe_fcn.net.walk import align
from caffe_fcn.proto.copying import with_layers

INPUTS = """layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 8 dim: 6 dim: 10 } } }
    layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 2 dim: 8 dim: 3 dim: 5 } } }
    layer { name: "r" type: "Input" top: "r" input_param { shape { dim: 7 dim: 5 } } }
    layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 2 dim: 8 dim: 1 dim: 1 } } }
"""


def read(text: str) -> proto.NetParameter:
    net = proto.NetParameter()
    proto.parse(text, net)
    return net


def layer(type_name: str, bottoms: str, settings: str = "", tops: str = "y") -> str:
    names = "".join(f' bottom: "{name}"' for name in bottoms) + "".join(f' top: "{name}"' for name in tops)
    return f'layer {{ name: "x" type: "{type_name}"{names} {settings} }}'


JUDGED = [  # by OpenCV, too
    ("Permute", "a", "permute_param { order: 0 order: 2 order: 3 order: 1 }", (2, 6, 10, 8)),
    ("Interp", "a", "interp_param { height: 11 width: 19 }", (2, 8, 11, 19)),
    ("Interp", "a", "interp_param { zoom_factor: 3 }", (2, 8, 16, 28)),
    ("ReLU6", "a", "", (2, 8, 6, 10)),
    ("Reorg", "a", "reorg_param { stride: 2 }", (2, 32, 3, 5)),
    ("ShuffleChannel", "a", "shuffle_channel_param { group: 4 }", (2, 8, 6, 10)),
    ("Normalize", "a", "norm_param { across_spatial: true channel_shared: true }", (2, 8, 6, 10)),
    (
        "PriorBox",
        "ba",
        "prior_box_param { variance: 0.1 min_size: 8 max_size: 16 aspect_ratio: 2 aspect_ratio: 3 }",
        (1, 2, 360),
    ),
    ("PriorBox", "ba", "prior_box_param { variance: 0.1 min_size: 8 aspect_ratio: 2 flip: false }", (1, 2, 120)),
    ("Pooling", "a", "pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }", (2, 8, 2, 4)),
    ("ROIPooling", "ar", "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 }", (7, 8, 3, 2)),
    ("PSROIPooling", "ar", "psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 0.5 }", (7, 2, 2, 2)),
]
CASES = [
    *JUDGED,
    ("Permute", "a", "permute_param { order: 1 }", (8, 2, 6, 10)),
    ("Interp", "a", "interp_param { shrink_factor: 2 zoom_factor: 4 pad_beg: -1 pad_end: -1 }", (2, 8, 5, 13)),
    ("Interp", "ab", "", (2, 8, 3, 5)),
    ("Upsample", "ba", "upsample_param { scale: 2 }", (2, 8, 6, 10)),
    ("Upsample", "ba", "upsample_param { scale: 2 pad_out_h: true }", (2, 8, 5, 10)),
    ("Upsample", "ba", "upsample_param { scale: 2 upsample_h: 5 upsample_w: 9 }", (2, 8, 5, 9)),
    ("Unpooling", "ba", "unpooling_param { kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 10 }", (2, 8, 6, 10)),
    ("Reorg", "a", "reorg_param { stride: 2 reverse: true }", (2, 2, 12, 20)),
    ("ROIAlign", "ar", "roi_align_param { pooled_h: 3 pooled_w: 2 }", (7, 8, 3, 2)),
    ("Axpy", "saa", "", (2, 8, 6, 10)),
    ("SegAccuracy", "aa", "", (1, 1, 1, 3)),
    ("AutoCrop", "ab", "", (2, 8, 3, 5)),
    ("MergeCrop", "ba", "", (2, 16, 3, 5)),
    ("Transpose", "a", "transpose_param { dim: 3 dim: 2 dim: 0 dim: 1 }", (10, 6, 2, 8)),
    ("Convolution", "a", "convolution_param { num_output: 4 kernel_size: 3 hole: 2 }", (2, 4, 2, 6)),
    ("DepthwiseConvolution", "a", "convolution_param { num_output: 8 kernel_size: 3 pad: 1 }", (2, 8, 6, 10)),
    ("Unheard", "a", "custom_param { shape { dim: 1 dim: 2 } }", (1, 2)),
]


@pytest.mark.parametrize(("type_name", "bottoms", "settings", "shape"), CASES)
def test_what_a_forks_layer_makes(type_name: str, bottoms: str, settings: str, shape: tuple[int, ...]) -> None:
    assert infer(read(INPUTS + layer(type_name, bottoms, settings))).blobs["y"] == shape


@pytest.mark.parametrize(("type_name", "bottoms", "settings", "shape"), JUDGED)
def test_opencv_makes_the_same(
    tmp_path: Path, type_name: str, bottoms: str, settings: str, shape: tuple[int, ...]
) -> None:
    dnn = pytest.importorskip("cv2").dnn
    net = read(INPUTS + layer(type_name, bottoms, settings))
    used = with_layers(net, [each for each in net.layer if each.name in f"{bottoms}x"])
    if type_name == "Normalize":
        blob = used.layer[-1].blobs.add(data=[1.0])
        blob.shape.dim.append(1)
    (tmp_path / "net.prototxt").write_text(proto.to_text(used))
    (tmp_path / "net.caffemodel").write_bytes(
        proto.NetParameter(layer=[{"name": "x", "type": type_name, "blobs": used.layer[-1].blobs}]).SerializeToString()
    )
    read_by_opencv = dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    random = np.random.default_rng(0)
    for each in used.layer[:-1]:
        dims = tuple(each.input_param.shape[0].dim)
        boxes = np.array([[0, 1, 1, 4, 4]] * dims[0], "f4")
        read_by_opencv.setInput(boxes if each.name == "r" else random.normal(size=dims).astype("f4"), each.name)
    assert read_by_opencv.forward("x").shape == shape


@pytest.mark.parametrize(
    ("type_name", "settings"),
    [
        ("ROIWarping", "roi_warping_param { pooled_h: wide pooled_w: 7 }"),
        ("Transpose", "transpose_param { dim: 0.5 }"),
        ("Pooling", "pooling_param { kernel_size: 2 dilation: often }"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(type_name: str, settings: str) -> None:
    with pytest.raises(NetError, match=r"layer 'x'.*takes a whole number"):
        infer(read(INPUTS + layer(type_name, "a" if type_name != "ROIWarping" else "ar", settings)))


def test_the_boxes_of_ssd300() -> None:
    """Liu et al., SSD: 8732 boxes on maps of 38, 19, 10, 5, 3 and 1, with 4, 6, 6, 6, 4 and 4 boxes at a place."""
    count = 0
    for size, ratios in ((38, [2]), (19, [2, 3]), (10, [2, 3]), (5, [2, 3]), (3, [2]), (1, [2])):
        text = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ dim: 1 dim: 3 dim: {side} '
            f"dim: {side} }} }} }}"
            for name, side in (("m", size), ("i", 300))
        )
        listed = " ".join(f"aspect_ratio: {ratio}" for ratio in ratios)
        text += layer("PriorBox", "mi", f"prior_box_param {{ min_size: 30 max_size: 60 {listed} flip: true }}")
        count += infer(read(text)).blobs["y"][2] // 4
    assert count == 8732


@pytest.mark.parametrize(
    ("type_name", "settings", "shapes"),
    [
        ("BN", "bn_param { bn_mode: LEARN }", [(1, 8, 1, 1)] * 2),
        ("BN", "bn_param { frozen: true }", [(1, 8, 1, 1)] * 4),
        ("BatchNorm", "batch_norm_param { scale_bias: true }", [(8,), (8,), (1,), (8,), (8,)]),
        ("BatchNorm", "", [(8,), (8,), (1,)]),
        ("Normalize", "norm_param { channel_shared: false }", [(8,)]),
        ("Normalize", 'normalize_param { normalize_type: "L2" }', []),
        ("ConvolutionDepthwise", "convolution_param { num_output: 8 kernel_size: 3 }", [(8, 1, 3, 3), (8,)]),
    ],
)
def test_the_parameters_of_a_forks_layer(type_name: str, settings: str, shapes: list[tuple[int, ...]]) -> None:
    assert infer(read(INPUTS + layer(type_name, "a", settings))).params["x"] == shapes


def test_a_zoom_of_aligned_corners_scales_coordinates_by_its_factor() -> None:
    net = read(INPUTS + layer("Interp", "a", "interp_param { zoom_factor: 8 }"))
    graph = Graph(net)
    (found,) = align(graph, graph.blob("y"), graph.blob("a")).map.maps
    assert found.scale in (8, Fraction(1, 8)) and found.shift == 0


TWICE = """layer { name: "x" type: "Power" bottom: "a" top: "p" }
    layer { name: "x" type: "Convolution" bottom: "a" top: "q" convolution_param { num_output: 3 kernel_size: 1 } }"""


def test_two_layers_may_have_one_name() -> None:
    shapes = infer(read(INPUTS + TWICE))
    assert shapes.blobs["q"] == (2, 3, 6, 10) and shapes.params["x#2"] == [(3, 8, 1, 1), (3,)]
    assert [node.layer.name for node in shapes.graph.nodes][-2:] == ["x", "x"]


@pytest.mark.caffe
def test_real_caffe_takes_two_layers_of_one_name(caffe: object) -> None:
    assert caffe.ask("shapes", INPUTS + TWICE) is not None  # type: ignore[attr-defined]


def test_a_crop_of_each_name_gets_its_own_offset() -> None:
    text = """layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
        layer { name: "c" type: "Convolution" bottom: "d" top: "c" convolution_param { num_output: 1 kernel_size: 3 } }
        layer { name: "e" type: "Convolution" bottom: "d" top: "e" convolution_param { num_output: 1 kernel_size: 5 } }
        layer { name: "crop" type: "Crop" bottom: "d" bottom: "c" top: "f" }
        layer { name: "crop" type: "Crop" bottom: "d" bottom: "e" top: "g" }"""
    fixed = offsets.correct_crops(read(text))
    assert [list(each.crop_param.offset) for each in fixed.layer[-2:]] == [[1], [2]]


PYTHON = """layer { name: "p" type: "Python" bottom: "a" top: "q" python_param { module: "m" layer: "P" } }
    layer { name: "u" type: "Unheard" bottom: "q" top: "v" }
    layer { name: "c" type: "Concat" bottom: "v" bottom: "w" top: "y" }"""


@pytest.mark.parametrize(
    ("type_name", "said"),
    [
        ("VideoData", r"is a layer type of forks \(c3d\); what it makes is not known \(tell what it makes"),
        ("Convolucion", r"no known Caffe has such a layer type \(did you mean Convolution\?; or tell what it makes"),
        ("Python", r"known only to its code \(take it out of the net, or tell what it makes: `inputs` BLOB"),
    ],
)
def test_what_is_not_known_of_a_type_is_said_with_the_way_to_tell_it(type_name: str, said: str) -> None:
    with pytest.raises(NetError, match=said):
        infer(read(INPUTS + layer(type_name, "a")))


def test_what_only_code_knows_can_be_told() -> None:
    told = {"q": (2, 3), "v": (2, 4), "w": (2, 5)}
    assert infer(read(INPUTS + PYTHON), inputs=told).blobs["y"] == (2, 9)
    with pytest.raises(NetError, match="known only to its code"):
        infer(read(INPUTS + PYTHON), inputs={"v": (2, 4), "w": (2, 5)})
    with pytest.raises(NetError, match="makes 'y' 2x9"):
        infer(read(INPUTS + PYTHON), inputs={**told, "y": (2, 8)})


def test_the_command_takes_shapes(cli: Callable, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text(INPUTS + PYTHON)
    told = [each for pair in ("q=2x3", "v=2x4", "w=2x5") for each in ("--shape", pair)]
    assert "2x9" in cli("net", "show", net, *told).out
    assert "tell what it makes: --shape BLOB=NxCxHxW)" in cli("net", "show", net, "--shape", "w=2x5").err
    assert cli("net", "draw", net, "-o", tmp_path / "net.dot", *told).err == ""
    assert "is no BLOB=SHAPE" in cli("net", "show", net, "--shape", "q").err


FULL = """layer { name: "full" type: "InnerProduct" bottom: "v" top: "y" inner_product_param { num_output: 2 } }"""


def test_surgery_takes_shapes_and_leaves_none_in_the_net(cli: Callable, tmp_path: Path) -> None:
    net, converted, weights, moved = (tmp_path / name for name in ("a.prototxt", "b.prototxt", "a.npz", "b.caffemodel"))
    net.write_text(INPUTS + PYTHON.rsplit("layer", 1)[0] + FULL)
    told = ["--shape", "q=1x3x8x8", "--shape", "v=1x3x4x4"]
    assert cli("net", "convolutionize", net, "-o", converted, *told).status == 0
    assert proto.read_net(converted).layer[-1].convolution_param.kernel_size == [4]
    assert "custom_param" not in converted.read_text()
    np.savez(weights, **{"full/0": np.ones((2, 48), "f4"), "full/1": np.ones(2, "f4")})
    ran = cli("surgery", "transplant", "--weights", weights, "--to-net", converted, "-o", moved, *told)
    assert "2x3x4x4  reshaped" in ran.out
    assert cli("offsets", net, *told).status == 0
    assert "its shapes are known only to its code" not in cli("check", net, *told).out
    wrong = cli("check", net, "--shape", "q=1x3x8x8", "--shape", "v=1")
    assert "layer 'full'" in wrong.out and wrong.status == 1
    assert cli("surgery", "fill", "--to-net", net, "-o", moved, *told).status == 0
    assert "the net has no such blob" in cli("net", "convolutionize", net, "-o", converted, "--shape", "w=1").err


def test_layers_of_one_name_get_their_own_weights(cli: Callable, tmp_path: Path) -> None:
    """In the order of the net; a convolution keeps its kernel where a layer of its name becomes one."""
    net, weights, moved, converted = (tmp_path / name for name in ("a.prototxt", "a.caffemodel", "b.caffemodel", "c"))
    net.write_text(
        INPUTS
        + """layer { name: "x" type: "Convolution" bottom: "a" top: "p"
            convolution_param { num_output: 4 kernel_size: 3 } }
        layer { name: "x" type: "InnerProduct" bottom: "p" top: "q" inner_product_param { num_output: 3 } }"""
    )
    assert cli("surgery", "fill", "--to-net", net, "-o", weights).status == 0
    ran = cli("surgery", "transplant", "--weights", weights, "--to-net", net, "-o", moved)
    assert ran.err.endswith("4 copied\n")
    compared = cli("weights", "diff", weights, moved)
    assert "0 of 4 parameters differ" in compared.out + compared.err
    for before, after in zip(
        *(proto.NetParameter.FromString(each.read_bytes()).layer for each in (weights, moved)), strict=True
    ):
        assert before.name == after.name and before.blobs == after.blobs
    assert cli("net", "convolutionize", net, "-o", converted).err == "x: Convolution, kernel 4x8\n"
    kernels = [layer.convolution_param for layer in proto.read_net(converted).layer[-2:]]
    assert [(param.kernel_size, param.kernel_h, param.kernel_w) for param in kernels] == [([3], 0, 0), ([], 4, 8)]


def test_a_graph_still_refuses_a_blob_made_twice() -> None:
    with pytest.raises(NetError, match="makes already"):
        Graph(read(INPUTS + layer("Power", "a") + layer("Power", "b")))


def test_no_place_is_known_behind_a_permutation_of_five_axes() -> None:
    """As YOLOv5's, whose anchors are an axis; a permutation of images that leaves their places is passed through."""
    for order, is_image in (((0, 1, 3, 4, 2), False), ((1, 0), True), ((0, 2, 3, 1), False)):
        said = " ".join(f"order: {axis}" for axis in order)
        layer = proto.LayerParameter(type="Permute")
        proto.parse(f"permute_param {{ {said} }}", layer)
        assert (layer_type("Permute").coords(layer) is not None) is is_image
