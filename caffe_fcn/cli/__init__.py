"""The command ``caffe-fcn``: parse, call the library, print.

One module per command group, imported when its command is asked for and not before. Results go to
stdout, progress and notes to stderr. Every error is one line and exit status 2; ``--debug`` shows the
traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from caffe_fcn.cli.interruptions import heed_interruptions
from caffe_fcn.errors import CaffeFcnError, nearest

_COMMANDS = {
    "data": ("data", "data", "Data sets as LMDB pairs: built, checked, looked at."),
    "doctor": ("doctor", "doctor", "What is installed: Caffe, torch, optional parts."),
    "evaluate": ("evaluate", "evaluate", "How good a net is: pixel accuracy, mean accuracy, IU."),
    "infer": ("infer", "infer", "Label images and colour overlays from a trained net."),
    "net": ("net", "net", "Build, show, compare and convert nets."),
    "offsets": ("offsets", "offsets", "The scale/offset table and every Crop."),
    "surgery": ("surgery", "surgery", "Weights of a classifier into an FCN."),
    "train": ("train", "train", "Train with real Caffe, or with torch."),
    "weights": ("weights", "weights", "Look at, compare and convert weights files."),
}


# click 8.2 and later raise this for a group without a command; before that they print the help and exit
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


class Settings:
    """What ``--quiet`` and ``--debug`` set, wherever on the line they stand."""

    quiet = False
    debug = False


def _flag(name: str, help: str) -> click.Option:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(Settings, name, True)

    return click.Option([f"--{name}"], is_flag=True, expose_value=False, callback=remember, help=help)


class Command(click.Command):
    """A command that also takes ``--quiet`` and ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_flag("quiet", "No progress on stderr."), _flag("debug", "Show tracebacks.")]


class Group(click.Group):
    """A command group whose typos get the nearest name."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_flag("quiet", "No progress on stderr."), _flag("debug", "Show tracebacks.")]

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
    """A group whose commands live in modules that are imported when their command is asked for.

    ``table``: command -> (module below caffe_fcn.cli, its attribute, the line in --help).
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
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in sorted(self.table.items())])


class _Main(LazyGroup):
    table = _COMMANDS


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="caffe-fcn", prog_name="caffe-fcn")
def cli() -> None:
    """Turn Caffe classifiers into fully convolutional networks: prototxts, crop offsets, weights, training."""


def main(arguments: list[str] | None = None) -> None:
    """The console script. Exits with 0 done, 1 the thing checked is wrong, 2 bad input, 130 interrupted."""
    Settings.quiet = Settings.debug = False
    heed_interruptions()
    try:
        sys.exit(_run(arguments))
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:  # the reader went away (| head): nothing to say, and nothing to say it to
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str] | None) -> int:
    try:
        result = cli.main(args=arguments, prog_name="caffe-fcn", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except _NO_ARGUMENTS as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "caffe-fcn"
        return _fail(f"{where}: {_one_line(error.format_message()).rstrip('.')} (see '{where} --help')", error)
    except click.ClickException as error:
        return _fail(_one_line(error.format_message()), error)
    except CaffeFcnError as error:
        return _fail(_one_line(str(error)), error)
    except BrokenPipeError:
        return 0
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {(error.strerror or str(error)).lower()}", error)


def _fail(line: str, error: BaseException) -> int:
    if Settings.debug:
        raise error
    click.echo(f"error: {line}", err=True)
    return 2


def _one_line(text: str) -> str:
    return " ".join(text.split())
