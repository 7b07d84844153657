"""Markup: whatever a text says, a parser of HTML reads the same text again, and no element more."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.pages.markup import join, make, make_facts, make_table

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"))


class Reader(HTMLParser):
    """What a parser finds in markup: elements with their attributes, and all text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXTS, TEXTS)
def test_texts_and_attributes_are_read_as_they_were(text: str, title: str) -> None:
    found = Reader(make("p", text, title=title, class_="a"))
    assert found.elements == [("p", [("title", title), ("class", "a")])]
    assert found.text == text


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=4))
def test_cells_of_a_table_are_texts(rows: list[list[str]]) -> None:
    found = Reader(make_table(["<a>", "b"], rows))
    assert [tag for tag, _ in found.elements] == ["div", "table", "thead", "tr", "th", "th", "tbody"] + [
        "tr", "th", "td",
    ] * len(rows)  # fmt: skip
    assert found.text == "<a>b" + "".join(cell for row in rows for cell in row)


def test_markup_within_markup_stays_markup() -> None:
    assert join(("<", make("b", "x"), make("br"), 5)) == "&lt;<b>x</b><br>5"
    assert Reader(make_facts([("a", make("i", "<b>"))])).elements[-1] == ("i", [])


def test_what_no_document_can_hold_is_replaced() -> None:
    assert make("p", "a\udc80b").encode() == b"<p>a?b</p>"
