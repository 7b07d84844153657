"""Weights of classes, by which a loss pays as much attention to a rare class as to a frequent one.

| balance | the weight of class c |
|---|---|
| median | median of all g / g(c), where g(c) is the share of c in the pixels of the images that have it |
| infogain | 1 / (K f(c)), where f(c) is the share of c in all labelled pixels, and K the number of classes that occur |

Median-frequency balancing is that of Eigen and Fergus (Predicting Depth, Surface Normals and Semantic Labels with a
Common Multi-Scale Convolutional Architecture, 2015). The other is inverse frequency, scaled so that the weights of all
labelled pixels have the mean 1: the loss keeps its size, and a learning rate that fitted before still fits. With the
median it becomes smaller where one class has most pixels. A class that never occurs has the weight 0.

Caffe takes the weights as the diagonal of a matrix H, in a file that InfogainLoss reads. The loss of a pixel with label
y and probabilities p is -sum over k of H[y, k] log p[k], which then is -w[y] log p[y].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.design import DataSet, NetDesign
from caffe_fcn.proto import BlobProto

MATRIX_FILE = "infogain.binaryproto"
NO_BALANCE = "none"


def weigh_inversely(frequencies: Sequence[float]) -> tuple[float, ...]:
    """Return the weights of "infogain" for the shares of the classes in the labelled pixels.

    >>> weigh_inversely([0.5, 0.25, 0.25])
    (0.6666666666666666, 1.3333333333333333, 1.3333333333333333)
    """
    occurring = sum(share > 0 for share in frequencies)
    return tuple(1 / (occurring * share) if share > 0 else 0.0 for share in frequencies)


_BALANCES: Mapping[str, Callable[[DataSet], Sequence[float]]] = {
    "median": lambda dataset: dataset.median_weights,
    "infogain": lambda dataset: weigh_inversely(dataset.frequencies),
}
BALANCES = (NO_BALANCE, *_BALANCES)


def weigh_classes(net: NetDesign, balance: str, classes: int) -> tuple[float, ...]:
    """Return the weight of each class for a balance; raises `NetError` where the data set does not say frequencies."""
    dataset = net.dataset
    if balance == NO_BALANCE:
        return ()
    if dataset.classified or len(net.classes) != 1:
        what = "one class for an image" if dataset.classified else f"{len(net.classes)} labellings"
        raise NetError("`balance`", f"{net.name} learns {what}, and it is for one label of each pixel", "leave it out")
    weights = tuple(_BALANCES[balance](dataset))
    if not any(weights):
        where = f"{dataset.name} does not say" if dataset.databases is not None else "nothing says"
        mend = "give `source` a data set that says its classes and that 'caffe-fcn data statistics' has measured"
        raise NetError("`balance`", f"{where} how frequent the classes are", mend)
    if len(weights) != classes:
        what = f"{dataset.name} has the frequencies of {len(weights)} classes, and the net has {classes}"
        raise NetError("`balance`", what, "leave out `classes`, or the balance")
    return weights


def make_matrix(weights: Sequence[float]) -> BlobProto:
    """The matrix H of InfogainLoss, 1 x 1 x K x K, with the weights on its diagonal."""
    count = len(weights)
    blob = BlobProto(num=1, channels=1, height=count, width=count)
    blob.data.extend(weight if row == column else 0.0 for row, weight in enumerate(weights) for column in range(count))
    return blob
