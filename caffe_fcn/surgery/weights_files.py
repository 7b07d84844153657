"""The names of `caffe_fcn.weights` that scripts import from `caffe_fcn.surgery`, some of them under older names."""

from caffe_fcn.weights import (
    Difference,
    Layer,
    Tensor,
    Weights,
    convert,
    open_weights,
    read_mean,
    save_weights,
    write_mean,
)
from caffe_fcn.weights import NonFinite as NotFinite
from caffe_fcn.weights import average_channels as per_channel
from caffe_fcn.weights import compare as differences
from caffe_fcn.weights import find_non_finite as not_finite
from caffe_fcn.weights import make_mean as mean_of

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
