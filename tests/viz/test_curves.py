"""Curves of trainings: every figure in its panel, every point in its place, in each format."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from caffe_fcn.engines.events import Event, Step
from caffe_fcn.engines.events import Test as NetTest
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.training import History
from caffe_fcn.viz.curves import arrange_panels, write_curves

BLUE, ORANGE = "#1c5aa6", "#d9622b"
SVG = "{http://www.w3.org/2000/svg}"


def training(scale: float = 1.0, output: str = "loss") -> History:
    steps = [Step(i, scale * (40 - i), 0.1, ((output, scale * (40 - i)),)) for i in range(0, 31, 10)]
    tests = [NetTest(i, 0, (("accuracy", i / 40), (output, scale * (20 - i / 2)))) for i in (0, 20)]
    return History.from_events(sorted([*steps, *tests], key=lambda event: event.iteration))


def draw(folder: Path, *events: Event) -> ElementTree.Element:
    write_curves({"a": History.from_events(events)}, folder / "a.svg")
    return ElementTree.parse(folder / "a.svg").getroot()


def texts(svg: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def lines(svg: ElementTree.Element, colour: str, width: str) -> list[list[tuple[float, float]]]:
    """The lines of this colour and width, but for those of the legend, which have two points at the same height."""
    paths = [
        path.get("d", "")
        for path in svg.iter(f"{SVG}path")
        if (path.get("stroke"), path.get("stroke-width")) == (colour, width)
    ]
    points = [[tuple(map(float, each.split())) for each in path[1:].split("L")] for path in paths]
    return [line for line in points if len(line) != 2 or line[0][1] != line[1][1]]  # type: ignore[misc]


@pytest.mark.parametrize("output", ["loss", "softmax"])
def test_the_only_output_of_the_training_net_is_its_loss(output: str) -> None:
    panels = arrange_panels([training(output=output), training(output=output)])
    assert [panel.title for panel in panels] == ["loss", "accuracy", "lr"]
    assert [(number, curve.label) for number, curve in panels[0].curves] == [
        *((0, "loss"), (0, f"test {output}")),
        *((1, "loss"), (1, f"test {output}")),
    ]


def test_a_test_is_on_the_axes_of_its_training(tmp_path: Path) -> None:
    """The test at iteration 20 has half the loss of the step there, and the axis is linear from 0."""
    write_curves({"a": training()}, tmp_path / "a.svg", only=["loss"])
    svg = ElementTree.parse(tmp_path / "a.svg").getroot()
    ((left, top), (x, y)) = lines(svg, ORANGE, "1.6")[0]
    mean = lines(svg, BLUE, "2.4")[0]
    assert [mean[0][0], mean[2][0]] == [left, x]
    foot = 2 * y - top  # 20 is at the top of the line, 10 at its end, so 0 is as far below
    assert foot - top == pytest.approx((foot - mean[0][1]) / 2, abs=0.2)


def test_dots_say_what_they_stand_for(tmp_path: Path) -> None:
    write_curves({"first.log": training()}, tmp_path / "a.svg")
    hints = {title.text for title in ElementTree.parse(tmp_path / "a.svg").getroot().iter(f"{SVG}title")}
    assert "first.log: test accuracy 0.5 at iteration 20" in hints


def test_each_training_has_its_colour_and_its_name(tmp_path: Path) -> None:
    write_curves({"first": training(), "second": training(0.5)}, tmp_path / "a.svg")
    svg = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert {"first", "second", "training", "test", "loss", "accuracy", "lr"} <= set(texts(svg))
    assert len(lines(svg, BLUE, "1.6")) == len(lines(svg, ORANGE, "1.6")) == 2  # tests of loss and accuracy


def test_a_png_shows_the_same_colours(tmp_path: Path) -> None:
    write_curves({"a": training()}, tmp_path / "a.png")
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as image:
        assert image.format == "PNG"
        pixels = {tuple(pixel) for pixel in np.unique(np.asarray(image).reshape(-1, 3), axis=0)}
    for colour in (BLUE, ORANGE):
        assert tuple(bytes.fromhex(colour[1:])) in pixels


def test_a_page_holds_the_picture_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    write_curves({"a<b>": training()}, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<title>a&lt;b&gt;</title>" in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_loss_that_is_not_finite_is_said(tmp_path: Path) -> None:
    svg = draw(tmp_path, Step(0, 1.0), Step(10, 2.0), Step(20, math.nan))
    assert "diverged: not finite in places" in texts(svg)


def test_names_are_text_whatever_they_are(tmp_path: Path) -> None:
    svg = draw(tmp_path, NetTest(0, 0, (("<a>&\x01\udc80", 1.0),)))
    assert "<a>&??" in texts(svg)


def test_long_trainings_are_thinned_and_keep_their_ends(tmp_path: Path) -> None:
    svg = draw(tmp_path, *(Step(i, 1.0 + i % 2) for i in range(20001)))
    (line,) = lines(svg, BLUE, "2.4")
    assert len(line) <= 2001
    assert [line[0][0], line[-1][0]] == [72, 960 - 24]


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    test = NetTest(0, 0, tuple((f"iou{number}", 0.5) for number in range(30)))
    assert write_curves({"a": History.from_events([test])}, tmp_path / "a.svg") == 6


@pytest.mark.parametrize(
    ("name", "only", "what"), [("a.gif", [], "no picture has"), ("a.svg", ["iou"], "no figure is called 'iou'")]
)
def test_unknown_formats_and_figures_are_refused(tmp_path: Path, name: str, only: Sequence[str], what: str) -> None:
    with pytest.raises(CaffeFcnError, match=what):
        write_curves({"a": training()}, tmp_path / name, only)
    assert not (tmp_path / name).exists()


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5)


@given(VALUES, VALUES)
def test_any_figures_make_a_picture(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float], tests: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    events: list[Event] = [Step(10 * i, loss, loss) for i, loss in enumerate(losses)]
    svg = draw(folder, *events, *(NetTest(100 + i, 0, (("a", value),)) for i, value in enumerate(tests)))
    for path in svg.iter(f"{SVG}path"):
        assert not {"nan", "inf"} & set(path.get("d", "").lower().replace("l", " ").split())
