"""Bilinear interpolation as the weights of a Deconvolution.

A kernel of size k enlarges by the factor f = (k + 1) // 2: each tap weighs its input pixel by how near
it is, (1 - |x - centre| / f)(1 - |y - centre| / f), with the centre on a pixel for odd k and between two
for even k. Class i is enlarged into class i alone, so all kernels between different channels are zero
(interp in surgery.py of the FCN reference).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from caffe_fcn.net.geometry import dims
from caffe_fcn.weights.tensors import GeneratedSegment, Shape, Tensor, make_zeros


def make_kernel(size: int) -> list[list[float]]:
    """The ``size`` x ``size`` interpolation kernel, which enlarges by (size + 1) // 2.

    >>> make_kernel(4)[1]
    [0.1875, 0.5625, 0.5625, 0.1875]
    """
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = [1 - abs(x - centre) / factor for x in range(size)]
    return [[y * x for x in line] for y in line]


def explain_misfit(shape: Shape, channels: int) -> str:
    """Why weights of ``shape`` cannot interpolate; an empty string where they can.

    ``shape`` is (channels in, channels out / group, height, width), ``channels`` the number of outputs.
    """
    if len(shape) != 4 or shape[2] != shape[3]:
        return f"kernel {dims(shape[2:])} is not square"
    if shape[0] != channels:
        return f"{shape[0]} channels go in, {channels} come out"
    return ""


def describe(shape: Shape) -> str:
    """What a report says of an interpolating layer's weights."""
    return f"interpolation kernel {dims(shape[2:])}"


def make_weights(shape: Shape) -> Tensor:
    """Interpolation weights (C, C / group, k, k) for a Deconvolution, dense or grouped, for which `explain_misfit`
    finds no reason against them."""
    channels, width, size, _ = shape
    taps = struct.pack(f"<{size * size}f", *(tap for line in make_kernel(size) for tap in line))

    def generate() -> Iterator[bytes]:
        for channel in range(channels):
            before = channel % width
            yield from make_zeros(before * size * size).chunks()
            yield taps
            yield from make_zeros((width - before - 1) * size * size).chunks()

    return Tensor(shape, "float32", (GeneratedSegment(channels * width * len(taps), generate),))
