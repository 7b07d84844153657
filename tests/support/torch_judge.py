"""Runs a net in real Caffe and in the torch engine with the same random parameters and inputs, and compares."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from caffe_worker import CaffeWorker

from caffe_fcn import proto
from caffe_fcn.net.shapes import infer

torch = pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.torch import Net  # noqa: E402 - needs torch

Arrays = Mapping[str, np.ndarray]

_PHASES = {"TRAIN": proto.TRAIN, "TEST": proto.TEST}


def parse_net(text: str) -> proto.NetParameter:
    net = proto.NetParameter()
    proto.parse(text, net)
    return net


def make_random_inputs(text: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Normally distributed values for every Input layer."""
    random, net = np.random.RandomState(seed), parse_net(text)
    found = infer(net).blobs
    names = [top for layer in net.layer if layer.type == "Input" for top in layer.top]
    return {name: random.normal(size=found[name]).astype(np.float32) for name in names}


def assert_as_caffe(
    caffe: CaffeWorker,
    text: str,
    inputs: Arrays,
    phase: str = "TEST",
    backward: bool = True,
    but: Collection[str] = (),
) -> None:
    """Blobs and parameters differ by at most 1e-5 of Caffe's largest value, gradients by at most 1e-4.

    ``but`` are names, as `CaffeWorker.run` gives them, whose values are undefined.
    Where float32 is not that exact (a sum that cancels, with its terms added in another order), both are compared with
    the true value, which the engine computes in float64. Both must be near it, and the engine at most twice as far
    from it as Caffe, or no farther than the true value moves with the last digits of the inputs (how far Caffe is off
    is chance).
    """
    diffs = make_top_diffs(text, inputs) if backward else None
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "random.caffemodel"
        given = {**inputs, **{f"diff/{name}": diff for name, diff in (diffs or {}).items()}}
        theirs = caffe.run(text, given, phase, save=weights, backward=backward)
        assert theirs is not None, f"Caffe refuses this net:\n{text}"
        ours = run(parse_net(text), inputs, phase, weights, diffs)
        apart = {name: measure_difference(ours[name], array) for name, array in theirs.items() if name not in but}
        far = [name for name, by in apart.items() if not by <= (1e-4 if name.startswith("grad") else 1e-5)]
        exact, moved = (
            run(parse_net(text), given, phase, weights, diffs, torch.float64) if far else {}
            for given in (inputs, _with_other_last_digits(inputs))
        )
    for name in far:
        caffe_off, our_off = measure_difference(theirs[name], exact[name]), measure_difference(ours[name], exact[name])
        allowed = max(2 * caffe_off, measure_difference(moved[name], exact[name]))
        assert caffe_off <= 1e-2 and our_off <= min(allowed, 1e-2), (name, apart[name], caffe_off, our_off, allowed)


def _with_other_last_digits(inputs: Arrays) -> dict[str, np.ndarray]:
    """Inputs moved by 16 roundings of float32; labels, which are integers, stay."""
    random = np.random.RandomState(3)
    return {
        name: array * (1 + 2.0**-20 * random.choice((-1, 1), array.shape)) if (array % 1).any() else array
        for name, array in inputs.items()
    }


def run(
    net: proto.NetParameter,
    inputs: Arrays,
    phase: str = "TEST",
    weights: Path | None = None,
    diffs: Arrays | None = None,
    dtype: torch.dtype = torch.float32,
) -> dict[str, np.ndarray]:
    """What the engine computes, by the names that `CaffeWorker.run` uses."""
    state = proto.NetState(phase=_PHASES[phase])
    engine = Net(net, state, weights, differentiable=diffs is not None, dtype=dtype)
    tensors = {name: torch.tensor(array, requires_grad=diffs is not None) for name, array in inputs.items()}
    blobs = engine.forward(*engine.graph.blobs, **tensors)
    made = {f"blob/{name}": blob.detach().numpy() for name, blob in blobs.items()}
    if diffs is not None:
        total = engine.loss() + sum((blobs[name] * torch.tensor(diff)).sum() for name, diff in diffs.items())
        total.backward()
        made |= {f"grad/{name}": _find_gradient(tensor) for name, tensor in tensors.items()}
        for layer, params in engine.params.items():
            made |= {f"grad/{layer}/{index}": _find_gradient(param) for index, param in enumerate(params)}
    for layer, params in engine.params.items():
        made |= {f"after/{layer}/{index}": param.detach().numpy() for index, param in enumerate(params)}
    return made


def _find_gradient(tensor: torch.Tensor) -> np.ndarray:
    """A parameter's gradient; if it shares a tensor in another shape, that tensor's."""
    owner = tensor if tensor._base is None else tensor._base
    return (torch.zeros_like(owner) if owner.grad is None else owner.grad).reshape(tensor.shape).numpy()


def make_top_diffs(text: str, inputs: Arrays, seed: int = 1) -> dict[str, np.ndarray]:
    """Random gradients for the outputs of a net that are not losses."""
    random = np.random.RandomState(seed)
    found = infer(parse_net(text), inputs={name: array.shape for name, array in inputs.items()})
    losses = {
        top.name
        for node in found.graph.nodes
        if node.type.endswith("Loss") or any(node.layer.loss_weight)
        for top in node.tops
    }
    names = [blob.name for blob in found.graph.outputs() if blob.name not in losses | inputs.keys()]
    return {name: random.normal(size=found.blobs[name]).astype(np.float32) for name in names}


def measure_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest measure_difference of two arrays, relative to the largest value."""
    if ours.shape != theirs.shape:
        return math.inf
    if not ours.size:
        return 0.0
    apart = np.abs(ours.astype(np.float64) - theirs).max()
    return float(apart / max(np.abs(theirs).max(), 1e-30)) if apart else 0.0
