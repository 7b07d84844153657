"""A net with weights for others: forms of exports, and bundles to download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.fields import Form, FormError, parse
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.nets.addresses import open_named
from caffe_fcn.workspace.nets.folder import NetFolder
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace
from caffe_fcn.workspace.web.submitting import answer_task, read_given

if TYPE_CHECKING:
    from caffe_fcn.workspace.forms.exports import Format


def show_export(request: Request) -> Response:
    """Show the form of an export."""
    folder, way = open_named(request), _find_format(request)
    return _show(request, folder, way, Form(way.list_fields(find_workspace(request).settings, folder)))


def _show(request: Request, folder: NetFolder, way: Format, form: Form) -> Response:
    from caffe_fcn.workspace.forms.exports import FORMATS, list_exports

    return render(
        request,
        "nets/export.html",
        422 if form.error else 200,
        folder=folder,
        way=way,
        ways=FORMATS,
        exports=list_exports(find_workspace(request).settings),
        name=request.path_params["format"],
        form=form,
    )


async def export_net(request: Request) -> Response:
    """Queue an export."""
    folder, way = await run_in_threadpool(open_named, request), _find_format(request)
    settings = find_workspace(request).settings
    table = await run_in_threadpool(way.list_fields, settings, folder)
    given = await read_given(request, table)

    def submit() -> Response:
        try:
            task = way.make(settings, folder, parse(table, given), request.path_params["format"])
        except FormError as error:
            return _show(request, folder, way, Form(table, given, error))
        return answer_task(request, task, task.page)

    return await run_in_threadpool(submit)


def pack_bundle(request: Request) -> Response:
    """Queue the packing of a bundle."""
    from caffe_fcn.workspace.forms.exports import pack

    task = pack(find_workspace(request).settings, open_named(request))
    return answer_task(request, task, task.page)


def send_bundle(request: Request) -> Response:
    """Send the archive of a bundle."""
    from caffe_fcn.workspace.forms.exports import find_archive

    return _send(request, find_archive(open_named(request)))


def send_export(request: Request) -> Response:
    """Send a file that was exported."""
    from caffe_fcn.workspace.forms.exports import EXPORTS

    return _send(request, f"{EXPORTS}/{request.path_params['file']}")


def _send(request: Request, name: str) -> Response:
    path = places.resolve(find_workspace(request).settings, name)
    if not path.is_file():
        raise NotFoundError(name, "is not there", "pack it first")
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def _find_format(request: Request) -> Format:
    from caffe_fcn.workspace.forms.exports import FORMATS

    name = request.path_params["format"]
    if name not in FORMATS:
        raise NotFoundError(name, "is no format of an export", f"one of {', '.join(FORMATS)}")
    return FORMATS[name]


ROUTES = [
    Route("/nets/export/{format}/{name:path}", show_export, methods=["GET"]),
    Route("/nets/export/{format}/{name:path}", export_net, methods=["POST"]),
    Route("/nets/pack/{name:path}", pack_bundle, methods=["POST"]),
    Route("/nets/download/{name:path}", send_bundle),
    Route("/nets/exported/{file}", send_export),
]
