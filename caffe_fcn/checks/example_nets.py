"""Layers of the nets that examples are made of, written short."""

from __future__ import annotations


def image(shape: str = "1 3 64 64", name: str = "data") -> str:
    """An Input layer."""
    dims = " ".join(f"dim: {dim}" for dim in shape.split())
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'


def label(shape: str = "1 1 64 64") -> str:
    """An Input layer with labels."""
    return image(shape, "label")


def conv(name: str, bottom: str, param: str, more: str = "") -> str:
    """A Convolution whose weights start at random."""
    inside = f'convolution_param {{ {param} weight_filler {{ type: "xavier" }} }}'
    return f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"{_between(more)} {inside} }}\n'


def upscore(param: str, name: str = "upscore", bottom: str = "score", more: str = "param { lr_mult: 0 }") -> str:
    """A Deconvolution."""
    ends = f'bottom: "{bottom}" top: "{name}"'
    return f'layer {{ name: "{name}" type: "Deconvolution" {ends}{_between(more)} convolution_param {{ {param} }} }}\n'


def crop(param: str, bottoms: tuple[str, str] = ("upscore", "data"), name: str = "cropped") -> str:
    """A Crop."""
    ends = f'bottom: "{bottoms[0]}" bottom: "{bottoms[1]}" top: "{name}"'
    return f'layer {{ name: "{name}" type: "Crop" {ends} crop_param {{ {param} }} }}\n'


def loss(bottom: str, more: str = "") -> str:
    """A SoftmaxWithLoss."""
    ends = f'bottom: "{bottom}" bottom: "label" top: "loss"'
    return f'layer {{ name: "loss" type: "SoftmaxWithLoss" {ends}{_between(more)} }}\n'


def pointwise(kind: str, bottom: str, top: str, more: str = "", name: str = "") -> str:
    """A layer that reads one blob and makes one; ``kind`` is the field that says its type."""
    ends = f'bottom: "{bottom}" top: "{top}"'
    return f'layer {{ name: "{name or top}" {kind} {ends}{_between(more)} }}\n'


def _between(more: str) -> str:
    return f" {more}" if more else ""


BILINEAR = 'bias_term: false weight_filler { type: "bilinear" }'
UPSCORE = f"num_output: 5 group: 5 kernel_size: 5 stride: 2 {BILINEAR}"
SCORE = conv("score", "data", "num_output: 5 kernel_size: 3 stride: 2 pad: 5")
TRAINED = image() + label() + SCORE + upscore(UPSCORE) + crop("axis: 2 offset: 6") + loss("cropped")
