"""What one does with a run: go on with it, score it, report on it, make a bundle of it. Each is a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.arguments import find_free_name, keep_argument
from caffe_fcn.workspace.forms.train_options import spell_train
from caffe_fcn.workspace.jobs.job import Kind, Task
from caffe_fcn.workspace.runs.run import REPORT_FILE, SCORES_FILE, Run
from caffe_fcn.workspace.runs.snapshots import RunSnapshot
from caffe_fcn.workspace.settings import Settings

BUNDLES = "bundles"


def resume(settings: Settings, run: Run, snapshot: RunSnapshot | None = None) -> Task:
    """Make the task that goes on with a run: from its newest snapshot, or from a certain one."""
    solver = run.folder / SOLVER_FILE
    if not solver.is_file():
        raise CaffeFcnError(run.name, f"has no {SOLVER_FILE}: it cannot be trained here")
    if snapshot is not None and not snapshot.state:
        raise CaffeFcnError(snapshot.weights, "has no solver state to go on from", "take another snapshot")
    more = ("--snapshot", keep_argument(f"{run.name}/{snapshot.state}")) if snapshot else ("--resume",)
    words = spell_train(keep_argument(f"{run.name}/{SOLVER_FILE}"), _options(run), *more)
    where = f" from iteration {snapshot.iteration}" if snapshot else ""
    return Task(
        f"Go on with {run.name}{where}", Kind.TRAIN, (words,), run.name, _count_cores(settings, run), _on_gpu(run)
    )


def evaluate(settings: Settings, run: Run, snapshot: RunSnapshot | None = None) -> Task:
    """Make the task that scores a run, or one of its snapshots, on the validation part of its data set."""
    data = find_data(settings, run)
    if data is None:
        raise CaffeFcnError(run.name, "has no data set here: no databases that its nets read are in the workspace")
    net: tuple[str, ...] = (keep_argument(run.name),)
    if snapshot:
        net = tuple(keep_argument(f"{run.name}/{each}") for each in (DEPLOY_FILE, snapshot.weights))
    words = ("evaluate", *net, "--data", keep_argument(data), "--json", *_engine(run))
    output = f"{run.name}/{SCORES_FILE}"
    cores = _count_cores(settings, run)
    return Task(f"Score {run.name}", Kind.EVALUATE, (words,), output, cores, _on_gpu(run), (output,))


def report(settings: Settings, run: Run) -> Task:
    """Make the task that writes the report of a run."""
    output = f"{run.name}/{REPORT_FILE}"
    data = find_data(settings, run)
    more = ("--data", keep_argument(data)) if data else ()
    words = ("report", keep_argument(run.name), "-o", keep_argument(output), *more, *_engine(run))
    return Task(f"Report on {run.name}", Kind.EVALUATE, (words,), output, _count_cores(settings, run), _on_gpu(run))


def bundle(settings: Settings, run: Run, snapshot: RunSnapshot | None = None) -> Task:
    """Make the task that delivers a run, or one of its snapshots, as a bundle."""
    made = f"{BUNDLES}/{find_free_name(settings, BUNDLES, Path(run.name).name)}"
    weights = ("--weights", keep_argument(f"{run.name}/{snapshot.weights}")) if snapshot else ()
    words = ("export", "bundle", keep_argument(run.name), *weights, "-o", made)
    return Task(f"Make the bundle {made}", Kind.EXPORT, (words,), made)


def find_data(settings: Settings, run: Run) -> str | None:
    """Return the data set whose databases a run's nets read, as commands name it; None where it is not here."""
    from caffe_fcn.evaluation.validation import find_data_set

    solver = run.folder / SOLVER_FILE
    if not solver.is_file():
        return None
    for base in (run.folder, settings.root.resolve()):
        found = find_data_set(solver, base)
        if found:
            try:
                return places.name_relative(settings, places.resolve_source(settings, str(found[0])))
            except CaffeFcnError:
                return None
    return None


def _options(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.options.items() if name not in ("weights", "gpu")}


def _engine(run: Run) -> tuple[str, ...]:
    engine = run.options.get("engine", "auto")
    return ("--engine", str(engine)) if engine != "auto" else ()


def _on_gpu(run: Run) -> bool:
    return run.job.task.gpu if run.job else bool(run.record and run.record.gpu)


def _count_cores(settings: Settings, run: Run) -> int:
    return run.job.task.cores if run.job else settings.cores
