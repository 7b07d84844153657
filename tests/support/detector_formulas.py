"""Layers of detectors, value by value as their sources compute them: slow, in numpy, and nothing else.

The sources are files of the forks: reorg of darknet's blas.c, roi_pooling_layer.cpp of Fast R-CNN,
psroi_pooling_layer.cu of R-FCN, ROIAlign of Detectron, prior_box_layer.cpp and detection_output_layer.cpp of SSD,
yolo_detection_output_layer.cpp and yolov3_detection_output_layer.cpp of MobileNet-YOLO, proposal_layer.cpp of
OpenVINO's training toolbox.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray


def c_round(value: float) -> int:
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def reorg(x: Array, stride: int, reverse: bool) -> Array:
    n, c, h, w = x.shape
    groups = c // stride**2
    source, made = x.ravel(), np.zeros(x.size, x.dtype)
    for b in range(n):
        for k in range(c):
            for j in range(h):
                for i in range(w):
                    small = i + w * (j + h * (k + c * b))
                    offset = k // groups
                    column, row = i * stride + offset % stride, j * stride + offset // stride
                    large = column + w * stride * (row + h * stride * (k % groups + groups * b))
                    if reverse:
                        made[large] = source[small]
                    else:
                        made[small] = source[large]
    if reverse:
        return made.reshape(n, groups, h * stride, w * stride)
    return made.reshape(n, c * stride**2, h // stride, w // stride)


def roi_pooling(x: Array, regions: Array, bins: tuple[int, int], scale: float) -> Array:
    made = np.zeros((len(regions), x.shape[1], *bins), x.dtype)
    height, width = x.shape[2:]
    for r, (image, *corners) in enumerate(regions):
        x1, y1, x2, y2 = (c_round(corner * scale) for corner in corners)
        bin_h, bin_w = max(y2 - y1 + 1, 1) / bins[0], max(x2 - x1 + 1, 1) / bins[1]
        for i in range(bins[0]):
            for j in range(bins[1]):
                top = min(max(math.floor(i * bin_h) + y1, 0), height)
                bottom = min(max(math.ceil((i + 1) * bin_h) + y1, 0), height)
                left = min(max(math.floor(j * bin_w) + x1, 0), width)
                right = min(max(math.ceil((j + 1) * bin_w) + x1, 0), width)
                if bottom > top and right > left:
                    made[r, :, i, j] = x[int(image), :, top:bottom, left:right].max((1, 2))
    return made


def psroi_pooling(x: Array, regions: Array, outputs: int, group: int, scale: float) -> Array:
    made = np.zeros((len(regions), outputs, group, group), x.dtype)
    height, width = x.shape[2:]
    for r, (image, *corners) in enumerate(regions):
        x1, y1 = (c_round(corner) * scale for corner in corners[:2])
        x2, y2 = ((c_round(corner) + 1) * scale for corner in corners[2:])
        bin_w, bin_h = max(x2 - x1, 0.1) / group, max(y2 - y1, 0.1) / group
        for d in range(outputs):
            for i in range(group):
                for j in range(group):
                    top = min(max(math.floor(i * bin_h + y1), 0), height)
                    bottom = min(max(math.ceil((i + 1) * bin_h + y1), 0), height)
                    left = min(max(math.floor(j * bin_w + x1), 0), width)
                    right = min(max(math.ceil((j + 1) * bin_w + x1), 0), width)
                    if bottom > top and right > left:
                        channel = (d * group + i) * group + j
                        made[r, d, i, j] = x[int(image), channel, top:bottom, left:right].mean()
    return made


def roi_align(x: Array, regions: Array, bins: tuple[int, int], scale: float, ratio: int) -> Array:
    made = np.zeros((len(regions), x.shape[1], *bins), x.dtype)
    for r, (image, *corners) in enumerate(regions):
        x1, y1, x2, y2 = (corner * scale for corner in corners)
        bin_h, bin_w = max(y2 - y1, 1) / bins[0], max(x2 - x1, 1) / bins[1]
        grid_h, grid_w = ratio or math.ceil(bin_h), ratio or math.ceil(bin_w)
        for i in range(bins[0]):
            for j in range(bins[1]):
                for a in range(grid_h):
                    for b in range(grid_w):
                        row = y1 + i * bin_h + (a + 0.5) * bin_h / grid_h
                        column = x1 + j * bin_w + (b + 0.5) * bin_w / grid_w
                        made[r, :, i, j] += _interpolate(x[int(image)], row, column) / (grid_h * grid_w)
    return made


def _interpolate(x: Array, row: float, column: float) -> Array | float:
    _, height, width = x.shape
    if row < -1 or row > height or column < -1 or column > width:
        return 0.0
    row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = row - top, column - left
    upper = x[:, top, left] * (1 - u) + x[:, top, right] * u
    return upper * (1 - v) + (x[:, bottom, left] * (1 - u) + x[:, bottom, right] * u) * v


Sizes = Sequence[tuple[float, float]]


def prior_sizes(least: Sequence[int], most: Sequence[int], ratios: Sequence[float], flip: bool) -> Sizes:
    sizes: list[tuple[float, float]] = []
    used = [1.0]
    for ratio in ratios:
        if all(abs(ratio - each) >= 1e-6 for each in used):
            used += [ratio, 1 / ratio] if flip else [ratio]
    for index, size in enumerate(least):
        sizes.append((size, size))
        if most:
            side = math.sqrt(size * most[index])
            sizes.append((side, side))
        sizes += [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for ratio in used[1:]]
    return sizes


def priors(
    cells: tuple[int, int],
    image: tuple[int, int],
    step: tuple[float, float],
    sizes: Sizes,
    offset: float,
    variances: Sequence[float],
    clip: bool,
) -> Array:
    boxes = []
    for row in range(cells[0]):
        for column in range(cells[1]):
            x, y = (column + offset) * step[1], (row + offset) * step[0]
            for width, height in sizes:
                boxes += [(x - width / 2) / image[1], (y - height / 2) / image[0]]
                boxes += [(x + width / 2) / image[1], (y + height / 2) / image[0]]
    if clip:
        boxes = [min(max(each, 0.0), 1.0) for each in boxes]
    spread = list(variances) * 4 if len(variances) == 1 else list(variances)
    return np.array([[boxes, spread * (len(boxes) // 4)]])


Box = Sequence[float]


def decode(prior: Box, variance: Box, offset: Box, code: int) -> list[float]:
    x1, y1, x2, y2 = prior
    width, height = x2 - x1, y2 - y1
    a, b, c, d = (each * factor for each, factor in zip(offset, variance, strict=True))
    if code == 1:
        return [x1 + a, y1 + b, x2 + c, y2 + d]
    if code == 3:
        return [x1 + a * width, y1 + b * height, x2 + c * width, y2 + d * height]
    x, y = (x1 + x2) / 2 + a * width, (y1 + y2) / 2 + b * height
    w, h = math.exp(c) * width, math.exp(d) * height
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def jaccard(a: Box, b: Box, pixel: float = 0.0) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + pixel
    height = min(a[3], b[3]) - max(a[1], b[1]) + pixel
    if width <= 0 or height <= 0:
        return 0.0
    sizes = [(each[2] - each[0] + pixel) * (each[3] - each[1] + pixel) for each in (a, b)]
    return width * height / (sum(sizes) - width * height)


def detection_output(
    offsets: Array,
    scores: Array,
    prior: Array,
    classes: int,
    *,
    share: bool,
    background: int,
    code: int,
    in_target: bool,
    confidence: float,
    nms: float,
    eta: float,
    top_k: int,
    keep: int,
    objectness: Array | None = None,
    moves: Array | None = None,
    least: float = 0.01,
) -> Array:
    boxes, variances = prior.reshape(2, -1, 4)
    rows: list[list[float]] = []
    for image in range(len(offsets)):
        found = []
        for label in range(classes):
            if label == background:
                continue
            decoded = []
            for p in range(len(boxes)):
                variance = [1.0] * 4 if in_target else variances[p]
                own = boxes[p]
                if moves is not None:
                    own = decode(own, variance, moves[image].reshape(-1, 4)[p], code)
                at = offsets[image].reshape(len(boxes), -1, 4)[p, 0 if share else label]
                decoded.append(decode(own, variance, at, code))
            likely = scores[image].reshape(-1, classes)[:, label].copy()
            if objectness is not None:
                likely[objectness[image].reshape(-1, 2)[:, 1] < least] = 0
            order = [p for p in np.argsort(-likely, kind="stable") if likely[p] > confidence]
            kept: list[int] = []
            threshold = nms
            for p in order[:top_k] if top_k > -1 else order:
                if all(jaccard(decoded[p], decoded[other]) <= threshold for other in kept):
                    kept.append(p)
                    if eta < 1 and threshold > 0.5:
                        threshold *= eta
            found += [[image, label, likely[p], *decoded[p]] for p in kept]
        if -1 < keep < len(found):
            best = sorted(found, key=lambda row: -row[2])[:keep]
            found = sorted(best, key=lambda row: row[1])
        rows += found
    rows = rows or [[image, *[-1.0] * 6] for image in range(len(offsets))]
    return np.array(rows).reshape(1, 1, -1, 7)


def match_boxes(priors: Sequence[Box], boxes: Sequence[Box], threshold: float, each: bool) -> list[int]:
    overlaps = {(i, j): jaccard(p, b) for i, p in enumerate(priors) for j, b in enumerate(boxes)}
    overlaps = {pair: value for pair, value in overlaps.items() if value > 1e-6}
    matches = [-1] * len(priors)
    pool = set(range(len(boxes)))
    while pool:
        left = {pair: value for pair, value in overlaps.items() if matches[pair[0]] == -1 and pair[1] in pool}
        if not left:
            break
        i, j = max(left, key=lambda pair: left[pair])
        matches[i] = j
        pool.remove(j)
    for i in range(len(priors)):
        own = {j: value for (k, j), value in overlaps.items() if k == i and value >= threshold}
        if each and matches[i] == -1 and own:
            matches[i] = max(own, key=lambda j: own[j])
    return matches


def multibox_loss(
    offsets: Array,
    scores: Array,
    prior: Array,
    truth: Array,
    classes: int,
    *,
    code: int,
    in_target: bool,
    each: bool,
    threshold: float,
    negative: float,
    ratio: float,
    mine: bool,
    difficult: bool,
    smooth: bool,
    weight: float,
    norm: str,
) -> Array:
    priors, variances = prior.reshape(2, -1, 4)
    place = confidence = 0.0
    matched = 0
    for image in range(len(offsets)):
        rows = [row for row in truth.reshape(-1, 8) if row[0] == image and (difficult or not row[7])]
        boxes = [row[3:7] for row in rows]
        matches = match_boxes(priors, boxes, threshold, each)
        likely = scores[image].reshape(-1, classes)
        powers = np.exp(likely - likely.max(1, keepdims=True))
        logs = np.log(powers / powers.sum(1, keepdims=True))
        own = offsets[image].reshape(-1, 4)
        negatives = []
        for p, j in enumerate(matches):
            if j == -1:
                if not mine or max((jaccard(priors[p], box) for box in boxes), default=0) < negative:
                    negatives.append(-logs[p, 0])
                continue
            matched += 1
            confidence -= logs[p, int(rows[j][1])]
            for k, wanted in enumerate(encode(priors[p], variances[p], boxes[j], code)):
                apart = abs(own[p, k] / (variances[p, k] if in_target else 1) - wanted)
                place += (apart**2 / 2 if apart < 1 else apart - 0.5) if smooth else apart**2 / 2
        if mine:
            positives = sum(j != -1 for j in matches)
            negatives = sorted(negatives, reverse=True)[: int(positives * ratio)]
        confidence += sum(negatives)
    divisors = {"VALID": matched, "FULL": len(offsets) * len(priors), "BATCH_SIZE": len(offsets), "NONE": 1}
    return np.array((weight * place + confidence) / max(divisors[norm], 1))


def encode(prior: Box, variance: Box, box: Box, code: int) -> list[float]:
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    if code == 1:
        offset = [b - p for b, p in zip(box, prior, strict=True)]
    elif code == 3:
        offset = [(b - p) / side for b, p, side in zip(box, prior, (width, height) * 2, strict=True)]
    else:
        offset = [
            ((box[0] + box[2]) / 2 - (prior[0] + prior[2]) / 2) / width,
            ((box[1] + box[3]) / 2 - (prior[1] + prior[3]) / 2) / height,
            math.log((box[2] - box[0]) / width),
            math.log((box[3] - box[1]) / height),
        ]
    return [each / factor for each, factor in zip(offset, variance, strict=True)]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def yolo(
    blobs: Sequence[Array],
    classes: int,
    anchors: Sequence[Sequence[tuple[float, float]]],
    scales: Sequence[float],
    confidence: float,
    nms: float,
    softmax: bool,
) -> Array:
    found: list[tuple[float, int, list[float]]] = []
    for blob, own, scale in zip(blobs, anchors, scales, strict=True):
        side = blob.shape[2]
        for b in range(len(blob)):
            for j in range(side):
                for i in range(side):
                    for n, (width, height) in enumerate(own):
                        values = blob[b, n * (5 + classes) : (n + 1) * (5 + classes), j, i].astype("f8")
                        x, y = (i + sigmoid(values[0])) / side, (j + sigmoid(values[1])) / side
                        w = math.exp(values[2]) * width / (side * scale)
                        h = math.exp(values[3]) * height / (side * scale)
                        box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                        exists = sigmoid(values[4])
                        if softmax:
                            powers = np.exp(values[5:] - values[5:].max())
                            best = int(powers.argmax())
                            score = exists * powers[best] / powers.sum()
                            found += [(score, best, box)] * bool(score >= confidence)
                        else:
                            each = [exists * sigmoid(value) for value in values[5:]]
                            found += [(s, k, box) for k, s in enumerate(each) if s > confidence]
    found.sort(key=lambda each: -each[0])
    kept: list[tuple[float, int, list[float]]] = []
    for each in found:
        if all(jaccard(each[2], other[2]) < nms for other in kept):
            kept.append(each)
    rows = [[0, label + 1, score, *box] for score, label, box in kept]
    rows = rows or [[image, *[-1.0] * 6] for image in range(len(blobs[0]))]
    return np.array(rows).reshape(1, 1, -1, 7)


def proposals(
    scores: Array,
    offsets: Array,
    info: Sequence[float],
    *,
    base: int,
    ratios: Sequence[float],
    scales: Sequence[float],
    stride: int,
    least: int,
    before: int,
    after: int,
    nms: float,
) -> tuple[Array, Array]:
    anchors = []
    for ratio in ratios:
        width = c_round(math.sqrt(base * base / ratio))
        height = c_round(width * ratio)
        for scale in scales:
            w, h = (width * scale - 1) / 2, (height * scale - 1) / 2
            centre = (base - 1) / 2
            anchors.append((centre - w, centre - h, centre + w, centre + h))
    rows, kept_scores = [], []
    for image in range(len(scores)):
        found = []
        _, height, width = offsets[image].shape
        for y in range(height):
            for x in range(width):
                for k, (x1, y1, x2, y2) in enumerate(anchors):
                    dx, dy, dw, dh = offsets[image, k * 4 : k * 4 + 4, y, x]
                    w, h = x2 - x1 + 1, y2 - y1 + 1
                    cx, cy = x * stride + x1 + w / 2 + dx * w, y * stride + y1 + h / 2 + dy * h
                    w, h = math.exp(dw) * w, math.exp(dh) * h
                    box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                    box = [min(max(each, 0), info[1 - at % 2] - 1) for at, each in enumerate(box)]
                    large = box[2] - box[0] + 1 >= least * info[-1] and box[3] - box[1] + 1 >= least * info[2]
                    found.append((scores[image, len(anchors) + k, y, x] * large, box))
        found = sorted(found, key=lambda each: -each[0])[:before]
        kept: list[tuple[float, list[float]]] = []
        for each in found:
            if len(kept) < after and all(jaccard(each[1], other[1], 1.0) <= nms for other in kept):
                kept.append(each)
        rows += [[image, *box] for _, box in kept]
        kept_scores += [[score] for score, _ in kept]
    return np.array(rows), np.array(kept_scores)


def merge_crop(a: Array, b: Array, add: bool, forward: Sequence[int]) -> Array:
    top, left = ((b.shape[axis] - a.shape[axis]) // 2 for axis in (2, 3))
    middle = b[:, :, top : top + a.shape[2], left : left + a.shape[3]]
    parts = [a * forward[0], middle * forward[1]]
    return parts[0] + parts[1] if add else np.concatenate(parts, 1)


def ssd_normalize(x: Array, scale: Array, across: bool, eps: float) -> Array:
    made = np.zeros_like(x)
    for n in range(len(x)):
        for h in range(x.shape[2]):
            for w in range(x.shape[3]):
                values = x[n] if across else x[n, :, h, w]
                made[n, :, h, w] = x[n, :, h, w] / math.sqrt((values**2).sum() + eps) * scale
    return made


def gradient(judge: Callable[[Array], Array], x: Array, of_top: Array, direction: Array, step: float = 1e-6) -> float:
    """The derivative of sum(of_top * judge(x)) along a direction, by central differences."""
    ahead, behind = (np.sum(of_top * judge(x + sign * step * direction)) for sign in (1, -1))
    return float(ahead - behind) / (2 * step)
