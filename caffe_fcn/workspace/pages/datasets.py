"""The pages of data sets: the list, the form with its preview, uploads, folders to choose, one data set, one record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from threading import Thread
from typing import Any
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn import files
from caffe_fcn.workspace import contents, places
from caffe_fcn.workspace.explorer import browsing, findings, pictures
from caffe_fcn.workspace.explorer import index as record_index
from caffe_fcn.workspace.explorer.facts import Facts, find_dataset, list_names, read_facts
from caffe_fcn.workspace.explorer.index import Index
from caffe_fcn.workspace.explorer.pictures import What
from caffe_fcn.workspace.forms import datasets as form_of
from caffe_fcn.workspace.forms.fields import Form, FormError, gather
from caffe_fcn.workspace.jobs import job
from caffe_fcn.workspace.jobs.job import Job
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.pages.jobs import find_result
from caffe_fcn.workspace.web import live
from caffe_fcn.workspace.web.receiving import receive_upload
from caffe_fcn.workspace.web.rendering import render, render_fragment
from caffe_fcn.workspace.web.state import Workspace, find_workspace

_PER_PAGE = 60
_SAMPLE, _SHOWN = 24, 12
_WAIT = 2  # seconds that a submit waits for the job
_VIEWS = {What.OVERLAY.value: "Overlays", What.IMAGE.value: "Images", What.LABEL.value: "Labels"}
_KEEP = {"cache-control": "private, max-age=86400"}
_LISTED_SIZES = 30
_SANDBOX = {"content-security-policy": "sandbox allow-scripts allow-popups"}


@dataclass(frozen=True)
class Query:
    """Which records a page shows: of a split, with a class, of a size, in an order."""

    split: str
    page: int = 0
    show: str = What.OVERLAY.value
    value: int | None = None
    size: tuple[int, int] | None = None
    by_share: bool = False

    def spell(self, **changes: Any) -> str:
        """Return it as the query of an address, with some changes."""
        known = {**vars(self), **changes}
        given = {
            "split": known["split"],
            "show": known["show"] if known["show"] != What.OVERLAY.value else "",
            "class": "" if known["value"] is None else known["value"],
            "size": "x".join(map(str, known["size"])) if known["size"] else "",
            "sort": "share" if known["by_share"] else "",
            "page": known["page"] or "",
        }
        return urlencode({name: value for name, value in given.items() if value != ""})


def show_datasets(request: Request) -> Response:
    """Show all data sets, and make ready to open one."""
    _warm_up()
    workspace = find_workspace(request)
    found = [(entry, read_facts(entry.path)) for entry in contents.find(workspace.settings).datasets]
    return render(request, "datasets.html", found=found)


@lru_cache(maxsize=1)
def _warm_up() -> None:
    """Import what the page of a data set needs, which takes longer than the page."""
    Thread(target=pictures.warm_up, daemon=True).start()


def show_new(request: Request) -> Response:
    """Show the kinds of data sets, or the form of one; what the address says is filled in."""
    name = request.query_params.get("kind")
    if name is None:
        return render(request, "dataset_kinds.html", kinds=form_of.KINDS.values())
    kind = _find_kind(name)
    given = gather(kind.fields, request.query_params.multi_items())
    return _render_form(request, kind, given)


async def take_new(request: Request) -> Response:
    """Take the form: show a preview, or queue the build."""
    async with request.form(max_files=0, max_fields=200, max_part_size=1 << 20) as sent:
        items = [(name, value) for name, value in sent.multi_items() if isinstance(value, str)]
    return await run_in_threadpool(_take_new, request, items)


def _take_new(request: Request, items: list[tuple[str, str]]) -> Response:
    workspace = find_workspace(request)
    kind = _find_kind(request.query_params.get("kind", ""))
    given = gather(kind.fields, items)
    if dict(items).get("do") == "preview":
        return _show_preview(request, kind, given)
    try:
        task = form_of.make_task(workspace.settings, {**given, "kind": kind.name})
    except FormError as error:
        return _render_form(request, kind, given, error, 422)
    return go_on(workspace, workspace.jobs.submit(task))


def _show_preview(request: Request, kind: form_of.DataKind, given: dict[str, Any]) -> Response:
    settings = find_workspace(request).settings
    try:
        made = form_of.make_preview(settings, {**given, "kind": kind.name}, _SAMPLE)
    except FormError as error:
        lines = form_of.propose_colours(error)
        if lines and not given.get("colours"):
            given = {**given, "colours": lines}
        return _render_form(request, kind, given, error)
    order = sorted(made.preview.records, key=lambda each: each.fault is None)[:_SHOWN]
    shown = [(each, pictures.encode_preview(each)) for each in order]
    command = ""
    if given.get("name"):
        with suppress(FormError):
            command = form_of.draft_task(settings, {**given, "kind": kind.name})[0].spell()
    return _render_form(request, kind, given, made.error, preview=made, shown=shown, command=command)


def go_on(workspace: Workspace, queued: Job) -> Response:
    """Go to the page of what a job made where it is quick, else to its own."""
    done = workspace.jobs.wait(queued.number, _WAIT)
    if done.state is job.State.DONE and (place := find_result(done)):
        return RedirectResponse(place, 303)
    return RedirectResponse(f"/jobs/{queued.number}", 303)


def browse(request: Request) -> Response:
    """Show a folder of the server, as a page or as JSON."""
    query = request.query_params
    page = query.get("page", "0")
    listing = browsing.browse(
        find_workspace(request).settings, query.get("path", ""), int(page) if page.isdecimal() and len(page) < 9 else 0
    )
    if "application/json" in request.headers.get("accept", ""):
        entries = [{"name": each.name, "path": each.path, "is_folder": each.is_folder} for each in listing.entries]
        known = {"path": listing.path, "parent": listing.parent, "page": listing.page, "pages": listing.pages}
        return JSONResponse({**known, "total": listing.total, "entries": entries})
    return render(request, "dataset_browse.html", listing=listing)


async def take_upload(request: Request) -> Response:
    """Take an archive, or images and labels, and go on to the form with their folders."""
    made = await receive_upload(request)
    address = "/datasets/new?" + urlencode({"kind": "folder", **made.guess_fields()})
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({**made.describe(), "address": address})
    return RedirectResponse(address, 303)


def show_dataset(request: Request) -> Response:
    """Show a data set: its facts, its statistics, and some of its records."""
    name, facts = _find(request)
    if facts.error or not facts.splits:
        return render(request, "dataset_broken.html", name=name, facts=facts, jobs=_list_jobs(request, name))
    query = _read_query(request, facts)
    statistics = _list_classes(facts, query.split)
    sizes = _list_sizes(facts, query.split)
    context = _find_records(request, facts, query)
    return render(
        request,
        "dataset.html",
        name=name,
        facts=facts,
        query=query,
        classes=statistics,
        sizes=sizes,
        mean=_describe_mean(facts),
        checked=findings.read(facts),
        has_explore=pictures.find_page(facts.path, form_of.EXPLORE_PAGE) is not None,
        jobs=_list_jobs(request, name),
        commands="\n".join(
            form_of.make_action(find_workspace(request).settings, name, action).spell() for action in form_of.ACTIONS
        ),
        views=_VIEWS,
        **context,
    )


def send_index(request: Request) -> Response:
    """Say how far the index of a split is, and load the page again when it is there."""
    name, facts = _find(request)
    query = _read_query(request, facts)
    indexer = find_workspace(request).indexer
    address = f"/datasets/view/{quote(name)}?{query.spell()}"

    def make() -> str | live.End:
        found = indexer.find(facts, query.split)
        if isinstance(found, Index):
            return live.End(address)
        return render_fragment(request, "dataset_index.html", progress=found)

    return live.stream(request, f"index {facts.identity} {query.spell()}", make)


def show_record(request: Request) -> Response:
    """Show one record large: the label over the image, and what class is under the pointer."""
    name, facts = _find(request)
    query = _read_query(request, facts)
    text = request.query_params.get("index", "")
    count = facts.splits[query.split].count
    if not text.isdecimal() or len(text) > 12 or int(text) >= count:
        raise NotFoundError(f"{name}, {query.split}", f"has no record {text[:20]!r}", f"it has {count}")
    index = int(text)
    found = find_workspace(request).indexer.find(facts, query.split)
    shares = []
    if isinstance(found, Index) and len(found.values):
        total = max(1, int(found.sizes[index].astype("int64").prod()))
        row = [
            (int(value), int(count)) for value, count in zip(found.values, found.pixels[index], strict=True) if count
        ]
        shares = [
            (value, facts.name_value(value), count / total) for value, count in sorted(row, key=lambda each: -each[1])
        ]
    names = list_names(facts, query.split)
    return render(
        request,
        "dataset_record.html",
        name=name,
        facts=facts,
        query=query,
        index=index,
        count=count,
        record=names[index] if names else f"{index:08d}",
        shape=pictures.open_pairs(facts, query.split).shape(index),
        shares=shares,
        colours=_list_colours(facts),
        value_names={value: facts.name_value(value) for value in range(256)},
        has_label=facts.splits[query.split].has_labels,
    )


def send_picture(request: Request) -> Response:
    """Send a picture of a record."""
    name, facts = _find(request)
    query = request.query_params
    if query.get("what") == "mean":
        made = pictures.draw_mean(facts)
        return Response(made.content, media_type=made.media_type, headers=_KEEP)
    split, index, side = query.get("split", ""), query.get("index", ""), query.get("side", "160")
    if (
        split not in facts.splits
        or not index.isdecimal()
        or len(index) > 12
        or query.get("what", "image") not in set(What)
    ):
        raise NotFoundError(name, "has no such picture")
    bounded = int(side) if side in map(str, (0, *pictures.SIDES)) else pictures.SIDES[1]
    made = pictures.draw(facts, split, int(index), What(query.get("what", "image")), bounded)
    return Response(made.content, media_type=made.media_type, headers=_KEEP)


def send_explore(request: Request) -> Response:
    """Send the page that ``data explore`` wrote, in a sandbox."""
    name, facts = _find(request)
    path = pictures.find_page(facts.path, form_of.EXPLORE_PAGE)
    if path is None:
        raise NotFoundError(name, "has no such page", "make it first")
    return Response(files.read_bytes(path), media_type="text/html", headers=_SANDBOX)


def _run(action: str, request: Request) -> Response:
    """Queue one of the commands for a data set."""
    name, _ = _find(request)
    workspace = find_workspace(request)
    task = form_of.make_action(workspace.settings, name, action)
    queued = workspace.jobs.submit(task)
    done = workspace.jobs.wait(queued.number, _WAIT)
    if done.state.is_over and (done.state is job.State.DONE or any(task.outputs)):
        return RedirectResponse(f"/datasets/view/{quote(name)}", 303)
    return RedirectResponse(f"/jobs/{queued.number}", 303)


def _find(request: Request) -> tuple[str, Facts]:
    settings = find_workspace(request).settings
    facts = find_dataset(settings, request.path_params["name"])
    return places.name_relative(settings, facts.path), facts


def _find_kind(name: str) -> form_of.DataKind:
    if name not in form_of.KINDS:
        raise NotFoundError(name[:60] or "the kind", "is not a kind of data set", f"one of {', '.join(form_of.KINDS)}")
    return form_of.KINDS[name]


def _render_form(
    request: Request,
    kind: form_of.DataKind,
    given: dict[str, Any],
    error: FormError | None = None,
    status: int = 200,
    **context: Any,
) -> Response:
    form = Form(kind.fields, given, error)
    known = {"preview": None, "shown": [], "command": "", **context}
    return render(request, "dataset_new.html", status, kind=kind, form=form, kinds=form_of.KINDS.values(), **known)


def _read_query(request: Request, facts: Facts) -> Query:
    """Return which records are asked for; what makes no sense counts as not given."""
    given = request.query_params
    split = given.get("split", "")
    page, value, size = given.get("page", ""), given.get("class", ""), given.get("size", "").split("x")
    return Query(
        split if split in facts.splits else next(iter(facts.splits)),
        int(page) if page.isdecimal() and len(page) < 9 else 0,
        given["show"] if given.get("show") in _VIEWS else What.OVERLAY.value,
        int(value) if value.isdecimal() and len(value) < 4 and int(value) < 256 else None,
        (int(size[0]), int(size[1])) if len(size) == 2 and all(s.isdecimal() and len(s) < 7 for s in size) else None,
        given.get("sort") == "share",
    )


def _find_records(request: Request, facts: Facts, query: Query) -> dict[str, Any]:
    """Return the records of a page, and how far the index is where one is needed."""
    split = facts.splits[query.split]
    found = find_workspace(request).indexer.find(facts, query.split)
    names = list_names(facts, query.split)
    index = found if isinstance(found, Index) else None
    is_filtered = query.value is not None or query.size is not None
    if index is not None and is_filtered:
        chosen: Any = record_index.select(index, query.value, query.size, query.by_share)
    else:
        chosen = range(split.count) if not is_filtered else range(0)
    pages = max(1, -(-len(chosen) // _PER_PAGE))
    page = min(query.page, pages - 1)
    shares = index.list_shares(query.value) if index is not None and query.value is not None else None
    records = [
        (int(i), names[i] if names else f"{i:08d}", None if shares is None else float(shares[i]))
        for i in islice(chosen, page * _PER_PAGE, (page + 1) * _PER_PAGE)
    ]
    return {
        "records": records,
        "matching": len(chosen),
        "pages": pages,
        "page_number": page,
        "index": index,
        "progress": None if index is not None else found,
        "is_filtered": is_filtered,
        "index_values": [] if index is None else [(int(v), facts.name_value(int(v))) for v in index.values],
        "index_sizes": [] if index is None else index.size_counts[:_LISTED_SIZES],
        "image_counts": {} if index is None else index.image_counts,
    }


def _list_classes(facts: Facts, split: str) -> list[dict[str, Any]]:
    """Return the rows of the table of classes: value, name, colour, pixels, share."""
    statistics = (facts.about.splits.get(split, {}).get("statistics") or {}) if facts.about else {}
    pixels = {int(value): int(count) for value, count in (statistics.get("pixels") or {}).items()}
    if facts.is_grey:
        return []
    counted = sum(count for value, count in pixels.items() if value != facts.ignore_label) or 1
    colours = _list_colours(facts)
    values = sorted({*pixels, *range(len(facts.classes))}, key=lambda value: (value == facts.ignore_label, value))
    most = max((count for value, count in pixels.items() if value != facts.ignore_label), default=1) or 1
    return [
        {
            "value": value,
            "name": facts.name_value(value),
            "colour": colours[value],
            "pixels": pixels.get(value, 0),
            "share": pixels.get(value, 0) / counted if value != facts.ignore_label else None,
            "bar": min(100.0, 100 * pixels.get(value, 0) / most),
        }
        for value in values
    ]


def _list_sizes(facts: Facts, split: str) -> list[dict[str, Any]]:
    statistics = (facts.about.splits.get(split, {}).get("statistics") or {}) if facts.about else {}
    sizes = [(int(h), int(w), int(n)) for h, w, n in statistics.get("sizes") or ()]
    most = max((number for _, _, number in sizes), default=1)
    return [{"height": h, "width": w, "count": n, "bar": 100 * n / most} for h, w, n in sizes[:_LISTED_SIZES]]


def _list_colours(facts: Facts) -> list[str]:
    from caffe_fcn.datasets.inspect.painting import choose_colours

    return ["rgb({}, {}, {})".format(*colour) for colour in choose_colours(facts.about)]


def _describe_mean(facts: Facts) -> dict[str, Any] | None:
    if facts.about is None or not facts.about.mean:
        return None
    file = facts.about.mean_file
    return {"values": facts.about.mean, "has_image": bool(file) and (facts.path / str(file)).is_file()}


def _list_jobs(request: Request, name: str) -> list[Job]:
    return find_workspace(request).jobs.list(makes=name, most=5)


ROUTES = [
    Route("/datasets", show_datasets, methods=["GET"]),
    Route("/datasets/new", show_new, methods=["GET"]),
    Route("/datasets/new", take_new, methods=["POST"]),
    Route("/datasets/browse", browse, methods=["GET"]),
    Route("/datasets/upload", take_upload, methods=["POST"]),
    Route("/datasets/view/{name:path}", show_dataset, methods=["GET"]),
    Route("/datasets/index/{name:path}", send_index, methods=["GET"]),
    Route("/datasets/record/{name:path}", show_record, methods=["GET"]),
    Route("/datasets/picture/{name:path}", send_picture, methods=["GET"]),
    Route("/datasets/page/{name:path}", send_explore, methods=["GET"]),
    *(
        Route(f"/datasets/{action}/{{name:path}}", partial(_run, action), methods=["POST"])
        for action in form_of.ACTIONS
    ),
]
