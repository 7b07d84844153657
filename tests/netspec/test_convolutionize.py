"""A classifier's fully connected layers as convolutions: the same answers, by real Caffe, and dense ones on more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

from caffe_fcn import proto, surgery
from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.net.diff import differences
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec.convolutionize import convolutionize

LENET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 1, 20, 28] } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "pool1" top: "flat" }
layer { name: "drop" type: "Dropout" bottom: "flat" top: "flat" }
layer { name: "fc1" type: "InnerProduct" bottom: "flat" top: "fc1" param { lr_mult: 1 } param { lr_mult: 2 }
        inner_product_param { num_output: 6 weight_filler { type: "xavier" } bias_filler { value: 0.5 } } }
layer { name: "relu1" type: "ReLU" bottom: "fc1" top: "fc1" }
layer { name: "again" type: "Reshape" bottom: "fc1" top: "again" reshape_param { shape { dim: [0, -1] } } }
layer { name: "fc2" type: "InnerProduct" bottom: "again" top: "fc2"
        inner_product_param { num_output: 3 bias_term: false transpose: true weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""

FC = 'layer { name: "fc" type: "InnerProduct" bottom: "%s" top: "fc" inner_product_param { num_output: 3 %s } }'
DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 2, 4, 4] } } }'
FLAT = 'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }'


def net(text: str) -> Any:
    made = proto.NetParameter()
    proto.parse(text, made)
    return made


def test_kernels_are_as_large_as_the_images_that_the_layers_read() -> None:
    made = convolutionize(net(LENET))
    by_name = {layer.name: layer for layer in made.layer}
    assert "flat" not in by_name
    assert "again" not in by_name
    fc1, fc2 = by_name["fc1"].convolution_param, by_name["fc2"].convolution_param
    assert (fc1.kernel_h, fc1.kernel_w) == (8, 12)
    assert list(fc2.kernel_size) == [1]
    assert not fc2.bias_term
    assert fc1.bias_filler.value == 0.5
    assert [spec.lr_mult for spec in by_name["fc1"].param] == [1, 2]
    shapes = infer(made)
    assert shapes.blobs["prob"] == (2, 3, 1, 1)
    assert infer(made, size=(22, 30)).blobs["prob"] == (2, 3, 2, 2)


@pytest.mark.parametrize(("name", "kernels"), [("bvlc_alexnet", [6, 1, 1]), ("bvlc_googlenet", [1])])
def test_the_reference_classifiers(name: str, kernels: list[int]) -> None:
    before = reference.net(name, "deploy")
    after = convolutionize(before)
    converted = [layer.name for layer in before.layer if layer.type == "InnerProduct"]
    assert [layer.convolution_param.kernel_size[0] for layer in after.layer if layer.name in converted] == kernels
    assert {each.where for each in differences(before, after)} == {f"layer '{name}'" for name in converted}


def test_an_input_size_that_the_net_does_not_say_is_given() -> None:
    before = reference.net("bvlc_alexnet", "train_val")
    with pytest.raises(CaffeFcnError, match=r"ilsvrc12_\w+_lmdb.*`size`"):
        convolutionize(before)
    after = convolutionize(before, size=(227, 227))
    assert [layer.convolution_param.kernel_size[0] for layer in after.layer if layer.name == "fc6"] == [6]


def test_renamed_layers_take_their_blobs_along() -> None:
    made = convolutionize(net(LENET), {"fc1": "conv2"})
    assert [layer.name for layer in made.layer if "conv2" in [*layer.bottom, *layer.top]] == ["conv2", "relu1", "fc2"]
    assert not [layer.name for layer in made.layer if "fc1" in [layer.name, *layer.bottom, *layer.top]]


@pytest.mark.parametrize(
    ("text", "renames", "message"),
    [
        (DATA + FC % ("data", "axis: 2"), {}, r"layer 'fc' \(InnerProduct\): works from axis 2"),
        (
            'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 8] } } }'
            + FC % ("data", ""),
            {},
            r"layer 'fc'.*reads 'data' \(1x8\), which is not an image",
        ),
        (
            DATA + FLAT + 'layer { name: "sum" type: "Reduction" bottom: "flat" top: "sum" }' + FC % ("flat", ""),
            {},
            "layer 'sum'.*needs 'flat' flat",
        ),
        (
            DATA
            + FLAT
            + 'layer { name: "r" type: "ReLU" bottom: "flat" top: "flat" }'
            + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 2 } }'
            + FC % ("flat", ""),
            {},
            "layer 'flat'.*others read 'data'",
        ),
        (LENET, {"fc3": "conv3"}, r"layer 'fc3'.*did you mean fc"),
        (LENET, {"fc1": "conv1"}, "layer 'conv1'.*already"),
    ],
)
def test_what_stands_in_the_way_is_named(text: str, renames: dict[str, str], message: str) -> None:
    with pytest.raises(NetError, match=message):
        convolutionize(net(text), renames)


def test_a_layer_of_another_stage_is_converted_in_its_own_state() -> None:
    rule = 'include { phase: TEST stage: "a" } inner_product_param {'
    made = convolutionize(net(DATA + FC.replace("inner_product_param {", rule) % ("data", "")))
    assert made.layer[-1].type == "Convolution"
    assert list(made.layer[-1].convolution_param.kernel_size) == [4]


def test_a_layer_of_no_state_is_named() -> None:
    rule = "include { min_level: 3 } inner_product_param {"
    with pytest.raises(NetError, match="layer 'fc': is in no state of the net"):
        convolutionize(net(DATA + FC.replace("inner_product_param {", rule) % ("data", "")))


RUN = """
net = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
for name in ("small", "large"):
    if name in inputs:
        net.blobs["data"].reshape(*inputs[name].shape)
        net.blobs["data"].data[...] = inputs[name]
        outputs[name] = net.forward()[net.outputs[0]].copy()
"""
SAVE = """
np.random.seed(0)
net = caffe.Net(str(inputs["net"]), caffe.TEST)
net.save(str(inputs["weights"]))
"""


@pytest.mark.numerics
@pytest.mark.caffe
def test_real_caffe_gets_the_same_answers(tmp_path: Path, pycaffe: Callable[..., dict[str, np.ndarray]]) -> None:
    before, after = tmp_path / "before.prototxt", tmp_path / "after.prototxt"
    proto.write(net(LENET), before)
    proto.write(convolutionize(net(LENET), {"fc2": "score"}), after)
    weights, moved = tmp_path / "before.caffemodel", tmp_path / "after.caffemodel"
    pycaffe(SAVE, net=before, weights=weights)
    surgery.transplant(weights, after, moved, renames={"fc2": "score"}, from_net=before, strict=True)

    large = np.random.default_rng(1).normal(size=(2, 1, 24, 34)).astype(np.float32)
    small = large[:, :, 2:22, 4:32]  # what the second position down and the third to the right sees
    classified = pycaffe(RUN, net=before, weights=weights, small=small)["small"]
    dense = pycaffe(RUN, net=after, weights=moved, small=small, large=large)
    np.testing.assert_allclose(dense["small"][:, :, 0, 0], classified, rtol=1e-4)
    assert dense["large"].shape == (2, 3, 3, 4)
    np.testing.assert_allclose(dense["large"][:, :, 1, 2], classified, rtol=1e-4)


def test_the_command(cli: Callable[..., Any], tmp_path: Path) -> None:
    before, after = tmp_path / "before.prototxt", tmp_path / "after.prototxt"
    before.write_text(LENET)
    ran = cli("net", "convolutionize", before, "-o", after, "--rename", "fc1=conv2,fc2=score")
    assert (ran.status, ran.out) == (0, "")
    assert "fc1 -> conv2: Convolution, kernel 8x12" in ran.err
    assert proto.read_net(after) == convolutionize(net(LENET), {"fc1": "conv2", "fc2": "score"})
    assert cli("net", "convolutionize", before, "-o", "-").out == proto.to_text(convolutionize(net(LENET)))
    ran = cli("net", "convolutionize", before, "-o", after, "--rename", "fc1:conv2")
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
