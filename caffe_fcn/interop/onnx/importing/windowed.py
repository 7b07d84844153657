"""Operators that slide a window: Conv, ConvTranspose, Resize, DepthToSpace, and a Pad before them; see also `pooling`.

A window has any number of axes, as Caffe's convolutions have: one of a sequence, two of an image, three of a volume.
ONNX has pads of their own before and behind, Caffe one for both. A kernel that grows by zeros on the side of the
smaller pad gives the same with equal pads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any

from caffe_fcn.interop.onnx.importing import resizing
from caffe_fcn.interop.onnx.importing.parameters import change_rows
from caffe_fcn.interop.onnx.importing.place import Blob, NodePlace, converts
from caffe_fcn.interop.onnx.importing.shaping import take
from caffe_fcn.net.geometry import Window, dims
from caffe_fcn.weights.tensors import Tensor

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array, Constant

LOWEST = -1.0e38
"""What is below is no pixel: exporters pad with it before they take maxima."""

_IMAGE = 2  # axes of an image: rows and columns


@dataclass(frozen=True)
class Sliding:
    """Windows along one axis, as ONNX says them."""

    kernel: int
    stride: int
    dilation: int
    before: int
    behind: int


def read_windows(place: NodePlace, kernel: Sequence[int], pads: Sequence[tuple[int, int]]) -> list[Sliding]:
    """The windows along each axis behind the channels; ``pads`` are laid around the image beforehand."""
    axes = len(kernel)
    place.require_axes(axes + 2)
    strides, dilations = (place.attribute(name, [1] * axes) for name in ("strides", "dilations"))
    own = place.attribute("pads", [0] * axes * 2)
    if not axes == len(strides) == len(dilations) or len(own) != axes * 2 or not axes:
        place.fail("has windows that are not of its image's axes", "the model is damaged")
    if min([*kernel, *strides, *dilations]) < 1:
        place.fail("has a window without size or step", "the model is damaged")
    automatic = place.attribute("auto_pad", "NOTSET")
    result = []
    for axis in range(axes):
        before, behind = own[axis], own[axis + axes]
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        if automatic.startswith("SAME"):
            size = place.shape()[axis + 2]
            both = max((-(-size // strides[axis]) - 1) * strides[axis] + extent - size, 0)
            before = (both + (automatic == "SAME_LOWER")) // 2
            behind = both - before
        elif automatic == "VALID":
            before = behind = 0
        before, behind = before + pads[axis][0], behind + pads[axis][1]
        if min(before, behind) < 0:
            place.fail("has a pad below 0", "cut the image before")
        result.append(Sliding(kernel[axis], strides[axis], dilations[axis], before, behind))
    return result


def spell(values: Sequence[int], field: str, repeated: bool = True) -> dict[str, Any]:
    """A setting of all axes: one figure where they agree."""
    if len(set(values)) == 1:
        return {f"{field}_size" if field == "kernel" else field: [values[0]] if repeated else values[0]}
    if len(values) == _IMAGE:
        return {f"{field}_h": values[0], f"{field}_w": values[1]}
    return {f"{field}_size" if field == "kernel" else field: list(values)}


def take_pads(blob: Blob) -> list[tuple[int, int]] | None:
    """The pads behind the channels that a layer can lay itself; None where there are others."""
    if not blob.pads:
        return [(0, 0)] * (len(blob.shape) - 2)
    if len(blob.pads) < 3 or any(blob.pads[0]) or any(blob.pads[1]):
        return None
    return [*blob.pads[2:]]


@converts("Conv")
def convert_conv(place: NodePlace) -> list[str]:
    """Convolution; pads of zeros before it become its own."""
    blob, weights = place.take_padded(), place.parameter(1, "weights")
    pads = take_pads(blob) if blob.filling == 0 else None
    name = blob.name if pads is not None else place.blob()
    kernel = weights.shape[2:]
    windows = read_windows(
        place, kernel, pads if pads is not None and len(pads) == len(kernel) else [(0, 0)] * len(kernel)
    )
    taps, settled = [], []
    for each in windows:
        more, rest = divmod(abs(each.before - each.behind), each.dilation)
        if rest:
            place.fail("has pads whose difference is no multiple of its dilation", "Caffe has one pad for both sides")
        taps.append((more, 0) if each.behind > each.before else (0, more))
        settled.append(Window(each.kernel + more, each.stride, max(each.before, each.behind), each.dilation))
    return [_slide(place, "Convolution", name, _grow(weights, taps), settled, weights.shape[0])]


@converts("ConvTranspose")
def convert_conv_transpose(place: NodePlace) -> list[str]:
    """Deconvolution; what is cut off before and behind, less ``output_padding``, becomes one pad."""
    weights = place.parameter(1, "weights")
    if place.attribute("output_shape") is not None or place.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        place.fail("has pads by its output's shape", "write them as pads")
    axes = len(weights.shape[2:])
    windows = read_windows(place, weights.shape[2:], [(0, 0)] * axes)
    more_behind = place.attribute("output_padding", [0] * axes)
    if len(more_behind) != axes:
        place.fail("has output_padding of other axes", "the model is damaged")
    taps, settled = [], []
    for each, beyond in zip(windows, more_behind, strict=True):
        behind = each.behind - beyond
        more, rest = divmod(abs(each.before - behind), each.dilation)
        if rest:
            place.fail("has pads whose difference is no multiple of its dilation", "Caffe has one pad for both sides")
        taps.append((more, 0) if behind > each.before else (0, more))
        settled.append(Window(each.kernel + more, each.stride, max(each.before, behind), each.dilation))
    count = weights.shape[1] * place.attribute("group", 1)
    return [_slide(place, "Deconvolution", place.blob(), _grow(weights, taps), settled, count)]


def _grow(weights: Tensor, taps: Sequence[tuple[int, int]]) -> Tensor:
    import numpy as np

    if not any(map(any, taps)):
        return weights
    shape = (*weights.shape[:2], *(side + sum(each) for side, each in zip(weights.shape[2:], taps, strict=True)))
    return change_rows(weights, lambda rows: np.pad(rows, [(0, 0), (0, 0), *taps]), shape)


def _slide(
    place: NodePlace, kind: str, x: str, weights: Constant, windows: Sequence[Window], count: int, group: int = 0
) -> str:
    settings: dict[str, Any] = {"num_output": count}
    parameters: list[Constant] = [weights]
    if place.node.op_type.startswith("Conv") and place.has(2):
        parameters.append(place.constant(2, "bias").reshape(-1))
    else:
        settings["bias_term"] = False
    settings |= spell([each.kernel for each in windows], "kernel")
    if any(each.stride > 1 for each in windows):
        settings |= spell([each.stride for each in windows], "stride")
    if any(each.pad for each in windows):
        settings |= spell([each.pad for each in windows], "pad")
    if any(each.dilation > 1 for each in windows):
        dilations = [each.dilation for each in windows]
        settings["dilation"] = dilations if len(set(dilations)) > 1 else dilations[:1]
    group = group or place.attribute("group", 1)
    if group > 1:
        settings["group"] = group
    if len(windows) != _IMAGE:
        settings["engine"] = "CAFFE"  # cuDNN's convolutions have two axes
    return place.add(kind, x, parameters=parameters, convolution_param=settings)


def pads_with_constant(place: NodePlace) -> bool:
    """Whether a Pad lays one value around the image."""
    return bool(place.attribute("mode", "constant") == "constant")


def leave_open(place: NodePlace) -> Blob:
    """What a Pad makes: a blob whose pads the next layer lays itself, or a convolution of one tap (`lay_pads`)."""
    shape, pads = place.shape(), _read_pads(place)
    filling = float(place.constant(2, "value").reshape(-1)[0]) if place.has(2) else place.attribute("value", 0.0)
    name = place.blob()
    return Blob(name, place.shapes[0], tuple(pads), filling) if any(map(any, pads)) else Blob(name, shape)


def _read_pads(place: NodePlace) -> list[tuple[int, int]]:
    rank = len(place.shape())
    figures = place.integers(1, "pads")
    axes = [place.axis(axis) for axis in (place.integers(3, "axes") if place.has(3) else range(rank))]
    if len(figures) != 2 * len(axes):
        place.fail(f"has {len(figures)} pads for {len(axes)} axes", "the model is damaged")
    pads = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        pads[axis] = (figures[index], figures[index + len(axes)])
    if any(side < 0 for each in pads for side in each):
        place.fail("has a pad below 0", "write it as a Slice")
    return pads


@converts("Pad")
def convert_pad(place: NodePlace) -> list[str]:
    """Pads that repeat the image: its rows and columns once more, joined to it."""
    mode, pads, x = place.attribute("mode", "constant"), _read_pads(place), place.blob()
    if mode not in _REPEATED:
        place.fail(f"pads by {mode!r}", f"{', '.join(_REPEATED)} and constant are read")
    if not place.compose:
        what = f"pads by {mode!r}, and Caffe's layers pad with zeros"
        place.fail(what, "give `compose`: the image's own rows and columns are joined to it")
    for axis, ((before, behind), size) in enumerate(zip(pads, place.shape(), strict=True)):
        if not before and not behind:
            continue
        if mode == "reflect" and max(before, behind) >= size:
            place.fail(f"reflects {max(before, behind)} of {size} pixels", "pad by less than the image")
        x = take(place, x, axis, [_REPEATED[mode](at, size) for at in range(-before, size + behind)], size)
    return [x]


# Modes of Pad: the pixel that stands at a place outside of the image
_REPEATED = {
    "edge": lambda at, size: min(max(at, 0), size - 1),
    "reflect": lambda at, size: size - 1 - abs(size - 1 - abs(at)),
    "wrap": lambda at, size: at % size,
}


def lay_pads(place: NodePlace, blob: Blob) -> str:
    """Append a convolution with one tap for each channel, whose pads are those wanted."""
    import numpy as np

    pads = take_pads(blob)
    if pads is None or not abs(blob.filling) < -LOWEST:
        place.fail(f"reads pads {blob.pads} of {blob.filling:g}", "Caffe pads rows and columns with zeros")
    channels, size = blob.shape[1], [max(each) - min(each) + 1 for each in pads]
    weights = np.zeros((channels, 1, *size), np.float32)
    tap = [side - 1 if behind > before else 0 for side, (before, behind) in zip(size, pads, strict=True)]
    weights.reshape(channels, -1)[:, np.ravel_multi_index(tap, size)] = 1
    windows = [Window(side, 1, max(each)) for side, each in zip(size, pads, strict=True)]
    x = blob.name
    if blob.filling:
        x = place.add("Power", x, power_param={"shift": -blob.filling})
    x = _slide_alone(place, "Convolution", x, weights, windows)
    return place.add("Power", x, power_param={"shift": blob.filling}) if blob.filling else x


def _slide_alone(place: NodePlace, kind: str, x: str, weights: Array, windows: Sequence[Window]) -> str:
    """Append a convolution or deconvolution of each channel by itself, without a bias."""
    channels = len(weights)
    settings: dict[str, Any] = {"num_output": channels, "bias_term": False, "group": channels}
    for field, values in (
        ("kernel", [each.kernel for each in windows]),
        ("stride", [each.stride for each in windows]),
        ("pad", [each.pad for each in windows]),
    ):
        if field == "kernel" or set(values) != {int(field == "stride")}:
            settings |= spell(values, field)
    if len(windows) != _IMAGE:
        settings["engine"] = "CAFFE"
    return place.add(kind, x, parameters=[weights], convolution_param=settings)


@converts("DepthToSpace")
def convert_depth_to_space(place: NodePlace) -> list[str]:
    """A deconvolution that lays each channel on its place in the block."""
    import numpy as np

    block, channels = place.attribute("blocksize"), place.shape()[1]
    count = channels // block**2
    weights = np.zeros((channels, count, block, block), np.float32)
    for channel, row, column in product(range(count), range(block), range(block)):
        if place.attribute("mode", "DCR") == "DCR":
            source = (row * block + column) * count + channel
        else:
            source = (channel * block + row) * block + column
        weights[source, channel, row, column] = 1
    return [_slide(place, "Deconvolution", place.blob(), weights, [Window(block, block)] * _IMAGE, count)]


@converts("SpaceToDepth")
def convert_space_to_depth(place: NodePlace) -> list[str]:
    """A convolution that takes each place of the block into a channel."""
    import numpy as np

    block, channels = place.attribute("blocksize"), place.shape()[1]
    weights = np.zeros((block**2 * channels, channels, block, block), np.float32)
    for channel, row, column in product(range(channels), range(block), range(block)):
        weights[(row * block + column) * channels + channel, channel, row, column] = 1
    windows = [Window(block, block)] * _IMAGE
    return [_slide(place, "Convolution", place.blob(), weights, windows, len(weights))]


@converts("Resize", "Upsample")
def convert_resize(place: NodePlace) -> list[str]:
    """A deconvolution that interpolates as ONNX does, and a convolution that takes each so many pixels of it.

    Edges are multiplied right, for one size of images. In DeepLab's dialect Interp, where corners lie on each other.
    """
    import numpy as np

    before, after = place.shape(), place.shapes[0]
    if before == after and place.attribute("coordinate_transformation_mode") != "tf_crop_and_resize":
        return [place.blob()]
    if len(before) < 3 or before[:2] != after[:2]:
        place.fail("changes the number of images or channels", "Caffe's layers keep it")
    if place.says("Interp") and len(before) == _IMAGE + 2 and resizing.aligns_corners(place):
        height, width = after[2:]
        return [place.add("Interp", place.blob(), interp_param={"height": height, "width": width})]
    found = [resizing.find_steps(place, axis) for axis in range(2, len(before))]
    x, channels = place.blob(), before[1]

    def multiply(vectors: Sequence[Array]) -> Array:
        return np.asarray(reduce(np.multiply.outer, vectors), np.float32)

    def spread(taps: Sequence[Array]) -> Array:
        weights = multiply(taps)
        return np.broadcast_to(weights, (channels, 1, *weights.shape))

    if any(each.window != Window(1) for each in found):
        x = _slide_alone(
            place, "Deconvolution", x, spread([each.taps for each in found]), [each.window for each in found]
        )
    if any(each.taken != Window(1) for each in found):
        x = _slide_alone(
            place, "Convolution", x, spread([each.weights for each in found]), [each.taken for each in found]
        )
    made = [each.window.size_after_deconvolution(side) for each, side in zip(found, before[2:], strict=True)]
    if any(each.window != Window(1) and each.taken != Window(1) for each in found):
        place.notes.append(f"{place.name}: makes {dims(made)} pixels, and takes {dims(after[2:])} of them")
    factors = multiply([each.factors for each in found])
    if (factors == 1).all():
        return [x]
    place.note_edges()
    return [place.scale(x, factors, 2)]
