"""Convolutions that are compiled as one graph make what the layers themselves make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import reference
from caffe_worker import CaffeWorker
from filled_nets import fill
from prototxts import input_layer, layer
from small_nets import make_inputs
from torch_judge import measure_difference, parse_net, torch

from caffe_fcn import NetSpec, layers, proto
from caffe_fcn.engines.torch import Net
from caffe_fcn.engines.torch.rewrites import compiled_programs
from caffe_fcn.engines.torch.rewrites.convolution_fusion import FusedConvolution
from caffe_fcn.netspec.backbones import RESNET50
from caffe_fcn.proto import NetParameter

pytestmark = pytest.mark.skipif(not compiled_programs._can_compile(), reason="this torch compiles no graphs")


def make_googlenet() -> NetParameter:
    net: NetParameter = reference.net("bvlc_googlenet", "deploy")
    net.layer[0].input_param.shape[0].dim[:] = [2, 3, 224, 224]
    assert net.layer[-1].type == "Softmax"  # without it scores can be compared, and not only the largest ones
    del net.layer[-1]
    return net


def make_resnet() -> NetParameter:
    """ResNet-50 for small images, in which windows of the pooling run over the edge."""
    n = NetSpec()
    n.data = layers.Input(shape={"dim": [1, 3, 90, 75]})
    top = RESNET50.add_layers(n, n.data, RESNET50.pad, False)
    n.pool5 = layers.Pooling(top, pool="AVE", global_pooling=True)
    n.score = layers.InnerProduct(n.pool5, num_output=10)
    return n.to_proto()


def list_segments(net: Net) -> list[compiled_programs._Segment]:
    assert net._compiled is not None
    program = net._compiled._compiled or []
    return [each.operation for each in program if isinstance(each.operation, compiled_programs._Segment)]


def count_convolutions(net: Net) -> list[int]:
    """How many convolutions each segment has."""
    return [
        sum(isinstance(each.operation, FusedConvolution) for each in segment._instructions)
        for segment in list_segments(net)
    ]


def make_filled(net: NetParameter, **options: object) -> Net:
    made = Net(net, **options)  # type: ignore[arg-type]
    fill(made)
    return made


@pytest.mark.numerics
def test_googlenet_computes_as_in_real_caffe(caffe: CaffeWorker, tmp_path: Path) -> None:
    net, weights = make_googlenet(), tmp_path / "random.caffemodel"
    inputs = make_inputs(net)
    theirs = caffe.run(proto.to_text(net), inputs, "TEST", save=weights, backward=False)
    assert theirs is not None
    ours = Net(net, "deploy", weights)
    for _ in range(3):
        (found,) = ours.forward(**inputs).values()
        assert measure_difference(found.numpy(), theirs["blob/loss3/classifier"]) <= 1e-5
    assert count_convolutions(ours) == [54]  # all but those before the two LRN layers


@pytest.mark.numerics
def test_a_resnet_computes_what_it_does_layer_by_layer() -> None:
    """In float64, as the judge of both ways in float32."""
    net = make_resnet()
    inputs = make_inputs(net)
    exact, literal, compiled = (
        make_filled(net, literal=literal, dtype=dtype)
        for literal, dtype in ((True, torch.float64), (True, torch.float32), (False, torch.float32))
    )
    expected, by_layers = (each.forward(**inputs)["score"].numpy() for each in (exact, literal))
    for _ in range(3):
        found = compiled.forward(**inputs)["score"].numpy()
        assert measure_difference(found, expected) <= max(2 * measure_difference(by_layers, expected), 1e-6)
    assert count_convolutions(compiled) == [53]


CHAIN = "".join(
    [
        input_layer("data", 1, 4, 9, 8),
        layer("Convolution", "data", "a", "convolution_param { num_output: 6 kernel_size: 3 pad: 1 }", "a"),
        layer("ReLU", "a", "a", name="relu_a"),
        layer("Convolution", "a", "b", "convolution_param { num_output: 6 kernel_size: 1 }", "b"),
        layer("Eltwise", "b a", "sum", name="sum"),
        layer("ReLU", "sum", "sum", name="relu_sum"),
        layer("Pooling", "sum", "pool", "pooling_param { kernel_size: 3 stride: 2 }", "pool"),
        layer("Convolution", "pool", "c", "convolution_param { num_output: 5 kernel_size: 1 }", "c"),
        layer("ReLU", "c", "c", name="relu_c"),
        layer("Concat", "pool c", "joined", name="joined"),
    ]
)


@pytest.fixture
def every_segment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Segments of one convolution are compiled, too."""
    monkeypatch.setattr(compiled_programs, "_LEAST_CONVOLUTIONS", 1)
    return monkeypatch


def make_image(*size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 4, *(size or (9, 8)))).astype(np.float32)


def assert_as_literal(compiled: Net, literal: Net, image: np.ndarray) -> None:
    expected = literal.forward(data=image)
    for _ in range(2):
        for name, blob in compiled.forward(data=image).items():
            assert measure_difference(blob.numpy(), expected[name].numpy()) <= 1e-5


def make_both(text: str = CHAIN) -> tuple[Net, Net]:
    return make_filled(parse_net(text)), make_filled(parse_net(text), literal=True)


@pytest.mark.usefixtures("every_segment")
def test_what_a_relu_makes_zero_is_zero_where_it_can_be_seen() -> None:
    """Also behind a pooling and a Concat. Inside of a graph it is 1e-30 of what it was."""
    compiled, literal = make_both()
    image = make_image()
    assert_as_literal(compiled, literal, image)
    assert count_convolutions(compiled) == [3]
    (found,), (expected,) = (net.forward(data=image).values() for net in (compiled, literal))
    assert (expected == 0).any()
    assert torch.equal(found == 0, expected == 0)


@pytest.mark.usefixtures("every_segment")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_stays_so(value: float) -> None:
    """As in Caffe; otherwise the scores of a training that diverged would look sound."""
    compiled, literal = make_both()
    image = make_image()
    compiled.forward(data=image)
    image[0, 0, 4, 4] = value
    (found,), (expected,) = (net.forward(data=image).values() for net in (compiled, literal))
    assert count_convolutions(compiled) == [3]
    assert not expected.isfinite().all()
    assert not found.isfinite()[~expected.isfinite()].any()


@pytest.mark.usefixtures("every_segment")
def test_other_sizes_and_blobs_run_as_they_are() -> None:
    compiled, literal = make_both()
    for image in (make_image(), make_image(12, 7), make_image()):
        assert_as_literal(compiled, literal, image)
    assert count_convolutions(compiled) == [3]
    blobs = compiled.forward("b", data=make_image())
    assert measure_difference(blobs["b"].numpy(), literal.forward("b", data=make_image())["b"].numpy()) <= 1e-5
    assert count_convolutions(compiled) == [3]


@pytest.mark.usefixtures("every_segment")
def test_a_net_whose_weights_change_is_not_compiled_again() -> None:
    compiled, literal = make_both()
    assert_as_literal(compiled, literal, make_image())
    for net in (compiled, literal):
        net.params["b"][0].mul_(0.5)
    assert_as_literal(compiled, literal, make_image())
    assert count_convolutions(compiled) == []


@pytest.mark.usefixtures("every_segment")
def test_a_net_that_shares_weights_is_not_compiled() -> None:
    """They are those of a training, which change."""
    compiled, literal = make_both()
    compiled.share_with(literal)
    assert_as_literal(compiled, literal, make_image())
    assert count_convolutions(compiled) == []


@pytest.mark.usefixtures("every_segment")
def test_large_convolutions_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_programs, "_MOST_PRODUCTS", 1)
    compiled, literal = make_both()
    assert_as_literal(compiled, literal, make_image())
    assert count_convolutions(compiled) == []


def test_a_torch_that_refuses_a_graph_runs_the_layers(every_segment: pytest.MonkeyPatch) -> None:
    every_segment.setattr(compiled_programs, "_can_compile", lambda: True)
    every_segment.setattr(torch.jit, "trace", refuse)
    compiled, literal = make_both()
    assert_as_literal(compiled, literal, make_image())
    (segment,) = list_segments(compiled)
    assert segment._graph == segment._run


@pytest.fixture
def ask_again() -> Iterator[None]:
    """What was found out about this torch is forgotten, before a test and after it."""
    compiled_programs._can_compile.cache_clear()
    yield
    compiled_programs._can_compile.cache_clear()


@pytest.mark.usefixtures("ask_again")
def test_a_torch_without_graphs_runs_the_layers(every_segment: pytest.MonkeyPatch) -> None:
    every_segment.setattr(torch.jit, "trace", refuse)
    compiled, literal = make_both()
    assert_as_literal(compiled, literal, make_image())
    assert list_segments(compiled) == []


def refuse(*_: object, **__: object) -> None:
    raise RuntimeError("torch.jit.trace is not supported")


@pytest.mark.usefixtures("every_segment")
@pytest.mark.parametrize("enabled", [True, False])
def test_the_setting_of_other_graphs_stays_as_it_was(enabled: bool) -> None:
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(enabled)
    try:
        assert_as_literal(*make_both(), make_image())
        assert torch.jit.onednn_fusion_enabled() == enabled
    finally:
        torch.jit.enable_onednn_fusion(before)
