"""``caffe-fcn train``: a solver run to its end by an engine, while its progress is shown."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

import click

from caffe_fcn import engines
from caffe_fcn.cli.check_training import check_training
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.events import write_event
from caffe_fcn.cli.model_names import find_weights
from caffe_fcn.cli.params import caffe_option, engine_option, no_check_option, precision_option
from caffe_fcn.cli.printing import Verbosity, echo, printable, shorten
from caffe_fcn.cli.progress import Pace, ProgressEvents, format_duration, make_bars
from caffe_fcn.engines.events import MEASURES, Event, Score, Step, Test
from caffe_fcn.engines.training import Training
from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.training import History, Resumption, Run, Watch, find_resumption, read_log
from caffe_fcn.training.ranking import name_measure
from caffe_fcn.training.record import list_differences, make_record
from caffe_fcn.training.running import Judge
from caffe_fcn.viz.loss_curve import write_loss_curve

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


_MEASURES = [name.replace("_", "-") for name in MEASURES]


@click.command(cls=Command)
@click.argument("solver", metavar="SOLVER")
@engine_option
@click.option("--weights", metavar="W", help="The weights to start from: files or models, separated by commas.")
@click.option("--resume", is_flag=True, help="Go on from the newest whole snapshot; start where there is none.")
@click.option("--snapshot", metavar="S", help="The .solverstate of a training to resume, in place of the newest.")
@click.option("--gpu", default="", metavar="LIST", help="GPUs to use: 0, or 0,1, or all (default: as SOLVER says).")
@caffe_option
@click.option("--log", metavar="FILE", help="The file for the log (default: the snapshot_prefix with .log).")
@click.option("--nproc", type=click.IntRange(min=1), metavar="N", help="Processes that share the batches (torch only).")
@precision_option
@click.option(
    "--score-every",
    type=click.IntRange(min=1),
    metavar="K",
    help="Write a snapshot every K iterations, and score it on the validation part of the data set.",
)
@click.option("--data", metavar="DIR", help="The data set for the scores (default: the one that the nets read).")
@click.option(
    "--measure",
    type=click.Choice(_MEASURES),
    default=_MEASURES[0],
    show_default=True,
    help="What the best score is the best by.",
)
@click.option("--patience", type=click.IntRange(min=1), metavar="N", help="Stop after N scores without a better one.")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the N newest snapshots (default: all).")
@click.option("--keep-best", type=click.IntRange(min=1), metavar="N", help="Keep the N best snapshots, and the newest.")
@click.option("--tensorboard", is_flag=True, help="Write the figures for TensorBoard, too, beside the snapshots.")
@no_check_option
def train(
    solver: str,
    engine: str,
    weights: str | None,
    resume: bool,
    snapshot: str | None,
    gpu: str,
    caffe: str | None,
    log: str | None,
    nproc: int | None,
    precision: str,
    score_every: int | None,
    data: str | None,
    measure: str,
    patience: int | None,
    keep: int | None,
    keep_best: int | None,
    tensorboard: bool,
    no_check: bool,
) -> int:
    """Train the net of SOLVER with real Caffe or with torch.

    Ctrl-C (or SIGTERM) writes a snapshot and stops the training, with exit status 130; a second one kills it. SIGHUP
    writes a snapshot, and the training goes on. All figures are in a file of JSON lines, the snapshot_prefix with
    .jsonl, which caffe-fcn log reads. Paths in SOLVER are relative to the working directory, or to SOLVER's own folder
    if its net is found only from there. Mistakes that would make the result wrong stop it before it starts.

    The same command with --resume goes on after any interruption, also a power cut. With --score-every the best weights
    so far are in chosen.caffemodel beside the snapshots, which infer, evaluate and export take for the run.
    """
    watch = Watch(score_every, measure.replace("-", "_"), patience, keep, keep_best, tensorboard)
    watch.check()
    start = [find_weights(each) for each in weights.split(",")] if weights else []
    found = _find_resumption(solver, start, snapshot, watch) if resume else Resumption()
    if found.done:
        echo(found.done)
        return 0
    state = found.snapshot.state if found.snapshot else snapshot
    judge = _make_judge(solver, data, engine, gpu, precision, caffe) if score_every else None
    if not no_check:
        check_training(solver, start)
    with engines.train(
        solver,
        [] if found.snapshot else start,
        state,
        engine=engine,
        gpu=gpu,
        nproc=nproc,
        precision=precision,
        log=log,
        caffe=caffe,
        score_every=score_every,
    ) as training:
        command = join(["caffe-fcn", *sys.argv[1:]])
        record = make_record(training.engine, training.solver, start, gpu, nproc, precision, command)
        if found.snapshot and found.record:
            training.notes += list_differences(found.record, record)
            record = replace(record, weights=found.record.weights)
        training.notes[:0] = found.notes
        history = _read_earlier_history(training) if snapshot else found.history
        with training.forward_signals(announce_interruption(training)), show_events(training) as show:
            run = Run(training, watch, judge, history, found.snapshot, record, show.report)
            for event in run:
                show(event)
            show.end()
    if training.leads:
        written = _print_results(training, run)
        if written and solver != "-" and not training.interrupted:
            from caffe_fcn.cli.next_steps import follow_training

            chosen = ["--engine", engine] if engine != "auto" else []
            follow_training(solver, training, Path(written), [*chosen, *(["--caffe", caffe] if caffe else [])])
    return 130 if training.interrupted else 0


def _find_resumption(solver: str, weights: list[str], snapshot: str | None, watch: Watch) -> Resumption:
    if snapshot:
        raise EngineError("`resume`", "finds the snapshot itself", "leave `snapshot` or `resume` out")
    return find_resumption(solver, weights, watch.patience, watch.measure)


def _make_judge(solver: str, data: str | None, engine: str, gpu: str, precision: str, caffe: str | None) -> Judge:
    """Return what scores a snapshot, with the engine that trains; the first GPU runs it where any trains."""
    from caffe_fcn.engines.choice import choose_first_gpu
    from caffe_fcn.evaluation.validation import open_validation

    if solver == "-":
        raise EngineError("`score_every`", "finds no net beside a solver on standard input", "name the solver's file")
    validation = open_validation(solver, data, engine, gpu=choose_first_gpu(gpu), precision=precision, caffe=caffe)
    return validation.score


def announce_interruption(training: Training) -> Callable[[], None]:
    """Return what prints a line about the interruption that is to come."""

    def announce() -> None:
        line = "killing it" if training.interrupted else "stopping with a snapshot (again to kill it)"
        os.write(2, f"\n{line}\n".encode())  # a signal may come in the middle of a buffered write

    return announce


def _read_earlier_history(training: Training) -> History:
    """Read the log so far of a resumed training; empty if there is none."""
    try:
        return read_log(training.log)
    except FileError:
        return History()


def _print_results(training: Training, run: Run) -> str:
    """Print to stdout the files that the training wrote; returns the path of the weights that count, or ""."""
    weights, history = "", run.history
    losses = history.losses()
    if losses:
        echo(f"iteration {losses[-1][0]}: loss {losses[0][1]:g} -> {losses[-1][1]:g}")
    for name, kind in (("weights", ".caffemodel"), ("state", ".solverstate")):
        written = [training.folder / path for path in history.snapshots if kind in Path(path).suffixes]
        if written and written[-1].exists():
            echo(f"{name:10}  {shorten(written[-1])}")
            weights = shorten(written[-1]) if name == "weights" else weights
    if run.chosen and run.best:
        weights = shorten(run.chosen)
        value = _describe_measure(run.best, run.watch.measure)
        echo(f"{'best':10}  {weights} (iteration {run.best.iteration}, {value})")
    echo(f"{'log':10}  {shorten(training.log)}")
    if losses:
        curve = training.prefix.with_name(f"{training.prefix.name}.svg")
        write_loss_curve(history, curve, title=f"Loss of {training.prefix.name}")
        echo(f"{'loss curve':10}  {shorten(curve)}")
    return weights


@contextmanager
def show_events(training: Training) -> Iterator[ShownEvents]:
    """Yield what shows an event on stderr: a bar with lines above it on a terminal, otherwise a line for each event.

    With ``--progress json`` each line is an object.
    """
    if Verbosity.quiet or not training.leads:
        yield ShownEvents()
    elif Verbosity.events:
        yield _EventObjects(training)
    elif sys.stderr.isatty():
        with make_bars() as bars:
            yield _EventBar(bars, training)
    else:
        yield _EventLines(training)


class ShownEvents:
    """Shows nothing."""

    def __call__(self, event: Event | Score) -> None:
        """Show an event."""

    def report(self, done: int, total: int) -> None:
        """Show how many images of a snapshot's score are done."""

    def end(self) -> None:
        """Show what was noted since the last event."""


class _EventObjects(ShownEvents):
    """Writes each event as JSON."""

    def __init__(self, training: Training) -> None:
        self._total, self._images, self._notes = training.max_iter, training.images, training.notes
        self._pace: Pace | None = None
        self._scoring = ProgressEvents("images")

    def __call__(self, event: Event | Score) -> None:
        self.end()
        if isinstance(event, Score):
            text = _describe_score(event)
            write_event("score", iteration=event.iteration, **event.measures, text=text)
        elif isinstance(event, Step):
            self._write_step(event)
        elif isinstance(event, Test):
            about = {"iteration": event.iteration, "net": event.net, "outputs": [list(each) for each in event.outputs]}
            write_event("test", **about, text=_describe_test(event))
        else:
            write_event("snapshot", path=event.path, text=f"wrote {event.path}")

    def report(self, done: int, total: int) -> None:
        self._scoring("scoring", done, total)

    def end(self) -> None:
        while self._notes:
            write_event("note", text=self._notes.pop(0))

    def _write_step(self, step: Step) -> None:
        self._pace = pace = self._pace or Pace(step.iteration)
        speed = step.speed or pace.measure(step.iteration) or None
        write_event(
            "iteration",
            iteration=step.iteration,
            of=self._total,
            loss=step.loss,
            lr=step.lr,
            iterations_per_second=speed,
            images_per_second=speed * self._images if speed and self._images else None,
            seconds_left=pace.estimate_seconds_left(step.iteration, self._total),
        )


class _EventLines(ShownEvents):
    """Prints a line for every event, and the training's notes before the next one."""

    def __init__(self, training: Training) -> None:
        self._total = training.max_iter
        self._notes = training.notes
        self._pace: Pace | None = None

    def __call__(self, event: Event | Score) -> None:
        self.end()
        if isinstance(event, Score):
            self.print_line(_describe_score(event))
        elif isinstance(event, Step):
            self._pace = self._pace or Pace(event.iteration)
            left = self._pace.estimate_seconds_left(event.iteration, self._total)
            self.show_step(event, _describe_losses(event) + ("" if left is None else f"  {format_duration(left)} left"))
        elif isinstance(event, Test):
            self.print_line(_describe_test(event))
        else:
            self.print_line(f"wrote {event.path}")

    def end(self) -> None:
        while self._notes:
            self.print_line(f"note: {self._notes.pop(0)}")

    def show_step(self, step: Step, text: str) -> None:
        self.print_line(f"iteration {step.iteration}/{self._total}  {text}")

    def print_line(self, line: str) -> None:
        echo(line, err=True)


class _EventBar(_EventLines):
    """Draws a bar that every step moves, and prints everything else above it."""

    def __init__(self, bars: Bars, training: Training) -> None:
        super().__init__(training)
        self._bars = bars
        self._task = bars.add_task("starting", total=training.max_iter, text="")

    def show_step(self, step: Step, text: str) -> None:
        self._bars.update(self._task, description="training", completed=step.iteration, text=text)

    def report(self, done: int, total: int) -> None:
        self._bars.update(self._task, text=f"scoring image {done}/{total}")

    def print_line(self, line: str) -> None:
        self._bars.console.print(printable(line), markup=False, highlight=False)


def _describe_losses(step: Step) -> str:
    warning = "" if math.isfinite(step.loss) else " (diverged)"
    rate = "" if step.lr is None else f"  lr {step.lr:g}"
    return f"loss {step.loss:g}{warning}{rate}"


def _describe_score(score: Score) -> str:
    values = ", ".join(_describe_measure(score, name) for name in MEASURES)
    return f"iteration {score.iteration}, scored: {values}"


def _describe_test(test: Test) -> str:
    values = ", ".join(f"{name} {value:g}" for name, value in test.outputs)
    return f"iteration {test.iteration}, test net {test.net}: {values}"


def _describe_measure(score: Score, name: str) -> str:
    return f"{name_measure(name)} {100 * score.measures[name]:.2f} %"
