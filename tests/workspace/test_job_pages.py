"""The pages of jobs, live and not."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from workspace.server import Server, start_server

from caffe_fcn.workspace.jobs.job import Kind, State, Task
from caffe_fcn.workspace.jobs.log import Log, clean, read_last_line
from caffe_fcn.workspace.jobs.store import FILE, Store

MARKUP = "<script>alert(1)</script>&\"'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with sixty jobs that are over, one that waits for ever, and one with markup wherever it can be."""
    root = tmp_path_factory.mktemp("pages") / "work"
    own = root / ".caffe-fcn"
    (own / "jobs/61").mkdir(parents=True)
    store = Store(own / FILE)
    for index in range(60):
        kind = (Kind.DATA, Kind.NET)[index % 2]
        number = store.add(Task(f"Task {index + 1}", kind, (("doctor",),), makes=f"d{index}"), 1e9)
        store.change(number, state=(State.DONE, State.FAILED)[index % 3 == 0], ended=1e9 + 5, started=1e9)
    number = store.add(Task(MARKUP, Kind.TRAIN, (("train", MARKUP),), makes=MARKUP), 1e9)
    store.change(number, state=State.LOST, message=MARKUP, started=1e9, ended=1e9)
    (own / "jobs/61/stderr").write_text(f"\x1b[31m{MARKUP}\x1b[0m\n" + "x" * 5000 + "\n")
    store.close()
    with_server = start_server(root)
    yield with_server
    with_server.close()


def test_the_list_has_pages_and_can_be_filtered(server: Server) -> None:
    first = server.client.get("/jobs").text
    assert first.count("<tr>") == 26 and "Page 1 of 3" in first
    assert server.client.get("/jobs?page=3").text.count("<tr>") == 12
    failed = server.client.get("/jobs?state=failed&kind=net").text
    assert failed.count('<span class="state failed">') == failed.count("<tr>") - 1 == 10
    assert "No job is like that" in server.client.get("/jobs?state=running").text
    assert server.client.get("/jobs?state=nonsense&kind=%3Cb%3E&page=x").status_code == 200


def test_everything_that_is_shown_is_escaped(server: Server) -> None:
    for address in ("/jobs", "/jobs/61"):
        page = server.client.get(address).text
        assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page and "x" * 1001 not in page


def test_a_job_that_is_over_is_not_live_and_can_be_run_again(server: Server) -> None:
    page = server.client.get("/jobs/2").text
    assert "data-live" not in page and "/jobs/2/again?csrf=" in page and "/jobs/2/resume" not in page
    assert "/jobs/61/resume?csrf=" in server.client.get("/jobs/61").text
    assert "caffe-fcn doctor" in page and "took 5 s" in page


def test_what_is_not_there_is_404_and_what_cannot_be_resumed_422(server: Server) -> None:
    assert server.client.get("/jobs/999").status_code == 404
    assert server.client.get("/jobs/999/live").status_code == 404
    assert server.client.get("/api/jobs/999/log").json()["error"]["where"] == "job 999"
    assert server.post("/jobs/2/resume").status_code == 422
    assert server.client.post("/jobs/2/again").status_code == 403  # without the session's token


def test_a_live_page_goes_where_the_job_leads_and_hears_of_each_change_once(tmp_path: Path) -> None:
    root = tmp_path / "work"
    (root / ".caffe-fcn").mkdir(parents=True)
    build = ("data", "triangles", "--count", "30", "-o", "data/t")
    store = Store(root / ".caffe-fcn" / FILE)
    store.add(Task("Draw", Kind.DATA, (("doctor",), build), makes="data/t"), time.time())
    store.close()
    server = start_server(root)
    try:
        with httpx.stream("GET", f"{server.url}/jobs/1/live", timeout=60, trust_env=False) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [each for each in "".join(answer.iter_text()).split("\n\n") if each.startswith("event")]
    finally:
        server.close()
    assert events[-1] == "event: end\ndata: /datasets/view/data/t"
    parts = events[:-1]
    assert all(each.startswith("event: part\n") for each in parts)
    assert all(one != other for one, other in itertools.pairwise(parts))


def test_the_server_ends_at_once_while_somebody_listens(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    server = start_server(root)
    heard: list[str] = []

    def listen() -> None:
        with httpx.stream("GET", f"{server.url}/jobs/live", timeout=60, trust_env=False) as answer:
            heard.extend(answer.iter_text())

    listener = threading.Thread(target=listen)
    listener.start()
    while not heard:
        time.sleep(0.05)
    server.close()
    listener.join(10)
    assert not listener.is_alive()
    assert "event: end" not in "".join(heard)
    assert "Traceback" not in root.with_name("work.stderr").read_text()


def test_a_log_is_read_as_it_grows_and_shows_no_events(tmp_path: Path) -> None:
    path = tmp_path / "stderr"
    log = Log(path)
    log.update()
    with path.open("w") as file:
        file.write(
            '{"event": "begin"}\n10%\r20%\rthird\x07\n{"event": "iteration", "iteration": 5, "of": 20, "loss": 1'
        )
        file.flush()
        log.update()
        assert ([*log.lines], log.progress) == (["third"], None)
        file.write('.5, "seconds_left": 9}\n{"event": "progress", "done": "x"}\n{"a": 1}\nerror: it: broke\n\n')
        file.flush()
        log.update()
    assert log.progress and (log.progress.done, log.progress.total, log.progress.seconds_left) == (5, 20, 9)
    assert [*log.lines][1:] == ["iteration 5/20  loss 1.5", '{"event": "progress", "done": "x"}', '{"a": 1}',
                                "error: it: broke", ""]  # fmt: skip
    assert read_last_line(path) == "it: broke"
    assert clean("\x1b]0;title\x07a\x1b[2Kb\x1b(Bc") == "abc"
