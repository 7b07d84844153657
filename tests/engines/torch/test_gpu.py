"""The torch engine on a GPU, judged by the engine on the processor in float64, which other tests compare with Caffe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
from catalogue_nets import IN_BVLCS, mark_long, shrink_training_net
from filled_nets import copy_parameters, fill
from hypothesis import HealthCheck, assume, given, settings
from prototxts import input_layer, layer
from random_nets import nets
from small_nets import make_inputs
from torch_judge import make_random_inputs, make_top_diffs, parse_net, torch
from trainings import MOMENTUM, losses, torch_train

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net, recordings
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.proto.schema import PoolingParameter

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here"),
    pytest.mark.numerics,
]

ROUNDING = {"float32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8}
"""How far the operand of a product may be off."""

ALLOWED = {name: max(16 * rounding, 1e-5) for name, rounding in ROUNDING.items()}
"""How far a blob may be off, relative to its norm."""


def measure_error(ours: torch.Tensor, exact: torch.Tensor) -> float:
    """The norm of the difference, relative to the norm of the exact values."""
    apart, whole = (each.detach().cpu().double() for each in (ours, exact))
    norm = float(whole.norm())
    return float((apart - whole).norm()) / norm if norm else float(apart.norm())


def run(net: Net, inputs: Mapping[str, np.ndarray], diffs: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """All blobs, and the gradients of parameters and inputs, of the loss and ``diffs``."""
    tensors = {
        name: torch.tensor(array, dtype=net.dtype, device=net.device, requires_grad=True)
        for name, array in inputs.items()
    }
    blobs = net.forward(*net.graph.blobs, **tensors)
    total = net.loss() + sum(
        (blobs[name] * torch.tensor(diff, device=net.device)).sum() for name, diff in diffs.items()
    )
    if total.requires_grad:
        total.backward()
    params = {f"{name}/{index}": each for name, blobs in net.params.items() for index, each in enumerate(blobs)}
    found = {f"grad/{name}": each.grad for name, each in (params | tensors).items() if each.grad is not None}
    return {name: blob.detach() for name, blob in blobs.items()} | found


def make_net(net: proto.NetParameter, source: Net | None = None, phase: int = proto.TRAIN, **options: Any) -> Net:
    """A net on the GPU, with the parameters of ``source``; without one, the exact net, with random parameters."""
    options = {"device": "cuda"} | options if source else {"dtype": torch.float64}
    made = Net(net, proto.NetState(phase=phase), differentiable=True, **options)
    if source:
        copy_parameters(source, made)
    else:
        fill(made)
    return made


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=nets())
def test_random_nets_compute_and_learn_as_on_the_processor(text: str) -> None:
    assume("Dropout" not in text and "ArgMax" not in text)
    inputs = make_random_inputs(text)
    net = parse_net("force_backward: true\n" + text)
    diffs = make_top_diffs(text, inputs)
    reference = make_net(net)
    exact = run(reference, inputs, diffs)
    found = run(make_net(net, reference), inputs, diffs)
    on_processor = run(make_net(net, reference, device="cpu"), inputs, diffs)
    assert found.keys() == exact.keys()
    for name, blob in exact.items():
        rounding = measure_error(on_processor[name], blob)
        assert measure_error(found[name], blob) <= max(ALLOWED["float32"], 4 * rounding), name


def make_catalogue_net(name: str) -> proto.NetParameter:
    """A training net, made small, and smooth: without maxima and kinks, at which rounding decides about gradients."""
    net = shrink_training_net(name)
    for each in net.layer:
        if each.type == "Dropout":
            each.dropout_param.dropout_ratio = 0
        if each.type == "Pooling":
            each.pooling_param.pool = PoolingParameter.AVE
        if each.type == "ReLU":
            each.type = "ELU"
    return net


@pytest.mark.parametrize("name", mark_long(IN_BVLCS))
def test_every_net_of_the_catalogue_computes_and_learns_at_each_precision(name: str) -> None:
    net = make_catalogue_net(name)
    inputs = {name: array / 60 if array.min() < 0 else array for name, array in make_inputs(net).items()}
    reference = make_net(net)
    exact = run(reference, inputs, {})
    on_processor = run(make_net(net, reference, device="cpu"), inputs, {})
    magnified = max(measure_error(on_processor[blob], values) for blob, values in exact.items()) / ROUNDING["float32"]
    for precision, rounding in ROUNDING.items():
        allowed = max(ALLOWED[precision], 8 * magnified * rounding)
        if allowed < 0.5:  # else little is left at this precision: where statistics of a small batch are divided by
            found = run(make_net(net, reference, precision=precision), inputs, {})
            for blob, values in exact.items():
                assert measure_error(found[blob], values) <= allowed, (precision, blob)


FRAMED = "".join(
    (
        input_layer("data", 1, 3, 60, 50),
        layer("Convolution", "data", "conv", "convolution_param { num_output: 32 kernel_size: 3 pad: 20 }", "conv"),
        layer("ReLU", "conv", "conv"),
        layer("Pooling", "conv", "pool", "pooling_param { kernel_size: 2 stride: 2 }"),
        layer("LRN", "pool", "norm", "lrn_param { alpha: 0.1 }"),
        layer("Convolution", "norm", "score", "convolution_param { num_output: 4 kernel_size: 3 }", "score"),
        layer("Deconvolution", "score", "up", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 }", "up"),
        layer("Crop", "up data", "cropped", "crop_param { axis: 2 offset: 19 }", "cropped"),
    )
)


def count_recordings(net: Net) -> int:
    return len(net._recordings._recordings) if net._recordings else 0


@pytest.mark.parametrize("precision", ALLOWED)
def test_recorded_passes_give_what_others_give(precision: str) -> None:
    """For new images each time, of two sizes in turn, and after the weights have changed."""
    net = parse_net(FRAMED)
    literal = Net(net, literal=True, dtype=torch.float64)
    fill(literal)
    recorded = Net(net, device="cuda", precision=precision)
    copy_parameters(literal, recorded)
    for number in range(12):
        if number == 8:
            assert count_recordings(recorded) == 2
            for each in (literal, recorded):
                each.params["conv"][0].mul_(1.5)
                each.params["up"][0].mul_(-0.5)
        image = np.random.RandomState(number).normal(size=(1, 3, 60, 50 + 2 * (number % 2))).astype(np.float32)
        kept = recorded.forward(data=image)["cropped"]
        exact = literal.forward(data=image)["cropped"]
        assert measure_error(kept, exact) <= ALLOWED[precision], number
        recorded.forward(data=0 * image)
        assert measure_error(kept, exact) <= ALLOWED[precision], f"{number}, after the next pass"


@pytest.fixture
def without_recordings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(recordings, "_PASSES_BEFORE", math.inf)
    return monkeypatch


@pytest.mark.parametrize("passes", [1, 3])
def test_recorded_trainings_go_the_way_of_others(
    place: Path, passes: int, without_recordings: pytest.MonkeyPatch
) -> None:
    """With dropout, whose random numbers must be those of each batch."""
    outlines.net(place, between=outlines.DROPOUT)
    solver = outlines.solver(place, max_iter=20, clip_gradients=1.0, **MOMENTUM | {"iter_size": passes})
    found = []
    for is_recorded in (False, True):
        if is_recorded:
            without_recordings.undo()
            without_recordings.chdir(place)
        with Solver(solver, ["start.caffemodel"], device="cuda") as training:
            found.append(losses(list(training.solve())))
            assert bool(count_recordings(training.net)) == is_recorded
    assert found[0].min() < 0.8 * found[0][0]  # there was something to learn
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)


@pytest.mark.parametrize("precision", ALLOWED)
def test_a_training_goes_as_on_the_processor(place: Path, precision: str) -> None:
    solver = outlines.solver(place, max_iter=30, **MOMENTUM)
    expected = losses(torch_train(solver, weights=["start.caffemodel"]))
    found = losses(torch_train(solver, weights=["start.caffemodel"], device="cuda", precision=precision))
    np.testing.assert_allclose(found, expected, rtol=max(1e-3, ALLOWED[precision]))


@pytest.mark.parametrize("recorded", [False, True])
def test_labels_that_do_not_fit_are_reported(place: Path, recorded: bool) -> None:
    """Also where the pass is recorded, which cannot raise an error."""
    net = parse_net(
        input_layer("data", 2, 3, 5, 5)
        + input_layer("label", 2, 1, 5, 5)
        + layer("Convolution", "data", "score", "convolution_param { num_output: 4 kernel_size: 1 }", "score")
        + layer("SoftmaxWithLoss", "score label", "loss", name="loss")
    )
    trained = Net(net, "train", device="cuda")
    image, label = np.ones((2, 3, 5, 5), np.float32), np.ones((2, 1, 5, 5), np.float32)
    for _ in range(4 * recorded):
        trained.compute_gradients(data=image, label=label)
        assert math.isfinite(trained.read_loss())
    assert count_recordings(trained) == recorded
    label[1, 0, 2, 3] = 4
    trained.compute_gradients(data=image, label=label)
    assert math.isnan(trained.read_loss())
    with pytest.raises(DatasetError, match="label 4 is none of 0 to 3"):
        trained.forward(data=image, label=label)
    label[1, 0, 2, 3] = 3
    trained.compute_gradients(data=image, label=label)
    assert math.isfinite(trained.read_loss())


def test_a_training_that_diverges_says_where(place: Path) -> None:
    solver = outlines.solver(place, max_iter=30, base_lr=1e20)
    with pytest.raises(EngineError, match="the loss is not a number"):
        losses(torch_train(solver, weights=["start.caffemodel"], device="cuda"))
