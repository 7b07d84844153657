"""A bundle's net rewritten for a program or device that takes some of Caffe's nets, as far as it computes the same.

    remaining = fit_to_target(net, find_target("ncnn"))     # a DeliveredNet, which is changed
    [str(misfit) for misfit in remaining]                   # what the target does not take nevertheless

| where the target | the net gets |
|---|---|
| does not take a fork's type | BVLC's layers that compute the same (`netspec.to_bvlc`) |
| wants `use_global_stats: true` | it; in the TEST phase it is Caffe's default |
| does not take BatchNorm or Scale | them folded into the convolutions before |
| does not take some groups | one group, with weights of zero between what were groups |
| cuts the channels of a Crop, too | Slice layers in its place, for images of this one size |
| does not take LRN (across channels) | its formula in Power, Convolution and Eltwise layers |
| takes one blob of an Input layer | an Input layer for each blob |
| has a type for layers that it lacks | `Custom`, with the shapes of what they make; their weights are left out |

Whatever has no exact form stays as it is, and is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from caffe_fcn.errors import NetError
from caffe_fcn.interop.bundle_net import DeliveredNet
from caffe_fcn.interop.targets.figures import group_kind
from caffe_fcn.interop.targets.misfits import Misfit, find_misfits, find_net_misfits, is_taken
from caffe_fcn.interop.targets.table import NET, Target
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.net.shapes import Shapes, infer
from caffe_fcn.netspec.to_bvlc import CONVERTED_TYPES, to_bvlc
from caffe_fcn.proto import LayerParameter
from caffe_fcn.proto.copying import copy_message, with_layers
from caffe_fcn.weights.tensors import Tensor, from_array

_REWRITTEN = (
    "batch_norm_param.use_global_stats",
    "group_kind",
    "cut_channels",
    "blobs_of_an_input",
    "format",
    "inputs",
)
_FOLDED = ("BatchNorm", "Scale")
_COMPOSED = ("LRN",)


def fit_to_target(net: DeliveredNet, target: Target) -> list[Misfit]:
    """Rewrite ``net`` for a target; its notes say what was changed. Returns what the target does not take of it.

    Raises `WeightsError` for weights that cannot be folded.
    """
    _convert_forks(net, target)
    _set_global_statistics(net, target)
    if any(not is_taken(target, node) for node in _find_types(net, _FOLDED)):
        net.fold_normalization()
    _compose_normalization(net, target)
    _spread_groups(net, target)
    _slice_crops(net, target)
    _separate_inputs(net, target)
    _replace_by_custom(net, target)
    return [*find_net_misfits(target, net.net), *find_misfits(target, infer(net.net))]


def may_fit(misfit: Misfit, target: Target) -> bool:
    """Whether there is a form that `fit_to_target` may find, without looking at weights."""
    if misfit.bound is not None:
        return misfit.bound.figure in _REWRITTEN
    kind = misfit.node.type if misfit.node else ""
    return bool(target.custom) or kind in (*_FOLDED, *_COMPOSED, *CONVERTED_TYPES)


def describe_misfit(misfit: Misfit, target: Target) -> str:
    """One line about what stays: the layer, what it does, and what follows."""
    where = f"{misfit.node}" if misfit.node else "the net"
    taken = f" ({misfit.taken})" if misfit.taken else ""
    return f"for {target.name}, {misfit.otherwise.value}: {where} {misfit.what}{taken}"


def _find_types(net: DeliveredNet, types: Sequence[str]) -> list[Node]:
    return [node for node in infer(net.net).graph.nodes if node.type in types]


def _convert_forks(net: DeliveredNet, target: Target) -> None:
    """Write the layers of types that are not taken in BVLC's types, where these compute the same."""
    lacking = {node.type for node in infer(net.net).graph.nodes if not is_taken(target, node)} & CONVERTED_TYPES
    if target.custom or not lacking:
        return
    try:
        converted = to_bvlc(net.net, types=lacking)
    except NetError as error:
        net.notes.append(f"cannot be written in layers of BVLC's Caffe: {error}")
        return
    names = ", ".join(f"'{layer.name}'" for layer in net.net.layer if layer.type in lacking)
    net.replace(converted.net, {layer.name: layer.tensors for layer in converted.convert(net.layers)})
    net.notes += [*converted.notes, f"layers of BVLC's Caffe compute what {names} did"]


def _set_global_statistics(net: DeliveredNet, target: Target) -> None:
    bound = target.find_bound("BatchNorm", "batch_norm_param.use_global_stats")
    if bound is None or bound.values.has("unset"):
        return
    for layer in net.net.layer:
        if layer.type == "BatchNorm" and not layer.batch_norm_param.HasField("use_global_stats"):
            layer.batch_norm_param.use_global_stats = True
            net.notes.append(
                f"layer '{layer.name}' says use_global_stats: true, which is the default of the TEST phase"
            )


def _compose_normalization(net: DeliveredNet, target: Target) -> None:
    """Write LRN across channels as x * (k + alpha / n * sum of n squares) ^ -beta where it is not taken."""
    shapes = infer(net.net)
    lacking = {node.name for node in shapes.graph.nodes if node.type in _COMPOSED and not is_taken(target, node)}
    layers: list[LayerParameter] = []
    tensors = net.tensors
    changed = []
    for layer in net.net.layer:
        across = layer.lrn_param.norm_region == layer.lrn_param.ACROSS_CHANNELS
        if layer.name not in lacking or not across or layer.bottom[0] == layer.top[0]:
            layers.append(copy_message(layer))
            continue
        made = _make_normalization(layer, net.find_name)
        channels = shapes.blobs[layer.bottom[0]][1]
        made[1].convolution_param.num_output = channels
        tensors[made[1].name] = _make_sums(layer, channels)
        layers += made
        changed.append(layer.name)
    if changed:
        net.replace(with_layers(net.net, layers), tensors)
        names = ", ".join(f"'{name}'" for name in changed)
        net.notes.append(f"Power, Convolution and Eltwise layers compute what {names} did")


def _make_normalization(layer: LayerParameter, find_name: Callable[[str], str]) -> list[LayerParameter]:
    """Squares, their sums over neighbouring channels, the power of these, and the product with what was read."""
    names = [find_name(f"{layer.name}_{part}") for part in ("squares", "sums", "factors")]
    squares = LayerParameter(name=names[0], type="Power", bottom=[layer.bottom[0]], top=[names[0]])
    squares.power_param.power = 2
    sums = LayerParameter(name=names[1], type="Convolution", bottom=[names[0]], top=[names[1]])
    sums.convolution_param.kernel_size.append(1)
    factors = LayerParameter(name=names[2], type="Power", bottom=[names[1]], top=[names[2]])
    factors.power_param.power = -layer.lrn_param.beta
    product = LayerParameter(name=layer.name, type="Eltwise", bottom=[layer.bottom[0], names[2]], top=layer.top)
    product.eltwise_param.operation = product.eltwise_param.PROD
    return [squares, sums, factors, product]


def _make_sums(layer: LayerParameter, channels: int) -> tuple[Tensor, Tensor]:
    import numpy as np

    param = layer.lrn_param
    places = np.arange(channels)
    near = np.abs(places[:, None] - places) <= (param.local_size - 1) // 2
    weights = np.where(near, param.alpha / param.local_size, 0.0).astype("f4")
    return from_array(weights.reshape(channels, channels, 1, 1)), from_array(np.full(channels, param.k, "f4"))


def _spread_groups(net: DeliveredNet, target: Target) -> None:
    """Make one group of layers whose groups the target does not take."""
    shapes = infer(net.net)
    tensors = net.tensors
    for node in shapes.graph.nodes:
        bound = target.find_bound(node.type, "group_kind")
        if bound is None or bound.values.has(group_kind(node, shapes)) or not bound.values.has("none"):
            continue
        layer = next(each for each in net.net.layer if each.name == node.name)
        kernel, *rest = tensors[node.name]
        tensors[node.name] = (_spread(kernel, layer), *rest)
        net.notes.append(f"layer '{node.name}' has one group in place of {layer.convolution_param.group}")
        layer.convolution_param.ClearField("group")
    net.replace(net.net, tensors)


def _spread(kernel: Tensor, layer: LayerParameter) -> Tensor:
    """The weights of groups as those of one group: zeros between an output and the inputs of other groups."""
    import numpy as np

    values = kernel.load()
    groups = layer.convolution_param.group
    first, second, *window = values.shape
    whole = np.zeros((first, second * groups, *window), values.dtype)
    rows = first // groups  # a convolution has outputs first, a deconvolution inputs
    for group in range(groups):
        mine = slice(group * rows, (group + 1) * rows)
        whole[mine, group * second : (group + 1) * second] = values[mine]
    return from_array(whole)


def _slice_crops(net: DeliveredNet, target: Target) -> None:
    """Put Slice layers in the place of Crops whose reference has other channels."""
    bound = target.find_bound("Crop", "cut_channels")
    if bound is None:
        return
    shapes = infer(net.net)
    layers: list[LayerParameter] = []
    changed = []
    for layer in net.net.layer:
        if layer.type == "Crop" and _has_other_channels(layer, shapes):
            layers += _make_slices(layer, shapes, net.find_name)
            changed.append(layer.name)
        else:
            layers.append(layer)
    if changed:
        net.replace(with_layers(net.net, map(copy_message, layers)), net.tensors)
        first = next(iter(net.model.inputs))
        size = dims(shapes.blobs[first.blob][2:])
        names = ", ".join(f"'{name}'" for name in changed)
        net.notes.append(f"Slice layers cut in place of {names}: the net takes images of {size}, and no others")


def _has_other_channels(layer: LayerParameter, shapes: Shapes) -> bool:
    cut, reference = (shapes.blobs[name] for name in layer.bottom)
    return layer.crop_param.axis > 1 and cut[1] != reference[1]


def _make_slices(layer: LayerParameter, shapes: Shapes, find_name: Callable[[str], str]) -> Iterator[LayerParameter]:
    """Slices that leave what the Crop leaves, one for each axis; what they cut off goes into a Silence."""
    cut, reference = (shapes.blobs[name] for name in layer.bottom)
    axes = range(layer.crop_param.axis, len(cut))
    given = list(layer.crop_param.offset) or [0]
    offsets = given * len(axes) if len(given) == 1 else given
    wanted = [(axis, offset) for axis, offset in zip(axes, offsets, strict=True) if cut[axis] != reference[axis]]
    source, unused = layer.bottom[0], []
    for number, (axis, offset) in enumerate(wanted):
        is_last = number == len(wanted) - 1
        name = layer.name if is_last else find_name(f"{layer.name}_axis{axis}")
        kept = layer.top[0] if is_last else name
        made = LayerParameter(name=name, type="Slice", bottom=[source])
        made.slice_param.axis = axis
        end = offset + reference[axis]
        for point, side in ((offset, "before"), (end, "after")):
            if 0 < point < cut[axis]:
                made.slice_param.slice_point.append(point)
                unused.append(find_name(f"{layer.name}_{side}_axis{axis}"))
        before = [unused[-len(made.slice_param.slice_point)]] if offset else []
        after = [unused[-1]] if end < cut[axis] else []
        made.top.extend([*before, kept, *after])
        yield made
        source = kept
    if not wanted:  # it leaves all
        yield LayerParameter(name=layer.name, type="Split", bottom=[source], top=[layer.top[0]])
    if unused:
        yield LayerParameter(name=find_name(f"{layer.name}_rest"), type="Silence", bottom=unused)


def _separate_inputs(net: DeliveredNet, target: Target) -> None:
    if target.find_bound(NET, "blobs_of_an_input") is None:
        return
    layers: list[LayerParameter] = []
    for layer in net.net.layer:
        if origin_of(layer) is not Origin.INPUT or len(layer.top) < 2:
            layers.append(copy_message(layer))
            continue
        given = list(layer.input_param.shape)
        for top, shape in zip(layer.top, given * len(layer.top) if len(given) == 1 else given, strict=True):
            made = LayerParameter(name=top, type="Input", top=[top])
            made.input_param.shape.append(shape)
            layers.append(made)
        net.notes.append(f"each of the inputs {', '.join(layer.top)} has a layer of its own")
    net.replace(with_layers(net.net, layers), net.tensors)


def _replace_by_custom(net: DeliveredNet, target: Target) -> None:
    """Leave the layers that the target lacks to the user's own code, which finds their places and shapes."""
    if not target.custom:
        return
    shapes = infer(net.net)
    tensors: dict[str, Any] = dict(net.tensors)
    lacking = {node.name: node for node in shapes.graph.nodes if not is_taken(target, node)}
    layers = []
    for layer in net.net.layer:
        node = lacking.get(layer.name)
        if node is None:
            layers.append(copy_message(layer))
            continue
        made = LayerParameter(name=layer.name, type=target.custom, bottom=layer.bottom, top=layer.top)
        for top in node.tops:
            made.custom_param.shape.add(dim=shapes.blobs[top.name])
        layers.append(made)
        lost = " without its weights" if tensors.pop(layer.name, ()) else ""
        net.notes.append(f"{node} is a {target.custom} layer{lost}: your own code computes it")
    net.replace(with_layers(net.net, layers), tensors)
