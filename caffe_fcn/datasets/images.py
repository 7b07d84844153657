"""Image files as arrays, guarded: nothing is decoded before its size is known to be bearable.

Arrays are 8-bit, C x H x W, and in Caffe's order of channels: B, G, R.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 1 << 26
"""The largest image that is decoded, 8192 x 8192: more is a decompression bomb, or no training image."""

# Others are not images that Caffe's tools read, and some of Pillow's readers run programs.
_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "GIF", "WEBP")

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)
"""What Pillow raises on files that are no images, or cease to be one."""


def header(data: bytes, where: str) -> Image:
    """The image in ``data``, not decoded yet; raises `DatasetError` at ``where``."""
    from PIL import Image

    if not data:
        raise DatasetError(where, "is empty", "replace it")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _bomb(where, str(error)) from error
    except _BROKEN as error:
        raise DatasetError(where, "is no image", f"of {', '.join(_FORMATS)}") from error
    if image.width * image.height > MOST_PIXELS:
        raise _bomb(where, f"{image.width} x {image.height} pixels")
    return image


def load(image: Image, where: str) -> Image:
    """The same image, decoded; raises `DatasetError` where its data are broken or cut off."""
    try:
        image.load()
    except _BROKEN as error:
        raise DatasetError(where, f"is broken: {str(error).lower()}", "replace it") from error
    return image


def as_caffe_decodes(data: bytes, where: str) -> NDArray[np.uint8]:
    """The array that Caffe (OpenCV, unchanged) gets from an encoded record: palettes turn into colours."""
    image = load(header(data, where), where)
    if image.mode.startswith(("I", "F")):
        raise DatasetError(where, "has more than 8 bits a channel, which Caffe refuses", "convert it to 8 bits")
    alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    grey = image.mode in ("1", "L")
    return planes(image.convert("RGBA" if alpha else "L" if grey else "RGB"))


def planes(image: Image) -> NDArray[np.uint8]:
    """An image of mode L, RGB or RGBA as C x H x W, blue first."""
    pixels: NDArray[np.uint8] = np.asarray(image)
    if pixels.ndim == 2:
        return pixels[None]
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels[:, :, order].transpose(2, 0, 1))


def picture(array: NDArray[Any]) -> Image:
    """The Pillow image of an 8-bit array C x H x W with one or three (blue first) channels."""
    from PIL import Image

    if array.shape[0] == 1:
        return Image.fromarray(array[0])
    return Image.fromarray(np.ascontiguousarray(array[2::-1].transpose(1, 2, 0)))


def _bomb(where: str, size: str) -> DatasetError:
    return DatasetError(where, f"is too large to be decoded: {size}", f"at most {MOST_PIXELS} pixels")
