"""Prototxts of one layer, written short."""

from __future__ import annotations


def given_input(name: str, *dims: int) -> str:
    shape = " ".join(f"dim: {dim}" for dim in dims)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {shape} }} }} }}\n'


def layer(kind: str, bottoms: str, tops: str, inside: str = "", name: str = "") -> str:
    ends = [f'bottom: "{each}"' for each in bottoms.split()] + [f'top: "{each}"' for each in tops.split()]
    return f'layer {{ name: "{name or kind}" type: "{kind}" {" ".join(ends)} {inside} }}\n'


STEPS = given_input("x", 4, 2, 3) + given_input("cont", 4, 2)


def recurrent(kind: str, bottoms: str, tops: str = "l", more: str = "") -> str:
    return layer(kind, bottoms, tops, f"recurrent_param {{ num_output: 5 {more} }}")
