"""The solver and the nets that examples of solvers are made of."""

from __future__ import annotations

from caffe_fcn.checks.example_nets import conv, loss
from caffe_fcn.file_names import SOLVER_FILE

_INPUT = 'layer {{ name: "{0}" type: "DummyData" top: "{0}" dummy_data_param {{ shape {{ dim: 1 dim: {1} {2} }} }} }}\n'
_SIDES = "dim: 400 dim: 400"


def net(more: str = "", batch: int = 1) -> str:
    """A net with a loss whose data come from fillers."""
    text = _INPUT.format("data", 3, _SIDES) + _INPUT.format("label", 1, _SIDES)
    text += conv("score", "data", "num_output: 5 kernel_size: 1") + loss("score", more)
    return text.replace("dim: 1 dim", f"dim: {batch} dim")


def files(solver: str, more: str = "", batch: int = 1) -> dict[str, str]:
    """A solver with these fields, and its net."""
    usual = {
        "base_lr": "base_lr: 0.001",
        "momentum": "momentum: 0.9",
        "lr_policy": 'lr_policy: "fixed"',
        "max_iter": "max_iter: 1000",
        "net:": 'net: "train.prototxt"',
        "random_seed": "random_seed: 1",
    }
    fields = [field for name, field in usual.items() if name not in solver]
    return {"train.prototxt": net(more, batch), SOLVER_FILE: "\n".join([*fields, solver, ""])}
