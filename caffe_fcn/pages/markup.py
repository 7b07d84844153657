"""Markup whose text is always escaped.

    make("p", "5 < 6, says ", make("b", name), class_="remark")

A child that is `Markup` stands as it is, and every other one is text. So what comes from a net, a data set or a user
can become an element in no way.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_WITHOUT_END = frozenset(("br", "img", "input", "meta"))


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def make(tag: str, *children: object, **attributes: object) -> Markup:
    """Make an element.

    An attribute named ``class_`` is ``class``, an underscore elsewhere a hyphen. An attribute that is None or False is
    left out, and one that is True has no value.

    >>> make("a", "R&D <1>", href="#x", data_kind='"', hidden=True, title=None)
    '<a href="#x" data-kind="&quot;" hidden>R&amp;D &lt;1&gt;</a>'
    """
    written = "".join(_write_attribute(name, value) for name, value in attributes.items())
    if tag in _WITHOUT_END:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(parts: Iterable[object]) -> Markup:
    """Join markup and texts to markup."""
    return Markup("".join(part if isinstance(part, Markup) else _escape(part) for part in parts))


def make_table(
    header: Sequence[object], rows: Iterable[Sequence[object]], numbers: Iterable[int] = (), label: str = ""
) -> Markup:
    """Make a table with a header, in a frame that scrolls where the page is too narrow.

    The columns numbered in ``numbers`` are aligned right. The first cell of a row is its heading. ``label`` says what
    the table is to those who hear the page.
    """
    right = frozenset(numbers)

    def align(place: int) -> str | None:
        return "number" if place in right else None

    head = make("tr", *(make("th", cell, scope="col", class_=align(place)) for place, cell in enumerate(header)))
    body = [
        make(
            "tr",
            *(
                make("td" if place else "th", cell, class_=align(place), scope=None if place else "row")
                for place, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    table = make("table", make("thead", head), make("tbody", *body))
    return make("div", table, class_="scroll", role="region", tabindex=0, aria_label=label or "table")


def make_facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Make a list of names with their values."""
    return make("dl", *(join((make("dt", name), make("dd", value))) for name, value in pairs), class_="facts")


def make_cards(figures: Iterable[tuple[object, object]]) -> Markup:
    """Make a card for each figure, with what it is."""
    cards = (make("div", make("b", figure), make("span", what), class_="card") for figure, what in figures)
    return make("div", *cards, class_="cards")


def _write_attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escape(value)}"'


def _escape(value: object) -> str:
    """Escape a text, and replace what no document can hold: half of a surrogate pair, of a file name for example."""
    return html.escape(str(value).encode("utf-8", "replace").decode())
