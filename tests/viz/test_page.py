"""The page of a net in a real browser: it draws, pans, zooms, and tells of a layer what is true of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import reference
from browser import Browser

from caffe_fcn import netspec, proto
from caffe_fcn.viz.draw import draw

HOSTILE = """</script><img src=x onerror="window.broken=1">{{data}} ${1} 'a' "b" \\u003c &amp; Ж"""


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("page") / "net.html"
    assert draw(netspec.build("voc-fcn-alexnet", phase="deploy"), page) == []
    return page


@pytest.fixture
def page(browser: Browser, alexnet: Path) -> Browser:
    """FCN-AlexNet, opened from its file."""
    browser.open(alexnet)
    return browser


def layer(name: str) -> str:
    return f"document.querySelector('[aria-label^=\"{name},\"]')"


def click(page: Browser, name: str) -> None:
    x, y, width, height = place(page, layer(name))
    page.click(x + width / 2, y + height / 2)


def place(page: Browser, element: str) -> tuple[float, float, float, float]:
    script = "(({x, y, width, height}) => [x, y, width, height])(%s.getBoundingClientRect())"
    return tuple(page.run(script % element))


def told(page: Browser) -> dict[str, str]:
    """The rows of the panel, or nothing where it is closed."""
    rows = """[...panel.querySelectorAll("tr")].map(row => [...row.children].map(cell => cell.textContent))"""
    return dict(page.run(f"panel.hidden ? [] : {rows}"))


def title(page: Browser) -> str:
    return str(page.run("""panel.hidden ? "" : panel.querySelector("h2").textContent"""))


def view(page: Browser) -> dict[str, float]:
    return dict(page.run("({...look})"))


def test_it_needs_no_network_and_meets_no_error(page: Browser, alexnet: Path) -> None:
    assert page.requests == [alexnet.as_uri()]
    assert page.errors == []


def test_every_layer_is_there_and_none_lies_on_another(page: Browser) -> None:
    names = page.run(
        """[...document.querySelectorAll(".layer")].map(g => g.getAttribute("aria-label").split(",")[0])"""
    )
    assert names == [each.name for each in netspec.build("voc-fcn-alexnet", phase="deploy").layer]
    overlaps = page.run("""
        (() => {
            const frames = [...document.querySelectorAll(".frame")].map(each => each.getBoundingClientRect());
            return frames.some((a, i) => frames.some((b, j) => i < j && a.left < b.right && b.left < a.right
                                                        && a.top < b.bottom && b.top < a.bottom));
        })()""")
    assert overlaps is False


def test_text_stays_in_its_box(page: Browser) -> None:
    assert page.run("""
        [...document.querySelectorAll(".layer")].every(g => {
            const right = g.querySelector("rect").getBoundingClientRect().right;
            return [...g.querySelectorAll("text")].every(text => text.getBoundingClientRect().right <= right);
        })""")


def test_a_click_tells_shapes_parameters_scale_and_offset(page: Browser) -> None:
    published = {row["layer"]: row for row in reference.rows("offset_table_fcn_alexnet.csv")}
    click(page, "conv1")
    assert title(page) == "conv1"
    rows = told(page)
    assert rows["weights"] == "96x3x11x11"
    assert rows["biases"] == "96"
    assert rows["parameters"] == "34,944"  # 96 * 3 * 11 * 11 + 96
    assert rows["pad"] == "100"
    for column, name in COLUMNS.items():
        assert rows[name] == published["conv1"][column]


COLUMNS = {
    "scale": "scale",
    "cumulative_scale": "cumulative scale",
    "offset": "offset",
    "cumulative_offset": "cumulative offset",
}


def test_a_layer_that_works_in_place_has_a_row_of_its_own(page: Browser) -> None:
    click(page, "relu1")
    assert title(page) == "relu1"
    assert page.run(f"{layer('relu1')}.parentNode === {layer('conv1')}.parentNode")


def test_the_arrow_keys_walk_along_the_blobs(page: Browser) -> None:
    seen = []
    for key in ["ArrowDown"] * 5 + ["ArrowUp", "End", "Home"]:
        page.press(key)
        seen.append(title(page))
    assert seen[:6] == ["input", "conv1", "relu1", "pool1", "norm1", "pool1"]
    assert seen[6:] == ["score", "input"]
    assert page.run("document.activeElement.getAttribute('aria-label')").startswith("input,")


def test_tab_and_enter_open_a_layer_and_escape_closes_it(page: Browser) -> None:
    page.run("document.querySelector('.layer[tabindex=\"0\"]').focus()")
    page.press("Enter")
    assert title(page) == "input"
    page.press("Escape")
    assert title(page) == ""


def test_a_layer_is_found_by_its_name(page: Browser) -> None:
    page.press("/")
    for character in "upsc":
        page.press(character)
    assert page.run("search.value") == "upsc"
    assert page.run("""document.querySelectorAll(".layer:not(.faded)").length""") == 1
    page.press("Enter")
    assert title(page) == "upscore"
    page.press("Escape")
    assert page.run("""document.querySelectorAll(".faded").length""") == 0
    page.press("ArrowUp")
    assert title(page) == "score_fr"


def test_the_wheel_zooms_about_the_pointer(page: Browser) -> None:
    left, top, *_ = place(page, "svg")
    before = view(page)
    page.wheel(left + 300, top + 200, -200)
    after = view(page)
    assert after["k"] > before["k"]
    for axis, pointer in (("x", 300), ("y", 200)):
        assert after[axis] + pointer / after["k"] == pytest.approx(before[axis] + pointer / before["k"])


def test_dragging_pans_and_does_not_click(page: Browser) -> None:
    before = view(page)
    x, y, *_ = place(page, layer("conv1"))
    page.drag(x + 9, y + 9, -60, 40)
    after = view(page)
    assert after["x"] == pytest.approx(before["x"] + 60 / before["k"])
    assert after["y"] == pytest.approx(before["y"] - 40 / before["k"])
    assert title(page) == ""


def test_the_whole_net_fits(page: Browser) -> None:
    page.press("0")
    assert page.run("""
        (() => {
            const all = view.getBoundingClientRect(), seen = svg.getBoundingClientRect();
            return all.left >= seen.left && all.right <= seen.right && all.top >= seen.top && all.bottom <= seen.bottom;
        })()""")


def test_names_are_text_whatever_they_say(browser: Browser, tmp_path: Path) -> None:
    net = proto.NetParameter(name=HOSTILE)
    net.layer.add(name=HOSTILE, type="Input", top=[HOSTILE]).input_param.shape.add(dim=[1, 2, 3, 4])
    net.layer.add(name="relu", type="ReLU", bottom=[HOSTILE], top=["out"])
    assert draw(net, tmp_path / "net.html") == []
    browser.open(tmp_path / "net.html")
    assert browser.errors == []
    assert browser.run("window.broken") is None
    assert browser.run("document.images.length") == 0
    assert browser.run("document.title") == " ".join(HOSTILE.split())
    browser.press("Home")
    assert title(browser) == HOSTILE


def test_a_net_whose_shapes_are_unknown_is_drawn_and_says_why(browser: Browser, tmp_path: Path) -> None:
    (why,) = draw(netspec.build("voc-fcn8s", phase="train"), tmp_path / "net.html", "train")
    assert "layer 'data' (Python)" in why
    browser.open(tmp_path / "net.html")
    assert browser.errors == []
    assert "layer 'data' (Python)" in browser.run("unknown.textContent")
    click(browser, "conv1_1")
    assert told(browser)["cumulative offset"] == "31"
    assert "weights" not in told(browser)


def test_an_empty_net_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    draw(proto.NetParameter(), tmp_path / "net.html")
    browser.open(tmp_path / "net.html")
    for key in ("ArrowDown", "0", "Escape"):
        browser.press(key)
    assert browser.errors == []
