"""A web server on the loopback that serves one file, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served, and how. ``asked`` has the path and the Range of each request."""

    content: bytes
    url: str = ""
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    """How many bytes each answer sends before the connection breaks; after these, answers are whole."""
    stalls_after: int = 0
    """How many bytes an answer sends before it waits for ``goes_on``; 0: it does not wait."""
    goes_on: threading.Event = field(default_factory=threading.Event)
    lies_by: int = 0
    """What is added to Content-Length."""
    without_length: bool = False
    status: int = 200
    etag: str = ""
    shifts_ranges_by: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serve_file(content: bytes) -> Iterator[FileServer]:
    """Serve ``content`` at every path until the block ends."""
    served = FileServer(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append((self.path, wanted))
            if served.status != 200:
                self.send_error(served.status)
                return
            same = self.headers.get("If-Range") in (None, served.etag)
            begin = int(wanted[6:-1]) if wanted and served.ranges and same else 0
            if begin and begin >= len(served.content):
                self.send_error(416)
                return
            begin += served.shifts_ranges_by if begin else 0
            data = served.content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                end = len(served.content)
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{end}")
            if served.etag:
                self.send_header("ETag", served.etag)
            if not served.without_length:
                self.send_header("Content-Length", str(len(data) + served.lies_by))
            self.end_headers()
            with suppress(ConnectionError):  # a client may have enough
                data = data[: served.breaks_after.pop(0)] if served.breaks_after else data
                self.wfile.write(data[: served.stalls_after])
                if served.stalls_after:
                    served.goes_on.wait(120)
                self.wfile.write(data[served.stalls_after :])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
