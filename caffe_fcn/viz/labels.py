"""Labels made visible: as a paletted image, and as colours over the photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records.palette import Colour, make_table

if TYPE_CHECKING:
    from PIL.Image import Image

_COLOUR, _PHOTO = 3, 2  # the shares of the class's colour and of the photo in a pixel of the overlay
_WHOLE = _COLOUR + _PHOTO
_ROWS = 256  # that are blended at a time, which bounds the memory for large photos
_GAP = 6  # pixels between pictures side by side


def make_label_image(label: NDArray[np.uint8 | np.uint16], colours: tuple[Colour, ...]) -> Image:
    """Return a label H x W as an image whose pixels are the classes: paletted, or 16-bit grey beyond 256 classes."""
    from PIL import Image

    image = Image.fromarray(label)
    if label.dtype == np.uint8:
        image.putpalette(np.array(colours, np.uint8).tobytes())
    return image


def overlay_colours(
    photo: NDArray[np.uint8], label: NDArray[np.uint8 | np.uint16], colours: tuple[Colour, ...]
) -> NDArray[np.uint8]:
    """Blend the colours of a label into a photo (C x H x W, blue first); returns H x W x 3, red first.

    A label of another size is stretched to the photo's. Pixels of a class whose colour is black show only the photo.
    """
    height, width = photo.shape[1:]
    columns = np.arange(width) * label.shape[1] // width
    table = make_table(colours).astype(np.uint16)
    added = _COLOUR * table + _WHOLE // 2  # so that the quotient is rounded, which is never halfway between integers
    factors = np.where(table.any(axis=1, keepdims=True), np.full_like(table, _PHOTO), _WHOLE)
    result = np.empty((height, width, 3), np.uint8)
    for start in range(0, height, _ROWS):
        part = photo[::-1, start : start + _ROWS].transpose(1, 2, 0)
        rows = np.arange(start, start + len(part)) * label.shape[0] // height
        classes = label[np.ix_(rows, columns)] & 255
        result[start : start + len(part)] = (factors[classes] * part + added[classes]) // _WHOLE
    return result


def lay_side_by_side(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return pictures of one size, H x W x 3, as one, with a white gap between them."""
    gap = np.full((len(pictures[0]), _GAP, 3), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (gap, picture)][1:])


def show_photo(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photo (C x H x W, blue first, or grey) as H x W x 3, red first."""
    return np.ascontiguousarray(np.broadcast_to(photo[::-1].transpose(1, 2, 0), (*photo.shape[1:], 3)))
