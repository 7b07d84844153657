"""What went wrong for somebody with photos of their own: each test has the name of what happened.

The data set has four photos of five classes, which the reference's nets, solvers and layers know nothing of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ran
from PIL import Image

from caffe_fcn import proto
from caffe_fcn.proto import SolverParameter

Cli = Callable[..., Ran]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for number in range(4):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / f"images/{number}.png")
        label = random.integers(0, 5, (40, 40)).astype(np.uint8)
        Image.fromarray(label).save(tmp_path / f"labels/{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def build_set(cli: Cli, *more: object) -> None:
    ran = cli("data", "folder", "--images", "images", "--labels", "labels", "--classes", 5, *more, "-o", "set")
    assert ran.status == 0, ran.err


def build_net(cli: Cli, name: str, *more: object) -> Ran:
    ran = cli("net", "build", name, "--source", "set", "-o", "nets/mine", *more)
    assert ran.status == 0, ran.err
    return ran


def make_quick(*files: str) -> None:
    """Make the nets narrow and the training short."""
    for file in files:
        net = proto.read_net(f"nets/mine/{file}.prototxt")
        for layer in net.layer:
            if layer.type == "Convolution" and not layer.name.startswith("score"):
                layer.convolution_param.num_output = 8
        proto.write(net, f"nets/mine/{file}.prototxt")
    solver = proto.read_solver("nets/mine/solver.prototxt")
    solver.MergeFrom(SolverParameter(max_iter=1, iter_size=1, display=1, snapshot=1, solver_mode=0))
    proto.write(solver, "nets/mine/solver.prototxt")


def test_source_set_does_not_write_layers_that_read_another_set(place: Path, cli: Cli) -> None:
    build_set(cli, "--val-percent", 50)
    build_net(cli, "voc-fcn8s")
    for name in ("train", "val"):
        net = proto.read_net(f"nets/mine/{name}.prototxt")
        assert [layer.type for layer in net.layer if not layer.bottom] == ["Data", "Data"]
        assert "sbdd" not in str(net) and "voc_layers" not in str(net)


def test_a_set_of_two_validation_images_is_not_tested_on_736(place: Path, cli: Cli) -> None:
    build_set(cli, "--val-percent", 50)
    build_net(cli, "voc-fcn8s")
    assert list(proto.read_solver("nets/mine/solver.prototxt").test_iter) == [2]


def test_counts_of_an_earlier_set_do_not_stay(place: Path, cli: Cli) -> None:
    build_set(cli, "--val-percent", 50)
    build_net(cli, "voc-fcn32s")
    for path in sorted(place.glob("set/**/*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    build_set(cli, "--val-percent", 25)
    build_net(cli, "voc-fcn32s")
    assert list(proto.read_solver("nets/mine/solver.prototxt").test_iter) == [1]


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_set_without_validation_part_does_not_die_at_its_start(place: Path, cli: Cli, engine: str) -> None:
    build_set(cli, "--val-percent", 0)
    ran = build_net(cli, "voc-fcn-alexnet")
    assert "has no validation part" in ran.err and not Path("nets/mine/val.prototxt").exists()
    make_quick("train")
    ran = cli("train", "nets/mine/solver.prototxt", "--engine", engine)
    assert ran.status == 0, ran.err


def test_paths_lead_to_the_same_files_whatever_command_reads_them(
    place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``train``, ``net show`` and ``surgery transplant``, from here, from the net's folder and from elsewhere."""
    build_set(cli, "--val-percent", 50)
    build_net(cli, "voc-fcn-alexnet")
    make_quick("train", "val")
    (place / "elsewhere").mkdir()
    net, made = place / "nets/mine/train.prototxt", place / "made.caffemodel"
    for folder in (place, net.parent, place / "elsewhere"):
        monkeypatch.chdir(folder)
        ran = cli("train", place / "nets/mine/solver.prototxt", "--engine", "torch")
        assert ran.status == 0, ran.err
        weights = net.parent / "snapshot/train_iter_1.caffemodel"
        ran = cli("net", "show", net, "--phase", "train", "--json")
        assert ran.status == 0 and "40" in ran.out, ran.err
        ran = cli("surgery", "transplant", "--weights", weights, "--to-net", net, "--phase", "train", "-o", made)
        assert ran.status == 0, ran.err


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_no_module_named_voc_layers(place: Path, cli: Cli, engine: str) -> None:
    """The first example says which data it lacks, and nothing of modules."""
    assert cli("net", "build", "voc-fcn8s", "-o", "nets/mine").status == 0
    ran = cli("train", "nets/mine/solver.prototxt", "--engine", engine)
    line = ran.err.splitlines()[-1]
    assert ran.status == 2 and line.startswith(f"error: {place}/nets/data/sbdd/dataset: no such folder")
    assert "No module" not in ran.err
