"""Weights by name: the published ones and one's own, fetched, kept and removed."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from caffe_fcn.workspace.forms.fields import Form, FormError, gather, parse
from caffe_fcn.workspace.forms.net_sources import UPLOADS
from caffe_fcn.workspace.jobs.job import Kind, State
from caffe_fcn.workspace.web.receiving import receive_form
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace
from caffe_fcn.workspace.web.submitting import answer_task


def show_models(request: Request) -> Response:
    """Show all models."""
    from caffe_fcn.workspace.forms.models import ADD

    return _show(request, Form(ADD))


def _show(request: Request, form: Form) -> Response:
    from caffe_fcn.models import cache_folder
    from caffe_fcn.workspace.forms.models import list_rows

    jobs = find_workspace(request).jobs.list(kind=Kind.MODEL, states=(State.WAITING, State.RUNNING), most=20)
    running = {command[2]: job for job in jobs for command in job.task.commands}
    return render(
        request,
        "models.html",
        422 if form.error else 200,
        rows=list_rows(),
        running=running,
        folder=str(cache_folder()),
        form=form,
    )


def get_model(request: Request) -> Response:
    """Queue the download of a model."""
    from caffe_fcn.workspace.forms.models import PAGE, get

    return answer_task(request, get(request.path_params["name"]), PAGE)


def remove_model(request: Request) -> Response:
    """Queue the removal of a model."""
    from caffe_fcn.workspace.forms.models import PAGE, remove

    return answer_task(request, remove(request.path_params["name"]), PAGE)


async def add_model(request: Request) -> Response:
    """Queue that a file is kept, which is sent or lies on the server."""
    from caffe_fcn.workspace.forms.models import ADD, PAGE, add

    settings = find_workspace(request).settings
    received = await receive_form(request, settings, settings.root / UPLOADS)
    given = gather(ADD, received.fields)
    if received.files:
        given["file"] = f"{UPLOADS}/{received.files[0]}"

    def submit() -> Response:
        try:
            task = add(settings, parse(ADD, given))
        except FormError as error:
            return _show(request, Form(ADD, given, error))
        return answer_task(request, task, PAGE)

    return await run_in_threadpool(submit)


ROUTES = [
    Route("/models", show_models),
    Route("/models/get/{name}", get_model, methods=["POST"]),
    Route("/models/remove/{name}", remove_model, methods=["POST"]),
    Route("/models/add", add_model, methods=["POST"]),
]
