"""The command ``caffe-fcn``: parse, call the library, print.

One module per command group, imported when its command is asked for and not before. Results go to
stdout, progress and notes to stderr. Every error is one line and exit status 2; ``--debug`` shows the
traceback.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from caffe_fcn.cli.interruptions import heed_interruptions
from caffe_fcn.cli.naming import name_options
from caffe_fcn.cli.printing import echo
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


_WHOLE = 1000  # characters, more than a sentence has


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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but refuse empty paths (of unset shell variables): to Python they are this folder."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        for param in self.params:
            value = given.get(param.name or "")
            takes_path = isinstance(param.type, (click.Path, click.types.StringParamType))
            if (
                takes_path
                and param.get_default(ctx) != ""
                and "" in (value if isinstance(value, (list, tuple)) else [value])
            ):
                raise click.BadParameter("is empty", ctx, param)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; errors of the library name the options of this command."""
        try:
            return super().invoke(ctx)
        except CaffeFcnError as error:
            name_options(error, self.params)
            raise


class Group(click.Group):
    """A command group whose typos get the nearest name."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [_flag("quiet", "No progress on stderr."), _flag("debug", "Show tracebacks.")]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Whole sentences, where click cuts them to one line."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in commands.items() if each])

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
    _open_streams()
    try:
        with heed_interruptions():
            status = _run(arguments)
    except KeyboardInterrupt:  # while an error was being told, or after the last word
        status = 130
    sys.exit(_flush(status))


def _open_streams() -> None:
    """Put something in the place of closed standard streams, so that no file that is opened later takes it.

    What reads or writes there fails, as it does for programs in C; what would go to stderr is lost.
    """
    for number, name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the terminal has not


_STREAMS = (
    (0, "stdin", "r", os.O_WRONLY),
    (1, "stdout", "w", os.O_RDONLY),
    (2, "stderr", "w", os.O_WRONLY),
)


def _flush(status: int) -> int:
    """Print what is left to print; returns the exit status, another one where that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _abandon_stdout()
        if isinstance(error, BrokenPipeError):  # the reader went away (| head): nothing to say, nobody to say it to
            return status
        return status or _fail(_describe("standard output", error), error)
    return status


def _abandon_stdout() -> None:
    """Lose what stdout could not take: Python would try again at its end, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _run(arguments: list[str] | None) -> int:
    try:
        result = cli.main(args=arguments, prog_name="caffe-fcn", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except _NO_ARGUMENTS as error:
        echo(error.format_message(), err=True)
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
        echo("interrupted", err=True)
        return 130
    except OSError as error:
        return _fail(_describe(error.filename or "standard input or output", error), error)
    except MemoryError as error:
        what = f"memory: does not suffice{_detail(error)}"
        return _fail(f"{what} (give a smaller --size or file, or a machine with more)", error)


def _describe(where: str, error: OSError) -> str:
    from caffe_fcn import files  # of use on the way out alone

    return _one_line(str(files.to_file_error(where, error)))


def _detail(error: MemoryError) -> str:
    """numpy says how much it asked for."""
    return f": {_one_line(str(error))}" if str(error) else ""


def _fail(line: str, error: BaseException) -> int:
    if Settings.debug:
        raise error
    echo(f"error: {line}", err=True)
    return 2


def _one_line(text: str) -> str:
    return " ".join(text.split())
