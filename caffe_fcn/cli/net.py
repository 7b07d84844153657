"""``caffe-fcn net``: the table of its commands, each of which lives in a module ``net_*``."""

from __future__ import annotations

import click

from caffe_fcn.cli import LazyGroup


class _Net(LazyGroup):
    table = {  # noqa: RUF012
        "diff": ("net_diff", "diff", "What two nets, or two solvers, differ in by meaning."),
        "show": ("net_show", "show", "Layers, shapes, parameters, cost, receptive fields."),
    }


@click.group(cls=_Net)
def net() -> None:
    """Build, show, compare and convert nets."""
