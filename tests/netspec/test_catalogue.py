"""The catalogue against what was published: prototxts, solvers, names, classes, crop offsets."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reference
from command import ROOT

from caffe_fcn import netspec, offsets, proto
from caffe_fcn.net import diff, graph, shapes
from caffe_fcn.proto import LayerParameter, NetParameter

NETS = list(netspec.catalogue())

PUBLISHED = {
    # name: classes, data layer tops, base_lr, max_iter, test_iter, snapshot
    "voc-fcn32s": ([21], "data label", 1e-10, 100000, 736, 4000),
    "voc-fcn16s": ([21], "data label", 1e-12, 100000, 736, 4000),
    "voc-fcn8s": ([21], "data label", 1e-14, 100000, 736, 4000),
    "voc-fcn8s-atonce": ([21], "data label", 1e-10, 300000, 736, 4000),
    "voc-fcn-alexnet": ([21], "data label", 1e-4, 100000, 736, 4000),
    "nyud-fcn32s-color": ([40], "data label", 1e-10, 300000, 654, 2000),
    "nyud-fcn32s-hha": ([40], "data label", 1e-10, 300000, 654, 2000),
    "nyud-fcn32s-color-d": ([40], "color depth label", 1e-10, 300000, 654, 2000),
    "nyud-fcn32s-color-hha": ([40, 40], "color hha label", 1e-12, 300000, 654, 2000),
    "siftflow-fcn32s": ([33, 3], "data sem geo", 1e-10, 300000, 200, 0),
    "siftflow-fcn16s": ([33, 3], "data sem geo", 1e-12, 300000, 200, 0),
    "siftflow-fcn8s": ([33, 3], "data sem geo", 1e-12, 300000, 200, 0),
    "pascalcontext-fcn32s": ([60], "data label", 1e-10, 300000, 5105, 4000),
    "pascalcontext-fcn16s": ([60], "data label", 1e-12, 300000, 5105, 4000),
    "pascalcontext-fcn8s": ([60], "data label", 1e-14, 300000, 5105, 4000),
}
"""The fifteen nets of fcn.berkeleyvision.org."""

CROPS = {"alexnet": [18], "fcn32s": [19], "fcn16s": [5, 27], "fcn8s": [5, 9, 31]}
"""The published crop offsets of score_pool4, score_pool3 and score, by what the net's name says."""


def layers(net: NetParameter) -> dict[str, LayerParameter]:
    return {layer.name: layer for layer in net.layer}


def test_the_catalogue_has_all_nets_of_the_reference() -> None:
    assert set(PUBLISHED) <= set(NETS)


REFERENCE = [(name, file) for name, file in reference.files() if name.startswith("voc-")]


@pytest.mark.parametrize(("name", "file"), REFERENCE)
def test_a_net_of_the_reference_means_the_same_as_ours(name: str, file: str) -> None:
    assert diff.differences(netspec.files(name)[f"{file}.prototxt"], reference.net(name, file)) == []


@pytest.mark.parametrize("name", dict(REFERENCE))
def test_a_solver_of_the_reference_means_the_same_as_ours(name: str) -> None:
    assert diff.differences(netspec.files(name)["solver.prototxt"], reference.solver(name)) == []


def test_the_tables_of_the_reference_say_what_its_prototxts_say(shared: Path) -> None:
    folder = shared / "reference"
    for name, file in reference.files():
        assert diff.differences(reference.net(name, file), proto.read_net(folder / name / f"{file}.prototxt")) == []
    for name in dict(REFERENCE):
        theirs = proto.read_net_or_solver(folder / name / "solver.prototxt")
        assert diff.differences(reference.solver(name), theirs) == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_crop_offsets_are_the_published_ones(name: str) -> None:
    stride = re.search(r"alexnet|fcn\d+s", name)
    assert stride
    streams = 2 if name.startswith("siftflow") else 1
    for phase in ("train", "deploy"):
        net = netspec.build(name, phase)
        found = [list(layer.crop_param.offset) for layer in net.layer if layer.type == "Crop"]
        assert found == [[offset] for offset in CROPS[stride[0]]] * streams
        assert all(crop.ok for crop in offsets.crops(net))


def test_a_net_on_a_backbone_that_exists_is_one_row() -> None:
    row = replace(netspec.catalogue()["nyud-fcn32s-color"], name="nyud-fcn16s-color", stride=16)
    made = netspec.files(row)
    assert set(made) == {"trainval.prototxt", "test.prototxt", "deploy.prototxt", "solver.prototxt"}
    deploy = made["deploy.prototxt"]
    assert isinstance(deploy, NetParameter)
    found = [list(layer.crop_param.offset) for layer in deploy.layer if layer.type == "Crop"]
    assert found == [[offset] for offset in CROPS["fcn16s"]]


@pytest.mark.parametrize("name", [name for name in NETS if name in PUBLISHED or "fcn" in name])
def test_crop_offsets_follow_the_padding(name: str) -> None:
    def last(**options: Any) -> int:
        crops = [layer for layer in netspec.build(name, "deploy", **options).layer if layer.type == "Crop"]
        return int(crops[-1].crop_param.offset[0])

    assert last(pad=107) - last(pad=100) == 7


@pytest.mark.parametrize("name", PUBLISHED)
def test_classes_and_data_layers(name: str) -> None:
    classes, tops, *_ = PUBLISHED[name]
    for phase, split in zip(("train", "val"), netspec.catalogue()[name].dataset.splits, strict=True):
        net = netspec.build(name, phase)
        scored = [layer.convolution_param.num_output for layer in net.layer if layer.name.startswith("score_fr")]
        assert scored == classes
        data = net.layer[0]
        assert (data.name, data.type, list(data.top)) == (tops.split()[0], "Python", tops.split())
        param = ast.literal_eval(data.python_param.param_str)
        assert param["seed"] == 1337
        assert param["split"] == ("seg11valid" if name.startswith("voc") and phase == "val" else split)


PARAM_STR = {
    "nyud-fcn32s-color": ("nyud_layers", "NYUDSegDataLayer", {"nyud_dir": "../data/nyud", "tops": ["color", "label"]}),
    "nyud-fcn32s-hha": ("nyud_layers", "NYUDSegDataLayer", {"nyud_dir": "../data/nyud", "tops": ["hha", "label"]}),
    "nyud-fcn32s-color-d": (
        "nyud_layers",
        "NYUDSegDataLayer",
        {"nyud_dir": "../data/nyud", "tops": ["color", "depth", "label"]},
    ),
    "siftflow-fcn8s": ("siftflow_layers", "SIFTFlowSegDataLayer", {"siftflow_dir": "../data/sift-flow"}),
    "pascalcontext-fcn8s": (
        "pascalcontext_layers",
        "PASCALContextSegDataLayer",
        {"voc_dir": "../../data/pascal", "context_dir": "../../data/pascal-context"},
    ),
}


@pytest.mark.parametrize("name", PARAM_STR)
def test_python_data_layers_are_called_as_the_reference_calls_them(name: str) -> None:
    module, layer, more = PARAM_STR[name]
    param = netspec.build(name, "train").layer[0].python_param
    split = "train" if name.startswith("pascal") else "trainval"
    assert (param.module, param.layer) == (module, layer)
    assert ast.literal_eval(param.param_str) == {**more, "split": split, "seed": 1337}


@pytest.mark.parametrize("name", PUBLISHED)
def test_solvers(name: str) -> None:
    _, _, base_lr, max_iter, test_iter, snapshot = PUBLISHED[name]
    solver = netspec.solver(name)
    assert solver.base_lr == pytest.approx(base_lr, rel=1e-6)
    assert (solver.max_iter, list(solver.test_iter), solver.snapshot) == (max_iter, [test_iter], snapshot)
    assert solver.snapshot_prefix == ("snapshot/train" if snapshot else "")
    alexnet = name == "voc-fcn-alexnet"
    assert (round(solver.momentum, 6), solver.iter_size) == ((0.9, 20) if alexnet else (0.99, 1))
    assert solver.weight_decay == pytest.approx(0.0005, rel=1e-6)
    assert (solver.lr_policy, solver.display, solver.average_loss) == ("fixed", 20, 20)
    assert (solver.test_interval, solver.test_initialization) == (999999999, False)


@pytest.mark.parametrize("name", NETS)
def test_a_solver_names_the_files_that_lie_beside_it(name: str) -> None:
    files = netspec.files(name)
    solver = files["solver.prototxt"]
    assert {solver.train_net or solver.net, *solver.test_net, "deploy.prototxt"} <= set(files)
    assert {f"{split}.prototxt" for split in netspec.catalogue()[name].dataset.splits} <= set(files)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith(("nyud", "siftflow"))])
def test_files_of_nets_that_train_on_trainval_are_named_by_their_splits(name: str) -> None:
    assert {"trainval.prototxt", "test.prototxt"} <= set(netspec.files(name))


WRITTEN = {path.name for path in (ROOT / "prototxt").iterdir()}


@pytest.mark.parametrize("name", NETS)
def test_the_files_in_prototxt_are_what_the_code_makes(name: str, tmp_path: Path) -> None:
    folder = ROOT / "prototxt" / name
    if name not in WRITTEN:
        length = sum(len(str(message)) for message in netspec.files(name).values())
        assert length > 60_000, "run scripts/generate.py"
        return
    made = {path.name: path.read_text() for path in netspec.write(name, tmp_path)}
    assert {path.name: path.read_text() for path in folder.glob("*.prototxt")} == made, "run scripts/generate.py"


def test_nothing_else_lies_in_prototxt() -> None:
    assert set(NETS) >= WRITTEN


# What the nets are made of


def test_two_streams_are_one_trunk_twice() -> None:
    net = netspec.build("nyud-fcn32s-color-hha", "train")
    single = netspec.build("nyud-fcn32s-color", "train")
    backbone = [layer for layer in single.layer if layer.name not in {"data", "upscore", "score", "loss"}]
    for stream in ("color", "hha"):
        for layer in backbone:
            twin = layers(net)[layer.name + stream]
            assert [blob.removesuffix(stream) or "data" for blob in twin.bottom] == list(layer.bottom)
            assert twin.convolution_param == layer.convolution_param
    fused = layers(net)["score_fused"].eltwise_param
    assert (fused.operation, list(fused.coeff)) == (fused.SUM, [0.5, 0.5])
    assert list(layers(net)["score"].bottom) == ["upscore", "color"]


def test_colour_and_depth_are_joined_to_four_channels() -> None:
    net = netspec.build("nyud-fcn32s-color-d", "deploy")
    found = shapes.infer(net, "deploy", size=(64, 64))
    assert found.blobs["data"] == (1, 4, 64, 64)
    assert found.params["conv1_1_bgrd"][0] == (64, 4, 3, 3)
    assert "conv1_1" not in layers(net)


def test_two_heads_score_one_trunk() -> None:
    net = netspec.build("siftflow-fcn8s", "train")
    assert {"score_pool4_semc", "score_pool3_geoc", "upscore8_geo", "fuse_pool3_sem", "loss", "loss_geo"} <= set(
        layers(net)
    )
    assert [list(layers(net)[f"score_fr_{head}"].bottom) for head in ("sem", "geo")] == [["fc7"], ["fc7"]]
    assert list(layers(net)["loss"].bottom) == ["score_sem", "sem"]
    assert list(layers(net)["loss_geo"].bottom) == ["score_geo", "geo"]


GIVEN_BY_BVLC = {"bvlc_reference_caffenet": "voc-fcn-alexnet", "bvlc_googlenet": "voc-fcn32s-googlenet"}


@pytest.mark.parametrize("zoo", GIVEN_BY_BVLC)
def test_a_trunk_is_the_classifier_up_to_its_last_convolution(zoo: str) -> None:
    """But for the first padding, and for fillers, which are nothing once weights are transplanted."""
    ours = netspec.build(GIVEN_BY_BVLC[zoo], "deploy")
    theirs = reference.net(zoo, "deploy")
    end = next(place for place, layer in enumerate(theirs.layer) if layer.name in ("fc6", "pool5/7x7_s1"))
    backbone = NetParameter(layer=theirs.layer[1:end])
    same = NetParameter(layer=[layer for layer in ours.layer if layer.name in layers(backbone)])
    differing = {(d.where, d.field) for d in diff.differences(same, backbone) if "filler" not in d.field}
    first = backbone.layer[0].name
    assert {where for where, _ in differing if first not in where} == set()
    assert len(same.layer) == len(backbone.layer)


def test_googlenet_has_no_auxiliary_heads_and_loses_no_pixel_at_its_own_padding() -> None:
    net = netspec.build("voc-fcn32s-googlenet", "train")
    assert [layer.name for layer in net.layer if "loss" in layer.name] == ["loss"]
    deploy = netspec.build("voc-fcn32s-googlenet", "deploy")
    for size in range(32, 96):  # three strides of sizes
        assert shapes.infer(deploy, size=(size, 500)).blobs["score"] == (1, 21, size, 500)


# DIGITS: one net for all phases


DIGITS = ["voc-fcn-alexnet", "digits-fcn-alexnet", "digits-fcn8s", "synthia-fcn-alexnet", "synthia-fcn8s"]


@pytest.mark.parametrize("name", DIGITS)
def test_all_in_one_has_the_form_of_digits(name: str) -> None:
    net = netspec.build(name, "all")
    data = [layer for layer in net.layer if layer.type == "Data"]
    assert [(layer.name, list(layer.top), layer.include[0].phase) for layer in data] == [
        ("data", ["data"], proto.TRAIN),
        ("label", ["label"], proto.TRAIN),
        ("data", ["data"], proto.TEST),
        ("label", ["label"], proto.TEST),
    ]
    for layer in data:
        assert (layer.data_param.batch_size, layer.data_param.HasField("source")) == (1, False)
        assert layer.data_param.backend == layer.data_param.LMDB
    classes = 12 if name.startswith("synthia") else 21
    by_top = {top: layer for layer in reversed(net.layer) for top in layer.top}
    shift = by_top["data_preprocessed"]
    assert (shift.name, shift.type, shift.power_param.shift, shift.power_param.scale) == ("shift", "Power", -116, 1)
    first = by_top.get("conv1") or by_top["conv1_1"]
    assert list(first.bottom) == ["data_preprocessed"]
    upscore = by_top.get("upscore") or by_top["upscore8"]
    assert (upscore.convolution_param.group, upscore.convolution_param.bias_term) == (classes, False)
    assert upscore.convolution_param.weight_filler.type == "bilinear"
    assert [param.lr_mult for param in upscore.param] == [0]
    assert list(by_top["score"].bottom)[1] == "data"
    loss, accuracy = by_top["loss"], by_top["accuracy"]
    assert (loss.loss_param.ignore_label, loss.loss_param.normalize) == (255, True)
    assert [list(rule.stage) for rule in loss.exclude] == [["deploy"]]
    assert accuracy.accuracy_param.ignore_label == 255
    assert [list(rule.stage) for rule in accuracy.include] == [["val"]]


@pytest.mark.parametrize("name", DIGITS[1:])
def test_layers_that_depend_on_the_classes_say_so_in_their_names(name: str) -> None:
    def dependent(classes: int) -> dict[str, bool]:
        net = netspec.build(name, "deploy", classes=classes)
        found = shapes.infer(net, size=(64, 64)).params
        other = shapes.infer(netspec.build(name, "deploy", classes=classes + 1), size=(64, 64)).params
        return {layer: layer not in other for layer, params in found.items() if params}

    assert all(gone == layer.endswith("_7classes") for layer, gone in dependent(7).items())
    assert {layer for layer in dependent(7) if layer.startswith(("score_fr", "upscore"))}


# The layers of DIGITS's examples, semantic-segmentation/fcn_alexnet and binary-segmentation, that have weights or a
# loss, with the sizes of their kernels: weights that DIGITS trained are matched by these names.
OF_DIGITS = {
    "digits-fcn-alexnet": {
        "conv1": [11],
        "conv2": [5],
        "conv3": [3],
        "conv4": [3],
        "conv5": [3],
        "fc6": [6],
        "fc7": [1],
        "score_fr": [1],
        "upscore": [63],
        "loss": [],
    },
    "triangles": {"conv1": [3], "conv2": [16], "upsample": [16], "lossL1": []},
}


@pytest.mark.parametrize("name", OF_DIGITS)
def test_weights_that_digits_trained_fit_by_name(name: str) -> None:
    net = netspec.build(name, "all", **({"loss": "l1"} if name == "triangles" else {}))
    ours = [x for x in net.layer if x.type in WEIGHTED or x.type.endswith("Loss")]
    assert {layer.name: list(layer.convolution_param.kernel_size) for layer in ours} == OF_DIGITS[name]
    assert [list(layer.top) for layer in ours] == [[layer.name] for layer in ours]
    if name == "triangles":
        upsample = next(layer for layer in ours if layer.name == "upsample")
        assert not upsample.convolution_param.HasField("weight_filler")
        assert [spec.lr_mult for spec in upsample.param] == [1]


WEIGHTED = {"Convolution", "Deconvolution", "InnerProduct", "Scale"}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("phase", ["train", "val", "deploy"])
def test_one_net_for_all_phases_splits_into_the_net_of_each(name: str, phase: str) -> None:
    single = netspec.build(name, phase, data="lmdb")
    part = graph.select_phase(netspec.build(name, "all"), phase)
    assert [x.name for x in part.layer if x.type in WEIGHTED] == [x.name for x in single.layer if x.type in WEIGHTED]
    losses = {layer.name for layer in single.layer if "Loss" in layer.type}
    assert {layer.name for layer in part.layer if "Loss" in layer.type} == losses
    assert bool(losses) == (phase != "deploy")
    accuracies = [layer for layer in part.layer if layer.type == "Accuracy"]
    measured = {"triangles": 0, "hed": 0, "icnet": 1}.get(name, len(losses))
    assert len(accuracies) == (measured if phase == "val" else 0)
