"""Layers of detectors that make boxes and choose among them; all of them of forks, and without a gradient.

Detections are rows of image, class, score, x1, y1, x2, y2, in a blob 1 x 1 x N x 7. Where nothing is found, there is a
row for each image, with -1 for everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.engines.torch.boxes import CENTER_SIZE, Array, decode, overlap, suppress
from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.regions import find_ratios


def _to_array(blob: Tensor) -> Array:
    return blob.detach().to("cpu", torch.promote_types(blob.dtype, torch.float32)).numpy()


# Prior boxes


class _Priors(UnrecordedLayer):
    """The same boxes at every place of the first bottom, as shares of the image, the second bottom; and variances."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        for fork_field in ("faceboxes", "tf", "keras", "yx_order"):  # Synopsys
            if getattr(self.param, fork_field):
                site.fail(f"has {fork_field}, which makes other boxes", "use the Caffe that has it")

    def find_sizes(self) -> Iterator[tuple[float, float]]:
        """Width and height of each box of a place, in pixels."""
        raise NotImplementedError

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        param, counts = self.param, tuple(bottoms[0].shape[2:])
        image = self._find_pair("img", "img_size") or tuple(bottoms[1].shape[2:])
        steps = self._find_pair("step", "step") or tuple(n / count for n, count in zip(image, counts, strict=True))
        y, x = ((np.arange(count, dtype="f8") + param.offset) * step for count, step in zip(counts, steps, strict=True))
        centres = np.stack(np.broadcast_arrays(x, y[:, None]), 2)[:, :, None]
        halves = np.array(list(self.find_sizes())) / 2
        scale = np.array(image[::-1])
        boxes = np.concatenate([(centres - halves) / scale, (centres + halves) / scale], 3)
        if param.clip:
            boxes = boxes.clip(0, 1)
        variances = np.broadcast_to(list(param.variance) or [_VARIANCE], boxes.shape)
        made = np.stack([boxes.ravel(), variances.ravel()])[None]
        return [torch.from_numpy(made).to(bottoms[0])]

    def _find_pair(self, stem: str, both: str) -> tuple[float, float] | None:
        """Height and width of a setting, which may have one field for both."""
        param = self.param
        if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
            return getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w")
        return (getattr(param, both),) * 2 if param.HasField(both) else None


_VARIANCE = 0.1


@layer("PriorBox")
class PriorBox(_Priors):
    """Boxes of listed sizes and ratios of their sides (SSD's prior_box_layer.cpp); sizes are whole numbers there."""

    def find_sizes(self) -> Iterator[tuple[float, float]]:
        param = self.param
        least, most = ([int(size) for size in sizes] for sizes in (param.min_size, param.max_size))
        if most and len(most) != len(least):
            self.site.fail(f"has {len(least)} min_size and {len(most)} max_size", "give one of each, or no max_size")
        for index, size in enumerate(least):
            yield size, size
            if most:
                yield (math.sqrt(size * most[index]),) * 2
            for ratio in find_ratios(self.site.layer)[1:]:
                yield size * math.sqrt(ratio), size / math.sqrt(ratio)


@layer("PriorBoxClustered")
class PriorBoxClustered(_Priors):
    """Boxes of listed widths and heights (prior_box_clustered_layer.cpp of OpenVINO's training toolbox)."""

    def find_sizes(self) -> Iterator[tuple[float, float]]:
        widths, heights = (self.site.numbers("prior_box_param", name, float) for name in ("width", "height"))
        if len(widths) != len(heights):
            self.site.fail(f"has {len(widths)} width and {len(heights)} height", "give one of each")
        return iter(zip(widths, heights, strict=True))


# Detections


def _give_rows(rows: Sequence[Sequence[float]], images: int, like: Tensor) -> list[Tensor]:
    """The blob of detections; ``images`` is how many images there are."""
    made = rows or [[image, *[-1.0] * 6] for image in range(images)]
    return [torch.tensor(np.array(made, dtype="f8")).to(like).reshape(1, 1, -1, 7)]


@layer("DetectionOutput")
class DetectionOutput(UnrecordedLayer):
    """Decodes offsets from prior boxes, and keeps the best boxes of each class (SSD's detection_output_layer.cpp).

    The bottoms are offsets, scores and prior boxes. RefineDet's layer has two more: scores of there being anything at
    all, and offsets that move the prior boxes before.
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if self.param.biases:
            site.fail("has biases: it is that of YOLO v2's fork", "only SSD's and RefineDet's are computed")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        param, classes = self.param, self.param.num_classes
        kinds = 1 if param.share_location else classes
        if bottoms[2].shape[1:2] != (2,) or bottoms[2].numel() % 8:
            self.site.fail(f"reads prior boxes {dims(tuple(bottoms[2].shape))}", "it takes 1 x 2 x 4 for each box")
        priors, variances = _to_array(bottoms[2]).reshape(2, -1, 4)
        factors = 1 if param.variance_encoded_in_target else variances
        offsets, scores = (_to_array(blob).reshape(len(blob), len(priors), -1) for blob in (bottoms[0], bottoms[1]))
        if offsets.shape[2] != kinds * 4 or scores.shape[2] != classes:
            self.site.fail(
                f"has {len(priors)} prior boxes, which {self.site.blob()} and {self.site.blob(1)} do not fit"
            )
        rows = []
        for image in range(len(scores)):
            found, moved = scores[image], priors
            if len(bottoms) > 3:
                found = self._drop_background(found, _to_array(bottoms[3])[image].reshape(-1, 2))
            if len(bottoms) > 4:
                moved = decode(priors, _to_array(bottoms[4])[image].reshape(-1, 4) * factors, param.code_type)
            boxes = [
                decode(moved, offsets[image, :, kind * 4 : kind * 4 + 4] * factors, param.code_type)
                for kind in range(kinds)
            ]
            for label, which in self._choose(boxes, found):
                box = boxes[0 if param.share_location else label][which]
                rows.append([image, label, found[which, label], *box])
        return _give_rows(rows, len(scores), bottoms[0])

    def _drop_background(self, scores: Array, objectness: Array) -> Array:
        """The scores, with those of a background where nothing is said to be."""
        background = np.arange(scores.shape[1]) == self.param.background_label_id
        return np.where(objectness[:, 1:] < self.param.objectness_score, background, scores)

    def _choose(self, boxes: Sequence[Array], scores: Array) -> list[tuple[int, int]]:
        """Class and box of the detections of an image: by class, the best first."""
        param = self.param
        found: list[tuple[int, int]] = []
        for label in range(param.num_classes):
            if label != param.background_label_id:
                own = boxes[0 if param.share_location else label]
                found += [(label, which) for which in self._suppress(own, scores[:, label])]
        if -1 < param.keep_top_k < len(found):
            best = sorted(found, key=lambda each: -scores[each[1], each[0]])[: param.keep_top_k]
            found = sorted(best, key=lambda each: each[0])
        return found

    def _suppress(self, boxes: Array, scores: Array) -> list[int]:
        param, nms = self.param, self.param.nms_param
        order = np.argsort(-scores, kind="stable")
        if param.HasField("confidence_threshold"):
            order = order[scores[order] > np.float32(param.confidence_threshold)]
        if nms.HasField("top_k") and nms.top_k > -1:
            order = order[: nms.top_k]
        return [int(order[which]) for which in suppress(boxes[order], nms.nms_threshold, nms.eta)]


class _Yolo(UnrecordedLayer):
    """The boxes of cells, each with its anchors; detections of all images count as those of the first one."""

    def find_boxes(self, bottom: Array, index: int) -> tuple[Array, Array, Array]:
        """The boxes that one bottom (N x boxes x values x side x side) predicts: centre and size, class, score."""
        raise NotImplementedError

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        parts = []
        values = 5 + self.param.num_classes
        for index, bottom in enumerate(bottoms):
            count, channels, side, columns = bottom.shape
            if side != columns or channels != self.param.num_box * values:
                wanted = f"it takes num_box x (5 + num_classes) = {self.param.num_box * values} channels of square maps"
                self.site.fail(f"reads {dims(tuple(bottom.shape))}", wanted)
            cells = _to_array(bottom).reshape(count, self.param.num_box, values, side, side)
            parts.append(self.find_boxes(cells.transpose(0, 3, 4, 1, 2), index))
        boxes, classes, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.argsort(-scores, kind="stable")
        corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)[order]
        below = np.nextafter(corners.dtype.type(self.param.nms_threshold), corners.dtype.type(0))  # which is kept
        rows = [
            [0, classes[order[which]] + 1, scores[order[which]], *corners[which]] for which in suppress(corners, below)
        ]
        return _give_rows(rows, len(bottoms[0]), bottoms[0])

    def place(self, cells: Array, anchors: Array, scale: float) -> Array:
        """Centre and size of boxes (N x side x side x anchors x values) as shares of the image."""
        side = cells.shape[1]
        x, y = np.meshgrid(np.arange(side), np.arange(side))
        centre = (_sigmoid(cells[..., :2]) + np.stack([x, y], 2)[:, :, None].astype(cells.dtype)) / side
        return np.concatenate([centre, np.exp(cells[..., 2:4]) * anchors.astype(cells.dtype) / (side * scale)], -1)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@layer("YoloDetectionOutput")
class YoloDetectionOutput(_Yolo):
    """YOLO v2's: each box has a softmax over the classes (MobileNet-YOLO's yolo_detection_output_layer.cpp)."""

    def find_boxes(self, bottom: Array, index: int) -> tuple[Array, Array, Array]:
        anchors = np.array(self.param.biases).reshape(-1, 2)[: self.param.num_box]
        boxes = self.place(bottom, anchors, 1)
        powers = np.exp(bottom[..., 5:] - bottom[..., 5:].max(-1, keepdims=True))
        classes = powers.argmax(-1)
        scores = _sigmoid(bottom[..., 4]) * (powers.max(-1) / powers.sum(-1))
        kept = scores >= np.float32(self.param.confidence_threshold)
        return boxes[kept], classes[kept], scores[kept]


@layer("Yolov3DetectionOutput")
class Yolov3DetectionOutput(_Yolo):
    """YOLO v3's: a box counts once for each class that is likely (yolov3_detection_output_layer.cpp there)."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if self.param.gaussian_box:
            site.fail("has gaussian_box, which is not computed", "use the Caffe that has it")
        if len(site.shapes) != self.param.mask_group_num or len(self.param.anchors_scale) < len(site.shapes):
            site.fail(f"reads {len(site.shapes)} blobs", "mask_group_num and anchors_scale count them")

    def find_boxes(self, bottom: Array, index: int) -> tuple[Array, Array, Array]:
        param = self.param
        first = index * (len(param.mask) // param.mask_group_num)
        masks = list(param.mask)[first : first + param.num_box]
        boxes = self.place(bottom, np.array(param.biases).reshape(-1, 2)[masks], param.anchors_scale[index])
        scores = _sigmoid(bottom[..., 5:]) * _sigmoid(bottom[..., 4:5])
        kept = scores > np.float32(param.confidence_threshold)
        places = np.nonzero(kept)
        return boxes[places[:-1]], places[-1], scores[kept]


# Proposals


@layer("Proposal")
class Proposal(UnrecordedLayer):
    """The best boxes around anchors, as regions (proposal_layer.cpp of OpenVINO's training toolbox).

    The bottoms are scores (background and foreground of each anchor), offsets, and height, width and scale of the
    images; a second top has the scores. Ratios and scales are those of Faster R-CNN where none are listed.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        param = self.param
        anchors = _make_anchors(param.base_size, list(param.ratio) or _RATIOS, list(param.scale) or _SCALES)
        scores, offsets, info = map(_to_array, bottoms[:3])
        height, width, *scales = info.ravel()[:4]
        least = param.min_size * np.array([scales[-1], scales[0]]) if scales else np.full(2, param.min_size)
        rows, found = [], []
        for image, (own_scores, own_offsets) in enumerate(zip(scores, offsets, strict=True)):
            boxes = self._move_anchors(anchors, own_offsets)
            boxes = boxes.clip(0, np.array([width, height, width, height]) - 1)
            likely = own_scores[len(anchors) :].transpose(1, 2, 0).ravel()
            likely = likely * (boxes[:, 2:] - boxes[:, :2] + 1 >= least).all(1)
            order = np.argsort(-likely, kind="stable")[: param.pre_nms_topn]
            kept = order[suppress(boxes[order], param.nms_thresh, most=param.post_nms_topn, measure=_overlap_pixels)]
            rows += [[image, *box] for box in boxes[kept]]
            found += list(likely[kept])
        tops = [np.array(rows), np.array(found)[:, None]]
        return [torch.from_numpy(top).to(bottoms[0]) for top in tops[: len(self.site.layer.top)]]

    def _move_anchors(self, anchors: Array, offsets: Array) -> Array:
        """The boxes (places and anchors x 4) at offsets (4 anchors x H x W) from the anchors of each place."""
        _, height, width = offsets.shape
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        shifts = np.stack([x, y, x, y], 2)[:, :, None] * self.param.feat_stride
        placed = (shifts + anchors).reshape(-1, 4).astype(offsets.dtype)
        placed[:, 2:] += 1
        moves = offsets.reshape(len(anchors), 4, height, width).transpose(2, 3, 0, 1).reshape(-1, 4)
        return decode(placed, moves, CENTER_SIZE)


_RATIOS, _SCALES = [0.5, 1.0, 2.0], [8.0, 16.0, 32.0]  # generate_anchors.py of py-faster-rcnn


def _overlap_pixels(box: Array, others: Array) -> Array:
    return overlap(box, others, pixel=1)


def _make_anchors(base: int, ratios: Sequence[float], scales: Sequence[float]) -> Array:
    """Boxes around the place 0, 0: by ratio, then by scale."""
    made = []
    for ratio in ratios:
        width = math.floor(math.sqrt(base**2 / ratio) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in scales:
            half = [(side * scale - 1) / 2 for side in (width, height)]
            made.append([(base - 1) / 2 + sign * each for sign in (-1, 1) for each in half])
    return np.array(made)
