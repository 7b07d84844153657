"""Sheets: channels made small, in as many bytes as there may be, and filters in their colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
import saved_weights
from PIL import Image

from caffe_fcn import proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.inspection.filters import find_first_filters
from caffe_fcn.inspection.sheets import make_sheet
from caffe_fcn.weights import open_weights

MOST = 60_000


def read(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_noise_is_made_as_small_as_the_bytes_allow() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (80, 200, 300)).astype(np.float32)
    sheet = make_sheet(noise, MOST)
    assert sheet is not None
    assert len(sheet.png) <= MOST
    assert (len(sheet.numbers), sheet.total) == (64, 80)
    assert abs(sheet.width / sheet.height - 1.5) < 0.1


def test_pictures_become_smaller_by_averages() -> None:
    channel = np.random.default_rng(0).integers(0, 100, (1, 640, 640)).astype(np.float32)
    sheet = make_sheet(channel, 10**6)
    assert sheet is not None
    assert (sheet.width, sheet.height) == (320, 320)
    means = channel[0].reshape(320, 2, 320, 2).mean(axis=(1, 3))
    assert sheet.ranges[0] == pytest.approx((means.min(), means.max()))
    low, high = sheet.ranges[0]
    assert np.abs(read(sheet.png) * (high - low) / 255 + low - means).max() <= (high - low) / 255 / 2 + 1e-4


def test_the_channels_that_vary_most_are_kept_in_their_order() -> None:
    spreads = np.arange(100) % 10
    channels = (np.array([-1, 1])[None, None, :] * spreads[:, None, None]).astype(np.float32).repeat(2, axis=1)
    sheet = make_sheet(channels, MOST, pictures=20)
    assert sheet is not None
    assert sheet.numbers == tuple(np.flatnonzero(spreads >= 8))


def test_values_in_a_row_are_laid_out_in_rows() -> None:
    sheet = make_sheet(np.arange(1000, dtype=np.float32).reshape(1, 1, 1000), MOST)
    assert sheet is not None
    assert (sheet.width, sheet.height) == (32, 32)
    assert np.rint(read(sheet.png) * (999 / 255)).ravel()[:1000] == pytest.approx(np.arange(1000), abs=2)


def test_what_is_not_finite_is_drawn_as_zero_and_nothing_as_nothing() -> None:
    sheet = make_sheet(np.array([[[np.nan, 5], [np.inf, -5]]], np.float32), MOST)
    assert sheet is not None
    assert sheet.ranges == ((-5.0, 5.0),)
    assert read(sheet.png).tolist() == [[128, 255], [128, 0]]
    assert make_sheet(np.zeros((0, 4, 4), np.float32), MOST) is None


@pytest.mark.parametrize(
    ("order", "channels", "planes"), [("BGR", 3, 1), ("RGB", 3, 1), ("grey", 1, 1), ("planes", 4, 4)]
)
def test_filters_are_in_the_order_of_the_input(
    tmp_path_factory: pytest.TempPathFactory, order: str, channels: int, planes: int
) -> None:
    net = proto.NetParameter()
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, channels, 9, 9])
    convolution = net.layer.add(name="conv", type="Convolution", bottom=["data"], top=["conv"]).convolution_param
    convolution.num_output = 2
    convolution.kernel_size.append(3)
    values = np.random.default_rng(0).normal(0, 1, (2, channels, 3, 3)).astype(np.float32)
    path = saved_weights.save(tmp_path_factory.mktemp("filters") / "net.caffemodel", net, {"conv": [values]})
    with open_weights(path) as weights:
        found = find_first_filters(net, weights, Model([Input("data", channels, order)], [Output("conv")]))
    assert found is not None
    assert (found.layer, found.count, found.planes, found.total) == ("conv", 2, planes, 2)
    second = values[1]
    shown = np.rint((second - second.min()) * (255 / (second.max() - second.min())))
    pixels = read(found.png)
    for plane in range(planes):
        number = planes + plane
        y, x = number // found.columns * 3, number % found.columns * 3
        part = pixels[y : y + 3, x : x + 3]
        if channels == 3:
            colours = shown[::-1] if order == "BGR" else shown
            assert np.abs(part - colours.transpose(1, 2, 0)).max() <= 1
        else:
            assert np.abs(part - shown[plane]).max() <= 1
