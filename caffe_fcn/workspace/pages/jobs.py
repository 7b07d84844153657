"""The pages of jobs: what runs, what ran, and one of them as it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.workspace.jobs.job import Job, Kind, State
from caffe_fcn.workspace.jobs.log import Log
from caffe_fcn.workspace.web import live
from caffe_fcn.workspace.web.rendering import format_duration, render, render_fragment
from caffe_fcn.workspace.web.state import find_workspace

MOST = 25
"""The jobs on one page."""

_MOST_LINES = 200
_SECONDS = 1.0

_RESULTS = {
    Kind.DATA: "/datasets/view/",
    Kind.NET: "/nets/view/",
    Kind.TRAIN: "/runs/view/",
    Kind.FIT: "/runs/view/",
}
"""Where the page begins that shows what a job of a kind made."""

KINDS = {
    Kind.DATA: "data set",
    Kind.NET: "net",
    Kind.TRAIN: "training",
    Kind.INFER: "segmentation",
    Kind.EVALUATE: "scores",
    Kind.FIT: "journey",
    Kind.EXPORT: "export",
    Kind.MODEL: "weights",
}
"""How pages call what a job is for."""


@dataclass(frozen=True)
class Query:
    """Which jobs a list shows."""

    state: State | None = None
    kind: Kind | None = None
    page: int = 1

    def spell(self, page: int | None = None) -> str:
        """Return it as the query of an address; "" where nothing is chosen."""
        given = {"state": self.state, "kind": self.kind}
        words = {name: value.value for name, value in given.items() if value}
        if (page or self.page) > 1:
            words["page"] = str(page or self.page)
        return f"?{urlencode(words)}" if words else ""


@dataclass(frozen=True)
class View:
    """A job as a page shows it."""

    job: Job
    log: Log
    result: str
    """The address of what it makes, "" where there is none."""

    @property
    def lines(self) -> str:
        """The last lines of the log."""
        return "\n".join([*self.log.lines][-_MOST_LINES:])

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What became of each command, and how one types it."""
        job = self.job
        marks = ["waits"] * len(job.task.commands)
        if job.started is not None:
            marks[: job.step] = ["done"] * job.step
            now = {State.RUNNING: "runs", State.STOPPING: "is stopping", State.DONE: "done"}
            marks[job.step] = now.get(job.state, job.state.value)
        return list(zip(marks, job.task.spell().splitlines(), strict=True))

    @property
    def took(self) -> str:
        """How long it took; "" for a job that is not over."""
        return describe_length(self.job)

    @property
    def time_left(self) -> str:
        """How long it will take; "" where that is not known."""
        progress = self.job.progress
        return "" if progress is None or progress.seconds_left is None else format_duration(progress.seconds_left)

    @property
    def goes_on(self) -> bool:
        """Whether it can be resumed."""
        return self.job.state.is_over and self.job.state is not State.DONE

    @property
    def created(self) -> str:
        """The time at which it was queued."""
        return describe_moment(self.job.created)


def show_jobs(request: Request) -> Response:
    """Show all jobs, by state and kind where they are chosen."""
    query = _read_query(request)
    context = _list(request, query)
    return render(request, "jobs.html", states=list(State), kinds=KINDS, query=query, **context)


def send_jobs(request: Request) -> Response:
    """Send the list while one looks at it."""
    query = _read_query(request)

    def make() -> str:
        return render_fragment(request, "jobs_part.html", query=query, **_list(request, query))

    return live.stream(request, f"jobs{query.spell()}", make, 2 * _SECONDS)


def show_job(request: Request) -> Response:
    """Show a job, while it runs or when it is over."""
    view = _make_view(request, request.path_params["number"])
    return render(request, "job.html", view=view, kinds=KINDS)


def send_job(request: Request) -> Response:
    """Send what happens in a job, and go to what it made when it is done."""
    number = request.path_params["number"]
    find_workspace(request).jobs.get(number)
    last: list[str] = []

    def make() -> str | live.End:
        view = _make_view(request, number)
        if not view.job.state.is_over:
            return render_fragment(request, "job_part.html", view=view)
        if view.job.state is State.DONE and view.result:
            return live.End(view.result)
        part = render_fragment(request, "job_part.html", view=view)
        if last == [part]:  # it was sent, with the buttons that go on
            return live.End()
        last[:] = [part]
        return part

    return live.stream(request, f"job {number}", make, _SECONDS)


def stop_job(request: Request) -> Response:
    """Stop a job."""
    find_workspace(request).jobs.stop(request.path_params["number"])
    return _go_to(request.path_params["number"])


def resume_job(request: Request) -> Response:
    """Go on with a job."""
    return _go_to(find_workspace(request).jobs.resume(request.path_params["number"]).number)


def run_job_again(request: Request) -> Response:
    """Queue a job once more."""
    return _go_to(find_workspace(request).jobs.run_again(request.path_params["number"]).number)


def find_result(job: Job) -> str:
    """Return the address of the page that shows what a job makes; "" where there is none."""
    if job.task.page:
        return job.task.page
    place = _RESULTS.get(job.task.kind)
    return f"{place}{quote(job.task.makes)}" if place and job.task.makes else ""


def describe_moment(moment: float) -> str:
    """Return a time since 1970 as the clock of the server showed it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def describe_length(job: Job) -> str:
    """Return how long a job took; "" for one that is not over, or did not begin."""
    return "" if job.started is None or job.ended is None else format_duration(max(0.0, job.ended - job.started))


def _make_view(request: Request, number: int) -> View:
    workspace = find_workspace(request)
    job = workspace.jobs.get(number)
    result = find_result(job)
    is_there = bool(job.task.page) or (workspace.settings.root / job.task.makes).exists()
    return View(job, workspace.jobs.read_log(number), result if is_there else "")


def _list(request: Request, query: Query) -> dict[str, Any]:
    jobs = find_workspace(request).jobs
    states = [query.state] if query.state else []
    count = jobs.count(states=states, kind=query.kind)
    found = jobs.list(most=MOST, skip=MOST * (query.page - 1), states=states, kind=query.kind)
    rows = [(job, describe_moment(job.created), describe_length(job), KINDS[job.task.kind]) for job in found]
    return {"rows": rows, "count": count, "pages": max(1, -(-count // MOST))}


def _read_query(request: Request) -> Query:
    """Return what a list is to show; a word that is none counts as not given."""
    given = request.query_params
    states, kinds = {each.value: each for each in State}, {each.value: each for each in Kind}
    page = given.get("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 9 else 1
    return Query(states.get(given.get("state", "")), kinds.get(given.get("kind", "")), max(1, number))


def _go_to(number: int) -> Response:
    return RedirectResponse(f"/jobs/{number}", 303)


ROUTES = [
    Route("/jobs", show_jobs, methods=["GET"]),
    Route("/jobs/live", send_jobs, methods=["GET"]),
    Route("/jobs/{number:int}", show_job, methods=["GET"]),
    Route("/jobs/{number:int}/live", send_job, methods=["GET"]),
    Route("/jobs/{number:int}/stop", stop_job, methods=["POST"]),
    Route("/jobs/{number:int}/resume", resume_job, methods=["POST"]),
    Route("/jobs/{number:int}/again", run_job_again, methods=["POST"]),
]
