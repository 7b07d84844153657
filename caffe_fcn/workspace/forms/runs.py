"""New trainings: the fields, the commands that they become, and what is known of them before they run.

    values = parse(list_fields(settings), {"name": "roads", "net": "voc-fcn32s", "source": "data/roads"})
    task = make_training(settings, values)      # net build ... -o runs/roads, surgery ..., train ...
    preview(settings, values).settings          # each field of the solver, its value, and what says it

A net of the catalogue is built for the data set. A net of the workspace, or a run, is copied, and reads the data of the
original.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.workspace import contents, places
from caffe_fcn.workspace.forms import train_options
from caffe_fcn.workspace.forms.arguments import find_free_name, keep_argument, name_new, spell_options
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import (
    OPTIONS,
    check_design,
    check_values,
    describe_data,
    list_data_fields,
    list_solver_fields,
    read_options,
)
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings

RUNS = "runs"
"""The folder of the workspace that new runs are made in."""

COPY = "copy:"
"""What stands before the folder of a net that is copied, where others have the name of a net of the catalogue."""

NO_WEIGHTS = "none"
START_FILE = "start.caffemodel"
_FIT, _TRANSPLANT, _BY_NAME = "fit", "transplant", "names"
_COPIED = {"base_lr": "base_lr", "momentum": "momentum", "iter_size": "iter_size", "lr_policy": "lr_policy"}
"""Fields of the form that are fields of a copied solver, too."""

_MOST_MEND = 20


def list_fields(settings: Settings, has_gpu: bool = True, clone: str = "") -> tuple[Field, ...]:
    """List the fields of the form; ``clone`` is a net folder or a run that is copied where nothing else is chosen."""
    from caffe_fcn.netspec.catalogue import catalogue

    found = contents.find(settings)
    folders = [each.name for each in (*found.runs, *found.nets) if (each.path / SOLVER_FILE).is_file()]
    names = [Choice(COPY + each, f"copy of {each}") for each in folders] + [Choice(each) for each in catalogue()]
    chosen = COPY + clone if COPY + clone in [each.value for each in names] else None
    datasets = [each.name for each in found.datasets]
    source, *shape = list_data_fields(datasets)
    folded = [replace(each, folded=True) for each in shape]
    name = find_free_name(settings, RUNS, Path(clone).name) if clone else None
    return (
        Field("name", "Name", default=name, required=True, hint="The folder in runs/ that is made.", most_signs=100),
        Field(
            "net",
            "Net",
            Kind.CHOICE,
            default=chosen,
            choices=tuple(names),
            required=True,
            hint="A net of the catalogue is built for the data set; a copy reads what its original reads.",
            group=_BEGIN,
        ),
        replace(source, group=_BEGIN),
        Field(
            "weights",
            "Weights to start from",
            hint="A model's name such as vgg16, files of the workspace separated by commas, or none: random values. "
            "Nothing here: what the net usually starts from.",
            group=_BEGIN,
        ),
        Field(
            "surgery",
            "How they come into the net",
            Kind.CHOICE,
            default=_FIT,
            choices=(
                Choice(_FIT, "as the net needs it"),
                Choice(_TRANSPLANT, "transplanted, layers that do not fit reshaped or filled"),
                Choice(_BY_NAME, "layer by layer of the same name, as Caffe does"),
            ),
            group=_BEGIN,
        ),
        *train_options.FIELDS[:4],
        Field(
            "device",
            "Runs on",
            Kind.CHOICE,
            default="cores",
            choices=(Choice("cores", "the processor"), *((Choice("gpu", "a GPU"),) if has_gpu else ())),
            group=train_options.GROUP,
        ),
        Field(
            "cores",
            "Cores",
            Kind.INTEGER,
            default=settings.cores,
            least=1,
            most=max(1, settings.cores),
            group=train_options.GROUP,
        ),
        *list_solver_fields(),
        Field("loss", "Loss", Kind.CHOICE, default="", choices=_LOSSES, group="Solver", folded=True),
        Field(
            "set",
            "Further settings of a copied solver",
            Kind.LINES,
            hint="One a line, such as max_iter=20000 or snapshot=1000.",
            most_signs=4000,
            group="Solver",
            folded=True,
        ),
        *folded,
        *train_options.FIELDS[4:],
    )


_BEGIN = "Net, data and weights"
_LOSSES = (Choice("", "as usual"), *map(Choice, ("softmax", "infogain", "l1", "l2")))


@dataclass(frozen=True)
class Row:
    """A field of the solver: its value as text, and what says it."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True)
class Preview:
    """What is known of a training before it runs. ``findings`` are those of the check: level, place, what, mend."""

    task: Task
    settings: list[Row] = field(default_factory=list)
    findings: list[tuple[str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: CaffeFcnError | None = None


def make_training(settings: Settings, values: Mapping[str, Any]) -> Task:
    """Make the task that trains; raises `FormError`."""
    _check(settings, values)
    folder = name_new(settings, RUNS, values["name"])
    start = _plan_start(settings, values, folder)
    solver = keep_argument(f"{folder}/{SOLVER_FILE}")
    weights = ("--weights", start[1]) if start[1] else ()
    commands = (
        _spell_net(settings, values, folder),
        *((start[0],) if start[0] else ()),
        train_options.spell_train(solver, values, *weights),
    )
    title = f"Train {folder}"
    on_gpu = values["device"] == "gpu"
    return Task(title, JobKind.TRAIN, commands, makes=folder, cores=values["cores"], gpu=on_gpu)


def preview(settings: Settings, values: Mapping[str, Any]) -> Preview:
    """Find out what a training would be like: its commands, its solver, what the check finds.

    The net is built in a temporary folder, and its headers are checked. What the library refuses is the
    ``problem``. Raises `FormError`.
    """
    task = make_training(settings, values)
    try:
        with _try_net(settings, values) as (folder, rows, notes):
            found = _check_net(settings, values, folder)
            return Preview(task, rows, found, notes)
    except FormError:
        raise
    except CaffeFcnError as error:
        return Preview(task, problem=error)


def read_commands(task: Task) -> dict[str, Any]:
    """Return the values of the fields with which a task of `make_training` was made, as far as its words say them."""
    values: dict[str, Any] = {}
    by_option = {option: name for name, option in OPTIONS.items()}
    known = {*(each.name for each in list_data_fields([])), *_list_learning(), "loss"}
    for command in task.commands:
        if command[:2] == ("net", "build"):
            values["net"] = command[2]
            values |= {
                by_option[word]: text
                for word, text in itertools.pairwise(command)
                if word in by_option and by_option[word] in known
            }
        elif command[:1] == ("surgery",) and "--weights" in command:
            values["weights"] = command[command.index("--weights") + 1]
            values["surgery"] = _TRANSPLANT if command[1] == "transplant" else _FIT
        elif command[:1] == ("train",):
            read = train_options.read_train(command)
            weights = str(read.pop("weights", ""))
            read.pop("gpu", None)
            values |= read
            if weights and not weights.endswith(f"/{START_FILE}"):
                values["weights"], values["surgery"] = weights, _BY_NAME
    if task.gpu:
        values["device"] = "gpu"
    return values


@cache
def _list_learning() -> tuple[str, ...]:
    """The names of the fields on the solver."""
    return tuple(each.name for each in list_solver_fields())


def _check(settings: Settings, values: Mapping[str, Any]) -> None:
    check_values(values)
    errors = {}
    if not values["score_every"]:
        errors = {name: "This needs scores: say how often." for name in train_options.SCORING if values[name]}
    if values["net"].startswith(COPY):
        others = [name for name in _list_learning() if name not in _COPIED] + [
            "loss",
            "batch",
            "augment",
            "classes",
            "mean",
        ]
        errors |= {
            name: "A copied net keeps its own."
            for name in (*others, "pad", "size")
            if values.get(name) not in (None, "")
        }
        if values["source"]:
            errors["source"] = "A copied net reads the data of its original: leave this out."
        if not errors:
            _check_settings(settings, values)
    elif values["set"]:
        errors["set"] = "This is for a copied net; one of the catalogue has the fields above."
    if errors:
        raise FormError(errors)
    if not values["net"].startswith(COPY):
        check_design(values, values["net"], describe_data(settings, values))


def _check_settings(settings: Settings, values: Mapping[str, Any]) -> None:
    """Raise `FormError` for settings that the solver of the original cannot have."""
    from caffe_fcn.proto import read_solver
    from caffe_fcn.training.cloning import change_settings

    given = _read_settings(values)
    solver = read_solver(places.resolve(settings, _find_original(settings, values)) / SOLVER_FILE, allow_unknown=True)
    try:
        change_settings(solver, given)
    except NetError as error:
        field = error.where if error.where in _COPIED and values.get(error.where) not in (None, "") else "set"
        raise FormError({field: f"{error.where.strip('`')} {error.what}."}) from error


def _spell_net(settings: Settings, values: Mapping[str, Any], folder: str) -> tuple[str, ...]:
    """The command that makes the net folder."""
    target = ("-o", keep_argument(folder))
    if values["net"].startswith(COPY):
        original = _find_original(settings, values)
        pairs = _read_settings(values).items()
        assignments = [word for name, text in pairs for word in ("--set", f"{name}={text}")]
        return ("net", "copy", keep_argument(original), *target, *assignments)
    given = {**values, "source": keep_argument(values["source"]) if values["source"] else None}
    return ("net", "build", values["net"], *target, *spell_options(OPTIONS, given))


def _read_settings(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a copied solver that are given, with the text of each."""
    found = {name: f"{values[name]}" for name in _COPIED if values.get(name) not in (None, "")}
    for line in (values["set"] or "").splitlines():
        name, sign, text = line.partition("=" if "=" in line else ":")
        if not line.strip():
            continue
        if not sign or not name.strip().isidentifier():
            raise FormError({"set": f"{line.strip()[:40]!r} is not FIELD=VALUE."})
        found[name.strip()] = text.strip()
    return found


def _find_original(settings: Settings, values: Mapping[str, Any]) -> str:
    name = values["net"].removeprefix(COPY)
    return places.name_relative(settings, places.resolve(settings, name))


def _plan_start(settings: Settings, values: Mapping[str, Any], folder: str) -> tuple[tuple[str, ...] | None, str]:
    """The surgery that makes the weights to start from, if any, and the weights that the training takes."""
    given = [find_weights(settings, each.strip()) for each in (values["weights"] or "").split(",") if each.strip()]
    start, net = f"{folder}/{START_FILE}", values["net"]
    target = ("--to-net", keep_argument(f"{folder}/{DEPLOY_FILE}"), "-o", keep_argument(start))
    is_copy = net.startswith(COPY)
    recipe, usual = ("", "") if is_copy else _find_recipe(net)
    if values["surgery"] == _BY_NAME or (is_copy and values["surgery"] == _FIT):
        named = [] if given == [NO_WEIGHTS] else given
        return None, ",".join(named)
    if given == [NO_WEIGHTS]:
        from caffe_fcn.netspec.catalogue import catalogue

        needs = not is_copy and bool(catalogue()[net].backbone.weights)
        return (("surgery", "fill", *target), keep_argument(start)) if needs else (None, "")
    if len(given) > 1:
        raise FormError({"weights": "Only one file, or model, comes into the net by a surgery."})
    donor = given[0] if given else usual
    if not donor:  # what it goes on from was published by nobody, or it begins with its fillers
        return None, ""
    if recipe and values["surgery"] == _FIT and donor == usual:
        return ("surgery", "recipe", recipe, "--weights", donor, *target), keep_argument(start)
    return ("surgery", "transplant", "--weights", donor, *target), keep_argument(start)


def _find_recipe(net: str) -> tuple[str, str]:
    """The surgery that a net of the catalogue begins with, and the model that this takes; empty where there is none."""
    from caffe_fcn.netspec.catalogue import catalogue
    from caffe_fcn.surgery.recipes import RECIPES

    for name, recipe in RECIPES.items():
        if recipe.net == net:
            return name, recipe.published
    return "", catalogue()[net].backbone.weights


def find_weights(settings: Settings, text: str) -> str:
    """The word of a command for weights: a model's name, or a file that the server may read."""
    if text == NO_WEIGHTS:
        return text
    from caffe_fcn import models

    try:
        path = places.resolve_source(settings, text)
        if path.is_file():
            return keep_argument(places.name_relative(settings, path))
    except CaffeFcnError as error:
        raise FormError({"weights": f"{error.where} {error.what}."}) from error
    if models.is_known(text):
        return text
    hint = models.suggest_name(text)
    raise FormError({"weights": f"{text} is neither a model nor a file here{f' ({hint})' if hint else ''}."})


@contextmanager
def _try_net(settings: Settings, values: Mapping[str, Any]) -> Iterator[tuple[Path, list[Row], list[str]]]:
    """Make the net in a temporary folder; yields the folder, the settings of its solver, and notes."""
    with tempfile.TemporaryDirectory(prefix="caffe-fcn-") as temporary:
        folder = Path(temporary) / "net"
        if values["net"].startswith(COPY):
            yield folder, *_try_copy(settings, values, folder)
        else:
            yield folder, *_try_build(settings, values, folder)


def _try_copy(settings: Settings, values: Mapping[str, Any], folder: Path) -> tuple[list[Row], list[str]]:
    from caffe_fcn.proto import read_solver
    from caffe_fcn.training.cloning import clone_net

    original = places.resolve(settings, _find_original(settings, values))
    given = _read_settings(values)
    clone_net(original, folder, given)
    solver = read_solver(folder / SOLVER_FILE, allow_unknown=True)
    label = values["net"].removeprefix(COPY)
    names = [each.name for each, _ in solver.ListFields()]
    origins = {name: "as given" if name in given else f"as in {label}" for name in names}
    return _list_rows(solver, origins), []


def _try_build(settings: Settings, values: Mapping[str, Any], folder: Path) -> tuple[list[Row], list[str]]:
    from caffe_fcn import netspec
    from caffe_fcn.netspec import dataset_facts, solver_fitting
    from caffe_fcn.netspec.catalogue import catalogue

    data = describe_data(settings, values)
    options = {**read_options(values), **data}
    notes = dataset_facts.list_notes(values["net"], data["dataset"]) if data.get("dataset") else []
    netspec.write(values["net"], folder, **options)
    origins = netspec.explain_solver(values["net"], **options)
    recipe, usual = _find_recipe(values["net"])
    if recipe and not usual and not values["weights"]:
        notes.append(f"starts from random values: nobody published what the surgery {recipe} takes")
    notes += solver_fitting.list_notes(catalogue()[values["net"]], options)
    return _list_rows(netspec.solver(values["net"], **options), origins), notes


def _list_rows(solver: Any, origins: Mapping[str, str]) -> list[Row]:
    from caffe_fcn.proto import to_text

    lines = to_text(solver).splitlines()
    pairs = [line.partition(": ")[::2] for line in lines if not line.startswith((" ", "}"))]
    return [Row(name.strip(" {"), text.strip('"'), origins.get(name.strip(" {"), "")) for name, text in pairs]


def _check_net(settings: Settings, values: Mapping[str, Any], folder: Path) -> list[tuple[str, str, str, str]]:
    """What the check finds in the headers of the net that would be trained."""
    from caffe_fcn import checks

    weights = None
    if values["surgery"] == _BY_NAME and values["weights"] and "," not in values["weights"]:
        path = places.resolve_source(settings, values["weights"])
        weights = path if path.is_file() else None
    found = checks.run(solver=folder / SOLVER_FILE, weights=weights, ignore=_LEFT_TO_TRAINING, cheap=True)
    return [
        (finding.level.value, Path(finding.place.path).name, finding.what.replace(str(folder), ""), finding.mend)
        for finding in found[:_MOST_MEND]
    ]


_LEFT_TO_TRAINING = ("missing-snapshot-folder", "no-gpu", "unknown-type", "unknown-field")
