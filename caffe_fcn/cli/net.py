"""``caffe-fcn net``: the table of its commands; each has a module ``net_*``."""

from __future__ import annotations

import click

from caffe_fcn.cli.commands import LazyGroup


class _Net(LazyGroup):
    table = {  # noqa: RUF012
        "build": ("net_build", "build", "Write a net of the catalogue: its prototxts and its solver."),
        "convolutionize": ("net_convolutionize", "convolutionize", "Convert fully connected layers to convolutions."),
        "copy": ("net_copy", "copy", "Copy a net folder, or a run's, to train it anew with other settings."),
        "diff": ("net_diff", "diff", "Compare two nets, or two solvers, by what they mean."),
        "draw": ("net_draw", "draw", "Draw the topology as a picture or a web page."),
        "from-classifier": ("net_from_classifier", "from_classifier", "Turn any image classifier into an FCN."),
        "list": ("net_build", "list_nets", "List the catalogue of nets."),
        "show": ("net_show", "show", "Show layers, shapes, parameters, cost, receptive fields."),
        "upgrade": ("net_upgrade", "upgrade", "Convert files of older versions of Caffe to the current format."),
    }


@click.group(cls=_Net)
def net() -> None:
    """Build, show, compare and convert nets."""
