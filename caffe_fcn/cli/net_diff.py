"""``caffe-fcn net diff``: two nets, or two solvers, compared by their meaning."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from caffe_fcn import proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import allow_unknown_option, json_option, report_unknown_fields
from caffe_fcn.cli.printing import Verbosity, echo
from caffe_fcn.net.diff import differences


@click.command(cls=Command)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@allow_unknown_option
@json_option
def diff(a: str, b: str, allow_unknown: bool, as_json: bool) -> int:
    """Compare the meaning of the nets (or solvers) A and B; exit status 1 if they differ.

    The order of independent layers, defaults, number formatting and older formats make no difference.
    """
    found = differences(_read(a, allow_unknown), _read(b, allow_unknown))
    if as_json:
        echo(json.dumps({"differences": [asdict(difference) for difference in found]}, indent=2))
    else:
        for difference in found:
            echo(str(difference))
        if not found and not Verbosity.quiet:
            echo("no difference in meaning", err=True)
    return 1 if found else 0


def _read(path: str, allow_unknown: bool) -> proto.NetParameter | proto.SolverParameter:
    notes: list[proto.UnknownField] = []
    message = proto.read_net_or_solver(path, allow_unknown, notes)
    report_unknown_fields(notes)
    return message
