"""Pictures of records: small ones for lists, the whole image and its label for one record.

    content, media_type = draw(facts, "train", 17, What.OVERLAY, 160)

What was drawn last is kept, up to `MOST_KEPT` bytes.
"""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from caffe_fcn.description import dataset_json
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.workspace.explorer.facts import Facts, Kept

if TYPE_CHECKING:
    from PIL.Image import Image

    from caffe_fcn.datasets.build.preview import PreviewRecord
    from caffe_fcn.datasets.records.opening import Pairs

MOST_KEPT = 48 << 20
SIDES = (96, 160, 320)
"""The sides that thumbnails have."""

_OPENED = 6  # data sets whose files stay open
_JPEG_QUALITY = 85
_SMALL = 96  # pixels; a smaller picture is sent without loss


class What(str, Enum):
    """What a picture shows: the image, the label in colours, both, or the label's values as grey."""

    IMAGE = "image"
    LABEL = "label"
    OVERLAY = "overlay"
    VALUES = "values"


class Picture(NamedTuple):
    """The bytes of a picture, and their media type."""

    content: bytes
    media_type: str


_drawn: Kept[Picture] = Kept(MOST_KEPT)
_opened: Kept[Pairs] = Kept(_OPENED)
_opening = Lock()


def draw(facts: Facts, split: str, index: int, what: What, side: int) -> Picture:
    """Draw a record; ``side`` bounds width and height, 0 for the whole image. Raises `DatasetError` and `FileError`."""
    key = facts.identity, split, index, what, side
    known = _drawn.get(key)
    if known is None:
        known = _draw(facts, split, index, what, side)
        _drawn.put(key, known, len(known.content))
    return known


def draw_mean(facts: Facts) -> Picture:
    """Draw the mean image; raises `FileError` where there is none."""
    import numpy as np

    from caffe_fcn.datasets.records import images
    from caffe_fcn.weights import read_mean

    file = facts.path / ((facts.about.mean_file if facts.about else None) or dataset_json.MEAN_FILE)
    mean = np.asarray(read_mean(file))
    mean = mean[0] if mean.ndim == 4 else mean
    if mean.ndim != 3 or mean.shape[0] not in (1, 3):
        raise FileError(file, "is not the mean of pictures")
    return _encode(images.to_pillow(np.clip(np.rint(mean), 0, 255).astype(np.uint8)), lossless=True)


def encode_preview(record: PreviewRecord) -> dict[str, str]:
    """Return the pictures of a record of a preview as data URLs: image, label, overlay."""
    from caffe_fcn.datasets.inspect.painting import draw_overlay
    from caffe_fcn.pages.skeleton import encode_picture

    found: dict[str, Image] = {}
    if record.image is not None:
        found["image"] = record.image
    if record.image is not None and record.label is not None:
        found["label"] = on_black(record.label)
        found["overlay"] = draw_overlay(record.image, record.label)
    urls = {}
    for name, picture in found.items():
        made = _encode(picture, lossless=name == "label")
        urls[name] = encode_picture(made.content, made.media_type.removeprefix("image/"))
    return urls


def open_pairs(facts: Facts, split: str) -> Pairs:
    """Open a split, or return it as it was opened; raises `DatasetError` and `FileError`."""
    from caffe_fcn.datasets.records import opening

    key = facts.identity, split
    with _opening:
        pairs = _opened.get(key)
        if pairs is None:
            pairs = opening.open(facts.path, split)
            _opened.put(key, pairs)
    return pairs


def on_black(label: Image) -> Image:
    """Return a painted label whose transparent pixels are black."""
    from PIL import Image

    colours = label.convert("RGBA")
    shown = Image.new("RGB", label.size)
    shown.paste(colours.convert("RGB"), mask=colours.getchannel("A"))
    return shown


def _draw(facts: Facts, split: str, index: int, what: What, side: int) -> Picture:
    import numpy as np

    from caffe_fcn.datasets.inspect.painting import choose_colours, draw_overlay, has_transparent_black, paint
    from caffe_fcn.datasets.records import images

    pairs = open_pairs(facts, split)
    if not 0 <= index < len(pairs):
        raise DatasetError(f"{facts.path.name}, {split}", f"has no record {index}", f"it has {len(pairs)}")
    where = pairs.locate(pairs.images, index)
    values = None
    if what is not What.IMAGE:
        label = pairs.label(index)
        if label.ndim != 3 or label.shape[0] != 1:
            raise DatasetError(where, "has no label that is an image")
        values = np.clip(label[0], 0, 255).astype(np.uint8)
        if what is What.VALUES:
            return _encode(images.to_pillow(values[None]), lossless=True)
        if side == 0 and what is What.LABEL:
            painted = paint(
                values,
                (values.shape[1], values.shape[0]),
                choose_colours(facts.about),
                has_transparent_black(facts.about),
            )
            return _encode(painted, lossless=True)
    image = pairs.image(index)
    if image.dtype != np.uint8 or image.shape[0] not in (1, 3, 4):
        raise DatasetError(where, f"has {image.shape[0]} channels of {image.dtype}, not a picture")
    picture = images.to_pillow(image).convert("RGB")
    if side:
        picture.thumbnail((side, side))
    if values is None:
        return _encode(picture, lossless=max(picture.size) < _SMALL)
    painted = paint(values, picture.size, choose_colours(facts.about), has_transparent_black(facts.about))
    if what is What.LABEL:
        return _encode(on_black(painted), lossless=True)
    return _encode(draw_overlay(picture, painted), lossless=max(picture.size) < _SMALL)


def _encode(picture: Image, lossless: bool) -> Picture:
    data = io.BytesIO()
    if lossless:
        picture.save(data, "PNG", compress_level=3)
        return Picture(data.getvalue(), "image/png")
    picture.save(data, "JPEG", quality=_JPEG_QUALITY)
    return Picture(data.getvalue(), "image/jpeg")


def warm_up() -> None:
    """Import what pictures are drawn with."""
    from PIL import JpegImagePlugin, PngImagePlugin  # noqa: F401

    from caffe_fcn.datasets.inspect import painting  # noqa: F401
    from caffe_fcn.datasets.records import opening  # noqa: F401


def find_page(folder: Path, name: str) -> Path | None:
    """Return a page that a command wrote into a data set, or None where there is none."""
    path = folder / name
    return path if path.is_file() else None
