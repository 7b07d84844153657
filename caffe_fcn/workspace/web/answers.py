"""What a handler answers where something is wrong: a page with a sentence, or JSON under /api."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.forms.fields import FormError
from caffe_fcn.workspace.jobs.queue import UnknownJobError
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.web.rendering import render


class TooLargeError(CaffeFcnError):
    """A request has more than the server takes; answered with status 413."""


_STATUS = {NotFoundError: 404, UnknownJobError: 404, TooLargeError: 413}


def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error of the library with its own status, or else 422."""
    if isinstance(error, HTTPException):
        known = CaffeFcnError(request.url.path, error.detail.lower(), "")
        status = error.status_code
    elif isinstance(error, CaffeFcnError):
        known = error
        status = _STATUS.get(type(error), 422)
    else:
        raise error
    if request.url.path.startswith("/api"):
        fields = {"fields": known.fields} if isinstance(known, FormError) else {}
        return JSONResponse({"error": {"where": known.where, "what": known.what, "mend": known.mend, **fields}}, status)
    return render(request, "error.html", status, error=known, code=status)
