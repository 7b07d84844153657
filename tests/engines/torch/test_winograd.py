"""Convolutions of 3 x 3 kernels with fewer products are convolutions, and run where they take less time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_judge import torch

from caffe_fcn.engines.torch import choices, winograd, winograd_ways
from caffe_fcn.engines.torch.winograd_tiles import LARGE, SMALL, Tiling, Transform
from caffe_fcn.errors import EngineError

ALLOWED = {  # of the sum of absolute values: 2**-24, times 7.1 or 97, which the transforms' absolute values make of it
    way: 5e-6 if "4x4" in way else 5e-7 for way in winograd.WAYS[1:]
}
SETTING = "CAFFE_FCN_CONVOLUTIONS"


def read_matrix(transform: Transform, inputs: int, outputs: int) -> list[list[Fraction]]:
    """The matrix of a transform: what it makes of unit vectors, in float64, which holds its figures exactly."""
    out = torch.zeros(outputs, inputs, dtype=torch.float64)
    transform.apply([*torch.eye(inputs, dtype=torch.float64)], [*out])
    return [[Fraction(value) for value in row] for row in out.tolist()]


@pytest.mark.parametrize("tiling", [SMALL, LARGE])
def test_the_transforms_are_a_convolution_exactly(tiling: Tiling) -> None:
    """Pixel k of the top is the sum of tap t times pixel k + t of the tile; nothing else is in it."""
    bottom = read_matrix(tiling.bottom, tiling.size, tiling.size)
    top = read_matrix(tiling.top, tiling.size, tiling.step)
    for pixel, tap, read in itertools.product(range(tiling.step), range(3), range(tiling.size)):
        terms = (a * taps[tap] * b[read] for a, taps, b in zip(top[pixel], tiling.kernel, bottom, strict=True))
        assert sum(terms) == (read == pixel + tap)


@pytest.mark.parametrize("tiling", [SMALL, LARGE])
def test_the_gradients_transform_is_that_of_the_top_transposed(tiling: Tiling) -> None:
    top = read_matrix(tiling.top, tiling.size, tiling.step)
    gradient = read_matrix(tiling.gradient, tiling.step, tiling.size)
    assert gradient == [list(column) for column in zip(*top, strict=True)]


def convolve_exactly(
    x: torch.Tensor, kernels: torch.Tensor, gradient: torch.Tensor, pads: Sequence[int]
) -> list[torch.Tensor]:
    """The top and the gradients for bottom and kernels, by torch in float64."""
    exact = [each.double().requires_grad_() for each in (x, kernels)]
    top = torch.conv2d(*exact, padding=pads)
    top.backward(gradient.double())
    return [top.detach(), *(each.grad for each in exact if each.grad is not None)]


def draw_band(data: st.DataObject) -> int:
    """Bytes of the tiles of a band: one row of tiles, some, or all."""
    return data.draw(st.sampled_from([1, 1 << 18, 1 << 24]))


@pytest.mark.numerics
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_fewer_products_give_the_exact_convolution_and_gradients(data: st.DataObject) -> None:
    """torch in float64 is the judge; pads that are larger than the kernels cut the gradient."""
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    count, inputs, outputs, pads = draw(1, 2), draw(1, 40), draw(1, 9), [draw(0, 4), draw(0, 4)]
    size = [max(draw(1, 70), 3 - 2 * pad) for pad in pads]
    random = torch.Generator().manual_seed(draw(0, 9))
    top = [each + 2 * pad - 2 for each, pad in zip(size, pads, strict=True)]
    shapes = (count, inputs, *size), (outputs, inputs, 3, 3), (count, outputs, *top)
    x, kernels, gradient = (torch.randn(shape, generator=random) for shape in shapes)
    exact = convolve_exactly(x, kernels, gradient, pads)
    scales = convolve_exactly(x.abs(), kernels.abs(), gradient.abs(), pads)
    around, turned_around = [(pad, pad) for pad in pads], [(2 - pad, 2 - pad) for pad in pads]
    band = draw_band(data)
    for way in winograd.WAYS[1:]:
        turned = winograd.transform_learned_kernels(kernels, way=way, turned=True)
        with patch.object(winograd, "_MOST_BYTES", band):
            found = (
                winograd.convolve(x, winograd.transform_learned_kernels(kernels, way=way), around),
                winograd.convolve(gradient, turned, turned_around),
                winograd.compute_kernel_gradient(x, gradient, around, way),
            )
        for each, wanted, scale in zip(found, exact, scales, strict=True):
            assert (each - wanted).abs().max() <= ALLOWED[way] * scale.max()


@pytest.mark.numerics
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_kernels_that_are_kept_give_the_exact_convolution(data: st.DataObject) -> None:
    """With a bias, and different padding on each side; torch in float64 is the judge."""
    draw = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    count, inputs, outputs = draw(1, 2), draw(1, 40), draw(1, 9)
    pads = [(draw(0, 3), draw(0, 3)) for _ in "hw"]
    size = [max(draw(1, 70), 3 - sum(pad)) for pad in pads]
    random = torch.Generator().manual_seed(draw(0, 9))
    x, kernels, bias = (
        torch.randn(shape, generator=random) for shape in ((count, inputs, *size), (outputs, inputs, 3, 3), (outputs,))
    )
    padded = torch.nn.functional.pad(x.double(), (*pads[1], *pads[0]))
    exact = torch.conv2d(padded, kernels.double(), bias.double())
    scale = torch.conv2d(padded.abs(), kernels.double().abs(), bias.double().abs()).max()
    for way in winograd.WAYS[1:]:
        transformed = winograd.transform_kernels(kernels, bias, way)
        with patch.object(winograd, "_MOST_BYTES", draw_band(data)):
            found = winograd.convolve(x, transformed, pads)
            rectified = winograd.convolve(x, transformed, pads, relu=True)
        assert (found - exact).abs().max() <= ALLOWED[way] * scale
        assert torch.equal(rectified, found.relu())


def test_large_tiles_are_for_many_pixels_and_fewer_kernels() -> None:
    """Which ways 128, 256 and 512 channels learn in, for 40 x 40 and 80 x 80 pixels."""
    large, small = winograd.LARGE_ONEDNN, winograd.ONEDNN
    of_kernels = winograd.LARGE_BLAS, winograd.BLAS
    direct = winograd.DIRECT

    def fit(outputs: int, inputs: int, size: int) -> tuple[str, str]:
        kernels = torch.empty(outputs, inputs, 3, 3)
        assert winograd_ways.may_learn_quickly(kernels, size**2)
        return winograd_ways.fit_ways((large, of_kernels[0]), kernels, size**2)

    assert fit(512, 512, 80) == (large, of_kernels[0])
    assert fit(512, 512, 40) == (small, of_kernels[1])
    assert fit(256, 128, 80) == (large, of_kernels[0])
    assert fit(256, 128, 40) == (direct, direct)
    assert fit(128, 128, 80) == (direct, of_kernels[0])
    plain = (direct, direct)
    assert winograd_ways.fit_ways(plain, torch.empty(512, 512, 3, 3), 6400) == plain
    assert not winograd_ways.may_learn_quickly(torch.empty(512, 64, 3, 3), 6400)
    assert not winograd_ways.may_learn_quickly(torch.empty(512, 512, 3, 3), 400)


@pytest.fixture
def no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the user without anything in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    choices._find_quickest.cache_clear()
    yield tmp_path / "caffe-fcn" / "convolutions.json"
    choices._find_quickest.cache_clear()


def test_the_quicker_way_is_measured_once_a_machine(no_memory: Path) -> None:
    found = winograd_ways.is_quick()
    ((machine, way),) = json.loads(no_memory.read_text()).items()
    assert torch.__version__ in machine
    assert (way != "direct") == found
    other = "direct" if found else "winograd"
    no_memory.write_text(json.dumps({machine: other}))
    assert winograd_ways.is_quick() == found  # this process has asked already
    choices._find_quickest.cache_clear()
    assert winograd_ways.is_quick() != found
    choices._find_quickest.cache_clear()
    no_memory.write_text('{"a": ')  # of another program, or cut off: measured again
    winograd_ways.is_quick()
    assert machine in json.loads(no_memory.read_text())


def test_the_setting_overrules_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for named in winograd.WAYS:
        monkeypatch.setenv(SETTING, named)
        assert winograd_ways.find_way() == named
        assert winograd_ways.is_quick() == (named != "direct")
    monkeypatch.setenv(SETTING, "winogard")  # close to two of them
    with pytest.raises(EngineError, match=r"CAFFE_FCN_CONVOLUTIONS=winogard.*winograd"):
        winograd_ways.is_quick()


def test_a_process_without_a_cache_measures_once(no_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_memory.parent.write_text("not a folder")
    measured: list[int] = []

    def measure(ways: dict[str, object], gain: float) -> str:
        measured.append(len(ways))
        return winograd.DIRECT

    monkeypatch.setattr(winograd_ways, "choose_quickest", measure)
    for _ in range(3):
        assert winograd_ways.find_learned_ways() == (winograd.DIRECT, winograd.DIRECT)
    assert measured == [len(winograd.WAYS)] * 2  # of the convolution, and of its gradient for the kernels


def test_ways_of_learning_are_measured_once_a_machine_too(no_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = winograd_ways.find_learned_ways()
    kept = []
    for subject in ("learned_convolutions", "kernel_gradients"):
        ((machine, way),) = json.loads((no_memory.parent / f"{subject}.json").read_text()).items()
        assert torch.__version__ in machine
        kept.append(way)
    assert found == tuple(kept)
    for named in winograd.WAYS:
        monkeypatch.setenv(SETTING, named)
        assert winograd_ways.find_learned_ways() == (named, named)
