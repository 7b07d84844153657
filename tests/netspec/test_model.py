"""``model.json`` of a built net says what its data layers do, and what the published tables say of classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import PyCaffe
from classifiers import CLASSIFIERS
from command import ROOT

from caffe_fcn import datasets, netspec, proto
from caffe_fcn.description import model_json
from caffe_fcn.netspec.model import describe_model

Cli = Callable[..., Any]
NETS = list(netspec.catalogue())


@pytest.mark.parametrize("name", NETS)
def test_inputs_and_outputs_are_the_deploy_nets(name: str) -> None:
    deploy = netspec.build(name, "deploy")
    (source,) = [layer for layer in deploy.layer if layer.type == "Input"]
    model = describe_model(name)
    shapes = {top: shape.dim[1] for top, shape in zip(source.top, source.input_param.shape, strict=True)}
    assert {each.blob: each.channels for each in model.inputs} == shapes
    read = {bottom for layer in deploy.layer for bottom in layer.bottom}
    assert [each.blob for each in model.outputs] == [t for layer in deploy.layer for t in layer.top if t not in read]
    if deploy.layer[-1].type == "Softmax":
        assert model.outputs[0].kind == "probabilities"


def test_a_blob_of_the_backbone_that_nothing_reads_is_no_output() -> None:
    classifier = CLASSIFIERS["lenet"]()
    (pool,) = (layer for layer in classifier.layer if layer.name == "pool1")
    pool.top.append("mask")  # where the largest values were
    model = describe_model(netspec.from_classifier(classifier, 3))
    assert [each.blob for each in model.outputs] == ["score"]


@pytest.mark.parametrize("name", NETS)
def test_mean_and_scale_are_those_of_the_data_layers(name: str) -> None:
    """With databases the data layer says them as Caffe reads them; a net that shifts its image gets it as it is."""
    train = netspec.build(name, "train", data="lmdb")
    (first, *_) = describe_model(name, data="lmdb").inputs
    reader = next(layer for layer in train.layer if layer.type == "Data")
    shifts = [layer for layer in train.layer if layer.type == "Power" and layer.name == "shift"]
    if shifts:
        assert (first.mean, first.scale) == ([0.0], 1.0)
    else:
        assert first.mean == pytest.approx(list(reader.transform_param.mean_value))
        assert first.scale == pytest.approx(reader.transform_param.scale)


# The means in the reference's own layers (voc_layers.py, nyud_layers.py, siftflow_layers.py, pascalcontext_layers.py)
PUBLISHED = {
    "voc-fcn8s": [("data", "BGR", (104.00699, 116.66877, 122.67892))],
    "nyud-fcn32s-color": [("data", "BGR", (116.190, 97.203, 92.318))],
    "nyud-fcn32s-hha": [("data", "planes", (132.431, 94.076, 118.477))],
    "nyud-fcn32s-color-d": [("color", "BGR", (116.190, 97.203, 92.318)), ("depth", "planes", (7.844,))],
    "siftflow-fcn8s": [("data", "BGR", (114.578, 115.294, 108.353))],
    "pascalcontext-fcn8s": [("data", "BGR", (104.007, 116.669, 122.679))],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_means_of_the_references_layers(name: str) -> None:
    inputs = describe_model(name).inputs
    assert [(each.blob, each.order) for each in inputs] == [row[:2] for row in PUBLISHED[name]]
    for each, (_, _, mean) in zip(inputs, PUBLISHED[name], strict=True):
        np.testing.assert_allclose(each.mean, mean, atol=1e-4)


def test_classes_of_both_labellings_and_the_palette() -> None:
    first, second = describe_model("siftflow-fcn8s").outputs
    assert (first.classes or [])[:2] == ["awning", "balcony"] and second.classes == ["sky", "horizontal", "vertical"]
    voc = describe_model("voc-fcn8s").outputs[0]
    assert (voc.classes or [])[15] == "person" and (voc.palette or [])[15] == [192, 128, 128]
    assert (voc.kind, voc.ignore_label) == ("scores", 255)


def test_other_classes_have_no_names() -> None:
    assert describe_model("voc-fcn8s", classes=5).outputs[0].classes is None
    assert describe_model("voc-fcn8s", classes=5).outputs[0].palette is None


def test_a_net_of_grey_values_has_no_classes() -> None:
    assert describe_model("triangles").outputs[0].kind == "grey"
    assert describe_model("triangles", loss="softmax").outputs[0].kind == "scores"


def test_options_are_described(cli: Cli, tmp_path: Path) -> None:
    line = "voc-fcn32s --data lmdb --mean 1,2,3 --classes 21 -o"
    assert cli("net", "build", *line.split(), tmp_path).status == 0
    model = model_json.read(tmp_path)
    assert model is not None and model.inputs[0].mean == [1.0, 2.0, 3.0] and model.dataset == "voc"


def test_from_classifier_describes_its_net(cli: Cli, tmp_path: Path) -> None:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(
        """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
        layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 10 } }
        """
    )
    command = ["net", "from-classifier", deploy, "--classes", 4, "--mean", "9,8,7", "-o", tmp_path / "fcn"]
    assert cli(*command).status == 0
    found = json.loads((tmp_path / "fcn/model.json").read_text())
    assert found["inputs"][0]["mean"] == [9, 8, 7]
    assert found["outputs"][0]["blob"] == "score" and found["outputs"][0]["classes"] is None


def test_a_net_that_cannot_be_built_leaves_no_description(cli: Cli, tmp_path: Path) -> None:
    assert cli("net", "build", "voc-fcn8s", "--pad", 20, "-o", tmp_path / "net").status == 2
    assert list(tmp_path.iterdir()) == []


def test_the_data_layer_of_caffe_gives_what_the_description_says(pycaffe: PyCaffe, cli: Cli, tmp_path: Path) -> None:
    """Real Caffe reads a record by train.prototxt; the record by the description's mean and scale is the same."""
    assert cli("data", "triangles", "--count", 4, "--val-percent", 0, "-o", tmp_path / "data").status == 0
    command = ["net", "build", "triangles", "--source", tmp_path / "data", "--batch", 1, "-o", tmp_path / "net"]
    assert cli(*command).status == 0
    source = """
        net = caffe.Net('train.prototxt', caffe.TRAIN)
        net.forward(end='data')
        outputs['data'] = net.blobs['data'].data
    """
    found = pycaffe(source, cwd=tmp_path / "net")["data"]
    model = model_json.read(tmp_path / "net")
    assert model is not None
    image = datasets.open(tmp_path / "data")[0][0].astype(np.float32)
    mean = np.array(model.inputs[0].mean, np.float32)[:, None, None]
    np.testing.assert_allclose(found[0], (image - mean) * model.inputs[0].scale, atol=1e-4)


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "prototxt").iterdir()))
def test_the_description_in_prototxt_is_what_the_code_makes(name: str) -> None:
    assert model_json.read(ROOT / "prototxt" / name) is not None
    assert proto.read_net(ROOT / "prototxt" / name / "deploy.prototxt") == netspec.build(name, "deploy")
    found = json.loads((ROOT / "prototxt" / name / "model.json").read_text())
    assert found["inputs"][0]["mean"] == describe_model(name).inputs[0].mean, "run scripts/generate.py"
