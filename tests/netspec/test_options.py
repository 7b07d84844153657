"""What ``netspec.build`` is asked for: classes, data, means, sizes, padding, losses, variants."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from catalogue_nets import FORKS_ONLY, fit_size
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import netspec, offsets
from caffe_fcn.errors import NetError, OffsetError
from caffe_fcn.net import shapes
from caffe_fcn.proto import NetParameter

NETS = list(netspec.catalogue())
CROPPED = [
    name
    for name, net in netspec.catalogue().items()
    if name not in {"triangles", "m2nist-cnn", "m2nist-fcn", "dilation8"}
    and net.grid == (1, 0)
    and name not in FORKS_ONLY
]


def score_shape(net: NetParameter, **options: Any) -> tuple[int, ...]:
    found = shapes.infer(net, "deploy", **options).blobs
    return found["score"] if "score" in found else found["score_sem"]


@pytest.mark.parametrize("name", [name for name in NETS if name != "hed"])
def test_every_net_takes_classes(name: str) -> None:
    assert score_shape(netspec.build(name, "deploy", classes=7))[1] == 7


def test_two_labellings_take_a_number_each() -> None:
    for classes, expected in ((5, (5, 3)), ((5, 2), (5, 2))):
        found = shapes.infer(netspec.build("siftflow-fcn32s", "deploy", classes=classes), size=(64, 64)).blobs
        assert (found["score_sem"][1], found["score_geo"][1]) == expected


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("kind", ["lmdb", "image"])
def test_every_net_takes_databases_and_lists_of_images(name: str, kind: str) -> None:
    net = netspec.build(name, "val", data=kind, source="/data/mine", batch=3, mean=117)
    dataset = netspec.catalogue()[name].dataset
    data = [layer for layer in net.layer if not layer.bottom]
    param = "data_param" if kind == "lmdb" else "image_data_param"
    assert {layer.type for layer in data} == {"Data" if kind == "lmdb" else "ImageData"}
    assert [top for layer in data for top in layer.top if not top.endswith("_number")] == dataset.tops
    assert {getattr(layer, param).batch_size for layer in data} == {3}
    end = "" if kind == "lmdb" else ".txt"
    sources = [getattr(layer, param).source for layer in data]
    assert sources[0] in {f"/data/mine/val_{blob}{end}" for blob in ("images", "color")}
    means = [list(layer.transform_param.mean_value) for layer in data]
    shifts = [layer.power_param.shift for layer in net.layer if layer.type == "Power"]
    assert (means[0], shifts) in (([117], []), ([], [-117]))
    assert not any(means[1:])


def test_a_python_layer_looks_where_source_says() -> None:
    for phase, key, folder in (("train", "sbdd_dir", "sbdd/dataset"), ("val", "voc_dir", "pascal/VOC2011")):
        param = netspec.build("voc-fcn8s", phase, source="/data", mean=(1, 2.5, 3)).layer[0].python_param.param_str
        assert ast.literal_eval(param)[key] == f"/data/{folder}"
        assert ast.literal_eval(param)["mean"] == (1.0, 2.5, 3.0)


def test_three_means_are_subtracted_where_one_would_be_shifted() -> None:
    net = netspec.build("digits-fcn-alexnet", "all", mean=(104, 117, 123))
    assert "Power" not in {layer.type for layer in net.layer}
    assert [list(layer.transform_param.mean_value) for layer in net.layer[:4]] == [
        [104, 117, 123],
        [],
        [104, 117, 123],
        [],
    ]


@pytest.mark.parametrize("name", [name for name in NETS if name != "m2nist-cnn"])
def test_size_and_batch_are_the_deploy_nets_input(name: str) -> None:
    height, width = size = fit_size(name, 192, 256)  # ICNet has features of 7x9 of these
    net = netspec.build(name, "deploy", size=size, batch=2)
    dims = [list(shape.dim) for shape in net.layer[0].input_param.shape]
    assert all((batch, *rest) == (2, height, width) for batch, _, *rest in dims)
    shape = score_shape(net)
    assert (shape[0], *shape[2:]) == (2, height, width)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(CROPPED),
    pad=st.integers(86, 130),
    size=st.tuples(st.integers(100, 400), st.integers(100, 400)),
)
def test_whatever_the_padding_scores_lie_on_the_image(name: str, pad: int, size: tuple[int, int]) -> None:
    net = netspec.build(name, "deploy", pad=pad, size=size)
    assert score_shape(net)[2:] == size
    assert all(crop.ok for crop in offsets.crops(net))


@settings(max_examples=30, deadline=None)
@given(
    asked=st.sampled_from(
        [("triangles", {}, 1), ("triangles", {"loss": "softmax"}, 1), ("m2nist-fcn", {}, 0)]
        + [("m2nist-fcn", {"variant": "convolutionalized"}, 8)]
    ),
    extra=st.integers(0, 40),
)
def test_small_nets_lie_on_the_image_at_their_own_padding_and_crop_at_others(
    asked: tuple[str, dict[str, str], int], extra: int
) -> None:
    name, options, own = asked
    usual = netspec.build(name, "deploy", **options)
    assert "Crop" not in {layer.type for layer in usual.layer}
    along = offsets.coord_map_between(usual, "data", "score")
    assert [(each.scale, each.shift) for each in along.maps] == [(1, 0)] * len(along.maps)
    padded = netspec.build(name, "deploy", pad=own + extra, **options)
    assert [list(crop.computed) for crop in offsets.crops(padded)] in ([[extra]], [[extra, extra]])


def test_too_little_padding_is_an_offset_error() -> None:
    with pytest.raises(OffsetError, match=r"crop of 'upscore' to 'data'.*negative.*conv1_1"):
        netspec.build("voc-fcn32s", "train", pad=80)  # 19 - (100 - 80) < 0


@pytest.mark.parametrize(("name", "least"), [("voc-fcn8s", 69), ("voc-fcn-alexnet", 85), ("voc-fcn32s-googlenet", 3)])
def test_automatic_padding_is_the_least_that_does(name: str, least: int) -> None:
    """From 100x100 up: for FCN-8s the offset 31 of pad 100 sinks to 0, as 31 - (100 - 69)."""
    net = netspec.build(name, "train", pad="auto", size=(100, 100))
    assert next(layer for layer in net.layer if layer.name.startswith("conv1")).convolution_param.pad[0] == least
    for size in range(100, 133):
        assert score_shape(net, size=(size, 400 - size))[2:] == (size, 400 - size)
    with pytest.raises(NetError):
        shorter = netspec.build(name, "deploy", pad=least - 1)
        for size in range(100, 133):
            shapes.infer(shorter, size=(size, size))


def test_automatic_padding_is_for_any_size_where_no_size_is_asked_for() -> None:
    net = netspec.build("voc-fcn-alexnet", "deploy", pad="auto")
    assert all(score_shape(net, size=(size, 70 - size))[2:] == (size, 70 - size) for size in range(1, 70))


def test_the_losses_of_triangles() -> None:
    types = {}
    for loss in ("l2", "l1", "softmax"):
        net = netspec.build("triangles", "train", loss=loss)
        types[loss] = (net.layer[-1].type, net.layer[5].convolution_param.num_output if len(net.layer) > 5 else 0)
        deconvolution = next(layer for layer in net.layer if layer.type == "Deconvolution").convolution_param
        assert (list(deconvolution.kernel_size), list(deconvolution.stride)) == ([16], [16])
        assert deconvolution.num_output == (2 if loss == "softmax" else 1)
        assert deconvolution.bias_filler.value == (0 if loss == "softmax" else 128)
    assert {loss: kind for loss, (kind, _) in types.items()} == {
        "l2": "EuclideanLoss",
        "l1": "L1Loss",
        "softmax": "SoftmaxWithLoss",
    }


def test_the_published_sizes_of_m2nist() -> None:
    found = shapes.infer(netspec.build("m2nist-fcn", "deploy")).blobs
    sizes = {name: found[name][1:] for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "upscore2", "score")}
    assert sizes == {
        "conv1": (8, 60, 80),
        "pool1": (8, 30, 40),
        "conv2": (8, 28, 38),
        "pool2": (8, 14, 19),
        "conv3": (32, 14, 19),
        "upscore2": (10, 30, 40),
        "score": (10, 64, 84),
    }


def test_dense32_keeps_its_weights_in_the_true_convolutionalization() -> None:
    dense = shapes.infer(netspec.build("m2nist-cnn", "deploy"))
    convolution = shapes.infer(netspec.build("m2nist-fcn", "deploy", variant="convolutionalized"))
    assert dense.params["dense32"] == [(32, 8 * 5 * 5), (32,)]
    assert convolution.params["dense32"] == [(32, 8, 5, 5), (32,)]
    assert convolution.blobs["score"] == (1, 10, 64, 84)


MISTAKES = {
    "voc-fcn8: the catalogue has no such net (did you mean voc-fcn8s?)": ("voc-fcn8", "train", {}),
    "phase: no phase 'trian' (did you mean train?)": ("voc-fcn8s", "trian", {}),
    "voc-fcn8s: has no option 'clases' (did you mean classes?)": ("voc-fcn8s", "train", {"clases": 2}),
    "voc-fcn8s: has no loss 'l2' (one of softmax, infogain)": ("voc-fcn8s", "train", {"loss": "l2"}),
    "pspnet50: takes sizes of 8*n + 1, not 500x473 (size 497x473 fits)": (
        "pspnet50",
        "deploy",
        {"size": (500, 473)},
    ),
    "enet: takes sizes of 8*n, not 500x3 (size 504x8 fits)": ("enet", "deploy", {"size": (500, 3)}),
    "pspnet50: makes features of 5x6 of images of 33x41": ("pspnet50", "deploy", {"size": (33, 41)}),
    "segnet: has no spelling 'bvlc' (one of fork)": ("segnet", "deploy", {"spelling": "bvlc"}),
    "icnet: has no padding to choose: its layers fit each other by their own (leave `pad` out)": (
        "icnet",
        "deploy",
        {"pad": 3},
    ),
    "hed: learns no classes (leave `classes` out)": ("hed", "train", {"classes": 2}),
    "classes: cannot be 0 (it takes whole numbers from 1 to 2147483647)": ("voc-fcn8s", "train", {"classes": 0}),
    "classes: cannot be 2.5": ("voc-fcn8s", "train", {"classes": 2.5}),
    "voc-fcn8s: learns 1 labelling(s), not 2": ("voc-fcn8s", "train", {"classes": (3, 4)}),
    "data: no data layers 'lmbd' (did you mean lmdb?)": ("voc-fcn8s", "train", {"data": "lmbd"}),
    "mean: (1, 2) does not fit 3 channel(s)": ("voc-fcn8s", "train", {"mean": (1, 2)}),
    "mean: 'grey' does not fit 3 channel(s)": ("voc-fcn8s", "train", {"mean": "grey"}),
    "size: cannot be (500,) (it is (height, width))": ("voc-fcn8s", "deploy", {"size": (500,)}),
    "size: cannot be (0, 5)": ("voc-fcn8s", "deploy", {"size": (0, 5)}),
    "batch: cannot be -1": ("voc-fcn8s", "deploy", {"batch": -1}),
    "pad: cannot be 'much'": ("voc-fcn8s", "train", {"pad": "much"}),
    "SBDDSegDataLayer: reads one image at a time, not 4 (use `data` lmdb)": ("voc-fcn8s", "train", {"batch": 4}),
    "NYUDSegDataLayer: brings its own mean": ("nyud-fcn32s-hha", "train", {"mean": 3}),
    "triangles: has no Python data layer": ("triangles", "train", {"data": "python"}),
    "triangles: has no loss 'l3' (one of l2, softmax, l1)": ("triangles", "train", {"loss": "l3"}),
    "triangles: has no classes with loss l2": ("triangles", "train", {"loss": "l2", "classes": 3}),
    "m2nist-cnn: has no Crop that a padding would have to fit": ("m2nist-cnn", "deploy", {"pad": "auto"}),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_reported(message: str) -> None:
    name, phase, options = MISTAKES[message]
    with pytest.raises(NetError) as error:
        netspec.build(name, phase, **options)
    assert str(error.value).startswith(message)
