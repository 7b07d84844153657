"""The names of `caffe_fcn.weights`, under which scripts have always found them in `caffe_fcn.surgery`."""

from caffe_fcn.weights import (
    Difference,
    Layer,
    NotFinite,
    Tensor,
    Weights,
    convert,
    differences,
    mean_of,
    not_finite,
    open_weights,
    per_channel,
    read_mean,
    save_weights,
    write_mean,
)

__all__ = [
    "Difference",
    "Layer",
    "NotFinite",
    "Tensor",
    "Weights",
    "convert",
    "differences",
    "mean_of",
    "not_finite",
    "open_weights",
    "per_channel",
    "read_mean",
    "save_weights",
    "write_mean",
]
