"""The usual solvers of the catalogue's nets: one for each row of the table, with its fields and who says so.

The nets of the reference have the reference's solvers. `solver_fitting` fits a solver to the data set at hand and to
what the caller asks for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from caffe_fcn.datasets.reference_layers.published_sets import SETS, VOC_2012_COUNTS
from caffe_fcn.netspec.design import SolverDesign
from caffe_fcn.proto import SolverParameter

_COMMON = {
    "display": 20,
    "average_loss": 20,
    "lr_policy": "fixed",
    "weight_decay": 0.0005,
    "test_initialization": False,
}
_REFERENCE = {**_COMMON, "momentum": 0.99, "iter_size": 1, "test_interval": 999999999}  # the solver never tests
SNAPSHOT = {"snapshot": 4000, "snapshot_prefix": "snapshot/train"}
_REFERENCE_ORIGIN = "the reference's {} solver"


def voc_solver(base_lr: float, max_iter: int = 100000, **more: Any) -> SolverDesign:
    """For PASCAL VOC."""
    return _make_reference_solver("voc", base_lr, max_iter, **SNAPSHOT, **more)


def nyud_solver(base_lr: float) -> SolverDesign:
    """For NYUDv2."""
    return _make_reference_solver("nyud", base_lr, 300000, **{**SNAPSHOT, "snapshot": 2000})


def siftflow_solver(base_lr: float) -> SolverDesign:
    """For SIFT Flow; without snapshots, as in the reference."""
    return _make_reference_solver("siftflow", base_lr, 300000)


def context_solver(base_lr: float) -> SolverDesign:
    """For PASCAL-Context."""
    return _make_reference_solver("pascalcontext", base_lr, 300000, **SNAPSHOT)


def _make_reference_solver(dataset: str, base_lr: float, max_iter: int, **more: Any) -> SolverDesign:
    counts = SETS[dataset].counts
    fields = {**_REFERENCE, "test_iter": [counts[1]], "base_lr": base_lr, "max_iter": max_iter, **more}
    return SolverDesign(fields, _REFERENCE_ORIGIN, counts)


def paper_solver(source: str, images: tuple[int, int], batch: int, max_iter: int, **more: Any) -> SolverDesign:
    """A published training of one image at a time, whose gradients are summed up to its batch; it never tests.

    ``source`` is where the figures are published.
    """
    fields = {
        **_REFERENCE,
        **SNAPSHOT,
        "momentum": 0.9,
        "iter_size": batch,
        "test_iter": [images[1]],
        "max_iter": max_iter,
    }
    return SolverDesign({**fields, **more}, source, images)


def epochs_solver(count: int, images: tuple[int, int], batch: int, source: str, **more: Any) -> SolverDesign:
    """``count`` epochs, each with a validation and a snapshot; ``images`` are the numbers to train and to validate.

    ``source`` is where the figures are published.
    """
    train, val = images
    epoch = -(-train // batch)
    intervals = {"test_iter": [-(-val // batch)], "test_interval": epoch, "snapshot": epoch, "max_iter": count * epoch}
    fields = {**_COMMON, **SNAPSHOT, "momentum": 0.9, **intervals, **more}
    return SolverDesign(fields, source, images, count)


def _make_triangles_solver(base_lr: float) -> SolverDesign:
    """For minutes on a CPU: Adam brings the loss below a fifth of its start in about 400 iterations of 0.2 s.

    DIGITS takes 150 epochs of plain SGD on a GPU: only the loss l1, which only NVIDIA's Caffe has, keeps them.
    """
    minutes = {"max_iter": 600, "test_interval": 300, "test_iter": [25], "snapshot": 300}
    fields = {**_COMMON, **SNAPSHOT, **_ADAM, **minutes, "base_lr": base_lr}
    return SolverDesign(fields, "usual for {}", SETS["triangles"].counts)


_CPU = {"solver_mode": SolverParameter.CPU, "weight_decay": 0}  # `caffe train -gpu 0` overrules the mode
_ADAM = {**_CPU, "type": "Adam", "base_lr": 1e-3, "momentum": 0.9, "momentum2": 0.999}
_TUTORIAL = "the DIGITS tutorial"
_PUBLISHED = "the published training"

ALEXNET = voc_solver(1e-4, momentum=0.9, iter_size=20)
# the reference has no FCN-GoogLeNet, and no solver for FCNs from other classifiers
GOOGLENET = replace(voc_solver(1e-10), origin=_REFERENCE_ORIGIN.format("voc-fcn32s"))
ANY_CLASSIFIER = replace(
    ALEXNET,
    fields={**ALEXNET.fields, "test_iter": [100]},
    origin=_REFERENCE_ORIGIN.format("voc-fcn-alexnet"),
    counts=None,
)
# nor one for nets of other backbones whose loss is an average over the pixels
NORMALIZED = replace(ALEXNET, origin=_REFERENCE_ORIGIN.format("voc-fcn-alexnet"))
DIGITS_VOC = epochs_solver(10, VOC_2012_COUNTS, 1, _TUTORIAL, base_lr=1e-4)
DIGITS_SYNTHIA = epochs_solver(10, SETS["synthia"].counts, 1, _TUTORIAL, base_lr=1e-4)
MNIST = epochs_solver(75, SETS["mnist"].counts, 512, _PUBLISHED, **_ADAM)
M2NIST = epochs_solver(200, SETS["m2nist"].counts, 4, _PUBLISHED, **_ADAM)

_CAMVID_COUNTS, _CITYSCAPES_COUNTS, _ADE20K_COUNTS = (367, 101), (2975, 500), (20210, 2000)
_STEP_10TH = {"lr_policy": "step", "gamma": 0.1}
_POLY = {"lr_policy": "poly", "power": 0.9}

# its authors publish momentum and batch, and no learning rate
UNET = paper_solver(
    "Ronneberger et al. (2015), base_lr as for voc-fcn-alexnet", VOC_2012_COUNTS, 1, 100000, base_lr=1e-4, momentum=0.99
)
DILATION8 = paper_solver(
    "fyu/dilation, joint training", VOC_2012_COUNTS, 14, 400000, base_lr=1e-5, stepsize=100000, **_STEP_10TH
)
DEEPLAB_V1 = paper_solver("Chen et al. (2015)", VOC_2012_COUNTS, 20, 6000, base_lr=1e-3, stepsize=2000, **_STEP_10TH)
DEEPLAB_V2 = paper_solver("Chen et al. (2018)", VOC_2012_COUNTS, 10, 20000, base_lr=1e-3, **_POLY)
PSPNET = paper_solver("Zhao et al. (2017)", _ADE20K_COUNTS, 16, 150000, base_lr=0.01, weight_decay=1e-4, **_POLY)
ICNET = paper_solver("Zhao et al. (2018)", _CITYSCAPES_COUNTS, 16, 30000, base_lr=0.01, weight_decay=1e-4, **_POLY)
SEGNET = paper_solver("SegNet-Tutorial's segnet_solver.prototxt", _CAMVID_COUNTS, 1, 40000, base_lr=1e-3)
SEGNET_BASIC = paper_solver("SegNet-Tutorial's segnet_basic_solver.prototxt", _CAMVID_COUNTS, 1, 10000, base_lr=0.1)
ENET = paper_solver(
    "TimoSaemann/ENet's solver", _CITYSCAPES_COUNTS, 1, 75000, base_lr=0.005, type="Adam", momentum2=0.999,
    weight_decay=2e-4, lr_policy="multistep", gamma=0.1, stepvalue=[18750, 37500, 56250],
)  # fmt: skip
HED = paper_solver(
    "s9xie/hed's solver", (28800, 100), 10, 30001, base_lr=1e-6, stepsize=10000, weight_decay=2e-4, **_STEP_10TH
)
TRIANGLES_SOFTMAX = _make_triangles_solver(1e-3)
TRIANGLES_L2 = _make_triangles_solver(3e-3)
TRIANGLES_L1 = epochs_solver(150, SETS["triangles"].counts, 4, "the DIGITS example", base_lr=1e-7, weight_decay=0)
