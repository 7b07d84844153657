"""Published weights fetched from a server of our own: whole, broken off, resumed, and not what they should be."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from caffe_fcn.errors import FileError
from caffe_fcn.weights import published

CONTENT = bytes(range(256)) * 20_000
NAME = "bvlc_alexnet"


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, in ranges unless told otherwise; the first answer breaks off."""

    content = CONTENT
    ranges = True
    breaks_after: int | None = None
    asked: list[str | None] = []  # noqa: RUF012 - the server's memory is the class

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        Server.asked.append(wanted)
        begin = int(wanted[6:-1]) if wanted and Server.ranges else 0
        if begin >= len(Server.content) and wanted:
            self.send_error(416)
            return
        data = Server.content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: Server.breaks_after])
        Server.breaks_after = None

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[str]:
    monkeypatch.setitem(published.PUBLISHED, NAME, hashlib.sha1(CONTENT).hexdigest())
    Server.content, Server.ranges, Server.breaks_after, Server.asked = CONTENT, True, None, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_weights_are_fetched_once(server, tmp_path):
    seen = []
    for _ in range(2):
        path = published.fetch(NAME, tmp_path / "cache", server, lambda have, total: seen.append((have, total)))
        assert path.read_bytes() == CONTENT
    assert Server.asked == [None]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_fetch_that_broke_off_goes_on_from_there_where_the_server_can(server, tmp_path, ranges):
    Server.breaks_after, Server.ranges = 1_500_000, ranges
    with pytest.raises(FileError, match=r"run again"):
        published.fetch(NAME, tmp_path, server)
    kept = (tmp_path / f"{NAME}.caffemodel.part").stat().st_size
    assert 0 < kept <= 1_500_000
    assert published.fetch(NAME, tmp_path, server).read_bytes() == CONTENT
    assert Server.asked == [None, f"bytes={kept}-"]


def test_a_part_that_is_all_there_is_checked_and_taken(server, tmp_path):
    (tmp_path / f"{NAME}.caffemodel.part").write_bytes(CONTENT)
    assert published.fetch(NAME, tmp_path, server).read_bytes() == CONTENT


def test_what_is_not_the_published_file_is_refused_and_not_kept(server, tmp_path):
    Server.content = CONTENT[:-1] + b"?"
    with pytest.raises(FileError, match="its SHA-1 differs"):
        published.fetch(NAME, tmp_path, server)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        ("bvlc_alexnett", "http://127.0.0.1:9/", "did you mean bvlc_alexnet"),
        (NAME, "http://127.0.0.1:9/", "cannot be fetched: .*refused"),
        (NAME, "file:///etc", "is no web address"),
    ],
)
def test_what_cannot_be_fetched_says_why(tmp_path, name, url, told):
    with pytest.raises(FileError, match=told):
        published.fetch(name, tmp_path, url)
    assert list(tmp_path.iterdir()) == []


def test_the_script_runs_from_anywhere_and_says_what_it_lacks(tmp_path):
    script = Path(__file__).resolve().parents[2] / "scripts" / "net_surgery.py"
    done = subprocess.run([sys.executable, script, "vgg16"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    done = subprocess.run([sys.executable, script, "--list"], cwd=tmp_path, capture_output=True, text=True)
    assert "nyud-color-hha" in done.stdout
