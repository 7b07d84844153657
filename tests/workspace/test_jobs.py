"""Jobs as processes: run once, whatever is killed; stopped, resumed, found again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import decay
import numpy as np
import outlines
import pytest
from command import ROOT
from workspace.server import start_server

from caffe_fcn.cli import cli as commands
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.jobs import folder as folders
from caffe_fcn.workspace.jobs import processes
from caffe_fcn.workspace.jobs.job import Job, Kind, State, Task
from caffe_fcn.workspace.jobs.queue import Jobs
from caffe_fcn.workspace.jobs.resuming import ON_GPU, RESUMABLE, resume, use_gpu
from caffe_fcn.workspace.jobs.store import FILE, Store
from caffe_fcn.workspace.settings import Settings

PATIENCE = 60.0  # seconds, for a machine with much else to do
BUILD = Task("Build", Kind.NET, (("net", "build", "triangles", "--phase", "deploy", "-o", "n.prototxt"),), "n.prototxt")

LENGTH = {"caffe": 400_000, "torch": 3_000}
"""The iterations of a training of a few seconds, by engine."""


@contextmanager
def opened(root: Path, **settings: Any) -> Iterator[Jobs]:
    jobs = Jobs(Settings(root, **settings))
    jobs.start()
    try:
        yield jobs
    finally:
        for job in jobs.list():
            if not job.state.is_over:
                jobs.stop(job.number)
                jobs.stop(job.number)
        for job in jobs.list():
            jobs.wait(job.number, 10)
        jobs.close()


@pytest.fixture
def root(tmp_path: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, whose commands find real Caffe."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    place = tmp_path / "work"
    (place / ".caffe-fcn").mkdir(parents=True)
    return place


def train(root: Path, engine: str = "caffe", share: float = 1.0) -> Task:
    """A training of one weight, whose value after each iteration is known."""
    length = int(LENGTH[engine] * share)
    folder = root / "run"
    folder.mkdir(exist_ok=True)
    decay.write(folder, max_iter=length, base_lr=1 / length, display=max(1, length // 40), snapshot=length // 10)
    return Task("Train", Kind.TRAIN, (("train", "run/solver.prototxt", "--engine", engine),), makes="run")


def wait_for(happened: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := happened():
            return found
        time.sleep(0.02)
    pytest.fail(f"{what} did not happen")


def wait_for_a_snapshot(root: Path) -> None:
    wait_for(lambda: [*root.glob("run/snapshots/*.solverstate")], "a snapshot")


def read_events(root: Path, number: int) -> list[dict[str, Any]]:
    text = (root / f".caffe-fcn/jobs/{number}/stderr").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def count_begins(root: Path, number: int) -> int:
    """How often a command of a job was run, by its own account."""
    return sum(each["event"] == "begin" for each in read_events(root, number))


def find_command(root: Path, number: int = 1) -> int:
    """The process of the command that a job runs."""
    return int(wait_for(lambda: folders.read(root / f".caffe-fcn/jobs/{number}", folders.NOW), "a command")["pid"])


def read_weight(root: Path, iteration: int) -> float:
    (blob,) = outlines.weights(root / f"run/snapshots/decay_iter_{iteration}.caffemodel").values()
    return float(blob.item())


def assert_trained_to_the_end(root: Path, engine: str = "caffe", share: float = 1.0) -> None:
    """The weight is what the closed form says: 3 (1 - (1 - r)^n)."""
    length = int(LENGTH[engine] * share)
    np.testing.assert_allclose(read_weight(root, length), 3 * (1 - (1 - 1 / length) ** length), rtol=0.02)


def test_the_commands_of_a_job_run_one_after_another_and_the_first_failure_ends_it(root: Path) -> None:
    show = ("net", "show", "n.prototxt", "--json")
    with opened(root) as jobs:
        good = jobs.submit(Task("Good", Kind.NET, (*BUILD.commands, show), "n.prototxt", outputs=("", "shown.json")))
        bad = jobs.submit(Task("Bad", Kind.NET, (("net", "build", "nothing", "-o", "x"), show), "x"))
        good, bad = (jobs.wait(each.number, PATIENCE) for each in (good, bad))
    assert (good.state, good.status, good.step) == (State.DONE, 0, 1)
    assert json.loads((root / "shown.json").read_text())["layers"]
    assert (bad.state, bad.status, bad.step) == (State.FAILED, 2, 0)
    assert bad.message == "nothing: the catalogue has no such net (see caffe-fcn net list)"
    assert good.resources and good.resources.cpu_seconds > 0 and (good.resources.peak_memory or 0) > 1 << 20


def test_of_many_keepers_of_one_job_one_runs_it(root: Path) -> None:
    with opened(root, cores=1) as jobs:
        jobs.stop(jobs.submit(BUILD).number)  # so that its order can be made without its being run
        order = jobs._make_order(Job(7, BUILD, State.RUNNING, 0.0))
    place = root / ".caffe-fcn/jobs/7"
    place.mkdir()
    folders.write(place, folders.ORDER, order)
    program = [sys.executable, "-m", "caffe_fcn.workspace.jobs.keeper", str(place)]
    keepers = [subprocess.Popen(program, cwd=ROOT) for _ in range(4)]
    assert [each.wait(PATIENCE) for each in keepers] == [0] * 4
    subprocess.run(program, cwd=ROOT, check=True)  # and one that comes late
    assert count_begins(root, 7) == 1


_KILLED = """
import os, signal, sys, threading
from pathlib import Path
from caffe_fcn.workspace.jobs import queue, store, folder
from caffe_fcn.workspace.jobs.job import Kind, Task
from caffe_fcn.workspace.settings import Settings
left = int(sys.argv[2])
mine = {each.__file__ for each in (queue, store, folder)}
def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename not in mine:
        return None
    if event == "line":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
jobs = queue.Jobs(Settings(Path(sys.argv[1])))
jobs._gpus_known.set()
number = jobs._store.add(Task("Build", Kind.NET, (("net", "build", "triangles", "--phase", "deploy", "-o",
    "n.prototxt"),), "n.prototxt"), 0.0)
sys.settrace(trace)
jobs._begin()
while True:
    jobs._look()
"""


@pytest.mark.parametrize(
    "line", [*(1, 25, 40, 60, 80), *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 160, 4))]
)
def test_a_server_killed_at_any_line_loses_no_job_and_runs_none_twice(root: Path, line: int) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(root), str(line)], cwd=ROOT, timeout=PATIENCE)
    assert ended.returncode == -signal.SIGKILL
    with opened(root) as jobs:
        assert jobs.wait(1, PATIENCE).state is State.DONE
    assert count_begins(root, 1) == 1
    assert (root / "n.prototxt").exists()


@pytest.mark.parametrize("engine", ["caffe", pytest.param("torch", marks=pytest.mark.long)])
def test_a_training_ends_by_itself_where_the_server_is_killed_and_the_next_one_shows_all_of_it(
    root: Path, engine: str
) -> None:
    task = train(root, engine)
    with_store(root, task)
    server = start_server(root)
    wait_for_a_snapshot(root)
    server.kill()
    keeper = processes.Process(*read_claim(root))
    assert processes.is_running(keeper)
    wait_for(lambda: not processes.is_running(keeper), "the end of the training")
    server = start_server(root)
    try:
        job = wait_for(lambda: is_over(server.client.get("/api/jobs/1").json()), "the end of the job")
        page = server.client.get("/jobs/1").text
    finally:
        server.close()
    assert (job["state"], job["status"], job["message"]) == ("done", 0, "")
    length = LENGTH[engine]
    assert f"iteration {length}/{length}" in page and "iteration 0/" in page
    assert count_begins(root, 1) == 1
    assert_trained_to_the_end(root, engine)


def test_a_server_that_begins_while_a_training_runs_finds_it_running(root: Path) -> None:
    with_store(root, train(root, share=50))
    server = start_server(root)
    wait_for(lambda: server.client.get("/api/jobs/1").json()["progress"], "progress")
    server.kill()
    server = start_server(root)
    try:
        job = server.client.get("/api/jobs/1").json()
        assert (job["state"], job["progress"]["task"], job["progress"]["total"]) == ("running", "training", 20_000_000)
        assert server.post("/api/jobs/1/stop").status_code == 202
        assert wait_for(lambda: is_over(server.client.get("/api/jobs/1").json()), "its end")["state"] == "stopped"
    finally:
        server.close()
    assert count_begins(root, 1) == 1


def test_a_job_killed_by_something_else_says_so_and_one_click_resumes_it(root: Path) -> None:
    with_store(root, train(root))
    server = start_server(root)
    try:
        wait_for_a_snapshot(root)
        os.kill(find_command(root), signal.SIGKILL)
        wait_for(lambda: is_over(server.client.get("/api/jobs/1").json()), "its end")
        page = server.client.get("/jobs/1").text
        assert '<span class="state lost">' in page and "was killed (SIGKILL)" in page
        again = server.post("/jobs/1/resume")
        twice = server.post("/jobs/1/resume")
        assert again.status_code == 303 and again.headers["location"] == twice.headers["location"] == "/jobs/2"
        job = wait_for(lambda: is_over(server.client.get("/api/jobs/2").json()), "the end of the resumed job")
    finally:
        server.close()
    assert (job["state"], job["resumes"]) == ("done", 1)
    assert job["commands"] == ["caffe-fcn train --resume run/solver.prototxt --engine caffe"]
    steps = [each["iteration"] for each in read_events(root, 2) if each["event"] == "iteration"]
    assert steps[0] >= LENGTH["caffe"] // 10
    assert_trained_to_the_end(root)


def test_a_stopped_training_leaves_a_snapshot_and_is_resumed_with_the_same_weights(root: Path) -> None:
    with opened(root) as jobs:
        number = jobs.submit(train(root)).number
        wait_for(lambda: jobs.get(number).progress or 0, "progress")
        assert jobs.stop(number).state is State.STOPPING
        stopped = jobs.wait(number, PATIENCE)
        assert (stopped.state, stopped.status, stopped.message) == (State.STOPPED, 130, "stopped on request")
        snapshots = [each["path"] for each in read_events(root, number) if each["event"] == "snapshot"]
        iteration = int(snapshots[-1].partition("_iter_")[2].partition(".")[0])
        assert 0 < iteration < LENGTH["caffe"]
        done = jobs.wait(jobs.resume(number).number, PATIENCE)
    assert done.state is State.DONE
    assert next(each["iteration"] for each in read_events(root, 2) if each["event"] == "iteration") >= iteration
    assert_trained_to_the_end(root)


def test_a_command_goes_on_without_its_keeper_and_counts_by_what_it_left(root: Path) -> None:
    with opened(root) as jobs:
        first = jobs.submit(train(root)).number
        command = processes.identify(find_command(root))
        os.kill(read_claim(root)[0], signal.SIGKILL)
        wait_for_a_snapshot(root)
        assert jobs.get(first).state is State.RUNNING
        assert command and processes.is_running(command)
        assert jobs.wait(first, PATIENCE).state is State.DONE
    assert_trained_to_the_end(root)


def test_a_command_without_keeper_can_be_stopped(root: Path) -> None:
    with opened(root) as jobs:
        number = jobs.submit(train(root, share=50)).number
        find_command(root)
        os.kill(read_claim(root)[0], signal.SIGKILL)
        wait_for(lambda: jobs.get(number).progress, "progress")
        jobs.stop(number)
        assert jobs.wait(number, PATIENCE).state is State.STOPPED


def test_keeper_and_command_killed_is_a_lost_job(root: Path) -> None:
    with opened(root) as jobs:
        number = jobs.submit(train(root)).number
        command = find_command(root)
        for pid in (read_claim(root)[0], command):
            os.kill(pid, signal.SIGKILL)
        job = jobs.wait(number, PATIENCE)
        assert (job.state, job.message) == (State.LOST, "was killed while it ran")


def test_what_a_killed_command_leaves_running_is_ended_with_it(root: Path) -> None:
    with opened(root) as jobs:
        number = jobs.submit(train(root)).number
        command = find_command(root)
        children = wait_for(lambda: processes.list_descendants(command), "the program caffe")
        os.kill(command, signal.SIGKILL)
        assert jobs.wait(number, PATIENCE).state is State.LOST
    assert not [pid for pid, usage in children.items() if processes.is_running(processes.Process(pid, usage.start))]


def test_jobs_wait_for_cores_and_for_folders_and_say_so(root: Path) -> None:
    long = train(root)
    with opened(root, cores=1) as jobs:
        first, second, third = (jobs.submit(task).number for task in (long, BUILD, BUILD))
        wait_for(lambda: jobs.get(first).state is State.RUNNING, "the first job")
        wait_for(lambda: "cores" in jobs.get(third).message or "folder" in jobs.get(third).message, "a reason")
        assert jobs.get(second).message == "waits for 1 of 1 core, 0 of which are free"
        assert jobs.get(third).message == f"waits for job {second}, which makes the same folder"
        assert jobs.stop(third).state is State.STOPPED
        jobs.stop(first)
        jobs.stop(first)
        assert jobs.wait(second, PATIENCE).state is State.DONE
        assert not (root / f".caffe-fcn/jobs/{third}").exists()
        times = [jobs.get(number) for number in (first, second)]
    assert (times[0].ended or 0) <= (times[1].started or 0)


def test_a_task_that_cannot_run_is_refused(root: Path) -> None:
    with opened(root) as jobs:
        for task in (
            Task("none", Kind.NET, ()),
            Task("outside", Kind.NET, BUILD.commands, "../x"),
            Task("own", Kind.NET, BUILD.commands, ".caffe-fcn/x"),
            Task("output", Kind.NET, BUILD.commands, outputs=("/etc/x",)),
            Task("gpu", Kind.NET, BUILD.commands, gpu=True),
        ):
            with pytest.raises(CaffeFcnError):
                jobs.submit(task)
        assert jobs.list() == []


def test_files_of_the_workspace_are_not_run_as_code(root: Path) -> None:
    for name in ("click", "json", "caffe_fcn", "sitecustomize"):
        (root / f"{name}.py").write_text("raise SystemExit('this ran')")
    with opened(root) as jobs:
        assert jobs.wait(jobs.submit(BUILD).number, PATIENCE).state is State.DONE


def test_the_numbers_of_jobs_are_not_used_again_where_the_queue_is_lost(root: Path) -> None:
    (root / ".caffe-fcn/jobs/12").mkdir(parents=True)
    with opened(root) as jobs:
        assert jobs.submit(BUILD).number == 13


def test_a_second_server_of_a_workspace_is_refused_in_a_line(root: Path) -> None:
    server = start_server(root)
    try:
        program = [sys.executable, "-m", "caffe_fcn", "serve", str(root), "--port", "0"]
        second = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE)
    finally:
        server.close()
    assert second.returncode == 2 and second.stdout == ""
    line = f"error: {root}: is served already: {server.url}/, process {server.pid} (use that one, or end it)\n"
    assert second.stderr == line


def test_the_tables_of_commands_are_those_of_the_command_line() -> None:
    def walk(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            assert found
            yield from walk(found, (*words, name)) if isinstance(found, click.Group) else [((*words, name), found)]

    taking = {
        option: {words for words, each in walk(commands, ()) if option in {o for p in each.params for o in p.opts}}
        for option in ("--resume", "--gpu")
    }
    assert taking == {"--resume": set(RESUMABLE), "--gpu": set(ON_GPU)}


def test_a_task_is_resumed_in_the_command_that_was_interrupted() -> None:
    task = Task("t", Kind.FIT, (("data", "voc", "-o", "d"), ("train", "s"), ("infer", "n")), outputs=("", "", "o"))
    assert resume(task, 1).commands == (("train", "--resume", "s"), ("infer", "n"))
    assert resume(resume(task, 1), 0).commands[0] == ("train", "--resume", "s")
    assert resume(task, 2) == Task("t", Kind.FIT, (("infer", "n"),), outputs=("o",))
    assert use_gpu(("train", "s"), 1) == ("train", "--gpu", "1", "s")
    assert use_gpu(("train", "s", "--gpu=0"), 1) == ("train", "s", "--gpu=0")
    assert use_gpu(("net", "show", "s"), 1) == ("net", "show", "s")


def test_a_process_of_the_same_number_is_not_taken_for_another_one() -> None:
    own = processes.identify(os.getpid())
    assert own and processes.is_running(own)
    other = processes.Process(own.pid, str(int(own.start) - 1))
    assert not processes.is_running(other)
    assert not processes.send_signal(other, signal.SIGKILL)


def with_store(root: Path, task: Task) -> None:
    """Queue a task before there is a server."""
    store = Store(root / ".caffe-fcn" / FILE)
    store.add(task, time.time())
    store.close()


def is_over(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["is_over"] else None


def read_claim(root: Path, number: int = 1) -> tuple[int, str]:
    claim = wait_for(lambda: folders.read(root / f".caffe-fcn/jobs/{number}", folders.CLAIM), "a keeper")
    return claim["pid"], claim["start"]
