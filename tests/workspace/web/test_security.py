"""What a server refuses: other sites, wrong tokens, paths outside, markup in names."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from workspace.server import Server, serving

TOKEN = "a-token-of-the-tests"
NAMES = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "-rf", "a'b&c")
"""Names of folders that a page could take for something else."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workspace whose folders have names with markup in them."""
    root = tmp_path_factory.mktemp("guarded")
    for name in NAMES:
        for group, file in (("datasets", "dataset.json"), ("nets", "deploy.prototxt"), ("nets", "model.json")):
            folder = root / group / name.replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text('{"name": "<script>alert(2)</script>", "splits": {}}' if "json" in file else "")
    with serving(root) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token."""
    with serving(tmp_path_factory.mktemp("closed"), "--token", TOKEN) as server:
        yield server


class Attributes(HTMLParser):
    """The addresses that a page loads or leads to, and what stands in it that a policy would have to allow."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "formaction")]
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "evil.example"}, 400),
        ({"host": "evil.example:80"}, 400),
        ({"host": "localhost"}, 200),
        ({"host": "127.0.0.1.evil.example"}, 400),
    ],
)
def test_only_its_own_names_are_answered(headers: dict[str, str], status: int, server: Server) -> None:
    """A name that another site points at this machine, to read it by a browser here, is none."""
    assert server.client.get("/api/jobs", headers=headers).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_other_sites_change_nothing(headers: dict[str, str], server: Server) -> None:
    """Whatever else they send: JSON, or a form with the token of a session that they cannot have."""
    page = server.client.get("/login").text
    csrf = re.search(r'data-csrf="(\w+)"', page)
    assert csrf
    asked = {"kind": "triangles", "name": "x", "count": 4}
    for kind in ({"json": asked}, {"data": asked, "headers": {"x-csrf-token": csrf[1]}}):
        options = {**kind, "headers": {**kind.get("headers", {}), **headers}}  # type: ignore[dict-item]
        assert server.client.post("/api/datasets", **options).status_code == 403  # type: ignore[arg-type]
    assert server.client.get("/api/jobs").json()["count"] == 0


@pytest.mark.parametrize("token", ["", "0" * 64, "x"])
def test_forms_without_their_token_are_refused(token: str, server: Server) -> None:
    answer = server.client.post("/datasets/new?kind=triangles", data={"name": "x"}, headers={"x-csrf-token": token})
    assert answer.status_code == 403
    assert "not of this session" in answer.text


def test_the_token_of_another_session_is_none(server: Server) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as other:
        csrf = re.search(r'data-csrf="(\w+)"', other.get("/login").text)
    assert csrf
    answer = server.client.post("/login", data={"token": ""}, headers={"x-csrf-token": csrf[1]})
    assert answer.status_code == 403


def test_pages_load_nothing_from_elsewhere(server: Server) -> None:
    for address in ("/", "/datasets", "/nets", "/runs", "/test", "/jobs", "/none"):
        answer = server.client.get(address)
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "http:" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = Attributes()
        found.feed(answer.text)
        assert found.inline == [], address
        assert [each for each in found.addresses if not each.startswith(("/", "#", "?"))] == [], address
    cookie = httpx.get(f"{server.url}/", trust_env=False).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_names_with_markup_are_text(server: Server) -> None:
    for address in ("/", "/datasets", "/nets", "/runs", "/runs/new", "/test"):
        page = server.client.get(address).text
        assert "<script>alert" not in page and "<img src=x" not in page
        assert ">49<" not in page
    page = server.client.get("/datasets").text
    assert "&lt;script&gt;alert(1)&lt;" in page and "{{ 7 * 7 }}" in page


@pytest.mark.parametrize(
    "address",
    [
        "/datasets/view/../../etc",
        "/datasets/view/%2e%2e/%2e%2e/etc",
        "/datasets/view//etc",
        "/nets/view/..%2f..%2fetc",
        "/runs/view/%00",
        "/test/view/..%2f..",
        "/static/../secret",
        "/static/%2e%2e/settings.py",
        "/jobs/-1",
        "/datasets/view/" + "a" * 5000,
    ],
)
def test_paths_outside_are_not_found(address: str, server: Server) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 10) as connection:
        connection.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            first, rest = answer.readline().decode(), answer.read()
    assert first.split()[1] in ("400", "404", "422"), first
    assert b"root:" not in rest and b"Traceback" not in rest


def test_the_secret_is_ones_own(server: Server) -> None:
    root = Path(server.process.args[4])  # type: ignore[index]
    assert stat.S_IMODE((root / ".caffe-fcn/secret").stat().st_mode) == 0o600


def test_without_the_token_nothing_is_shown(guarded: Server) -> None:
    for address in ("/api/jobs", "/openapi.json", "/jobs", "/datasets/browse"):
        assert httpx.get(guarded.url + address, trust_env=False).status_code == 401
    page = httpx.get(f"{guarded.url}/jobs", headers={"accept": "text/html"}, trust_env=False)
    assert page.status_code == 303 and page.headers["location"].startswith("/login")
    wrong = {"authorization": f"Bearer {TOKEN}x"}
    assert httpx.get(f"{guarded.url}/api/jobs", headers=wrong, trust_env=False).status_code == 401


def test_the_token_opens(guarded: Server) -> None:
    right = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{guarded.url}/api/jobs", headers=right, trust_env=False).status_code == 200
    assert guarded.post("/login", {"token": "x"}).status_code == 401
    answer = guarded.client.get("/login", params={"token": TOKEN, "next": "//evil.example/"})
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert guarded.client.get("/jobs").status_code == 200
    assert guarded.client.post("/api/datasets", json={}).status_code == 403  # a page of ours has its form's token, too


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["none"], "is not a folder"),
        ([".", "--port", "99999"], "port"),
        ([".", "--host", "192.0.2.1"], "192.0.2.1"),
        ([".", "--allow", "none"], "none"),
    ],
)
def test_wrong_options_are_one_line(options: list[str], why: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "caffe_fcn", "serve", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith("error: ") and why in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "caffe_fcn", "serve", str(tmp_path), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}: address already in use (choose another --port or --host)" in done.stderr
