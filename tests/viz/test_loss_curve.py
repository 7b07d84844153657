"""The loss curve: a picture whose points are where they should be."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.engines.events import Event, Step
from caffe_fcn.engines.events import Test as NetTest
from caffe_fcn.training import History
from caffe_fcn.viz.loss_curve import draw_loss_curve, write_loss_curve

Points = list[tuple[float, float]]


def picture(*events: Event) -> ElementTree.Element:
    return ElementTree.fromstring(draw_loss_curve(History.from_events(events)))


def curves(svg: ElementTree.Element) -> list[Points]:
    """The polylines: training, its mean, tests."""
    paths = [path.get("d", "") for path in svg.iter("{http://www.w3.org/2000/svg}path") if path.get("fill") == "none"]
    return [[tuple(map(float, point.split())) for point in path[1:].split("L")] for path in paths]  # type: ignore[misc]


def texts(svg: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_a_geometric_decay_is_a_straight_line() -> None:
    """The loss axis is logarithmic where the losses span more than a decade."""
    svg = picture(*(Step(i, 4.5 * 0.81**i) for i in range(30)))
    points = curves(svg)[0]
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(points)]
    assert slopes == [pytest.approx(slopes[0], abs=0.02)] * 29
    assert slopes[0] > 0  # down, in a picture


def test_losses_of_one_size_have_a_linear_axis_from_zero() -> None:
    svg = picture(Step(0, 2.0), Step(50, 1.0), Step(100, 1.0))
    foot = 540 - 64
    (_, high), (middle, low), (right, _) = curves(svg)[0]
    assert (foot - high) == pytest.approx(2 * (foot - low), abs=0.2)
    assert middle == pytest.approx((84 + right) / 2, abs=0.1)
    assert {"0", "20", "100"} <= set(texts(svg))


def test_ticks_stand_where_their_values_are() -> None:
    svg = picture(*(Step(1000 * i, 100 * 0.9**i) for i in range(60)))
    labels = {text.text: float(text.get("y", 0)) - 5 for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    start = curves(svg)[0][0][1]
    assert labels["100"] == pytest.approx(start, abs=0.1)
    assert labels["10"] - labels["100"] == pytest.approx(labels["1"] - labels["10"], abs=0.2)


def test_large_figures_are_written_out() -> None:
    svg = picture(Step(0, 8e6), Step(600_000, 4e6))
    assert {"8,000,000", "4,000,000", "600,000", "0"} <= set(texts(svg))


def test_tests_are_dots() -> None:
    steps = [Step(i, 1.0, 0.1, (("loss", 1.0),)) for i in range(0, 40, 10)]
    tests = [NetTest(i, 0, (("accuracy", 0.5), ("loss", 1.0))) for i in (0, 20)]
    svg = picture(*sorted([*steps, *tests], key=lambda event: event.iteration))
    dots = list(svg.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == 2
    assert float(dots[0].get("cy", 0)) == pytest.approx(curves(svg)[0][0][1])
    assert {"training", "test"} <= set(texts(svg))


def test_divergence_is_shown() -> None:
    svg = picture(Step(0, 1.0), Step(10, 5.0), Step(20, math.nan), Step(30, math.nan))
    assert "diverged: nan from iteration 20 on" in texts(svg)
    assert len(curves(svg)[0]) == 2


def test_titles_are_escaped(tmp_path: Path) -> None:
    write_loss_curve(History.from_events([Step(0, 1.0)]), tmp_path / "loss.svg", title="a < b & c")
    assert "a < b & c" in texts(ElementTree.parse(tmp_path / "loss.svg").getroot())


LOSSES = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(LOSSES), st.lists(LOSSES))
def test_any_history_makes_a_picture_within_its_frame(trained: list[float], tested: list[float]) -> None:
    steps = [Step(10 * i, loss, 0.1, (("loss", loss),)) for i, loss in enumerate(trained)]
    svg = picture(*steps, *(NetTest(10 * i, 0, (("loss", loss),)) for i, loss in enumerate(tested)))
    for x, y in (point for curve in curves(svg) for point in curve):
        assert 83.9 <= x <= 928.1
        assert 63.9 <= y <= 476.1
    assert not re.search("nan|inf", " ".join(path.get("d", "") for path in svg.iter()))
