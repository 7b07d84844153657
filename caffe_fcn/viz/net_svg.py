"""A net's topology as SVG that needs no script: within a page in the colours of its theme, elsewhere in light ones.

The boxes are those of the page to explore a net (see `page`); what is known of a layer shows under the pointer.
"""

from __future__ import annotations

from caffe_fcn.pages.markup import Markup, make
from caffe_fcn.viz.draw import COLOURS
from caffe_fcn.viz.page import HEAD, LONGEST, MARGIN, ROW, Frame, arrange
from caffe_fcn.viz.topology import Card, Topology

_EDGE = 14  # around the picture
_INK, _SOFT, _LINE, _RIM = (
    "var(--ink, #1c2430)",
    "var(--soft, #566071)",
    "var(--line, #9aa6b5)",
    "var(--rim, #00000026)",
)


def draw_net(picture: Topology) -> Markup:
    """Draw a topology; returns an SVG element."""
    places = arrange(picture)
    lines = [make("path", d=path, fill="none", stroke=_LINE, stroke_width=1.3) for path in places.paths]
    boxes = [_draw_box(box.cards, frame) for box, frame in zip(picture.boxes, places.frames, strict=True)]
    width, height = places.width + 2 * _EDGE, places.height + 2 * _EDGE
    return make(
        "svg",
        *lines,
        *boxes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"{-_EDGE} {-_EDGE} {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        font_family="system-ui, Helvetica, Arial, sans-serif",
        role="img",
        aria_label=f"The layers of {picture.name or 'the net'}",
    )


def _draw_box(cards: list[Card], frame: Frame) -> Markup:
    parts = [make("rect", width=frame.w, height=frame.h, rx=9, fill="var(--card, #ffffff)", stroke=_RIM)]
    parts += [_draw_card(card, place, frame.w) for place, card in enumerate(cards)]
    return make("g", *parts, transform=f"translate({frame.x} {frame.y})")


def _draw_card(card: Card, place: int, width: float) -> Markup:
    """Draw a layer: the first one with its shape, those that work in place as a row each."""
    facts = f"{card.type} {card.facts}".strip()
    shape = " ".join(shape for _, shape in card.tops)
    fill = f"var(--{card.role}, {COLOURS[card.role]})"
    hint = make("title", "\n".join(filter(None, (card.name, facts, shape))))
    if place:
        row = make("rect", x=3, y=1, width=width - 6, height=ROW - 3, rx=4, fill=fill)
        text = _write(13.5, f"{card.type} {card.name} {card.facts}", LONGEST + 8)
        return make("g", hint, row, text, transform=f"translate(0 {HEAD + (place - 1) * ROW})")
    row = make("rect", x=3, y=3, width=width - 6, height=HEAD - 5, rx=7, fill=fill)
    title = _write(19, card.name, LONGEST, size=13, weight=650)
    return make("g", hint, row, title, _write(34, facts, LONGEST + 8), _write(48, shape, LONGEST + 8, fill=_SOFT))


def _write(y: float, text: str, most: int, fill: str = _INK, size: int = 11, weight: int = 400) -> Markup:
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return make("text", shown, x=MARGIN, y=y, font_size=size, font_weight=weight, fill=fill)
