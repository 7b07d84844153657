"""``caffe-fcn check`` as people call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ran
from saved_weights import save

from caffe_fcn import netspec, proto
from caffe_fcn.checks.example_nets import SCORE, UPSCORE, conv, crop, image, label, loss, upscore

Cli = Callable[..., Ran]


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A net whose last Crop begins elsewhere than it should."""
    path = tmp_path / "train.prototxt"
    path.write_text(proto.to_text(netspec.build("voc-fcn-alexnet", "train")).replace("offset: 18", "offset: 19"))
    return path


def test_an_error_is_a_line_with_its_place_and_status_1(cli: Cli, wrong: Path) -> None:
    ran = cli("check", wrong)
    line = wrong.read_text().split("\n").index("    offset: 19") + 1
    assert ran.status == 1
    assert f"{wrong}:{line}: FCN101 error: layer 'score' crops at offset 19" in ran.out
    assert "1 error, 1 warning" in ran.err


def test_warnings_alone_are_status_0(cli: Cli, wrong: Path) -> None:
    ran = cli("check", wrong, "--ignore", "FCN101")
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    assert "FCN111 warning" in ran.out


def test_json_has_every_finding(cli: Cli, wrong: Path) -> None:
    ran = cli("check", wrong, "--select", "FCN101", "--json")
    (found,) = json.loads(ran.out)["findings"]
    assert ran.status == 1
    assert (found["code"], found["level"], found["layer"]) == ("FCN101", "error", "score")


def test_a_rule_is_explained(cli: Cli) -> None:
    ran = cli("check", "--explain", "crop-offset")
    assert ran.status == 0
    assert "FCN101" in ran.out and "offset: 5" in ran.out


@pytest.mark.parametrize("arguments", [(), ("--select", "FCN9"), ("none.prototxt",)])
def test_what_cannot_be_checked_is_status_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    ran = cli("check", *arguments)
    assert ran.status == 2
    assert ran.err.count("\n") == 1


def test_a_target_is_checked_where_it_is_named(cli: Cli, tmp_path: Path) -> None:
    net = tmp_path / "deploy.prototxt"
    net.write_text(image() + conv("score", "data", "num_output: 5 kernel_size: 3 pad: 100"))
    ran = cli("check", net, "--target", "ascend")
    assert ran.status == 1
    assert f"{net}:2: FCN502 error: layer 'score' (Convolution) pads by as much as its kernel or more" in ran.out
    assert "operatorlist_00110" in ran.out
    assert cli("check", net).status == 0
    unknown = cli("check", net, "--target", "asend")
    assert unknown.status == 2
    assert "error: --target asend: is not known (did you mean ascend? there are ascend, horizon" in unknown.err


def test_a_diff_writes_nothing(cli: Cli, wrong: Path) -> None:
    before = wrong.read_text()
    ran = cli("check", wrong, "--diff")
    assert "-    offset: 19\n" in ran.out and "+    offset: 18\n" in ran.out
    assert (ran.status, wrong.read_text()) == (1, before)


def test_fix_writes_what_is_certain_and_keeps_the_rest(cli: Cli, wrong: Path) -> None:
    wrong.write_text("# by hand\n" + wrong.read_text())
    before = wrong.read_text()
    assert cli("check", wrong, "--fix", "--select", "FCN101").status == 0
    assert wrong.read_text() == before.replace("offset: 19", "offset: 18")


def test_sarif_has_the_place_of_every_finding(cli: Cli, wrong: Path, tmp_path: Path) -> None:
    cli("check", wrong, "--sarif", tmp_path / "log.sarif")
    (run,) = json.loads((tmp_path / "log.sarif").read_text())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["FCN101", "FCN111"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    location = run["results"][0]["locations"][0]["physicalLocation"]
    assert location["region"]["startLine"] == wrong.read_text().split("\n").index("    offset: 19") + 1


def write_training(folder: Path, offset: int) -> Path:
    layers = image() + label() + SCORE + upscore(UPSCORE) + crop(f"axis: 2 offset: {offset}") + loss("cropped")
    (folder / "train.prototxt").write_text(layers)
    solver = folder / "solver.prototxt"
    fields = 'net: "train.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 1 solver_mode: CPU random_seed: 1'
    solver.write_text(fields)
    return solver


@pytest.mark.caffe
def test_a_training_stops_at_an_error_before_it_starts(
    cli: Cli, tmp_path: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    solver = write_training(tmp_path, offset=5)
    ran = cli("train", solver, "--caffe", caffe_bin)
    assert ran.status == 2
    assert "train.prototxt:5: FCN101 layer 'cropped' crops at offset 5" in ran.err
    assert "--no-check trains nevertheless" in ran.err
    assert not list(tmp_path.glob("*.caffemodel"))
    assert cli("train", solver, "--caffe", caffe_bin, "--no-check").status == 0
    assert cli("train", write_training(tmp_path, offset=6), "--caffe", caffe_bin).status == 0


def test_a_run_brings_its_weights(cli: Cli, tmp_path: Path) -> None:
    """A run whose snapshot lacks the score layer."""
    net = proto.NetParameter()
    proto.parse(
        image() + conv("first", "data", "num_output: 4 kernel_size: 1") + SCORE.replace('"data"', '"first"'), net
    )
    proto.write(net, tmp_path / "deploy.prototxt")
    (tmp_path / "snapshot").mkdir()
    first = {"first": [np.ones((4, 3, 1, 1)), np.zeros(4)]}
    save(tmp_path / "snapshot" / "train_iter_10.caffemodel", net, first)
    ran = cli("check", tmp_path, "--select", "FCN205")
    assert ran.status == 1
    assert "layer 'score' (Convolution) is not in the weights" in ran.out


def test_a_net_folder_without_weights_is_its_deploy_net(cli: Cli, tmp_path: Path) -> None:
    netspec.write("voc-fcn-alexnet", tmp_path)
    assert cli("check", tmp_path, "--fix").status == 0
    (tmp_path / "model.json").write_text((tmp_path / "model.json").read_text().replace('"scores"', '"probabilities"'))
    assert "FCN144" in cli("check", tmp_path).out
