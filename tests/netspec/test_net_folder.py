"""A net built over an earlier one: what the new net does not have goes, and what was trained stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command import Ran

from caffe_fcn import netspec, proto
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description

Cli = Callable[..., Ran]


def write_set(folder: Path, *splits: str, classes: int = 3) -> Path:
    """A data set with these splits, as its description says."""
    folder.mkdir()
    databases = {split: {"images": f"{split}_images", "labels": f"{split}_labels"} for split in splits}
    about = Description(folder.name, classes=[f"class {number}" for number in range(classes)], mean=[1.0, 2.0, 3.0])
    about.splits = {split: {"count": 5, "databases": names} for split, names in databases.items()}
    about.write(folder)
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return write_set(tmp_path / "whole", "train", "val")


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return write_set(tmp_path / "half", "train", classes=2)


def prototxts(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.prototxt"))


@pytest.mark.parametrize("name", ["voc-fcn32s", "digits-fcn-alexnet", "m2nist-fcn"])
def test_a_set_without_validation_part_leaves_no_earlier_net_to_validate(
    cli: Cli, whole: Path, half: Path, tmp_path: Path, name: str
) -> None:
    net = tmp_path / "net"
    assert cli("net", "build", name, "--source", whole, "-o", net).status == 0
    assert "val" in prototxts(net)
    ran = cli("net", "build", name, "--source", half, "-o", net)
    assert ran.status == 0
    assert f"note: {net / 'val.prototxt'} of the earlier net is removed" in ran.err
    assert prototxts(net) == sorted(Path(name).stem for name in netspec.files(name, dataset=_read(half)))
    ran = cli("net", "build", name, "--source", whole, "-o", net)
    assert "removed" not in ran.err and "val" in prototxts(net)


def test_files_that_only_the_earlier_net_read_are_removed(cli: Cli, whole: Path, tmp_path: Path) -> None:
    net = tmp_path / "net"
    beside = [net / "joint_augmentation.py", net / "infogain.binaryproto"]
    assert cli("net", "build", "voc-fcn32s", "--source", whole, "--augment", "flip", "-o", net).status == 0
    assert beside[0].is_file()
    beside[1].write_bytes(b"the matrix of an earlier net")
    assert cli("net", "build", "voc-fcn32s", "--source", whole, "-o", net).status == 0
    assert not any(path.exists() for path in beside)


def test_files_of_those_names_beside_no_net_stay(cli: Cli, whole: Path, tmp_path: Path) -> None:
    net = tmp_path / "net"
    net.mkdir()
    (net / "infogain.binaryproto").write_bytes(b"mine")
    assert cli("net", "build", "voc-fcn32s", "--source", whole, "-o", net).status == 0
    assert (net / "infogain.binaryproto").read_bytes() == b"mine"


def _read(folder: Path) -> Description:
    about = dataset_json.read(folder)
    assert about is not None
    return about


def test_another_net_in_the_same_folder(cli: Cli, tmp_path: Path) -> None:
    """The files of a net are named after the splits of its data set: train and val, or trainval and test."""
    assert cli("net", "build", "voc-fcn-alexnet", "-o", tmp_path).status == 0
    assert prototxts(tmp_path) == ["all", "deploy", "solver", "train", "val"]
    assert cli("net", "build", "siftflow-fcn8s", "-o", tmp_path).status == 0
    assert prototxts(tmp_path) == ["deploy", "solver", "test", "trainval"]


def test_files_of_other_people_stay(cli: Cli, half: Path, tmp_path: Path) -> None:
    """A test.prototxt that no solver names, and a folder that no build has written."""
    net, mine = tmp_path / "net", tmp_path / "mine"
    assert cli("net", "build", "voc-fcn32s", "-o", net).status == 0
    (net / "test.prototxt").write_text("# mine")
    (net / "all.prototxt").write_text('layer { name: "mine" type: "Input" top: "data" }')
    mine.mkdir()
    (mine / "val.prototxt").write_text("# mine")
    (mine / "solver.prototxt").write_text('train_net: "train.prototxt" test_net: "val.prototxt" test_iter: 1')
    for folder in (net, mine):
        assert cli("net", "build", "voc-fcn32s", "--source", half, "-o", folder).status == 0
    assert (net / "test.prototxt").read_text() == (mine / "val.prototxt").read_text() == "# mine"
    assert "mine" in (net / "all.prototxt").read_text()
    assert not (net / "val.prototxt").exists()


def test_a_build_that_fails_leaves_the_earlier_net(cli: Cli, whole: Path, half: Path, tmp_path: Path) -> None:
    net = tmp_path / "net"
    assert cli("net", "build", "voc-fcn32s", "--source", whole, "-o", net).status == 0
    before = {path.name: path.read_bytes() for path in net.iterdir() if path.is_file()}
    assert cli("net", "build", "voc-fcn32s", "--source", half, "--size", "1x1", "--pad", 0, "-o", net).status == 2
    assert {path.name: path.read_bytes() for path in net.iterdir() if path.is_file()} == before


def test_what_was_trained_stays_and_is_said_to_be_of_the_earlier_net(
    cli: Cli, whole: Path, half: Path, tmp_path: Path
) -> None:
    net = tmp_path / "net"
    assert cli("net", "build", "voc-fcn32s", "--source", whole, "-o", net).status == 0
    for name in ("train_iter_10.caffemodel", "train_iter_10.solverstate", "train.log"):
        (net / "snapshot" / name).write_bytes(b"trained")
    ran = cli("net", "build", "voc-fcn32s", "--source", whole, "-o", net)
    assert "snapshot" not in ran.err  # it is the same net
    ran = cli("net", "build", "voc-fcn32s", "--source", half, "-o", net)
    assert f"note: {net / 'snapshot'} keeps 1 weights file(s) of the earlier net, which may not fit this one" in ran.err
    assert sorted(path.name for path in (net / "snapshot").iterdir()) == [
        "train.log",
        "train_iter_10.caffemodel",
        "train_iter_10.solverstate",
    ]
    assert proto.read_net(net / "deploy.prototxt").layer


def test_a_classifiers_fcn_in_the_same_folder(cli: Cli, whole: Path, half: Path, tmp_path: Path) -> None:
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
    for data in (whole, half):
        ran = cli("net", "from-classifier", deploy, "--source", data, "-o", tmp_path / "net")
        assert ran.status == 0, ran.err
    assert "val.prototxt of the earlier net is removed" in ran.err
    assert prototxts(tmp_path / "net") == ["deploy", "solver", "train"]
