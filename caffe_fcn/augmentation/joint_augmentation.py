"""Augments images and their labels together: a Python layer for Caffe, which stands alone in this one file.

    layer {
      name: "augmentation" type: "Python"
      bottom: "data_original" bottom: "label_original" top: "data" top: "label"
      include { phase: TRAIN }
      python_param {
        module: "joint_augmentation" layer: "JointAugmentation"
        param_str: '{"transforms": {"flip": 0.5, "scale": [0.75, 1.25], "rotate": 10, "crop": [320, 320]}, '
                   '"seed": 1337, '
                   '"bottoms": [{"kind": "photo", "outside": 0, "black": [-104.0, -116.7, -122.7]}, '
                               '{"kind": "label", "outside": 255}]}'
      }
    }

with the folder of this file in PYTHONPATH. param_str is JSON, and never evaluated. `TRANSFORMS` has what ``transforms``
may hold. ``bottoms`` has what each bottom is, in their order:

- a "photo": ``outside`` is the value of pixels that lie outside of the image, usually the mean's, and ``black`` that
  of a black pixel, each for every channel or one for all
- "planes" of other measures, such as depth: as a photo, but with the colours left alone
- a "label": ``outside`` is the ignored label, or the background's

Photos and planes are interpolated bilinearly, labels never: a label's pixel is the one that is nearest. All bottoms
get the same geometry. Without ``crop`` an image keeps its size; with it, a window of this size is cut out of the scaled
image, at a place drawn at random, or laid around it where it is smaller. In the TEST phase nothing is changed.

What is drawn for an image depends on ``seed``, the number of the forward pass, and the image's place in the batch, and
on nothing else. Passes are counted from the one that the environment variable CAFFE_FCN_FIRST_PASS names, or from 0: a
training that is resumed at iteration i sets it to i * iter_size, and draws what it would have drawn without a break.
The arithmetic is in whole numbers and in sums and products of float32 whose order is fixed, so that the same pass gives
the same bytes on every machine.
"""

# ruff: noqa: B905, UP006, UP035, UP045 - for old Pythons

import json
import math
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

try:
    from caffe import Layer
except ImportError:  # outside of pycaffe
    Layer = object

FIRST_PASS = "CAFFE_FCN_FIRST_PASS"
_TRAIN = 0  # caffe.TRAIN
_MOST_VALUES = (1 << 31) - 1  # Caffe counts in int


class Augmentation:
    """The transforms, and what the bottoms are; raises ValueError for a param_str that does not say it."""

    def __init__(self, param_str: str) -> None:
        try:
            params = json.loads(param_str)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"param_str is not JSON: {error}") from error
        _require(isinstance(params, dict), "param_str", 'an object such as {"transforms": {"flip": 0.5}}', params)
        _require_known(params, ("transforms", "seed", "bottoms"), "param_str")
        self.seed = params.get("seed", 0)
        _require(_is_whole(self.seed) and 0 <= self.seed < 1 << 63, "seed", "a whole number from 0", self.seed)
        self.transforms = check_transforms(params.get("transforms", {}))
        bottoms = params.get("bottoms")
        _require(isinstance(bottoms, list) and bottoms, "bottoms", "a list with an object for each bottom", bottoms)
        self.bottoms = [_read_bottom(bottom, place) for place, bottom in enumerate(bottoms)]

    def __call__(self, blobs: Sequence[Any], number: int) -> List[Any]:
        """Return the tops (arrays N x C x H x W, float32) of these bottoms in the forward pass ``number``."""
        shapes = self.infer_shapes([blob.shape for blob in blobs])
        tops = [np.empty(shape, np.float32) for shape in shapes]
        for item in range(shapes[0][0]):
            drawn = self.draw(number, item)
            for top, image in zip(tops, self.apply([blob[item] for blob in blobs], drawn)):
                top[item] = image
        return tops

    def infer_shapes(self, shapes: Sequence[Sequence[int]]) -> List[Tuple[int, ...]]:
        """Return the shapes of the tops; raises ValueError for bottoms that are not images of one size."""
        if len(shapes) != len(self.bottoms):
            raise ValueError(f"param_str describes {len(self.bottoms)} bottoms, there are {len(shapes)}")
        if any(len(shape) != 4 for shape in shapes):
            raise ValueError("takes bottoms of 4 axes, N x C x H x W")
        if len({(shape[0], shape[2], shape[3]) for shape in shapes}) > 1:
            raise ValueError("takes bottoms of one size, not {}".format(" and ".join(map(_format_shape, shapes))))
        crop = self.transforms.get("crop")
        tops = [(shape[0], shape[1]) + tuple(crop or shape[2:]) for shape in shapes]
        for top in tops:
            if top[0] * top[1] * top[2] * top[3] > _MOST_VALUES:
                raise ValueError(f"makes {_format_shape(top)}, which is more than a blob of Caffe holds")
        return tops

    def draw(self, number: int, item: int) -> "Draw":
        """Draw what happens to an image: place ``item`` of the batch in the forward pass ``number``."""
        key = _mix(_mix(_mix(self.seed) ^ number) ^ item)
        units = [(_mix(key + place) >> 11) / float(1 << 53) for place in range(len(Draw._fields))]
        drawn = dict(zip(Draw._fields, units))
        least, most = self.transforms.get("scale", (1.0, 1.0))
        angle, share = self.transforms.get("rotate", 0.0), self.transforms.get("colour", 0.0)
        return Draw(
            drawn["flip"] < self.transforms.get("flip", 0.0),
            least + (most - least) * drawn["scale"],
            angle * (2 * drawn["angle"] - 1),
            drawn["row"],
            drawn["column"],
            *[1 + share * (2 * drawn[name] - 1) for name in Draw._fields[-3:]],
        )

    def apply(self, images: Sequence[Any], drawn: "Draw") -> List[Any]:
        """Return images and labels (C x H x W, one for each bottom) as they are after what was drawn."""
        grid = Grid(images[0].shape[1:], self.transforms.get("crop"), drawn)
        tops = []
        for bottom, image in zip(self.bottoms, images):
            outside = bottom.make_column(bottom.outside, image)
            if bottom.kind == "label":
                tops.append(grid.take_nearest(image, outside))
                continue
            if bottom.kind == "photo":
                image = _change_colours(image, drawn, bottom.make_column(bottom.black, image), outside)
            tops.append(grid.interpolate(image, outside))
        return tops


class Draw(NamedTuple):
    """What was drawn for one image; its numbers are counted by the places of the fields."""

    flip: bool
    scale: float
    angle: float  # degrees, clockwise
    row: float  # of the window: its share of the places that it can have
    column: float
    brightness: float  # factors
    contrast: float
    saturation: float


# The transforms: their options


class Transform(NamedTuple):
    """A row of `TRANSFORMS`.

    ``takes`` says what the value is, ``check`` whether something is one, ``usual`` is the value where none is given;
    without one it must be. ``separator`` stands between the numbers of a value that has several, where it is spelled.
    """

    takes: str
    usual: Any
    check: Callable[[Any], bool]
    separator: str = ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_pair(value: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(check, value))


TRANSFORMS: Dict[str, Transform] = {
    "flip": Transform(
        "the probability of a mirror image, such as 0.5", 0.5, lambda value: _is_number(value) and 0 <= value <= 1
    ),
    "scale": Transform(
        "the least and the largest scale, such as 0.75:1.25",
        (0.75, 1.25),
        lambda value: _is_pair(value, _is_number) and 1 / 64 <= value[0] <= value[1] <= 64,
        ":",
    ),
    "rotate": Transform(
        "degrees up to which images are turned either way, such as 10",
        10.0,
        lambda value: _is_number(value) and 0 <= value <= 180,
    ),
    "crop": Transform(
        "the size of the window that is cut out, such as 320x320 (height x width)",
        None,
        lambda value: _is_pair(value, _is_whole) and min(value) >= 1 and max(value) < 1 << 15,
        "x",
    ),
    "colour": Transform(
        "the largest change of brightness, contrast and saturation, such as 0.2",
        0.2,
        lambda value: _is_number(value) and 0 <= value < 1,
    ),
}


def check_transforms(values: Any) -> Dict[str, Any]:
    """Return the values of transforms by name; raises ValueError for an unknown name and for a value that is none."""
    _require(isinstance(values, dict), "transforms", 'an object such as {"flip": 0.5}', values)
    _require_known(values, TRANSFORMS, "transforms")
    for name, value in values.items():
        _require(TRANSFORMS[name].check(value), name, TRANSFORMS[name].takes, value)
    return {name: tuple(value) if TRANSFORMS[name].separator else value for name, value in values.items()}


class Bottom(NamedTuple):
    """What a bottom is: its kind, and its values of pixels outside of the image and of black ones."""

    kind: str
    outside: Tuple[float, ...]
    black: Tuple[float, ...]

    def make_column(self, values: Tuple[float, ...], image: Any) -> Any:
        """Return one value for each channel of an image C x H x W, as C x 1 x 1."""
        if len(values) not in (1, len(image)):
            raise ValueError(f"has {len(values)} values for the {len(image)} channels of a {self.kind}")
        return np.array(values if len(values) == len(image) else values * len(image), np.float32)[:, None, None]


_KINDS = ("photo", "planes", "label")


def _read_bottom(given: Any, place: int) -> Bottom:
    where = f"bottoms[{place}]"
    _require(isinstance(given, dict) and given.get("kind") in _KINDS, where, "of a kind: " + ", ".join(_KINDS), given)
    _require_known(given, ("kind", "outside", "black"), where)
    columns = []
    for name in ("outside", "black"):
        value = given.get(name, 0)
        values = value if isinstance(value, list) else [value]
        _require(bool(values) and all(map(_is_number, values)), where + "." + name, "a number for each channel", value)
        columns.append(tuple(map(float, values)))
    return Bottom(given["kind"], *columns)


def _require(condition: Any, name: str, what: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"{name} must be {what}, not {_shorten(value)}")


def _require_known(given: Dict[str, Any], known: Any, where: str) -> None:
    for name in given:
        if name not in known:
            raise ValueError("{} has no {}, only {}".format(where, _shorten(name), ", ".join(known)))


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _format_shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


# The draws: SplitMix64 (Steele, Lea and Flood, 2014) as a function of a counter

_MASK = (1 << 64) - 1


def _mix(number: int) -> int:
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


# The geometry

_MATRIX_BITS = 32  # of the fractions of the map from pixels to pixels
_BITS = 8  # of the fractions of a pixel's place
_ONE = 1 << _BITS


class Grid:
    """Where the pixels of the tops lie in an image: whole multiples of 1/256 of a pixel, along both axes.

    A pixel's centre is turned and scaled about the centre of the image. What lies more than a pixel outside of the
    image is taken for lying one pixel outside.
    """

    def __init__(self, size: Sequence[int], crop: Optional[Sequence[int]], drawn: Draw) -> None:
        self.size = tuple(size)
        self.top = tuple(crop or size)
        sine, cosine = _compute_sine_and_cosine(drawn.angle)
        along = round(cosine / drawn.scale * (1 << _MATRIX_BITS))
        across = round(sine / drawn.scale * (1 << _MATRIX_BITS))
        shares = (drawn.row, drawn.column)
        v, u = (self._place_window(axis, drawn.scale, shares[axis] if crop else None) for axis in (0, 1))
        mirror = -1 if drawn.flip else 1
        self.rows = self._locate(0, along * v, -across * u)
        self.columns = self._locate(1, mirror * across * v, mirror * along * u)
        self.exact = not ((self.rows | self.columns) & (_ONE - 1)).any()

    def take_nearest(self, image: Any, outside: Any) -> Any:
        """Return for each pixel of the top the nearest pixel of an image C x H x W."""
        padded = self._pad(image, outside)
        index = self._index((self.rows + _ONE // 2) >> _BITS, (self.columns + _ONE // 2) >> _BITS)
        return np.stack([channel.take(index) for channel in padded])

    def interpolate(self, image: Any, outside: Any) -> Any:
        """Return for each pixel of the top the bilinear mean of four pixels of an image C x H x W."""
        if self.exact:
            return self.take_nearest(image, outside)
        padded = self._pad(image, outside)
        index = self._index(self.rows >> _BITS, self.columns >> _BITS)
        below = index + (self.size[1] + 3)
        down, right = (((axis & (_ONE - 1)) * (1.0 / _ONE)).astype(np.float32) for axis in (self.rows, self.columns))
        tops = []
        for channel in padded:
            first, second = (_blend(channel.take(at), channel[1:].take(at), right) for at in (index, below))
            tops.append(_blend(first, second, down))
        return np.stack(tops)

    def _place_window(self, axis: int, scale: float, share: Optional[float]) -> Any:
        """Return the places of the top's pixels along an axis: half pixels from the centre of the scaled image.

        ``share`` says which of the places of the window is taken; None is the middle.
        """
        side = self.top[axis]
        places = 2 * np.arange(side, dtype=np.int64) + (1 - side)
        if share is None:
            return places
        slack = round(self.size[axis] * scale) - side
        offset = int(share * (abs(slack) + 1)) * (1 if slack >= 0 else -1)
        return places + (2 * offset - slack)

    def _locate(self, axis: int, by_row: Any, by_column: Any) -> Any:
        """Return the places of all pixels along an axis of the image, from those that each row and column adds."""
        shift = _MATRIX_BITS + 1 - _BITS  # from half pixels
        side = self.size[axis]
        rounded = by_row + (((side - 1) << _MATRIX_BITS) + (1 << (shift - 1)))
        return np.clip((rounded[:, None] + by_column) >> shift, -_ONE, side * _ONE)

    def _pad(self, image: Any, outside: Any) -> Any:
        """Return the channels of an image, each one row, with the value ``outside`` around them."""
        height, width = self.size
        padded = np.empty((len(image), height + 3, width + 3), np.float32)
        padded[...] = outside
        padded[:, 1 : height + 1, 1 : width + 1] = image
        return padded.reshape(len(image), -1)

    def _index(self, rows: Any, columns: Any) -> Any:
        """Return the indices of pixels in a channel of `_pad`."""
        return (rows + 1) * (self.size[1] + 3) + (columns + 1)


def _compute_sine_and_cosine(angle: float) -> Tuple[float, float]:
    """Return both of an angle in degrees, by their series: the C libraries of machines differ in the last digit."""
    x = angle * (math.pi / 180)
    sine, cosine, term = 0.0, 0.0, 1.0
    for power in range(1, 32, 2):
        cosine += term
        term *= x / power
        sine += term
        term *= -x / (power + 1)
    return sine, cosine


def _blend(first: Any, second: Any, share: Any) -> Any:
    """Return first + (second - first) * share."""
    second -= first
    second *= share
    first += second
    return first


# The colours

_LUMA = (0.114, 0.587, 0.299)  # of blue, green and red (ITU-R BT.601)


def _change_colours(image: Any, drawn: Draw, black: Any, mean: Any) -> Any:
    """Return an image with another brightness, saturation (of three channels) and contrast (about the mean)."""
    brightness, contrast, saturation = np.array(drawn[-3:], np.float32)
    if brightness == contrast == saturation == 1:
        return image
    changed = (image - black) * brightness
    if len(image) == 3:
        blue, green, red = (channel * np.float32(share) for channel, share in zip(changed, _LUMA))
        grey = blue + green + red
        changed = _blend(np.stack([grey] * 3), changed, saturation)
    middle = np.broadcast_to(mean - black, image.shape).copy()
    changed = _blend(middle, changed, contrast)
    changed += black
    return changed


class JointAugmentation(Layer):  # type: ignore[misc]
    """`Augmentation` as a layer of pycaffe."""

    def setup(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Read param_str, and the number of the first pass; raises ValueError for what does not fit."""
        self.augmentation = Augmentation(self.param_str)
        if len(top) != len(bottom):
            raise ValueError(f"makes a top of each of {len(bottom)} bottoms, not {len(top)}")
        self.number = int(os.environ.get(FIRST_PASS) or 0)

    def reshape(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Give the tops their shapes."""
        places = range(len(bottom))  # pycaffe's vectors can be indexed, not walked
        shapes = [tuple(bottom[place].data.shape) for place in places]
        if self.phase == _TRAIN:
            shapes = self.augmentation.infer_shapes(shapes)
        for place in places:
            top[place].reshape(*shapes[place])

    def forward(self, bottom: Sequence[Any], top: Sequence[Any]) -> None:
        """Augment; in the TEST phase copy."""
        blobs = [bottom[place].data for place in range(len(bottom))]
        if self.phase == _TRAIN:
            blobs = self.augmentation(blobs, self.number)
            self.number += 1
        for place, blob in enumerate(blobs):
            top[place].data[...] = blob

    def backward(self, top: Sequence[Any], propagate_down: Sequence[bool], bottom: Sequence[Any]) -> None:
        """Data have no gradient."""
