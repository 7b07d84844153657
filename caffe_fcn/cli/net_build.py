"""``caffe-fcn net list`` and ``caffe-fcn net build``: the catalogue, and prototxts from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from caffe_fcn import netspec, proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.next_steps import find_missing_data, follow_net
from caffe_fcn.cli.params import CLASS_COUNTS, build_options, json_option
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.solver_options import (
    loss_option,
    measure_classes,
    print_solver_notes,
    refuse_with_phase,
    solver_options,
)
from caffe_fcn.cli.sources import fit_source, open_source
from caffe_fcn.cli.tables import print_table
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.netspec.catalogue import CHOICES, find_design
from caffe_fcn.netspec.data import DATA_LAYERS
from caffe_fcn.netspec.design import BUILD_PHASES, NetDesign


class _CommandWithChoices(Command):
    """A command whose help ends with what the nets of the catalogue are for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Which net do I take"):
            for choice in CHOICES:
                formatter.write_text(f"{choice.use}:")
                with formatter.indentation():
                    for name in choice.nets:  # not as text, which would be broken at hyphens
                        line = f"{name} (stride {find_design(name).stride})"
                        formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                    formatter.write_text(choice.why)
        formatter.write_paragraph()
        formatter.write_text(_ABOUT_CHOICES)


_ABOUT_CHOICES = (
    "Multiply-accumulates are those of an image of 500x500 and 21 classes; times are the torch engine's, see README. "
    "A classifier that is not in the catalogue becomes an FCN by 'caffe-fcn net from-classifier'."
)


@click.command("list", cls=_CommandWithChoices)
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
    """The options that select a variant of a net, from the catalogue; ``--loss`` is one of them for some nets."""
    by_option: dict[str, list[NetDesign]] = {}
    for net in netspec.catalogue().values():
        if net.variants:
            by_option.setdefault(net.variants.option, []).append(net)
    for option, nets in reversed(by_option.items()):
        every = [net.variants for net in nets if net.variants]
        names = dict.fromkeys(variant.name for variants in every for variant in variants.values)
        notes = [", ".join(net.name for net in nets), *(variants.note for variants in every if variants.note)]
        if option == "loss":
            losses = {net.name: [each.name for each in net.variants.values] for net in nets if net.variants}
            function = loss_option(losses, "".join(f" ({note})" for note in notes[1:]))(function)
            continue
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

    With --source SET, a folder as 'caffe-fcn data' writes it or a job of DIGITS, the nets read its databases, learn its
    classes, subtract its mean and ignore its ignored label, and the solver counts in its epochs: it tests on all images
    of its validation part after each of them. A deploy net has the size of the images where all have the same. Options
    that are given overrule the data set. In a folder, model.json says what the nets take and give, and comments in the
    solver say where each value comes from.

    With a folder of published sets as they were unpacked (SBDD, PASCAL VOC, NYUDv2, ...), the nets of the reference
    keep its Python layers, which read them. 'caffe-fcn train' has these layers; caffe itself finds them on the
    PYTHONPATH that 'caffe-fcn doctor' shows.

    Without --source and without an option of the solver (from --epochs to --optimizer), a net of the reference has the
    reference's solver, which does not test. Its rates stay: 1e-14 to 1e-10 where the loss is a sum over the pixels,
    1e-4 to 1e-3 where it is their average.

    The paths in the prototxts are as seen from the folder of the prototxts: run Caffe there.

    Over an earlier net in the folder, prototxts that the new one does not have are removed, such as val.prototxt where
    SET has no validation part. Snapshots stay.
    """
    if phase:
        refuse_with_phase(options)
    folder = Path(output).parent if phase else Path(output)
    if source:
        net, opened = find_design(name), open_source(source)
        data = options["data"] or ("lmdb" if opened.about else net.data)
        fitted = fit_source(opened, net, data, options["classes"] is None)
        source, options["dataset"] = fitted.folder, fitted.about
        measure_classes(source, fitted.about, options)
    if source and not Path(source).is_absolute() and output != "-":
        source = os.path.relpath(source, folder)
    if phase:
        proto.write(netspec.build(name, phase, source=source, **options), output)
        return
    if output == "-":
        raise click.UsageError("-o - takes one net: name a --phase")
    with note_leftovers(folder):
        written = netspec.write(name, folder, source=source, **options)
    print_solver_notes(name, options)
    for path in written:
        echo(path)
    missing = find_missing_data(folder / SOLVER_FILE)
    if missing and not source:
        note = replace_parameters(str(missing), click.get_current_context().command.params)
        print_note(f"{folder / 'solver.prototxt'} cannot train yet: {note}")
    follow_net(name, folder, options.get("dataset"), options["classes"] is None)


@contextmanager
def note_leftovers(folder: Path) -> Iterator[None]:
    """After the block, which writes a net into ``folder``, say what became of the net that was there before."""
    nets = sorted(folder.glob("*.prototxt"))
    deploy = folder / DEPLOY_FILE
    before = deploy.read_bytes() if deploy.is_file() else None
    yield
    for path in nets:
        if not path.exists():
            print_note(f"{path} of the earlier net is removed: the new one has no such file")
    kept = len(list(folder.glob("snapshot/*.caffemodel*")))
    if kept and before not in (None, deploy.read_bytes()):
        print_note(f"{folder / 'snapshot'} keeps {kept} weights file(s) of the earlier net, which may not fit this one")
