"""Who may ask for what: the token at the door, where a request comes from, and what a page may load.

Every request has a Host of ours (a name that another site points at this machine is none). What changes something
comes from one of our pages, which have a token of the session in the address of each form, or from a program: it shows
the server's token, or it sends JSON, which a page of another site cannot send without being asked first. Where a
browser says that a request comes from another site, it is refused in any case.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from hashlib import sha256
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.workspace.settings import Settings

SESSION_COOKIE = "caffe_fcn_session"
TOKEN_COOKIE = "caffe_fcn_token"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
LOGIN = "/login"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
"""What our pages may load: only from here, and no code within them."""

_SAFE = ("GET", "HEAD")
_OPEN = (LOGIN, "/static/")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_SECRET_FILE = "secret"
_SECRET_BYTES = 32


class Guard:
    """The middleware that refuses what it should, and adds the policies to every answer."""

    def __init__(self, app: ASGIApp, settings: Settings, secret: bytes) -> None:
        self._app = app
        self._settings = settings
        self._secret = secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        session = request.cookies.get(SESSION_COOKIE) or secrets.token_urlsafe(24)
        scope.setdefault("state", {})["csrf"] = make_csrf(self._secret, session)
        is_new = SESSION_COOKIE not in request.cookies

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", PAGE_POLICY)
                headers.setdefault("cache-control", "no-store")
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_new:
                    headers.append("set-cookie", f"{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict")
            await send(message)

        refusal = self._refuse(request, session)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refuse(self, request: Request, session: str) -> Response | None:
        """Return the answer to a request that is refused; None where it is not."""
        headers, path = request.headers, request.url.path
        if not self._is_own_host(headers.get("host", "")):
            return _answer(request, 400, "this address is not the server's", "open the address that it printed")
        if not self._is_admitted(request) and not path.startswith(_OPEN):
            if request.method in _SAFE and "text/html" in headers.get("accept", ""):
                return RedirectResponse(f"{LOGIN}?{urlencode({'next': path})}", 303)
            return _answer(request, 401, "the token is missing or wrong", "send 'Authorization: Bearer TOKEN'")
        if request.method in _SAFE:
            return None
        if not _is_own_origin(headers):
            return _answer(request, 403, "the request comes from another site", "use the pages of this server")
        given = headers.get(CSRF_HEADER) or request.query_params.get(CSRF_FIELD, "")
        if _equal(given, make_csrf(self._secret, session)) or self._is_program(headers):
            return None
        return _answer(request, 403, "the form is not of this session", "load the page again")

    def _is_own_host(self, host: str) -> bool:
        """Whether the Host is one that this server can have: itself, or elsewhere any address in figures."""
        name = (urlsplit(f"//{host}").hostname or "").lower()
        if name in ("localhost", "127.0.0.1", "::1", self._settings.host.lower()):
            return True
        return not self._settings.is_local and (_is_address(name) or self._settings.token is not None)

    def _is_admitted(self, request: Request) -> bool:
        token = self._settings.token
        return token is None or _shows_token(request.headers, token) or _equal(request.cookies.get(TOKEN_COOKIE), token)

    def _is_program(self, headers: Headers) -> bool:
        """Whether a program asks, not a page: with the token, or with JSON and no word of where it comes from."""
        token = self._settings.token
        if token is not None:
            return _shows_token(headers, token)
        is_json = headers.get("content-type", "").split(";")[0].strip() == "application/json"
        return is_json or "x-caffe-fcn" in headers


def make_csrf(secret: bytes, session: str) -> str:
    """Return the token that the forms of a session have."""
    return hmac.new(secret, session.encode(), sha256).hexdigest()


def is_token(given: str, token: str) -> bool:
    """Whether the token is right, found out in a time that tells nothing."""
    return _equal(given, token)


def read_secret(settings: Settings) -> bytes:
    """Return the secret of a workspace, and make one the first time."""
    path = settings.own / _SECRET_FILE
    try:
        secret = files.read_bytes(path)
    except FileError:
        secret = b""
    if len(secret) != _SECRET_BYTES:
        secret = secrets.token_bytes(_SECRET_BYTES)
        with files.atomic_write(path) as file:
            file.write(secret)
        path.chmod(0o600)
    return secret


def _is_own_origin(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _shows_token(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() in ("bearer", "token") and _equal(given.strip(), token)


def _equal(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _answer(request: Request, status: int, what: str, mend: str) -> Response:
    if request.url.path.startswith("/api"):
        return JSONResponse({"error": {"where": request.url.path, "what": what, "mend": mend}}, status)
    return PlainTextResponse(f"{what} ({mend})\n", status)
