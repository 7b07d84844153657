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
from caffe_fcn.weights.tensors import Made, Shape, Tensor, zeros


def kernel(size: int) -> list[list[float]]:
    """The ``size`` x ``size`` interpolation kernel, enlarging by (size + 1) // 2."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = [1 - abs(x - centre) / factor for x in range(size)]
    return [[y * x for x in line] for y in line]


def refusal(shape: Shape, channels: int) -> str:
    """Why weights of ``shape`` (channels in, channels out / group, height, width) cannot interpolate, or nothing.

    ``channels`` is the number of outputs.
    """
    if len(shape) != 4 or shape[2] != shape[3]:
        return f"kernel {dims(shape[2:])} is not square"
    if shape[0] != channels:
        return f"{shape[0]} channels go in, {channels} come out"
    return ""


def told(shape: Shape) -> str:
    """What reports say of a layer that interpolates."""
    return f"interpolation kernel {dims(shape[2:])}"


def weights(shape: Shape) -> Tensor:
    """Interpolation weights (C, C / group, k, k) for a Deconvolution, dense or grouped, that `refusal` has nothing
    against."""
    channels, width, size, _ = shape
    taps = struct.pack(f"<{size * size}f", *(tap for line in kernel(size) for tap in line))

    def rows() -> Iterator[bytes]:
        for channel in range(channels):
            before = channel % width
            yield from zeros(before * size * size).chunks()
            yield taps
            yield from zeros((width - before - 1) * size * size).chunks()

    return Tensor(shape, "float32", (Made(channels * width * len(taps), rows),))
