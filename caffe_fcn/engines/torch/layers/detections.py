"""Layers of detectors that make boxes and choose among them; all of them of forks, and without a gradient.

Detections are rows of image, class, score, x1, y1, x2, y2, in a blob 1 x 1 x N x 7. Where nothing is found, there is a
row for each image, with -1 for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.engines.torch.boxes import Array, decode, overlap, suppress
from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.anchors import (
    CENTER_SIZE,
    list_yolo_anchors,
    make_priors,
    place_anchors,
    refuse_other_forks,
    require_pairs,
)


def _to_array(blob: Tensor) -> Array:
    return blob.detach().to("cpu", torch.promote_types(blob.dtype, torch.float32)).numpy()


# Prior boxes


@layer("PriorBox")
@layer("PriorBoxClustered")
class PriorBox(UnrecordedLayer):
    """The same boxes at every place of the first bottom, as shares of the image, the second bottom; and variances.

    `anchors` has the boxes, and whose layers they are.
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        refuse_other_forks(site)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        made = make_priors(self.site, bottoms[0].shape[2:], bottoms[1].shape[2:])
        return [torch.from_numpy(made).to(bottoms[0])]


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
        refuse_other_forks(site)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        param, classes = self.param, self.param.num_classes
        kinds = 1 if param.share_location else classes
        require_pairs(self.site, tuple(bottoms[2].shape))
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

    def place(self, cells: Array, index: int) -> Array:
        """Centre and size of the boxes of a bottom (N x side x side x anchors x values) as shares of the image."""
        anchors, scale = list_yolo_anchors(self.site, index)
        side = cells.shape[1]
        x, y = np.meshgrid(np.arange(side), np.arange(side))
        centre = (_sigmoid(cells[..., :2]) + np.stack([x, y], 2)[:, :, None].astype(cells.dtype)) / side
        return np.concatenate([centre, np.exp(cells[..., 2:4]) * np.array(anchors, cells.dtype) / (side * scale)], -1)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@layer("YoloDetectionOutput")
class YoloDetectionOutput(_Yolo):
    """YOLO v2's: each box has a softmax over the classes (MobileNet-YOLO's yolo_detection_output_layer.cpp)."""

    def find_boxes(self, bottom: Array, index: int) -> tuple[Array, Array, Array]:
        boxes = self.place(bottom, index)
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
        refuse_other_forks(site)
        list_yolo_anchors(site, 0)  # which refuses another number of blobs than the layer says

    def find_boxes(self, bottom: Array, index: int) -> tuple[Array, Array, Array]:
        boxes = self.place(bottom, index)
        scores = _sigmoid(bottom[..., 5:]) * _sigmoid(bottom[..., 4:5])
        kept = scores > np.float32(self.param.confidence_threshold)
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
        scores, offsets, info = map(_to_array, bottoms[:3])
        height, width, *scales = info.ravel()[:4]
        least = param.min_size * np.array([scales[-1], scales[0]]) if scales else np.full(2, param.min_size)
        rows, found = [], []
        for image, (own_scores, own_offsets) in enumerate(zip(scores, offsets, strict=True)):
            boxes = self._move_anchors(own_offsets)
            boxes = boxes.clip(0, np.array([width, height, width, height]) - 1)
            likely = own_scores[len(own_scores) // 2 :].transpose(1, 2, 0).ravel()
            likely = likely * (boxes[:, 2:] - boxes[:, :2] + 1 >= least).all(1)
            order = np.argsort(-likely, kind="stable")[: param.pre_nms_topn]
            kept = order[suppress(boxes[order], param.nms_thresh, most=param.post_nms_topn, measure=_overlap_pixels)]
            rows += [[image, *box] for box in boxes[kept]]
            found += list(likely[kept])
        tops = [np.array(rows), np.array(found)[:, None]]
        return [torch.from_numpy(top).to(bottoms[0]) for top in tops[: len(self.site.layer.top)]]

    def _move_anchors(self, offsets: Array) -> Array:
        """The boxes (places and anchors x 4) at offsets (4 anchors x H x W) from the anchors of each place."""
        count, height, width = offsets.shape
        placed = place_anchors(self.site, height, width).astype(offsets.dtype)
        placed[:, 2:] += 1
        moves = offsets.reshape(count // 4, 4, height, width).transpose(2, 3, 0, 1).reshape(-1, 4)
        return decode(placed, moves, CENTER_SIZE)


def _overlap_pixels(box: Array, others: Array) -> Array:
    return overlap(box, others, pixel=1)
