"""What a form takes, its command takes: every field of every form with values at the bounds of both, and beyond."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from command import Ran

from caffe_fcn.cli import cli as program
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.workspace.forms import datasets, exports, fits, imports, models, net_changes, nets, runs, trials
from caffe_fcn.workspace.forms.fields import Field, FormError, Kind, parse
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.nets.folder import find_folder
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials.trial import GROUP

Cli = Callable[..., Ran]
Make = Callable[[Mapping[str, Any]], Task]

CLASSIFIER = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 33 dim: 33 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 5 } }
"""
SOLVER = 'net: "train_val.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 9\n'

INTEGERS = ("-2", "-1", "0", "1", "2", "255", "65536", "2147483647", "2147483648", "999999999999999999")
NUMBERS = ("-1", "0", "1e-50", "1e-8", "0.1", "0.9", "0.99999999999", "1", "100", "1000000", "1000001", "1e39", "1e308")
SIZES = ("0", "1", "1x1", "32", "33x65", "65535x65535", "65536", "999999")
TEXTS = (
    *("-1", "--help", "0", "5", "auto", "none", "x", "flip", "crop=0x0", "scale=2:1", "1,2", "1,2,3", "33,3", "0,1"),
    *("0.1,0.2,0.3", "0,0.5,0.5", "1e5", "1,", "99999", "100000", "a=b", "max_iter=0", "max_iter=x", "type=Adam"),
)
PATHS = ("photos", "-m.onnx", "m.onnx", "nowhere")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A workspace with something of each kind, in which commands run."""
    monkeypatch.chdir(tmp_path)
    for name in ("nets/old", "runs/roads"):
        (tmp_path / name / "snapshot").mkdir(parents=True)
        (tmp_path / name / "deploy.prototxt").write_text(CLASSIFIER)
        (tmp_path / name / "solver.prototxt").write_text(SOLVER)
        (tmp_path / name / "w.caffemodel").write_bytes(b"")
    for name in ("photos", "masks", "datasets/roads"):
        (tmp_path / name).mkdir(parents=True)
    Description("roads", classes=["road", "rest"]).write(tmp_path / "datasets/roads")
    for name in ("m.onnx", "-m.onnx"):
        (tmp_path / name).write_bytes(b"")
    return Settings(tmp_path, cores=2)


class Form(NamedTuple):
    """A form: its fields, what makes a task of what is given, and values that it takes."""

    table: Sequence[Field]
    make: Make
    given: dict[str, Any]

    def try_values(self, **changed: Any) -> Task:
        """Make the task of the values with some changed; raises `FormError`."""
        return self.make({**self.given, **changed})


def list_forms(settings: Settings) -> dict[str, Form]:
    """Each form by its name."""

    def parse_first(table: Sequence[Field], make: Make) -> Make:
        return lambda given: make(parse(table, given))

    def form(table: Sequence[Field], make: Make, **given: Any) -> Form:
        return Form(table, parse_first(table, make), given)

    trains = partial(runs.make_training, settings)
    table = runs.list_fields(settings)
    found = {
        "train": form(table, trains, name="a", net="triangles"),
        "train a copy": form(table, trains, name="a", net="copy:nets/old"),
        "fit": form(
            fits.list_fields(settings), partial(fits.make_fit, settings), name="a", photos="photos", labels="masks"
        ),
        "classifier": form(
            nets.list_classifier_fields(settings),
            partial(nets.make_fcn, settings),
            name="a",
            deploy="nets/old/deploy.prototxt",
            classes="2",
        ),
        "model": form(models.ADD, partial(models.add, settings), file="m.onnx"),
        "trial": form(
            trials.make_table(settings),
            lambda values: trials.make_task(settings, trials.plan_trial(settings, values, "0001")),
            model="nets/old",
            source="path",
            path="photos",
        ),
    }
    for net in NETS:
        table = nets.list_catalogue_fields(settings, net)
        found[f"net {net}"] = form(table, partial(nets.build_net, settings), net=net, name="a")
    for name, way in imports.WAYS.items():
        arch = {"arch": "vgg16"} if name == "torch" else {}
        found[f"import {name}"] = form(
            way.list_fields(settings), partial(way.make, settings), name="a", file="m.onnx", **arch
        )
    folder = find_folder(settings, "nets/old")
    assert folder is not None
    for name, kind in exports.FORMATS.items():
        make = partial(kind.make, settings, folder, kind=name)
        found[f"export {name}"] = form(kind.list_fields(settings, folder), make, name="a")
    for name, change in net_changes.CHANGES.items():
        named = {"name": "a"} if change.fields else {}
        table = net_changes.list_fields(change, folder)
        found[f"change {name}"] = form(table, partial(change.make, settings, folder), **named)
    for name, data in datasets.KINDS.items():
        paths = {each.name: "photos" for each in data.fields if each.kind is Kind.PATH and each.required}
        found[f"data {name}"] = Form(
            data.fields, partial(datasets.make_task, settings), {"kind": name, "name": "a", **paths}
        )
    return found


def list_values(asked: Field) -> list[Any]:
    """The values that a field is tried with: those about its bounds, and those that trap a command."""
    if asked.kind in (Kind.INTEGER, Kind.NUMBER):
        step = 1 if asked.kind is Kind.INTEGER else 1e-6
        bounds = [
            f"{each + by:.15g}" for each in (asked.least, asked.most) if each is not None for by in (-step, 0, step)
        ]
        return [*(INTEGERS if asked.kind is Kind.INTEGER else NUMBERS), *bounds]
    if asked.kind is Kind.SIZE:
        return [*SIZES]
    if asked.kind is Kind.CHOICE:
        return [*(each.value for each in asked.choices), "nothing of this"]
    if asked.kind is Kind.SEVERAL:
        return [[], *([each.value] for each in asked.choices), [each.value for each in asked.choices]]
    if asked.kind is Kind.FLAG:
        return [True, False]
    return [*TEXTS, *PATHS]


def parse_command(words: Sequence[str]) -> dict[str, Any]:
    """What the command line itself reads from the words of a command; raises what click raises."""
    command: click.Command = program
    context, rest = click.Context(program), list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, rest
        command, rest = found, rest[1:]
    return command.make_context(words[0], rest).params


def try_fields(settings: Settings, name: str) -> Iterator[tuple[Field, Any, Task | FormError]]:
    """What becomes of a form's values with one field changed to each of those that it is tried with."""
    form = list_forms(settings)[name]
    (settings.root / GROUP / "0001").mkdir(parents=True, exist_ok=True)
    for asked in form.table:
        for value in list_values(asked):
            try:
                yield asked, value, form.try_values(**{asked.name: value})
            except FormError as error:
                yield asked, value, error


NETS = ("triangles", "m2nist-fcn", "m2nist-cnn")
NAMES = (
    *("train", "train a copy", "fit", "classifier", "model", "trial", *(f"net {each}" for each in NETS)),
    *(f"import {each}" for each in imports.WAYS),
    *(f"export {each}" for each in exports.FORMATS),
    *(f"change {each}" for each in net_changes.CHANGES),
    *(f"data {each}" for each in datasets.KINDS),
)


def test_all_forms_are_tried(settings: Settings) -> None:
    assert list(list_forms(settings)) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_form_takes_the_command_line_parses(settings: Settings, name: str) -> None:
    taken = 0
    for asked, value, made in try_fields(settings, name):
        if isinstance(made, FormError):
            assert made.fields.keys() - {""}, (asked.name, value)
            continue
        taken += 1
        for command in made.commands:
            try:
                parse_command(command)
            except click.ClickException as error:
                raise AssertionError(f"{asked.name}={value!r}: {error.format_message()}: {command}") from error
    assert taken


@pytest.mark.parametrize("name", ["train", "net triangles", "net m2nist-fcn", "net m2nist-cnn"])
def test_what_the_form_of_a_net_takes_is_built(settings: Settings, cli: Cli, name: str) -> None:
    """And what the command refuses of a field, the form says beside that field."""
    numbers = itertools.count()
    for asked, value, made in try_fields(settings, name):
        if asked.name in ("name", "net", "source") or not isinstance(made, Task):
            continue
        words = [f"out{next(numbers)}" if each == made.makes else each for each in made.commands[0]]
        ran = cli(*words)
        assert ran.status == 0, (asked.name, value, ran.err)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_lr", "0"),
        ("base_lr", "1e-50"),
        ("momentum", "1"),
        ("epochs", "0"),
        ("epochs", "1000001"),
        ("val_every", "-1"),
    ],
)
@pytest.mark.parametrize("name", ["train", "train a copy", "net m2nist-fcn", "classifier"])
def test_a_figure_that_no_solver_takes_is_refused_beside_its_field(
    settings: Settings, name: str, field: str, value: str
) -> None:
    with pytest.raises(FormError) as refused:
        list_forms(settings)[name].try_values(**{field: value})
    assert list(refused.value.fields) == [field]


def test_settings_of_a_copy_are_those_that_net_copy_takes(settings: Settings) -> None:
    form = list_forms(settings)["train a copy"]
    task = form.try_values(momentum="0", set="max_iter=20")
    assert task.commands[0][-4:] == ("--set", "momentum=0.0", "--set", "max_iter=20")
    for wrong in ("max_iter=x", "nonsense=1", "lr_policy=steep", "net=other"):
        with pytest.raises(FormError) as refused:
            form.try_values(set=wrong)
        assert list(refused.value.fields) == ["set"]
