"""Image files decoded into arrays; the size of an image is checked before it is decoded.

Arrays are 8-bit, C x H x W, and in Caffe's order of channels: B, G, R.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

from caffe_fcn.datasets.records import png
from caffe_fcn.datasets.records.faults import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

MOST_PIXELS = 1 << 26
"""The largest image that is decoded, 8192 x 8192: a larger one is a decompression bomb, not a training image."""

# Caffe's tools read no others, and some of Pillow's readers run programs.
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "GIF", "WEBP")

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
"""What Pillow raises for a file that is not an image, or that is damaged."""


def open_header(data: bytes, where: str) -> Image:
    """Read the header of the image in ``data``; its pixels are decoded later. Raises `Fault` at ``where``."""
    from PIL import Image

    if not data:
        raise Fault("broken", where, "is empty", "replace it")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(where, str(error)) from error
    except _BROKEN as error:
        raise Fault("broken", where, "is not an image", f"of {', '.join(_FORMATS)}") from error
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(where, f"{image.width} x {image.height} pixels")
    return image


def load(image: Image, where: str) -> Image:
    """Decode the pixels of an image in place and return it; raises `Fault` where its data are broken or cut off."""
    from PIL import Image as Pillow

    try:
        image.load()
    except Pillow.DecompressionBombError as error:
        raise _too_large(where, str(error)) from error
    except _BROKEN as error:
        raise Fault("broken", where, f"is broken: {str(error).lower()}", "replace it") from error
    return image


def is_deep(image: Image, data: bytes) -> bool:
    """Whether an image has more than 8 bits a channel; Pillow's mode does not show it for a PNG in colour."""
    head = png.read_header(data)
    return image.mode.startswith(("I", "F")) or (head is not None and head.depth > 8)


def has_alpha(image: Image) -> bool:
    """Whether the format of an image gives each pixel, or a colour, a transparency."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def decode_as_caffe(data: bytes, where: str) -> NDArray[np.uint8]:
    """Decode an image as Caffe decodes an encoded record (by OpenCV, unchanged): palettes turn into colours.

    Raises `Fault` for an image that Caffe cannot decode.
    """
    import numpy as np

    image = open_header(data, where)
    if is_deep(image, data):
        raise Fault("16-bit", where, "has more than 8 bits a channel, which Caffe refuses", "convert it to 8 bits")
    load(image, where)
    return to_planes(np.asarray(image.convert(choose_mode(image))))


def choose_mode(image: Image) -> str:
    """Return the Pillow mode to which Caffe decodes an image; its letters are the channels."""
    return "RGBA" if has_alpha(image) else "L" if image.mode in ("1", "L") else "RGB"


def to_planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert pixels H x W (grey) or H x W x C (R, G, B, alpha) to C x H x W, blue first."""
    import numpy as np

    if pixels.ndim == 2:
        return pixels[None]
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels[:, :, order].transpose(2, 0, 1))


def to_pillow(array: NDArray[Any]) -> Image:
    """Convert an 8-bit array C x H x W, of one channel or three (blue first), to a Pillow image."""
    import numpy as np
    from PIL import Image

    if array.shape[0] == 1:
        return Image.fromarray(array[0])
    return Image.fromarray(np.ascontiguousarray(array[2::-1].transpose(1, 2, 0)))


def _too_large(where: str, size: str) -> Fault:
    return Fault("broken", where, f"is too large to be decoded: {size}", f"at most {MOST_PIXELS} pixels")
