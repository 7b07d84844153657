"""Forms that pages send, and where the browser goes when their task was queued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.forms.fields import Field, gather
from caffe_fcn.workspace.jobs.job import State, Task
from caffe_fcn.workspace.web.state import find_workspace

MOST_BYTES = 4 << 20
"""The bytes of a form without files."""

WAIT = 2.0
"""The seconds that a browser waits for what is quickly done, before it is shown the job."""


async def read_pairs(request: Request, most: int = MOST_BYTES) -> list[tuple[str, Any]]:
    """Return the fields of a form as they were sent; raises `CaffeFcnError` where it has more than ``most`` bytes."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > most:
            raise CaffeFcnError(request.url.path, f"takes forms of at most {most >> 20} MB", "send a file by itself")
    request._body = bytes(content)
    async with request.form(max_files=0, max_fields=1000, max_part_size=most) as form:
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


async def read_given(request: Request, table: Sequence[Field]) -> dict[str, Any]:
    """Return what a form says of the fields of a table, as `fields.parse` takes it."""
    return gather(table, await read_pairs(request))


def answer_task(request: Request, task: Task, page: str, statuses: tuple[int, ...] = (0,)) -> Response:
    """Queue a task; go to ``page`` when it ends soon with one of the ``statuses``, and else to its job."""
    jobs = find_workspace(request).jobs
    job = jobs.wait(jobs.submit(task).number, WAIT)
    is_done = job.state is State.DONE or (job.state is State.FAILED and job.status in statuses)
    return RedirectResponse(page if is_done else f"/jobs/{job.number}", 303)
