"""The catalogue: each net is one row of the table `NETS`, with its parts and its solver."""

from __future__ import annotations

from functools import partial

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.netspec import fcn, small, solvers
from caffe_fcn.netspec.backbones import CAFFENET, GOOGLENET, VGG16, VGG16_BGRD
from caffe_fcn.netspec.design import DataSet, NetDesign, PythonDataLayer, Variant, Variants
from caffe_fcn.netspec.solvers import context_solver, nyud_solver, siftflow_solver, voc_solver


def catalogue() -> dict[str, NetDesign]:
    """Every net by its name."""
    return {net.name: net for net in NETS}


def find_design(name: str | NetDesign) -> NetDesign:
    """The design of this name, or the given design itself; raises `NetError` for a name that does not exist."""
    if isinstance(name, NetDesign):
        return name
    known = catalogue()
    if name not in known:
        raise NetError(name, "the catalogue has no such net", nearest(name, known) or "see caffe-fcn net list")
    return known[name]


# Data sets: the blobs that their layers make, and the reference's layers that read them

_TRAINVAL_TEST = ("trainval", "test")

_VOC = DataSet(
    "voc",
    module="voc_layers",
    readers=(
        PythonDataLayer("SBDDSegDataLayer", {"sbdd_dir": "sbdd/dataset"}, "train", ("mean",)),
        PythonDataLayer("VOCSegDataLayer", {"voc_dir": "pascal/VOC2011"}, "seg11valid", ("mean",)),
    ),
)
_NYUD = partial(
    DataSet,
    "nyud",
    splits=_TRAINVAL_TEST,
    module="nyud_layers",
    readers=tuple(
        PythonDataLayer("NYUDSegDataLayer", {"nyud_dir": "nyud"}, split, ("tops",)) for split in _TRAINVAL_TEST
    ),
)
_SIFTFLOW = DataSet(
    "siftflow",
    labels=("sem", "geo"),
    splits=_TRAINVAL_TEST,
    module="siftflow_layers",
    readers=tuple(
        PythonDataLayer("SIFTFlowSegDataLayer", {"siftflow_dir": "sift-flow"}, split) for split in _TRAINVAL_TEST
    ),
)
_CONTEXT_FOLDERS = {"voc_dir": "pascal", "context_dir": "pascal-context"}
_CONTEXT = DataSet(
    "pascalcontext",
    module="pascalcontext_layers",
    readers=tuple(PythonDataLayer("PASCALContextSegDataLayer", _CONTEXT_FOLDERS, split) for split in ("train", "val")),
)
_SYNTHIA = DataSet("synthia", size=(720, 960))
_TRIANGLES = DataSet("triangles", {"data": 1}, size=(32, 32), mean=(244.45,))
_MNIST = DataSet("mnist", {"data": 1}, size=(28, 28), mean=(127.0,), scale=1 / 127, classified=True)
_M2NIST = DataSet("m2nist", {"data": 1}, size=(64, 84), mean=(127.0,), scale=1 / 127)

# Nets

_voc = partial(NetDesign, add_layers=fcn.add_fcn, dataset=_VOC, classes=(21,))
_nyud = partial(NetDesign, add_layers=fcn.add_fcn, classes=(40,))
_siftflow = partial(NetDesign, add_layers=fcn.add_two_head_fcn, dataset=_SIFTFLOW, classes=(33, 3))
_context = partial(NetDesign, add_layers=fcn.add_fcn, dataset=_CONTEXT, classes=(60,), source="../../data")
_digits = partial(_voc, data="lmdb", digits_form=True, classes_in_names=True, all_in_one=True)
_synthia = partial(_digits, dataset=_SYNTHIA, classes=(12,), filler="msra")
_small = partial(NetDesign, data="lmdb")

_COLOR_D = _NYUD({"color": 3, "depth": 1})
_COLOR_HHA = _NYUD({"color": 3, "hha": 3})
_LOSSES = Variants(
    "loss",
    (
        Variant("l2", solvers.TRIANGLES_L2, takes_classes=False),
        Variant("softmax", solvers.TRIANGLES_SOFTMAX),
        Variant("l1", solvers.TRIANGLES_L1, takes_classes=False),
    ),
    note="l1 needs NVIDIA's Caffe",
)
_M2NIST_FORMS = Variants(
    "variant", (Variant("published", solvers.M2NIST), Variant("convolutionalized", solvers.M2NIST))
)

NETS = (
    _voc("voc-fcn-alexnet", CAFFENET, 32, solvers.ALEXNET, normalize=True, all_in_one=True),
    _voc("voc-fcn32s", VGG16, 32, voc_solver(1e-10)),
    _voc("voc-fcn16s", VGG16, 16, voc_solver(1e-12), source="../../data"),
    _voc("voc-fcn8s", VGG16, 8, voc_solver(1e-14)),
    _voc("voc-fcn8s-atonce", VGG16, 8, voc_solver(1e-10, 300000), at_once=True),
    _voc("voc-fcn32s-googlenet", GOOGLENET, 32, voc_solver(1e-10), bilinear=True),
    _nyud("nyud-fcn32s-color", VGG16, 32, nyud_solver(1e-10), _NYUD(reads={"data": "color"})),
    _nyud("nyud-fcn32s-hha", VGG16, 32, nyud_solver(1e-10), _NYUD(reads={"data": "hha"})),
    _nyud("nyud-fcn32s-color-d", VGG16_BGRD, 32, nyud_solver(1e-10), _COLOR_D, add_layers=fcn.add_bgrd_fcn),
    _nyud("nyud-fcn32s-color-hha", VGG16, 32, nyud_solver(1e-12), _COLOR_HHA, add_layers=fcn.add_two_stream_fcn),
    _siftflow("siftflow-fcn32s", VGG16, 32, siftflow_solver(1e-10)),
    _siftflow("siftflow-fcn16s", VGG16, 16, siftflow_solver(1e-12)),
    _siftflow("siftflow-fcn8s", VGG16, 8, siftflow_solver(1e-12)),
    _context("pascalcontext-fcn32s", VGG16, 32, context_solver(1e-10)),
    _context("pascalcontext-fcn16s", VGG16, 16, context_solver(1e-12)),
    _context("pascalcontext-fcn8s", VGG16, 8, context_solver(1e-14)),
    _digits("digits-fcn-alexnet", CAFFENET, 32, solvers.DIGITS_VOC),
    _digits("digits-fcn8s", VGG16, 8, solvers.DIGITS_VOC),
    _synthia("synthia-fcn-alexnet", CAFFENET, 32, solvers.DIGITS_SYNTHIA),
    _synthia("synthia-fcn8s", VGG16, 8, solvers.DIGITS_SYNTHIA),
    _small("triangles", small.PATCHES, 16, {}, _TRIANGLES, (2,), small.add_triangles, batch=4, variants=_LOSSES),
    _small("m2nist-cnn", small.ENCODER, None, solvers.MNIST, _MNIST, (10,), small.add_digit_classifier, batch=512),
    _small("m2nist-fcn", small.ENCODER, 4, {}, _M2NIST, (10,), small.add_digits_fcn, batch=4, variants=_M2NIST_FORMS),
)  # fmt: skip
