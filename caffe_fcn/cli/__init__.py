"""The command ``caffe-fcn``: parse, call the library, print.

Each command has a module of its own, which is imported only when the command is run. Results go to stdout, progress
and notes to stderr. An error is one line and exit status 2; ``--debug`` shows its traceback.

- `commands`: what all commands have in common; `params`: parameters that several share
- `naming`: the command's options in the library's errors
- `printing`, `tables`, `progress`: text, tables and progress bars for people; `events`: progress for programs
- `streams`, `interruptions`: closed streams, full disks, Ctrl-C
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from caffe_fcn.cli.commands import LazyGroup
from caffe_fcn.cli.events import JSON, TEXT, VARIABLE, write_event
from caffe_fcn.cli.interruptions import interrupt_on_signals
from caffe_fcn.cli.printing import Verbosity, echo
from caffe_fcn.cli.streams import flush_stdout, open_streams
from caffe_fcn.errors import CaffeFcnError

_COMMANDS = {
    "check": ("check", "check", "Find what will go wrong with a net, its weights, its data or its solver."),
    "data": ("data", "data", "Build, check and explore data sets, as pairs of LMDBs."),
    "doctor": ("doctor", "doctor", "Show what is installed: Caffe, torch, optional packages."),
    "evaluate": ("evaluate", "evaluate", "Measure a net on a data set: pixel accuracy, mean accuracy, IU."),
    "export": ("export", "export", "Write nets for others: bundles, ONNX models."),
    "fit": ("fit", "fit", "From photos and labels to a scored, delivered FCN, step by step."),
    "import": ("importing", "import_", "Import nets of other programs: ONNX models, jobs and archives of DIGITS."),
    "infer": ("infer", "infer", "Segment images: label images and colour overlays by a trained net."),
    "log": ("log", "log", "Show and plot the figures of trainings, from the logs of any Caffe."),
    "look": ("look", "look", "Look into a net: filters, activations, statistics, as a page."),
    "models": ("models", "models", "Published weights by name: list, download, add."),
    "net": ("net", "net", "Build, show, compare and convert nets."),
    "offsets": ("offsets", "offsets", "Show the scale/offset table and check every Crop."),
    "report": ("report", "report", "Report on a run: scores, curves, predictions, settings, as one page."),
    "serve": ("serve", "serve", "The workspace in a browser: data sets, nets, trainings, tests."),
    "surgery": ("surgery", "surgery", "Move the weights of a classifier into an FCN."),
    "train": ("train", "train", "Train a net with real Caffe or with torch."),
    "weights": ("weights", "weights", "Show, compare and convert weights files."),
}


# click 8.2 and later raise this for a group without a command; before that they print the help and exit
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())


class _Main(LazyGroup):
    table = _COMMANDS


def _choose_progress(ctx: click.Context, param: click.Parameter, value: str) -> None:
    Verbosity.events = value == JSON


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="caffe-fcn", prog_name="caffe-fcn")
@click.option(
    "--progress",
    type=click.Choice([TEXT, JSON]),
    default=TEXT,
    envvar=VARIABLE,
    expose_value=False,
    callback=_choose_progress,
    help="How progress is written to stderr: for people, or as lines of JSON.",
)
def cli() -> None:
    """Turn Caffe classifiers into fully convolutional networks: prototxts, crop offsets, weights, training."""
    if Verbosity.events:
        write_event("begin", command=sys.argv[1:], pid=os.getpid())


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: status 0 done, 1 the thing checked is wrong, 2 bad input, 130 interrupted."""
    Verbosity.quiet = Verbosity.debug = Verbosity.events = False
    open_streams()
    try:
        with interrupt_on_signals():
            status = _run(arguments)
    except KeyboardInterrupt:  # while an error was printed, or after the last line
        status = 130
    status = _flush(status)
    if Verbosity.events:
        write_event("end", status=status)
    sys.exit(status)


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


def _flush(status: int) -> int:
    """Print what is left to print; return the exit status, which is another one if that fails."""
    try:
        flush_stdout()
    except BrokenPipeError:  # the reader went away (| head), so there is nobody to tell
        return status
    except OSError as error:
        return status or _fail(_describe("standard output", error), error)
    return status


def _describe(where: str, error: OSError) -> str:
    from caffe_fcn import files  # needed only on the way out

    return _one_line(str(files.to_file_error(where, error)))


def _detail(error: MemoryError) -> str:
    """What numpy says of how much it asked for."""
    return f": {_one_line(str(error))}" if str(error) else ""


def _fail(line: str, error: BaseException) -> int:
    if Verbosity.debug:
        raise error
    echo(f"error: {line}", err=True)
    return 2


def _one_line(text: str) -> str:
    return " ".join(text.split())
