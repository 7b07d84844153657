"""The application: all pages and the API behind one guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.pages import skeleton
from caffe_fcn.workspace.api import document
from caffe_fcn.workspace.api.parts import PARTS
from caffe_fcn.workspace.explorer.index import Indexer
from caffe_fcn.workspace.jobs.queue import Jobs
from caffe_fcn.workspace.pages.rooms import ROOMS
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.answers import answer_error
from caffe_fcn.workspace.web.live import Hub
from caffe_fcn.workspace.web.security import Guard, read_secret
from caffe_fcn.workspace.web.state import Workspace

_STATIC = Path(__file__).parent.parent / "static"


def make_app(settings: Settings) -> Starlette:
    """Make the application that serves a workspace; its jobs run from when it starts until it ends."""
    settings.own.mkdir(parents=True, exist_ok=True)
    secret = read_secret(settings)
    queue = Jobs(settings)

    @asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        queue.start()
        yield
        queue.close()

    routes: list[BaseRoute] = [*(route for room in ROOMS for route in room.ROUTES), *document.make_routes(PARTS)]
    routes += [Route("/static/theme.css", send_theme), Mount("/static", StaticFiles(directory=_STATIC))]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, settings=settings, secret=secret)],
        exception_handlers={CaffeFcnError: answer_error, HTTPException: answer_error},
        lifespan=live,
    )
    app.state.workspace = Workspace(settings, queue, Indexer(settings), secret)
    app.state.live = Hub()
    return app


def send_theme(request: Request) -> Response:
    """Send the colours and plain elements that all our pages have, those in files, too."""
    return Response(skeleton.read_theme() + skeleton.read_document_style(), media_type="text/css")
