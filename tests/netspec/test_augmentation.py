"""``--augment`` puts the layer between the data layers and the net, and its file beside the prototxts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import squeezenet

from caffe_fcn import augmentation, netspec, offsets, proto
from caffe_fcn.errors import NetError
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import LayerParameter, NetParameter

Cli = Callable[..., Any]
FILE = "joint_augmentation.py"


def build(name: str, phase: str = "train", **options: Any) -> NetParameter:
    return netspec.build(name, phase, **{"augment": "default,crop=64x80", "data": "lmdb", "source": "set", **options})


def layer_of(net: NetParameter) -> LayerParameter:
    (layer,) = (layer for layer in net.layer if augmentation.is_augmentation(layer))
    return layer


def bottoms_of(net: NetParameter) -> list[dict[str, Any]]:
    described: list[dict[str, Any]] = json.loads(layer_of(net).python_param.param_str)["bottoms"]
    return described


@pytest.mark.parametrize("name", ["voc-fcn8s", "voc-fcn-alexnet", "m2nist-fcn", "triangles"])
@pytest.mark.parametrize("data", ["lmdb", "image"])
def test_the_net_behind_the_layer_is_the_one_without_it(name: str, data: str) -> None:
    plain, augmented = build(name, data=data, augment=None), build(name, data=data)
    layer = layer_of(augmented)
    assert list(layer.top) == ["data", "label"] and list(layer.bottom) == ["data_original", "label_original"]
    ours, theirs = ([each for each in net.layer if not each.bottom] for net in (augmented, plain))
    for source, usual in zip(ours, theirs, strict=True):
        assert [top.replace("_original", "") for top in source.top] == list(usual.top)
        for each in (source, usual):
            del each.top[:]
            each.name = ""
        assert source == usual
    assert [each for each in augmented.layer if each.bottom and each != layer] == [
        each for each in plain.layer if each.bottom
    ]


@pytest.mark.parametrize("phase", ["val", "deploy"])
def test_nothing_else_than_training_images_is_augmented(phase: str) -> None:
    assert build("voc-fcn8s", phase) == build("voc-fcn8s", phase, augment=None)


def test_what_the_layer_knows_of_its_bottoms() -> None:
    mean = [104.00699, 116.66877, 122.67892]
    photo = {"kind": "photo", "outside": 0, "black": [-value for value in mean]}
    assert bottoms_of(build("voc-fcn8s")) == [photo, {"kind": "label", "outside": 255}]
    grey = {"kind": "photo", "outside": 0, "black": [-1.0]}  # (pixel - 127) / 127
    assert bottoms_of(build("m2nist-fcn")) == [grey, {"kind": "label", "outside": 255}]
    shifted = {"kind": "photo", "outside": 116.0, "black": 0}  # the net subtracts the mean
    assert bottoms_of(build("digits-fcn-alexnet", "all"))[0] == shifted


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("nyud-fcn32s-color", ["photo", "label"]),
        ("nyud-fcn32s-hha", ["planes", "label"]),
        ("nyud-fcn32s-color-d", ["photo", "planes", "label"]),
        ("nyud-fcn32s-color-hha", ["photo", "planes", "label"]),
        ("siftflow-fcn32s", ["photo", "label", "label"]),
    ],
)
def test_the_references_own_layers_are_augmented_likewise(name: str, kinds: list[str]) -> None:
    net = build(name, data="python", source=None)
    assert [bottom["kind"] for bottom in bottoms_of(net)] == kinds
    layer = layer_of(net)
    assert list(layer.bottom) == list(net.layer[0].top)
    shapes = infer(net, "train", size=(200, 300)).blobs
    assert {shapes[top][2:] for top in layer.top} == {(64, 80)}
    assert [shapes[top][1] for top in layer.top] == [shapes[blob][1] for blob in layer.bottom]


def test_crop_offsets_and_the_deploy_form_are_those_of_the_plain_net() -> None:
    for phase in ("train", "all"):
        plain, augmented = build("voc-fcn8s", phase, augment=None), build("voc-fcn8s", phase)
        assert offsets.crop_offset(augmented, "upscore8", "data") == offsets.crop_offset(plain, "upscore8", "data")
    assert list(select_phase(augmented, "deploy").layer) == list(select_phase(plain, "deploy").layer)


def test_a_training_net_that_is_cropped_has_the_windows_size() -> None:
    net = build("voc-fcn8s")
    inputs = {"data_original": (1, 3, 375, 500), "label_original": (1, 1, 375, 500)}
    shapes = infer(net, "train", inputs=inputs).blobs
    assert shapes["data"] == (1, 3, 64, 80) and shapes["score"] == (1, 21, 64, 80)


@pytest.mark.parametrize("command", ["build", "from-classifier"])
def test_the_file_of_the_layer_lies_beside_the_prototxts(cli: Cli, tmp_path: Path, command: str) -> None:
    if command == "build":
        given = ["build", "voc-fcn-alexnet", "--data", "lmdb"]
    else:
        proto.write(squeezenet(), tmp_path / "deploy.prototxt")
        given = ["from-classifier", tmp_path / "deploy.prototxt", "--classes", "3"]
    ran = cli("net", *given, "--augment", "flip,crop=96", "-o", tmp_path / "net")
    assert ran.status == 0, ran.err
    assert (tmp_path / "net" / FILE).read_bytes() == augmentation.FILE.read_bytes()
    param = layer_of(proto.read_net(tmp_path / "net/train.prototxt")).python_param
    assert json.loads(param.param_str)["transforms"] == {"flip": 0.5, "crop": [96, 96]}
    assert f"{param.module}.py" == FILE


def test_without_augmentation_there_is_no_file(tmp_path: Path) -> None:
    netspec.write("voc-fcn8s", tmp_path)
    assert not (tmp_path / FILE).exists()


def test_an_error_names_the_option(cli: Cli, tmp_path: Path) -> None:
    ran = cli("net", "build", "voc-fcn8s", "--augment", "flop", "-o", tmp_path / "net")
    assert ran.status == 2 and ran.err.strip().endswith("--augment: has no transform 'flop' (did you mean flip?)")
    assert not (tmp_path / "net").exists()


def test_a_class_for_a_whole_image_is_not_augmented() -> None:
    with pytest.raises(NetError, match="learns one class for each image"):
        build("m2nist-cnn")


@pytest.mark.caffe
def test_caffe_trains_and_tests_the_net_for_all_phases(
    pycaffe: Callable[..., dict[str, np.ndarray]], tmp_path: Path
) -> None:
    """Both phases make data and label: augmented in TRAIN, as they are in TEST."""
    net = build("digits-fcn-alexnet", "all", data="lmdb")
    kept = NetParameter(layer=[layer for layer in net.layer if {*layer.top} & {"data", "label"}])
    for phase, number in (("TRAIN", proto.TRAIN), ("TEST", proto.TEST)):
        for blob, channels in (("data", 3), ("label", 1)):
            top = f"{blob}_original" if phase == "TRAIN" else blob
            source = LayerParameter(name=top, type="DummyData", top=[top], include=[{"phase": number}])
            source.dummy_data_param.shape.add(dim=[2, channels, 90, 100])
            source.dummy_data_param.data_filler.add(type="constant", value=7)
            kept.layer.insert(0, source)
    layers = [layer for layer in kept.layer if layer.type in ("DummyData", "Python")]
    (tmp_path / "all.prototxt").write_text(proto.to_text(NetParameter(layer=layers)))
    (tmp_path / FILE).write_bytes(augmentation.FILE.read_bytes())
    source = """
    sys.path.insert(0, "")
    for phase in (caffe.TRAIN, caffe.TEST):
        net = caffe.Net("all.prototxt", phase)
        net.forward()
        for name in ("data", "label"):
            outputs["%s%d" % (name, phase)] = net.blobs[name].data.copy()
    """
    made = pycaffe(source, cwd=tmp_path)
    assert made["data0"].shape == (2, 3, 64, 80) and made["label0"].shape == (2, 1, 64, 80)
    assert (made["data1"] == np.full((2, 3, 90, 100), 7)).all() and (made["label1"] == 7).all()
