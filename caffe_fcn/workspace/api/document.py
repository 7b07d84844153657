"""The API: operations as rows, from which its routes and its OpenAPI document are made.

    OPERATIONS = (
        Operation("GET", "/api/runs", "The trainings, the newest first.", list_runs, response=array_of(ref("Run"))),
        Operation("POST", "/api/runs", "Train a net.", begin, request=describe(FIELDS), response=JOB),
        Operation("GET", "/api/runs/{name:path}", "One training.", show_run, response=ref("Run")),
    )
    SCHEMAS = {"Run": object_of(name=TEXT, iterations=INTEGER)}

    def begin(asked: Asked) -> Job:
        return asked.workspace.jobs.submit(make_task(asked.workspace.settings, asked.body))

An operation is a function of what was `Asked`, called in a thread. What it returns is sent as JSON; a `Job` that it
queued is sent with status 202. Errors of the library become ``{"error": {"where", "what", "mend", "fields"}}``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from caffe_fcn import strict_json
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.jobs.job import Job, Kind, State
from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.state import Workspace, find_workspace

VERSION = "1"
"""The version of the API, which changes when a program that used it has to be changed."""

MOST_BYTES = 4 << 20
"""The bytes of a body of JSON."""

Schema: TypeAlias = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "number", "description": "Seconds since 1970."}


def array_of(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def optional(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these names."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def ref(name: str) -> Schema:
    """Return the schema that is known by a name: a row of the ``SCHEMAS`` of a module."""
    return {"$ref": f"#/components/schemas/{name}"}


JOB = ref("Job")
_SCHEMAS: dict[str, Schema] = {
    "Error": object_of(
        error={
            **object_of(where=TEXT, what=TEXT, mend=TEXT),
            "properties": {
                **dict.fromkeys(("where", "what", "mend"), TEXT),
                "fields": {"type": "object", "additionalProperties": TEXT, "description": "A sentence for each field."},
            },
        }
    ),
    "Job": object_of(
        number=INTEGER,
        title=TEXT,
        kind={"type": "string", "enum": [each.value for each in Kind]},
        state={"type": "string", "enum": [each.value for each in State]},
        is_over=FLAG,
        commands={**array_of(TEXT), "description": "As one would type them."},
        makes={**TEXT, "description": "The folder or file in the workspace that it makes."},
        created=TIME,
        started=optional(TIME),
        ended=optional(TIME),
        step={**INTEGER, "description": "The command that runs, or ended last, from 0."},
        status={**optional(INTEGER), "description": "The exit status of the command that ended last."},
        message={**TEXT, "description": "What went wrong, or why it waits."},
        progress=optional(object_of(task=TEXT, done=INTEGER, total=INTEGER, text=TEXT, seconds_left=optional(NUMBER))),
        resources=optional(
            object_of(
                cpu_seconds=NUMBER,
                memory=optional(INTEGER),
                peak_memory=optional(INTEGER),
                gpu_memory=optional(INTEGER),
            )
        ),
        gpu=optional(INTEGER),
        resumes=optional(INTEGER),
        address={**TEXT, "description": "Its page."},
    ),
}


@dataclass(frozen=True)
class Asked:
    """What an operation is asked: the parameters of its path and of its query, the body's object."""

    workspace: Workspace
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: dict[str, Any]
    request: Request


@dataclass(frozen=True)
class Operation:
    """A row of the API. ``path`` is written as routes are, with types; ``query`` has the schema of each parameter."""

    method: str
    path: str
    summary: str
    handle: Callable[[Asked], Any]
    request: Schema | Callable[[], Schema] | None = None
    """The schema of the body, which is JSON, or what makes it when the document is asked for.

    None where there is no body, or ``media`` says what it is.
    """
    response: Schema = field(default_factory=lambda: JOB)
    query: Mapping[str, Schema] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """The parameters of the query that have to be given."""
    media: str = ""
    """The type of a body that is not JSON; ``handle`` is then called in the event loop, and may be a coroutine."""


def make_routes(modules: Iterable[ModuleType]) -> list[BaseRoute]:
    """Return the routes of all operations, and those of the document."""
    modules = tuple(modules)
    operations = [each for module in modules for each in module.OPERATIONS]
    document = cache(lambda: make_document(modules))  # when it is asked for: forms import much

    def show_index(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return render(request, "api.html", operations=operations)
        rows = [{"method": each.method, "path": _spell(each.path), "summary": each.summary} for each in operations]
        return JSONResponse({"version": VERSION, "openapi": "/openapi.json", "operations": rows})

    own = [
        Route("/api", show_index, methods=["GET"]),
        Route("/openapi.json", lambda request: JSONResponse(document()), methods=["GET"]),
    ]
    # A path with a name of any length takes what others are meant for, and therefore stands last.
    operations.sort(key=lambda each: ":path" in each.path)
    return [*own, *(Route(each.path, _make_endpoint(each), methods=[each.method]) for each in operations)]


def make_document(modules: Iterable[ModuleType]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all operations."""
    schemas = dict(_SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for module in modules:
        schemas.update(getattr(module, "SCHEMAS", {}))
        for each in module.OPERATIONS:
            paths.setdefault(_spell(each.path), {})[each.method.lower()] = _describe(each, module)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The workspace of caffe_fcn",
            "version": VERSION,
            "description": "Data sets, nets, trainings and tests in a folder. What takes time is a job.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def describe_job(job: Job) -> dict[str, Any]:
    """Return a job as the API says it."""
    return {
        "number": job.number,
        "title": job.task.title,
        "kind": job.task.kind.value,
        "state": job.state.value,
        "is_over": job.state.is_over,
        "commands": job.task.spell().splitlines(),
        "makes": job.task.makes,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "step": job.step,
        "status": job.status,
        "message": job.message,
        "progress": vars(job.progress).copy() if job.progress else None,
        "resources": vars(job.resources).copy() if job.resources else None,
        "gpu": job.gpu,
        "resumes": job.resumes,
        "address": f"/jobs/{job.number}",
    }


async def read_object(request: Request) -> dict[str, Any]:
    """Return the object that a request has as its body; raises `CaffeFcnError` for anything else."""
    where = request.url.path
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise CaffeFcnError(where, "takes JSON", "send it with 'Content-Type: application/json'")
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            raise CaffeFcnError(where, f"takes at most {MOST_BYTES >> 20} MB")
    try:
        found = strict_json.parse(bytes(content) or b"{}")
    except ValueError as error:
        raise CaffeFcnError(where, f"got what is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CaffeFcnError(where, "takes an object", "send {...}")
    return found


def _make_endpoint(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await read_object(request) if operation.request is not None else {}
        query = _parse_query(operation, request)
        asked = Asked(find_workspace(request), request.path_params, query, body, request)
        if operation.media:
            made = operation.handle(asked)
            found = await made if isinstance(made, Awaitable) else made
        else:
            found = await run_in_threadpool(operation.handle, asked)
        if isinstance(found, Response):
            return found
        if isinstance(found, Job):
            place = {"location": f"/api/jobs/{found.number}"}
            return JSONResponse(describe_job(found), 200 if operation.method == "GET" else 202, place)
        return JSONResponse(found)

    return answer


def _parse_query(operation: Operation, request: Request) -> dict[str, Any]:
    """Return the parameters of a query by their schemas.

    Raises `CaffeFcnError` for others, for wrong values, and where one is missing that has to be given.
    """
    found: dict[str, Any] = {}
    for name, text in request.query_params.items():
        if name not in operation.query:
            known = ", ".join(operation.query) or "none"
            raise CaffeFcnError(request.url.path, f"has no parameter {name[:40]!r}", f"it has {known}")
        schema = operation.query[name]
        if schema["type"] == "integer":
            least, most = schema.get("minimum", 0), schema.get("maximum", 1 << 53)
            if not re.fullmatch(r"[0-9]{1,16}", text) or not least <= int(text) <= most:
                raise CaffeFcnError(name, f"must be a whole number from {least} to {most}, not {text[:40]!r}")
            found[name] = int(text)
        elif "enum" in schema and text not in schema["enum"]:
            raise CaffeFcnError(name, f"must be one of {', '.join(schema['enum'])}, not {text[:40]!r}")
        else:
            found[name] = text
    for name in operation.needs:
        if name not in found:
            raise CaffeFcnError(request.url.path, f"needs the parameter {name!r}")
    return found


_TYPED = re.compile(r"\{(\w+)(?::(\w+))?\}")


def _spell(path: str) -> str:
    """Return a path as OpenAPI writes it: without the types of its parameters."""
    return _TYPED.sub(r"{\1}", path)


def _describe(operation: Operation, module: ModuleType) -> dict[str, Any]:
    noun = module.__name__.rpartition(".")[2]
    of_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": INTEGER if kind == "int" else TEXT,
            **({"description": "A path in the workspace; it may have slashes."} if kind == "path" else {}),
        }
        for name, kind in _TYPED.findall(operation.path)
    ]
    of_query = [
        {"name": name, "in": "query", "required": name in operation.needs, "schema": schema}
        for name, schema in operation.query.items()
    ]
    error = {"description": "What is wrong.", "content": {"application/json": {"schema": ref("Error")}}}
    makes_job = operation.response is JOB and operation.method != "GET"
    found: dict[str, Any] = {
        "operationId": f"{noun}_{operation.handle.__name__}",
        "tags": [noun],
        "summary": operation.summary,
        "parameters": of_path + of_query,
        "responses": {
            "202" if makes_job else "200": {
                "description": "The job that does it." if makes_job else "What was asked for.",
                "content": {"application/json": {"schema": operation.response}},
            },
            "4XX": error,
        },
    }
    if operation.request is not None or operation.media:
        media = operation.media or "application/json"
        schema = operation.request() if callable(operation.request) else operation.request
        found["requestBody"] = {"required": True, "content": {media: {"schema": schema or {}}}}
    return found
