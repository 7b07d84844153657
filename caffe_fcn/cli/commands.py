"""The commands and groups that all of ``caffe-fcn`` is made of: click's, with the habits of this command line.

Every command takes ``--quiet`` and ``--debug``, refuses empty paths, finds weights by name, and puts its options into
the library's errors.
Every group answers a misspelt command with the nearest one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from caffe_fcn.cli.model_names import WeightsParam, find_weights
from caffe_fcn.cli.naming import name_options
from caffe_fcn.cli.printing import Verbosity
from caffe_fcn.errors import CaffeFcnError, nearest

_UNLIMITED = 1000  # characters of a command's line in --help, more than any has


def _verbosity_flag(name: str, help: str) -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(Verbosity, name, True)

    return click.Option([f"--{name}"], is_flag=True, expose_value=False, callback=remember, help=help)


def _verbosity_flags() -> list[click.Parameter]:
    return [
        _verbosity_flag("quiet", "Show no progress on stderr."),
        _verbosity_flag("debug", "Show the traceback of an error."),
    ]


class Command(click.Command):
    """A command that also takes ``--quiet`` and ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _verbosity_flags()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but refuse empty paths (from unset shell variables), which to Python are this folder."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        for param in self.params:
            value = given.get(param.name or "")
            values = value if isinstance(value, (list, tuple)) else [value]
            takes_path = isinstance(param.type, (click.Path, click.types.StringParamType))
            if takes_path and param.get_default(ctx) != "" and "" in values:
                raise click.BadParameter("is empty", ctx, param)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but find the weights that are named, and let the library's errors name the options."""
        try:
            for param in self.params:
                if isinstance(param.type, WeightsParam) and (given := ctx.params[str(param.name)]):
                    found = find_weights(given) if isinstance(given, str) else tuple(map(find_weights, given))
                    ctx.params[str(param.name)] = found
            return super().invoke(ctx)
        except CaffeFcnError as error:
            name_options(error, self.params)
            raise


class Group(click.Group):
    """A group of commands that answers a misspelt command with the nearest name."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _verbosity_flags()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with whole sentences, which click would cut to one line."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_UNLIMITED)) for name, each in commands.items() if each])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            raise CaffeFcnError(
                ctx.command_path, f"no command {name!r}", nearest(name, known) or f"one of {', '.join(known)}"
            )
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group whose commands live in modules of their own, imported only when their command is run.

    ``table`` maps each command to its module below caffe_fcn.cli, its name there, and its line in --help.
    """

    table: Mapping[str, tuple[str, str, str]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.table)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.table:
            return None
        module, attribute, _ = self.table[name]
        command: click.Command = getattr(importlib.import_module(f"caffe_fcn.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in sorted(self.table.items())])
