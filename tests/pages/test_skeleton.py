"""The skeleton of pages, in a real browser: only the scripts of a fragment run, and nothing is loaded."""

from __future__ import annotations

import json
import time
from pathlib import Path

from browser import Browser
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.pages.skeleton import embed_json, render_page

SMUGGLED = """<script>window.broken = 1</script><img src="data:," onerror="window.broken = 2">
<a id="link" href="javascript:window.broken = 3">x</a><img src="https://example.com/x.png">"""


def test_scripts_that_came_in_with_a_part_do_not_run(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render_page("<b>", "<p>{{part}}</p><script>window.own = 1</script>", part=SMUGGLED))
    browser.view(800, 600)
    browser.open(page)
    browser.run("document.getElementById('link').click()")
    assert browser.run("[window.own, window.broken]") == [1, None]
    assert browser.run("document.title") == "<b>"
    end = time.monotonic() + 20
    while len(browser.errors) < 4 and time.monotonic() < end:  # the browser says what it has not done
        browser.run("0")
    assert len(browser.errors) == 4
    assert all("Content Security Policy" in each for each in browser.errors)


def test_a_fragment_without_scripts_runs_none() -> None:
    assert "script-src 'none'" in render_page("a", "<p>{{part}}</p>", part=SMUGGLED)


def test_a_part_is_not_searched_for_places() -> None:
    assert "<i>{{b}} {{title}}</i>" in render_page("t", "<i>{{a}}</i>", a="{{b}} {{title}}")


DOCUMENTS = st.recursive(
    st.text(max_size=9) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(DOCUMENTS)
def test_embedded_json_cannot_end_its_element(document: object) -> None:
    text = embed_json(document)
    assert "<" not in text
    assert json.loads(text) == document
