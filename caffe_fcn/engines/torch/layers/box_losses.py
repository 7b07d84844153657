"""The loss of detectors: MultiBoxLoss (SSD's multibox_loss_layer.cpp and bbox_util.cpp)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.boxes import Array, encode, match, overlap
from caffe_fcn.engines.torch.layers.losses import find_normalization, read_labels
from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.layer_types import Site
from caffe_fcn.proto.schema import MultiBoxLossParameter

_PARAMETER = MultiBoxLossParameter


class _Targets(NamedTuple):
    """What the prior boxes of one image are to learn: P labels, P x 4 offsets, and which of them have a box."""

    labels: Array
    offsets: Array
    positive: Array
    overlaps: Array  # the largest with any box


@layer("MultiBoxLoss")
class MultiBoxLoss(UnrecordedLayer):
    """How far scores and offsets of prior boxes are from the boxes that they match.

    The bottoms are offsets, scores, prior boxes, and the boxes of all images: rows of image, label, instance, corners,
    difficult. Of prior boxes without a match only those with the largest losses count, ``neg_pos_ratio`` times as many
    as have one; all of them without mining. In an image without boxes nothing counts then.
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        param = self.param
        for refused, what in (
            (len(site.shapes) > 4, "more than four bottoms, as RefineDet's has"),
            (not param.share_location, "share_location: false"),
            (not param.use_prior_for_matching, "use_prior_for_matching: false"),
            (param.conf_loss_type != _PARAMETER.SOFTMAX, "conf_loss_type: LOGISTIC"),
            (param.mining_type == _PARAMETER.HARD_EXAMPLE, "mining_type: HARD_EXAMPLE"),
            (param.HasField("nms_param"), "nms_param"),
            (param.ignore_cross_boundary_bbox, "ignore_cross_boundary_bbox"),
            (param.bp_inside, "bp_inside"),
            (param.map_object_to_agnostic, "map_object_to_agnostic"),
        ):
            if refused:
                site.fail(f"has {what}, which is not computed", "use the Caffe that has it")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        param = self.param
        priors, variances = bottoms[2].detach().cpu().double().numpy().reshape(2, -1, 4)
        rows = bottoms[3].detach().cpu().double().numpy().reshape(-1, 8)
        count = len(bottoms[0])
        offsets, scores = bottoms[0].reshape(count, len(priors), 4), bottoms[1].reshape(count, len(priors), -1)
        targets = [self._match(priors, variances, rows[rows[:, 0] == image]) for image in range(count)]
        labels, wanted, positive, overlaps = (
            torch.from_numpy(np.stack(each)).to(scores.device) for each in zip(*targets, strict=True)
        )
        numbers, _ = read_labels(self, labels, scores.shape[2])
        losses = F.cross_entropy(scores.transpose(1, 2), numbers, reduction="none")
        counted = positive | self._mine(losses.detach(), positive, overlaps)
        if param.encode_variance_in_target:
            offsets = offsets / torch.from_numpy(variances).to(offsets)
        distances = (offsets - wanted.to(offsets))[positive]
        if param.loc_loss_type == _PARAMETER.L2:
            place = distances.square().sum() / 2
        else:
            place = F.smooth_l1_loss(distances, torch.zeros_like(distances), reduction="sum")
        loss = param.loc_weight * place + (losses * counted).sum()
        normalizers = {"FULL": count * len(priors), "BATCH_SIZE": count, "NONE": 1, "VALID": int(positive.sum())}
        return [loss / max(normalizers[find_normalization(self, "VALID")], 1)]

    def _match(self, priors: Array, variances: Array, rows: Array) -> _Targets:
        param = self.param
        if not param.use_difficult_gt:
            rows = rows[rows[:, 7] == 0]
        boxes = rows[:, 3:7]
        overlaps = np.stack([overlap(prior, boxes) for prior in priors])
        threshold = None if param.match_type == _PARAMETER.BIPARTITE else param.overlap_threshold
        matches = match(overlaps, threshold)
        positive = matches >= 0
        labels = np.full(len(priors), param.background_label_id)
        labels[positive] = rows[matches[positive], 1]
        wanted = np.zeros_like(priors)
        wanted[positive] = encode(priors[positive], boxes[matches[positive]], param.code_type) / variances[positive]
        return _Targets(labels, wanted, positive, overlaps.max(1, initial=0))

    def _mine(self, losses: Tensor, positive: Tensor, overlaps: Tensor) -> Tensor:
        """The prior boxes without a match that count."""
        param = self.param
        if param.mining_type == _PARAMETER.NONE:
            return ~positive
        eligible = ~positive & (overlaps < param.neg_overlap)
        order = losses.where(eligible, -1).argsort(dim=1, descending=True, stable=True)
        most = (positive.sum(1) * param.neg_pos_ratio).long().minimum(eligible.sum(1))
        chosen = torch.arange(losses.shape[1], device=losses.device) < most[:, None]
        return torch.zeros_like(positive).scatter(1, order, chosen)
