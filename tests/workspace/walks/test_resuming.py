"""A run that is stopped on its page, resumed there, and compared with another one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from workspace.walk import PATIENCE, Walk


def test_a_run_is_stopped_resumed_and_compared(walk: Callable[[], Walk]) -> None:
    at = walk()
    root = at.folder
    snapshots = root / "runs/long/snapshot"
    at.go("/datasets/new?kind=triangles")
    at.fill(name="triangles", count=60)
    at.press("Build")
    at.arrive("/datasets/view/datasets/triangles**")
    for name, epochs in (("short", 1), ("long", 9000)):
        at.go("/runs/new")
        at.fill(name=name, net="triangles", source="datasets/triangles", engine="torch", epochs=epochs)
        at.press("Train")
        at.arrive(f"/runs/view/runs/{name}**" if name == "short" else "/jobs/**")
    at.page.locator("#job-result").click()
    at.arrive("/runs/view/runs/long**")
    at.page.locator("canvas, figure svg").first.wait_for(state="attached")
    wait_beyond(snapshots, 0)
    at.press("Stop with a snapshot")
    at.page.locator(".state.stopped").first.wait_for()
    stopped = find_newest(snapshots)
    at.check()
    at.press("Resume")
    wait_beyond(snapshots, stopped)
    at.go("/runs/view/runs/long")
    at.page.locator(".state.running").first.wait_for()
    at.press("Stop with a snapshot")
    wait_for(lambda: len([*snapshots.glob("*.solverstate")]) == 2)
    told = [json.loads(line) for line in (snapshots / "train.jsonl").read_text().splitlines()]
    iterations = [each["iteration"] for each in told if "lr" in each]
    assert iterations == sorted(set(iterations))  # without a gap to before, and none twice
    at.click("Trainings")
    for box in at.page.locator("input[type=checkbox]").all():
        box.check()
    at.press("Compare the chosen ones")
    at.arrive("/runs/compare**")
    assert "runs/short" in at.page.inner_text("main") and "max_iter" in at.page.inner_text("main")
    at.check()


def find_newest(folder: Path) -> int:
    """The last iteration that the training told of; 0 where it told of none."""
    figures = folder / "train.jsonl"
    lines = figures.read_text().rpartition("\n")[0].splitlines() if figures.is_file() else []
    return max((json.loads(line).get("iteration", 0) for line in lines), default=0)


def wait_beyond(folder: Path, iteration: int) -> None:
    """Wait until the training tells of an iteration after this one."""
    wait_for(lambda: find_newest(folder) > iteration)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE / 1000
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)
