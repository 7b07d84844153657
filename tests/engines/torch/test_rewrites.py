"""Rewritten programs give what the layers themselves give; other tests compare those with real Caffe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from catalogue_nets import IN_BVLCS, mark_long
from filled_nets import fill, interpolate
from hypothesis import given, settings
from hypothesis import strategies as st
from small_nets import shrink_net
from torch_judge import measure_difference, parse_net, torch

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net
from caffe_fcn.engines.torch.program import Program
from caffe_fcn.engines.torch.rewrites import bands as band_runs
from caffe_fcn.engines.torch.rewrites import border_cache
from caffe_fcn.engines.torch.rewrites.border_cache import BorderCache
from caffe_fcn.engines.torch.rewrites.convolution_fusion import FusedConvolution
from caffe_fcn.engines.torch.rewrites.upscore_fusion import CroppedUpscore
from caffe_fcn.engines.torch.rewrites.windows import WindowPlan
from caffe_fcn.netspec import build

pytestmark = pytest.mark.numerics

ALLOWED = 1e-5  # of the largest value


def make_both(net: proto.NetParameter) -> tuple[Net, Net]:
    """The same net with the same weights, with all rewrites and literal."""
    quick, literal = (Net(net, literal=each, differentiable=False) for each in (False, True))
    for net_ in (quick, literal):
        fill(net_)
    return quick, literal


def images(sizes: list[tuple[int, int]], channels: int = 3) -> Iterator[np.ndarray]:
    random = np.random.RandomState(0)
    for size in sizes:
        yield random.normal(0, 60, (1, channels, *size)).astype(np.float32)


def assert_same(quick: Mapping[str, torch.Tensor], literal: Mapping[str, torch.Tensor]) -> None:
    assert quick.keys() == literal.keys()
    for name, blob in literal.items():
        assert measure_difference(quick[name].detach().numpy(), blob.detach().numpy()) <= ALLOWED, name


def operations_of(net: Net) -> set[type]:
    return {type(each.operation) for program in net._programs.values() for each in program}


IMAGE_NETS = [name for name in IN_BVLCS if "fcn" in name and name != "m2nist-fcn"]


@pytest.mark.parametrize("name", mark_long(IMAGE_NETS))
def test_every_net_scores_the_same_for_each_image_of_any_size(name: str) -> None:
    quick, literal = make_both(shrink_net(build(name, "deploy"), "deploy"))
    fed = {name: shape[1] for name, shape in quick.inputs.items() if len(shape) == 4}
    for number, (height, width) in enumerate([(97, 101), (97, 101), (64, 120), (97, 101)]):
        random = np.random.RandomState(number)
        inputs = {n: random.normal(0, 60, (1, c, height, width)).astype(np.float32) for n, c in fed.items()}
        assert_same(quick.forward(**inputs), literal.forward(**inputs))
    assert CroppedUpscore in operations_of(quick)
    inputs_are_concatenated = name == "nyud-fcn32s-color-d"
    assert (BorderCache in operations_of(quick)) == (not inputs_are_concatenated)
    assert operations_of(literal).isdisjoint({CroppedUpscore, BorderCache})


FRAMED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 40 dim: 40 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 20 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { alpha: 0.1 } }
"""


def test_a_net_whose_weights_change_has_its_frame_anew() -> None:
    quick, literal = make_both(parse_net(FRAMED))
    for image in images([(40, 40)] * 2):
        assert_same(quick.forward(data=image), literal.forward(data=image))
    for net in (quick, literal):
        net.params["conv"][1].add_(1)
    for image in images([(40, 40)] * 2):
        assert_same(quick.forward(data=image), literal.forward(data=image))


def test_what_is_wanted_from_within_a_frame_is_whole() -> None:
    quick, literal = make_both(parse_net(FRAMED))
    for image in images([(40, 40)] * 2):
        assert_same(quick.forward("conv", "pool", data=image), literal.forward("conv", "pool", data=image))


def test_batches_after_single_images_have_the_frame_too() -> None:
    quick, literal = make_both(parse_net(FRAMED))
    for count in (1, 3, 2):
        batch = np.random.RandomState(count).normal(0, 60, (count, 3, 40, 40)).astype(np.float32)
        assert_same(quick.forward(data=batch), literal.forward(data=batch))


@st.composite
def stacks(draw: st.DrawFn) -> str:
    """Layers that see windows, in a row or with side branches, on an image that may be much padded."""
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 48 dim: 50 } } }\n'
    bottoms = ["data"]
    for number in range(draw(st.integers(2, 6))):
        bottom, name = draw(st.sampled_from(bottoms[-2:])), f"l{number}"
        kind = draw(st.sampled_from(["Convolution", "Convolution", "Pooling", "ReLU", "LRN", "Scale", "AbsVal"]))
        sizes = {axis: draw(st.integers(1, 3)) for axis in "hw"}
        window = " ".join(
            f"kernel_{axis}: {k} stride_{axis}: {draw(st.integers(1, k))} pad_{axis}: {draw(st.integers(0, k - 1))}"
            for axis, k in sizes.items()
        )
        if kind == "Convolution":
            pads = [draw(st.sampled_from([0, 1, 13, 21])) for _ in "hw"]
            inside = (
                f"convolution_param {{ num_output: {draw(st.sampled_from([2, 4, 64]))} kernel_size: {sizes['h']} "
                f"kernel_size: {sizes['w']} pad: {pads[0]} pad: {pads[1]} stride: {draw(st.integers(1, 2))} "
                f"dilation: {draw(st.integers(1, 2))} group: {draw(st.integers(1, 2))} }}"
            )
        elif kind == "Pooling":
            inside = f"pooling_param {{ pool: {draw(st.sampled_from(['MAX', 'MAX', 'AVE']))} {window} }}"
        else:
            inside = "scale_param { bias_term: true }" if kind == "Scale" else ""
        top = bottom if kind == "ReLU" and draw(st.booleans()) and bottom != "data" else name
        text += f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {inside} }}\n'
        bottoms.append(top)
    return text


SIZES = st.lists(st.tuples(st.integers(14, 90), st.integers(14, 90)), min_size=2, max_size=4)


@settings(max_examples=150)
@given(text=stacks(), sizes=SIZES, bands=st.integers(1, 6))
def test_any_stack_of_windows_makes_the_same(text: str, sizes: list[tuple[int, int]], bands: int) -> None:
    """Also where blobs between windows are made in so many bands."""
    quick, literal = make_both(parse_net(text))
    with pytest.MonkeyPatch.context() as patch:
        if bands > 1:
            patch.setattr(band_runs, "_choose_rows", lambda chain, plan, _: -(-count_rows(chain, plan) // bands))
        for image in images([*sizes, sizes[0]], channels=2):
            assert_same(quick.forward(data=image), literal.forward(data=image))


def count_rows(chain: Program, plan: WindowPlan) -> int:
    begin, end = plan.computed[chain[-1].tops[0]][0]
    return end - begin


def test_a_blob_between_bands_is_never_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two convolutions and a pooling, as VGG begins: 4 x 138 x 138 values of 4 bytes, in bands of at most 80 KB."""
    text = """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 40 dim: 40 } } }
        layer { name: "a" type: "Convolution" bottom: "data" top: "a"
          convolution_param { num_output: 4 kernel_size: 3 pad: 50 } }
        layer { name: "b" type: "Convolution" bottom: "a" top: "b"
          convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
        layer { name: "relu" type: "ReLU" bottom: "b" top: "b" }
        layer { name: "pool" type: "Pooling" bottom: "b" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
    """
    monkeypatch.setattr(band_runs, "_LEAST_BYTES", 1 << 15)
    monkeypatch.setattr(band_runs, "_BAND_BYTES", 1 << 14)
    quick, literal = make_both(parse_net(text))
    made: list[int] = []
    compute = FusedConvolution.forward_part

    def note(self: FusedConvolution, *arguments: Any) -> torch.Tensor:
        y = compute(self, *arguments)
        made.append(y.nbytes)
        return y

    monkeypatch.setattr(FusedConvolution, "forward_part", note)
    for image in images([(138, 138), (139, 141)]):
        expected = literal.forward(data=image)
        made.clear()
        assert_same(quick.forward(data=image), expected)
        whole = 4 * 4 * image.shape[2] * image.shape[3]
        assert len(made) > 2 and max(made) < whole / 2


def find_border_cache(net: Net) -> BorderCache:
    (program,) = net._programs.values()
    (found,) = (each.operation for each in program if isinstance(each.operation, BorderCache))
    return found


def test_sizes_with_one_remainder_have_one_border_and_no_first_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, literal = make_both(shrink_net(build("voc-fcn8s", "deploy"), "deploy"))
    monkeypatch.delattr(BorderCache, "_run_whole")
    for image in images([(64, 80), (96, 112), (96, 80), (65, 80), (97, 112)]):
        assert_same(quick.forward(data=image), literal.forward(data=image))
    assert (
        len(find_border_cache(quick)._borders) == 2
    )  # 64 and 96 leave the same remainder by 32, the stride of the net


def test_borders_take_no_more_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, literal = make_both(shrink_net(build("voc-fcn8s", "deploy"), "deploy"))
    (first, *others) = images([(64 + more, 80) for more in (0, 1, 2, 3, 0)])
    quick.forward(data=first)
    cached = find_border_cache(quick)
    (borders,) = cached._borders.values()
    monkeypatch.setattr(border_cache, "_MOST_BYTES", 2 * border_cache._count_bytes(borders))
    for image in others:
        assert_same(quick.forward(data=image), literal.forward(data=image))
    assert 1 <= len(cached._borders) <= 3


def upscore(kernel: int, stride: int, pad: int, group: int, offset: str, bias: bool, lr_mult: int = 0) -> str:
    return f"""
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: 9 dim: 8 }} }} }}
layer {{ name: "as" type: "Input" top: "as" input_param {{ shape {{ dim: 1 dim: 5 dim: 6 dim: 7 }} }} }}
layer {{ name: "up" type: "Deconvolution" bottom: "x" top: "up" param {{ lr_mult: {lr_mult} }} param {{ lr_mult: 0 }}
  convolution_param {{ num_output: 3 kernel_size: {kernel} stride: {stride} pad: {pad} group: {group}
    bias_term: {str(bias).lower()} bias_filler {{ type: "uniform" }} weight_filler {{ type: "bilinear" }} }} }}
layer {{ name: "crop" type: "Crop" bottom: "up" bottom: "as" top: "crop" crop_param {{ axis: 2 {offset} }} }}
"""


@settings(max_examples=100)
@given(data=st.data())
def test_an_upscore_and_its_crop_are_two_products(data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, 4))
    kernel = data.draw(st.integers(stride, 2 * stride + 2))
    pad = data.draw(st.integers(0, min(2, kernel - 1)))
    offsets = data.draw(st.sampled_from(["", "offset: 1", "offset: 0 offset: 1"]))
    if stride * 7 + kernel - 2 * pad < 8 or stride * 8 + kernel - 2 * pad < 7:
        return
    text = upscore(kernel, stride, pad, data.draw(st.sampled_from([1, 3])), offsets, data.draw(st.booleans()))
    quick, literal = make_both(parse_net(text))
    inputs = {"x": np.random.RandomState(0).normal(size=(2, 3, 9, 8)), "as": np.zeros((1, 5, 6, 7))}
    assert_same(quick.forward(**inputs), literal.forward(**inputs))
    assert CroppedUpscore in operations_of(quick)
    assert quick._programs[next(iter(quick._programs))][0].operation._find_taps() is not None
    for net in (quick, literal):  # no interpolation any more
        net.params["up"][0].copy_(torch.randn(net.params["up"][0].shape, generator=torch.Generator().manual_seed(0)))
    assert_same(quick.forward(**inputs), literal.forward(**inputs))


def test_the_gradient_behind_an_upscore_is_the_literal_one() -> None:
    text = upscore(4, 2, 0, 1, "offset: 1", False)
    random = np.random.RandomState(0)
    x, reference = random.normal(size=(2, 3, 9, 8)).astype(np.float32), np.zeros((1, 5, 6, 7))
    grads = []
    for literal in (False, True):
        net = Net(parse_net(text), "train", literal=literal)
        interpolate(net.params["up"][0])
        bottom = torch.tensor(x, requires_grad=True)
        net.forward(**{"x": bottom, "as": reference})["crop"].square().sum().backward()
        grads.append(bottom.grad.numpy())
        assert (CroppedUpscore in operations_of(net)) == (not literal)
    assert measure_difference(*grads) <= ALLOWED


def test_an_upscore_that_learns_stays_a_layer() -> None:
    net = Net(parse_net(upscore(4, 2, 0, 1, "offset: 1", False, lr_mult=1)), "train")
    x = np.ones((2, 3, 9, 8), np.float32)
    net.forward(**{"x": x, "as": np.zeros((1, 5, 6, 7))})["crop"].sum().backward()
    assert CroppedUpscore not in operations_of(net)
    assert net.params["up"][0].grad.abs().sum() > 0
