"""The triangles tutorial by the pages alone, from an empty workspace to the grid picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from workspace.walk import Walk


def test_triangles(walk: Callable[[], Walk]) -> None:
    at = walk()
    at.go("/")
    at.check()
    at.click("Make a data set")
    at.arrive("/datasets/new")
    at.check()
    at.page.get_by_role("link", name="Triangles").first.click()
    at.arrive("/datasets/new?kind=triangles")
    at.fill(name="triangles", count=60)
    at.check()
    at.press("Build")
    at.arrive_at_dataset("triangles")
    assert "54" in at.page.inner_text("main") and "6" in at.page.inner_text("main")
    at.check()

    at.click("Trainings")
    at.arrive("/runs")
    at.check()
    at.click("Train a net")
    at.arrive("/runs/new")
    at.fill(name="first", net="triangles", source="datasets/triangles", engine="torch", epochs=2)
    at.page.locator("#settings:not([aria-busy])", has_text="--epochs 2").wait_for()  # pale until they are renewed
    at.check()
    at.press("Train")
    at.arrive("/runs/view/runs/first**")
    at.page.locator("#run-state .done").wait_for()
    assert (at.folder / "runs/first/snapshot").is_dir()
    at.check()

    at.click("Test it")
    at.arrive("/test/new**")
    at.fill(source="path", path="datasets/triangles/grid.png", engine="torch")
    at.check()
    at.press("Run")
    at.arrive("/test/view/0001**")
    shown = at.page.locator("figure img")
    assert [shown.nth(each).evaluate("each => [each.naturalWidth, each.naturalHeight]") for each in range(2)] == [
        [320, 320]
    ] * 2
    at.check()
    with at.page.expect_download() as saved:
        at.click("Download as PNG")
    kept = np.asarray(Image.open(Path(saved.value.path())))
    assert np.array_equal(kept, np.asarray(Image.open(at.folder / "tests/0001/predicted/grid.png")))
    at.click("Jobs")
    at.arrive("/jobs")
    at.check()
    assert at.page.locator(".state.done").count() == 3
