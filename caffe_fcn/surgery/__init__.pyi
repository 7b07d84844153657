from .channels import FoldedMean, change_channels, fold_mean
from .classes import expand, interp, select
from .donors import Donor
from .edits import Edit
from .filling import fill
from .folding import Folded, fold
from .recipes import RECIPES, Recipe, find_recipe, recipe
from .report import Parameter, Report
from .statistics import Statistics, fold_statistics
from .transplantation import transplant
from .verification import Verification, verify
from .weights_files import (
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
    "RECIPES",
    "Difference",
    "Donor",
    "Edit",
    "Folded",
    "FoldedMean",
    "Layer",
    "NotFinite",
    "Parameter",
    "Recipe",
    "Report",
    "Statistics",
    "Tensor",
    "Verification",
    "Weights",
    "change_channels",
    "convert",
    "differences",
    "expand",
    "fill",
    "find_recipe",
    "fold",
    "fold_mean",
    "fold_statistics",
    "interp",
    "mean_of",
    "not_finite",
    "open_weights",
    "per_channel",
    "read_mean",
    "recipe",
    "save_weights",
    "select",
    "transplant",
    "verify",
    "write_mean",
]
