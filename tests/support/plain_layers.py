"""A literal numpy transcription of the layers of SegNet and ENet, which unpool by the mask of a pooling.

Each function is the formula in the layer's source: convolution_layer.cpp and its like in BVLC's Caffe, bn_layer.cpp
(bn_mode INFERENCE) and upsample_layer.cpp of alexgkendall/caffe-segnet. `run_net` runs a net of them layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.proto import LayerParameter, NetParameter

Array = NDArray[np.float64]


def run_net(
    net: NetParameter,
    values: Mapping[str, list[np.ndarray]],
    inputs: Mapping[str, np.ndarray],
    bn: Callable[[LayerParameter, list[Array], list[Array]], list[Array]] | None = None,
) -> Array:
    """What the last layer makes of the inputs; ``bn`` computes BN in place of its mode INFERENCE."""
    layers = LAYERS | ({"BN": bn} if bn else {})
    blobs: dict[str, Array] = {name: array.astype(float) for name, array in inputs.items()}
    for layer in net.layer:
        if layer.bottom:
            arrays = [array.astype(float) for array in values.get(layer.name, [])]
            tops = layers[layer.type](layer, [blobs[name] for name in layer.bottom], arrays)
            blobs.update(zip(layer.top, tops, strict=True))
    return blobs[net.layer[-1].top[0]]


def _convolve(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    (x,), kernel, param = bottoms, params[0], layer.convolution_param
    pads = [param.pad[0] if param.pad else side for side in (param.pad_h, param.pad_w)]
    step = param.stride[0] if param.stride else 1
    apart = param.dilation[0] if param.dilation else 1
    x = np.pad(x, ((0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2))
    height, width = ((x.shape[i] - apart * (kernel.shape[i] - 1) - 1) // step + 1 for i in (2, 3))
    made = np.zeros((len(x), len(kernel), height, width))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            rows = slice(i * apart, i * apart + step * (height - 1) + 1, step)
            columns = slice(j * apart, j * apart + step * (width - 1) + 1, step)
            made += np.einsum("nchw,oc->nohw", x[:, :, rows, columns], kernel[:, :, i, j])
    return [made + (params[1][:, None, None] if len(params) > 1 else 0)]


def _deconvolve(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    """With a kernel as large as the stride, where no two of its values meet."""
    (x,), kernel, size = bottoms, params[0], layer.convolution_param.kernel_size[0]
    assert layer.convolution_param.stride[0] == size
    made = np.einsum("nchw,coij->nohiwj", x, kernel)
    return [made.reshape(len(x), kernel.shape[1], x.shape[2] * size, x.shape[3] * size) + params[1][:, None, None]]


def _pool(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    """The maximum of each 2 x 2, and its place in the image; a window at the end may be smaller."""
    (x,) = bottoms
    count, channels, height, width = x.shape
    shape = (count, channels, -(-height // 2), -(-width // 2))
    made, mask = np.zeros(shape), np.zeros(shape)
    for n, c, i, j in np.ndindex(*shape):
        window = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        row, column = np.unravel_index(window.argmax(), window.shape)
        made[n, c, i, j] = window[row, column]
        mask[n, c, i, j] = (2 * i + row) * width + 2 * j + column
    return [made, mask][: len(layer.top)]


def _unpool(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    """Each value at the place that the mask says."""
    x, mask = bottoms
    param = layer.upsample_param
    height = param.upsample_h if param.HasField("upsample_h") else x.shape[2] * param.scale
    width = param.upsample_w if param.HasField("upsample_w") else x.shape[3] * param.scale
    made = np.zeros((*x.shape[:2], height * width))
    for n, c, i, j in np.ndindex(*x.shape):
        made[n, c, int(mask[n, c, i, j])] = x[n, c, i, j]
    return [made.reshape(*x.shape[:2], height, width)]


def _normalize(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    assert layer.bn_param.bn_mode == layer.bn_param.INFERENCE
    scale, shift = (array.reshape(1, -1, 1, 1) for array in params)
    return [bottoms[0] * scale + shift]


def _lrn(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    (x,), param = bottoms, layer.lrn_param
    made = np.zeros_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - param.local_size // 2) : c + param.local_size // 2 + 1]
        made[:, c] = x[:, c] * (1 + param.alpha / param.local_size * (near**2).sum(1)) ** -param.beta
    return [made]


def _prelu(layer: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
    (x,), slopes = bottoms, params[0].reshape(1, -1, 1, 1)
    return [np.maximum(x, 0) + slopes * np.minimum(x, 0)]


LAYERS = {
    "BN": _normalize,
    "Concat": lambda layer, bottoms, params: [np.concatenate(bottoms, 1)],
    "Convolution": _convolve,
    "Deconvolution": _deconvolve,
    "Eltwise": lambda layer, bottoms, params: [sum(bottoms)],
    "LRN": _lrn,
    "PReLU": _prelu,
    "Pooling": _pool,
    "ReLU": lambda layer, bottoms, params: [np.maximum(bottoms[0], 0)],
    "Upsample": _unpool,
}
