"""The browser that walks through the pages of a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PROGRAMS
from playwright.sync_api import sync_playwright
from workspace.server import serving
from workspace.walk import Walk


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Chromium, started once."""
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
    servers = []

    def begin(*options: object) -> Walk:
        server = serving(root, *options)
        servers.append(server)
        return Walk(server.__enter__(), context.new_page(), root)

    yield begin
    context.close()
    for server in servers:
        server.__exit__(None, None, None)
