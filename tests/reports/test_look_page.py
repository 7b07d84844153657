"""The page of a look in a real browser: light, dark, on a phone, by the keyboard, with hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import saved_weights
from browser import Browser
from PIL import Image

from caffe_fcn import inspection, proto
from caffe_fcn.reports.look_page import render_look

pytest.importorskip("torch")

HOSTILE = """</script><img src=x onerror="window.broken=1">{{data}}'&amp;"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net of colour filters with a hostile name in it, looked into with a photo."""
    folder = tmp_path_factory.mktemp("look")
    net = proto.NetParameter(name=HOSTILE)
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 3, 20, 30])
    convolution = net.layer.add(name=HOSTILE, type="Convolution", bottom=["data"], top=[HOSTILE]).convolution_param
    convolution.num_output = 70
    convolution.kernel_size.append(5)
    net.layer.add(name="relu", type="ReLU", bottom=[HOSTILE], top=[HOSTILE])
    (folder / "deploy.prototxt").write_text(proto.to_text(net))
    values = np.random.default_rng(0).normal(0, 1, (70, 3, 5, 5))
    saved_weights.save(folder / "net.caffemodel", net, {HOSTILE: [values, np.zeros(70)]})
    ramp = np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))
    Image.fromarray(np.stack([ramp] * 3, axis=2)).save(folder / "photo.png")
    found = inspection.look(folder / "deploy.prototxt", folder / "net.caffemodel", folder / "photo.png", engine="torch")
    (folder / "page.html").write_text(render_look(found))
    return folder / "page.html"


def open_page(browser: Browser, page: Path, width: int = 1200, dark: bool = False) -> None:
    browser.view(width, 800, dark)
    browser.open(page)
    browser.wait_for("document.querySelectorAll('article:not([hidden]) canvas').length > 0")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (375, False)])
def test_it_opens_without_an_error_and_fits(browser: Browser, page: Path, width: int, dark: bool) -> None:
    open_page(browser, page, width, dark)
    for tab in range(3):
        browser.run(f"document.querySelectorAll('[role=tab]')[{tab}].click()")
        assert browser.overflows() == 0
    assert browser.errors == []
    assert {each for each in browser.requests if not each.startswith("data:")} == {page.as_uri()}
    bright = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (bright == "rgb(20, 24, 31)") is dark


def test_names_are_text(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    assert browser.run("window.broken") is None
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
    assert HOSTILE in browser.run("document.querySelector('nav').textContent")


def test_the_keyboard_goes_through_tabs_and_blobs(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    browser.run("document.querySelector('[role=tab]').focus()")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "Home"):
        browser.press(key)
        seen.append(browser.run("document.querySelector('[role=tabpanel]:not([hidden]) h2, table')?.textContent ?? ''"))
        chosen = "document.querySelector('[aria-selected=true]')"
        assert browser.run(f"document.activeElement === {chosen}")
    assert browser.run(f"{chosen}.textContent") == "Activations"
    browser.run("document.querySelector('nav button').focus()")
    browser.press("ArrowDown")
    assert browser.run("document.querySelector('article:not([hidden]) h2').textContent") == HOSTILE
    assert "changed in place by relu" in browser.run("document.querySelector('article:not([hidden])').textContent")


def test_channels_are_drawn_and_can_be_enlarged(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    column = "[...document.querySelector('article canvas').getContext('2d').getImageData({x}, 0, 1, 1).data]"
    before = browser.run(column.format(x=0)), browser.run(column.format(x=29))
    assert sum(before[0][:3]) < sum(before[1][:3])  # the ramp goes from dark to bright
    browser.run("""(() => { const c = document.getElementById("colours"); c.selectedIndex = 1; c.onchange(); })()""")
    browser.wait_for(f"{column.format(x=29)}.slice(0, 3).every(each => each === 255)")
    cell = "document.querySelector('article .channels button')"
    browser.run(f"{cell}.focus()")
    browser.press("Enter")
    assert browser.run(f"{cell}.getAttribute('aria-pressed')") == "true"


def test_of_many_channels_those_that_vary_most_are_shown(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    browser.run("document.querySelectorAll('nav button')[1].click()")
    browser.wait_for("document.querySelectorAll('article:not([hidden]) canvas').length === 64")
    assert "The 64 of 70 channels that vary most" in browser.run(
        "document.querySelector('article:not([hidden])').textContent"
    )


def test_filters_are_in_colour(browser: Browser, page: Path) -> None:
    open_page(browser, page)
    browser.run("document.querySelectorAll('[role=tab]')[2].click()")
    browser.wait_for("document.querySelectorAll('.filters canvas').length === 70")
    weights = np.random.default_rng(0).normal(0, 1, (70, 3, 5, 5)).astype(np.float32)[0]
    expected = np.rint((weights[::-1, 0, 0] - weights.min()) * (255 / (weights.max() - weights.min())))
    pixel = "[...document.querySelector('.filters canvas').getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert browser.run(pixel)[:3] == expected.tolist()
