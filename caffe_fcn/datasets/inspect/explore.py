"""A data set to look at: a page for the browser, or a sheet of pictures.

The page is one file and asks nothing of the network. All that comes from the data set goes into it as data
(JSON in a script element of type application/json) and into the document as text, never as markup. A large
data set is shown by records spread evenly over it.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records import images, palette
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.errors import DatasetError
from caffe_fcn.progress import Progress, TaskProgress

if TYPE_CHECKING:
    from PIL.Image import Image

_PER_PAGE = 24
_SMALL = 96  # pictures below this size are shown with their pixels
_OVERLAY = 0.55
_MARGIN, _LINE, _NARROWEST = 8, 14, 80


@dataclass(frozen=True)
class View:
    """A record to be shown: its thumbnails, the label's with a palette (black classes let through), and shares."""

    name: str
    size: str
    image: Image
    label: Image | None
    shares: Mapping[int, float]
    """Value -> its share of the label's pixels."""


def make_views(
    pairs: Pairs, count: int, side: int, workers: int = 1, progress: TaskProgress | None = None
) -> list[View]:
    """``count`` records, or all if there are fewer, none larger than ``side``; raises `DatasetError`."""
    total = min(count, len(pairs))
    colours = _colours(pairs)

    def view(number: int) -> View:
        return _view(pairs, number * len(pairs) // total, side, colours)

    made = []
    for one in map_in_order(view, range(total), workers):
        made.append(one)
        if progress:
            progress(len(made), total)
    return made


def render_page(shown: Mapping[str, tuple[Pairs, Sequence[View]]], name: str, progress: Progress | None = None) -> str:
    """The page of some splits, split -> its pairs and views, as HTML."""
    first = next(iter(shown.values()))[0]
    about = first.about
    document = {
        "name": name,
        "perPage": _PER_PAGE,
        "colours": ["rgb({} {} {})".format(*colour) for colour in _colours(first)],
        "names": dict(enumerate(about.classes or ())) if about else {},
        "grey": about is not None and about.labels == "grey",
        "ignore": about.ignore_label if about else 255,
        "splits": [_split(split, *content, progress) for split, content in shown.items()],
    }
    template = Path(__file__).with_name("explore.html").read_text(encoding="utf-8")
    return template.replace("{{data}}", json.dumps(document, separators=(",", ":")).replace("<", "\\u003c"))


def render_sheet(pairs: Pairs, shown: Sequence[View], columns: int = 2) -> NDArray[np.uint8]:
    """One picture, H x W x 3 (red first): image, label and overlay of each view, its name, and a legend.

    Raises `DatasetError` where there is nothing to show.
    """
    from PIL import Image, ImageDraw

    if not shown:
        raise DatasetError(pairs.images.path, "has no records to show", "name another split")
    columns = min(columns, len(shown))
    wide, high = (max(view.image.size[axis] for view in shown) for axis in (0, 1))
    wide = max(wide, _NARROWEST)
    width, height = 3 * wide + 4 * _MARGIN, high + _LINE + 2 * _MARGIN
    rows = -(-len(shown) // columns)
    entries = _legend(pairs, shown)
    legend_rows = -(-len(entries) // (3 * columns))
    canvas = Image.new("RGB", (columns * width, rows * height + legend_rows * (_LINE + 6) + _MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    for number, view in enumerate(shown):
        x, y = number % columns * width + _MARGIN, number // columns * height + _MARGIN
        for place, picture in enumerate(_pictures(view)):
            canvas.paste(picture, (x + place * (wide + _MARGIN), y))
        draw.text((x, y + high + 1), f"{view.name}  {view.size}", fill="black")
    for number, (colour, text) in enumerate(entries):
        x = number % (3 * columns) * (wide + _MARGIN) + _MARGIN
        y = rows * height + number // (3 * columns) * (_LINE + 6)
        draw.rectangle((x, y, x + _LINE, y + _LINE), fill=colour, outline="grey")
        draw.text((x + _LINE + 6, y + 1), text, fill="black")
    return np.asarray(canvas)


def _view(pairs: Pairs, index: int, side: int, colours: Sequence[palette.Colour]) -> View:
    image, label = pairs[index]
    if image.dtype != np.uint8 or image.shape[0] not in (1, 3, 4):
        where = pairs.locate(pairs.images, index)
        raise DatasetError(where, f"has {image.shape[0]} channels of {image.dtype}, no picture", "look at another one")
    picture = images.to_pillow(image).convert("RGB")
    picture.thumbnail((side, side))
    name, size = pairs.names[index], f"{image.shape[1]} x {image.shape[2]}"
    if label.ndim != 3 or label.shape[0] != 1:
        return View(name, size, picture, None, {} if label.ndim == 3 else {int(label): 1.0})
    values = np.clip(label[0], 0, 255).astype(np.uint8)
    counts = np.bincount(values.ravel(), minlength=256)
    shares = {int(value): float(counts[value]) / values.size for value in np.flatnonzero(counts)}
    lets_through = pairs.about is None or pairs.about.labels == "classes"
    return View(name, size, picture, _painted(values, picture.size, colours, lets_through), shares)


def _painted(
    label: NDArray[np.uint8], size: tuple[int, int], colours: Sequence[palette.Colour], lets_through: bool
) -> Image:
    from PIL import Image

    # One byte a pixel: what is noisy is compressed ten times faster than its colours would be.
    painted = Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
    painted.putpalette(bytes(value for colour in colours for value in colour))
    painted.info["transparency"] = bytes(255 * (any(colour) or not lets_through) for colour in colours)
    return painted


def _colours(pairs: Pairs) -> Sequence[palette.Colour]:
    """A colour for each of 256 values."""
    about = pairs.about
    if about is not None and about.labels == "grey":
        return [(value, value, value) for value in range(256)]
    given = [(r, g, b) for r, g, b in about.palette] if about is not None and about.palette else []
    return [*given, *palette.make_voc_palette()[len(given) :]]


def _split(name: str, pairs: Pairs, shown: Sequence[View], progress: Progress | None) -> dict[str, Any]:
    statistics = (pairs.about.splits[name].get("statistics") if pairs.about else None) or {}
    pixels = {int(value): float(count) for value, count in statistics.get("pixels", {}).items()}
    counted = f"share of the pixels of all {len(pairs)} records"
    if not pixels:
        for view in shown:
            for value, share in view.shares.items():
                pixels[value] = pixels.get(value, 0) + share
        counted = f"mean share in the {len(shown)} records shown"
    total = sum(pixels.values()) or 1
    return {
        "name": name,
        "facts": f"{len(pairs)} record{'s' * (len(pairs) != 1)}"
        + (f", {len(shown)} shown" if len(shown) < len(pairs) else ""),
        "counted": counted,
        "shares": {value: count / total for value, count in sorted(pixels.items())},
        "records": list(_records(name, shown, progress)),
    }


def _records(name: str, shown: Sequence[View], progress: Progress | None) -> Iterator[dict[str, Any]]:
    for number, view in enumerate(shown, 1):
        small = max(view.image.size) < _SMALL
        yield {
            "name": view.name,
            "size": view.size,
            "image": _embedded(view.image, "PNG" if small else "JPEG"),
            "label": None if view.label is None else _embedded(view.label, "PNG"),
            "small": small,
            "shares": view.shares,
        }
        if progress:
            progress(f"writing {name}", number, len(shown))


def _embedded(picture: Image, kind: str) -> str:
    data = io.BytesIO()
    picture.save(data, kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


def _pictures(view: View) -> list[Image]:
    if view.label is None:
        return [view.image]
    from PIL import Image

    label = view.label.convert("RGBA")
    black = Image.new("RGB", view.image.size)
    black.paste(label, mask=label.getchannel("A"))
    overlay = view.image.copy()
    overlay.paste(label.convert("RGB"), mask=label.getchannel("A").point(lambda alpha: alpha * _OVERLAY))
    return [view.image, black, overlay]


def _legend(pairs: Pairs, shown: Sequence[View]) -> list[tuple[palette.Colour, str]]:
    values = sorted({value for view in shown if view.label is not None for value in view.shares})
    about, colours = pairs.about, _colours(pairs)
    names = dict(enumerate(about.classes or ())) if about is not None else {}
    ignore = about.ignore_label if about is not None else 255
    return [(colours[v], names.get(v) or ("ignored" if v == ignore else f"value {v}")) for v in values]
