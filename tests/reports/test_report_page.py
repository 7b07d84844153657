"""The page of a run in a real browser: light, dark, on a phone, by the keyboard, with hostile names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import saved_weights
from browser import Browser
from command import Ran
from written_runs import HOSTILE, LABEL, SAID, write_run

from caffe_fcn import netspec, proto
from caffe_fcn.evaluation import ImageScore, Prediction
from caffe_fcn.reports.predictions import BEST, WORST, ShownImage, choose_images
from caffe_fcn.reports.report import Report
from caffe_fcn.reports.report_page import render_report
from caffe_fcn.reports.run import DATA, Run, read_run


def make_image(kind: str) -> ShownImage:
    grey = np.full((1, 3, 4), 90, np.uint8)
    return ShownImage(kind, HOSTILE, Prediction(grey, SAID, False), LABEL, ImageScore(0, HOSTILE, 10 / 12, 0.6))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_run(tmp_path_factory.mktemp("run") / "roads"))


@pytest.fixture(scope="module")
def page(run: Run) -> Path:
    page = run.folder / "report.html"
    report = Report(run, [make_image(WORST), make_image(BEST)], {DATA: "caffe-fcn report --data <DIR>"})
    page.write_text(render_report(report))
    return page


def open_page(browser: Browser, page: Path, width: int = 1200, dark: bool = False) -> None:
    browser.view(width, 800, dark)
    browser.open(page)


def read_table(browser: Browser, section: str, number: int = 0) -> list[list[str]]:
    rows = f"[...document.querySelectorAll('#{section} table')[{number}].rows]"
    return list(browser.run(f"{rows}.map(row => [...row.cells].map(cell => cell.textContent))"))


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (375, False), (375, True)])
def test_it_opens_without_an_error_and_fits(browser: Browser, page: Path, width: int, dark: bool) -> None:
    open_page(browser, page, width, dark)
    assert browser.errors == []
    assert {each for each in browser.requests if not each.startswith("data:")} == {page.as_uri()}
    assert browser.overflows() == 0
    ink, paper = (browser.run(f"getComputedStyle(document.body).{each}") for each in ("color", "backgroundColor"))
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (brightness[0] > brightness[1]) is dark


def test_every_text_is_text(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    assert browser.run("window.broken") is None
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
    for place in ("header", "#classes", "#confusion", "#predictions", "#net"):
        assert HOSTILE in browser.run(f"document.querySelector('{place}').textContent"), place
    assert "caffe-fcn report --data <DIR>" in browser.run("document.querySelector('#settings').textContent")


def test_scores_are_those_of_the_matrix(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    header, *rows = read_table(browser, "classes")
    assert header == ["class", "number", "IU", "accuracy", "boundary IU", "pixels"]
    # background 4 right of 4, and 1 more said so; class 1 4 of 4, 1 more; cat 2 of 4
    assert [row[1:4] for row in rows] == [
        ["0", "80.00 %", "100.00 %"], ["1", "80.00 %", "100.00 %"], ["2", "50.00 %", "50.00 %"],
    ]  # fmt: skip
    wrong = read_table(browser, "confusion")[1:]
    assert sorted(wrong) == sorted([["cat", HOSTILE, "1", "25.00 %"], ["cat", "background", "1", "25.00 %"]])
    matrix = read_table(browser, "confusion", 1)[1:]
    assert [row[1:] for row in matrix] == [["100", "", ""], ["", "100", ""], ["25", "25", "50"]]


def test_the_slider_is_reached_and_pulled_by_the_keyboard(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    for _ in range(40):
        browser.press("Tab")
        if browser.run("document.activeElement.id") == "opacity":
            break
    assert browser.run("document.activeElement.id") == "opacity"
    over = "Number(getComputedStyle(document.querySelector('.over')).opacity)"
    before = browser.run(over)
    browser.press("ArrowRight")
    assert browser.run(over) == pytest.approx(before + 0.01)
    browser.press("Home")
    assert browser.run(over) == 0


def test_labels_lie_on_the_photo_in_the_colours_of_the_classes(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    pixels = browser.run("""
        [...document.querySelectorAll("figure .over")].slice(0, 2).map(image => {
            const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            context.drawImage(image, 0, 0);
            return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        })""")
    voc = {0: [0, 0, 0, 0], 1: [128, 0, 0, 255], 2: [0, 128, 0, 255]}
    for shown, label in zip(pixels, (LABEL, SAID), strict=True):
        assert np.reshape(shown, (3, 4, 4)).tolist() == [[voc[value] for value in row] for row in label.tolist()]


def test_the_curves_the_net_and_its_offsets_are_there(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    assert browser.run("document.querySelectorAll('#curves svg').length") == 8  # loss, two outputs, four scores, lr
    assert "50.00 %best mean IU of a snapshot, at iteration 10" in browser.run(
        "document.querySelector('#summary').textContent"
    )
    layers = [HOSTILE, *(layer.name for layer in netspec.build("m2nist-fcn", phase="deploy").layer[1:])]
    titles = browser.run("[...document.querySelectorAll('#net title')].map(each => each.textContent.split('\\n')[0])")
    assert titles == layers
    assert read_table(browser, "offsets")[0][0] == "layer"
    assert "base_lr: 0.01" in browser.run("document.querySelector('#settings').textContent")


def test_what_is_missing_says_which_command_makes_it(tmp_path: Path, browser: Browser, cli: Callable[..., Ran]) -> None:
    run = write_run(tmp_path / "run")
    (run / "scores.json").unlink()
    (run / "snapshot/train.jsonl").unlink()
    ran = cli("report", run, "-o", tmp_path / "report.html")
    assert ran.status == 0, ran.err
    open_page(browser, tmp_path / "report.html")
    said = browser.run("[...document.querySelectorAll('.missing')].map(each => each.textContent)")
    told = "\n".join(said)
    assert f"caffe-fcn train {run}/solver.prototxt" in told
    assert f"caffe-fcn evaluate {run} --data DATA --json > {run}/scores.json" in told
    assert "There is no confusion matrix" in told
    assert browser.errors == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("scores.json", '{"weights": 3}', "scores.json: has no scores"),
        ("scores.json", '{"weights": "a"}', "scores.json: has no scores"),
        ("deploy.prototxt", None, "has no deploy.prototxt"),
    ],
)
def test_what_is_damaged_is_one_line(
    tmp_path: Path, cli: Callable[..., Ran], name: str, content: str | None, said: str
) -> None:
    run = write_run(tmp_path / "run")
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    ran = cli("report", run, "-o", tmp_path / "report.html")
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert not (tmp_path / "report.html").exists()


def test_scores_of_other_weights_say_so(tmp_path: Path, browser: Browser, cli: Callable[..., Ran]) -> None:
    run = write_run(tmp_path / "run")
    net = proto.NetParameter()
    net.layer.add(name="conv1", type="Convolution")
    saved_weights.save(run / "newer.caffemodel", net, {"conv1": [np.zeros((1, 1, 1, 1))]})
    ran = cli("report", run, "--images", 0, "-o", tmp_path / "report.html")
    assert ran.status == 0, ran.err
    open_page(browser, tmp_path / "report.html")
    said = browser.run("document.querySelector('#summary .missing').textContent")
    assert "those of train_iter_20.caffemodel" in said
    assert "newer.caffemodel" in said
    assert f"caffe-fcn evaluate {run}" in said


def test_a_folder_that_is_no_data_set_is_refused(run: Run, cli: Callable[..., Ran], tmp_path: Path) -> None:
    ran = cli("report", run.folder, "--data", tmp_path, "-o", tmp_path / "report.html")
    assert (ran.status, list(tmp_path.iterdir())) == (2, [])
    assert "holds no data set" in ran.err


def test_the_worst_and_the_best_images_are_chosen_once_each(run: Run) -> None:
    from dataclasses import replace

    assert run.scores is not None

    def choose(values: list[float | None], count: int) -> list[tuple[str, int]]:
        images = [ImageScore(index, str(index), value, value) for index, value in enumerate(values)]
        scored = replace(run, scores=replace(run.scores, per_image=images))
        return [(kind, index) for kind, index, _ in choose_images(scored, len(values), count)]

    assert choose([0.5, 0.1, None, 0.9, 0.3], 1) == [(WORST, 1), (BEST, 3)]
    assert choose([0.5, 0.1, None, 0.9, 0.3], 9) == [(WORST, 1), (WORST, 4), (BEST, 3), (BEST, 0)]
    assert choose([0.5], 2) == [(WORST, 0)]
    assert [index for _, index in choose([None] * 10, 2)] == [0, 2, 5, 7]
