"""Make prototxts of a named net: the net of a phase, its solver, the files of both.

    build("voc-fcn8s", "train", classes=2, data="lmdb", source="../data/roads")     # a NetParameter
    files("nyud-fcn32s-color")        # trainval.prototxt, test.prototxt, deploy.prototxt, solver.prototxt

These are the options, here and of ``caffe-fcn net build``:

- ``classes``: a number, or one for each labelling that the net learns
- ``data``: "lmdb", "image" or "python"; ``source``: the folder of the data, as seen from the net's own folder
- ``mean``: a number for each channel (B, G, R), or one for all; ``batch``: images at a time
- ``size``: (H, W) of the deploy net's input
- ``pad``: the padding of the first convolution, or "auto" for the smallest that suffices for images of ``size`` and
  larger, or, without ``size``, for images of any size
- ``augment``: how training images and their labels are augmented, such as "flip,scale=0.75:1.25,crop=320x320" (see
  `caffe_fcn.augmentation.parse_transforms`)
- ``dataset``: the `Description` of the data set at hand; options that are not given are as it says
- ``loss``: "softmax" or "infogain", which weighs the classes; for triangles "l2", "softmax" or "l1"
- ``balance``: the weights of the classes, "none", "median" or "infogain"; see `class_weights`. `write` writes the
  matrix that the net reads
- ``variant`` (m2nist-fcn)
- ``spelling``: "bvlc", layers that every Caffe has, or "fork", those of the fork that the net was published for

These are for the solver, which `solver_fitting` makes:

- ``epochs``: how often every training image is seen; ``val_every``: the epochs from a test to the next
- ``base_lr``, ``momentum``, ``iter_size``: the fields of these names
- ``lr_policy``: "fixed", "step", "multistep" or "poly"; their figures follow from the number of iterations
- ``optimizer``: Caffe's type of solver, such as "SGD" or "Adam", with its rates
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.errors import NetError
from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.net import padding
from caffe_fcn.net.crops import has_crops
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.netspec.dataset_facts import resolve_design
from caffe_fcn.netspec.design import BuildPlan, NetDesign
from caffe_fcn.netspec.options import check_phase, make_plan
from caffe_fcn.netspec.solver_fitting import make_settings
from caffe_fcn.netspec.spec import NetSpec
from caffe_fcn.netspec.to_bvlc import to_bvlc
from caffe_fcn.proto import NetParameter, SolverParameter

_WIDE_PAD = 100  # every net of the catalogue aligns with this padding; the search for a smaller one starts from it


def build(name: str | NetDesign, phase: str, **options: Any) -> NetParameter:
    """The net of a phase: "train", "val", "deploy", or "all" for one net that holds all three.

    For the options see the module. Raises `NetError` for a name, an option or a value that does not exist, and
    `OffsetError` where the padding is too small for a crop.

    >>> net = build("voc-fcn8s", "deploy", classes=3)
    >>> [layer.name for layer in net.layer if layer.type == "Crop"]
    ['score_pool4c', 'score_pool3c', 'score']
    """
    net, options = resolve_design(name, options)
    return build_net(make_plan(net, check_phase(phase), resolve_padding(net, options)))


def solver(name: str | NetDesign, **options: Any) -> SolverParameter:
    """The solver of a net; it names the net's files as `files` does."""
    net, options = resolve_design(name, options)
    settings = make_settings(_make_solver_plan(net, options))
    return SolverParameter(**{field: setting.value for field, setting in settings.items()})


def explain_solver(name: str | NetDesign, **options: Any) -> dict[str, str]:
    """Return where the value of each field of `solver` comes from; raises what `solver` raises.

    >>> explain_solver("voc-fcn32s", base_lr=1e-9)["base_lr"]
    'as given'
    """
    net, options = resolve_design(name, options)
    return {field: setting.origin for field, setting in make_settings(_make_solver_plan(net, options)).items()}


def _make_solver_plan(net: NetDesign, options: Mapping[str, Any]) -> BuildPlan:
    return make_plan(net, "train", {**options, "pad": None})


def files(name: str | NetDesign, **options: Any) -> dict[str, NetParameter | SolverParameter]:
    """All prototxts of a net by file name, as the reference names them: one for each phase, and the solver last."""
    net, others = resolve_design(name, options)
    names = {**dict(zip(("train", "val"), net.dataset.splits, strict=True)), "deploy": "deploy"}
    if not net.dataset.validates:
        del names["val"]
    if net.all_in_one:
        names["all"] = "all"
    resolved = resolve_padding(net, others)
    nets = {f"{file}.prototxt": build(net, phase, **resolved) for phase, file in names.items()}
    return {**nets, SOLVER_FILE: solver(net, **resolved)}


def weigh_classes(name: str | NetDesign, **options: Any) -> tuple[float, ...]:
    """Return the weight of each class in the loss of the net, or nothing where all count alike."""
    net, options = resolve_design(name, options)
    return _make_solver_plan(net, options).class_weights


def build_net(plan: BuildPlan) -> NetParameter:
    """The net of a plan."""
    n = NetSpec()
    plan.net.add_layers(n, plan)
    net = n.to_proto()
    if plan.net.filler:
        for layer in net.layer:
            if layer_type(layer.type).kind is Kind.CONVOLUTION and not layer.name.startswith("score"):
                layer.convolution_param.weight_filler.type = plan.net.filler
    return to_bvlc(net, plan.size).net if plan.in_bvlcs_spelling else net


def resolve_padding(net: NetDesign, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a number in place of ``pad="auto"``."""
    if options.get("pad") != "auto":
        return dict(options)
    draft = make_plan(net, "deploy", {**options, "pad": _WIDE_PAD})
    built = build_net(draft)
    if not has_crops(built):
        raise NetError(net.name, "has no Crop that a padding would have to fit", "give pad a number")
    smallest = (1, 1) if options.get("size") is None else draft.size
    return {**options, "pad": padding.plan(built, smallest).pad}
