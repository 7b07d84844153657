"""``NET W``, or one place that has both: what commands that run a net take first.

A folder or an archive in place of NET brings its own weights, so that no W follows (see `interop.model_folders`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.model_names import WEIGHTS_SUFFIXES
from caffe_fcn.cli.printing import print_note
from caffe_fcn.errors import FileError

if TYPE_CHECKING:
    from caffe_fcn.interop.model_folders import ModelFolder

HELP = (
    "MODEL, in place of NET W, is a net folder, a run, a bundle (a folder, .tar.gz or .zip), or a job or an archive of "
    "DIGITS. Of a run the newest whole snapshot is taken, or the chosen one."
)
"""The paragraph of --help on places."""


class ModelCommand(Command):
    """A command whose arguments are NET and W, both optional to click, and perhaps more; MODEL may stand for both.

    A further argument may be left out where its name is in brackets: ``[IMAGE]``.

    After parsing, ``net`` and ``weights`` are the values of NET and W; ``weights`` is None where ``net`` is a place.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = f"{inspect.cleandoc(self.help or '')}\n\n{HELP}"

    instead: tuple[str, ...] = ()
    """Parameters with one of which the command needs no net."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the words of the usage line, with MODEL as the other form of NET W."""
        pieces = super().collect_usage_pieces(ctx)
        start = pieces.index("NET")
        return [*pieces[:start], "(NET W | MODEL)", *pieces[start + 2 :]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        left = super().parse_args(ctx, args)
        if ctx.resilient_parsing or any(ctx.params[name] is not None for name in self.instead):
            return left
        from caffe_fcn.interop.place_names import is_model_place

        arguments = [param for param in self.params if isinstance(param, click.Argument)]
        net, weights, *more = (str(param.name) for param in arguments)
        if ctx.params[net] is not None and is_model_place(ctx.params[net]):
            following = [ctx.params[weights]] if ctx.params[weights] is not None else []
            ctx.params[weights] = None
            _refuse_weights(ctx, ctx.params[net], following, takes_more=bool(more))
            for name in more:
                ctx.params[name] = (*following, *ctx.params[name])
        for param in arguments:
            if (param.metavar or "").startswith("["):
                continue
            if not ctx.params[str(param.name)] and not (param.name == weights and is_model_place(ctx.params[net])):
                if ctx.params[net] not in (None, "-") and not Path(ctx.params[net]).exists():
                    raise FileError(ctx.params[net], "no such file or folder", "check the path")
                raise click.MissingParameter(ctx=ctx, param=param)
        return left


@contextmanager
def open_net(net: str, weights: str | None) -> Iterator[ModelFolder]:
    """Yield the net and the weights that a command was given; notes on the choice of weights go to stderr."""
    from caffe_fcn.interop.model_folders import ModelFolder, open_model

    if weights is not None:
        yield ModelFolder(Path(net), Path(weights), place=Path(net).parent)
        return
    with open_model(net) as found:
        for note in found.notes:
            print_note(found.name_place(note))
        yield found


@contextmanager
def open_net_file(net: str) -> Iterator[str]:
    """Yield the path of a prototxt: ``net``, or the deploy net of a place."""
    from caffe_fcn.interop.place_names import is_model_place

    if not is_model_place(net):
        yield net
        return
    from caffe_fcn.interop.model_folders import open_deploy_net

    with open_deploy_net(net) as found:
        yield str(found)


@contextmanager
def open_weights_file(weights: str) -> Iterator[tuple[str, str]]:
    """Yield the path of a weights file, and how it is called: ``weights``, or those of a place."""
    from caffe_fcn.interop.place_names import is_model_place

    if not is_model_place(weights):
        yield weights, weights
        return
    with open_net(weights, None) as found:
        yield str(found.weights), found.name_place(str(found.weights))


def _refuse_weights(ctx: click.Context, place: str, following: list[str], takes_more: bool) -> None:
    """Raise `click.UsageError` for weights behind a place, which has its own."""
    if following and (not takes_more or following[0].endswith(WEIGHTS_SUFFIXES)):
        what = f"{place} brings its own weights, and {following[0]} follows"
        raise click.UsageError(f"{what}: for other weights, name {place}/deploy.prototxt and them", ctx)
