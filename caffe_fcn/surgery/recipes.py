"""The named surgeries of the FCN family: the net that they make, the weights that they want, what training must do.

    report = recipe("vgg16-32s", ["VGG_ILSVRC_16_layers.caffemodel"], "fcn32s.caffemodel")
    recipe("32s-16s", ["fcn32s.caffemodel"], "fcn16s.caffemodel")

Each is a transplant into a net of the catalogue. A finer net starts out equal to the coarser one, because its new score
layers are zero.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from caffe_fcn import netspec
from caffe_fcn.errors import CaffeFcnError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.proto import NetParameter
from caffe_fcn.surgery.donors import Donor
from caffe_fcn.surgery.edits import Edit, add_mean_channel
from caffe_fcn.surgery.report import Report
from caffe_fcn.surgery.transplantation import transplant


@dataclass(frozen=True)
class Recipe:
    """A surgery that makes weights for ``net`` of the catalogue (built with ``options``).

    ``wants`` names its weights files and ``trains`` what it leaves to training. ``renames`` and ``edits`` apply to the
    layers of every file, ``suffixes`` has one suffix for each file. ``published`` names the published model
    that the recipe wants, where there is one.
    """

    net: str
    wants: tuple[str, ...]
    trains: str
    options: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    edits: Mapping[str, Callable[[], Edit]] = field(default_factory=dict)
    suffixes: tuple[str, ...] = ("",)
    published: str = ""


_VGG = "VGG-16's caffemodel (VGG_ILSVRC_16_layers), or a convolutionalized one"
_ALEXNET = "bvlc_alexnet.caffemodel"
_ORDER = "it normalizes before it pools, the FCN after"
_SCORE = "score_fr (starts at zero) and, slowly, all other layers"

RECIPES = {
    "alexnet": Recipe("voc-fcn-alexnet", (_ALEXNET,), f"{_SCORE}; {_ORDER}", published="alexnet"),
    "caffenet": Recipe("voc-fcn-alexnet", ("bvlc_reference_caffenet.caffemodel",), _SCORE, published="caffenet"),
    "vgg16": Recipe("voc-fcn32s", (_VGG,), _SCORE, published="vgg16"),
    "googlenet": Recipe("voc-fcn32s-googlenet", ("bvlc_googlenet.caffemodel",), _SCORE, published="googlenet"),
    "16s": Recipe(
        "voc-fcn16s",
        ("a trained voc-fcn32s",),
        "score_pool4 (starts at zero) and all other layers",
        published="voc-fcn32s",
    ),
    "8s": Recipe(
        "voc-fcn8s",
        ("a trained voc-fcn16s",),
        "score_pool3 (starts at zero) and all other layers",
        published="voc-fcn16s",
    ),
    "8s-atonce": Recipe(
        "voc-fcn8s-atonce", (_VGG,), "score_fr, score_pool4, score_pool3 (zero) and all other layers", published="vgg16"
    ),
    "nyud-color": Recipe("nyud-fcn32s-color", (_VGG,), _SCORE, published="vgg16"),
    "nyud-hha": Recipe("nyud-fcn32s-hha", (_VGG,), _SCORE, published="vgg16"),
    "nyud-color-d": Recipe(
        "nyud-fcn32s-color-d",
        (_VGG,),
        _SCORE,
        renames={"conv1_1": "conv1_1_bgrd"},
        edits={"conv1_1": add_mean_channel},
        published="vgg16",
    ),
    "nyud-color-hha": Recipe(
        "nyud-fcn32s-color-hha",
        ("a trained nyud-fcn32s-color", "a trained nyud-fcn32s-hha"),
        "nothing that is new: both streams are trained, their scores are averaged",
        suffixes=("color", "hha"),
    ),
    "siftflow-32s": Recipe(
        "siftflow-fcn32s", (_VGG,), "score_fr_sem, score_fr_geo (zero) and all other layers", published="vgg16"
    ),
    "siftflow-16s": Recipe(
        "siftflow-fcn16s",
        ("a trained siftflow-fcn32s",),
        "score_pool4_sem, score_pool4_geo (zero)",
        published="siftflow-fcn32s",
    ),
    "siftflow-8s": Recipe(
        "siftflow-fcn8s",
        ("a trained siftflow-fcn16s",),
        "score_pool3_sem, score_pool3_geo (zero)",
        published="siftflow-fcn16s",
    ),
    "pascalcontext-32s": Recipe("pascalcontext-fcn32s", (_VGG,), _SCORE, published="vgg16"),
    "pascalcontext-16s": Recipe(
        "pascalcontext-fcn16s",
        ("a trained pascalcontext-fcn32s",),
        "score_pool4 (zero)",
        published="pascalcontext-fcn32s",
    ),
    "pascalcontext-8s": Recipe(
        "pascalcontext-fcn8s",
        ("a trained pascalcontext-fcn16s",),
        "score_pool3 (zero)",
        published="pascalcontext-fcn16s",
    ),
    "m2nist": Recipe(
        "m2nist-fcn",
        ("a trained m2nist-cnn",),
        "score_fr and the two upsampling layers",
        options={"variant": "convolutionalized"},
    ),
}


def recipe(
    name: str,
    weights: Sequence[PathLike],
    output: PathLike,
    *,
    to_net: NetParameter | PathLike | None = None,
    strict: bool = False,
    seed: int = 0,
) -> Report:
    """Carry out the recipe ``name`` with the weights files that it wants.

    ``to_net`` is a variant of the recipe's net, with other classes for instance. Raises `CaffeFcnError` for an unknown
    name or another number of files, and what `transplant` raises.
    """
    chosen = find_recipe(name)
    if len(weights) != len(chosen.wants):
        wanted = f"{len(chosen.wants)}: {' and '.join(chosen.wants)}"
        raise CaffeFcnError(f"recipe '{name}'", f"got {len(weights)} weights files", f"it wants {wanted}")
    donors = [
        Donor(os.fspath(file), chosen.renames, suffix, {layer: edit() for layer, edit in chosen.edits.items()})
        for file, suffix in zip(weights, chosen.suffixes, strict=True)
    ]
    net = netspec.build(chosen.net, "deploy", **chosen.options) if to_net is None else to_net
    return transplant(donors, net, output, strict=strict, seed=seed)


def find_recipe(name: str) -> Recipe:
    """A recipe by its name, or by that of the net that it makes; raises `CaffeFcnError` with the nearest name.

    >>> find_recipe("voc-fcn8s").wants
    ('a trained voc-fcn16s',)
    """
    by_net = {each.net: each for each in reversed(RECIPES.values())}
    if name not in RECIPES and name not in by_net:
        mend = nearest(name, [*RECIPES, *by_net]) or f"one of {', '.join(RECIPES)}"
        raise CaffeFcnError(f"recipe '{name}'", "there is none", mend)
    return RECIPES.get(name) or by_net[name]
