"""The form of a trial: a model, and what it is run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.workspace import contents, places
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind, fill, offer
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials import models
from caffe_fcn.workspace.trials.trial import (
    GROUP,
    IMAGES_FOLDER,
    LOOK_FILE,
    PREDICTED_FOLDER,
    RESULT_FILE,
    SCORES_FILE,
    Trial,
)

UPLOAD, RECORD, PATH, SET = "upload", "record", "path", "set"
"""Where the images come from."""

_ENGINES = (Choice("auto", "What is installed"), Choice("caffe", "Real Caffe"), Choice("torch", "torch"))
_SOURCES = (
    Choice(UPLOAD, "Images from here"),
    Choice(RECORD, "An image of a data set"),
    Choice(PATH, "Images on the server"),
    Choice(SET, "A whole data set, scored"),
)
_OF_SETS = ("source", (RECORD, SET))
_SEEN = "How the net sees an image"

FIELDS = (
    Field("model", "Model", Kind.CHOICE, required=True),
    Field("weights", "Weights", Kind.PATH, hint="A snapshot, for example; else those that the model has chosen"),
    Field("source", "What it is run on", Kind.CHOICE, UPLOAD, choices=_SOURCES),
    Field("dataset", "Data set", Kind.CHOICE, when=_OF_SETS),
    Field("split", "Split", hint="val where nothing is given, or the only one", most_signs=64, when=_OF_SETS),
    Field("record", "Record", Kind.INTEGER, 0, least=0, most=10**9 - 1, hint="From 0", when=("source", (RECORD,))),
    Field("path", "Path", Kind.PATH, hint="An image, a folder of images, or a list", when=("source", (PATH,))),
    Field("truth", "Labels", Kind.PATH, hint="A folder of label images of the same names", when=("source", (PATH,))),
    Field(
        "look",
        "Show what is inside",
        Kind.FLAG,
        False,
        hint="Filters, activations and statistics of every layer, for the first image",
        when=("source", (UPLOAD, RECORD, PATH)),
    ),
    Field("resize", "Size", Kind.SIZE, hint="Else each image has its own", group=_SEEN, folded=True),
    Field("tile", "Tiles", Kind.SIZE, hint="For images that are too large for the memory", group=_SEEN, folded=True),
    Field("flip", "Average with the mirror image", Kind.FLAG, False, group=_SEEN, folded=True),
    Field("engine", "Engine", Kind.CHOICE, "auto", choices=_ENGINES, group=_SEEN, folded=True),
)  # fmt: skip


def make_table(settings: Settings, model: str = "") -> Sequence[Field]:
    """Return the fields with the models and data sets that there are."""
    known = [Choice(each.name, f"{each.name} ({each.kind})") for each in models.list_models(settings)]
    sets = [Choice(entry.name) for entry in contents.find(settings).datasets]
    table = offer(offer(FIELDS, "model", known), "dataset", sets)
    return fill(table, {"model": model} if model else {})


def plan_trial(settings: Settings, values: Mapping[str, Any], name: str, uploaded: Sequence[str] = ()) -> Trial:
    """Return the trial ``name`` that the values of the form ask for; ``uploaded`` are the names of files sent along.

    Raises `FormError` where something is missing, or is not in a place that may be read.
    """
    source, model = values["source"], values["model"]
    options = [
        option
        for field, flag in (("resize", "--resize"), ("tile", "--tile"))
        if values[field]
        for option in (flag, "{}x{}".format(*values[field]))
    ]
    options += ["--flip"] * values["flip"] + ["--engine", values["engine"]] * (values["engine"] != "auto")
    begun = Trial(name, model, (), None, tuple(options), values["look"], "", _resolve_path(settings, values, "weights"))
    if source == UPLOAD:
        if not uploaded:
            raise FormError({"images": "Choose at least one image."})
        return replace(begun, places=(f"{GROUP}/{name}/{IMAGES_FOLDER}",))
    if source == PATH:
        found = _resolve_path(settings, values, "path")
        if found is None:
            raise FormError({"path": "Give an image, or a folder with images."})
        return replace(begun, places=(found,), truth=_resolve_path(settings, values, "truth"))
    if not values["dataset"]:
        raise FormError({"dataset": "Choose a data set; if there is none yet, make one first."})
    split, count = _find_split(settings, values)
    if source == SET:
        return replace(begun, truth=values["dataset"], options=(*_without_sizes(options),), look=False, split=split)
    if values["record"] >= count:
        raise FormError({"record": f"The split {split} has {count:,} records: give a number from 0 to {count - 1}."})
    place = f"{values['dataset']}#{split}:{values['record']}"
    return replace(begun, places=(place,), truth=values["dataset"])


def make_task(settings: Settings, trial: Trial) -> Task:
    """Return the commands of a trial."""
    folder, page = f"{GROUP}/{trial.name}", f"/test/view/{trial.name}"
    model: tuple[str, ...] = (places.spell(trial.model),)
    if trial.weights:
        model = (places.spell(f"{trial.model}/{DEPLOY_FILE}"), places.spell(trial.weights))
    if trial.is_score:
        command = ("evaluate", *model, "--data", places.spell(trial.truth or ""), "--split", trial.split, "--json")
        title = f"Score {trial.model} on {trial.truth}"
        commands = ((*command, *trial.options),)
        return Task(title, JobKind.EVALUATE, commands, folder, outputs=(f"{folder}/{SCORES_FILE}",), page=page)
    shown = [places.spell(each) for each in trial.places]
    options = [*trial.options, *(["--truth", places.spell(trial.truth)] if trial.truth else [])]
    if not models.gives_grey(settings.root / trial.model):
        options.append("--probabilities")
    steps: list[tuple[str, ...]] = [("infer", *model, *shown, "-o", f"{folder}/{PREDICTED_FOLDER}", "--json", *options)]
    outputs = [f"{folder}/{RESULT_FILE}"]
    if trial.look:
        engine = trial.options[trial.options.index("--engine") :] if "--engine" in trial.options else ()
        steps.append(("look", *model, _find_first(settings, trial), "-o", f"{folder}/{LOOK_FILE}", *engine))
        outputs.append("")
    return Task(f"Run {trial.model}", JobKind.INFER, tuple(steps), folder, outputs=tuple(outputs), page=page)


def _find_split(settings: Settings, values: Mapping[str, Any]) -> tuple[str, int]:
    """Return the split that is asked for, and how many records it has."""
    from caffe_fcn.datasets.records import opening

    folder = settings.root / values["dataset"]
    try:
        known = list(opening.splits(folder))
        split = values["split"] or ("val" if "val" in known or not known else known[0])
        return split, len(opening.open(folder, split))
    except CaffeFcnError as error:
        raise FormError({"split" if values["split"] else "dataset": f"{error}."}) from error


def _resolve_path(settings: Settings, values: Mapping[str, Any], field: str) -> str | None:
    if not values[field]:
        return None
    try:
        path = places.resolve_source(settings, values[field])
    except CaffeFcnError as error:
        raise FormError({field: f"{error}."}) from error
    if not path.exists():
        raise FormError({field: "There is no such file or folder."})
    return places.name_relative(settings, path)


def _find_first(settings: Settings, trial: Trial) -> str:
    """Return the first image of a trial, as `look` takes it."""
    place = trial.places[0]
    folder = settings.root / place
    inside = sorted(each for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []
    return places.spell(f"{place}/{inside[0].name}" if inside else place)


def _without_sizes(options: Sequence[str]) -> list[str]:
    """Return the options that `evaluate` has, too."""
    return [*options[options.index("--engine") :]] if "--engine" in options else []
