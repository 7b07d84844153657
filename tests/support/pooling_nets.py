"""Nets of all poolings of an image: every kernel, stride, pad, method and rounding."""

from __future__ import annotations

from itertools import product

from prototxts import input_layer, layer


def list_poolings(size: int, kernels: range = range(1, 8)) -> str:
    """A net of all poolings that Caffe takes of an image of this height, and of one column more."""
    text = ""
    for kernel, stride, method, rounding in product(kernels, range(1, 5), ("MAX", "AVE"), ("CEIL", "FLOOR")):
        for pad in range(kernel):
            if kernel <= size + 2 * pad:
                name = f"{method}_{kernel}_{stride}_{pad}_{rounding}"
                inside = f"pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad} round_mode: {rounding}"
                text += layer("Pooling", "data", name, f"pooling_param {{ {inside} }}", name)
    return input_layer("data", 1, 2, size, size + 1) + text
