"""``caffe-fcn net upgrade``: convert nets, weights files and solvers of older versions of Caffe."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from caffe_fcn import proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import (
    allow_unknown_option,
    dialect_option,
    read_net,
    report_dialects,
    report_unknown_fields,
    size_option,
)
from caffe_fcn.cli.printing import echo
from caffe_fcn.errors import FileError
from caffe_fcn.files import naming_errors, write_together


@click.command(cls=Command)
@click.argument("source", metavar="IN")
@click.option("-o", "--output", required=True, metavar="OUT", help="The file to write; - is stdout.")
@click.option(
    "--to",
    "target",
    type=click.Choice(["bvlc"]),
    help="Convert what a fork of Caffe has into what BVLC's Caffe computes alike; what has no such form is refused.",
)
@click.option("--weights", metavar="W", help="With --to bvlc and a text: the weights to convert along.")
@click.option("--weights-output", metavar="FILE", help="Where the converted weights go.")
@size_option
@dialect_option
@allow_unknown_option
def upgrade(
    source: str,
    output: str,
    target: str | None,
    weights: str | None,
    weights_output: str | None,
    size: tuple[int, int] | None,
    dialect: str,
    allow_unknown: bool,
) -> None:
    """Convert the net (or solver) IN, of any format since 2013, to the current format.

    A text becomes a text. A binary file becomes a binary file with all its weights, or, if OUT is a .prototxt, only the
    net.
    """
    if bool(weights) != bool(weights_output) or (weights and not target):
        raise click.UsageError("--weights and --weights-output belong together, and to --to bvlc")
    if target:
        _convert(source, output, weights, weights_output, size, dialect, allow_unknown)
        return
    recognized: list[str] = []
    if _is_binary(source) and output != "-" and not output.endswith(_TEXT):
        if source == "-":
            raise FileError("<stdin>", "is a binary model, and its weights are read from files only", "name its file")
        from caffe_fcn.weights.upgrade import upgrade as upgrade_weights

        left_out = upgrade_weights(source, output, dialect, recognized)
    else:
        notes: list[proto.UnknownField] = []
        message = proto.read_net_or_solver(
            source, allow_unknown, notes, upgrade=False, dialect=dialect, recognized=recognized
        )
        report_unknown_fields(notes)
        left_out = proto.upgrade_message(message)
        proto.write(message, output)
    report_dialects(source, recognized)
    for note in left_out:
        echo(f"note: {note}", err=True)


def _convert(
    source: str,
    output: str,
    weights: str | None,
    weights_output: str | None,
    size: tuple[int, int] | None,
    dialect: str,
    allow_unknown: bool,
) -> None:
    """Write a net, and its weights where there are any, as BVLC's Caffe has them."""
    from caffe_fcn.netspec.to_bvlc import to_bvlc

    converted = to_bvlc(read_net(source, allow_unknown, dialect), size)
    with write_together():
        if _is_binary(source) and not output.endswith(_TEXT) and output != "-":
            converted.write_weights(source, output)
        else:
            proto.write(converted.net, output)
        if weights and weights_output:
            converted.write_weights(weights, weights_output)
    for note in converted.notes:
        echo(f"note: {note}", err=True)


_TEXT = (".prototxt", ".pbtxt", ".txt")


def _is_binary(path: str) -> bool:
    if path == "-":
        stdin = getattr(sys.stdin, "buffer", None)
        return isinstance(stdin, io.BufferedReader) and proto.is_binary(stdin.peek(4096))
    with naming_errors(path):
        if not Path(path).is_file():  # a pipe gives its bytes once, and they are the reader's
            return False
        with Path(path).open("rb") as file:
            return proto.is_binary(file.read(4096))
