"""The demo of ``caffe-fcn serve``, and the overview that leads through it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from workspace.server import start_server

START = """
import sys
from pathlib import Path
from caffe_fcn.workspace import demo
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.server import serve

def submit(workspace):
    demo.submit(workspace.settings, workspace.jobs, pairs=40)

serve(Settings(Path(sys.argv[1]), port=0), lambda port: print(port, flush=True), submit)
"""


@contextmanager
def serving_small(root: Path) -> Iterator[httpx.Client]:
    """The demo with forty pairs of images, served by a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", START, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=70, trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def read_jobs(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/jobs").json()["jobs"]
    return found


def wait_until_done(client: httpx.Client, number: int, rounds: int = 4) -> None:
    """Wait for the end of a job, a minute a round."""
    for _ in range(rounds):
        ended = client.get(f"/api/jobs/{number}", params={"wait": 60}).json()
        if ended["is_over"]:
            break
    assert ended["state"] == "done", client.get(f"/api/jobs/{number}/log").text


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, httpx.Client]]:
    """A demo that went to its end, on a server that is the second one of its workspace."""
    root = tmp_path_factory.mktemp("demo") / "work"
    root.mkdir()
    with serving_small(root) as client:
        (job,) = read_jobs(client)
        wait_until_done(client, job["number"])
    with serving_small(root) as client:
        yield root, client


def test_a_demo_goes_from_nothing_to_a_picture(finished: tuple[Path, httpx.Client]) -> None:
    root, client = finished
    with (
        Image.open(root / "datasets/triangles/grid.png") as image,
        Image.open(root / "tests/demo/predicted/grid.png") as predicted,
    ):
        assert predicted.size == image.size == (320, 320)
        assert predicted.mode == "L"
    trial = client.get("/api/test/demo").json()
    assert len(trial["images"]) == 1 and not trial["images"][0].get("error")
    picture = client.get("/test/picture/demo?image=0&kind=grey")
    assert picture.headers["content-type"] == "image/png"


def test_its_pages_are_there_and_the_overview_leads_to_each(finished: tuple[Path, httpx.Client]) -> None:
    _, client = finished
    overview = client.get("/").text
    for address in ("/datasets/view/datasets/triangles", "/runs/view/runs/triangles", "/test/view/demo"):
        assert f'href="{address}"' in overview
        assert client.get(address).status_code == 200, address
    assert '<span class="state done">' in overview and "Nothing runs." in overview


def test_a_second_server_adds_nothing(finished: tuple[Path, httpx.Client]) -> None:
    _, client = finished
    assert len(read_jobs(client)) == 1


def test_what_serve_demo_queues_and_where(tmp_path: Path) -> None:
    """The command as people type it; the job is stopped, since it takes a minute."""
    root = tmp_path / "triangles"
    server = start_server(root, "--demo")
    try:
        (job,) = read_jobs(server.client)
        assert job["commands"][0] == "caffe-fcn data triangles --count 2000 -o datasets/triangles"
        assert [line.split()[1] for line in job["commands"]] == ["data", "net", "train", "infer"]
        page = server.client.get("/").text
        assert "The demo" in page and "Begin here" not in page
        assert f'href="/jobs/{job["number"]}"' in page
        server.client.post(f"/api/jobs/{job['number']}/stop", json={})
        ended = server.client.get(f"/api/jobs/{job['number']}", params={"wait": 20}).json()
        assert ended["is_over"]
    finally:
        server.close()
    assert "the demo is in " in (tmp_path / "triangles.stderr").read_text()


@pytest.mark.long
def test_the_whole_demo_fills_triangles(tmp_path: Path) -> None:
    """Which pixels lie inside a triangle is found by morphology; in the picture itself they are paper."""
    ndimage = pytest.importorskip("scipy.ndimage")
    server = start_server(tmp_path / "whole", "--demo")
    try:
        wait_until_done(server.client, 1, rounds=10)
    finally:
        server.close()
    with Image.open(tmp_path / "whole/datasets/triangles/grid.png") as image:
        outlines = np.asarray(image.convert("L")) < 128
    with Image.open(tmp_path / "whole/tests/demo/predicted/grid.png") as image:
        grey = np.asarray(image)
    filled = ndimage.binary_fill_holes(outlines)
    assert grey[filled & ~outlines].mean() < grey[~filled].mean() - 80, "inside it is darker, of 255 levels"


def test_without_a_folder_the_demo_gets_one(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "caffe_fcn", "serve", "--demo", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert server.stdout and server.stderr
    try:
        address = server.stdout.readline().strip()
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            for _ in range(2):  # it is interrupted, and then killed
                client.post("/api/jobs/1/stop", json={})
            assert client.get("/api/jobs/1", params={"wait": 20}).json()["is_over"]
    finally:
        server.terminate()
        _, said = server.communicate(timeout=20)
    assert "the demo is in caffe-fcn-demo" in said
    assert (tmp_path / "caffe-fcn-demo/.caffe-fcn").is_dir()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "caffe_fcn", "serve", "--demo", str(tmp_path / "not" / "there")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1 and str(tmp_path / "not" / "there") in ran.stderr


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "jinja2", "python_multipart"])
def test_without_the_extra_serve_says_how_to_install_it(module: str, tmp_path: Path) -> None:
    """A finder that comes first finds one library of the extra nowhere, as on a machine that does not have it."""
    program = f"""
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["serve", "--demo", "work"]
from caffe_fcn.__main__ import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert ran.returncode == 2, ran.stderr
    assert "pip install" in ran.stderr and "caffe-fcn[web]" in ran.stderr and ran.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_empty_workspace_says_what_to_do_first(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    server = start_server(root)
    try:
        page = server.client.get("/").text
        assert "Begin here" in page and "The demo" not in page
        for address in ("/datasets/new", "/nets/new", "/runs/new", "/test"):
            assert f'href="{address}"' in page
            assert server.client.get(address).status_code == 200
    finally:
        server.close()


def test_the_newest_of_each_kind_are_named_and_escaped(tmp_path: Path) -> None:
    root = tmp_path / "named"
    for index in range(7):
        made = root / f"nets/<b>{index}&"
        made.mkdir(parents=True)
        (made / "deploy.prototxt").write_text("")
        os.utime(made / "deploy.prototxt", (1e9 + index, 1e9 + index))
    server = start_server(root)
    try:
        page = server.client.get("/").text
        assert "<b>6" not in page and "nets/&lt;b&gt;6&amp;" in page
        assert 'href="/nets/view/nets/%3Cb%3E6%26"' in page
        assert "&lt;b&gt;2&amp;" in page and "&lt;b&gt;1&amp;" not in page, "five of the seven, the newest"
        with server.client.stream("GET", "/overview/live") as answer:
            event = next(line for line in answer.iter_lines() if line.startswith("event:"))
            assert event == "event: part"
    finally:
        server.close()
