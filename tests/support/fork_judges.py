"""Layers of forks judged by their formulas: literal transcriptions in numpy, value by value, in float64.

A case is a net, its inputs and parameters, and a function of both that returns what the tops must be. The gradient is
judged along random directions: the change of the transcription, over a small step in float64, must be that which the
engine's gradient says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pytest
from torch_judge import make_top_diffs, parse_net

from caffe_fcn import proto

torch = pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.torch import Net  # noqa: E402 - needs torch

Array: TypeAlias = "np.ndarray"
Formula: TypeAlias = Callable[[Mapping[str, Array], Sequence[Array]], Mapping[str, Array]]

FORWARD, BACKWARD = 1e-5, 1e-4  # of the largest value
CASES = 50
_STEP = 1e-6
_PHASES = {"TRAIN": proto.TRAIN, "TEST": proto.TEST}


@dataclass
class Case:
    """A net with one layer, of which ``formula`` makes the tops; ``fixed`` are inputs without a gradient."""

    text: str
    inputs: Mapping[str, Array]
    formula: Formula
    params: Sequence[Array] = ()
    phase: str = "TEST"
    fixed: Sequence[str] = ()
    slopes: Formula | None = None  # the inputs' gradients, where they are not the formula's
    after: Sequence[Array] = field(default=())  # the parameters after the pass


def judge(case: Case) -> None:
    """Assert that blobs are the formula's to 1e-5 and gradients to 1e-4 of the largest value."""
    learned = [name for name in case.inputs if name not in case.fixed]
    engine = Net(parse_net(case.text), proto.NetState(phase=_PHASES[case.phase]), differentiable=True)
    params = engine.params.get("x", [])
    for tensor, array in zip(params, case.params, strict=True):
        tensor.data.copy_(torch.from_numpy(array))
    tensors = {
        name: torch.tensor(array.astype(np.float32), requires_grad=name in learned)
        for name, array in case.inputs.items()
    }
    blobs = engine.forward(*engine.graph.blobs, **tensors)
    expected = case.formula(case.inputs, case.params)
    for name, array in expected.items():
        assert_near(blobs[name].detach().numpy(), array, FORWARD, name)
    for tensor, array in zip(params, case.after, strict=False):
        assert_near(tensor.detach().numpy(), array, FORWARD, "a parameter afterwards")
    diffs = {name: diff for name, diff in make_top_diffs(case.text, case.inputs).items() if blobs[name].requires_grad}
    total = engine.loss() + sum((blobs[name] * torch.tensor(diff)).sum() for name, diff in diffs.items())
    if not total.requires_grad:
        return
    total.backward()
    if case.slopes is not None:
        given = {**case.inputs, **{f"diff/{top}": diff for top, diff in diffs.items()}}
        for name, array in case.slopes(given, case.params).items():
            assert_near(tensors[name].grad.numpy(), array, BACKWARD, f"gradient of {name}")
        return
    _judge_gradients(case, {name: tensors[name] for name in learned}, params, diffs)


def _judge_gradients(case: Case, learned: Mapping[str, Any], params: Sequence[Any], diffs: Mapping[str, Array]) -> None:
    random = np.random.default_rng(7)

    def measure(inputs: Mapping[str, Array], given: Sequence[Array]) -> float:
        tops = case.formula(inputs, given)
        return float(sum((tops[name] * diffs.get(name, 1.0)).sum() for name in tops if name in diffs or name == "loss"))

    for _ in range(2):
        ways = {name: _draw_steps(random, case.inputs[name]) for name in learned}
        turns = [
            _draw_steps(random, array) * tensor.requires_grad for array, tensor in zip(case.params, params, strict=True)
        ]
        ends = [
            measure(
                {name: array + sign * _STEP * ways.get(name, 0) for name, array in case.inputs.items()},
                [array + sign * _STEP * turn for array, turn in zip(case.params, turns, strict=True)],
            )
            for sign in (1, -1)
        ]
        numeric = (ends[0] - ends[1]) / (2 * _STEP)
        pairs = [*((tensor, ways[name]) for name, tensor in learned.items()), *zip(params, turns, strict=True)]
        terms = [tensor.grad.numpy().astype(np.float64) * way for tensor, way in pairs if tensor.requires_grad]
        ours = sum(float(each.sum()) for each in terms)
        largest = max(float(np.abs(each).max()) for each in terms)
        assert abs(numeric - ours) <= BACKWARD * max(largest, 1e-8), (case.text, numeric, ours)


def _draw_steps(random: np.random.Generator, array: Array) -> Array:
    """A random direction, in which values move the less, the smaller they are."""
    return random.normal(size=array.shape) * np.abs(array).max(initial=1e-9)


def assert_near(ours: Array, theirs: Array, allowed: float, what: str) -> None:
    """Two arrays differ by at most this part of the largest value."""
    assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    if theirs.size:
        apart = np.abs(ours.astype(np.float64) - theirs).max()
        assert apart <= allowed * max(np.abs(theirs).max(), 1e-30), (what, apart)
