"""The solvers of the catalogue's nets, as fields of SolverParameter.

The nets of the reference have the reference's solvers. A solver file lies beside the net's prototxts, and Caffe runs
in that folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.datasets.reference_layers.published_sets import SETS, VOC_2012_COUNTS
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.proto import SolverParameter

SolverFields = Mapping[str, Any]

_COMMON = {
    "display": 20,
    "average_loss": 20,
    "lr_policy": "fixed",
    "weight_decay": 0.0005,
    "test_initialization": False,
}
_REFERENCE = {**_COMMON, "momentum": 0.99, "iter_size": 1, "test_interval": 999999999}  # the solver never tests
_SNAPSHOT = {"snapshot": 4000, "snapshot_prefix": "snapshot/train"}


def voc_solver(base_lr: float, max_iter: int = 100000, **more: Any) -> SolverFields:
    """For PASCAL VOC."""
    return {
        **_REFERENCE,
        **_SNAPSHOT,
        "test_iter": [SETS["voc"].counts[1]],
        "base_lr": base_lr,
        "max_iter": max_iter,
        **more,
    }


def nyud_solver(base_lr: float) -> SolverFields:
    """For NYUDv2."""
    return voc_solver(base_lr, 300000, test_iter=[SETS["nyud"].counts[1]], snapshot=2000)


def siftflow_solver(base_lr: float) -> SolverFields:
    """For SIFT Flow; without snapshots, as in the reference."""
    return {**_REFERENCE, "test_iter": [SETS["siftflow"].counts[1]], "base_lr": base_lr, "max_iter": 300000}


def context_solver(base_lr: float) -> SolverFields:
    """For PASCAL-Context."""
    return voc_solver(base_lr, 300000, test_iter=[SETS["pascalcontext"].counts[1]])


def epochs_solver(count: int, images: tuple[int, int], batch: int, **more: Any) -> SolverFields:
    """``count`` epochs, each with a validation and a snapshot; ``images`` are the numbers to train and to validate."""
    train, val = images
    epoch = -(-train // batch)
    intervals = {"test_iter": [-(-val // batch)], "test_interval": epoch, "snapshot": epoch, "max_iter": count * epoch}
    return {**_COMMON, **_SNAPSHOT, "momentum": 0.9, **intervals, **more}


def fit_solver(solver: SolverFields, plan: BuildPlan) -> dict[str, Any]:
    """The fields of a solver that tests on all images of the data set at hand, or does not test where it has none."""
    dataset = plan.net.dataset
    if not dataset.validates:
        return {name: value for name, value in solver.items() if not name.startswith("test_")}
    if dataset.counts is None or dataset.counts[1] is None:
        return dict(solver)
    return {**solver, "test_iter": [-(-dataset.counts[1] // plan.batch)]}


_CPU = {"solver_mode": SolverParameter.CPU, "weight_decay": 0}  # `caffe train -gpu 0` overrules the mode
_MINUTES = {"max_iter": 600, "test_interval": 300, "test_iter": [25], "snapshot": 300}
_ADAM = {**_CPU, "type": "Adam", "base_lr": 1e-3, "momentum2": 0.999}

ALEXNET = voc_solver(1e-4, momentum=0.9, iter_size=20)
DIGITS_VOC = epochs_solver(10, VOC_2012_COUNTS, 1, base_lr=1e-4)
DIGITS_SYNTHIA = epochs_solver(10, SETS["synthia"].counts, 1, base_lr=1e-4)
MNIST = epochs_solver(75, SETS["mnist"].counts, 512, **_ADAM)
M2NIST = epochs_solver(200, SETS["m2nist"].counts, 4, **_ADAM)
# On a CPU, Adam brings the loss of triangles below a fifth of its start in about 400 iterations of 0.2 s. DIGITS takes
# 150 epochs of plain SGD on a GPU: only the loss l1, which only NVIDIA's Caffe has, keeps them.
TRIANGLES_SOFTMAX = {**epochs_solver(1, SETS["triangles"].counts, 4, **_ADAM), **_MINUTES}
TRIANGLES_L2 = {**TRIANGLES_SOFTMAX, "base_lr": 3e-3}
TRIANGLES_L1 = epochs_solver(150, SETS["triangles"].counts, 4, base_lr=1e-7, weight_decay=0)
