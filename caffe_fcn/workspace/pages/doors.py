"""The door: where the token is asked for, once for each browser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from caffe_fcn.workspace.web.rendering import render
from caffe_fcn.workspace.web.security import LOGIN, TOKEN_COOKIE, is_token
from caffe_fcn.workspace.web.state import find_workspace


def show_login(request: Request) -> Response:
    """Show the form for the token; an address with ``?token=`` opens at once."""
    if "token" in request.query_params:
        return _admit(request, request.query_params["token"], request.query_params.get("next", "/"))
    return render(request, "login.html", next=request.query_params.get("next", "/"), wrong=False)


async def log_in(request: Request) -> Response:
    """Take the token of the form."""
    async with request.form(max_files=0, max_fields=4) as form:
        return _admit(request, str(form.get("token", "")), str(form.get("next", "/")))


def _admit(request: Request, given: str, after: str) -> Response:
    settings = find_workspace(request).settings
    if settings.token is not None and not is_token(given, settings.token):
        return render(request, "login.html", 401, next=after, wrong=True)
    inner = after if after.startswith("/") and not after.startswith(("//", "/\\")) else "/"
    response = RedirectResponse(inner, 303)
    if settings.token is not None:
        response.set_cookie(TOKEN_COOKIE, settings.token, httponly=True, samesite="strict")
    return response


ROUTES = [Route(LOGIN, show_login, methods=["GET"]), Route(LOGIN, log_in, methods=["POST"])]
