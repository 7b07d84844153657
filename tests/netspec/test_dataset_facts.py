"""``--source SET`` means this data set: its databases, classes, mean, ignored label and counts, without an option."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from caffe_fcn import netspec, proto
from caffe_fcn.description import dataset_json, model_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import NetError
from caffe_fcn.proto import NetParameter, SolverParameter

Cli = Callable[..., Any]
NAMES = ["road", "roof", "tree"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos with labels of three classes and ignored pixels."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number in range(5):
        Image.fromarray(random.integers(0, 256, (40, 44, 3), np.uint8)).save(folder / f"images/{number}.png")
        label = random.choice([0, 1, 2, 255], (40, 44)).astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{number}.png")
    (folder / "names.txt").write_text("\n".join(NAMES))
    return folder


@pytest.fixture
def build(cli: Cli, photos: Path, tmp_path: Path) -> Callable[..., Path]:
    """Build the data set with a share of validation images; returns its folder."""

    def run(percent: int) -> Path:
        given = ["--images", photos / "images", "--labels", photos / "labels", "--classes", photos / "names.txt"]
        ran = cli("data", "folder", *given, "--val-percent", percent, "--ignore", 255, "-o", tmp_path / "set")
        assert ran.status == 0, ran.err
        return tmp_path / "set"

    return run


def read(folder: Path, name: str) -> NetParameter:
    return proto.read_net(folder / f"{name}.prototxt")


def test_a_net_for_a_data_set(cli: Cli, build: Callable[..., Path], photos: Path, tmp_path: Path) -> None:
    data = build(40)
    ran = cli("net", "build", "voc-fcn8s", "--source", data, "-o", tmp_path / "net")
    assert ran.status == 0, ran.err
    for phase in ("train", "val"):
        net = read(tmp_path / "net", phase)
        images, labels = (layer for layer in net.layer if layer.type == "Data")
        assert images.data_param.source == str(data / f"{phase}_images")
        assert labels.data_param.source == str(data / f"{phase}_labels")
    score = next(layer for layer in net.layer if layer.name == "score_fr")
    assert score.convolution_param.num_output == 3
    assert net.layer[-1].loss_param.ignore_label == 255
    solver = proto.read_solver(tmp_path / "net/solver.prototxt")
    assert list(solver.test_iter) == [2]  # 40 % of 5
    names = (data / "train.txt").read_text().split()
    pixels = [np.asarray(Image.open(photos / f"images/{Path(name).stem}.png"))[..., ::-1] for name in names]
    mean = np.concatenate([each.reshape(-1, 3) for each in pixels]).mean(axis=0)
    train = next(layer for layer in read(tmp_path / "net", "train").layer if layer.type == "Data")
    np.testing.assert_allclose(train.transform_param.mean_value, mean, rtol=1e-5)
    model = model_json.read(tmp_path / "net")
    assert model is not None and model.outputs[0].classes == NAMES and model.outputs[0].ignore_label == 255
    np.testing.assert_allclose(model.inputs[0].mean, mean, rtol=1e-5)
    assert model.dataset == json.loads((data / "dataset.json").read_text())["name"]


def test_without_a_validation_part_nothing_tests(cli: Cli, build: Callable[..., Path], tmp_path: Path) -> None:
    data = build(0)
    ran = cli("net", "build", "voc-fcn8s", "--source", data, "-o", tmp_path / "net")
    assert ran.status == 0 and "has no validation part" in ran.err
    assert not (tmp_path / "net/val.prototxt").exists()
    solver = proto.read_solver(tmp_path / "net/solver.prototxt")
    assert not [field.name for field, _ in solver.ListFields() if field.name.startswith("test_")]
    ran = cli("net", "build", "voc-fcn8s", "--source", data, "--phase", "val", "-o", tmp_path / "val.prototxt")
    assert ran.status == 2 and "has no validation part" in ran.err
    assert not (tmp_path / "val.prototxt").exists()


def test_options_overrule_the_data_set(cli: Cli, build: Callable[..., Path], tmp_path: Path) -> None:
    data = build(40)
    line = ["--classes", 7, "--mean", "1,2,3", "--data", "image"]
    assert cli("net", "build", "voc-fcn32s", "--source", data, *line, "-o", tmp_path / "net").status == 0
    net = read(tmp_path / "net", "train")
    first = next(layer for layer in net.layer if layer.type == "ImageData")
    assert list(first.transform_param.mean_value) == [1, 2, 3]
    assert first.image_data_param.source == str(data / "train_images.txt")
    assert next(layer for layer in net.layer if layer.name == "score_fr").convolution_param.num_output == 7
    model = model_json.read(tmp_path / "net")
    assert model is not None and model.outputs[0].classes is None and model.inputs[0].mean == [1, 2, 3]


def test_the_references_layers_stay_where_no_data_set_is(cli: Cli, build: Callable[..., Path], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for more in ([], ["--source", tree], ["--source", build(0), "--data", "python"]):
        assert cli("net", "build", "voc-fcn8s", *more, "-o", tmp_path / "net").status == 0
        assert read(tmp_path / "net", "train").layer[0].type == "Python"


def about(**facts: Any) -> Description:
    databases = {name: {"images": f"{name}-i", "labels": f"{name}-l"} for name in ("train", "val")}
    splits = {name: {"count": 9, "databases": each} for name, each in databases.items()}
    return Description("roads", **{"splits": splits, "classes": NAMES, "mean": [1.0, 2.0, 3.0], **facts})


def sources(net: NetParameter) -> list[str]:
    return [layer.data_param.source for layer in net.layer if layer.type == "Data"]


def test_databases_are_found_by_the_names_that_the_data_set_gives_them() -> None:
    net = netspec.build("voc-fcn8s", "val", source="../roads", dataset=about())
    assert sources(net) == ["../roads/val-i", "../roads/val-l"]


def test_splits_of_other_names_are_taken_in_their_order() -> None:
    splits = {name: {"databases": {"images": f"{name}_images", "labels": f"{name}_labels"}} for name in ("a", "b")}
    files = netspec.files("voc-fcn8s", source="s", dataset=about(splits=splits))
    train, val = files["train.prototxt"], files["val.prototxt"]
    assert isinstance(train, NetParameter) and isinstance(val, NetParameter)
    assert (sources(train)[0], sources(val)[0]) == ("s/a_images", "s/b_images")


def test_an_ignored_label_that_does_not_exist_is_not_in_the_loss() -> None:
    assert not netspec.build("voc-fcn8s", "train", dataset=about()).layer[-1].loss_param.HasField("ignore_label")
    loss = netspec.build("voc-fcn8s", "train", dataset=about(ignore_label=9)).layer[-1].loss_param
    assert loss.ignore_label == 9


@pytest.mark.parametrize(("batch", "iterations"), [(1, 9), (4, 3)])
def test_the_solver_tests_on_every_image(batch: int, iterations: int) -> None:
    solver = netspec.solver("voc-fcn8s", dataset=about(), batch=batch)
    assert list(solver.test_iter) == [iterations]


def test_a_net_in_the_form_of_digits_without_validation_part() -> None:
    train = {"train": about().splits["train"]}
    files = netspec.files("digits-fcn-alexnet", source="s", dataset=about(splits=train))
    solver, net = files["solver.prototxt"], files["all.prototxt"]
    assert isinstance(solver, SolverParameter) and isinstance(net, NetParameter)
    assert solver.net == "all.prototxt" and not solver.test_state and not solver.test_iter
    assert sources(net) == ["s/train-i", "s/train-l"]


def test_a_data_set_that_lacks_a_database() -> None:
    with pytest.raises(NetError, match="reads a database of 'geo', and roads has images, labels"):
        netspec.build("siftflow-fcn8s", "train", dataset=about())
    with pytest.raises(NetError, match="'hha'"):
        netspec.build("nyud-fcn32s-hha", "train", dataset=about())


def test_images_of_other_channels() -> None:
    net = netspec.build("voc-fcn8s", "deploy", dataset=about(channels=1, mean=[7.0]))
    assert net.layer[0].input_param.shape[0].dim[1] == 1
    train = netspec.build("voc-fcn8s", "train", dataset=about(channels=1, mean=[7.0]))
    assert list(train.layer[0].transform_param.mean_value) == [7.0]


def test_a_mean_that_belongs_to_a_scale_stays() -> None:
    """M2NIST's nets bring the values 0 to 254 to -1 to 1."""
    layer = netspec.build("m2nist-fcn", "train", dataset=about(channels=1, mean=[20.0])).layer[0]
    assert list(layer.transform_param.mean_value) == [127.0]


def test_a_mean_that_nobody_measured_is_assumed_and_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    about(mean=None).write(tmp_path / "set")
    ran = cli("net", "build", "voc-fcn8s", "--source", tmp_path / "set", "-o", tmp_path / "net")
    assert "roads says no mean: 104.007, 116.669, 122.679 is assumed" in ran.err


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_the_first_line_of_a_new_user_trains(
    cli: Cli, build: Callable[..., Path], tmp_path: Path, caffe_bin: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``net build voc-fcn8s --source SET``, as it is but for the width of its layers and the number of iterations."""
    data = build(40)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    assert cli("net", "build", "voc-fcn8s", "--source", data.name, "-o", "nets/roads").status == 0
    for name in ("train", "val"):
        net = read(tmp_path / "nets/roads", name)
        for layer in net.layer:
            if layer.type == "Convolution" and not layer.name.startswith("score"):
                layer.convolution_param.num_output = 8
        proto.write(net, tmp_path / f"nets/roads/{name}.prototxt")
    file = tmp_path / "nets/roads/solver.prototxt"
    solver = proto.read_solver(file)
    solver.MergeFrom(SolverParameter(max_iter=2, test_interval=1, display=1, snapshot=2, solver_mode=0))
    proto.write(solver, file)
    ran = cli("train", file, "--engine", engine)
    assert ran.status == 0, ran.err
    assert (tmp_path / "nets/roads/snapshot/train_iter_2.caffemodel").exists()


def test_from_classifier_takes_the_facts_of_the_data_set(
    cli: Cli, build: Callable[..., Path], tmp_path: Path, caffe_bin: Path
) -> None:
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
    data = build(0)
    ran = cli("net", "from-classifier", deploy, "--source", data, "-o", tmp_path / "fcn")
    assert ran.status == 0, ran.err
    assert "note: 3 classes" in ran.err and "has no validation part" in ran.err
    model = model_json.read(tmp_path / "fcn")
    described = dataset_json.read(data)
    assert model is not None and described is not None
    assert model.outputs[0].classes == NAMES and model.inputs[0].mean == described.mean
    assert model.dataset == described.name
    solver = proto.read_solver(tmp_path / "fcn/solver.prototxt")
    solver.MergeFrom(SolverParameter(max_iter=1, iter_size=1, solver_mode=0))
    proto.write(solver, tmp_path / "fcn/solver.prototxt")
    command = [caffe_bin, "train", "-solver", "solver.prototxt"]
    done = subprocess.run(command, cwd=tmp_path / "fcn", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Optimization Done." in done.stderr, done.stderr[-2000:]
