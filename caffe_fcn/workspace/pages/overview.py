"""The first page: what is in the workspace, what runs, and what to do first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from caffe_fcn.workspace import contents
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace


def show_overview(request: Request) -> Response:
    """Show everything at a glance."""
    workspace = find_workspace(request)
    found = contents.find(workspace.settings)
    return render(request, "overview.html", found=found, jobs=workspace.jobs.list(most=8))


ROUTES = [Route("/", show_overview)]
