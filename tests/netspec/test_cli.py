"""``caffe-fcn net list`` and ``net build``, and scripts/generate.py, as people and scripts call them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import ROOT

from caffe_fcn import netspec, proto

Cli = Callable[..., tuple[int, str, str]]


def test_the_list_names_backbone_stride_classes_and_data_set(cli: Cli) -> None:
    status, out, _ = cli("net", "list")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert rows["voc-fcn-alexnet"] == ["AlexNet", "32", "21", "voc"]
    assert rows["siftflow-fcn8s"] == ["VGG-16", "8", "33+3", "siftflow"]


def test_the_list_as_json(cli: Cli) -> None:
    nets = {net["name"]: net for net in json.loads(cli("net", "list", "--json")[1])}
    assert list(nets) == list(netspec.catalogue())
    assert nets["synthia-fcn8s"] == {
        "name": "synthia-fcn8s",
        "backbone": "VGG-16",
        "stride": 8,
        "classes": 12,
        "dataset": "synthia",
    }
    assert (nets["m2nist-cnn"]["stride"], nets["siftflow-fcn32s"]["classes"]) == (None, [33, 3])


def test_a_folder_gets_all_phases_and_the_solver(cli: Cli, tmp_path: Path) -> None:
    status, out, _ = cli("net", "build", "nyud-fcn32s-color", "-o", tmp_path / "net")
    names = ["trainval.prototxt", "test.prototxt", "deploy.prototxt", "solver.prototxt"]
    assert (status, out.split()) == (0, [str(tmp_path / "net" / name) for name in names])
    assert {path.name for path in (tmp_path / "net").iterdir()} == {*names, "model.json", "snapshot"}
    assert proto.read_solver(tmp_path / "net" / "solver.prototxt").snapshot_prefix == "snapshot/train"


def test_five_prototxts_of_fcn_alexnet(cli: Cli, tmp_path: Path) -> None:
    cli("net", "build", "voc-fcn-alexnet", "-o", tmp_path)
    names = {path.stem for path in tmp_path.glob("*.prototxt")}
    assert names == {"train", "val", "deploy", "all", "solver"}


@pytest.mark.parametrize("phase", ["train", "val", "deploy", "all"])
def test_one_phase_goes_to_a_file_or_to_stdout(cli: Cli, tmp_path: Path, phase: str) -> None:
    path = tmp_path / "net.prototxt"
    assert cli("net", "build", "voc-fcn8s", "--phase", phase, "-o", path) == (0, "", "")
    assert proto.read_net(path) == netspec.build("voc-fcn8s", phase)
    assert cli("net", "build", "voc-fcn8s", "--phase", phase, "-o", "-")[1] == path.read_text()


def test_all_options_on_one_line(cli: Cli) -> None:
    line = "voc-fcn32s --phase deploy --classes 3 --size 64x96 --batch 2 --pad 90 -o -"
    assert built(cli, line) == netspec.build("voc-fcn32s", "deploy", classes=3, size=(64, 96), batch=2, pad=90)
    line = "siftflow-fcn8s --phase train --classes 4,2 --data lmdb --mean 1,2,3 --source /d -o -"
    same = netspec.build("siftflow-fcn8s", "train", classes=(4, 2), data="lmdb", mean=(1, 2, 3), source="/d")
    assert built(cli, line) == same


def built(cli: Cli, line: str) -> proto.NetParameter:
    status, out, _ = cli("net", "build", *line.split())
    net = proto.NetParameter()
    proto.parse(out, net)
    assert status == 0
    return net


def test_a_source_is_written_as_seen_from_the_net(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("net", "build", "triangles", "--source", "data", "-o", "nets/mine")[0] == 0
    net = proto.read_net("nets/mine/train.prototxt")
    assert net.layer[0].data_param.source == "../../data/train_images"


def test_the_classes_are_those_of_the_data_set_unless_given(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"name": "roads", "classes": ["road", "roof", "tree"]}')
    line = ["net", "build", "digits-fcn-alexnet", "--phase", "deploy", "--source", tmp_path, "-o", "-"]
    _, out, error = cli(*line)
    assert "score_fr_3classes" in out
    assert error == f"note: 3 classes, as {tmp_path}/dataset.json says\n"
    assert "score_fr_5classes" in cli(*line, "--classes", "5")[1]


BAD = {
    "voc-fcn9s --phase train -o -": "error: voc-fcn9s: the catalogue has no such net (did you mean voc-fcn8s?)",
    "voc-fcn8s --phase trane -o -": "error: caffe-fcn net build: Invalid value for '--phase': 'trane'",
    "voc-fcn8s -o -": "error: caffe-fcn net build: -o - takes one net: name a --phase",
    "voc-fcn8s": "error: caffe-fcn net build: Missing option '-o'",
    "voc-fcn8s --phase train --pad wide -o -": "error: caffe-fcn net build: Invalid value for '--pad'",
    "voc-fcn8s --phase train --pad 20 -o -": "error: crop of ",
    "voc-fcn8s --phase train --classes many -o -": "error: caffe-fcn net build: Invalid value for '--classes'",
    "voc-fcn8s --phase train --mean 1,2 -o -": "error: mean: (1.0, 2.0) does not fit 3 channel(s)",
    "voc-fcn8s --phase deploy --size 500by500 -o -": "error: caffe-fcn net build: Invalid value for '--size'",
    "voc-fcn8s --phase train --loss l2 -o -": "error: voc-fcn8s: has no loss 'l2'",
    "voc-fcn8s --phase train -o nowhere/net": "error: nowhere/net: no such file or directory (check the path)",
    "voc-fcn8s --phase train -o folder": "error: folder: is a folder (name a file)",
    "voc-fcn8s -o file": "error: file: ",
    "voc-fcn8s -o file/below": "error: file/below: not a directory",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    status, out, error = cli("net", "build", *arguments.split())
    assert (status, out) == (2, "")
    assert error.startswith(BAD[arguments]) and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


def test_no_prototxt_is_written_where_one_cannot_be_built(cli: Cli, tmp_path: Path) -> None:
    assert cli("net", "build", "voc-fcn8s", "--batch", "2", "-o", tmp_path / "net")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_the_script_runs_from_a_checkout(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "generate.py"
    command = [sys.executable, "-I", script, "triangles", "--phase", "deploy", "-o", tmp_path / "net.prototxt"]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert proto.read_net(tmp_path / "net.prototxt") == netspec.build("triangles", "deploy")


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = """
import sys
import caffe_fcn
from caffe_fcn import NetSpec, layers, params, netspec
from caffe_fcn.cli import net_build
netspec.build("voc-fcn8s", "train")
print(sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[1:])))
"""
    heavy = ["numpy", "torch", "PIL", "scipy", "matplotlib", "rich", "lmdb", "h5py"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
