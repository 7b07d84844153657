"""The catalogue: what every net is made from and how it is trained. A net is one row of the table `NETS`.

Solvers are those of the reference where the net is. Their files lie beside the nets', and Caffe runs in that
folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from caffe_fcn.datasets.reference_layers.published_sets import VOC_2012_COUNTS
from caffe_fcn.netspec import fcn, small
from caffe_fcn.netspec.plan import DataSet, Net
from caffe_fcn.netspec.trunks import CAFFENET, GOOGLENET, VGG16, VGG16_BGRD
from caffe_fcn.proto import SolverParameter

# Data sets, as the table of published sets has them

_VOC = DataSet.published("voc")
_COLOR = DataSet.published("nyud", reads={"data": "color"})
_HHA = DataSet.published("nyud", reads={"data": "hha"})
_COLOR_D = DataSet.published("nyud", images={"color": 3, "depth": 1})
_COLOR_HHA = DataSet.published("nyud", images={"color": 3, "hha": 3})
_SIFTFLOW = DataSet.published("siftflow")
_CONTEXT = DataSet.published("pascalcontext")
_SYNTHIA = DataSet.published("synthia")
_TRIANGLES = DataSet.published("triangles")
_MNIST = DataSet.published("mnist")
_M2NIST = DataSet.published("m2nist")

# Solvers

_COMMON = {
    "display": 20,
    "average_loss": 20,
    "lr_policy": "fixed",
    "weight_decay": 0.0005,
    "test_initialization": False,
}
_REFERENCE = {**_COMMON, "momentum": 0.99, "iter_size": 1, "test_interval": 999999999}  # the solver never tests
_SNAPSHOT = {"snapshot": 4000, "snapshot_prefix": "snapshot/train"}


def _voc_solver(base_lr: float, max_iter: int = 100000, **more: Any) -> Mapping[str, Any]:
    return {**_REFERENCE, **_SNAPSHOT, "test_iter": [_VOC.counts[1]], "base_lr": base_lr, "max_iter": max_iter, **more}


def _nyud_solver(base_lr: float) -> Mapping[str, Any]:
    return _voc_solver(base_lr, 300000, test_iter=[_COLOR.counts[1]], snapshot=2000)


def _siftflow_solver(base_lr: float) -> Mapping[str, Any]:
    return {**_REFERENCE, "test_iter": [_SIFTFLOW.counts[1]], "base_lr": base_lr, "max_iter": 300000}


def _context_solver(base_lr: float) -> Mapping[str, Any]:
    return _voc_solver(base_lr, 300000, test_iter=[_CONTEXT.counts[1]])


def _epochs(count: int, images: tuple[int, int], batch: int, **more: Any) -> Mapping[str, Any]:
    """A solver of ``count`` epochs, each with a validation and a snapshot; ``images`` train and validate."""
    train, val = images
    epoch = -(-train // batch)
    turns = {"test_iter": [-(-val // batch)], "test_interval": epoch, "snapshot": epoch, "max_iter": count * epoch}
    return {**_COMMON, **_SNAPSHOT, "momentum": 0.9, **turns, **more}


_CPU = {"solver_mode": SolverParameter.CPU, "weight_decay": 0}  # `caffe train -gpu 0` overrules the mode
_MINUTES = {"max_iter": 600, "test_interval": 300, "test_iter": [25], "snapshot": 300}
_ADAM = {**_CPU, "type": "Adam", "base_lr": 1e-3, "momentum2": 0.999}

# Nets

_voc = partial(Net, lay=fcn.one_head, dataset=_VOC, classes=_VOC.class_counts)
_nyud = partial(Net, lay=fcn.one_head, classes=_COLOR.class_counts)
_siftflow = partial(Net, lay=fcn.two_heads, dataset=_SIFTFLOW, classes=_SIFTFLOW.class_counts)
_context = partial(Net, lay=fcn.one_head, dataset=_CONTEXT, classes=_CONTEXT.class_counts, source="../../data")
_digits = partial(_voc, data="lmdb", digits=True, counted=True, all_in_one=True)
_synthia = partial(_digits, dataset=_SYNTHIA, classes=_SYNTHIA.class_counts, filler="msra")
_small = partial(Net, data="lmdb")

ALEXNET_SOLVER = _voc_solver(1e-4, momentum=0.9, iter_size=20)
_DIGITS_SOLVER = _epochs(10, VOC_2012_COUNTS, 1, base_lr=1e-4)
_SYNTHIA_SOLVER = _epochs(10, _SYNTHIA.counts, 1, base_lr=1e-4)
_MNIST_SOLVER = _epochs(75, _MNIST.counts, 512, **_ADAM)
# On a processor Adam brings the loss of triangles below a fifth of its start in about 400 iterations of 0.2 s. DIGITS
# takes 150 epochs of plain SGD on a GPU: that is kept for the loss that only NVIDIA's Caffe has.
_TRIANGLES_SOLVERS = {
    "l2": {**_epochs(1, _TRIANGLES.counts, 4, **_ADAM), **_MINUTES, "base_lr": 3e-3},
    "softmax": {**_epochs(1, _TRIANGLES.counts, 4, **_ADAM), **_MINUTES},
    "l1": _epochs(150, _TRIANGLES.counts, 4, base_lr=1e-7, weight_decay=0),
}
_M2NIST_SOLVERS = dict.fromkeys(("published", "convolutionalized"), _epochs(200, _M2NIST.counts, 4, **_ADAM))

NETS = (
    _voc("voc-fcn-alexnet", CAFFENET, 32, ALEXNET_SOLVER, normalize=True, all_in_one=True),
    _voc("voc-fcn32s", VGG16, 32, _voc_solver(1e-10)),
    _voc("voc-fcn16s", VGG16, 16, _voc_solver(1e-12), source="../../data"),
    _voc("voc-fcn8s", VGG16, 8, _voc_solver(1e-14)),
    _voc("voc-fcn8s-atonce", VGG16, 8, _voc_solver(1e-10, 300000), at_once=True),
    _voc("voc-fcn32s-googlenet", GOOGLENET, 32, _voc_solver(1e-10), bilinear=True),
    _nyud("nyud-fcn32s-color", VGG16, 32, _nyud_solver(1e-10), _COLOR),
    _nyud("nyud-fcn32s-hha", VGG16, 32, _nyud_solver(1e-10), _HHA),
    _nyud("nyud-fcn32s-color-d", VGG16_BGRD, 32, _nyud_solver(1e-10), _COLOR_D, lay=fcn.bgrd),
    _nyud("nyud-fcn32s-color-hha", VGG16, 32, _nyud_solver(1e-12), _COLOR_HHA, lay=fcn.two_streams),
    _siftflow("siftflow-fcn32s", VGG16, 32, _siftflow_solver(1e-10)),
    _siftflow("siftflow-fcn16s", VGG16, 16, _siftflow_solver(1e-12)),
    _siftflow("siftflow-fcn8s", VGG16, 8, _siftflow_solver(1e-12)),
    _context("pascalcontext-fcn32s", VGG16, 32, _context_solver(1e-10)),
    _context("pascalcontext-fcn16s", VGG16, 16, _context_solver(1e-12)),
    _context("pascalcontext-fcn8s", VGG16, 8, _context_solver(1e-14)),
    _digits("digits-fcn-alexnet", CAFFENET, 32, _DIGITS_SOLVER),
    _digits("digits-fcn8s", VGG16, 8, _DIGITS_SOLVER),
    _synthia("synthia-fcn-alexnet", CAFFENET, 32, _SYNTHIA_SOLVER),
    _synthia("synthia-fcn8s", VGG16, 8, _SYNTHIA_SOLVER),
    _small("triangles", small.PATCHES, 16, _TRIANGLES_SOLVERS["l2"], _TRIANGLES, (2,), small.triangles,
           batch=4, choices={"loss": _TRIANGLES_SOLVERS}),
    _small("m2nist-cnn", small.ENCODER, None, _MNIST_SOLVER, _MNIST, _MNIST.class_counts, small.digit, batch=512),
    _small("m2nist-fcn", small.ENCODER, 4, _M2NIST_SOLVERS["published"], _M2NIST, _M2NIST.class_counts, small.digits,
           batch=4, choices={"variant": _M2NIST_SOLVERS}),
)  # fmt: skip
