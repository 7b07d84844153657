"""Prototxts of single layers, written short."""

from __future__ import annotations


def input_layer(name: str, *dims: int) -> str:
    """An Input layer that makes the blob ``name`` with this shape."""
    shape = " ".join(f"dim: {dim}" for dim in dims)
    return layer("Input", "", name, f"input_param {{ shape {{ {shape} }} }}", name)


def layer(kind: str, bottoms: str, tops: str, inside: str = "", name: str = "") -> str:
    """A layer of type ``kind``; bottoms and tops are separated by spaces. Its name is the type unless one is given."""
    ends = [f'bottom: "{each}"' for each in bottoms.split()] + [f'top: "{each}"' for each in tops.split()]
    return f'layer {{ name: "{name or kind}" type: "{kind}" {" ".join(ends)} {inside} }}\n'


# the bottoms of recurrent layers: 4 steps of 2 sequences, and where a sequence continues
STEPS = input_layer("x", 4, 2, 3) + input_layer("cont", 4, 2)


def recurrent(kind: str, bottoms: str, tops: str = "l", more: str = "") -> str:
    """A recurrent layer with 5 outputs."""
    return layer(kind, bottoms, tops, f"recurrent_param {{ num_output: 5 {more} }}")
