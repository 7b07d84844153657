"""Labels made visible: as a paletted image, and as colours over the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records.palette import Colour, paint

if TYPE_CHECKING:
    from PIL.Image import Image

_SHARE = 0.6  # of the class's colour in a pixel of the overlay


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
    rows = np.arange(height) * label.shape[0] // height
    columns = np.arange(width) * label.shape[1] // width
    colour = paint((label & 255).astype(np.uint8)[np.ix_(rows, columns)], colours)
    base = np.broadcast_to(photo[::-1].transpose(1, 2, 0), (height, width, 3))
    mixed = np.rint((1 - _SHARE) * base + _SHARE * colour).astype(np.uint8)
    return np.where(colour.any(axis=2, keepdims=True), mixed, base)
