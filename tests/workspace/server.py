"""The workspace served by a process of its own, as ``caffe-fcn serve`` does it."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_START = 20.0  # seconds, for a machine with much else to do


@dataclass
class Server:
    """A workspace that is being served; ``client`` knows its address, and keeps its cookies as a browser does."""

    url: str
    process: subprocess.Popen[str]
    client: httpx.Client = field(repr=False)

    @property
    def pid(self) -> int:
        """The number of the server's process."""
        return self.process.pid

    def post(self, address: str, data: Any = None, **options: Any) -> httpx.Response:
        """Send a form as a page of the server does it, with the session's token."""
        page = self.client.get("/login").text
        found = re.search(r'data-csrf="(\w+)"', page)
        assert found, page
        return self.client.post(address, data=data, headers={"x-csrf-token": found[1]}, **options)

    def close(self) -> int:
        """End the server as Ctrl-C does; return its exit status."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL, if it still runs."""
        self.client.close()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()


def start_server(folder: Path, *options: object, environment: dict[str, str] | None = None) -> Server:
    """Serve ``folder`` at a port of its own; ``options`` are those of ``caffe-fcn serve``.

    Its stderr is in ``folder.with_suffix(".stderr")``. The caller ends it (`Server.close`, or `serving`).
    """
    command = [sys.executable, "-m", "caffe_fcn", "serve", str(folder), "--port", "0", *map(str, options)]
    log = folder.with_name(f"{folder.name}.stderr")
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
        )
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], _START)
    line = process.stdout.readline().strip() if ready else ""
    if not line.startswith("http"):
        process.kill()
        process.wait()
        process.stdout.close()
        raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
    url = line.partition("/login")[0].rstrip("/")
    client = httpx.Client(base_url=url, timeout=30, trust_env=False)
    _wait_until_it_answers(client)
    return Server(url, process, client)


@contextmanager
def serving(folder: Path, *options: object) -> Iterator[Server]:
    """Serve ``folder`` inside the block."""
    server = start_server(folder, *options)
    try:
        yield server
    finally:
        server.close()


def _wait_until_it_answers(client: httpx.Client) -> None:
    end = time.monotonic() + _START
    while True:
        try:
            client.get("/static/workspace.css")
            return
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
