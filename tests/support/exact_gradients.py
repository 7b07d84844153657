"""A net whose gradients are exact, so that only the solver's own arithmetic rounds its weights.

The loss is the sum of all outputs of two InnerProduct layers. The gradient of a weight is then the sum of an input
over the batch, whatever the weights are. Inputs are odd multiples of 1/64 up to 2, so that these sums are exact in
any order. An input has the same sign in all images, so that no sum cancels, no gradient is near 0, and each history
has the sign of its gradient. The few operations of the update are all that can round.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import outlines

from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Writer

Weights = Mapping[tuple[str, int], np.ndarray]

NET = """
layer { name: "data" type: "Data" top: "data" transform_param { mean_value: 128 scale: 0.015625 }
  data_param { source: "inputs" batch_size: 2 backend: LMDB } }
layer { name: "whole" type: "InnerProduct" bottom: "data" top: "whole" loss_weight: 1
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } bias_filler { value: 0.5 } } }
layer { name: "half" type: "InnerProduct" bottom: "data" top: "half" loss_weight: -1
  param { lr_mult: 0.5 decay_mult: 3 } param { lr_mult: 0 decay_mult: 0 }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } bias_filler { value: 0.5 } } }
"""

UNIT = 2.0**-24  # the largest relative error of a rounding in float32
ROUNDINGS = 16
"""More than any update has operations, each counted with the factor by which it magnifies earlier roundings.

Adam has the most: five for each of two histories, the root, delta, the quotient, the rate and its correction. In
Nesterov's rule two terms cancel to a third, which counts four operations three times."""


def write_files(folder: Path) -> None:
    """Write the records, the net, and the weights to start from."""
    random = np.random.RandomState(0)
    above = random.randint(0, 2, (1, 4, 6))
    images = [128 * above + 2 * random.randint(0, 64, above.shape) + 1 for _ in range(8)]
    with Writer(folder / "inputs") as writer:
        writer.append([datum.pack_raw(image.astype(np.uint8)) for image in images])
    (folder / "net.prototxt").write_text(NET)
    outlines.start(folder)


def assert_same_updates(ours: Weights, theirs: Weights, before: Weights, updates: int) -> None:
    """After some updates of ``before``, weights differ by no more than rounding can explain.

    Each update rounds ``ROUNDINGS`` times, relative to the update, and once when it is subtracted, relative to the
    weight. Both sides round. All updates of a weight have the same sign, so that their sum is the weight's change.
    """
    assert ours.keys() == theirs.keys() == before.keys()
    for key, start in before.items():
        mine, caffes, began = (array.astype(np.float64) for array in (ours[key], theirs[key], start))
        moved = np.abs(caffes - began)
        rounding = 2 * UNIT * (ROUNDINGS * moved + updates * np.maximum(np.abs(began), np.abs(caffes)))
        assert (np.abs(mine - caffes) <= rounding).all(), key
        frozen = key == ("half", 1)
        assert not moved.any() if frozen else (moved > 100 * rounding).all(), key  # otherwise nothing was tested


def assert_same_histories(ours: list[np.ndarray], theirs: list[np.ndarray], updates: int) -> None:
    """Histories agree after some updates; each rounds a few times, relative to the history, which never halves."""
    assert len(ours) == len(theirs)
    for mine, caffes in zip(ours, theirs, strict=True):
        apart = np.abs(mine.astype(np.float64) - caffes)
        assert (apart <= 2 * UNIT * updates * ROUNDINGS * np.abs(caffes)).all()
