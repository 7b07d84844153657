"""Options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.printing import echo
from caffe_fcn.net.graph import PHASES

if TYPE_CHECKING:
    from caffe_fcn import proto


class Spelt(click.ParamType):  # type: ignore[type-arg]
    """A type whose name stands in --help as it is spelt, where click would write it in capitals."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return self.name


class Size(Spelt):
    """HxW, or one number for both."""

    name = "HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})(?:[xX](\d{1,6}))?", value.strip())
        if not match or int(match[1]) < 1 or int(match[2] or 1) < 1:
            self.fail(f"{value!r} is no size such as 500x375 (height x width)", param, ctx)
        return int(match[1]), int(match[2] or match[1])


class Renames(Spelt):
    """``old=new,...``; ``old=`` leaves a layer out."""

    name = "OLD=NEW,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        renames = {}
        for pair in filter(None, value.split(",")):
            old, equals, new = (part.strip() for part in pair.partition("="))
            if not old or not equals or old in renames:
                self.fail(f"{pair!r} is no OLD=NEW, or OLD stands twice", param, ctx)
            renames[old] = new
        return renames


class Figures(Spelt):
    """Numbers of one kind, with commas between them."""

    def __init__(self, name: str, kind: type[int] | type[float]) -> None:
        self.name = name
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(each) for each in value.split(","))
        except ValueError:
            return self.fail(f"{value!r} is not {self.name}", param, ctx)


class Padding(Spelt):
    """A whole number, or ``auto``."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


phase_option = click.option(
    "--phase", type=click.Choice(list(PHASES), case_sensitive=False), help="Of which phase (default: deploy)."
)
stage_option = click.option("--stage", "stages", multiple=True, help="A further stage that is set; repeatable.")
size_option = click.option("--size", type=Size(), help="The image's size, instead of what the net says.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
allow_unknown_option = click.option(
    "--allow-unknown",
    is_flag=True,
    help="Pass over fields, and engines, that BVLC Caffe's schema does not have. Other unknown values, such as a "
    "type, stay errors: another would stand in their place.",
)
engine_option = click.option(
    "--engine", default="auto", metavar="auto|caffe|torch", help="What runs the net (default: auto, what is here)."
)
precision_option = click.option(
    "--precision", default="float32", metavar="float32|tf32|bf16", help="How exactly torch multiplies."
)
caffe_option = click.option("--caffe", metavar="PATH", help="The caffe program, or the folder that it is in.")


def read_net(path: str, allow_unknown: bool) -> proto.NetParameter:
    """The net; what was passed over is told on stderr."""
    from caffe_fcn import proto

    notes: list[proto.UnknownField] = []
    net = proto.read_net(path, allow_unknown, notes)
    tell_passed_over(notes)
    return net


def tell_passed_over(notes: list[proto.UnknownField], most: int = 20) -> None:
    """What ``--allow-unknown`` passed over, on stderr: the first ones, and how many more."""
    for note in notes[:most]:
        echo(f"note: {note}, passed over", err=True)
    if len(notes) > most:
        echo(f"note: and {len(notes) - most} more, passed over", err=True)
