"""Show a data set: as a page for the browser, or as a picture (a contact sheet).

The page is one file and loads nothing from the network. What comes from the data set is embedded as data (JSON in a
script element of type application/json) and shown as text, never as markup. Of a large data set, records at equal
distances are shown; with transforms, each beside a few augmented forms of itself.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.inspect.painting import choose_colours, draw_overlay, has_transparent_black, paint
from caffe_fcn.datasets.inspect.variations import describe_transforms, make_variations
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records import images, palette
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.errors import DatasetError
from caffe_fcn.pages import skeleton
from caffe_fcn.pages.skeleton import embed_json, encode_picture, read_fragment
from caffe_fcn.progress import Progress, TaskProgress

if TYPE_CHECKING:
    from PIL.Image import Image

_PER_PAGE = 24
_SMALL = 96  # pixels; smaller pictures are enlarged without smoothing
_MARGIN, _LINE, _NARROWEST = 8, 14, 80
_LETTER = 5.5  # pixels that a letter takes on the sheet


class Form(NamedTuple):
    """An augmented form of a record: thumbnails as those of a `View`, and what was done to it."""

    image: Image
    label: Image | None
    text: str


@dataclass(frozen=True)
class View:
    """A record to show: thumbnails of the image and the label, and the share of each value.

    The label's thumbnail has a palette in which black is transparent. ``forms`` are augmented ones.
    """

    name: str
    size: str
    image: Image
    label: Image | None
    shares: Mapping[int, float]
    """Value -> its share of the pixels of the label."""
    forms: Sequence[Form] = ()


def make_views(
    pairs: Pairs,
    count: int,
    side: int,
    workers: int = 1,
    progress: TaskProgress | None = None,
    transforms: Mapping[str, Any] | None = None,
) -> list[View]:
    """Make views of ``count`` records, or of all if there are fewer; raises `DatasetError`.

    Thumbnails are at most ``side`` pixels wide and high; those of augmented forms have the scale of their image.
    ``transforms`` are those of augmented forms (see `caffe_fcn.augmentation.parse_transforms`); None for no forms.
    """
    total = min(count, len(pairs))
    colours = choose_colours(pairs.about)

    def make_view(number: int) -> View:
        return _make_view(pairs, number * len(pairs) // total, side, colours, transforms)

    views = []
    for one in map_in_order(make_view, range(total), workers):
        views.append(one)
        if progress:
            progress(len(views), total)
    return views


def render_page(
    shown: Mapping[str, tuple[Pairs, Sequence[View]]],
    name: str,
    progress: Progress | None = None,
    transforms: Mapping[str, Any] | None = None,
) -> str:
    """Render the page, as HTML, of some splits: split -> its pairs and views; ``transforms`` are those of the views."""
    first = next(iter(shown.values()))[0]
    about = first.about
    document = {
        "name": name,
        "perPage": _PER_PAGE,
        "colours": ["rgb({} {} {})".format(*colour) for colour in choose_colours(first.about)],
        "names": dict(enumerate(about.classes or ())) if about else {},
        "grey": about is not None and about.labels == "grey",
        "ignore": about.ignore_label if about else 255,
        "transforms": describe_transforms(transforms) if transforms is not None else "",
        "splits": [_describe_split(split, *content, progress) for split, content in shown.items()],
    }
    fragment = read_fragment(Path(__file__).with_name("explore.html"))
    return skeleton.render_page(name, fragment, data=embed_json(document))


def render_sheet(pairs: Pairs, shown: Sequence[View], columns: int = 2) -> NDArray[np.uint8]:
    """Render one picture, H x W x 3 (R, G, B): image, label and overlay of each view, its name, and a legend.

    Views with augmented forms show the overlay and, beside it, those of the forms, one view in each row.
    Raises `DatasetError` where there is nothing to show.
    """
    from PIL import Image, ImageDraw

    if not shown:
        raise DatasetError(pairs.images.path, "has no records to show", "name another split")
    pictures = [_draw_pictures(view) for view in shown]
    across = max(3, *map(len, pictures))
    columns = 1 if across > 3 else min(columns, len(shown))
    wide, high = (max(picture.size[axis] for row in pictures for picture in row) for axis in (0, 1))
    wide = max(wide, _NARROWEST)
    width, height = across * wide + (across + 1) * _MARGIN, high + _LINE + 2 * _MARGIN
    rows = -(-len(shown) // columns)
    entries = _list_legend(pairs, shown)
    legend_rows = -(-len(entries) // (across * columns))
    canvas = Image.new("RGB", (columns * width, rows * height + legend_rows * (_LINE + 6) + _MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    for number, view in enumerate(shown):
        x, y = number % columns * width + _MARGIN, number // columns * height + _MARGIN
        for place, picture in enumerate(pictures[number]):
            canvas.paste(picture, (x + place * (wide + _MARGIN), y))
        for place, text in enumerate(
            (f"{view.name}  {view.size}", *(_shorten(form.text, wide) for form in view.forms))
        ):
            draw.text((x + place * (wide + _MARGIN), y + high + 1), text, fill="black")
    for number, (colour, text) in enumerate(entries):
        x = number % (across * columns) * (wide + _MARGIN) + _MARGIN
        y = rows * height + number // (across * columns) * (_LINE + 6)
        draw.rectangle((x, y, x + _LINE, y + _LINE), fill=colour, outline="grey")
        draw.text((x + _LINE + 6, y + 1), text, fill="black")
    return np.asarray(canvas)


def _make_view(
    pairs: Pairs,
    index: int,
    side: int,
    colours: Sequence[palette.Colour],
    transforms: Mapping[str, Any] | None,
) -> View:
    image, label = pairs[index]
    if image.dtype != np.uint8 or image.shape[0] not in (1, 3, 4):
        where = pairs.locate(pairs.images, index)
        raise DatasetError(
            where, f"has {image.shape[0]} channels of {image.dtype}, not a picture", "name another split"
        )
    picture = images.to_pillow(image).convert("RGB")
    picture.thumbnail((side, side))
    name, size = pairs.names[index], f"{image.shape[1]} x {image.shape[2]}"
    transparent_black = has_transparent_black(pairs.about)

    def shrink(augmented: Image) -> Image:
        width, height = (max(1, round(each * picture.width / image.shape[2])) for each in augmented.size)
        return augmented.resize((width, height))

    forms = []
    for made in make_variations(pairs, index, transforms) if transforms is not None else ():
        thumbnail = shrink(images.to_pillow(made.image).convert("RGB"))
        painted = None if made.label is None else paint(made.label[0], thumbnail.size, colours, transparent_black)
        forms.append(Form(thumbnail, painted, made.text))
    if label.ndim != 3 or label.shape[0] != 1:
        return View(name, size, picture, None, {} if label.ndim == 3 else {int(label): 1.0}, forms)
    values = np.clip(label[0], 0, 255).astype(np.uint8)
    counts = np.bincount(values.ravel(), minlength=256)
    shares = {int(value): float(counts[value]) / values.size for value in np.flatnonzero(counts)}
    return View(name, size, picture, paint(values, picture.size, colours, transparent_black), shares, forms)


def _describe_split(name: str, pairs: Pairs, shown: Sequence[View], progress: Progress | None) -> dict[str, Any]:
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
        "records": list(_describe_records(name, shown, progress)),
    }


def _describe_records(name: str, shown: Sequence[View], progress: Progress | None) -> Iterator[dict[str, Any]]:
    for number, view in enumerate(shown, 1):
        small = max(view.image.size) < _SMALL
        yield {
            "name": view.name,
            "size": view.size,
            "image": _encode_url(view.image, "PNG" if small else "JPEG"),
            "label": None if view.label is None else _encode_url(view.label, "PNG"),
            "small": small,
            "shares": view.shares,
            "forms": [
                {
                    "image": _encode_url(form.image, "PNG" if small else "JPEG"),
                    "label": None if form.label is None else _encode_url(form.label, "PNG"),
                    "text": form.text,
                }
                for form in view.forms
            ],
        }
        if progress:
            progress(f"writing {name}", number, len(shown))


def _encode_url(picture: Image, kind: str) -> str:
    data = io.BytesIO()
    picture.save(data, kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    return encode_picture(data.getvalue(), kind.lower())


def _draw_pictures(view: View) -> list[Image]:
    if view.forms:
        forms = [draw_overlay(form.image, form.label) for form in view.forms]
        return [draw_overlay(view.image, view.label), *forms]
    if view.label is None:
        return [view.image]
    from PIL import Image

    label = view.label.convert("RGBA")
    black = Image.new("RGB", view.image.size)
    black.paste(label, mask=label.getchannel("A"))
    return [view.image, black, draw_overlay(view.image, view.label)]


def _shorten(text: str, width: int) -> str:
    """Return the first parts of a text that fit into so many pixels."""
    parts = text.split(", ")
    while len(parts) > 1 and len(", ".join(parts)) * _LETTER > width:
        parts.pop()
    return ", ".join(parts)


def _list_values(view: View) -> set[int]:
    """The values of the label, and of those of augmented forms: pixels from outside of the image are ignored."""
    painted = [form.label for form in view.forms if form.label is not None]
    return {*view.shares, *(int(value) for label in painted for value in np.unique(np.asarray(label)))}


def _list_legend(pairs: Pairs, shown: Sequence[View]) -> list[tuple[palette.Colour, str]]:
    values = sorted({value for view in shown if view.label is not None for value in _list_values(view)})
    about, colours = pairs.about, choose_colours(pairs.about)
    names = dict(enumerate(about.classes or ())) if about is not None else {}
    ignore = about.ignore_label if about is not None else 255
    return [(colours[v], names.get(v) or ("ignored" if v == ignore else f"value {v}")) for v in values]
