"""New nets: from the catalogue, from a classifier, from other programs; each way has a form.

way = WAYS["catalogue"]
values = parse(way.list_fields(settings), {"net": "voc-fcn-alexnet", "name": "roads"})
task = way.make(settings, values)          # net build voc-fcn-alexnet -o nets/roads
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from caffe_fcn.netspec.catalogue import catalogue, find_design
from caffe_fcn.netspec.data import DATA_LAYERS
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.from_classifier.conversion import FCN_STRIDES
from caffe_fcn.netspec.losses import LOSSES
from caffe_fcn.workspace import contents
from caffe_fcn.workspace.forms import imports
from caffe_fcn.workspace.forms.arguments import find_free_name, keep_argument, name_new, spell_options
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import (
    NAME,
    OPTIONS,
    SHAPE,
    check_design,
    check_values,
    describe_data,
    list_data_fields,
    list_solver_fields,
)
from caffe_fcn.workspace.forms.net_sources import NETS, find_prototxt, list_prototxts
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings


@dataclass(frozen=True)
class Way:
    """A way to a new net: what it is called, what it asks for, and the task that it becomes.

    ``list_fields`` and ``make`` raise errors of the library; ``make`` raises `FormError` for values that do not fit.
    """

    title: str
    hint: str
    list_fields: Callable[[Settings], tuple[Field, ...]]
    make: Callable[[Settings, Mapping[str, Any]], Task]


def list_catalogue_fields(settings: Settings, name: str = "") -> tuple[Field, ...]:
    """List the fields to build a net of the catalogue: any one, or that of a name, with what this one takes."""
    names = [Choice(each) for each in catalogue()]
    chosen = find_design(name) if name else None
    net = Field("net", "Net", Kind.CHOICE, default=name or None, choices=tuple(names), required=True)
    made = replace(NAME, default=find_free_name(settings, NETS, name) if name else None)
    datasets = [each.name for each in contents.find(settings).datasets]
    data = Field(
        "data",
        "Data layers",
        Kind.CHOICE,
        default="",
        choices=_offer(DATA_LAYERS),
        hint="Databases (lmdb), lists of images, or the reference's Python layers for published sets.",
        group=SHAPE,
    )
    return (net, made, *list_data_fields(datasets), data, *_list_forms(chosen), *list_solver_fields())


def build_net(settings: Settings, values: Mapping[str, Any]) -> Task:
    """Make the task that builds a net of the catalogue; raises `FormError`."""
    check_design(values, values["net"], describe_data(settings, values))
    folder = name_new(settings, NETS, values["name"])
    options = spell_options(OPTIONS, _name_source(values))
    command = ("net", "build", values["net"], "-o", keep_argument(folder), *options)
    return Task(f"Build {values['net']} as {folder}", JobKind.NET, (command,), makes=folder)


def list_classifier_fields(settings: Settings) -> tuple[Field, ...]:
    """List the fields to make an FCN of a classifier."""
    datasets = [each.name for each in contents.find(settings).datasets]
    deploy = Field(
        "deploy",
        "Classifier",
        Kind.CHOICE,
        choices=tuple(Choice(each) for each in list_prototxts(settings)),
        required=True,
        hint="A deploy net of the workspace. Paste or import it first where it is not here yet.",
    )
    stride = Field(
        "stride",
        "Stride of the finest scores",
        Kind.CHOICE,
        default="",
        choices=_offer(map(str, FCN_STRIDES)),
        group=SHAPE,
    )
    loss = Field("loss", "Loss", Kind.CHOICE, default="", choices=_offer(LOSSES), group=SHAPE)
    data = [_COUNT if each.name == "classes" else each for each in list_data_fields(datasets)]
    return (deploy, NAME, *data, stride, loss, *list_solver_fields())


_COUNT = Field(
    "classes",
    "Classes",
    Kind.INTEGER,
    least=1,
    most=99_999,
    hint="How many the net learns, where it is not what the data set says.",
    group=SHAPE,
)


def make_fcn(settings: Settings, values: Mapping[str, Any]) -> Task:
    """Make the task that turns a classifier into an FCN."""
    check_values(values)
    if not values["source"] and not values["classes"]:
        raise FormError({"classes": "Give the number of classes, or a data set that says it."})
    deploy = find_prototxt(settings, values["deploy"])
    folder = name_new(settings, NETS, values["name"])
    options = spell_options(OPTIONS, _name_source(values))
    command = ("net", "from-classifier", keep_argument(deploy), "-o", keep_argument(folder), *options)
    return Task(f"Make {folder} of the classifier {deploy}", JobKind.NET, (command,), makes=folder)


def _list_forms(net: NetDesign | None) -> tuple[Field, ...]:
    """List the fields on the forms of a net: those that it has, or all where it is not known yet."""
    nets = [net] if net else list(catalogue().values())
    offered: dict[str, list[str]] = {"loss": list(LOSSES)}
    for variants in (each.variants for each in nets if each.variants):
        names = [variant.name for variant in variants.values]
        if net and variants.option == "loss":
            offered["loss"] = []
        known = offered.setdefault(variants.option, [])
        known += [name for name in names if name not in known]
    return tuple(
        Field(option, _FORMS[option], Kind.CHOICE, default="", choices=_offer(names), group=SHAPE)
        for option, names in offered.items()
    )


_FORMS = {"loss": "Loss", "spelling": "Layers", "variant": "Variant"}


def _name_source(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "source": keep_argument(values["source"]) if values["source"] else None}


def _offer(names: Any) -> tuple[Choice, ...]:
    return (Choice("", "as usual"), *(Choice(str(each)) for each in names))


WAYS: dict[str, Way] = {
    "catalogue": Way("Catalogue", "nets that are known to work", list_catalogue_fields, build_net),
    "classifier": Way("From a classifier", "an FCN of any image classifier", list_classifier_fields, make_fcn),
    **{name: Way(way.title, way.hint, way.list_fields, way.make) for name, way in imports.WAYS.items()},
}
"""The ways to a new net by name, as in addresses and in the field ``way`` of the API."""
