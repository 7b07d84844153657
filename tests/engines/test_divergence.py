"""What is advised when a loss is not finite, for solvers and losses as the reference and DIGITS have them."""

from __future__ import annotations

import pytest

from caffe_fcn.engines.divergence import advise
from caffe_fcn.proto import NetParameter, SolverParameter, parse

DIVIDED = "divided by them (loss_param { normalization: VALID })"


@pytest.mark.parametrize(
    ("base_lr", "loss", "is_advised"),
    [
        (1e-10, "normalize: false", False),  # the reference's rate for the sum over an image
        (1e-4, "normalize: false", True),
        (1e-4, "normalize: true", False),  # DIGITS
        (1e-4, "normalization: NONE", True),
        (1e-4, "normalization: VALID normalize: false", False),  # the newer field counts
        (1e-4, "", False),  # divided, where nothing says otherwise
    ],
)
def test_a_sum_over_pixels_is_to_be_divided_where_the_rate_is_for_a_mean(
    base_lr: float, loss: str, is_advised: bool
) -> None:
    text = f'layer {{ name: "loss" type: "SoftmaxWithLoss" loss_param {{ {loss} }} }}'
    net = NetParameter()
    parse(text, net)
    advice = advise(SolverParameter(base_lr=base_lr), net, has_weights=True)
    assert (DIVIDED in advice) == is_advised
    assert advice.startswith(f"lower base_lr (it is {base_lr:g}); set clip_gradients")


def test_what_is_there_already_is_not_advised() -> None:
    solver = SolverParameter(base_lr=0.1, clip_gradients=10)
    assert advise(solver, NetParameter(), has_weights=True) == "lower base_lr (it is 0.1)"
    assert advise(solver, NetParameter(), has_weights=False).endswith("; start from trained `weights`")
