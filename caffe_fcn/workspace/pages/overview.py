"""The first page: what runs now, the newest of each kind, and what to do first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from caffe_fcn.workspace import contents, demo
from caffe_fcn.workspace.contents import Contents, Entry
from caffe_fcn.workspace.jobs.job import State
from caffe_fcn.workspace.pages.jobs import View, describe_length, describe_moment, find_result
from caffe_fcn.workspace.trials import trial
from caffe_fcn.workspace.web import live
from caffe_fcn.workspace.web.rendering import render, render_fragment
from caffe_fcn.workspace.web.state import Workspace, find_workspace

_OPEN = (State.WAITING, State.RUNNING, State.STOPPING)
_OVER = tuple(each for each in State if each.is_over)
_MOST = 5  # of each kind
_MOST_OPEN = 12
_SECONDS = 2.0


@dataclass(frozen=True)
class Group:
    """One kind of thing: how many there are, and names and addresses of the newest; what makes the first one."""

    title: str
    address: str
    count: int
    newest: Sequence[tuple[str, str]]
    first: str
    """The address of the page that makes one."""
    step: str
    """What that page does."""


def show_overview(request: Request) -> Response:
    """Show everything at a glance."""
    return render(request, "overview.html", **_gather(find_workspace(request)))


def send_overview(request: Request) -> Response:
    """Send the same while one looks at it."""
    workspace = find_workspace(request)

    def make() -> str:
        return render_fragment(request, "overview_part.html", **_gather(workspace))

    return live.stream(request, "overview", make, _SECONDS)


def _gather(workspace: Workspace) -> dict[str, Any]:
    found, jobs = contents.find(workspace.settings), workspace.jobs
    trials = [
        (each.name, f"{each.name}: {each.model}") for each in islice(trial.list_trials(workspace.settings), _MOST)
    ]
    groups = [
        _group("Data sets", "/datasets", found.datasets, "/datasets/new", "Make a data set"),
        _group("Nets", "/nets", found.nets, "/nets/new", "Choose a net"),
        _group("Trainings", "/runs", found.runs, "/runs/new", "Train a net"),
        _group("Bundles", "/nets", found.bundles, "/nets", "Make one on the page of a run"),
    ]
    return {
        "groups": [each for each in groups if each.count or each.title != "Bundles"],
        "trials": trials,
        "is_empty": found.is_empty,
        "open": [View(job, jobs.read_log(job.number), "") for job in jobs.list(states=_OPEN, most=_MOST_OPEN)],
        "ended": [
            (job, describe_moment(job.ended or job.created), describe_length(job), find_result(job))
            for job in jobs.list(states=_OVER, most=_MOST)
        ],
        "demo": demo.find(jobs),
        "demo_steps": _list_demo_steps(workspace, found),
    }


def _list_demo_steps(workspace: Workspace, found: Contents) -> list[tuple[str, str, str]]:
    """The name of each part of the demo, what it is, and its address; "" where it is not there yet."""
    datasets, runs = {each.name for each in found.datasets}, {each.name for each in found.runs}
    is_run = (workspace.settings.root / trial.GROUP / demo.TRIAL / trial.PREDICTED_FOLDER).is_dir()
    steps = (
        ("The data set", "outlines, and the filled triangles as their labels", "datasets", demo.DATASET in datasets),
        ("The training", "watch the loss fall and the scores rise", "runs", demo.RUN in runs),
        ("The test", "what the net makes of the picture", "test", is_run),
    )
    names = {"datasets": demo.DATASET, "runs": demo.RUN, "test": demo.TRIAL}
    return [(title, text, f"/{room}/view/{names[room]}" if there else "") for title, text, room, there in steps]


def _group(title: str, address: str, entries: Sequence[Entry], first: str, step: str) -> Group:
    newest = [(entry.name, entry.name) for entry in entries[:_MOST]]
    return Group(title, address, len(entries), newest, first, step)


ROUTES = [
    Route("/", show_overview, methods=["GET"]),
    Route("/overview/live", send_overview, methods=["GET"]),
]
