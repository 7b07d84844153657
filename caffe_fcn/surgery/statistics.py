"""The statistics of a training set folded into SegNet's BN, as its mode INFERENCE expects them.

    (x - mean) / sqrt(variance + eps) * scale + shift  =  x * scale' + shift'
    scale' = scale / sqrt(variance + eps),  shift' = shift - mean * scale'

In the mode LEARN this BN takes mean and variance of each batch and keeps none, so weights as they were trained lack
what a deploy net needs. `engines.torch.batch_statistics` measures it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.message import DecodeError

from caffe_fcn.errors import NetError, WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.layer_types.pointwise import bn_eps, bn_kind, learns_by_batch
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.dialects.numbering import to_forks, to_ours
from caffe_fcn.proto.wire import WireError
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.tensors import from_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Statistics:
    """The mean and the variance of each channel of what a BN reads, float64."""

    mean: Vector
    variance: Vector


def find_learning_norms(net: NetParameter) -> list[LayerParameter]:
    """The BN layers of a net, or of one phase of it, that normalize by the batch's statistics whatever the phase is."""
    return [layer for layer in net.layer if learns_by_batch(layer)]


def needs_statistics(trained: NetParameter, deploy: NetParameter) -> bool:
    """Whether a BN of the net ``deploy`` expects in scale and shift what the training of ``trained`` leaves out."""
    names = {layer.name for layer in find_learning_norms(select_phase(trained, "train"))}
    return any(layer.name in names and not learns_by_batch(layer) for layer in select_phase(deploy).layer)


def fold_statistics(
    layers: Iterable[LayerParameter], weights: PathLike, output: PathLike, statistics: Mapping[str, Statistics]
) -> None:
    """Write weights whose BN layers have their ``statistics``, by the layers' names, in scale and shift.

    ``layers`` are the BN layers of the training net. The file says of each that its mode is INFERENCE now, so that
    nothing is folded twice. Raises `WeightsError` where the weights lack a layer, are of another size, or have
    statistics in them already, and `NetError` where BN layers share their parameters.
    """
    with open_weights(weights) as opened:
        folded = {layer.name: _fold(opened, layer, statistics[layer.name]) for layer in layers}
        save_weights(output, [folded.get(each.name, each) for each in opened.layers], opened.head)


def _fold(opened: Weights, layer: LayerParameter, found: Statistics) -> Layer:
    import numpy as np

    where = locate(opened.path, layer.name)
    if any(spec.name for spec in layer.param):
        raise NetError(f"layer '{layer.name}' (BN)", "shares parameters, which one set of statistics cannot be in")
    tensors = opened[layer.name]
    before = next(each for each in opened.layers if each.name == layer.name and each.tensors)
    norm = _read_norm(before.definition)[0].bn_param
    if norm.bn_mode == norm.INFERENCE:
        raise WeightsError(where, "is in the mode INFERENCE: it has statistics already", "name weights as trained")
    if len(tensors) != _OWN or any(tensor.count != found.mean.size for tensor in tensors):
        shapes = " and ".join(dims(tensor.shape) for tensor in tensors)
        raise WeightsError(
            where, f"has {shapes}, and the net {found.mean.size} channels", "name the weights of this net"
        )
    scale, shift = (tensor.load().astype("f8").ravel() for tensor in tensors)
    factor = scale / np.sqrt(found.variance + bn_eps(layer))
    values = factor, shift - found.mean * factor
    made = (from_array(each.astype("f4").reshape(old.shape)) for each, old in zip(values, tensors, strict=True))
    return replace(before, tensors=tuple(made), definition=_make_plain(before.definition))


_OWN = 2  # scale and shift


def _read_norm(definition: bytes) -> tuple[LayerParameter, str]:
    """A BN as a weights file defines it, and the fork whose numbers its fields have there; an empty one if it does not.

    What is in the numbers of yet another fork is not read.
    """
    for fork in (_FORK, ""):
        with suppress(DecodeError, WireError):
            content = to_ours(definition, LayerParameter.DESCRIPTOR, fork) if fork else definition
            norm = LayerParameter.FromString(content)
            if norm.HasField("bn_param") and bn_kind(norm) == "segnet":
                return norm, fork
    return LayerParameter(), ""


_FORK = "segnet"


def _make_plain(definition: bytes) -> bytes:
    """The definition of a BN in the mode INFERENCE; what cannot be read stays as it is."""
    norm, fork = _read_norm(definition)
    if not norm.name:
        return definition
    norm.bn_param.bn_mode = norm.bn_param.INFERENCE
    del norm.top[1:]
    content: bytes = norm.SerializeToString()
    return to_forks(content, LayerParameter.DESCRIPTOR, fork) if fork else content
