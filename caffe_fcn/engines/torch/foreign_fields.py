"""Fields of forks that change what a layer computes, and that the torch engine does not compute.

A layer that has one is refused, since the result without it would be another. Fields that only say how a fork computes
(its engine, its precision, its quantization) are passed over, as are those that are set to their default.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.net.layer_types import Site
from caffe_fcn.proto.dialects.foreign import find_foreign_values

_FUSED = "relu negative_slope relu_param eltwise_param is_relu fused_relu"
_SIDES = "pad_type pad_l pad_r pad_t pad_b out_pad out_pad_h out_pad_w"
_THIRD_AXIS = "kernel_depth temporal_pad temporal_stride kernel_size_3d pad_3d stride_3d"

# The message -> its fields (docs/forks.md says which forks have them: caffe_fcn/proto/dialects/fields.tsv)
_FIELDS = {
    "BNParameter": "icnet",
    "BatchNormParameter": "add_eps_before_sqrt disable_mean disable_variance fused_relu icnet relu use_alpha_beta",
    "ConvolutionParameter": f"{_FUSED} {_SIDES} {_THIRD_AXIS} dilation_h dilation_w same_mode submanifold_sparse",
    "CropParameter": "center_crop crop_h crop_w offset_c offset_h offset_w",
    "DropoutParameter": "sqrt_scale",
    "EltwiseParameter": "axis power scale shift",
    "InnerProductParameter": f"{_FUSED} normalize",
    "InterpParameter": "align_corners full_zoom_factor use_blob_size",
    "LossParameter": "is_num_scale label_smoothing pre_fixed_normalizer",
    "PoolingParameter": f"{_SIDES} {_THIRD_AXIS} avg_include_pad axis dilation output_shift_instead_division",
    "ReLUParameter": "maximum minimum relu6 upper_limit",
    "ReshapeParameter": "pixelshuffler",
    "ScaleParameter": "max_value min_value",
    "SoftmaxParameter": "class_weight cutting_point hard_mining_label hard_ratio label_smooth_factor normalize_type",
    "UpsampleParameter": "nearestneighbor_mode pad_out_W",
}
_TABLE = {message: frozenset(names.split()) for message, names in _FIELDS.items()}


def refuse_foreign_fields(site: Site) -> None:
    """Raise `NetError` for a layer with a field that it cannot do without, and that this engine does not compute."""
    for message, field, value, default in find_foreign_values(site.layer):
        if field in _TABLE.get(message, ()) and not _is_usual(value, default):
            said = "" if value is None else f" {value}"
            site.fail(f"has {field}{said} of a fork, which the torch engine does not compute", "run it in that fork")


def _is_usual(value: Any, default: Any) -> bool:
    return value is not None and value == default
