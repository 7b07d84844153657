"""All in one: from photos and labels, or a data set, to a scored bundle by ``caffe-fcn fit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import contents, places
from caffe_fcn.workspace.forms.arguments import keep_argument, name_new, spell_options, spell_path
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import check_design
from caffe_fcn.workspace.forms.runs import NO_WEIGHTS, RUNS, find_weights
from caffe_fcn.workspace.forms.train_options import FIELDS as TRAIN_FIELDS
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings

_MORE: dict[str, Any] = {"group": "More", "folded": True}
_OPTIONS = {
    "net": "--net",
    "weights": "--weights",
    "classes": "--classes",
    "resize": "--resize",
    "val_percent": "--val-percent",
    "epochs": "--epochs",
    "batch": "--batch",
    "base_lr": "--base-lr",
    "augment": "--augment",
    "precision": "--precision",
}
_ENGINE = next(each for each in TRAIN_FIELDS if each.name == "engine")
_PRECISION = next(each for each in TRAIN_FIELDS if each.name == "precision")
_PHOTOS = ("photos", "labels")
_OF_NET = ("epochs", "batch", "base_lr", "augment")


def list_fields(settings: Settings, has_gpu: bool = True) -> tuple[Field, ...]:
    """List the fields of the form."""
    from caffe_fcn.netspec.catalogue import catalogue

    datasets = [each.name for each in contents.find(settings).datasets]
    nets = [each.name for each in catalogue().values() if not each.dataset.classified and len(each.dataset.images) == 1]
    devices = (Choice("cores", "the processor"), *((Choice("gpu", "a GPU"),) if has_gpu else ()))
    most = max(1, settings.cores)
    return (
        Field("name", "Name", required=True, hint="The folder in runs/ that is made.", most_signs=100),
        Field(
            "data",
            "Data set",
            Kind.CHOICE,
            default="",
            choices=(Choice("", "photos and labels below"), *map(Choice, datasets)),
        ),
        Field("photos", "Photos", Kind.PATH, hint="A folder of the workspace, or one that the server may read."),
        Field("labels", "Labels", Kind.PATH, hint="Label images with the names of the photos."),
        Field("net", "Net", Kind.CHOICE, default="", choices=(Choice("", "the usual one"), *map(Choice, nets))),
        Field("weights", "Weights", hint="A file or a model's name; none: random values. Nothing: as the net wants."),
        Field("classes", "Classes", Kind.INTEGER, least=1, most=10_000, hint="How many, where no data set says it."),
        Field("epochs", "Epochs", Kind.NUMBER, hint="How often each photo is seen."),
        Field("device", "Runs on", Kind.CHOICE, default="cores", choices=devices),
        Field("cores", "Cores", Kind.INTEGER, default=settings.cores, least=1, most=most, **_MORE),
        Field("engine", "Engine", Kind.CHOICE, default="auto", choices=_ENGINE.choices, **_MORE),
        Field("precision", "Precision", Kind.CHOICE, default="float32", choices=_PRECISION.choices, **_MORE),
        Field("resize", "Size of all photos", Kind.SIZE, **_MORE),
        Field("val_percent", "Share for validation", Kind.NUMBER, least=0, most=99, unit="%", **_MORE),
        Field("batch", "Photos at a time", Kind.INTEGER, least=1, most=4096, **_MORE),
        Field("base_lr", "Learning rate", Kind.NUMBER, **_MORE),
        Field("augment", "Augmentation", hint="Such as flip,scale=0.75:1.25,crop=320x320.", **_MORE),
    )


def make_fit(settings: Settings, values: Mapping[str, Any]) -> Task:
    """Make the task; raises `FormError`."""
    from caffe_fcn.journey import defaults

    check_design({name: values[name] for name in _OF_NET}, values["net"] or defaults.NET)
    folder = name_new(settings, RUNS, values["name"])
    given = dict(values)
    if values["weights"] and values["weights"] != NO_WEIGHTS:
        given["weights"] = find_weights(settings, values["weights"])
    if values["precision"] == _PRECISION.default:
        given["precision"] = None
    engine = () if values["engine"] == _ENGINE.default else ("--engine", values["engine"])
    source = ("--data", keep_argument(values["data"])) if values["data"] else _find_folders(settings, values)
    if values["data"] and any(values[name] for name in _PHOTOS):
        raise FormError({"data": "Choose a data set, or name photos and labels, not both."})
    command = ("fit", *source, "-o", keep_argument(folder), *spell_options(_OPTIONS, given), *engine)
    on_gpu = values["device"] == "gpu"
    return Task(f"Fit {folder}", JobKind.FIT, (command,), makes=folder, cores=values["cores"], gpu=on_gpu)


def _find_folders(settings: Settings, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of photos and labels as the command names them."""
    missing = {name: "This has to be given where no data set is chosen." for name in _PHOTOS if not values[name]}
    if missing:
        raise FormError(missing)
    found = []
    for name in _PHOTOS:
        try:
            path = places.resolve_source(settings, values[name])
        except CaffeFcnError as error:
            raise FormError({name: f"{error.where} {error.what}."}) from error
        if not path.exists():
            raise FormError({name: f"{values[name]} is not there."})
        found.append(spell_path(settings, path))
    return tuple(found)
