"""From ``data triangles`` to the report and the look, by both engines, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Browser
from command import Ran


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_run_is_reported_and_looked_into(
    engine: str,
    browser: Browser,
    cli: Callable[..., Ran],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if engine == "caffe":
        monkeypatch.setenv("CAFFE_BIN", str(request.getfixturevalue("caffe_bin")))
    else:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    chosen = ["--engine", engine]

    def run(*arguments: object) -> str:
        ran = cli(*arguments)
        assert ran.status == 0, ran.err
        return ran.out

    run("data", "triangles", "--count", 20, "-o", "triangles")
    run("net", "build", "triangles", "--source", "triangles", "--epochs", 1, "-o", "fcn")
    run("train", "fcn/solver.prototxt", *chosen)
    Path("fcn/scores.json").write_text(run("evaluate", "fcn", "--data", "triangles", "--json", *chosen))
    run("report", "fcn", "--images", 1, "-o", "report.html", *chosen)
    run("look", "fcn", "triangles/grid.png", "-o", "look.html", *chosen)

    for page, said in (("report.html", "mean IU"), ("look.html", "1x1024x20x20")):
        for width, dark in ((1200, False), (375, True)):
            browser.view(width, 800, dark)
            browser.open(tmp_path / page)
            assert browser.errors == []
            assert browser.overflows() == 0
            assert said in browser.run("document.body.textContent")
    browser.open(tmp_path / "report.html")
    assert browser.run("[...document.querySelectorAll('figure img')].every(each => each.naturalWidth === 32)")
    assert browser.run("document.querySelectorAll('#predictions .views > div').length") == 4  # two images, their truth
    titles = browser.run("[...document.querySelectorAll('#predictions h3')].map(each => each.textContent)")
    assert titles == ["The worst", "The best"]
    scores = json.loads(Path("fcn/scores.json").read_text())
    wrong = scores["confusion"][0][1], scores["confusion"][1][0]
    rows = "[...document.querySelector('#confusion table').tBodies[0].rows]"
    shown = browser.run(f"{rows}.map(row => row.cells[2].textContent)")
    assert shown == [f"{count:,}" for count in sorted(wrong, reverse=True) if count]
    assert browser.run("document.querySelectorAll('.missing').length") == 0
    browser.open(tmp_path / "look.html")
    browser.wait_for("document.querySelectorAll('canvas').length === 1")
