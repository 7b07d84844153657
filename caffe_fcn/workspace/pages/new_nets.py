"""New nets: the catalogue, an FCN of a classifier, a prototxt that one types, and nets of other programs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.workspace.forms.fields import Field, Form, FormError, gather, parse
from caffe_fcn.workspace.forms.net_sources import UPLOADS
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.nets import asking
from caffe_fcn.workspace.nets.addresses import read_phase, read_size
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.pages.nets import answer_page, answer_picture
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.receiving import receive_form
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace
from caffe_fcn.workspace.web.submitting import answer_task, read_given

_TEXT = "text"
_CATALOGUE = "catalogue"


def show_catalogue(request: Request) -> Response:
    """Show the nets of the catalogue, those for a purpose first; ``q`` leaves those that have its words."""
    from caffe_fcn.netspec.catalogue import CHOICES, catalogue

    words = request.query_params.get("q", "").lower().split()
    designs = [each for each in catalogue().values() if all(word in _describe(each) for word in words)]
    return render(
        request,
        "nets/catalogue.html",
        tabs=_list_tabs(),
        tab=_CATALOGUE,
        choices=CHOICES,
        designs=designs,
        descriptions={each.name: _describe(each) for each in designs},
        q=request.query_params.get("q", ""),
    )


def show_design(request: Request) -> Response:
    """Show one net of the catalogue, and the form that builds it."""
    return _show_design(request)


def _show_design(request: Request, form: Form | None = None) -> Response:
    from caffe_fcn.netspec.catalogue import find_design
    from caffe_fcn.workspace.forms.nets import list_catalogue_fields

    name = _require_design(request)
    settings = find_workspace(request).settings
    return render(
        request,
        "nets/design.html",
        200 if form is None else 422,
        tabs=_list_tabs(),
        tab=_CATALOGUE,
        design=find_design(name),
        answer=asking.ask(_make_question(request, name)),
        phase=read_phase(request.query_params) or "deploy",
        size=request.query_params.get("size", ""),
        form=_without_net(form or Form(list_catalogue_fields(settings, name))),
    )


async def build_design(request: Request) -> Response:
    """Queue the building of a net of the catalogue."""
    from caffe_fcn.workspace.forms.nets import build_net, list_catalogue_fields

    name = _require_design(request)
    settings = find_workspace(request).settings
    table = await run_in_threadpool(list_catalogue_fields, settings, name)
    given = {**await read_given(request, table), "net": name}

    def submit() -> Response:
        try:
            task = build_net(settings, parse(table, given))
        except FormError as error:
            return _show_design(request, Form(table, given, error))
        return answer_task(request, task, f"/nets/view/{quote(task.makes)}")

    return await run_in_threadpool(submit)


def send_design_picture(request: Request) -> Response:
    """Send the topology of a net of the catalogue as SVG."""
    return answer_picture(asking.ask(_make_question(request, _require_design(request), ("picture",))))


def explore_design(request: Request) -> Response:
    """Send the page of a net of the catalogue to pan, zoom and click in."""
    return answer_page(asking.ask(_make_question(request, _require_design(request), ("page",))))


def show_way(request: Request) -> Response:
    """Show the form of a way to a new net."""
    name = _require_way(request)
    return _show_way(request, name, Form(_list_fields(find_workspace(request).settings, name)))


def _show_way(request: Request, name: str, form: Form, answer: asking.Answer | None = None) -> Response:
    from caffe_fcn.workspace.forms.nets import WAYS

    template = "nets/text.html" if name == _TEXT else "nets/way.html"
    return render(
        request,
        template,
        200 if form.error is None else 422,
        tabs=_list_tabs(),
        tab=name,
        way=WAYS.get(name),
        form=form,
        answer=answer,
    )


async def take_way(request: Request) -> Response:
    """Queue what makes a new net, with the file that was sent."""
    from caffe_fcn.workspace.forms.nets import WAYS

    name = _require_way(request)
    settings = find_workspace(request).settings
    received = await receive_form(request, settings, settings.root / UPLOADS)
    table = await run_in_threadpool(_list_fields, settings, name)
    given = gather(table, received.fields)
    upload = f"{UPLOADS}/{received.files[0]}" if received.files else ""

    def submit() -> Response:
        try:
            if name == _TEXT:
                return _take_text(request, given, upload, "check" in dict(received.fields))
            if upload:
                given["file"] = upload
            task = WAYS[name].make(settings, parse(table, given))
        except FormError as error:
            return _show_way(request, name, Form(table, given, error))
        return answer_task(request, task, f"/nets/view/{quote(task.makes)}")

    return await run_in_threadpool(submit)


def _take_text(request: Request, given: dict[str, Any], upload: str, only_check: bool) -> Response:
    """Write the net that was typed or uploaded, or only look at it; raises `FormError`."""
    from caffe_fcn.workspace.forms import net_texts

    settings = find_workspace(request).settings
    if upload and net_texts.is_binary(settings.root / upload):
        values = parse(net_texts.FIELDS[:1], {"name": given.get("name", "")})
        task = net_texts.convert_net(settings, values, upload)
        return answer_task(request, task, f"/nets/view/{quote(task.makes)}")
    if upload:
        given["text"] = net_texts.read_upload(settings.root / upload)
        (settings.root / upload).unlink()
    if only_check or (upload and not given.get("name")):
        answer = asking.ask(Question(text=given.get("text", "")[: net_texts.MOST_TEXT], shown="the text"))
        return _show_way(request, _TEXT, Form(net_texts.FIELDS, given), answer)
    folder = net_texts.write_net(settings, parse(net_texts.FIELDS, given))
    return RedirectResponse(f"/nets/view/{quote(folder)}", 303)


def _list_fields(settings: Settings, name: str) -> tuple[Field, ...]:
    from caffe_fcn.workspace.forms import net_texts
    from caffe_fcn.workspace.forms.nets import WAYS

    return net_texts.FIELDS if name == _TEXT else WAYS[name].list_fields(settings)


def _list_tabs() -> list[tuple[str, str, str]]:
    """Return the address, the name and the title of each way to a new net."""
    from caffe_fcn.workspace.forms.nets import WAYS

    ways = [(f"/nets/new/{name}", name, way.title) for name, way in WAYS.items()]
    return [("/nets/new", *ways[0][1:]), ways[1], (f"/nets/new/{_TEXT}", _TEXT, "Type or paste"), *ways[2:]]


def _require_way(request: Request) -> str:
    from caffe_fcn.workspace.forms.nets import WAYS

    name = request.path_params["way"]
    if name == _CATALOGUE or (name != _TEXT and name not in WAYS):
        raise NotFoundError(name, "is no way to a new net", "see the tabs of 'New net'")
    return str(name)


def _require_design(request: Request) -> str:
    from caffe_fcn.netspec.catalogue import catalogue

    name = request.path_params["design"]
    if name not in catalogue():
        raise NotFoundError(name, "is no net of the catalogue", "see the list of the catalogue")
    return str(name)


def _make_question(request: Request, name: str, parts: tuple[str, ...] = ()) -> Question:
    query = request.query_params
    return Question(design=name, shown=name, phase=read_phase(query) or "deploy", size=read_size(query), parts=parts)


def _describe(design: Any) -> str:
    """Return the words that a search finds a net by."""
    return f"{design.name} {design.backbone.name} stride {design.stride} {design.dataset.name}".lower()


def _without_net(form: Form) -> Form:
    """Return the form without the field of the net, which the address says."""
    return Form(tuple(each for each in form.table if each.name != "net"), form.given, form.error, form.notes)


ROUTES = [
    Route("/nets/new", show_catalogue),
    Route("/nets/catalogue/{design}", show_design, methods=["GET"]),
    Route("/nets/catalogue/{design}", build_design, methods=["POST"]),
    Route("/nets/catalogue/{design}/picture.svg", send_design_picture),
    Route("/nets/catalogue/{design}/explore", explore_design),
    Route("/nets/new/{way}", show_way, methods=["GET"]),
    Route("/nets/new/{way}", take_way, methods=["POST"]),
]
