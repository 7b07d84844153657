"""Layers that leave the image: products with a matrix, look-ups, reductions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffe_fcn.net.geometry import POINTWISE, CoordMap
from caffe_fcn.net.layer_types.row import Kind, LayerType, Outputs, ends, everywhere, weight_and_bias
from caffe_fcn.net.layer_types.site import Shape, Site

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def _inner_product_tops(site: Site) -> list[Shape]:
    return [(*site.shapes[0][: site.axis(site.param.axis)], site.param.num_output)]


def _inner_product_params(site: Site) -> list[Shape]:
    param = site.param
    if param.num_output < 1:
        site.fail("has no num_output", "set how many values it makes")
    inputs = math.prod(site.shapes[0][site.axis(param.axis) :])
    weights = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
    return [weights, (param.num_output,)] if param.bias_term else [weights]


def _inner_product_macs(site: Site, tops: list[Shape]) -> int:
    return math.prod(tops[0]) * math.prod(site.shapes[0][site.axis(site.param.axis) :])


def _inner_product_outputs(layer: LayerParameter, shape: Shape) -> Outputs | None:
    if len(shape) < 2:
        return None
    total = math.prod(shape)
    if layer.inner_product_param.transpose:
        return Outputs(shape[-1], shape[-1], 1, total)
    return Outputs(shape[-2], shape[-2], shape[-1], total)


def _reduction_tops(site: Site) -> list[Shape]:
    return [site.shapes[0][: site.axis(site.param.axis)]]


def _argmax_tops(site: Site) -> list[Shape]:
    shape, param = site.shapes[0], site.param
    if param.HasField("axis"):
        axis = site.axis(param.axis)
        return [(*shape[:axis], param.top_k, *shape[axis + 1 :])]
    return [(shape[0], 2 if param.out_max_val else 1, param.top_k, *[1] * (len(shape) - 3))]


def _argmax_coords(layer: LayerParameter) -> CoordMap | None:
    return POINTWISE if layer.argmax_param.HasField("axis") and layer.argmax_param.axis in (0, 1) else None


def _embed_tops(site: Site) -> list[Shape]:
    return [(*site.shapes[0], site.param.num_output)]


def _embed_params(site: Site) -> list[Shape]:
    weights = (site.param.input_dim, site.param.num_output)
    return [weights, weights[1:]] if site.param.bias_term else [weights]


TYPES: dict[str, LayerType] = {
    "ArgMax": LayerType(
        _argmax_tops, "argmax_param", coords=_argmax_coords, reads_scores=True, unset_means=("axis",), local=everywhere
    ),
    "Embed": LayerType(
        _embed_tops, "embed_param", params=_embed_params, coords=ends, fillers=weight_and_bias, role="dense"
    ),
    "InnerProduct": LayerType(
        _inner_product_tops,
        "inner_product_param",
        params=_inner_product_params,
        macs=_inner_product_macs,
        coords=ends,
        kind=Kind.INNER_PRODUCT,
        fillers=weight_and_bias,
        outputs=_inner_product_outputs,
        role="dense",
        summary=lambda layer: str(layer.inner_product_param.num_output),
    ),
    "Reduction": LayerType(_reduction_tops, "reduction_param", coords=ends, role="pooling"),
}
