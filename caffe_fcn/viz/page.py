"""A net as a page for the browser: one file, no network, to pan, zoom and click in.

The places are computed here (`layered`), the page draws them. All that comes from the net goes into the page
as data (JSON in a script element of type application/json), and into the document as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from caffe_fcn.pages import skeleton
from caffe_fcn.pages.skeleton import embed_json, read_fragment
from caffe_fcn.viz.layered import Point, layout
from caffe_fcn.viz.topology import ROLES, Box, Topology

# Figures of the page's style sheet, in pixels: a box's head with name, type and shape, a row for each layer that
# works in place, and what a character takes.
HEAD, ROW, MARGIN = 58, 20, 12
LONGEST = 34
_TITLE_CHARACTER, _CHARACTER = 8.6, 6.6
_NARROWEST = 110


class Frame(NamedTuple):
    """Where a box is: its left upper corner and its size."""

    x: float
    y: float
    w: float
    h: float


class Arrangement(NamedTuple):
    """A topology with places: a frame for each box, the path of each line."""

    width: float
    height: float
    frames: list[Frame]
    paths: list[str]


def arrange(picture: Topology) -> Arrangement:
    """Find a place for every box and line of a topology."""
    places = layout([_measure(box) for box in picture.boxes], [(line.source, line.target) for line in picture.lines])
    frames = [_frame(box, centre) for box, centre in zip(picture.boxes, places.centres, strict=True)]
    return Arrangement(round(places.width, 1), round(places.height, 1), frames, [*map(_path, places.lines)])


def render_page(picture: Topology) -> str:
    """The page, as HTML."""
    places = arrange(picture)
    numbers = iter(range(sum(len(box.cards) for box in picture.boxes)))
    document = {
        "name": picture.name,
        "totals": picture.totals,
        "unknown": picture.unknown,
        "roles": ROLES,
        "width": places.width,
        "height": places.height,
        "layers": [asdict(card) for box in picture.boxes for card in box.cards],
        "boxes": [
            {**frame._asdict(), "layers": [next(numbers) for _ in box.cards]}
            for box, frame in zip(picture.boxes, places.frames, strict=True)
        ],
        "lines": [
            {"from": line.source, "to": line.target, "blobs": line.blobs, "path": path}
            for line, path in zip(picture.lines, places.paths, strict=True)
        ],
        "longest": LONGEST,
    }
    fragment = read_fragment(Path(__file__).with_name("page.html"))
    return skeleton.render_page(picture.name or "Net", fragment, data=embed_json(document))


def _measure(box: Box) -> tuple[float, float]:
    first, *others = box.cards
    title = _TITLE_CHARACTER * min(len(first.name), LONGEST)
    rows = [f"{first.type} {first.facts}", *(f"{card.type} {card.name} {card.facts}" for card in others)]
    widest = max(title, *(_CHARACTER * min(len(row), LONGEST + 8) for row in rows))
    return max(widest + 2 * MARGIN, _NARROWEST), HEAD + ROW * len(others)


def _frame(box: Box, centre: Point) -> Frame:
    width, height = _measure(box)
    corner = round(centre[0] - width / 2, 1), round(centre[1] - height / 2, 1)
    return Frame(*corner, round(width, 1), round(height, 1))


def _path(points: Sequence[Point]) -> str:
    """Curves from point to point that begin and end upright; straight where they go straight down."""
    (x, y), *rest = points
    steps = [f"M{x:.1f} {y:.1f}"]
    for nx, ny in rest:
        middle = (y + ny) / 2
        steps.append(f"C{x:.1f} {middle:.1f} {nx:.1f} {middle:.1f} {nx:.1f} {ny:.1f}" if nx != x else f"V{ny:.1f}")
        x, y = nx, ny
    return "".join(steps)
