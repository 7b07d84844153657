"""What a journey chooses where nobody says it: one table by the number of images to train on, and the usual net.

| images | epochs | iterations at batch 1 |
|---|---|---|
| up to 100 | 100 | up to 10,000 |
| up to 500 | 40 | 4,000 to 20,000 |
| up to 2,000 | 20 | 10,000 to 40,000 |
| up to 20,000 | 10 | 20,000 to 200,000 |
| more | 4 | from 80,000 on |

Few images are seen often, many need fewer passes: the table stays near the 12 epochs of 8,498 images that the
reference trains on PASCAL VOC (100,000 iterations), and near the 30 epochs of DIGITS for a thousand or two. From
random values a net needs about twice as many, which `plan_epochs` gives it.

Tests on the validation part, snapshots and the solver's rates follow from the number of iterations in
`netspec` (an epoch or more between two tests, about ten snapshots, of which the last `KEEP` stay on the disk: one to
deliver, and one in case the last was written while the disk filled up).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.netspec.catalogue import CHOICES
from caffe_fcn.netspec.design import NetDesign

NET = CHOICES[0].nets[0]
"""The net for photos where none is named.

A model for a camera has to be small and quick, and a user without a GPU has to be able to train it. FCN-GoogLeNet has
6 million parameters and 7.8 billion multiply-accumulates for 500 x 500 pixels; FCN-AlexNet has 59 million and 21
billion, FCN-8s 134 million and 181 billion. On PASCAL VOC it is better than FCN-AlexNet (mean IU 42.5 to 39.8; FCN-32s
on VGG-16: 56.0; Long, Shelhamer and Darrell 2015, table 1). Its layers have fillers, so that it can also be trained
without a classifier's weights. With a GPU and room for 540 MB, voc-fcn8s-atonce segments finer.
"""

KEEP = 2
"""How many snapshots stay on the disk."""

_EPOCHS = ((100, 100), (500, 40), (2000, 20), (20_000, 10))
_MOST_IMAGES_EPOCHS = 4
_FROM_SCRATCH = 2

_SCRATCH_RATE = 3e-4  # of Adam, for a deep net without normalization; 1e-3 is for shallow ones


def plan_epochs(images: int, from_scratch: bool) -> int:
    """Return how often a training sees each image.

    >>> plan_epochs(45, from_scratch=False), plan_epochs(45_000, from_scratch=True)
    (100, 8)
    """
    epochs = next((epochs for most, epochs in _EPOCHS if images <= most), _MOST_IMAGES_EPOCHS)
    return epochs * _FROM_SCRATCH if from_scratch else epochs


def plan_batch(net: NetDesign, sizes: int) -> int | None:
    """Return the images at a time: None for the net's own number, 1 where images have several sizes."""
    return 1 if sizes > 1 and net.batch > 1 else None


def plan_solver(net: NetDesign, from_scratch: bool) -> Mapping[str, Any]:
    """Return the options of the solver: Adam in place of the reference's plain gradient descent.

    The reference's rates are for its data, its sizes of images and its classifier; Adam's do not depend on whether a
    loss is summed or averaged over pixels, nor on how many there are. A net that comes with a solver for its own kind
    of images keeps it.
    """
    if "type" in net.solver.fields:
        return {}
    return {"optimizer": "Adam", **({"base_lr": _SCRATCH_RATE} if from_scratch else {})}
