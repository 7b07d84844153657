from .comparison import Difference, NotFinite, differences, not_finite
from .formats import convert, open_weights, save_weights
from .layers import Layer, Weights
from .means import mean_of, per_channel, read_mean, write_mean
from .tensors import Tensor

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
