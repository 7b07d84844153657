"""What to try when the loss of a training is not finite, from what its solver and its net say."""

from __future__ import annotations

from collections.abc import Iterable

from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.proto import NetParameter, SolverParameter
from caffe_fcn.proto.schema import LossParameter

_LARGE_SUM = 1e-7  # the reference trains with 1e-10 where a loss is the sum over the pixels of an image


def advise(param: SolverParameter, net: NetParameter, has_weights: bool) -> str:
    """Return what to try, the likeliest first; ``has_weights`` says whether the training began with given weights."""
    return "; ".join(_list_advice(param, net, has_weights))


def _list_advice(param: SolverParameter, net: NetParameter, has_weights: bool) -> Iterable[str]:
    yield f"lower base_lr (it is {param.base_lr:g})"
    if not param.HasField("clip_gradients"):
        yield "set clip_gradients"
    summed = [layer.name for layer in net.layer if layer_type(layer.type).loss and _sums_pixels(layer.loss_param)]
    if summed and param.base_lr > _LARGE_SUM:
        yield f"have '{summed[0]}', the sum over all pixels, divided by them (loss_param {{ normalization: VALID }})"
    if not has_weights:
        yield "start from trained `weights`"


def _sums_pixels(param: LossParameter) -> bool:
    """Whether a loss is not divided by its number of pixels; the older field says so where the newer one is not set."""
    if param.HasField("normalization"):
        return param.normalization in (LossParameter.NONE, LossParameter.BATCH_SIZE)
    return param.HasField("normalize") and not param.normalize
