"""A run that is stopped on its page, resumed there, and compared with another one."""

from __future__ import annotations

from collections.abc import Callable

from command import Ran
from workspace.walk import Walk


def test_a_run_is_stopped_resumed_and_compared(walk: Callable[[], Walk], cli: Callable[..., Ran]) -> None:
    at = walk()
    root = at.folder
    assert cli("data", "triangles", "--count", 60, "-o", root / "datasets/triangles").status == 0
    for name, epochs in (("short", 1), ("long", 6)):
        at.go("/runs/new")
        at.fill(name=name, net="triangles", source="datasets/triangles", engine="torch", epochs=epochs)
        at.press("Train")
        at.arrive(f"/runs/view/runs/{name}**" if name == "short" else "/jobs/**")
    at.page.locator("#job-result").click()
    at.arrive("/runs/view/runs/long**")
    at.page.locator(".state.running").first.wait_for()
    at.page.locator("svg, canvas").first.wait_for(state="attached")
    at.press("Stop with a snapshot")
    at.page.locator(".state.stopped").first.wait_for()
    assert [*(root / "runs/long/snapshot").glob("train_iter_*.solverstate")]
    at.check()
    at.press("Resume")
    at.go("/runs/view/runs/long")
    at.page.locator(".state.done").first.wait_for()
    assert (root / "runs/long/snapshot/train_iter_81.caffemodel").is_file()
    at.check()
    at.click("Trainings")
    for box in at.page.locator("input[type=checkbox]").all():
        box.check()
    at.press("Compare the chosen ones")
    at.arrive("/runs/compare**")
    assert "runs/short" in at.page.inner_text("main") and "max_iter" in at.page.inner_text("main")
    at.check()
