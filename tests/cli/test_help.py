"""The help texts, and that options do what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Ran

from caffe_fcn.description.dataset_json import Description

Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_recipes_are_listed_as_json(cli: Cli) -> None:
    recipes = json.loads(cli("surgery", "recipe", "--list", "--json").out)
    listed = [line.split()[0] for line in cli("surgery", "recipe", "--list").out.splitlines()[1:]]
    assert [each["name"] for each in recipes] == listed
    vgg16 = next(each for each in recipes if each["name"] == "vgg16")
    assert vgg16["net"] == "voc-fcn32s" and len(vgg16["wants"]) == 1


def test_the_net_of_the_test_phase_is_the_one_to_validate(cli: Cli) -> None:
    built = {phase: cli("net", "build", "triangles", "--phase", phase, "-o", "-") for phase in ("test", "val", "TEST")}
    assert {(done.status, done.out) for done in built.values()} == {(0, built["val"].out)}
    assert "[train|val|deploy|all|test|trainval]" in " ".join(cli("net", "build", "--help").out.split())


@pytest.mark.parametrize(
    ("command", "metavars"),
    [
        ("net build", ["--size HxW", "--pad N|auto"]),
        ("net from-classifier", ["--size HxW", "--pad N|auto"]),
        ("net convolutionize", ["--size HxW", "--rename OLD=NEW,..."]),
        ("surgery select", ["--size HxW", "--classes N|new,..."]),
        ("offsets", ["--min HxW", "--max HxW"]),
        ("weights mean", ["--size HxW"]),
        ("data folder", ["--resize HxW"]),
    ],
)
def test_metavars_have_one_spelling(cli: Cli, command: str, metavars: list[str]) -> None:
    shown = cli(*command.split(), "--help").out
    assert all(each in shown for each in metavars) and "HXW" not in shown and "AUTO" not in shown


@pytest.mark.parametrize("group", ["data", "net", "surgery", "weights"])
def test_no_line_of_a_groups_help_is_cut(cli: Cli, group: str) -> None:
    lines = cli(group, "--help").out.partition("Commands:")[2].splitlines()
    assert not [line for line in lines if line.endswith("...")] and max(map(len, lines)) <= 80


def test_options_of_the_same_name_describe_this_command(cli: Cli) -> None:
    assert "random fillers" not in cli("surgery", "verify", "--help").out
    assert "instead of what the net says" not in " ".join(cli("weights", "mean", "--help").out.split())


def test_a_classifiers_fcn_has_as_many_classes_as_the_data_set(cli: Cli, tmp_path: Path) -> None:
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
    data = tmp_path / "data"
    data.mkdir()
    Description("mine", classes=["sky", "road", "tree"]).write(data)
    command = ["net", "from-classifier", deploy, "-o", tmp_path / "fcn"]
    done = cli(*command, "--source", data, "--data", "lmdb")
    assert done.status == 0, done.err
    assert "num_output: 3" in (tmp_path / "fcn" / "train.prototxt").read_text()
    assert "note: 3 classes" in done.err
    bare = cli(*command)
    assert bare.status == 2 and "needs --classes N" in bare.err
