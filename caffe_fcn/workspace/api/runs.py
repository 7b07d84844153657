"""Trainings under /api/runs: what there is, their figures and snapshots, and what one does with them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffe_fcn.engines.events import MEASURES, Score
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import contents, trash
from caffe_fcn.workspace.api.document import (
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Asked,
    Operation,
    array_of,
    object_of,
    optional,
    ref,
)
from caffe_fcn.workspace.forms import fits, run_actions
from caffe_fcn.workspace.forms import runs as forms
from caffe_fcn.workspace.forms.fields import describe, parse
from caffe_fcn.workspace.jobs.job import Job, State
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.runs.comparison import list_settings
from caffe_fcn.workspace.runs.figures import describe_figures
from caffe_fcn.workspace.runs.run import Run, read_run
from caffe_fcn.workspace.runs.snapshots import RunSnapshot, find_snapshot, list_snapshots
from caffe_fcn.workspace.settings import Settings

MOST = 100
"""The runs that one answer has at most."""


def list_runs(asked: Asked) -> dict[str, Any]:
    """Answer with the runs, what was trained last first."""
    entries = contents.find(asked.workspace.settings).runs
    skip = asked.query.get("skip", 0)
    shown = entries[skip : skip + asked.query.get("most", 30)]
    runs = [describe_run(read_run(asked.workspace, each.name)) for each in shown]
    return {"runs": runs, "count": len(entries)}


def get_run(asked: Asked) -> dict[str, Any]:
    """Answer with one run, its settings and snapshots."""
    run = _find(asked)
    settings = [{"name": name, "value": text} for name, text in list_settings(run)]
    return {
        **describe_run(run),
        "settings": settings,
        "command": run.record.command if run.record else "",
        "snapshots": [_describe_snapshot(each) for each in list_snapshots(run)],
        "logs": list(run.logs),
        "faults": list(run.faults.values()),
    }


def get_figures(asked: Asked) -> dict[str, Any]:
    """Answer with the curves of a run, or with what came since."""
    run = _find(asked)
    if run.log is None:
        return {"since": "", "next": "", "again": False, "diverged": False, "curves": []}
    return describe_figures(run.log, asked.query.get("since", ""))


def begin(asked: Asked) -> Job:
    """Train a net."""
    settings = asked.workspace.settings
    table = forms.list_fields(settings, bool(asked.workspace.jobs.gpus))
    return asked.workspace.jobs.submit(forms.make_training(settings, parse(table, asked.body)))


def preview(asked: Asked) -> dict[str, Any]:
    """Say what a training would be like, without beginning it."""
    settings = asked.workspace.settings
    table = forms.list_fields(settings, bool(asked.workspace.jobs.gpus))
    found = forms.preview(settings, parse(table, asked.body))
    problem = found.problem
    return {
        "commands": found.task.spell().splitlines(),
        "settings": [{"name": row.name, "value": row.value, "origin": row.origin} for row in found.settings],
        "findings": [
            {"level": level, "place": place, "what": what, "mend": mend} for level, place, what, mend in found.findings
        ],
        "notes": found.notes,
        "problem": "" if problem is None else str(problem),
    }


def fit(asked: Asked) -> Job:
    """Go from photos or a data set to a bundle, all in one."""
    settings = asked.workspace.settings
    table = fits.list_fields(settings, bool(asked.workspace.jobs.gpus))
    return asked.workspace.jobs.submit(fits.make_fit(settings, parse(table, asked.body)))


def stop(asked: Asked) -> Job:
    """Stop a training with a snapshot; the second time, kill it."""
    run = _find(asked)
    if run.job is None or run.job.state.is_over:
        raise CaffeFcnError(run.name, "is not trained by a job of this workspace", "stop it where it was begun")
    return asked.workspace.jobs.stop(run.job.number)


def resume(asked: Asked) -> Job:
    """Go on with a training."""
    run, snapshot = _find(asked), _find_snapshot(asked)
    jobs = asked.workspace.jobs
    if snapshot is None and run.job and run.job.state.is_over and run.job.state is not State.DONE:
        return jobs.resume(run.job.number)
    return jobs.submit(run_actions.resume(asked.workspace.settings, run, snapshot))


def evaluate(asked: Asked) -> Job:
    """Score a run."""
    run, settings = _find(asked), asked.workspace.settings
    return asked.workspace.jobs.submit(run_actions.evaluate(settings, run, _find_snapshot(asked)))


def report(asked: Asked) -> Job:
    """Report on a run."""
    return asked.workspace.jobs.submit(run_actions.report(asked.workspace.settings, _find(asked)))


def bundle(asked: Asked) -> Job:
    """Make a bundle of a run."""
    run, settings = _find(asked), asked.workspace.settings
    return asked.workspace.jobs.submit(run_actions.bundle(settings, run, _find_snapshot(asked)))


def delete(asked: Asked) -> dict[str, Any]:
    """Move a run to the trash."""
    run = _find(asked)
    if run.is_live:
        raise CaffeFcnError(run.name, "is being trained", "stop it first")
    moved = trash.move_finished(asked.workspace, run.name)
    return {"key": moved.key, "name": moved.name}


def describe_run(run: Run) -> dict[str, Any]:
    """Return a run as the API says it."""
    last = run.last
    return {
        "name": run.name,
        "state": run.state,
        "job": run.job.number if run.job else None,
        "iteration": run.iteration,
        "max_iter": run.max_iter,
        "loss": _to_json(last.loss) if last else None,
        "lr": last.lr if last else None,
        "diverged": bool(run.log and run.log.diverged),
        "iterations_per_second": run.speed,
        "images_per_second": run.images_per_second,
        "seconds_left": run.seconds_left,
        "seconds": run.seconds,
        "best": _describe_score(run.best),
        "address": f"/runs/view/{run.name}",
    }


def _describe_score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else {"iteration": score.iteration, **score.measures}


def _describe_snapshot(snapshot: RunSnapshot) -> dict[str, Any]:
    return {
        "iteration": snapshot.iteration,
        "weights": snapshot.weights,
        "state": snapshot.state,
        "size": snapshot.size,
        "changed": snapshot.changed,
        "score": _describe_score(snapshot.score),
        "is_best": snapshot.is_best,
        "fault": snapshot.fault,
    }


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _find(asked: Asked) -> Run:
    return read_run(asked.workspace, asked.path["name"])


def _find_snapshot(asked: Asked) -> RunSnapshot | None:
    """Return the snapshot whose iteration the body names, if it does."""
    unknown = set(asked.body) - {"iteration"}
    iteration = asked.body.get("iteration")
    if unknown or (iteration is not None and not isinstance(iteration, int)):
        raise CaffeFcnError("the body", "has an iteration, a whole number, or nothing")
    if iteration is None:
        return None
    found = find_snapshot(_find(asked), iteration)
    if found is None:
        raise NotFoundError(f"snapshot {iteration}", "is not there", "see the snapshots of the run")
    return found


_SCORE = object_of(iteration=INTEGER, **dict.fromkeys(MEASURES, NUMBER))
_FIGURE: Mapping[str, Any] = {"anyOf": [NUMBER, {"type": "string", "enum": ["nan", "inf", "-inf"]}]}
_RUN: Mapping[str, Any] = {
    "name": TEXT,
    "state": {**TEXT, "description": "running, waiting, stopping, done, stopped, failed, lost, begun, not trained"},
    "job": {**optional(INTEGER), "description": "The newest job that trained it."},
    "iteration": optional(INTEGER),
    "max_iter": INTEGER,
    "loss": optional(_FIGURE),
    "lr": optional(NUMBER),
    "diverged": {**FLAG, "description": "Whether any loss was not finite."},
    "iterations_per_second": optional(NUMBER),
    "images_per_second": optional(NUMBER),
    "seconds_left": optional(NUMBER),
    "seconds": {**optional(NUMBER), "description": "How long its jobs took."},
    "best": optional(_SCORE),
    "address": {**TEXT, "description": "Its page."},
}
_SNAPSHOT = object_of(
    iteration={**optional(INTEGER), "description": "null for the chosen weights."},
    weights=TEXT,
    state=TEXT,
    size=INTEGER,
    changed=TIME,
    score=optional(_SCORE),
    is_best=FLAG,
    fault=TEXT,
)
_CURVE = object_of(
    name=TEXT,
    label=TEXT,
    panel=TEXT,
    kind={"type": "string", "enum": ["training", "test", "score"]},
    points={**array_of(array_of(_FIGURE)), "description": "Pairs of an iteration and a value."},
)

SCHEMAS: dict[str, Mapping[str, Any]] = {
    "Run": object_of(**_RUN),
    "Runs": object_of(runs=array_of(ref("Run")), count={**INTEGER, "description": "How many there are in all."}),
    "WholeRun": object_of(
        **_RUN,
        settings=array_of(object_of(name=TEXT, value=TEXT)),
        command=TEXT,
        snapshots=array_of(_SNAPSHOT),
        logs=array_of(TEXT),
        faults=array_of(TEXT),
    ),
    "Figures": object_of(
        since=TEXT,
        next={**TEXT, "description": "Pass it as `since`, for what comes later."},
        again={**FLAG, "description": "Whether all figures are given anew, since earlier ones do not hold any more."},
        diverged=FLAG,
        curves=array_of(_CURVE),
    ),
    "Preview": object_of(
        commands=array_of(TEXT),
        settings=array_of(object_of(name=TEXT, value=TEXT, origin=TEXT)),
        findings=array_of(object_of(level=TEXT, place=TEXT, what=TEXT, mend=TEXT)),
        notes=array_of(TEXT),
        problem=TEXT,
    ),
    "Trashed": object_of(key=TEXT, name=TEXT),
}

_EMPTY = Settings(Path(os.devnull))  # a workspace with nothing in it: what its forms offer is what all offer
_QUERY = {
    "most": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 30},
    "skip": {"type": "integer", "minimum": 0, "default": 0},
}
_SNAPSHOT_OF = {
    "type": "object",
    "properties": {"iteration": {**INTEGER, "description": "That of one snapshot, in place of the newest."}},
    "additionalProperties": False,
}
_NOTHING = {"type": "object", "additionalProperties": False}
_SINCE = {"since": {**TEXT, "description": "The `next` of an earlier answer."}}


def _describe_fields(table: Any) -> dict[str, Any]:
    """The schema of a form whose choices depend on the workspace, which it does not list."""
    schema = describe(table)
    for name in ("net", "source", "data", "cores", "device"):
        for word in ("enum", "default", "maximum"):
            schema["properties"].get(name, {}).pop(word, None)
    return schema


def _describe_run_form() -> dict[str, Any]:
    return _describe_fields(forms.list_fields(_EMPTY))


def _describe_fit() -> dict[str, Any]:
    return _describe_fields(fits.list_fields(_EMPTY))


_ONE = "/api/runs/{name:path}"

OPERATIONS = (
    Operation("GET", "/api/runs", "The trainings, the newest first.", list_runs, response=ref("Runs"), query=_QUERY),
    Operation("POST", "/api/runs", "Train a net.", begin, request=_describe_run_form),
    Operation(
        "POST",
        "/api/runs/preview",
        "What a training would be like: its solver, and what the check finds.",
        preview,
        request=_describe_run_form,
        response=ref("Preview"),
    ),
    Operation("POST", "/api/runs/fit", "From photos or data to a bundle, all in one.", fit, request=_describe_fit),
    Operation(
        "GET",
        f"{_ONE}/figures",
        "The curves of a training, or what came since.",
        get_figures,
        response=ref("Figures"),
        query=_SINCE,
    ),
    Operation("POST", f"{_ONE}/stop", "Stop it with a snapshot; again to kill it.", stop, request=_NOTHING),
    Operation("POST", f"{_ONE}/resume", "Go on with it.", resume, request=_SNAPSHOT_OF),
    Operation("POST", f"{_ONE}/evaluate", "Score it.", evaluate, request=_SNAPSHOT_OF),
    Operation("POST", f"{_ONE}/report", "Write its report.", report, request=_NOTHING),
    Operation("POST", f"{_ONE}/bundle", "Make a bundle of it.", bundle, request=_SNAPSHOT_OF),
    Operation("DELETE", _ONE, "Move it to the trash.", delete, response=ref("Trashed")),
    Operation("GET", _ONE, "One training, with its settings and snapshots.", get_run, response=ref("WholeRun")),
)
