from .comparison import Difference, NonFinite, compare, find_non_finite
from .formats import convert, open_weights, save_weights
from .layers import Layer, Weights
from .means import average_channels, make_mean, read_mean, write_mean
from .tensors import Tensor

__all__ = [
    "Difference",
    "Layer",
    "NonFinite",
    "Tensor",
    "Weights",
    "average_channels",
    "compare",
    "convert",
    "find_non_finite",
    "make_mean",
    "open_weights",
    "read_mean",
    "save_weights",
    "write_mean",
]
