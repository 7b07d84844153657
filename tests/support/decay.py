"""A training with known losses: one weight w, which starts at 0 and should become 3.

The loss is (w - 3)^2 / 2. With learning rate r each step multiplies the distance by 1 - r, so that the loss before
step t is 4.5 (1 - r)^(2t).
"""

from __future__ import annotations

from pathlib import Path

RATE = 0.1

NET = """
layer { name: "data" type: "DummyData" top: "one" top: "goal"
  dummy_data_param { shape { dim: 1 dim: 1 } shape { dim: 1 dim: 1 }
    data_filler { type: "constant" value: 1 } data_filler { type: "constant" value: 3 } } }
layer { name: "w" type: "InnerProduct" bottom: "one" top: "w"
  inner_product_param { num_output: 1 bias_term: false weight_filler { type: "constant" value: 0 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "w" bottom: "goal" top: "loss" }
"""

SOLVER = f"""
net: "net.prototxt"
base_lr: {RATE}
lr_policy: "fixed"
display: 5
max_iter: 20
snapshot_prefix: "snapshots/decay"
solver_mode: CPU
"""


def loss(iteration: int, start: float = 0.0) -> float:
    """The loss before the step of this number."""
    return (3 - start) ** 2 / 2 * (1 - RATE) ** (2 * iteration)


def write(folder: Path, more: str = "", without: str = "", **settings: object) -> Path:
    """Write the net and the solver; ``settings`` replace or extend the solver's lines."""
    lines = [line for line in SOLVER.splitlines() if line.partition(":")[0] not in {*settings, without}]
    lines += [
        f'{name}: "{value}"' if isinstance(value, str) else f"{name}: {value}" for name, value in settings.items()
    ]
    (folder / "net.prototxt").write_text(NET)
    solver = folder / "solver.prototxt"
    solver.write_text("\n".join([*lines, more]))
    return solver
