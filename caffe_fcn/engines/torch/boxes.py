"""Boxes of detectors as numpy arrays: decoded from what a net predicts, and suppressed where they overlap.

A box is a row of its corners, x1, y1, x2, y2. Nothing here has a gradient: forks have none for it either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from caffe_fcn.net.layer_types.anchors import CORNER, CORNER_SIZE

Array: TypeAlias = Any  # a numpy array


def decode(priors: Array, offsets: Array, code: int) -> Array:
    """The boxes (P x 4) that lie at offsets from prior boxes (SSD's bbox_util.cpp, DecodeBBox).

    >>> import numpy as np
    >>> from caffe_fcn.net.layer_types.anchors import CENTER_SIZE
    >>> decode(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.5, 0.0, 0.0, 0.0]]), CENTER_SIZE)
    array([[1., 0., 3., 2.]])
    """
    if code == CORNER:
        return priors + offsets
    size = priors[:, 2:] - priors[:, :2]
    if code == CORNER_SIZE:
        return priors + offsets * np.tile(size, 2)
    centre = (priors[:, :2] + priors[:, 2:]) / 2 + offsets[:, :2] * size
    half = np.exp(offsets[:, 2:]) * size / 2
    return np.concatenate([centre - half, centre + half], 1)


def encode(priors: Array, boxes: Array, code: int) -> Array:
    """The offsets (P x 4) of boxes from prior boxes: the reverse of `decode` (EncodeBBox).

    >>> import numpy as np
    >>> from caffe_fcn.net.layer_types.anchors import CENTER_SIZE
    >>> encode(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]]), CENTER_SIZE)
    array([[0.5, 0. , 0. , 0. ]])
    """
    if code == CORNER:
        return boxes - priors
    size = priors[:, 2:] - priors[:, :2]
    if code == CORNER_SIZE:
        return (boxes - priors) / np.tile(size, 2)
    shift = (boxes[:, :2] + boxes[:, 2:] - priors[:, :2] - priors[:, 2:]) / 2
    return np.concatenate([shift / size, np.log((boxes[:, 2:] - boxes[:, :2]) / size)], 1)


def match(overlaps: Array, threshold: float | None) -> Array:
    """Which of G boxes each of P prior boxes is for, by their overlaps (P x G); -1 for none (MatchBBox).

    Each box first gets the prior box that overlaps it most, the best pair first. Then, unless ``threshold`` is None,
    each prior box that is left gets the box that it overlaps most, by no less than that.
    """
    matches = np.full(len(overlaps), -1)
    free = np.where(overlaps > _LEAST_OVERLAP, overlaps, -1)
    pairs = free.copy()
    while pairs.size and pairs.max() > 0:
        prior, box = np.unravel_index(pairs.argmax(), pairs.shape)
        matches[prior] = box
        pairs[prior] = pairs[:, box] = -1
    if threshold is not None and free.size:
        left = (matches < 0) & (free.max(1) >= max(threshold, 0))
        matches[left] = free[left].argmax(1)
    return matches


_LEAST_OVERLAP = 1e-6


def overlap(box: Array, others: Array, pixel: float = 0.0) -> Array:
    """The intersection of a box with each of others over their union (Jaccard's index).

    ``pixel`` is 1 for boxes whose last row and column count as theirs.
    """
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low + pixel, 0, None).prod(1)
    union = _area(box, pixel) + _area(others, pixel) - common
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def _area(boxes: Array, pixel: float) -> Array:
    sides = boxes[..., 2:] - boxes[..., :2]
    return np.where((sides < 0).any(-1), 0, (sides + pixel).prod(-1))


def suppress(
    boxes: Array,
    threshold: float,
    eta: float = 1.0,
    most: int | None = None,
    measure: Callable[[Array, Array], Array] = overlap,
) -> list[int]:
    """Which of boxes, the best first, overlap no better one that is kept by more than ``threshold``.

    ``eta`` below 1 lowers a threshold above 0.5 by this factor with each box that is kept. No more than ``most`` are
    kept.
    """
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if (measure(box, boxes[kept]) > threshold).any():
            continue
        kept.append(index)
        if len(kept) == most:
            break
        if eta < 1 and threshold > _LOWEST:
            threshold *= eta
    return kept


_LOWEST = 0.5  # threshold that is lowered no further
