"""The catalogue: each net is one row of the table `NETS`, with its parts and its solver."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.netspec import deeplab, dilation, enet, fcn, hed, icnet, pspnet, segnet, small, solver_settings, unet
from caffe_fcn.netspec.backbones import (
    CAFFENET,
    DENSENET121,
    GOOGLENET,
    MOBILENET_V1,
    MOBILENET_V2,
    RESNET50,
    RESNET101,
    SQUEEZENET,
    VGG16,
    VGG16_BGRD,
    VGG16_BN,
)
from caffe_fcn.netspec.design import FORK, DataSet, NetDesign, Variant, Variants, make_spellings
from caffe_fcn.netspec.solver_settings import context_solver, nyud_solver, siftflow_solver, voc_solver


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


# Data sets, from the table of published sets

_VOC = DataSet.from_table("voc")
_COLOR = DataSet.from_table("nyud", reads={"data": "color"})
_HHA = DataSet.from_table("nyud", reads={"data": "hha"})
_COLOR_D = DataSet.from_table("nyud", images={"color": 3, "depth": 1})
_COLOR_HHA = DataSet.from_table("nyud", images={"color": 3, "hha": 3})
_SIFTFLOW = DataSet.from_table("siftflow")
_CONTEXT = DataSet.from_table("pascalcontext")
_SYNTHIA = DataSet.from_table("synthia")
_TRIANGLES = DataSet.from_table("triangles", class_counts=(2,))  # ink and paper
_MNIST = DataSet.from_table("mnist")
_M2NIST = DataSet.from_table("m2nist")
_ADE20K = DataSet("ade20k", class_counts=(150,), size=(473, 473), mean=(103.939, 116.779, 123.68))
_EDGES = DataSet("bsds", class_counts=(1,), ignore_label=None)
_CAMVID = DataSet(
    "camvid",
    class_counts=(11,),
    class_names=(
        ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),
    ),
    size=(360, 480),
    mean=(0.0,),
    ignore_label=11,
)
_CITYSCAPES = DataSet(
    "cityscapes",
    class_counts=(19,),
    class_names=(
        (
            "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
            "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
        ),
    ),
)  # fmt: skip

# Nets

_voc = partial(NetDesign, add_layers=fcn.add_fcn, dataset=_VOC)
_voc_normalized = partial(_voc, solver=solver_settings.NORMALIZED, normalize=True, bilinear=True)
_nyud = partial(NetDesign, add_layers=fcn.add_fcn)
_siftflow = partial(NetDesign, add_layers=fcn.add_two_head_fcn, dataset=_SIFTFLOW)
_context = partial(NetDesign, add_layers=fcn.add_fcn, dataset=_CONTEXT, source="../../data")
_digits = partial(_voc, data="lmdb", digits_form=True, classes_in_names=True, all_in_one=True)
_synthia = partial(_digits, dataset=_SYNTHIA, filler="msra")
_averaged = partial(NetDesign, data="lmdb", normalize=True, bilinear=True)
_small = partial(NetDesign, data="lmdb", normalize=True)

_LOSSES = Variants(
    "loss",
    (
        Variant("l2", solver_settings.TRIANGLES_L2, takes_classes=False),
        Variant("softmax", solver_settings.TRIANGLES_SOFTMAX),
        Variant("l1", solver_settings.TRIANGLES_L1, takes_classes=False),
    ),
    note="l1 needs NVIDIA's Caffe",
)
_M2NIST_FORMS = Variants(
    "variant", (Variant("published", solver_settings.M2NIST), Variant("convolutionalized", solver_settings.M2NIST))
)

NETS = (
    _voc("voc-fcn-alexnet", CAFFENET, 32, solver_settings.ALEXNET, normalize=True, all_in_one=True),
    _voc("voc-fcn32s", VGG16, 32, voc_solver(1e-10)),
    _voc("voc-fcn16s", VGG16, 16, voc_solver(1e-12), continues="voc-fcn32s", source="../../data"),
    _voc("voc-fcn8s", VGG16, 8, voc_solver(1e-14), continues="voc-fcn16s"),
    _voc("voc-fcn8s-atonce", VGG16, 8, voc_solver(1e-10, 300000), at_once=True),
    _voc("voc-fcn32s-googlenet", GOOGLENET, 32, solver_settings.GOOGLENET, bilinear=True),
    _voc_normalized("voc-fcn8s-vgg16-bn", VGG16_BN, 8),
    _voc_normalized("voc-fcn8s-squeezenet", SQUEEZENET, 8),
    _voc_normalized("voc-fcn8s-resnet50", RESNET50, 8),
    _voc_normalized("voc-fcn8s-resnet101", RESNET101, 8),
    _voc_normalized("voc-fcn8s-mobilenet-v1", MOBILENET_V1, 8),
    _voc_normalized("voc-fcn8s-mobilenet-v2", MOBILENET_V2, 8),
    _voc_normalized("voc-fcn8s-densenet121", DENSENET121, 8),
    _nyud("nyud-fcn32s-color", VGG16, 32, nyud_solver(1e-10), _COLOR),
    _nyud("nyud-fcn32s-hha", VGG16, 32, nyud_solver(1e-10), _HHA),
    _nyud("nyud-fcn32s-color-d", VGG16_BGRD, 32, nyud_solver(1e-10), _COLOR_D, add_layers=fcn.add_bgrd_fcn),
    _nyud(
        "nyud-fcn32s-color-hha", VGG16, 32, nyud_solver(1e-12), _COLOR_HHA, add_layers=fcn.add_two_stream_fcn,
        continues="nyud-fcn32s-color and nyud-fcn32s-hha",
    ),
    _siftflow("siftflow-fcn32s", VGG16, 32, siftflow_solver(1e-10)),
    _siftflow("siftflow-fcn16s", VGG16, 16, siftflow_solver(1e-12), continues="siftflow-fcn32s"),
    _siftflow("siftflow-fcn8s", VGG16, 8, siftflow_solver(1e-12), continues="siftflow-fcn16s"),
    _context("pascalcontext-fcn32s", VGG16, 32, context_solver(1e-10)),
    _context("pascalcontext-fcn16s", VGG16, 16, context_solver(1e-12), continues="pascalcontext-fcn32s"),
    _context("pascalcontext-fcn8s", VGG16, 8, context_solver(1e-14), continues="pascalcontext-fcn16s"),
    _digits("digits-fcn-alexnet", CAFFENET, 32, solver_settings.DIGITS_VOC),
    _digits("digits-fcn8s", VGG16, 8, solver_settings.DIGITS_VOC),
    _synthia("synthia-fcn-alexnet", CAFFENET, 32, solver_settings.DIGITS_SYNTHIA),
    _synthia("synthia-fcn8s", VGG16, 8, solver_settings.DIGITS_SYNTHIA),
    _averaged("unet", unet.CONTRACTION, 1, solver_settings.UNET, _VOC, unet.add_unet),
    _averaged("dilation8", dilation.FRONT_END, 8, solver_settings.DILATION8, _VOC, dilation.add_dilation8),
    _averaged(
        "deeplab-largefov", deeplab.VGG16_HOLES, 8, solver_settings.DEEPLAB_V1, replace(_VOC, size=(321, 321)),
        deeplab.add_largefov, grid=(8, 1), variants=make_spellings(solver_settings.DEEPLAB_V1),
    ),
    _averaged(
        "deeplab-v2-vgg16", deeplab.VGG16_DILATED, 8, solver_settings.DEEPLAB_V2, replace(_VOC, size=(321, 321)),
        deeplab.add_aspp, grid=(8, 1), variants=make_spellings(solver_settings.DEEPLAB_V2),
    ),
    _averaged(
        "pspnet50", pspnet.RESNET50_DILATED, 8, solver_settings.PSPNET, _ADE20K, pspnet.add_pspnet, grid=(8, 1),
        variants=make_spellings(solver_settings.PSPNET),
    ),
    _averaged(
        "icnet", icnet.CASCADE, 4, solver_settings.ICNET,
        replace(_CITYSCAPES, size=(1025, 2049), mean=_ADE20K.mean), icnet.add_icnet, grid=(32, 1),
        variants=make_spellings(solver_settings.ICNET),
    ),
    _averaged(
        "segnet", segnet.ENCODER, 1, solver_settings.SEGNET, _CAMVID, segnet.add_segnet, batch=4,
        variants=make_spellings(solver_settings.SEGNET, FORK),
    ),
    _averaged(
        "segnet-basic", segnet.BASIC_ENCODER, 1, solver_settings.SEGNET_BASIC, _CAMVID, segnet.add_segnet_basic,
        batch=4, variants=make_spellings(solver_settings.SEGNET_BASIC, FORK),
    ),
    _averaged(
        "enet", enet.ENCODER, 2, solver_settings.ENET, replace(_CITYSCAPES, size=(512, 1024), mean=(0.0,)),
        enet.add_enet, batch=3, grid=(8, 0), variants=make_spellings(solver_settings.ENET, FORK),
    ),
    NetDesign(
        "hed", hed.TRIMMED_VGG16, 1, solver_settings.HED, _EDGES, hed.add_hed, data="lmdb",
        variants=Variants("loss", (Variant("sigmoid", solver_settings.HED, takes_classes=False),)),
    ),
    _small(
        "triangles", small.PATCHES, 16, solver_settings.TRIANGLES_L2, _TRIANGLES, small.add_triangles, batch=4,
        variants=_LOSSES,
    ),
    _small("m2nist-cnn", small.ENCODER, None, solver_settings.MNIST, _MNIST, small.add_digit_classifier, batch=512),
    _small(
        "m2nist-fcn", small.ENCODER, 4, solver_settings.M2NIST, _M2NIST, small.add_digits_fcn, batch=4,
        variants=_M2NIST_FORMS,
    ),
)  # fmt: skip


class Choice(NamedTuple):
    """A purpose, the nets for it, the usual one first, and what speaks for them."""

    use: str
    nets: tuple[str, ...]
    why: str


# Parameters and multiply-accumulates are for 21 classes and 500x500, times are the torch engine's of README.md, which
# has this table, too.
CHOICES = (
    Choice(
        "photos of your own; a camera SDK; training without a GPU",
        ("voc-fcn32s-googlenet",),
        "6 M parameters, 8 G multiply-accumulates, and weights that a command fetches",
    ),
    Choice(
        "a small device",
        ("voc-fcn8s-squeezenet", "voc-fcn8s-mobilenet-v2", "voc-fcn8s-mobilenet-v1"),
        "1 to 3 M parameters, 2 to 3 G multiply-accumulates; weights of the classifiers are published",
    ),
    Choice(
        "the plainest layers, for old SDKs and for DIGITS",
        ("voc-fcn-alexnet", "digits-fcn-alexnet"),
        "59 M parameters, 21 G multiply-accumulates; a step of training takes 1.0 s and 975 MB on two cores",
    ),
    Choice(
        "fine outlines, with a GPU or with patience",
        ("voc-fcn8s-atonce",),
        "134 M parameters, 182 G multiply-accumulates; FCN-8s takes 1 s and 1.1 GB for an image on two cores",
    ),
    Choice(
        "reproduction of the paper",
        ("voc-fcn32s", "voc-fcn16s", "voc-fcn8s"),
        "trained one after the other, each from the weights of the one before",
    ),
    Choice(
        "colour with depth",
        ("nyud-fcn32s-color-d", "nyud-fcn32s-color-hha"),
        "depth as a fourth channel, or a backbone of its own for HHA",
    ),
    Choice(
        "two labellings of one image",
        ("siftflow-fcn32s", "siftflow-fcn16s", "siftflow-fcn8s"),
        "two heads on one backbone, trained one after the other",
    ),
    Choice(
        "small grey images, without a classifier's weights",
        ("m2nist-fcn",),
        "10 epochs of 4,000 images of 64x84 take five minutes on two cores",
    ),
    Choice(
        "a net of another paper, under its names",
        (
            "unet",
            "deeplab-largefov",
            "deeplab-v2-vgg16",
            "dilation8",
            "pspnet50",
            "icnet",
            "segnet",
            "segnet-basic",
            "enet",
            "hed",
        ),
        "docs/nets.md has the papers; nets of forks are there in layers that every Caffe has, too (--spelling)",
    ),
    Choice("a first try", ("triangles",), "trains in minutes on a CPU"),
)
