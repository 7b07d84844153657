"""``caffe-fcn net``: build, show, compare and convert nets."""

from __future__ import annotations

import click

from caffe_fcn.cli import Group


@click.group(cls=Group)
def net() -> None:
    """Build, show, compare and convert nets."""
