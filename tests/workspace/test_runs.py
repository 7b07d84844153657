"""Trainings by the pages and the API of a real server: what they show is what stands in the logs."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nvidia_log
import pytest
from scored_training import set_fields
from tiny_photos import write_photos
from workspace.server import Server, start_server
from written_runs import HOSTILE, write_run

from caffe_fcn.cli import main
from caffe_fcn.engines.events import MEASURES

TRAINING = {"net": "m2nist-fcn", "source": "data/tiny", "epochs": "10.5", "score_every": "12", "keep_best": "2"}
SETTINGS = {"max_iter": 100_000_000, "display": 200, "test_interval": 1000}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, caffe_bin: Path) -> Iterator[Server]:
    """A workspace with a data set of tiny photos, and a net in it that trains for ever."""
    folder = tmp_path_factory.mktemp("runs") / "space"
    write_photos(folder / "photos-of")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in (
            "data folder --images photos-of/photos --labels photos-of/labels --val-percent 30 -o data/tiny",
            "net build m2nist-fcn --source data/tiny -o nets/endless",
        ):
            with pytest.raises(SystemExit) as ended:
                main([*command.split(), "--quiet"])
            assert not ended.value.code
    set_fields(folder / "nets/endless/solver.prototxt", **SETTINGS)
    served = start_server(folder, environment={"CAFFE_BIN": str(caffe_bin)})
    yield served
    for job in served.client.get("/api/jobs").json()["jobs"]:  # they outlive the server
        for _ in range(0 if job["is_over"] else 2):
            served.client.post(f"/api/jobs/{job['number']}/stop", json={})
    served.close()


@pytest.fixture(scope="module")
def space(server: Server) -> Path:
    """The folder that is served."""
    return Path(server.process.args[4])  # type: ignore[index]


def train(server: Server, **fields: str) -> str:
    """Train by the form until it is done; returns the address where the browser was sent."""
    answer = server.post("/runs/new", {**TRAINING, **fields})
    assert answer.status_code == 303, answer.text
    wait_for_job(server)
    return answer.headers["location"]


def take(points: list[list[Any]], figures: dict[str, Any]) -> list[list[Any]]:
    """The losses so far with those of an answer, as static/curves.js puts them together."""
    for each in figures["curves"]:
        if each["label"] == "loss":
            points = [point for point in points if point[0] < each["points"][0][0]] + each["points"]
    return points


def wait_for_job(server: Server, state: str = "done") -> dict[str, Any]:
    number = server.client.get("/api/jobs").json()["jobs"][0]["number"]
    job = server.client.get(f"/api/jobs/{number}?wait=60", timeout=90).json()
    assert job["state"] == state, job
    return job


def read_records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "snapshot/train.jsonl").read_text().splitlines()]


def expect_points(records: list[dict[str, Any]]) -> dict[tuple[str, str], list[list[Any]]]:
    """The points of all curves by kind and name, taken from the lines of the log one by one."""
    points: dict[tuple[str, str], list[list[Any]]] = {}
    for record in records:
        at = record["iteration"]
        if "loss" in record:
            points.setdefault(("training", "loss"), []).append([at, record["loss"]])
            if record["lr"] is not None:
                points.setdefault(("training", "lr"), []).append([at, record["lr"]])
        elif "scores" in record:
            for name, value in record["scores"].items():
                points.setdefault(("score", name), []).append([at, value])
        elif "test_net" in record:
            for name, value in record["outputs"].items():
                points.setdefault(("test", name), []).append([at, value])
    return points


@pytest.mark.parametrize("engine", ["caffe", pytest.param("torch", marks=pytest.mark.long)])
def test_all_figures_of_a_training_are_those_of_its_log(server: Server, space: Path, engine: str) -> None:
    name = f"runs/{engine}"
    train(server, name=engine, engine=engine)
    records = read_records(space / name)
    wanted = expect_points(records)

    figures = server.client.get(f"/api/runs/{name}/figures").json()
    found = {(curve["kind"], curve["name"]): curve["points"] for curve in figures["curves"]}
    assert {key: points for key, points in found.items() if key in wanted} == wanted
    assert {kind for kind, _ in found} == {"training", "test", "score"}

    run = server.client.get(f"/api/runs/{name}").json()
    steps = [each for each in records if "loss" in each]
    end = int(re.search(r"^max_iter: (\d+)", (space / name / "solver.prototxt").read_text(), re.MULTILINE)[1])  # type: ignore[index]
    assert json.loads((space / name / "snapshot/train.json").read_text())["ended"] == end
    assert steps[-1]["iteration"] < end, "the last line that Caffe displays is not the end"
    assert (run["state"], run["iteration"], run["loss"]) == ("done", end, steps[-1]["loss"])
    scores = [each for each in records if "scores" in each]
    best = min(scores, key=lambda each: (-each["scores"]["mean_iu"], each["iteration"]))
    assert run["best"] == {"iteration": best["iteration"], **best["scores"]}
    files = {path.name for path in (space / name / "snapshot").glob("train_iter_*.caffemodel")}
    assert {Path(each["weights"]).name for each in run["snapshots"] if each["iteration"] is not None} == files
    by_iteration = {each["iteration"]: each["scores"] for each in scores}
    for each in run["snapshots"]:
        if each["iteration"] is not None:
            assert {measure: each["score"][measure] for measure in MEASURES} == by_iteration[each["iteration"]]

    page = server.client.get(f"/runs/view/{name}").text
    assert f"Iteration {end} of {end}" in page
    assert f'<b id="run-iteration">{end}</b>' in page
    assert f'<b id="run-loss">{steps[-1]["loss"]:.6g}</b>' in page
    assert f'<b id="run-best">{100 * best["scores"]["mean_iu"]:.2f} %</b>' in page
    shown = re.search(r'data-figures="([^"]*)"', page)
    assert shown
    assert json.loads(html.unescape(shown[1]))[0]["curves"] == figures["curves"]
    listed = server.client.get("/runs").text
    assert f"{steps[-1]['loss']:.6g}" in listed

    job = server.client.get("/api/jobs?kind=train").json()["jobs"][0]
    for command in job["commands"]:
        assert html.escape(command, quote=False) in page.replace("&#39;", "'")
    assert (space / name / "solver.prototxt").is_file()


def test_a_log_of_real_caffe_has_the_same_losses(server: Server, space: Path) -> None:
    """The page of the text log, taken alone, shows what a plain search finds in it."""
    if not (space / "runs/caffe").is_dir():
        train(server, name="caffe", engine="caffe")
    text = (space / "runs/caffe/snapshot/train.log").read_text()
    wanted = [[int(at), float(loss)] for at, loss in re.findall(r"Iteration (\d+).*, loss = (\S+)", text)]
    alone = space / "runs/alone"
    alone.mkdir(parents=True)
    (alone / "caffe_output.log").write_text(text)
    figures = server.client.get("/api/runs/runs/alone/figures").json()
    (points,) = [
        curve["points"] for curve in figures["curves"] if curve["name"] == "loss" and curve["kind"] == "training"
    ]
    assert [list(point) for point in {at: [at, loss] for at, loss in wanted}.values()] == points
    page = server.client.get("/runs/view/runs/alone")
    assert page.status_code == 200
    assert "Nothing in this folder says it" in page.text
    assert "runs/alone" in server.client.get("/runs").text


def test_a_training_is_stopped_resumed_and_compared(server: Server, space: Path) -> None:
    """It is watched by events meanwhile, whose figures put together are those of the log."""
    name = "runs/endless"
    begun = server.post("/runs/new", {"name": "endless", "net": "copy:nets/endless", "engine": "caffe"})
    assert begun.status_code == 303, begun.text
    ends = time.monotonic() + 40
    while server.client.get(f"/api/runs/{name}").json().get("iteration") is None:
        assert time.monotonic() < ends
        time.sleep(0.1)

    page = server.client.get(f"/runs/view/{name}").text
    assert f'data-live="/runs/live/{name}"' in page
    figures = json.loads(html.unescape(re.search(r'data-figures="([^"]*)"', page)[1]))[0]  # type: ignore[index]
    points, cursor, parts = take([], figures), figures["next"], 0
    with server.client.stream("GET", f"/runs/live/{name}") as events:
        for line in events.iter_lines():
            if found := re.search(r'data-news="([^"]*)"', line):
                news = json.loads(html.unescape(found[1]))
                if int(news["since"].split("-")[1]) > int(cursor.split("-")[1]):
                    news = server.client.get(f"/api/runs/{name}/figures?since={cursor}").json()
                points, cursor = take(points, news), news["next"]
                parts += bool(news["curves"])
            if parts == 3:
                break
    records = expect_points(read_records(space / name))[("training", "loss")]
    assert len(points) > 3
    assert points[: len(points) - 1] == records[: len(points) - 1]

    assert server.post(f"/runs/stop/{name}").headers["location"] == f"/runs/view/{name}"
    wait_for_job(server, "stopped")
    stopped = server.client.get(f"/api/runs/{name}").json()
    assert stopped["state"] == "stopped"
    saved = stopped["snapshots"][0]["iteration"]
    assert saved > 0
    page = server.client.get(f"/runs/view/{name}").text
    assert "data-live" not in page
    assert f'action="/runs/resume/{name}?csrf=' in page

    assert server.post(f"/runs/resume/{name}").status_code == 303
    ends = time.monotonic() + 40
    while (server.client.get(f"/api/runs/{name}").json().get("iteration") or 0) <= saved:
        assert time.monotonic() < ends
        time.sleep(0.1)
    again = server.client.post(f"/api/runs/{name}/stop", json={}).json()
    assert "--resume" in again["commands"][-1]
    wait_for_job(server, "stopped")
    iterations = [record["iteration"] for record in read_records(space / name) if "loss" in record]
    assert len(iterations) == len(set(iterations))

    clone = server.client.get(f"/runs/new?clone={name}").text
    assert f'<option value="copy:{name}" selected>' in clone
    faster = {"name": "faster", "net": f"copy:{name}", "set": "base_lr=0.25\nmax_iter=40", "engine": "caffe"}
    assert server.post("/runs/new", faster).status_code == 303
    wait_for_job(server)
    page = server.client.get(f"/runs/compare?run={name}&run=runs/faster").text
    table = page[page.index("Settings that differ") :]
    assert re.search(r"base_lr</th><td>[\d.e-]+</td><td>0.25</td>", table)
    assert re.search(r"max_iter</th><td>1e\+08|max_iter</th><td>100000000</td><td>40</td>", table)
    assert "momentum" not in table


def test_the_settings_are_those_that_the_command_writes(
    server: Server, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value with what says it, as in the comments of the solver that `net build` writes."""
    monkeypatch.chdir(space)
    build = "net build m2nist-fcn --source data/tiny --epochs 7 --base-lr 0.002 -o nets/judge --quiet"
    with pytest.raises(SystemExit):
        main(build.split())
    wanted = re.findall(r'^(\w+): "?(.*?)"? +# (.*)$', (space / "nets/judge/solver.prototxt").read_text(), re.MULTILINE)
    assert len(wanted) > 8
    query = {"net": "m2nist-fcn", "source": "data/tiny", "epochs": "7", "base_lr": "0.002"}
    fragment = server.client.get("/runs/new/settings", params=query).text
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td class="soft">(.*?)</td>', fragment)
    assert [tuple(map(html.unescape, row)) for row in rows] == wanted
    assert "--epochs 7 --base-lr 0.002" in fragment
    other = server.client.get("/runs/new/settings", params={**query, "epochs": "9"}).text
    assert "9 epochs (as given)" in other
    mistaken = {**query, "base_lr": "", "momentum": "0.9", "optimizer": "RMSProp"}
    assert "RMSProp has none" in server.client.get("/runs/new/settings", params=mistaken).text


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "../x"}, "name"),
        ({"name": "-o"}, "name"),
        ({"weights": "vgg17"}, "weights"),
        ({"weights": "/etc/passwd"}, "weights"),
        ({"patience": "3", "score_every": ""}, "patience"),
        ({"net": "copy:nets/endless", "epochs": "3", "source": ""}, "epochs"),
        ({"net": "copy:nets/endless", "set": "not a setting", "epochs": "", "source": ""}, "set"),
        ({"precision": "float16"}, "precision"),
        ({"cores": "0"}, "cores"),
    ],
)
def test_a_field_that_is_wrong_is_named_beside_it(server: Server, fields: dict[str, str], wrong: str) -> None:
    given = {**TRAINING, "name": "refused", **fields}
    page = server.post("/runs/new", given)
    assert page.status_code == 422
    assert f'id="{wrong}-error"' in page.text
    assert html.escape(given["net"]) in page.text
    answer = server.client.post("/api/runs", json={name: value for name, value in given.items() if value})
    assert answer.status_code == 422
    assert wrong in answer.json()["error"]["fields"]


@pytest.mark.long
def test_a_run_is_scored_reported_on_and_bundled(server: Server, space: Path) -> None:
    if not (space / "runs/caffe").is_dir():
        train(server, name="caffe", engine="caffe")
    run = server.client.get("/api/runs/runs/caffe").json()
    iteration = max(each["iteration"] or 0 for each in run["snapshots"])
    assert server.post("/runs/evaluate/runs/caffe", {"iteration": str(iteration)}).status_code == 303
    wait_for_job(server)
    scores = json.loads((space / "runs/caffe/scores.json").read_text())
    score = next(each["score"] for each in run["snapshots"] if each["iteration"] == iteration)
    assert scores["mean_iu"] == pytest.approx(score["mean_iu"], abs=1e-6)

    assert server.client.get("/runs/report/runs/caffe").status_code == 404
    server.post("/runs/make-report/runs/caffe")
    wait_for_job(server)
    report = server.client.get("/runs/report/runs/caffe")
    assert report.headers["content-security-policy"] == "sandbox allow-scripts allow-popups"
    assert f"{100 * scores['mean_iu']:.2f}" in report.text

    server.post("/runs/bundle/runs/caffe", {"iteration": str(iteration)})
    bundle = wait_for_job(server)["makes"]
    assert (space / bundle / "model.json").is_file()

    before = {each["weights"] for each in server.client.get("/api/runs/runs/caffe").json()["snapshots"]}
    assert server.post("/runs/delete/runs/caffe", {"iteration": str(iteration)}).status_code == 303
    after = {each["weights"] for each in server.client.get("/api/runs/runs/caffe").json()["snapshots"]}
    assert before - after == {f"snapshot/train_iter_{iteration}.caffemodel"}
    assert list((space / ".caffe-fcn/trash").rglob("item"))


def test_a_hostile_run_is_text_on_every_page(server: Server, space: Path) -> None:
    """Whatever of it can have a name has one with markup; the folder, too."""
    name = "runs/<img src=x onerror='window.broken=1'>&\"{{7*7}}"
    write_run(space / name)
    (space / name / "snapshot/other<b>.log").write_text("nothing\n")
    pages = ["/runs", f"/runs/view/{quote(name)}", f"/runs/compare?run={quote(name)}", f"/runs/new?clone={quote(name)}"]
    for address in pages:
        page = server.client.get(address)
        assert page.status_code == 200, address
        assert "<img" not in page.text
        assert "<b>.log" not in page.text
        assert "49" not in re.findall(r"<h1>(.*?)</h1>", page.text, re.DOTALL)[0]
    links = re.findall(r'href="(/runs/view/[^"]*)"', server.client.get("/runs").text)
    assert any("onerror" in link for link in links)
    assert all(server.client.get(html.unescape(link)).status_code == 200 for link in links)
    figures = server.client.get(f"/api/runs/{quote(name)}/figures").json()
    assert HOSTILE in {curve["name"] for curve in figures["curves"]}


def test_runs_of_all_sorts_have_a_page(server: Server, space: Path) -> None:
    spoilt = space / "runs/spoilt/snapshot"
    spoilt.mkdir(parents=True)
    lines = [
        '{"iteration": 0, "loss": 2.0, "lr": 0.1, "outputs": {}}',
        '{"iteration": 5, "loss": "nan", "lr": 0.1, "outputs": {}}',
    ]
    (spoilt / "train.jsonl").write_text("\n".join([*lines, "{half"]))
    page = server.client.get("/runs/view/runs/spoilt").text
    assert "not finite" in page
    assert '<b id="run-loss">nan</b>' in page
    figures = server.client.get("/api/runs/runs/spoilt/figures").json()
    assert figures["diverged"]
    assert figures["curves"][0]["points"] == [[0, 2.0], [5, "nan"]]

    empty = space / "runs/empty/snapshot"
    empty.mkdir(parents=True)
    (empty / "train.jsonl").touch()
    assert "tells of no training" in server.client.get("/runs/view/runs/empty").text
    (empty / "train.json").write_text('{"engine": 7}')
    assert "is not the record of a training" in server.client.get("/runs/view/runs/empty").text

    digits = space / "runs/20260310-081240-ab12"  # as DIGITS names a job
    digits.mkdir()
    (digits / "caffe_output.log").write_text(nvidia_log.write())
    (digits / "solver.prototxt").write_text('net: "train_val.prototxt"\nmax_iter: 40\nsnapshot_prefix: "snapshot"\n')
    (digits / "snapshot_iter_40.caffemodel").write_bytes(b"half")
    found = server.client.get(f"/api/runs/runs/{digits.name}").json()
    assert (found["state"], found["iteration"], found["loss"]) == ("done", 40, nvidia_log.LOSSES[40])
    assert [(each["iteration"], bool(each["fault"])) for each in found["snapshots"]] == [(40, True)]
    points = server.client.get(f"/api/runs/runs/{digits.name}/figures").json()["curves"]
    assert [list(each) for each in nvidia_log.LOSSES.items()] in [each["points"] for each in points]
    for name in ("runs/nothing", "..%2Foutside", "%2e%2e/outside", ".caffe-fcn"):
        assert server.client.get(f"/runs/view/{name}").status_code == 404
        assert server.client.get(f"/api/runs/{name}/figures").status_code == 404
    assert server.client.get("/runs/view/runs/empty?log=../spoilt/snapshot/train.jsonl").status_code == 404

    assert server.post("/runs/trash/runs/empty").headers["location"] == "/runs"
    assert not (space / "runs/empty").exists()
