"""Trainings: the list, a new one, one of them while it runs and afterwards, several side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.engines.events import MEASURES
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.training.ranking import name_measure
from caffe_fcn.workspace import contents, places, trash
from caffe_fcn.workspace.forms import fits, run_actions
from caffe_fcn.workspace.forms import runs as forms
from caffe_fcn.workspace.forms.fields import Field, Form, FormError, fill, gather, parse
from caffe_fcn.workspace.jobs.job import Job, Kind, State, Task
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.runs.comparison import list_differences, list_scores, list_settings
from caffe_fcn.workspace.runs.figures import cursor_of, describe_figures, draw_sparkline
from caffe_fcn.workspace.runs.run import REPORT_FILE, SCORES_FILE, Run, read_run
from caffe_fcn.workspace.runs.snapshots import RunSnapshot, find_snapshot, list_snapshots
from caffe_fcn.workspace.web import live
from caffe_fcn.workspace.web.rendering import render, render_fragment
from caffe_fcn.workspace.web.state import Workspace, find_workspace
from caffe_fcn.workspace.web.submitting import WAIT, answer_task, read_pairs

MOST = 30
"""The runs on one page."""

MOST_COMPARED = 8
_SECONDS = 1.0
_SANDBOX = "sandbox allow-scripts allow-popups"
_FIT, _TRAIN = "fit", "train"


# The list


def list_runs(request: Request) -> Response:
    """Show the runs of the workspace, what was trained last first."""
    workspace = find_workspace(request)
    entries = contents.find(workspace.settings).runs
    page = _read_page(request)
    shown = [read_run(workspace, each.name) for each in entries[(page - 1) * MOST : page * MOST]]
    waiting = _list_beginning(workspace, {each.name for each in entries})
    return render(
        request,
        "runs/list.html",
        runs=[(run, draw_sparkline(run.log)) for run in shown],
        waiting=waiting,
        page_number=page,
        pages=-(-len(entries) // MOST),
        address=address_of,
    )


def _list_beginning(workspace: Workspace, known: set[str]) -> list[Job]:
    """The jobs that will make a run of which nothing is there yet."""
    states = (State.WAITING, State.RUNNING)
    found = [job for kind in (Kind.TRAIN, Kind.FIT) for job in workspace.jobs.list(states=states, kind=kind)]
    return [job for job in found if job.task.makes not in known]


def _read_page(request: Request) -> int:
    text = request.query_params.get("page", "1")
    return int(text) if text.isdecimal() and 1 <= len(text) <= 6 and int(text) else 1


# A new one


def show_new(request: Request) -> Response:
    """Show the form of a new training, or that of all in one."""
    if request.query_params.get("way") == _FIT:
        table = fits.list_fields(find_workspace(request).settings, _has_gpu(request))
        return _show_fit(request, Form(table, gather(table, request.query_params.multi_items())))
    table = _list_fields(request)
    given = gather(table, request.query_params.multi_items())
    return _show_new(request, table, given, is_asked=bool(request.query_params.get("net")))


async def begin(request: Request) -> Response:
    """Queue a training."""
    pairs = await read_pairs(request)
    return await run_in_threadpool(_begin, request, pairs)


def _begin(request: Request, pairs: Sequence[tuple[str, Any]]) -> Response:
    workspace, way = find_workspace(request), request.query_params.get("way")
    is_fit = way == _FIT
    table = fits.list_fields(workspace.settings, _has_gpu(request)) if is_fit else _list_fields(request)
    given = gather(table, pairs)
    try:
        make = fits.make_fit if is_fit else forms.make_training
        task = make(workspace.settings, parse(table, given))
    except FormError as error:
        if is_fit:
            return _show_fit(request, Form(table, given, error))
        return _show_new(request, table, given, error)
    return _follow_training(request, task)


def _follow_training(request: Request, task: Task, resumes: Job | None = None) -> Response:
    """Queue a training, and show its run once there is one, or the job."""
    jobs = find_workspace(request).jobs
    job = jobs.resume(resumes.number) if resumes else jobs.submit(task)
    job = jobs.wait(job.number, WAIT)
    is_there = (
        job.state not in (State.FAILED, State.LOST) and (find_workspace(request).settings.root / task.makes).is_dir()
    )
    return RedirectResponse(address_of("view", task.makes) if is_there else f"/jobs/{job.number}", 303)


def show_settings(request: Request) -> Response:
    """Send what is known of the training that a form describes: its commands, its solver, what the check finds."""
    table = _list_fields(request)
    given = gather(table, request.query_params.multi_items())
    found, error = _preview(request, table, given)
    return render(request, "runs/settings.html", preview=found, error=error)


def _show_new(
    request: Request,
    table: tuple[Field, ...],
    given: Mapping[str, Any],
    error: FormError | None = None,
    is_asked: bool = False,
) -> Response:
    found, wrong = _preview(request, table, given) if is_asked and error is None else (None, None)
    notes = {row.name: f"{row.value}: {row.origin}" for row in found.settings if row.origin} if found else {}
    form = Form(table, given, error or wrong, {name: text for name, text in notes.items() if name in _NOTED})
    return render(request, "runs/new.html", 422 if error else 200, form=form, preview=found, error=None, way=_TRAIN)


_NOTED = ("base_lr", "momentum", "iter_size", "lr_policy")


def _show_fit(request: Request, form: Form) -> Response:
    return render(request, "runs/new.html", 422 if form.error else 200, form=form, way=_FIT, preview=None, error=None)


def _preview(
    request: Request, table: Sequence[Field], given: Mapping[str, Any]
) -> tuple[forms.Preview | None, FormError | None]:
    values = {**given, "name": given.get("name") or "new"}
    try:
        return forms.preview(find_workspace(request).settings, parse(table, values)), None
    except FormError as error:
        return None, error


def _list_fields(request: Request) -> tuple[Field, ...]:
    """The fields of the form; those of a run that is cloned have what it was trained with."""
    workspace = find_workspace(request)
    clone = request.query_params.get("clone", "")
    table = forms.list_fields(workspace.settings, _has_gpu(request), clone)
    if not clone:
        return table
    run = read_run(workspace, clone)
    values: dict[str, Any] = forms.read_commands(run.job.task) if run.job else {**run.options}
    if not values.get("net"):
        weights = str(values.pop("weights", ""))
        values = {**values, "net": forms.COPY + clone, "weights": weights or forms.NO_WEIGHTS}
    values.pop("gpu", None)
    return fill(table, values)


def _has_gpu(request: Request) -> bool:
    return bool(find_workspace(request).jobs.gpus)


# One of them


def show_run(request: Request) -> Response:
    """Show a run."""
    run = _read_named(request)
    workspace = find_workspace(request)
    figures = describe_figures(run.log) if run.log else None
    data = run_actions.find_data(workspace.settings, run)
    panels = _draw({run.name: run})
    further = {"log": run.log_name} if request.query_params.get("log") else {}
    further |= {} if panels else {_WITHOUT_CURVES: "1"}
    return render(
        request,
        "runs/view.html",
        run=run,
        panels=panels,
        figures=figures,
        settings=list(list_settings(run)),
        data=data,
        is_known=data in [each.name for each in contents.find(workspace.settings).datasets] if data else False,
        commands=[(job, job.task.spell()) for job in run.jobs],
        live=urlencode(further),
        **_describe(run),
    )


def send_run(request: Request) -> Response:
    """Send what changes of a run while one looks at it, rendered once for all who look."""
    workspace, name = find_workspace(request), request.path_params["name"]
    log = request.query_params.get("log", "")
    has_curves = _WITHOUT_CURVES not in request.query_params
    read_run(workspace, name, log)
    cursors: list[str] = []

    def render_part() -> str | live.End:
        run = read_run(workspace, name, log)
        if not run.is_live or (not has_curves and _draw({name: run})):
            return live.End(address_of("view", name))
        figures = None
        if run.log:
            cursors.append(cursor_of(run.log))
            del cursors[:-_BEHIND]
            figures = describe_figures(run.log, cursors[0])
        return render_fragment(request, "runs/part.html", run=run, news=figures, **_describe(run))

    return live.stream(request, f"run {name} {log} {has_curves}", render_part, _SECONDS)


_WITHOUT_CURVES = "without-curves"  # said of a page that has none yet, and is loaded again when there are some
_BEHIND = 5  # renderings whose figures are sent again, for those who came meanwhile


def _describe(run: Run) -> dict[str, Any]:
    """What the page and its live part show."""
    return {
        "snapshots": list_snapshots(run),
        "measures": [(each, name_measure(each)) for each in MEASURES],
        "address": address_of,
        "report_file": REPORT_FILE,
        "scores_file": SCORES_FILE,
    }


def _draw(runs: Mapping[str, Run]) -> list[tuple[str, str]]:
    from caffe_fcn.viz.curves import draw_comparison, draw_panels

    histories = {name: run.log.history for name, run in runs.items() if run.log and run.log.history}
    if not histories:
        return []
    drawn = draw_comparison(histories) if len(runs) > 1 else draw_panels(next(iter(histories.values())))
    return [(name, str(svg)) for name, svg in drawn]


def send_report(request: Request) -> Response:
    """Send the report of a run, which may run its own code and nothing of ours."""
    run = read_run(find_workspace(request), request.path_params["name"])
    if not run.has(REPORT_FILE):
        raise NotFoundError(f"{run.name}/{REPORT_FILE}", "is not there yet", "make it on the run's page")
    headers = {"content-security-policy": _SANDBOX}
    return FileResponse(run.folder / REPORT_FILE, media_type="text/html", headers=headers)


# What one does with it


async def act(request: Request) -> Response:
    """Do what a button of a run's page says."""
    pairs = await read_pairs(request)
    name, action = request.path_params["name"], request.path_params["action"]
    if action not in _ACTIONS:
        raise NotFoundError(request.url.path, "is no page")
    return await run_in_threadpool(_ACTIONS[action], request, read_named(request, name), dict(pairs))


def _stop(request: Request, run: Run, given: Mapping[str, str]) -> Response:
    if run.job is None or run.job.state.is_over:
        raise CaffeFcnError(run.name, "is not trained by a job of this workspace", "stop it where it was begun")
    find_workspace(request).jobs.stop(run.job.number)
    return _go_back(run)


def _resume(request: Request, run: Run, given: Mapping[str, str]) -> Response:
    snapshot = _find_snapshot(run, given)
    task = run_actions.resume(find_workspace(request).settings, run, snapshot)
    is_open = run.job is not None and run.job.state.is_over and run.job.state is not State.DONE
    return _follow_training(request, task, run.job if is_open and snapshot is None else None)


def _act_by_task(make: Callable[..., Task], page: str = "view") -> Callable[..., Response]:
    def act(request: Request, run: Run, given: Mapping[str, str]) -> Response:
        snapshot = _find_snapshot(run, given)
        options = {"snapshot": snapshot} if snapshot else {}
        task = make(find_workspace(request).settings, run, **options)
        return answer_task(request, task, address_of(page, run.name))

    return act


def _bundle(request: Request, run: Run, given: Mapping[str, str]) -> Response:
    task = run_actions.bundle(find_workspace(request).settings, run, _find_snapshot(run, given))
    return answer_task(request, task, f"/nets/view/{quote(task.makes)}")


def _delete(request: Request, run: Run, given: Mapping[str, str]) -> Response:
    """Move a snapshot to the trash, its solver state along."""
    snapshot = _find_snapshot(run, given)
    if snapshot is None:
        raise CaffeFcnError(run.name, "says not which snapshot", "use the button beside it")
    for name in filter(None, (snapshot.weights, snapshot.state)):
        trash.move(find_workspace(request).settings, f"{run.name}/{name}")
    return _go_back(run)


def _trash(request: Request, run: Run, given: Mapping[str, str]) -> Response:
    if run.is_live:
        raise CaffeFcnError(run.name, "is being trained", "stop it first")
    trash.move_finished(find_workspace(request), run.name)
    return RedirectResponse("/runs", 303)


_ACTIONS: dict[str, Callable[..., Response]] = {
    "stop": _stop,
    "resume": _resume,
    "evaluate": _act_by_task(run_actions.evaluate),
    "make-report": _act_by_task(run_actions.report),
    "bundle": _bundle,
    "delete": _delete,
    "trash": _trash,
}


def _find_snapshot(run: Run, given: Mapping[str, str]) -> RunSnapshot | None:
    text = given.get("iteration", "")
    if not text:
        return None
    found = find_snapshot(run, int(text)) if text.isdecimal() and len(text) <= 18 else None
    if found is None:
        raise NotFoundError(f"snapshot {text[:20]}", f"is not in {run.name}", "see the run's page")
    return found


def _go_back(run: Run) -> Response:
    return RedirectResponse(address_of("view", run.name), 303)


# Several


def compare(request: Request) -> Response:
    """Show several runs in one plot, with what they differ in."""
    workspace = find_workspace(request)
    names = list(dict.fromkeys(request.query_params.getlist("run")))[:MOST_COMPARED]
    runs = [read_run(workspace, name) for name in names]
    known = [each.name for each in contents.find(workspace.settings).runs]
    others = [name for name in known if name not in names]
    if not runs:
        return render(request, "runs/compare.html", runs=[], others=others, address=address_of)
    figures = [describe_figures(run.log) if run.log else None for run in runs]
    return render(
        request,
        "runs/compare.html",
        runs=runs,
        others=others,
        panels=_draw({run.name: run for run in runs}),
        names=json.dumps([run.name for run in runs]),
        figures=figures,
        differences=list_differences(runs),
        scores=list_scores(runs),
        address=address_of,
    )


def address_of(page: str, name: str) -> str:
    """Return the address of a page of a run."""
    return f"/runs/{page}/{quote(name)}"


def read_named(request: Request, name: str) -> Run:
    """Return the run that a request names."""
    run = read_run(find_workspace(request), name, request.query_params.get("log", ""))
    known = places.name_relative(find_workspace(request).settings, run.folder)
    if known != str(PurePosixPath(name)):  # a link, or dots: it has one name only
        raise NotFoundError(name, f"is {known}", f"see /runs/view/{known}")
    return run


def _read_named(request: Request) -> Run:
    return read_named(request, request.path_params["name"])


ROUTES = [
    Route("/runs", list_runs, methods=["GET"]),
    Route("/runs/new", show_new, methods=["GET"]),
    Route("/runs/new", begin, methods=["POST"]),
    Route("/runs/new/settings", show_settings, methods=["GET"]),
    Route("/runs/compare", compare, methods=["GET"]),
    Route("/runs/view/{name:path}", show_run, methods=["GET"]),
    Route("/runs/live/{name:path}", send_run, methods=["GET"]),
    Route("/runs/report/{name:path}", send_report, methods=["GET"]),
    Route("/runs/{action}/{name:path}", act, methods=["POST"]),
]
