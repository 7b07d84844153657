"""The format of the records that image and label files become: channels, size, encoding.

Image and label are resized alike, the image by interpolation, the label by its nearest pixels. A file that need not
change keeps its bytes: a JPEG stays the JPEG that it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from caffe_fcn.datasets.records import datum, images, jpeg, png
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Channels = Literal["keep", "rgb", "grey"]
ResizeMode = Literal["squash", "crop", "fill", "half-crop"]
Shape = tuple[int, int, int]
Size = tuple[int, int]

_BLACK = 0


class ImageRecord(NamedTuple):
    """An image as a record, its C x H x W there, its H x W before, and the checks whose faults were allowed."""

    record: bytes
    shape: Shape
    size: Size
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class RecordFormat:
    """How images and labels are stored. ``size`` is the height and width of all; with None each keeps its own.

    ``squash`` does not keep the aspect ratio, ``crop`` cuts off what protrudes, ``fill`` adds a frame (black in images,
    the ignored label in labels), and ``half-crop`` scales halfway between the last two.
    """

    channels: Channels = "keep"
    size: Size | None = None
    resize_mode: ResizeMode = "squash"
    image_encoding: Literal["jpeg", "png", "raw"] = "jpeg"
    """``jpeg`` keeps the bytes of JPEG files; other files, and those that have to change, become PNGs."""
    label_encoding: Literal["png", "raw"] = "png"
    decode: bool = True
    """Whether files that keep their bytes are decoded all the same, to check that they can be."""

    def __post_init__(self) -> None:
        if self.size is not None and not 0 < self.size[0] * self.size[1] <= images.MOST_PIXELS:
            height, width = self.size
            raise DatasetError(
                "resizing", f"{height}x{width} is not a size for images", f"1 to {images.MOST_PIXELS} pixels"
            )

    @property
    def keeps_labels(self) -> bool:
        """Whether a label that is a grey PNG can be stored as it is."""
        return self.size is None and self.label_encoding == "png"

    def stored_shape(self, data: bytes, where: str) -> Shape:
        """C x H x W as an image will be stored; raises `Fault`."""
        return self._keep_undecoded(data) or self._shape(images.open_header(data, where))

    def convert_image(self, data: bytes, where: str, rules: Rules) -> ImageRecord:
        """The record of an image file; raises `Fault` for what ``rules`` don't allow."""
        known = None if self.decode else self._keep_undecoded(data)
        if known:
            return ImageRecord(datum.pack_image(data, known), known, known[1:], ())
        image = images.open_header(data, where)
        allowed = rules.enforce(_find_faults(image, data, where))
        kept = self._keeps(image, data)
        if self.decode or not kept:
            images.load(image, where)
        record = datum.pack_image(data, self._shape(image)) if kept else self._convert(image, where)
        return ImageRecord(record, self._shape(image), (image.height, image.width), allowed)

    def convert_label(self, label: NDArray[np.uint8], frame: int) -> bytes:
        """The record of class indices, H x W; ``frame`` is the class of pixels outside the image."""
        if self.size is not None:
            label = _crop_or_frame(_resize_nearest(label, self._scale_size(label.shape, self.size)), self.size, frame)
        if self.label_encoding == "raw":
            return datum.pack_raw(label[None])
        return datum.pack_image(png.encode(label[None], photo=False), (1, *label.shape))

    def _mode(self, image: Image) -> Literal["L", "RGB"]:
        if self.channels == "keep":
            return "L" if image.mode in ("1", "L", "LA", "La") or image.mode.startswith(("I", "F")) else "RGB"
        return "RGB" if self.channels == "rgb" else "L"

    def _shape(self, image: Image) -> Shape:
        height, width = self.size or (image.height, image.width)
        return len(self._mode(image)), height, width

    def _keeps(self, image: Image, data: bytes) -> bool:
        if self.size is not None or image.mode != self._mode(image):
            return False
        if image.format == "PNG":
            head = png.read_header(data)
            plain = head is not None and head.depth == 8 and not images.has_alpha(image)
            return self.image_encoding != "raw" and plain
        return self.image_encoding == "jpeg" and image.format == "JPEG"

    def _keep_undecoded(self, data: bytes) -> Shape | None:
        """C x H x W of a JPEG that keeps its bytes, by its header alone; None for other files."""
        if self.size is not None or self.image_encoding != "jpeg":
            return None
        shape = jpeg.read_shape(data)
        wanted = {"keep": (1, 3), "rgb": (3,), "grey": (1,)}[self.channels]
        return shape if shape and shape[0] in wanted and shape[1] * shape[2] <= images.MOST_PIXELS else None

    def _convert(self, image: Image, where: str) -> bytes:
        import numpy as np

        picture = _reduce_to_8_bits(image, where).convert(self._mode(image))
        if self.size is None:
            array = images.to_planes(np.asarray(picture))
        else:
            height, width = self._scale_size((picture.height, picture.width), self.size)
            if height * width > images.MOST_PIXELS:
                raise Fault(
                    "broken", where, f"would be {height}x{width} before it is cropped", "use another resize mode"
                )
            pixels = np.asarray(picture.resize((width, height), resample=_bilinear()))
            array = images.to_planes(_crop_or_frame(pixels, self.size, _BLACK))
        return (
            datum.pack_raw(array) if self.image_encoding == "raw" else datum.pack_image(png.encode(array), array.shape)
        )

    def _scale_size(self, size: tuple[int, ...], target: Size) -> Size:
        """The size to which an image of ``size`` is scaled before it is cropped or framed to ``target``."""
        if self.resize_mode == "squash":
            return target
        ratios = [Fraction(wanted, have) for wanted, have in zip(target, size, strict=True)]
        crop, fill = max(ratios), min(ratios)
        ratio = {"crop": crop, "fill": fill, "half-crop": (crop + fill) / 2}[self.resize_mode]
        return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _find_faults(image: Image, data: bytes, where: str) -> list[Fault]:
    faults = []
    if images.is_deep(image, data):
        faults.append(Fault("16-bit", where, "has more than 8 bits a channel"))
    if images.has_alpha(image):
        faults.append(Fault("alpha", where, "has an alpha channel"))
    return faults


def _reduce_to_8_bits(image: Image, where: str) -> Image:
    """The upper 8 bits of a grey image with 16 (of one in colour, Pillow has taken them already)."""
    import numpy as np

    if not image.mode.startswith(("I", "F")):
        return image
    from PIL import Image

    values = np.asarray(image)
    if values.dtype.kind == "f" or values.max() > 0xFFFF or values.min() < 0:
        raise Fault("broken", where, "has pixels beyond 16 bits", "convert it to 8 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _bilinear() -> Any:
    from PIL import Image

    return Image.Resampling.BILINEAR


def _resize_nearest(label: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """The pixel in which the centre of each new one lies."""
    import numpy as np

    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, label.shape, strict=True))
    return label[np.ix_(rows, columns)]


def _crop_or_frame(pixels: NDArray[np.uint8], target: Size, frame: int) -> NDArray[np.uint8]:
    """The middle of H x W (x C) where it is larger than ``target``, a frame around it where it is smaller."""
    import numpy as np

    out = np.full((*target, *pixels.shape[2:]), frame, np.uint8)
    inner, outer = zip(*(_overlap(have, want) for have, want in zip(pixels.shape, target, strict=False)), strict=True)
    out[outer] = pixels[inner]
    return out


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Where the middle of ``want`` pixels lies in ``have`` of them, and the other way round."""
    both = min(have, want)
    inner, outer = (have - both) // 2, (want - both) // 2
    return slice(inner, inner + both), slice(outer, outer + both)
