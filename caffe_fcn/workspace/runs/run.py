"""A run as it stands: what its folder holds, and the jobs that make it.

    run = read_run(workspace, "runs/roads")
    run.state, run.log.history, run.seconds_left

Nothing here fails because of a damaged file: `Run.faults` has a sentence for each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from caffe_fcn.engines.events import Score, Step
from caffe_fcn.engines.output_lock import is_locked
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.training.following import FollowedLog
from caffe_fcn.training.ranking import rank
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.train_options import read_train, split_command
from caffe_fcn.workspace.jobs.job import Job, Kind, State
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.runs.logs import LOGS, list_logs
from caffe_fcn.workspace.web.state import Workspace

if TYPE_CHECKING:
    from caffe_fcn.proto import SolverParameter
    from caffe_fcn.training.record import RunRecord

USUAL_PREFIX = "snapshot/train"
REPORT_FILE, SCORES_FILE = "report.html", "scores.json"
_TRAINS = (Kind.TRAIN, Kind.FIT)
_PACE = 5  # steps whose speed is averaged
_ENDED = {State.FAILED: "failed", State.LOST: "lost"}
_MOST_JOBS = 8
_SNAPSHOT = re.compile(r"_iter_(\d{1,18})\.(?:caffemodel|solverstate)")

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Run:
    """A run. ``name`` is its path in the workspace, ``log`` the log that is shown, ``logs`` are the names of all.

    ``prefix`` is what the names of its snapshots begin with. ``job`` is the newest that trained it, ``jobs`` are all
    that make it. ``state`` is a word: running, waiting, stopping, done, stopped, failed, lost.
    """

    name: str
    folder: Path
    prefix: Path
    state: str
    log_name: str = ""
    log: FollowedLog | None = None
    logs: tuple[str, ...] = ()
    record: RunRecord | None = None
    solver: SolverParameter | None = None
    job: Job | None = None
    jobs: tuple[Job, ...] = ()
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """Whether something trains it, or is about to."""
        return self.state in ("running", "waiting", "stopping")

    @property
    def last(self) -> Step | None:
        """The last step."""
        return self.log.history.steps[-1] if self.log and self.log.history.steps else None

    @property
    def iteration(self) -> int | None:
        """How many iterations are done; where it has ended, those after the last step that was displayed, too."""
        done = [self.last.iteration] if self.last else []
        if self.log and not self.is_live:
            done += [int(found[1]) for path in self.log.history.snapshots[-1:] if (found := _SNAPSHOT.search(path))]
        if self.state == "done" and self.record and self.record.ended is not None:
            done.append(self.record.ended)
        return max(done, default=None)

    @property
    def scores(self) -> list[Score]:
        """The scores of its snapshots."""
        return self.log.history.scores if self.log else []

    @property
    def best(self) -> Score | None:
        """The best score, by the measure that it was trained with."""
        return next(iter(rank(self.scores, self.measure)), None)

    @property
    def options(self) -> dict[str, object]:
        """The options that it was trained with, as far as they are known (see `train_options`)."""
        for command in reversed(self.job.task.commands if self.job else ()):
            if command[:1] == ("train",):
                return read_train(command)
        return read_train(split_command(self.record.command)) if self.record else {}

    @property
    def measure(self) -> str:
        """What the best score is the best by."""
        return str(self.options.get("measure", "mean-iu")).replace("-", "_")

    @property
    def max_iter(self) -> int:
        """How many iterations it has in the end; 0 where nothing says so."""
        return int(self.solver.max_iter) if self.solver else 0

    @property
    def speed(self) -> float | None:
        """Iterations a second, of the last steps."""
        speeds = [step.speed for step in (self.log.history.steps[-_PACE:] if self.log else []) if step.speed]
        return sum(speeds) / len(speeds) if speeds else None

    @property
    def images_per_second(self) -> float | None:
        """Images a second, where the nets say how many an iteration takes."""
        if self.speed is None or self.solver is None:
            return None
        shares = (self.record.processes if self.record else None) or 1
        solver = self.folder / SOLVER_FILE
        images = _count_images(solver, _find_time(solver), shares)
        return None if images is None else self.speed * images

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest takes, where it is being trained."""
        if self.job and self.job.progress and self.job.progress.seconds_left is not None:
            return self.job.progress.seconds_left
        if not self.last or not self.speed or not self.max_iter or self.state != "running":
            return None
        return max(0.0, (self.max_iter - self.last.iteration) / self.speed)

    @property
    def seconds(self) -> float | None:
        """How long its jobs took so far."""
        times = [(job.started, job.ended) for job in self.jobs if job.task.kind in _TRAINS and job.started]
        return sum((ended or time.time()) - started for started, ended in times if started) if times else None

    @property
    def progress(self) -> float | None:
        """The share of its iterations that are done."""
        return None if self.iteration is None or not self.max_iter else min(1.0, self.iteration / self.max_iter)

    def has(self, name: str) -> bool:
        """Whether a file of its folder is there."""
        return (self.folder / name).is_file()


def read_run(workspace: Workspace, name: str, log: str = "") -> Run:
    """Read a run; ``log`` chooses one of its logs. Raises `NotFoundError` where there is no such folder or log."""
    from caffe_fcn.training.record import read_record

    try:
        folder = places.resolve(workspace.settings, name)
    except CaffeFcnError as error:
        raise NotFoundError(error.where, error.what, error.mend) from error
    if not folder.is_dir():
        raise NotFoundError(name, "is not in the workspace", "see the list of trainings")
    faults: dict[str, str] = {}

    def attempt(part: str, read: Callable[[], _Part]) -> _Part | None:
        try:
            return read()
        except CaffeFcnError as error:
            faults[part] = f"{Path(error.where).name if error.where.startswith('/') else error.where}: {error.what}"
            return None

    path = folder / SOLVER_FILE
    solver = attempt("solver", lambda: read_solver(path)) if path.is_file() else None
    prefix = find_prefix(workspace.settings.root.resolve(), folder, solver)
    record = attempt("record", lambda: read_record(prefix))
    names = tuple(list_logs(folder, prefix))
    if log and log not in names:
        raise NotFoundError(log, f"is no log of {name}", "see the run's page")
    shown = log or next(iter(names), "")
    read = attempt("log", lambda: LOGS.read(folder / shown)) if shown else None
    jobs = tuple(workspace.jobs.list(makes=name, most=_MOST_JOBS))
    job = next((each for each in jobs if each.task.kind in _TRAINS), None)
    run = Run(name, folder, prefix, "", shown, read, names, record, solver, job, jobs, faults)
    return _with_state(run)


def read_solver(path: Path) -> SolverParameter:
    """Read a solver as it stood when the file last changed; raises `PrototxtError`."""
    return _read_solver(path, _find_time(path))


def find_prefix(root: Path, folder: Path, solver: SolverParameter | None) -> Path:
    """Return what the names of a run's snapshots begin with; the usual where the solver's leads elsewhere."""
    usual = folder / USUAL_PREFIX
    if solver is None or not solver.snapshot_prefix:
        return usual
    for base in (folder, root):
        prefix = base / str(solver.snapshot_prefix)
        if prefix.parent.is_dir() and prefix.resolve().is_relative_to(folder.resolve()):
            return prefix / "solver" if prefix.is_dir() else prefix
    return usual


def _with_state(run: Run) -> Run:
    return replace(run, state=_find_state(run))


def _find_state(run: Run) -> str:
    job, last = run.job, run.last
    if job and not job.state.is_over:
        return job.state.value
    if is_locked(run.prefix):
        return "running"
    if run.record and run.record.ended is not None:
        return "done"
    if job and job.state in _ENDED:
        return _ENDED[job.state]
    if run.record is None and last and run.max_iter and last.iteration >= run.max_iter:
        return "done"
    return "stopped" if last or run.record else "begun" if run.logs else "not trained"


def _find_time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _read_solver(path: Path, time: int) -> SolverParameter:
    from caffe_fcn import proto  # as all that imports protobuf, not before it is needed

    return proto.read_solver(path, allow_unknown=True)


@lru_cache(maxsize=256)
def _count_images(solver: Path, time: int, shares: int) -> int | None:
    from caffe_fcn.engines.recording import count_images

    try:
        return count_images(_read_solver(solver, time), solver.parent, shares)
    except CaffeFcnError:
        return None
