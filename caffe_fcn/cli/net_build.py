"""``caffe-fcn net list`` and ``caffe-fcn net build``: the catalogue, and prototxts from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from caffe_fcn import netspec, proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import CLASS_COUNTS, build_options, json_option, solver_options
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.tables import print_table
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.netspec import solver_fitting
from caffe_fcn.netspec.catalogue import find_design
from caffe_fcn.netspec.data import DATA_LAYERS
from caffe_fcn.netspec.dataset_facts import list_notes
from caffe_fcn.netspec.design import BUILD_PHASES, NetDesign
from caffe_fcn.netspec.options import TRAINING_OPTIONS


@click.command("list", cls=Command)
@json_option
def list_nets(as_json: bool) -> None:
    """List the catalogue: name, backbone, stride, classes, data set."""
    nets = netspec.catalogue().values()
    if as_json:
        echo(json.dumps([_to_json(net) for net in nets], indent=2))
        return
    rows = [
        (net.name, net.backbone.name, str(net.stride or "-"), _format_classes(net), net.dataset.name) for net in nets
    ]
    print_table(("name", "backbone", "stride", "classes", "data set"), rows)


def _to_json(net: NetDesign) -> dict[str, Any]:
    classes = net.classes[0] if len(net.classes) == 1 else list(net.classes)
    return {
        "name": net.name,
        "backbone": net.backbone.name,
        "stride": net.stride,
        "classes": classes,
        "dataset": net.dataset.name,
    }


def _format_classes(net: NetDesign) -> str:
    return "+".join(map(str, net.classes))


def variant_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that select a variant of a net, such as ``--loss``, from the catalogue."""
    by_option: dict[str, list[NetDesign]] = {}
    for net in netspec.catalogue().values():
        if net.variants:
            by_option.setdefault(net.variants.option, []).append(net)
    for option, nets in reversed(by_option.items()):
        every = [net.variants for net in nets if net.variants]
        names = dict.fromkeys(variant.name for variants in every for variant in variants.values)
        notes = [", ".join(net.name for net in nets), *(variants.note for variants in every if variants.note)]
        function = click.option(f"--{option}", type=click.Choice(list(names)), help=f"For {'; '.join(notes)}.")(
            function
        )
    return function


_ALIASES = ("test", "trainval")  # Caffe's name for a phase, and the reference's for a file


@click.command(cls=Command)
@click.argument("name", metavar="NAME")
@click.option(
    "--phase",
    type=click.Choice([*BUILD_PHASES, *_ALIASES], case_sensitive=False),
    help="Write one net; all is one net for every phase, test means val, trainval means train.",
)
@click.option(
    "-o", "--output", required=True, metavar="FILE|DIR", help="The FILE for one phase (- is stdout), else the DIR."
)
@click.option(
    "--classes",
    type=CLASS_COUNTS,
    help="The number of classes, for each labelling that the net learns.",
)
@click.option(
    "--data",
    type=click.Choice(list(DATA_LAYERS)),
    help="Data layers: databases, lists of images (data lists), or Python.",
)
@build_options
@solver_options
@variant_options
def build(name: str, phase: str | None, output: str, source: str | None, **options: Any) -> None:
    """Write the net NAME of the catalogue: one phase as a prototxt, or all phases and the solver in a folder.

    With --source SET, a folder as 'caffe-fcn data' writes it or a data set job of DIGITS, the nets read its databases,
    learn its classes, subtract its mean and ignore its ignored label, and the solver counts in its epochs: it tests on
    all images of its validation part after each of them. Options that are given overrule the data set. In a folder,
    model.json says what the nets take and give, and comments in the solver say where each value comes from.

    Without --source and without an option of the solver (from --epochs to --optimizer), a net of the reference has the
    reference's solver, which does not test. Its rates stay: 1e-14 to 1e-10 where the loss is a sum over the pixels,
    1e-4 to 1e-3 where it is their average.

    The paths in the prototxts are as seen from the folder of the prototxts: run Caffe there.
    """
    if phase:
        _refuse_solver_options(options)
    folder = Path(output).parent if phase else Path(output)
    if source and options["data"] != "python":
        options["dataset"] = read_dataset(source, name, options["classes"] is None)
    if source and not Path(source).is_absolute() and output != "-":
        source = os.path.relpath(source, folder)
    if phase:
        proto.write(netspec.build(name, phase, source=source, **options), output)
        return
    if output == "-":
        raise click.UsageError("-o - takes one net: name a --phase")
    paths = netspec.write(name, folder, source=source, **options)
    print_solver_notes(name, options)
    for path in paths:
        echo(path)


def _refuse_solver_options(options: Mapping[str, Any]) -> None:
    """Raise `click.UsageError` where an option is for the solver, which does not come with one net alone."""
    given = [name for name in TRAINING_OPTIONS if options[name] is not None]
    if given:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is for the solver: leave out --phase, or the option")


def print_solver_notes(name: str | NetDesign, options: Mapping[str, Any]) -> None:
    """Print what somebody should know who trains this net on a data set of their own."""
    if options.get("dataset") is not None or any(options[each] is not None for each in TRAINING_OPTIONS):
        for note in solver_fitting.list_notes(find_design(name), options):
            print_note(note)


def read_dataset(source: str, net: str | NetDesign, with_classes: bool = True) -> Description | None:
    """The description of the data set in ``source``, with notes on what it says for a net; None if there is none."""
    from caffe_fcn.datasets.records import opening  # loads numpy, which nets without a data set do not need

    about = opening.describe(source)
    if about is None:
        if not Path(source).exists():
            print_note(f"{source} does not exist: the nets read from it once it is there")
        return None
    if about.classes and with_classes:
        described = Path(source) / dataset_json.FILE
        where = described if described.is_file() else f"{source}, a data set job of DIGITS,"
        print_note(f"{len(about.classes)} classes, as {where} says")
    for note in list_notes(net, about):
        print_note(note)
    return about
