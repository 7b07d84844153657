"""Forms of nets become commands that the command line takes, whatever names are in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from caffe_fcn.cli import cli
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import FileError
from caffe_fcn.workspace.forms import exports, imports, models, net_changes, net_texts, nets, weights
from caffe_fcn.workspace.forms.arguments import spell_options
from caffe_fcn.workspace.forms.fields import FormError, parse
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.nets.folder import find_folder
from caffe_fcn.workspace.settings import Settings

DEPLOY = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A workspace with a net, a net whose name is like an option, a run, and files to import; commands run in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("nets/old", "-x", "runs/roads"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "deploy.prototxt").write_text(DEPLOY)
        (folder / "w.caffemodel").write_bytes(b"")
    (tmp_path / "runs/roads/solver.prototxt").write_text("base_lr: 1\n")
    (tmp_path / "runs/roads/snapshot").mkdir()
    (tmp_path / "runs/roads/snapshot/train_iter_5.caffemodel").write_bytes(b"")
    (tmp_path / "data/roads").mkdir(parents=True)
    split = {"count": 400, "databases": {"images": "train_images", "labels": "train_labels"}}
    Description("roads", {"train": split, "val": split}).write(tmp_path / "data/roads")
    for name in ("m.onnx", "-m.onnx", "job.tar.gz"):
        (tmp_path / name).write_bytes(b"")
    return Settings(tmp_path)


def parse_command(argv: tuple[str, ...]) -> dict[str, Any]:
    """What the command line itself reads from arguments."""
    context = click.Context(cli)
    command: click.Command = cli
    rest = list(argv)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, rest
        command, rest = found, rest[1:]
    return command.make_context(argv[0], rest, resilient_parsing=False).params


def make(settings: Settings, way: str, values: Mapping[str, Any]) -> dict[str, Any]:
    task = nets.WAYS[way].make(settings, parse(nets.WAYS[way].list_fields(settings), values))
    [command] = task.commands
    return parse_command(command)


def test_a_net_of_the_catalogue(settings: Settings) -> None:
    given = {
        "net": "voc-fcn8s", "name": "roads", "source": "data/roads", "classes": "33", "size": "200x300", "batch": "4",
        "mean": "-1.5,2,3", "pad": "auto", "augment": "flip,scale=0.75:1.25", "data": "lmdb", "epochs": "2.5",
        "base_lr": "1e-3", "lr_policy": "poly", "momentum": "0.9", "iter_size": "2", "val_every": "0.5",
        "optimizer": "Adam", "balance": "median", "loss": "infogain",
    }  # fmt: skip
    read = make(settings, "catalogue", given)
    assert (read["name"], read["output"], read["source"]) == ("voc-fcn8s", "nets/roads", "data/roads")
    assert (read["classes"], read["size"], read["mean"]) == ((33,), (200, 300), (-1.5, 2.0, 3.0))
    assert (read["epochs"], read["base_lr"], read["optimizer"], read["loss"]) == (2.5, 1e-3, "Adam", "infogain")


@pytest.mark.parametrize("net", ["triangles", "deeplab-largefov", "m2nist-fcn", "hed", "voc-fcn-alexnet"])
def test_a_net_has_the_fields_of_its_own_forms(settings: Settings, net: str) -> None:
    """Every choice that the form of a net offers is one that its command takes."""
    table = nets.list_catalogue_fields(settings, net)
    for name in ("loss", "spelling", "variant"):
        for choice in next((each.choices for each in table if each.name == name), ()):
            [command] = nets.build_net(
                settings, parse(table, {"net": net, "name": "new", "source": "data/roads", name: choice.value})
            ).commands
            assert parse_command(command)[name] == (choice.value or None)


def test_a_classifier(settings: Settings) -> None:
    given = {"deploy": "-x/deploy.prototxt", "name": "fcn", "classes": "5", "stride": "8"}
    read = make(settings, "classifier", given)
    assert (read["deploy"], read["classes"], read["stride"]) == ("./-x/deploy.prototxt", 5, "8")


@pytest.mark.parametrize(
    ("way", "given", "wanted"),
    [
        (
            "onnx",
            {"file": "-m.onnx", "size": "64", "compose": "on", "dialect": "ssd"},
            {"file": "-m.onnx", "size": (64, 64), "compose": True, "dialect": "ssd"},
        ),
        (
            "torch",
            {"file": "m.onnx", "arch": "vgg16", "bgr": True, "std": "0.2,0.2,0.2"},
            {"arch": "vgg16", "bgr": True, "std": (0.2, 0.2, 0.2)},
        ),
        ("digits", {"file": "job.tar.gz", "data": "data"}, {"job": "job.tar.gz", "data": "data"}),
        ("bundle", {"file": "job.tar.gz"}, {"output": "nets/new"}),
    ],
)
def test_imports(settings: Settings, way: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    read = make(settings, way, {"name": "new", **given})
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in read.items()}
    assert {name: plain[name] for name in wanted} == wanted
    assert plain["output"] == "nets/new"


@pytest.mark.parametrize(
    ("way", "given", "field"),
    [
        ("catalogue", {"net": "voc-fcn8s", "name": "../x"}, "name"),
        ("catalogue", {"net": "voc-fcn8s", "name": "-rf"}, "name"),
        ("catalogue", {"net": "voc-fcn8s", "name": "old"}, "name"),
        ("catalogue", {"net": "voc-fcn8s", "name": "<b>"}, "name"),
        ("catalogue", {"net": "nix", "name": "a"}, "net"),
        ("catalogue", {"net": "voc-fcn8s", "name": "a", "source": "/etc"}, "source"),
        ("catalogue", {"net": "voc-fcn8s", "name": "a", "classes": "5 --data python"}, "classes"),
        ("catalogue", {"net": "voc-fcn8s", "name": "a", "augment": "spin"}, "augment"),
        ("catalogue", {"net": "voc-fcn8s", "name": "a", "pad": "-3"}, "pad"),
        ("classifier", {"deploy": "nets/old/deploy.prototxt", "name": "a"}, "classes"),
        ("classifier", {"deploy": "/etc/passwd", "name": "a", "classes": "2"}, "deploy"),
        ("onnx", {"file": "/etc/passwd", "name": "a"}, "file"),
        ("onnx", {"file": ".caffe-fcn/secret", "name": "a"}, "file"),
        ("onnx", {"file": "nix.onnx", "name": "a"}, "file"),
        ("onnx", {"name": "a"}, "file"),
        ("torch", {"file": "m.onnx", "name": "a", "arch": "vgg16", "mean": "x"}, "mean"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(settings: Settings, way: str, given: dict[str, Any], field: str) -> None:
    with pytest.raises(FormError) as raised:
        make(settings, way, given)
    assert list(raised.value.fields) == [field]


@pytest.mark.parametrize("name", exports.FORMATS)
def test_exports_of_a_folder_whose_name_is_like_an_option(settings: Settings, name: str) -> None:
    folder = find_folder(settings, "-x")
    assert folder is not None
    way = exports.FORMATS[name]
    flags = {each.name: True for each in way.fields if each.kind.value == "flag" and each.name != "argmax"}
    task = way.make(settings, folder, parse(way.list_fields(settings, folder), {"name": "a", **flags}), name)
    read = parse_command(task.commands[0])
    assert {"./-x", "-x"} & {str(value) for value in read.values()}
    assert str(read["output"]) == f"{way.group}/a{way.suffix}"
    assert [value for value in read.values() if value is True] == [True] * len(flags)
    chosen = parse(way.list_fields(settings, folder), {"name": "b", "weights": "w.caffemodel"})
    assert "./-x/w.caffemodel" in " ".join(way.make(settings, folder, chosen, name).commands[0])


def test_changes(settings: Settings) -> None:
    folder, run = find_folder(settings, "nets/old"), find_folder(settings, "runs/roads")
    assert folder is not None and run is not None and run.kind == "run"
    made: dict[str, Task] = {}
    for name, change in net_changes.CHANGES.items():
        given = {"name": "conv"} if change.fields else {}
        made[name] = change.make(settings, folder, parse(net_changes.list_fields(change, folder), given))
        parse_command(made[name].commands[0])
    assert made["mend"].spell() == "caffe-fcn check nets/old/deploy.prototxt --fix"
    assert made["convolutionize"].makes == "nets/conv"
    with pytest.raises(FormError):
        net_changes.require_net(run)


def test_weights_are_offered_and_spelled(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    offered = {each.value for each in weights.offer_weights(settings)}
    assert {"", "model:alexnet", "-x/w.caffemodel", "runs/roads/snapshot/train_iter_5.caffemodel"} <= offered
    assert weights.spell_weights(settings, "model:alexnet") == "alexnet"
    assert weights.spell_weights(settings, "-x/w.caffemodel") == "./-x/w.caffemodel"
    with pytest.raises(FileError):
        weights.spell_weights(settings, "/etc/passwd")


def test_models(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    assert models.get("bvlc_alexnet").spell() == "caffe-fcn models get alexnet"
    for name in ("nix", "--help"):
        with pytest.raises(FileError):
            models.get(name)
        with pytest.raises(FileError):
            models.remove(name)
    task = models.add(settings, parse(models.ADD, {"file": "-x/w.caffemodel", "name": "mine"}))
    assert parse_command(task.commands[0]) == {"file": "./-x/w.caffemodel", "name": "mine"}


def test_a_text_is_kept_as_it_is_written(settings: Settings) -> None:
    text = f"# mine\n{DEPLOY}"
    assert net_texts.write_net(settings, {"name": "kept", "text": text}) == "nets/kept"
    assert (settings.root / "nets/kept/deploy.prototxt").read_text() == text


def test_options_are_spelled() -> None:
    options = {"a": "--a", "b": "--b", "c": "--c", "d": "--d", "e": "--e"}
    values = {"a": True, "b": (3, 4), "c": ("x", "y"), "d": "-1", "e": None}
    assert spell_options(options, values) == ["--a", "--b", "3x4", "--c", "x", "--c", "y", "--d=-1"]
    assert imports.WAYS.keys() < nets.WAYS.keys()
