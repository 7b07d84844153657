"""Nets, and bundles: what there is, and one of them with its layers, offsets, findings and picture."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import places, trash
from caffe_fcn.workspace.forms.fields import Form, FormError, parse
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.nets import asking, glances
from caffe_fcn.workspace.nets.addresses import choose_file, make_question, open_named
from caffe_fcn.workspace.nets.folder import CARD_FILE, LABELS_FILE, NetFolder, list_folders
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import find_workspace
from caffe_fcn.workspace.web.submitting import answer_task, read_given

_ALONE = "default-src 'none'; sandbox"
_EXPLORED = "sandbox allow-scripts allow-popups"


def list_nets(request: Request) -> Response:
    """Show all nets and bundles with their figures."""
    folders = list_folders(find_workspace(request).settings)
    shown = [folder for folder in folders if folder.kind != "run"]
    figures = glances.glance_at(shown)
    kinds = {kind: [folder for folder in shown if folder.kind == kind] for kind in ("net", "bundle")}
    return render(request, "nets/list.html", kinds=kinds, figures=figures)


def show_net(request: Request) -> Response:
    """Show one net: a file of it, in a phase."""
    folder = open_named(request)
    return _show(request, folder)


def _show(request: Request, folder: NetFolder, form: Form | None = None, change: str = "") -> Response:
    from caffe_fcn.workspace.forms import net_changes
    from caffe_fcn.workspace.forms.exports import find_archive

    file = choose_file(request, folder)
    answer: asking.Answer = {}
    if file and file != folder.solver:
        answer = asking.ask(make_question(request, folder, file))
    archive = find_archive(folder)
    path = find_workspace(request).settings.root / archive
    text = folder.read_text(file) if file else ""
    return render(
        request,
        "nets/view.html",
        200 if form is None else 422,
        folder=folder,
        file=file,
        answer=answer,
        lines=text.splitlines(),
        marks=mark_lines(answer),
        size=request.query_params.get("size", ""),
        phase=answer.get("net", {}).get("phase", ""),
        changes=net_changes.CHANGES,
        form=form,
        change=change,
        convolutionizing=form or Form(net_changes.list_fields(net_changes.CHANGES["convolutionize"], folder)),
        labels=folder.read_text(LABELS_FILE).splitlines(),
        card=folder.read_text(CARD_FILE) if folder.kind == "bundle" else "",
        archive=archive,
        archive_size=path.stat().st_size if path.is_file() and not path.is_symlink() else None,
        query=request.url.query,
    )


def send_picture(request: Request) -> Response:
    """Send the topology as SVG."""
    folder = open_named(request)
    file = choose_file(request, folder)
    return answer_picture(asking.ask(make_question(request, folder, file, ("picture",))))


def answer_picture(answer: asking.Answer) -> Response:
    """Return the picture of an answer, or raise the sentence why there is none."""
    text = _find_drawing(answer, "picture", "svg")
    return Response(text, media_type="image/svg+xml", headers={"content-security-policy": _ALONE})


def explore_net(request: Request) -> Response:
    """Send the page to pan, zoom and click in, which is a file of its own."""
    folder = open_named(request)
    file = choose_file(request, folder)
    return answer_page(asking.ask(make_question(request, folder, file, ("page",))))


def answer_page(answer: asking.Answer) -> Response:
    """Return the page of an answer, or raise the sentence why there is none."""
    text = _find_drawing(answer, "page", "html")
    return Response(text, media_type="text/html", headers={"content-security-policy": _EXPLORED})


def _find_drawing(answer: asking.Answer, part: str, form: str) -> str:
    """Return what a part of an answer has in this form; raises `CaffeFcnError` with the reason where it has none."""
    drawn = answer.get(part, {})
    fault = answer.get("fault") or drawn.get("fault")
    if fault or form not in drawn:
        where, what, mend = (fault[key] for key in ("where", "what", "mend")) if fault else ("the net", "", "")
        raise CaffeFcnError(where, what or answer.get("late", "cannot be drawn"), mend)
    text: str = drawn[form]
    return text


def send_file(request: Request) -> Response:
    """Send a prototxt as a download."""
    folder = open_named(request)
    file = choose_file(request, folder)
    if not file:
        raise NotFoundError(folder.name, "has no prototxt")
    path = places.resolve(find_workspace(request).settings, f"{folder.name}/{file}")
    return FileResponse(path, media_type="text/plain", filename=f"{folder.entry.path.name}-{file}")


async def change_net(request: Request) -> Response:
    """Queue a change of a net."""
    from caffe_fcn.workspace.forms import net_changes

    folder = await run_in_threadpool(open_named, request)
    name = request.path_params["change"]
    change = net_changes.CHANGES.get(name)
    if change is None:
        raise NotFoundError(name, "is no change of a net")
    table = net_changes.list_fields(change, folder)
    given = await read_given(request, table)

    def submit() -> Response:
        try:
            net_changes.require_net(folder)
            values = parse(table, given)
            task = change.make(find_workspace(request).settings, folder, values)
        except FormError as error:
            return _show(request, folder, Form(table, given, error), name)
        page = f"/nets/view/{quote(task.makes)}"
        if task.makes == folder.name:
            page += f"?file={quote(values['file'])}"
        return answer_task(request, task, page, (0, 1) if name == "mend" else (0,))

    return await run_in_threadpool(submit)


def trash_net(request: Request) -> Response:
    """Move a net to the trash."""
    folder = open_named(request)
    trash.move_finished(find_workspace(request), folder.name)
    return RedirectResponse("/nets", 303)


def mark_lines(answer: asking.Answer) -> dict[int, str]:
    """Return the level of the worst finding of each line."""
    marks: dict[int, str] = {}
    order = ("hint", "warning", "error")
    for each in answer.get("findings", {}).get("findings", ()):
        if each["line"] and order.index(each["level"]) >= order.index(marks.get(each["line"], "hint")):
            marks[each["line"]] = each["level"]
    if (line := (answer.get("fault") or {}).get("line")) is not None:
        marks[line] = "error"
    return marks


ROUTES = [
    Route("/nets", list_nets),
    Route("/nets/view/{name:path}", show_net),
    Route("/nets/picture/{name:path}", send_picture),
    Route("/nets/explore/{name:path}", explore_net),
    Route("/nets/file/{name:path}", send_file),
    Route("/nets/change/{change}/{name:path}", change_net, methods=["POST"]),
    Route("/nets/trash/{name:path}", trash_net, methods=["POST"]),
]
