"""The page of the trash: what was deleted, to bring back or to remove for ever."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.workspace import trash
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace


def show_trash(request: Request) -> Response:
    """Show what is in the trash."""
    return render(request, "trash.html", found=trash.list_all(find_workspace(request).settings))


def move(request: Request) -> Response:
    """Move what the address names to the trash, and go to the page that it names, else to the trash."""
    trash.move_finished(find_workspace(request), request.query_params.get("name", ""))
    after = request.query_params.get("after", "/trash")
    return RedirectResponse(after if after in ("/datasets", "/nets", "/runs", "/models") else "/trash", 303)


def restore(request: Request) -> Response:
    """Bring something back."""
    trash.restore(find_workspace(request).settings, request.path_params["key"])
    return RedirectResponse("/trash", 303)


def delete(request: Request) -> Response:
    """Remove something for ever."""
    trash.delete(find_workspace(request).settings, request.path_params["key"])
    return RedirectResponse("/trash", 303)


def empty(request: Request) -> Response:
    """Remove everything for ever."""
    trash.empty(find_workspace(request).settings)
    return RedirectResponse("/trash", 303)


ROUTES = [
    Route("/trash", show_trash, methods=["GET"]),
    Route("/trash/move", move, methods=["POST"]),
    Route("/trash/empty", empty, methods=["POST"]),
    Route("/trash/{key}/restore", restore, methods=["POST"]),
    Route("/trash/{key}/delete", delete, methods=["POST"]),
]
