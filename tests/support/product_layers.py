"""Layers that a product of matrices computes, for a bottom ``x`` of 2 x 6 x 5 x 4; their top is ``y``."""

from __future__ import annotations

from prototxts import layer

PRODUCTS = [
    layer("Convolution", "x", "y", "convolution_param { num_output: 70 kernel_size: 3 }", "y"),
    layer("Convolution", "x", "y", "convolution_param { num_output: 70 kernel_size: 2 stride: 2 pad: 1 }", "y"),
    layer("Convolution", "x", "y", "convolution_param { num_output: 70 kernel_size: 2 dilation: 2 }", "y"),
    layer("Convolution", "x", "y", "convolution_param { num_output: 70 kernel_size: 1 bias_term: false }", "y"),
    layer("InnerProduct", "x", "y", "inner_product_param { num_output: 9 }", "y"),
    layer("InnerProduct", "x", "y", "inner_product_param { num_output: 9 axis: 2 transpose: true }", "y"),
]
