"""Layers that make boxes and choose among them: PriorBox, DetectionOutput, Proposal, ...; see the torch engine's.

How many rows a choice has is known when the graph runs. All images, and all classes of them, are chosen from at once:
`choosing` has the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe_fcn.interop.onnx.choosing import find_best, give_rows, keep_best, suppress, take_boxes
from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.values import (
    Size,
    Value,
    constant,
    count_up,
    find_size,
    join,
    list_sizes,
    to_operand,
)
from caffe_fcn.net.layer_types.anchors import (
    CENTER_SIZE,
    CORNER,
    CORNER_SIZE,
    find_prior_image,
    find_prior_steps,
    list_anchors,
    list_prior_sizes,
    list_prior_variances,
    list_yolo_anchors,
    make_priors,
    place_anchors,
    refuse_other_forks,
    require_pairs,
)

# Prior boxes


@converts("PriorBox", "PriorBoxClustered")
def convert_prior_box(place: Place) -> list[str]:
    """A constant at one size of the images; at any size, computed of the sizes of both bottoms."""
    refuse_other_forks(place.site)
    sizes = [[find_size(place, index, axis) for axis in (2, 3)] for index in range(2)]
    if all(isinstance(size, int) for pair in sizes for size in pair):
        counts, image = (shape[2:] for shape in place.site.shapes)
        return [place.graph.add_constant(make_priors(place.site, counts, image))]
    counts_, image_ = sizes
    offset, said = place.param.offset, find_prior_image(place.site)
    sides = [constant(place, side) for side in said] if said else [_to_value(place, size) for size in image_]
    steps = find_prior_steps(place.site)
    shifts = [
        (count_up(place, count) + offset) * (steps[axis] if steps else sides[axis] / to_operand(count))
        for axis, count in enumerate(counts_)
    ]
    halves = [[width / 2, height / 2] for width, height in list_prior_sizes(place.site)]
    corners = constant(place, [[-w, -h, w, h] for w, h in halves])  # boxes x 4
    boxes = _spread(place, shifts) + corners
    height, width = sides
    boxes = boxes / (_mark(place, 0) * width + _mark(place, 1) * height)
    if place.param.clip:
        boxes = boxes.limit(0.0, 1.0)
    variances = boxes * 0.0 + constant(place, list_prior_variances(place.site))
    return [join([each.reshape(1, 1, -1) for each in (boxes, variances)], axis=1).name]


def _to_value(place: Place, size: Size) -> Value:
    return constant(place, size) if isinstance(size, int) else size.to_float()


def _mark(place: Place, axis: int) -> Value:
    """1 for the numbers of a box that lie along x (0), or y (1)."""
    return constant(place, [1.0 - axis, axis, 1.0 - axis, axis])


def _spread(place: Place, shifts: Sequence[Value]) -> Value:
    """Shifts along y and along x, of the corners of a box at each place: rows x columns x 1 x 4."""
    y, x = (shift.reshape(*shape) for shift, shape in zip(shifts, ((-1, 1, 1, 1), (1, -1, 1, 1)), strict=True))
    return x * _mark(place, 0) + y * _mark(place, 1)


# Boxes at offsets from others


def _decode(priors: Value, offsets: Value, code: int) -> Value:
    """The boxes at offsets from prior boxes, which have the last axis, or a part of them that broadcasts."""
    if code == CORNER:
        return priors + offsets
    low, high = _halve(priors)
    size = high - low
    if code == CORNER_SIZE:
        return priors + offsets * join([size, size], axis=-1)
    shift, growth = _halve(offsets)
    centre = (low + high) / 2.0 + shift * size
    half = growth.apply("Exp") * size / 2.0
    return join([centre - half, centre + half], axis=-1)


def _halve(boxes: Value) -> tuple[Value, Value]:
    """The first two numbers of each box, and the last two."""
    return boxes.cut(-1, 0, 2), boxes.cut(-1, 2, 4)


# Detections


@converts("DetectionOutput")
def convert_detection_output(place: Place) -> list[str]:
    """The best boxes of each class of each image, of which overlapping ones are left out."""
    refuse_other_forks(place.site)
    require_pairs(place.site, place.site.shapes[2])
    param, nms = place.param, place.param.nms_param
    inputs = [Value(place, name) for name in place.bottoms]
    labels = [label for label in range(param.num_classes) if label != param.background_label_id]
    kinds = 1 if param.share_location else param.num_classes
    both = inputs[2].reshape(2, -1, 4)
    priors, factors = (both.take([index]) for index in range(2))  # 1 x boxes x 4
    scores = inputs[1].reshape(0, -1, param.num_classes)
    if len(inputs) > 3:
        likely = inputs[3].reshape(0, -1, 2).cut(2, 1, 2) >= param.objectness_score
        scores = scores * likely.to_float()  # what a background scores does not count
    offsets = inputs[0].reshape(0, -1, kinds, 4).transpose(0, 2, 1, 3)  # images x kinds x boxes x 4
    moves = inputs[4].reshape(0, -1, 4) if len(inputs) > 4 else None
    if not param.variance_encoded_in_target:
        offsets, moves = offsets * factors.unsqueeze(1), moves and moves * factors
    if moves:
        priors = _decode(priors, moves, param.code_type)
    boxes = _decode(priors.unsqueeze(1), offsets, param.code_type)
    if kinds > 1:
        boxes = boxes.take(labels, axis=1)
    scores = scores.transpose(0, 2, 1).take(labels, axis=1)
    if param.code_type != CENTER_SIZE:  # a box whose corners changed places overlaps nothing
        low, high = _halve(boxes)
        plain = join([low, low.apply("Max", high)], axis=-1)
    else:
        plain = boxes
    least = param.confidence_threshold if param.HasField("confidence_threshold") else None
    most = nms.top_k if nms.HasField("top_k") and nms.top_k > -1 else None
    size = math.prod(place.site.shapes[1][1:]) // param.num_classes
    varies = place.varying[1] - {0}
    best, places, count = find_best(scores, scores.apply("Shape").take([2]) if varies else size, most)
    values = best.apply("Flatten", axis=2)  # rows of images and classes x count
    candidates = take_boxes(plain, places, count, shared=kinds == 1)
    kept = suppress(candidates, values, count, nms.nms_threshold, least=least, eta=nms.eta)
    batch = find_size(place, 1, 0)
    if param.keep_top_k > -1:
        of_image = kept / (list_sizes(place, count) * len(labels))
        kept = kept.take(keep_best(values.reshape(-1).take(kept), of_image, param.keep_top_k, batch))
    row = kept / list_sizes(place, count)
    found = take_boxes(boxes, places, count, shared=kinds == 1) if plain is not boxes else candidates
    rows = [
        (row / len(labels)).to_float().unsqueeze(1),
        constant(place, labels).take(row.apply("Mod", len(labels))).unsqueeze(1),
        values.reshape(-1).take(kept).unsqueeze(1),
        found.reshape(-1, 4).take(kept),
    ]
    return [give_rows(place, join(rows, axis=1), batch)]


@converts("YoloDetectionOutput", "Yolov3DetectionOutput")
def convert_yolo(place: Place) -> list[str]:
    """The likely boxes of all cells, of which overlapping ones are left out; they count as those of the first image."""
    import numpy as np

    refuse_other_forks(place.site)
    param = place.param
    parts = [_find_likely(place, index) for index in range(len(place.bottoms))]
    boxes, classes, scores = (join(each, axis=0) for each in zip(*parts, strict=True))
    count = scores.apply("Shape")
    scores, order = scores.apply_many("TopK", count, outputs=2, axis=0, largest=1)
    centre, size = _halve(boxes.take(order))
    corners = join([centre - size / 2.0, centre + size / 2.0], axis=1)
    below = float(np.nextafter(np.float32(param.nms_threshold), np.float32(0)))  # a box at the threshold is left out
    kept = suppress(corners.unsqueeze(0), scores.unsqueeze(0), count, below)
    numbers = [classes.take(order).take(kept).to_float() + 1.0, scores.take(kept)]
    first = numbers[0] * 0.0
    rows = [*(each.unsqueeze(1) for each in (first, *numbers)), corners.take(kept)]
    return [give_rows(place, join(rows, axis=1), find_size(place, 0, 0))]


def _find_likely(place: Place, index: int) -> tuple[Value, Value, Value]:
    """The boxes of a bottom whose scores reach the threshold (as centre and size), their classes, their scores."""
    import numpy as np

    param, (_, channels, side, columns) = place.param, place.site.shapes[index]
    place.require_fixed(2, 3)
    numbers = 5 + param.num_classes
    if side != columns or channels != param.num_box * numbers:
        wanted = f"it takes num_box x (5 + num_classes) = {param.num_box * numbers} channels of square maps"
        place.fail(f"reads {place.site.blob(index)}", wanted)
    anchors, scale = list_yolo_anchors(place.site, index)
    cells = Value(place, place.bottoms[index]).reshape(0, param.num_box, numbers, side, side).transpose(0, 3, 4, 1, 2)
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    centre = (cells.cut(4, 0, 2).apply("Sigmoid") + constant(place, np.stack([x, y], 2)[:, :, None])) / float(side)
    size = cells.cut(4, 2, 4).apply("Exp") * constant(place, anchors) / (side * scale)
    boxes = join([centre, size], axis=4).reshape(-1, 4)
    likely = cells.cut(4, 4, 5).apply("Sigmoid").reshape(-1, 1)
    of_classes = cells.cut(4, 5, numbers).reshape(-1, param.num_classes)
    if place.layer.type == "YoloDetectionOutput":
        shares = of_classes.apply("Softmax", axis=1)
        scores = (likely.reshape(-1) * shares.reduce("ReduceMax", 1)).reshape(-1)
        (which,) = _find_places(scores >= param.confidence_threshold, 1)
        return boxes.take(which), of_classes.apply("ArgMax", axis=1, keepdims=0).take(which), scores.take(which)
    scores = of_classes.apply("Sigmoid") * likely
    which, label = _find_places(scores > param.confidence_threshold, 2)
    return boxes.take(which), label, scores.reshape(-1).take(which * param.num_classes + label)


def _find_places(marks: Value, axes: int) -> list[Value]:
    """Where marks are, by axis, row by row."""
    found = marks.apply("NonZero")
    return [found.take([axis]).reshape(-1) for axis in range(axes)]


# Proposals


@converts("Proposal")
def convert_proposal(place: Place) -> list[str]:
    """The best boxes around anchors, as regions; a second top has their scores."""
    param = place.param
    scores, offsets, info = (Value(place, name) for name in place.bottoms[:3])
    height, width = (find_size(place, 0, axis) for axis in (2, 3))
    anchors = len(list_anchors(place.site))
    if isinstance(height, int) and isinstance(width, int):
        placed = constant(place, place_anchors(place.site, height, width))
    else:
        shifts = [count_up(place, size) * float(param.feat_stride) for size in (height, width)]
        placed = (_spread(place, shifts) + constant(place, list_anchors(place.site))).reshape(-1, 4)
    priors = placed + constant(place, [0.0, 0.0, 1.0, 1.0])
    boxes = _decode(priors, offsets.transpose(0, 2, 3, 1).reshape(0, -1, 4), CENTER_SIZE)
    said = info.reshape(-1)
    boxes = boxes.limit(0.0, said.take([1, 0, 1, 0]) - 1.0)
    scales = min(math.prod(place.site.shapes[2]), 4) - 2
    size = said.take([1 + scales, 2]) * float(param.min_size) if scales > 0 else constant(place, [param.min_size] * 2)
    low, high = _halve(boxes)
    is_large = (high - low + 1.0 >= size).to_float().reduce("ReduceMin", 2)  # images x boxes
    likely = scores.cut(1, anchors, 2 * anchors).transpose(0, 2, 3, 1).reshape(0, -1) * is_large
    total = height * width * anchors if isinstance(height, int) and isinstance(width, int) else None
    best, places, count = find_best(likely.unsqueeze(1), total or likely.apply("Shape").take([1]), param.pre_nms_topn)
    candidates = take_boxes(boxes.unsqueeze(1), places, count, shared=True)
    values = best.apply("Flatten", axis=2)
    pixels = candidates + constant(place, [0.0, 0.0, 1.0, 1.0])  # whose last row and column count
    kept = suppress(pixels, values, count, param.nms_thresh, most=param.post_nms_topn)
    image = (kept / list_sizes(place, count)).to_float().unsqueeze(1)
    regions = join([image, candidates.reshape(-1, 4).take(kept)], axis=1)
    return [regions.name, values.reshape(-1, 1).take(kept).name][: len(place.tops)]
