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
    at.arrive_at_dataset("triangles")
    for name, epochs, follows in (("long", 9000, "/{jobs,runs/view/runs}/**"), ("short", 1, "/jobs/**")):
        at.go("/runs/new")
        at.fill(name=name, net="triangles", source="datasets/triangles", engine="torch", epochs=epochs)
        at.press("Train")
        at.arrive(follows)  # the second one waits for the cores of the first
    at.go("/jobs/2")
    at.page.locator("#job-result").click()
    at.arrive("/runs/view/runs/long**")
    at.page.locator("canvas, figure svg").first.wait_for(state="attached")
    wait_beyond(snapshots, 0)
    at.press("Stop with a snapshot")
    at.page.locator("#run-state .stopped").wait_for()
    stopped = find_newest(snapshots)
    at.check()
    at.press("Resume")
    at.page.locator("#run-state .running").wait_for()
    wait_beyond(snapshots, stopped)
    at.press("Stop with a snapshot")
    at.page.locator("#run-state .stopped").wait_for()
    assert len([*snapshots.glob("*.solverstate")]) == 2
    told = [json.loads(line) for line in (snapshots / "train.jsonl").read_text().splitlines()]
    iterations = [each["iteration"] for each in told if "lr" in each]
    assert iterations == sorted(set(iterations))  # without a gap to before, and none twice
    at.click("Trainings")
    at.arrive("/runs")
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
    end = time.monotonic() + PATIENCE / 1000
    while find_newest(folder) <= iteration:
        assert time.monotonic() < end
        time.sleep(0.2)
