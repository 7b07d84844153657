"""``caffe-fcn net``: the table of its commands, each of which lives in a module ``net_*``."""

from __future__ import annotations

import click

from caffe_fcn.cli.commands import LazyGroup


class _Net(LazyGroup):
    table = {  # noqa: RUF012
        "build": ("net_build", "build", "A net of the catalogue: its prototxts and its solver."),
        "convolutionize": ("net_convolutionize", "convolutionize", "Fully connected layers as convolutions."),
        "diff": ("net_diff", "diff", "What two nets, or two solvers, differ in by meaning."),
        "draw": ("net_draw", "draw", "The topology as a picture, or as a page for the browser."),
        "from-classifier": ("net_from_classifier", "from_classifier", "Any image classifier as an FCN."),
        "list": ("net_build", "list_nets", "The catalogue of nets."),
        "show": ("net_show", "show", "Layers, shapes, parameters, cost, receptive fields."),
        "upgrade": ("net_upgrade", "upgrade", "Nets, weights and solvers of older Caffes in the current format."),
    }


@click.group(cls=_Net)
def net() -> None:
    """Build, show, compare and convert nets."""
