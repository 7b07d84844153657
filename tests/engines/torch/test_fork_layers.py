"""Layer types of forks in the torch engine, 50 random cases each.

The judges are literal transcriptions of the forks' source and of papers (see the fork that each test names), and
OpenCV 4, which reads some of the types from a prototxt. docs/forks.md lists which judged what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import pytest
from fork_judges import CASES, FORWARD, Case, assert_near, judge
from prototxts import input_layer, layer
from torch_judge import parse_net

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net
from caffe_fcn.errors import CaffeFcnError, NetError

pytestmark = pytest.mark.numerics

Random: TypeAlias = np.random.Generator
Array: TypeAlias = "np.ndarray"
Blobs: TypeAlias = Mapping[str, Array]


def make_image(random: Random, least: int = 1) -> Array:
    """A small blob of random size."""
    shape = (*random.integers(1, 4, 2), *random.integers(least, 7, 2))
    return random.normal(size=shape)


def make_faint_image(random: Random) -> Array:
    """A blob whose variance may be as small as what a layer adds to it."""
    return make_image(random, 2) * random.choice([1, 1e-2, 1e-4])


def net_of(type_name: str, inputs: Blobs, settings: str = "", tops: str = "y", bottoms: str = "") -> str:
    made = "".join(input_layer(name, *array.shape) for name, array in inputs.items())
    return made + layer(type_name, bottoms or " ".join(inputs), tops, settings, "x")


def normalize(x: Array, mean: Array, variance: Array, eps: float, factor: Array, shift: Array) -> Array:
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        deviation = np.sqrt(variance.flat[channel] + eps)
        y[:, channel] = (x[:, channel] - mean.flat[channel]) / deviation
        y[:, channel] = y[:, channel] * factor.flat[channel] + shift.flat[channel]
    return y


def find_moments(x: Array) -> tuple[Array, Array]:
    """E(x) and E(x^2) - E(x)^2 of each channel."""
    columns = [x[:, channel].ravel() for channel in range(x.shape[1])]
    means = np.array([column.sum() / column.size for column in columns])
    squares = np.array([(column**2).sum() / column.size for column in columns])
    return means.reshape(1, -1, 1, 1), (squares - means.ravel() ** 2).reshape(1, -1, 1, 1)


def move(kept: Sequence[Array], latest: Sequence[Array], share: float) -> list[Array]:
    """Moving averages, of which the latest is a share."""
    return [(1 - share) * old + share * new for old, new in zip(kept, latest, strict=True)]


def make_columns(random: Random, x: Array, count: int) -> list[Array]:
    return [random.uniform(0.5, 2, (1, x.shape[1], 1, 1)).astype(np.float32).astype(float) for _ in range(count)]


def segnets_bn(random: Random) -> Case:
    """src/caffe/layers/bn_layer.cpp of alexgkendall/caffe-segnet: var_eps_ is 1e-9, in both phases alike."""
    x = make_faint_image(random)
    learns = random.random() < 0.6
    tops = "y mean variance" if learns and random.random() < 0.3 else "y"
    mode = "LEARN" if learns else "INFERENCE"

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        if not learns:
            return {"y": inputs["a"] * params[0] + params[1]}
        mean, variance = find_moments(inputs["a"])
        return {"y": normalize(inputs["a"], mean, variance, 1e-9, *params), "mean": mean, "variance": variance}

    def chosen(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        return {name: blob for name, blob in formula(inputs, params).items() if name in tops.split()}

    text = net_of("BN", {"a": x}, f"bn_param {{ bn_mode: {mode} }}", tops)
    return Case(text, {"a": x}, chosen, make_columns(random, x, 2), str(random.choice(["TRAIN", "TEST"])))


def pspnets_bn(random: Random) -> Case:
    """src/caffe/layers/bn_layer.cpp of hszhao/PSPNet: the moving averages are those of biased variances."""
    x = make_faint_image(random)
    frozen, phase = random.random() < 0.3, str(random.choice(["TRAIN", "TEST"]))
    momentum, eps = random.choice([0.9, 0.95, 0.5]), random.choice([1e-5, 1e-3])
    params = make_columns(random, x, 4)
    keeps = frozen or phase == "TEST"

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        slope, bias, mean, variance = params
        if not keeps:
            mean, variance = find_moments(inputs["a"])
        return {"y": normalize(inputs["a"], mean, variance, eps, slope, bias)}

    after = params
    if not keeps:
        after = [*params[:2], *move(params[2:], find_moments(x), 1 - momentum)]
    settings = f"bn_param {{ momentum: {momentum} eps: {eps} frozen: {str(frozen).lower()} }}"
    return Case(net_of("BN", {"a": x}, settings), {"a": x}, formula, params, phase, after=after)


def ctpns_bn(random: Random) -> Case:
    """The first src/caffe/layers/bn_layer.cpp of hszhao/PSPNet, which is CTPN's."""
    x = make_faint_image(random)
    moving, phase = bool(random.random() < 0.5), str(random.choice(["TRAIN", "TEST"]))
    decay, eps = random.choice([0.05, 0.5]), random.choice([1e-6, 1e-4])
    params = make_columns(random, x, 4)

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        scale, shift, mean, variance = params
        if phase == "TRAIN" or not moving:
            mean, variance = find_moments(inputs["a"])
        return {"y": normalize(inputs["a"], mean, variance, eps, scale, shift)}

    after = params
    if phase == "TRAIN":
        after = [*params[:2], *move(params[2:], find_moments(x), decay)]
    settings = f"bn_param {{ moving_average: {str(moving).lower()} decay: {decay} var_eps: {eps} }}"
    return Case(net_of("BN", {"a": x}, settings), {"a": x}, formula, params, phase, after=after)


def nvidias_batch_norm(random: Random) -> Case:
    """src/caffe/layers/batch_norm_layer.cpp of NVIDIA/caffe 0.17, whose first pass keeps the batch's figures."""
    x = make_faint_image(random)
    phase = str(random.choice(["TRAIN", "TEST"]))
    eps = random.choice([1e-7, 1e-3])
    used_eps = max(eps, 1e-5)
    mean, variance, scale, bias = (column.ravel() for column in make_columns(random, x, 4))
    params = [mean, variance, np.ones(1), scale, bias]

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        mean, variance, _, scale, bias = params
        if phase == "TRAIN":
            mean, variance = find_moments(inputs["a"])
        return {"y": normalize(inputs["a"], mean, variance, used_eps, scale, bias)}

    after = params
    if phase == "TRAIN":
        mean, variance = find_moments(x)
        after = [mean.ravel(), variance.ravel() + used_eps, *params[2:]]
    text = net_of("BatchNorm", {"a": x}, f"batch_norm_param {{ scale_bias: true eps: {eps} }}")
    return Case(text, {"a": x}, formula, params, phase, after=after)


def interp(random: Random) -> Case:
    """caffe_cpu_interp2 of src/caffe/util/interp.cpp, and the sizes of interp_layer.cpp of hszhao/PSPNet."""
    x = make_image(random, 3)
    begin, end = (-int(each) for each in random.integers(0, 2, 2))
    height, width = (size + begin + end for size in x.shape[2:])
    zoom, shrink = (int(each) for each in random.integers(1, 4, 2))
    made = tuple(int(each) for each in random.integers(1, 12, 2))
    settings, size = {
        0: (f"height: {made[0]} width: {made[1]}", made),
        1: (f"zoom_factor: {zoom}", (height + (height - 1) * (zoom - 1), width + (width - 1) * (zoom - 1))),
        2: (f"shrink_factor: {shrink}", ((height - 1) // shrink + 1, (width - 1) // shrink + 1)),
        3: (
            f"shrink_factor: {shrink} zoom_factor: {zoom}",
            tuple(((each - 1) // shrink) * zoom + 1 for each in (height, width)),
        ),
        4: (f"height: {made[0]} width: {made[1]} shrink_factor: {shrink} zoom_factor: {zoom}", made),
    }[int(random.integers(5))]

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        images = inputs["a"][:, :, -begin : -begin + height, -begin : -begin + width]
        y = np.empty((*images.shape[:2], *size))
        down = (height - 1) / (size[0] - 1) if size[0] > 1 else 0.0
        across = (width - 1) / (size[1] - 1) if size[1] > 1 else 0.0
        for row in range(size[0]):
            top = min(int(down * row + 1e-12), height - 1)
            low, part = min(top + 1, height - 1), down * row - top
            for column in range(size[1]):
                left = min(int(across * column + 1e-12), width - 1)
                right, share = min(left + 1, width - 1), across * column - left
                upper = (1 - share) * images[:, :, top, left] + share * images[:, :, top, right]
                lower = (1 - share) * images[:, :, low, left] + share * images[:, :, low, right]
                y[:, :, row, column] = (1 - part) * upper + part * lower
        return {"y": y}

    text = net_of("Interp", {"a": x}, f"interp_param {{ {settings} pad_beg: {begin} pad_end: {end} }}")
    return Case(text, {"a": x}, formula)


def make_mask(random: Random, x: Array, places: int, repeats: bool) -> Array:
    """For each image, where its values go; some to one place, if wanted."""
    values = x.shape[2] * x.shape[3]
    mask = np.empty(x.shape)
    for index in np.ndindex(x.shape[:2]):
        mask[index] = random.choice(places, values, replace=repeats).reshape(x.shape[2:])
    return mask


def place(x: Array, mask: Array, height: int, width: int) -> Array:
    y = np.zeros((*x.shape[:2], height * width))
    for n, c in np.ndindex(x.shape[:2]):
        for row, column in np.ndindex(x.shape[2:]):
            y[n, c, int(mask[n, c, row, column])] = x[n, c, row, column]
    return y.reshape(*x.shape[:2], height, width)


def gather(diff: Array, mask: Array) -> Array:
    """The forks' backward pass: each value takes the gradient of the place that its mask names."""
    flat = diff.reshape(*diff.shape[:2], -1)
    x = np.empty(mask.shape)
    for n, c, row, column in np.ndindex(mask.shape):
        x[n, c, row, column] = flat[n, c, int(mask[n, c, row, column])]
    return x


def upsample_by_mask(random: Random) -> Case:
    """src/caffe/layers/upsample_layer.cpp of alexgkendall/caffe-segnet."""
    x = make_image(random)
    scales = tuple(int(each) for each in random.integers(2, 4, 2))
    cut = tuple(bool(each) for each in random.integers(0, 2, 2))
    settings, size = {
        0: ("scale: 2", tuple(2 * each for each in x.shape[2:])),
        1: (f"scale_h: {scales[0]} scale_w: {scales[1]}", (x.shape[2] * scales[0], x.shape[3] * scales[1])),
        2: (
            f"scale: 2 pad_out_h: {str(cut[0]).lower()} pad_out_w: {str(cut[1]).lower()}",
            tuple(2 * each - less for each, less in zip(x.shape[2:], cut, strict=True)),
        ),
        3: (f"upsample_h: {x.shape[2] + 3} upsample_w: {x.shape[3] + 2}", (x.shape[2] + 3, x.shape[3] + 2)),
        4: ("", tuple(2 * each for each in x.shape[2:])),
    }[int(random.integers(5))]
    height, width = size
    repeats = height * width < x.shape[2] * x.shape[3] or random.random() < 0.3
    mask = make_mask(random, x, height * width, bool(repeats))
    inputs = {"a": x, "m": mask}
    return Case(
        net_of("Upsample", inputs, f"upsample_param {{ {settings} }}"),
        inputs,
        lambda given, params: {"y": place(given["a"], mask, height, width)},
        fixed=["m"],
        slopes=lambda given, params: {"a": gather(given["diff/y"], mask)},
    )


def upsample_by_repetition(random: Random) -> Case:
    """src/caffe/layers/upsample_layer.cpp of eric612/MobileNet-YOLO, and its NEAREST of Wulingtian/yolov5_caffe."""
    x = make_image(random)
    scale = int(random.integers(1, 4))
    made = tuple(int(each) for each in random.integers(2, 12, 2))
    settings, size = {
        0: (f"scale: {scale}", tuple(scale * each for each in x.shape[2:])),
        1: (f"height: {made[0]} width: {made[1]}", made),
        2: (f"height_scale: 3 width_scale: {scale}", (3 * x.shape[2], scale * x.shape[3])),
    }[int(random.integers(3))]

    def formula(inputs: Blobs, params: Sequence[Array]) -> Blobs:
        y = np.empty((*x.shape[:2], *size))
        for row, column in np.ndindex(size):
            y[:, :, row, column] = inputs["a"][:, :, row * x.shape[2] // size[0], column * x.shape[3] // size[1]]
        return {"y": y}

    return Case(net_of("Upsample", {"a": x}, f"upsample_param {{ {settings} }}"), {"a": x}, formula)


def unpooling(random: Random) -> Case:
    """src/caffe/layers/unpooling_layer.cpp of HyeonwooNoh/caffe (Noh et al., DeconvNet)."""
    x = make_image(random)
    kernel, stride = (int(each) for each in random.integers(1, 4, 2))
    height, width = (max(2, (size - 1) * stride + kernel + int(random.integers(-1, 3))) for size in x.shape[2:])
    method = str(random.choice(["MAX", "AVE", "TILE"]))
    with_mask = method == "MAX" and random.random() < 0.6
    inputs = {"a": x}
    starts = np.empty(x.shape)
    for row, column in np.ndindex(x.shape[2:]):
        starts[:, :, row, column] = min(row * stride, height - 1) * width + min(column * stride, width - 1)
    mask = make_mask(random, x, height * width, True) if with_mask else starts
    if with_mask:
        inputs["m"] = mask

    def windows() -> list[tuple[int, int, slice, slice, int]]:
        found = []
        for row, column in np.ndindex(x.shape[2:]):
            top, left = row * stride, column * stride
            bottom, right = min(top + kernel, height), min(left + kernel, width)
            found.append((row, column, slice(top, bottom), slice(left, right), max((bottom - top) * (right - left), 1)))
        return found

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        if method == "MAX":
            return {"y": place(given["a"], mask, height, width)}
        y = np.zeros((*x.shape[:2], height, width))
        for row, column, rows, columns, count in windows():
            by = count if method == "AVE" else 1
            y[:, :, rows, columns] += given["a"][:, :, row, column][..., None, None] / by
        return {"y": y}

    def slopes(given: Blobs, params: Sequence[Array]) -> Blobs:
        diff = given["diff/y"].astype(float)
        if method == "MAX":
            return {"a": gather(diff, mask)}
        found = np.zeros(x.shape)
        for row, column, rows, columns, count in windows():
            found[:, :, row, column] = diff[:, :, rows, columns].sum((2, 3)) / count
        return {"a": found}

    settings = f"unpool: {method} kernel_size: {kernel} stride: {stride} unpool_h: {height} unpool_w: {width}"
    text = net_of("Unpooling", inputs, f"unpooling_param {{ {settings} }}")
    return Case(text, inputs, formula, fixed=["m"], slopes=slopes)


def axpy(random: Random) -> Case:
    """src/caffe/layers/axpy_layer.cpp of hujie-frank/SENet: a factor for each channel of each image."""
    x = make_image(random)
    inputs = {"s": random.normal(size=(*x.shape[:2], 1, 1)), "a": x, "b": random.normal(size=x.shape)}

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        y = given["b"].copy()
        for n, c in np.ndindex(x.shape[:2]):
            y[n, c] += given["s"][n, c, 0, 0] * given["a"][n, c]
        return {"y": y}

    return Case(net_of("Axpy", inputs), inputs, formula)


def relu6(random: Random) -> Case:
    """src/caffe/layers/relu6_layer.cpp of eric612/MobileNet-YOLO."""
    x = 6 * make_image(random)
    slope = random.choice([0, 0.1])

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        return {"y": np.vectorize(lambda a: min(max(a, 0) + slope * min(a, 0), 6), [float])(given["a"])}

    return Case(net_of("ReLU6", {"a": x}, f"relu6_param {{ negative_slope: {slope} }}"), {"a": x}, formula)


def shuffle_channel(random: Random) -> Case:
    """Resize_cpu of shuffle_channel_layer.cpp of fireae/caffe_latte (Zhang et al., ShuffleNet)."""
    rows, columns = (int(each) for each in random.integers(1, 4, 2))
    x = random.normal(size=(2, rows * columns, 2, 3))

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        y = np.empty(x.shape)
        for i, j in np.ndindex(rows, columns):
            y[:, j * rows + i] = given["a"][:, i * columns + j]
        return {"y": y}

    text = net_of("ShuffleChannel", {"a": x}, f"shuffle_channel_param {{ group: {rows} }}")
    return Case(text, {"a": x}, formula)


def depthwise_convolution(random: Random) -> Case:
    """Forward_cpu of src/caffe/layers/conv_dw_layer.cpp of Lamply/caffe, which reads no group and no num_output."""
    x = make_image(random, 4)
    channels, (kernel, stride) = x.shape[1], (int(each) for each in random.integers(1, 4, 2))
    dilation = int(random.integers(1, 3)) if kernel < 3 else 1
    pad = int(random.integers(0, 3))
    type_name = str(random.choice(["DepthwiseConvolution", "ConvolutionDepthwise"]))
    outputs = channels if type_name == "DepthwiseConvolution" else int(random.integers(1, 9))
    params = [random.normal(size=(channels, 1, kernel, kernel)), random.normal(size=channels)]
    sizes = [(size + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1 for size in x.shape[2:]]

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        weights, bias = params
        padded = np.pad(given["a"], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        y = np.empty((*x.shape[:2], *sizes))
        for row, column in np.ndindex(*sizes):
            total = np.zeros(x.shape[:2])
            for down, across in np.ndindex(kernel, kernel):
                value = padded[:, :, row * stride + down * dilation, column * stride + across * dilation]
                total += weights[:, 0, down, across] * value
            y[:, :, row, column] = total + bias
        return {"y": y}

    settings = f"num_output: {outputs} kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    return Case(net_of(type_name, {"a": x}, f"convolution_param {{ {settings} }}"), {"a": x}, formula, params)


def convolution_with_holes(random: Random) -> Case:
    """im2col of DeepLab v1, whose conv_layer.cpp spells dilation ``hole``: kernels reach over hole * (kernel - 1)."""
    x = make_image(random, 5)
    kernel, hole_h, hole_w, pad = (int(each) for each in random.integers((1, 1, 1, 0), (3, 4, 4, 3)))
    square = bool(random.random() < 0.5)
    holes = (hole_h, hole_h) if square else (hole_h, hole_w)
    params = [random.normal(size=(2, x.shape[1], kernel, kernel)), random.normal(size=2)]
    sizes = [size + 2 * pad - hole * (kernel - 1) for size, hole in zip(x.shape[2:], holes, strict=True)]

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        padded = np.pad(given["a"], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        y = np.empty((len(x), 2, *sizes))
        for n, output, row, column in np.ndindex(y.shape):
            taps = padded[n, :, row :: holes[0], column :: holes[1]][:, :kernel, :kernel]
            y[n, output, row, column] = (taps * params[0][output]).sum() + params[1][output]
        return {"y": y}

    spelled = f"hole: {hole_h}" if square else f"hole_h: {hole_h} hole_w: {hole_w}"
    settings = f"convolution_param {{ num_output: 2 kernel_size: {kernel} pad: {pad} {spelled} }}"
    return Case(net_of("Convolution", {"a": x}, settings), {"a": x}, formula, params)


def pooling(random: Random) -> Case:
    """The forks' rounding, and pooling_layer.cpp of alexgkendall/caffe-segnet: the mask names the first maximum."""
    x = make_image(random, 3)
    if random.random() < 0.5:
        x = np.maximum(x.round(), 0)  # ties, as behind a ReLU
    kernel, pad = (int(each) for each in random.integers((2, 0), (4, 2)))
    stride = int(random.integers(1, kernel + 1))
    spelled, floor = [
        ("ceil_mode: false", True),
        ("ceil_mode: true", False),
        ("torch_pooling: true", True),
        ("round_mode: FLOOR", True),
        ("", False),
    ][int(random.integers(5))]
    is_max, sizes = bool(random.random() < 0.6), []
    for size in x.shape[2:]:
        made = (size + 2 * pad - kernel) / stride
        made = int(np.floor(made) if floor else np.ceil(made)) + 1
        sizes.append(made - (pad > 0 and (made - 1) * stride >= size + pad))

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        a = given["a"]
        y, mask = np.empty((*x.shape[:2], *sizes)), np.empty((*x.shape[:2], *sizes))
        for n, c, row, column in np.ndindex(y.shape):
            starts = (row * stride - pad, column * stride - pad)
            ends = [min(start + kernel, size + pad) for start, size in zip(starts, x.shape[2:], strict=True)]
            count = (ends[0] - starts[0]) * (ends[1] - starts[1])
            best, total = None, 0.0
            for i in range(max(starts[0], 0), min(ends[0], x.shape[2])):
                for j in range(max(starts[1], 0), min(ends[1], x.shape[3])):
                    total += a[n, c, i, j]
                    if best is None or x[n, c, i, j] > x[n, c, best[0], best[1]]:
                        best = (i, j)
            y[n, c, row, column] = a[n, c, best[0], best[1]] if is_max else total / count
            mask[n, c, row, column] = best[0] * x.shape[3] + best[1]
        return {"y": y, "mask": mask} if is_max else {"y": y}

    settings = f"pool: {'MAX' if is_max else 'AVE'} kernel_size: {kernel} stride: {stride} pad: {pad} {spelled}"
    text = net_of("Pooling", {"a": x}, f"pooling_param {{ {settings} }}", "y mask" if is_max else "y")
    return Case(text, {"a": x}, formula)


def seg_accuracy(random: Random) -> Case:
    """Forward_cpu of seg_accuracy_layer.cpp of hszhao/PSPNet, and its confusion_matrix.cpp."""
    classes, sizes = int(random.integers(2, 6)), tuple(int(each) for each in random.integers(1, 5, 2))
    x = random.integers(0, 4, (2, classes, *sizes)).astype(float)  # with ties
    labels = random.choice([*range(int(random.integers(1, classes + 1))), 255, 250], (2, 1, *sizes)).astype(float)
    inputs = {"a": x, "b": labels}

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        counts = np.zeros((classes, classes), int)
        for n, row, column in np.ndindex(2, *sizes):
            label = int(labels[n, 0, row, column])
            if label not in (255, 250):
                best = max((x[n, c, row, column], c) for c in range(classes))
                counts[label, best[1]] += 1
        recalls = [counts[c, c] / counts[c].sum() for c in range(classes) if counts[c].sum()]
        overlaps = []
        for c in range(classes):
            either = counts[c].sum() + counts[:, c].sum() - counts[c, c]
            overlaps.append(1.0 if counts[c, c] == either else counts[c, c] / either)
        accuracy = np.trace(counts) / counts.sum() if counts.sum() else 0.0
        figures = [accuracy, np.mean(recalls) if recalls else 0.0, np.mean(overlaps)]
        return {"y": np.array(figures).reshape(1, 1, 1, 3)}

    text = net_of("SegAccuracy", inputs, "seg_accuracy_param { ignore_label: 255 ignore_label: 250 }")
    return Case(text, inputs, formula, fixed=["b"])


def segment_pixel_iou(random: Random) -> Case:
    """Forward_cpu of segment_pixel_iou_layer.cpp of Xilinx' Caffe (Vitis AI)."""
    classes = int(random.integers(2, 5))
    small, large = (tuple(int(each) for each in random.integers(1, most, 2)) for most in (5, 9))
    x = random.integers(0, 4, (2, classes, *small)).astype(float)  # with ties
    labels = random.choice([*range(classes), 255], (2, 1, *large)).astype(float)
    inputs = {"a": x, "b": labels}

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        counts = np.zeros((3, classes))
        for n in range(2):
            best = np.zeros(small, np.uint8)
            for row, column in np.ndindex(small):
                for c in range(1, classes):
                    if x[n, c, row, column] > x[n, best[row, column], row, column]:
                        best[row, column] = c
            scaled = cv2.resize(best, large[::-1], interpolation=cv2.INTER_NEAREST)
            for row, column in np.ndindex(large):
                label, found = int(labels[n, 0, row, column]), scaled[row, column]
                if label != 255 and label == found:
                    counts[0, label] += 1
                elif label != 255:
                    counts[1, found] += 1
                    counts[2, label] += 1
        return {"y": counts}

    return Case(net_of("SegmentPixelIOU", inputs), inputs, formula, fixed=["b"])


def softmax_loss_of_weighted_classes(random: Random) -> Case:
    """Forward_cpu of softmax_loss_layer.cpp of alexgkendall/caffe-segnet: the weights do not count in the divisor."""
    classes = int(random.integers(2, 5))
    x = 3 * random.normal(size=(2, classes, 3, 2))
    labels = random.choice([*range(classes), 11], (2, 1, 3, 2)).astype(float)
    weights = random.choice([0.0, 0.5, 1.5, 4.0], classes)
    normalizes = bool(random.random() < 0.5)
    inputs = {"a": x, "b": labels}

    def formula(given: Blobs, params: Sequence[Array]) -> Blobs:
        loss, count = 0.0, 0
        for n, row, column in np.ndindex(2, 3, 2):
            label = int(labels[n, 0, row, column])
            if label != 11:
                scores = given["a"][n, :, row, column]
                chance = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
                loss -= weights[label] * np.log(chance[label])
                count += 1
        return {"loss": np.array(loss / max(count if normalizes else 2, 1))}

    listed = " ".join(f"class_weighting: {weight}" for weight in weights)
    settings = f"ignore_label: 11 weight_by_label_freqs: true {listed} normalize: {str(normalizes).lower()}"
    text = net_of("SoftmaxWithLoss", inputs, f"loss_param {{ {settings} }}", "loss")
    return Case(text, inputs, formula, fixed=["b"])


FAMILIES: list[Callable[[Random], Case]] = [
    segnets_bn,
    pspnets_bn,
    ctpns_bn,
    nvidias_batch_norm,
    interp,
    upsample_by_mask,
    upsample_by_repetition,
    unpooling,
    axpy,
    relu6,
    shuffle_channel,
    depthwise_convolution,
    convolution_with_holes,
    pooling,
    seg_accuracy,
    segment_pixel_iou,
    softmax_loss_of_weighted_classes,
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_forks_layer_is_its_formula(family: Callable[[Random], Case]) -> None:
    random = np.random.default_rng(17)
    for _ in range(CASES):
        judge(family(random))


def test_deeplabs_softmax_loss_is_divided_by_the_weights(tmp_path: Path) -> None:
    """Forward_cpu and Backward_cpu of src/caffe/layers/softmax_loss_layer.cpp of TheLegendAli/DeepLab-Context."""
    random = np.random.default_rng(5)
    for _ in range(CASES):
        x = 2 * random.normal(size=(2, 3, 2, 4))
        labels = random.choice([0, 1, 2, 255, 21], (2, 1, 2, 4)).astype(float)
        labels[0, 0, 0, 0] = 1  # so that there is one
        weights = random.choice([0.25, 1.0, 3.0], 3)
        (tmp_path / "weights.txt").write_text("\n".join(map(str, weights)))

        def formula(given: Blobs, params: Sequence[Array], labels: Array = labels, weights: Array = weights) -> Blobs:
            loss = total = 0.0
            for n, row, column in np.ndindex(2, 2, 4):
                label = int(labels[n, 0, row, column])
                if label not in (255, 21):
                    scores = given["a"][n, :, row, column]
                    loss -= weights[label] * np.log(np.exp(scores[label]) / np.exp(scores).sum())
                    total += weights[label]
            return {"loss": np.array(loss / total)}

        inputs = {"a": x, "b": labels}
        settings = f'weight_source: "{tmp_path}/weights.txt" ignore_label: 255 ignore_label: 21'
        text = net_of("SoftmaxWithLoss", inputs, f"softmaxloss_param {{ {settings} }}", "loss")
        judge(Case(text, inputs, formula, fixed=["b"]))


@pytest.mark.parametrize(
    ("content", "said"),
    [("1 2", "has 2 weights of classes"), ("1 2 x", "does not list numbers"), ("1 -2 3", "has a weight below 0")],
)
def test_a_file_of_weights_that_does_not_fit_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "weights.txt").write_text(content)
    inputs = {"a": np.zeros((1, 3, 1, 1)), "b": np.zeros((1, 1, 1, 1))}
    settings = f'softmaxloss_param {{ weight_source: "{tmp_path}/weights.txt" }}'
    with pytest.raises(CaffeFcnError, match=said):
        Net(parse_net(net_of("SoftmaxWithLoss", inputs, settings, "loss")))


def drop(settings: str, phase: str, x: Array) -> Array:
    engine = Net(parse_net(net_of("Dropout", {"a": x}, f"dropout_param {{ {settings} }}")), phase)
    return np.asarray(engine.forward(a=x)["y"].detach())


def test_dropout_of_the_forks() -> None:
    """dropout_layer.cpp of py-faster-rcnn (scale_train) and of alexgkendall/caffe-segnet (sample_weights_test)."""
    x = np.ones((4, 8, 25, 25), np.float32)
    kept = drop("dropout_ratio: 0.25 scale_train: false", "train", x)
    assert set(np.unique(kept)) == {0, 1}
    assert abs(kept.mean() - 0.75) < 0.02  # of 20000 draws, whose deviation is 0.003
    np.testing.assert_allclose(drop("dropout_ratio: 0.25 scale_train: false", "deploy", x), 0.75 * x)
    sampled = drop("dropout_ratio: 0.5 sample_weights_test: true", "deploy", x)
    assert set(np.unique(sampled)) == {0, 2}
    assert abs(sampled.mean() - 1) < 0.04


@pytest.mark.parametrize("ratio", [0.001, 0.3, 0.5, 0.99])
def test_dropout_drops_its_share_of_values_whatever_their_neighbours_are(ratio: float) -> None:
    kept = drop(f"dropout_ratio: {ratio}", "train", np.ones((3, 5, 101, 99), np.float32)).reshape(-1) != 0
    for chance, seen in ((1 - ratio, kept), ((1 - ratio) ** 2, kept[1:] & kept[:-1])):
        deviation = math.sqrt(chance * (1 - chance) / len(seen))
        assert abs(seen.mean() - chance) < 9 * deviation  # that of pairs that share values is up to 1.5 times as large


def drop_channels(settings: str, x: Array) -> Array:
    named = f'python_param {{ module: "spatial_dropout" layer: "SpatialDropoutLayer" param_str: "{settings}" }}'
    engine = Net(parse_net(net_of("Python", {"a": x}, named)), "train")
    return np.asarray(engine.forward(a=x)["y"].detach())


def test_enets_spatial_dropout_drops_whole_channels() -> None:
    """python/spatial_dropout.py of TimoSaemann/caffe-enet, whose phase is that of its param_str."""
    x = np.random.default_rng(0).normal(size=(40, 50, 2, 3)).astype(np.float32)
    dropped = drop_channels("{'phase': 'TRAIN', 'p': '0.2'}", x)
    kept = (dropped != 0).any((2, 3))
    np.testing.assert_allclose(dropped, x * kept[..., None, None] / 0.8, rtol=1e-5)
    assert abs(kept.mean() - 0.8) < 0.04  # of 2000 draws, whose deviation is 0.009
    assert len({row.tobytes() for row in kept}) == 40  # each image has its own
    np.testing.assert_allclose(drop_channels("{'phase': 'TEST', 'p': '0.2'}", x), x / 0.8, rtol=1e-5)


@pytest.mark.parametrize(
    "settings", ["{'phase': 'TRAIN'}", "p=0.2", "{'phase': 'TRAIN', 'p': '2'}", "__import__('os')"]
)
def test_a_spatial_dropout_that_makes_no_sense_is_refused(settings: str) -> None:
    with pytest.raises(NetError, match=r"layer 'x' \(Python\)"):
        drop_channels(settings, np.ones((1, 1, 1, 1), np.float32))


def test_a_mask_of_another_image_is_refused() -> None:
    inputs = {"a": np.zeros((1, 1, 2, 2)), "m": np.full((1, 1, 2, 2), 16.0)}
    engine = Net(parse_net(net_of("Upsample", inputs, "upsample_param { scale: 2 }")))
    with pytest.raises(NetError, match="has a place 16 in its mask, and makes 4x4"):
        engine.forward(**inputs)


@pytest.mark.parametrize(
    ("type_name", "settings"),
    [
        ("ConvolutionDepthwise", "convolution_param { num_output: 6 group: 6 kernel_size: 3 pad: 1 stride: 2 }"),
        ("Interp", "interp_param { height: 5 width: 9 }"),
        ("Interp", "interp_param { zoom_factor: 3 }"),
        ("ReLU6", ""),
        ("ShuffleChannel", "shuffle_channel_param { group: 3 }"),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }"),
        ("Pooling", "pooling_param { kernel_size: 3 stride: 2 pool: AVE ceil_mode: false }"),
    ],
)
def test_opencv_computes_the_same(tmp_path: Path, type_name: str, settings: str) -> None:
    """OpenCV 4's reader of Caffe nets, on 50 images of one size."""
    random = np.random.default_rng(3)
    x = 4 * random.normal(size=(CASES, 6, 6, 8)).astype(np.float32)
    text = net_of(type_name, {"a": x}, settings)
    (tmp_path / "net.prototxt").write_text(text)
    weights = proto.NetParameter(layer=[{"name": "x", "type": type_name}])
    for shape in ((6, 1, 3, 3), (6,)) if "group: 6" in settings else ():
        blob = weights.layer[0].blobs.add(data=random.normal(size=int(np.prod(shape))).tolist())
        blob.shape.dim.extend(shape)
    (tmp_path / "net.caffemodel").write_bytes(weights.SerializeToString())
    theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    theirs.setInput(x, "a")
    ours = Net(parse_net(text), weights=tmp_path / "net.caffemodel").forward(a=x)["y"]
    assert_near(np.asarray(ours), theirs.forward("x"), FORWARD, type_name)


@pytest.mark.parametrize(
    ("type_name", "settings", "said"),
    [
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 relu: true }", "has relu True of a fork"),
        ("Pooling", "pooling_param { kernel_size: 3 avg_include_pad: false }", "has avg_include_pad False"),
        ("Pooling", "pooling_param { kernel_size: 2 dilation: 2 }", "has dilation of a fork"),
        ("ReLU", "relu_param { relu6: true }", "has relu6 True"),
        ("Interp", "interp_param { height: 9 width: 9 align_corners: false }", "has align_corners of a fork"),
        ("SoftmaxWithLoss", "loss_param { label_smoothing: 0.5 }", r"has label_smoothing 0\.5"),
    ],
)
def test_a_field_of_a_fork_that_changes_the_result_is_refused(type_name: str, settings: str, said: str) -> None:
    inputs = {"a": np.zeros((2, 3, 6, 6))} | ({"b": np.zeros((2, 1, 6, 6))} if "loss" in settings else {})
    with pytest.raises(NetError, match=rf"layer 'x' \({type_name}\): {said}.*the torch engine does not compute"):
        Net(parse_net(net_of(type_name, inputs, settings)))


def test_a_field_that_changes_nothing_is_passed_over() -> None:
    settings = "convolution_param { num_output: 2 kernel_size: 1 relu: false pad_l: 0 conv_algorithm: 'direct' }"
    assert Net(parse_net(net_of("Convolution", {"a": np.zeros((1, 3, 2, 2))}, settings))).outputs == ["y"]
