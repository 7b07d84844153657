"""``caffe-fcn check``: what will go wrong with a net, its weights, its data or its solver, before it does."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import json_option, phase_option, shape_option
from caffe_fcn.cli.printing import Verbosity, echo, echo_styled, print_note, printable
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE

if TYPE_CHECKING:
    from caffe_fcn.checks import Finding

_COLOURS = {"error": "red", "warning": "yellow", "hint": "cyan"}


class Codes(click.ParamType):  # type: ignore[type-arg]
    """Codes or names of rules with commas between them, as a tuple."""

    name = "CODES"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the codes."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else ()


@click.command(cls=Command)
@click.argument("net", metavar="[NET]", required=False)
@click.option("--weights", type=WeightsParam(), metavar="W", help="The weights of NET: a file or a model.")
@click.option("--data", metavar="DIR", help="The data set that NET is for.")
@click.option("--solver", metavar="S", help="The solver of a training; its nets are checked too.")
@phase_option
@shape_option
@click.option(
    "--select", type=Codes(), metavar="CODES", default="", help="Only these rules: FCN101, or FCN1 for all FCN1xx."
)
@click.option("--ignore", type=Codes(), metavar="CODES", default="", help="Not these rules.")
@click.option("--explain", metavar="CODE", help="Show the page of a rule.")
@click.option("--thorough", is_flag=True, help="Decode every record, and read all weights.")
@click.option(
    "--gpu-memory", type=float, metavar="GB", help="The memory of the GPU to train on (default: this machine's)."
)
@click.option("--target", metavar="NAME", help="What is to take NET, such as ascend or opencv: its bounds are checked.")
@click.option("--fix", is_flag=True, help="Change the files where it is certain how to mend them.")
@click.option("--diff", is_flag=True, help="Show what --fix changes; without --fix nothing is written.")
@click.option("--sarif", metavar="FILE", help="Write the findings as SARIF, for editors and CI; - is stdout.")
@json_option
def check(
    net: str | None,
    weights: str | None,
    data: str | None,
    solver: str | None,
    phase: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    explain: str | None,
    thorough: bool,
    gpu_memory: float | None,
    inputs: dict[str, tuple[int, ...]],
    target: str | None,
    fix: bool,
    diff: bool,
    sarif: str | None,
    as_json: bool,
) -> int:
    """Find what will go wrong with NET, its weights, its data set and its solver; exit status 1 if an error is found.

    An error means that the run will fail or its result be wrong, a warning that it may have been meant, a hint that
    it is worth to know. NET may be a net folder, a run or a bundle, which brings its
    weights.
    """
    from caffe_fcn import checks

    if explain:
        from caffe_fcn.checks.pages import format_page

        echo(format_page(checks.find_rule(explain)).rstrip())
        return 0
    if net is None and weights is None and data is None and solver is None:
        raise click.UsageError("name a NET, or --weights, --data or --solver", click.get_current_context())
    memory = None if gpu_memory is None else gpu_memory * 1e9

    with _open_place(net, weights) as (path, start):

        def run() -> list[Finding]:
            given: dict[str, Any] = {
                "select": select,
                "ignore": ignore,
                "phase": phase,
                "thorough": thorough,
                "gpu_memory": memory,
                "target": target,
                "inputs": inputs,
            }
            return checks.run(path, start, data, solver, workers=os.cpu_count() or 1, **given)

        found = run()
        if fix or diff:
            found = _mend(found, fix, diff, run)
    if sarif:
        _write_sarif(found, sarif)
    if as_json:
        echo(json.dumps({"findings": [finding.as_json() for finding in found]}, indent=1))
    elif not diff and sarif != "-":
        show_findings(found)
    return 1 if checks.has_errors(found) else 0


@contextmanager
def _open_place(net: str | None, weights: str | None) -> Iterator[tuple[Path | str | None, Path | str | None]]:
    """Yield the net and the weights: those that were given, or those of the place that NET is.

    A net folder that has no weights yet is its deploy.prototxt.
    """
    from caffe_fcn.interop.place_names import is_model_place

    if net is None or not is_model_place(net):
        yield net, weights
        return
    from caffe_fcn.interop.model_folders import open_model

    with ExitStack() as stack:
        try:
            found = stack.enter_context(open_model(net))
        except CaffeFcnError:
            deploy = Path(net) / DEPLOY_FILE
            if not deploy.is_file():
                raise
            yield deploy, weights
            return
        for note in found.notes:
            print_note(found.name_place(note))
        yield found.net, weights or found.weights


def _mend(found: list[Finding], fix: bool, diff: bool, run: Callable[[], list[Finding]]) -> list[Finding]:
    """Show and write the edits; return what is then found."""
    from caffe_fcn.checks.fixing import apply_edits, format_diff, write_changes

    changes = apply_edits(found)
    if diff:
        echo(format_diff(changes), nl=False)
    if not fix or not changes:
        return found
    write_changes(changes)
    for path in changes:
        print_note(f"mended {path}")
    return run()


def _write_sarif(found: Sequence[Finding], path: str) -> None:
    from caffe_fcn import files
    from caffe_fcn.checks.sarif import to_sarif

    text = json.dumps(to_sarif(found), indent=1)
    if path == "-":
        echo(text)
    else:
        files.write_text(path, f"{text}\n")


def show_findings(found: Sequence[Finding], err: bool = False) -> None:
    """Print findings, those of one file together in the order of its lines, and how many there are."""
    params = click.get_current_context().command.params
    for _, group in groupby(sorted(found, key=_by_place), key=lambda finding: finding.place.path):
        for finding in group:
            level = finding.level.value
            code = click.style(finding.code, fg=_COLOURS[level], bold=True)
            mend = f" ({replace_parameters(finding.mend, params)})" if finding.mend else ""
            text = printable(replace_parameters(finding.what, params) + mend)
            echo_styled(f"{printable(finding.place)}: {code} {level}: {text}", err=err)
    counts = Counter(finding.level.value for finding in found)
    if found or not Verbosity.quiet:
        summary = ", ".join(
            f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in _COLOURS if counts[level]
        )
        echo(summary or "nothing found", err=True)


def _by_place(finding: Finding) -> tuple[str, int, str]:
    return finding.place.path, finding.place.line or 0, finding.code
