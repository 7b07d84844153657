"""Fillers and interpolation kernels against real Caffe and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn.errors import NetError
from caffe_fcn.proto import FillerParameter, LayerParameter
from caffe_fcn.weights import fillers, interpolation

CONSTANT = {"type": "constant", "value": 2.5}
SHAPE = (50, 20, 5, 7)


def filled(shape: tuple[int, ...] = SHAPE, seed: int = 0, layer: str = "x", **filler: object) -> np.ndarray:
    return fillers.fill(FillerParameter(**filler), shape, layer, 0, seed).load()


FAN_IN, FAN_OUT = 20 * 5 * 7, 50 * 5 * 7
UNIFORM_BOUNDS = {
    "uniform": ({"type": "uniform", "min": -2, "max": 0.5}, -2, 0.5),
    "xavier": ({"type": "xavier"}, -math.sqrt(3 / FAN_IN), math.sqrt(3 / FAN_IN)),
    "xavier, fan out": ({"type": "xavier", "variance_norm": 1}, -math.sqrt(3 / FAN_OUT), math.sqrt(3 / FAN_OUT)),
    "xavier, average": (
        {"type": "xavier", "variance_norm": 2},
        -math.sqrt(6 / (FAN_IN + FAN_OUT)),
        math.sqrt(6 / (FAN_IN + FAN_OUT)),
    ),
}
NORMAL = {
    "gaussian": ({"type": "gaussian", "mean": 3, "std": 0.25}, 3, 0.25),
    "msra": ({"type": "msra"}, 0, math.sqrt(2 / FAN_IN)),
    "msra, fan out": ({"type": "msra", "variance_norm": 1}, 0, math.sqrt(2 / FAN_OUT)),
}


@pytest.mark.parametrize("case", UNIFORM_BOUNDS)
def test_uniform_fillers_cover_their_bounds_evenly(case):
    filler, low, high = UNIFORM_BOUNDS[case]
    values = filled(**filler)
    places = (values.astype("f8") - low) / (high - low)
    assert places.min() >= -1e-6
    assert places.max() <= 1 + 1e-6
    counts, _ = np.histogram(places, bins=10, range=(0, 1))
    assert abs(counts / values.size - 0.1).max() < 0.01


@pytest.mark.parametrize("case", NORMAL)
def test_normal_fillers_have_their_mean_and_deviation(case):
    filler, mean, deviation = NORMAL[case]
    values = filled(**filler).astype("f8")
    assert abs(values.mean() - mean) < 5 * deviation / math.sqrt(values.size)
    assert abs(values.std() / deviation - 1) < 0.02
    assert abs((abs(values - mean) < deviation).mean() - 0.6827) < 0.01


def test_a_sparse_gaussian_has_so_many_inputs_per_output():
    values = filled((400, 300), type="gaussian", std=2, sparse=30)
    assert abs((values != 0).mean() - 30 / 400) < 0.005  # of each output's inputs, the share sparse / outputs
    assert abs(values[values != 0].std() - 2) < 0.1


@pytest.mark.numerics
def test_rows_of_a_positive_unit_ball_sum_to_one():
    values = filled((7, 3, 300, 200), type="positive_unitball").astype("f8")
    assert values.min() >= 0
    np.testing.assert_allclose(values.reshape(7, -1).sum(axis=1), 1, rtol=1e-5)
    assert values.std() > 0


def test_fillers_are_reproducible_and_no_two_layers_alike():
    one, same, other_seed, other_layer = (
        filled(type="gaussian", **more) for more in ({}, {}, {"seed": 1}, {"layer": "y"})
    )
    np.testing.assert_array_equal(one, same)
    for other in (other_seed, other_layer):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("filler", "shape", "told"),
    [
        ({"type": "gausian"}, (3,), "did you mean gaussian"),
        ({"type": "bilinear"}, (3, 1, 4, 5), "needs a square kernel"),
        ({"type": "bilinear"}, (3, 4), "needs a square kernel"),
        ({"type": "xavier", "sparse": 3}, (3, 4), "only gaussian can be sparse"),
    ],
)
def test_a_filler_that_does_not_apply_is_refused(filler, shape, told):
    with pytest.raises(NetError, match=told):
        filled(shape, **filler)


def described(kind: str, **fields: object) -> LayerParameter:
    return LayerParameter(name="x", type=kind, bottom=["data"], **fields)


@pytest.mark.parametrize(
    ("layer", "index", "shape", "value"),
    [
        (described("Scale"), 0, (3,), 1),
        (described("Scale", scale_param={"bias_term": True}), 1, (3,), 0),
        (described("Scale", scale_param={"filler": CONSTANT}), 0, (3,), 2.5),
        (described("Scale", scale_param={"bias_term": True, "bias_filler": CONSTANT}), 1, (3,), 2.5),
        (described("PReLU"), 0, (3,), 0.25),
        (described("Bias", bias_param={"filler": CONSTANT}), 0, (3,), 2.5),
        (described("BatchNorm"), 1, (3,), 0),
        (described("InnerProduct", inner_product_param={"weight_filler": CONSTANT}), 0, (3, 4), 2.5),
        (described("InnerProduct", inner_product_param={"weight_filler": CONSTANT}), 1, (3,), 0),
        (described("Embed", embed_param={"bias_filler": CONSTANT}), 1, (3,), 2.5),
        (described("LSTM", recurrent_param={"weight_filler": CONSTANT}), 2, (12, 3), 2.5),
        (described("LSTM", recurrent_param={"weight_filler": CONSTANT}), 1, (12,), 0),
    ],
)
def test_a_layer_starts_with_the_filler_that_caffe_takes(layer, index, shape, value):
    filler = fillers.find_filler(layer, index, shape)
    assert (fillers.fill(filler, shape, "x", index).load() == value).all()


def test_a_scale_by_its_second_bottom_has_only_its_bias():
    layer = described("Scale", scale_param={"bias_term": True, "filler": CONSTANT})
    layer.bottom.append("factor")
    assert fillers.find_filler(layer, 0, (3,)).value == 0


@pytest.mark.numerics
@pytest.mark.caffe
def test_the_interpolation_kernel_is_real_caffes_bilinear_filler_for_every_size(pycaffe, tmp_path):
    sizes = [*range(1, 20), 32, 63, 64]
    layers = "".join(
        f'layer {{ name: "up{k}" type: "Deconvolution" bottom: "data" top: "up{k}" convolution_param {{ num_output: 2 '
        f'group: 2 kernel_size: {k} bias_term: false weight_filler {{ type: "bilinear" }} }} }}'
        for k in sizes
    )
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 3 dim: 3 } } }'
        + layers
    )
    theirs = pycaffe(
        """
        net = caffe.Net(str(inputs["net"]), caffe.TEST)
        for name, blobs in net.params.items():
            outputs[name] = blobs[0].data
        """,
        net=tmp_path / "net.prototxt",
    )
    for k in sizes:
        expected = theirs[f"up{k}"]
        np.testing.assert_allclose(interpolation.make_weights((2, 1, k, k)).load(), expected, atol=1e-6)
        np.testing.assert_allclose(filled((2, 1, k, k), type="bilinear"), expected, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 5), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_class_is_interpolated_into_itself_and_into_no_other(size, channels, grouped):
    shape = (channels, 1 if grouped else channels, size, size)
    values = interpolation.make_weights(shape).load()
    kernel = np.array(interpolation.make_kernel(size), "f4")
    for source in range(channels):
        for target in range(shape[1]):
            expected = kernel if grouped or source == target else np.zeros_like(kernel)
            np.testing.assert_array_equal(values[source, target], expected)


@pytest.mark.numerics
@given(st.integers(1, 16))
def test_enlarging_a_constant_by_the_kernels_factor_gives_the_constant(factor):
    """The taps that meet in one output pixel sum to 1: the kernel neither darkens nor brightens."""
    for size in (2 * factor - 1, 2 * factor):
        kernel = np.array(interpolation.make_kernel(size))
        if (size + 1) // 2 == factor:
            sums = [[kernel[y::factor, x::factor].sum() for x in range(factor)] for y in range(factor)]
            np.testing.assert_allclose(sums, 1)


@pytest.mark.parametrize(
    ("shape", "channels", "told"),
    [
        ((2, 2, 4, 6), 2, "kernel 4x6 is not square"),
        ((2, 3, 4, 4), 3, "2 channels go in, 3 come out"),
        ((2, 2, 4), 2, "not square"),
    ],
)
def test_what_cannot_interpolate_says_why(shape, channels, told):
    assert told in interpolation.explain_misfit(shape, channels)
    assert not interpolation.explain_misfit((2, 1, 4, 4), 2)
