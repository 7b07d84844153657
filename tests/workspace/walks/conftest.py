"""The browser that walks through the pages of a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser import PROGRAMS
from playwright.sync_api import sync_playwright
from workspace.server import Server, serving
from workspace.walk import Walk


@pytest.fixture
def chromium() -> Iterator[Any]:
    """Chromium, for one test: its driver keeps an event loop running, in which others cannot start theirs."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is on the PATH")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def walk(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Walk]]:
    """Begin a walk through a workspace, by default an empty one; options are those of ``caffe-fcn serve``."""
    pytest.importorskip("torch")
    root = tmp_path / "workspace"
    root.mkdir()
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, bypass_csp=False)
    with ExitStack() as stack:
        stack.callback(context.close)

        def begin(*options: object) -> Walk:
            server = stack.enter_context(serving(root, *options))
            stack.callback(end_jobs, server)
            return Walk(server, context.new_page(), root)

        yield begin


def end_jobs(server: Server) -> None:
    """Kill what still runs, which would outlive the test."""
    for job in server.client.get("/api/jobs", params={"state": "running"}).json()["jobs"]:
        for _ in range(2):
            server.client.post(f"/api/jobs/{job['number']}/stop", json={})
