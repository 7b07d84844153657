"""Convolutions with what follows them, and those with fewer products, give what the layers themselves give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from filled_nets import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_judge import measure_difference, parse_net

from caffe_fcn.engines.torch import Net, packed_kernels, winograd, winograd_ways
from caffe_fcn.engines.torch.rewrites import compiled_programs
from caffe_fcn.engines.torch.rewrites.border_cache import BorderCache
from caffe_fcn.engines.torch.rewrites.convolution_fusion import FusedConvolution

ALLOWED = 1e-5  # of the largest value
SETTING = "CAFFE_FCN_CONVOLUTIONS"


@pytest.fixture(params=[*winograd.WAYS[1:], "packed", "plain", "compiled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every convolution that can be is computed with fewer products; by oneDNN's operator; without; or in a graph."""
    monkeypatch.setenv(SETTING, request.param if request.param in winograd.WAYS else "direct")
    monkeypatch.setattr(winograd_ways, "_LEAST_CHANNELS", 1)
    monkeypatch.setattr(winograd_ways, "_LEAST_KERNELS", 1)
    monkeypatch.setattr(winograd_ways, "_LEAST_PIXELS", 1)
    if request.param == "compiled":
        assert compiled_programs._can_compile()
        monkeypatch.setattr(compiled_programs, "_LEAST_CONVOLUTIONS", 1)
    if request.param == "plain":
        monkeypatch.setattr(packed_kernels, "_find_convolution", lambda: None)
        monkeypatch.setattr(packed_kernels, "_find_packed_product", lambda: None)
    else:
        assert packed_kernels._find_convolution() is not None
        assert packed_kernels._find_packed_product() is not None
    return request.param


def convolution(name: str, bottom: str, more: str = "kernel_size: 3 pad: 1") -> str:
    inside = f"convolution_param {{ num_output: 6 {more} }}"
    return f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {inside} }}\n'


def follower(kind: str, name: str, *bottoms: str, more: str = "") -> str:
    named = " ".join(f'bottom: "{bottom}"' for bottom in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {named} top: "{name}" {more} }}\n'


@st.composite
def nets(draw: st.DrawFn) -> str:
    """Convolutions with followers in any order, some of which read what another branch made."""
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 dim: 20 dim: 23 } } }\n'
    tops = ["data"]
    for number in range(draw(st.integers(2, 7))):
        name, bottom = f"l{number}", draw(st.sampled_from(tops[-2:]))
        kind = draw(st.sampled_from(["Convolution", "Convolution", "BatchNorm", "Scale", "ReLU", "Leaky", "Eltwise"]))
        if kind == "Convolution":
            windows = ["kernel_size: 3 pad: 1", "kernel_size: 1", "kernel_size: 3 pad: 2 dilation: 2 group: 2"]
            bias = draw(st.sampled_from(["", "bias_term: false"]))
            text += convolution(name, bottom, f"{draw(st.sampled_from(windows))} {bias}")
        elif kind == "Eltwise":
            operation = draw(st.sampled_from(["", "operation: PROD", "coeff: 1 coeff: -1"]))
            text += follower(kind, name, tops[-1], tops[0], more=f"eltwise_param {{ {operation} }}")
        elif kind == "Leaky":
            text += follower("ReLU", name, bottom, more="relu_param { negative_slope: 0.1 }")
        elif kind == "Scale":
            text += follower(kind, name, bottom, more="scale_param { bias_term: true }")
        else:
            text += follower(kind, name, bottom)
        tops.append(name)
    return text


def make_both(text: str) -> tuple[Net, Net]:
    quick, literal = (Net(parse_net(text), literal=each, differentiable=False) for each in (False, True))
    for net in (quick, literal):
        fill(net)
    return quick, literal


def assert_same(quick: Net, literal: Net, *wanted: str, size: tuple[int, int] = (20, 23)) -> None:
    x = np.random.RandomState(0).normal(0, 1, (1, 6, *size)).astype(np.float32)
    expected = literal.forward(*wanted, data=x)
    for name, blob in quick.forward(*wanted, data=x).items():
        assert measure_difference(blob.numpy(), expected[name].numpy()) <= ALLOWED, name


@pytest.mark.numerics
def test_any_net_of_convolutions_and_followers_makes_the_same(way: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(text=nets())
    def check(text: str) -> None:
        quick, literal = make_both(text)
        for size in ((20, 23), (20, 23), (20, 23), (31, 17)):  # the second one of a size packs the kernels
            assert_same(quick, literal, size=size)
        assert_same(quick, literal, "l0")
        for net in (quick, literal):
            for params in net.params.values():
                params[-1].mul_(0.5)
        assert_same(quick, literal)

    check()


BOTTLENECK = "".join(
    [
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 6 dim: 20 dim: 23 } } }\n',
        convolution("short", "data"),
        convolution("main", "data"),
        follower("BatchNorm", "norm", "main"),
        follower("Scale", "scale", "norm", more="scale_param { bias_term: true }"),
        follower("Eltwise", "sum", "short", "scale"),
        follower("ReLU", "relu", "sum"),
    ]
)


def test_a_block_of_a_resnet_is_two_operations(way: str) -> None:
    quick, literal = make_both(BOTTLENECK)
    assert_same(quick, literal)
    (program,) = quick._programs.values()
    cached, last = (instruction.operation for instruction in program)  # the convolution of the image has borders
    assert isinstance(cached, BorderCache)
    assert [type(each.operation) for each in cached._group] == [FusedConvolution]
    assert isinstance(last, FusedConvolution)


def test_what_is_not_a_number_stays_so_behind_a_relu(way: str) -> None:
    """As in Caffe; otherwise the scores of a training that diverged would look sound."""
    quick, _ = make_both(BOTTLENECK)
    quick.params["main"][0].fill_(np.nan)
    for _ in range(3):
        assert quick.forward(data=np.ones((1, 6, 20, 23), np.float32))["relu"].isnan().all()
