"""Torch's modules as layers of Caffe's.

Each method of `TorchNet` adds what one module computes, under the module's own name, and takes the parameters that the
state dict has under that name. Widths are the tensors' own. What torch does otherwise than Caffe:

| torch | here |
|---|---|
| pooling rounds down | ``round_mode: FLOOR``, or a Crop; with ``ceil_mode=True`` up, which is Caffe's rule |
| BatchNorm2d has a scale and a shift | BatchNorm, and a Scale layer NAME.scale behind it |
| ReLU6 | 6 - relu(6 - relu(x)), by ReLU and Power |
| AdaptiveAvgPool2d | global pooling for 1x1; else the windows of the image's size, where these are equal |
| a 1x1 blob enlarged to an image | a blob of ones, times the channel's value (Scale of two bottoms) |
| bilinear interpolation | a bilinear Deconvolution, divided by the same of ones, since torch repeats the border |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from caffe_fcn.errors import CaffeFcnError, NetError, WeightsError, nearest
from caffe_fcn.net.geometry import Window, dims, pool_sizes
from caffe_fcn.netspec.blocks import FROZEN, add_norm, max_pool
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P
from caffe_fcn.weights import Layer, Tensor, interpolation
from caffe_fcn.weights.tensors import from_array

IMAGE = "data"


class Blob(NamedTuple):
    """A Top with its channels, height and width; (1, 1) after global pooling."""

    top: Top
    channels: int
    size: tuple[int, int]


class MisfitError(WeightsError):
    """A state dict is not of the architecture: a tensor is missing or has another shape, or one is left over."""


@dataclass
class TorchNet:
    """A net that grows module by module.

    ``tensors`` is the state dict, ``where`` its name in errors. ``image_factors`` multiply the first convolution's
    weights of each channel of the image, in torch's order; with ``turns_channels`` the net takes the reverse order.
    With ``is_plain`` poolings round down by Crop layers, where this size of the image needs it.
    """

    tensors: Mapping[str, Tensor]
    where: str
    image_factors: tuple[float, ...]
    turns_channels: bool = False
    is_plain: bool = False
    spec: NetSpec = field(default_factory=NetSpec)
    layers: list[Layer] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def add_image(self, size: tuple[int, int]) -> Blob:
        """The input blob."""
        channels = len(self.image_factors)
        self.spec[IMAGE] = L.Input(shape={"dim": [1, channels, *size]})
        return Blob(self.spec[IMAGE], channels, size)

    def conv(
        self,
        name: str,
        bottom: Blob,
        kernel: int,
        stride: int = 1,
        pad: int | None = None,
        dilation: int = 1,
        bias: bool = True,
        grouped: bool = False,
    ) -> Blob:
        """Conv2d; without ``pad`` the size stays, but for the stride. With ``grouped`` the weights tell the groups."""
        weight = self._take(f"{name}.weight")
        outputs, inputs = (*weight.shape, 0, 0)[:2]
        groups = bottom.channels // inputs if grouped and inputs else 1
        self._require(f"{name}.weight", (outputs, bottom.channels // groups, kernel, kernel))
        if groups * inputs != bottom.channels or outputs % groups:
            raise self._misfit(f"{name}.weight", f"is {dims(weight.shape)}, and {bottom.channels} channels come in")
        tensors = [self._fold_image(weight) if bottom.top is self.spec[IMAGE] else weight]
        if bias:
            tensors.append(self._take(f"{name}.bias", (outputs,)))
        window = Window(kernel, stride, dilation * (kernel // 2) if pad is None else pad, dilation)
        size = _check_size(name, *(window.size_after_convolution(side) for side in bottom.size))
        settings: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "pad": window.pad}
        settings |= {} if dilation == 1 else {"dilation": dilation}
        settings |= {} if groups == 1 else {"group": groups}
        settings |= {} if bias else {"bias_term": False}
        self.spec[name] = top = L.Convolution(bottom.top, num_output=outputs, **settings)
        self._keep(name, "Convolution", *tensors)
        return Blob(top, outputs, size)

    def norm(self, name: str, bottom: Blob, relu: bool = True, eps: float = 1e-5, in_place: bool = True) -> Blob:
        """BatchNorm2d as it computes after training, and a ReLU NAME.relu."""
        shape = (bottom.channels,)
        statistics = [self._take(f"{name}.{each}", shape) for each in ("running_mean", "running_var")]
        affine = [self._take(f"{name}.{each}", shape) for each in ("weight", "bias")]
        scale, active = f"{name}.scale", f"{name}.relu" if relu else ""
        top = add_norm(self.spec, bottom.top, name, scale, active, eps, in_place)
        self._keep(name, "BatchNorm", *statistics, _make_tensor([1.0]))
        self._keep(scale, "Scale", *affine)
        return bottom._replace(top=top)

    def linear(self, name: str, bottom: Blob) -> Blob:
        """Linear, of the flattened blob."""
        count = bottom.channels * bottom.size[0] * bottom.size[1]
        outputs = (*self._take(f"{name}.weight").shape, 0)[0]
        weight = self._require(f"{name}.weight", (outputs, count))
        self.spec[name] = top = L.InnerProduct(bottom.top, num_output=outputs)
        self._keep(name, "InnerProduct", weight, self._take(f"{name}.bias", (outputs,)))
        return Blob(top, outputs, (1, 1))

    def relu(self, name: str, bottom: Blob) -> Blob:
        """ReLU, in place."""
        self.spec[name] = top = L.ReLU(bottom.top, in_place=True)
        return bottom._replace(top=top)

    def relu6(self, name: str, bottom: Blob) -> Blob:
        """ReLU6, in place."""
        top = self.relu(f"{name}.low", bottom).top
        self.spec[f"{name}.turn"] = top = L.Power(top, scale=-1, shift=6, in_place=True)
        self.spec[f"{name}.high"] = top = L.ReLU(top, in_place=True)
        self.spec[name] = top = L.Power(top, scale=-1, shift=6, in_place=True)
        return bottom._replace(top=top)

    def dropout(self, name: str, bottom: Blob, ratio: float = 0.5) -> Blob:
        """Dropout, in place; of use where the net is trained further."""
        self.spec[name] = top = L.Dropout(bottom.top, dropout_ratio=ratio, in_place=True)
        return bottom._replace(top=top)

    def max_pool(self, name: str, bottom: Blob, kernel: int, stride: int = 2, pad: int = 0, ceil: bool = False) -> Blob:
        """MaxPool2d."""
        return self._pool(name, bottom, max_pool, kernel, stride, pad, ceil)

    def average_pool(self, name: str, bottom: Blob, kernel: int, stride: int) -> Blob:
        """AvgPool2d without padding."""
        return self._pool(name, bottom, _average_pool, kernel, stride, 0, ceil=False)

    def _pool(self, name: str, bottom: Blob, pool: Any, kernel: int, stride: int, pad: int, ceil: bool) -> Blob:
        settings: dict[str, Any] = {"pad": pad} if pad else {}
        windows = [Window(kernel, stride, pad)] * 2
        sizes = pool_sizes(windows, bottom.size, floor=not ceil)
        if ceil or self.is_plain:
            self.spec[name] = top = pool(bottom.top, kernel, stride, **settings)
            if sizes != pool_sizes(windows, bottom.size):
                # Rounded up, windows that are longer by stride - 1 are as many as these rounded down
                self.spec[f"{name}.size"] = like = pool(bottom.top, kernel + stride - 1, stride, **settings)
                self.spec[f"{name}.cropped"] = top = L.Crop(top, like, axis=2, offset=[0, 0])
        else:
            self.spec[name] = top = pool(bottom.top, kernel, stride, **settings, round_mode=P.Pooling.FLOOR)
        return bottom._replace(top=top, size=_check_size(name, *sizes))

    def adaptive_pool(self, name: str, bottom: Blob, side: int = 1) -> Blob:
        """AdaptiveAvgPool2d to ``side`` x ``side``; nothing where the blob has that size.

        Raises `NetError` where the windows of this size are not those of one Caffe layer.
        """
        if side == 1:
            self.spec[name] = top = L.Pooling(bottom.top, pool=P.Pooling.AVE, global_pooling=True)
            return bottom._replace(top=top, size=(1, 1))
        if bottom.size == (side, side):
            return bottom
        kernels, strides = zip(*(_find_window(name, length, side) for length in bottom.size), strict=True)
        window = {"kernel_h": kernels[0], "kernel_w": kernels[1], "stride_h": strides[0], "stride_w": strides[1]}
        self.spec[name] = top = L.Pooling(bottom.top, pool=P.Pooling.AVE, **window)
        return bottom._replace(top=top, size=(side, side))

    def add(self, name: str, one: Blob, other: Blob) -> Blob:
        """The sum of two blobs of one shape."""
        if one[1:] != other[1:]:
            what = f"adds {one.channels} and {other.channels} channels"
            raise MisfitError(f"{self.where}, module '{name}'", what, "name its architecture")
        self.spec[name] = top = L.Eltwise(one.top, other.top)
        return one._replace(top=top)

    def concat(self, name: str, *blobs: Blob) -> Blob:
        """All blobs, one behind the other along the channels."""
        self.spec[name] = top = L.Concat(*(blob.top for blob in blobs))
        return blobs[0]._replace(top=top, channels=sum(blob.channels for blob in blobs))

    def spread(self, name: str, pooled: Blob, like: Blob) -> Blob:
        """A 1x1 blob, enlarged to the size of another one of as many channels."""
        self.spec[f"{name}.ones"] = ones = L.Power(like.top, scale=0, shift=1)
        self.spec[f"{name}.flat"] = flat = L.Flatten(pooled.top)
        self.spec[name] = top = L.Scale(ones, flat, axis=0)
        return pooled._replace(top=top, size=like.size)

    def upsample(self, name: str, bottom: Blob, factor: int) -> Blob:
        """Bilinear interpolation, ``align_corners=False``, by a whole factor."""
        shape = (bottom.channels, 1, 2 * factor, 2 * factor)
        window = {"kernel_size": 2 * factor, "stride": factor, "pad": factor // 2, "group": bottom.channels}
        settings = {"num_output": bottom.channels, "bias_term": False, "weight_filler": {"type": "bilinear"}, **window}
        self.spec[f"{name}.ones"] = ones = L.Power(bottom.top, scale=0, shift=1)
        sums = []
        for part, top in ((f"{name}.sum", bottom.top), (f"{name}.weight", ones)):
            self.spec[part] = enlarged = L.Deconvolution(top, convolution_param=settings, param=FROZEN)
            self._keep(part, "Deconvolution", interpolation.make_weights(shape))
            sums.append(enlarged)
        self.spec[f"{name}.inverse"] = inverse = L.Power(sums[1], power=-1)
        self.spec[name] = top = L.Eltwise(sums[0], inverse, operation=P.Eltwise.PROD)
        return bottom._replace(top=top, size=(factor * bottom.size[0], factor * bottom.size[1]))

    def check_rest(self, idle: tuple[str, ...]) -> list[str]:
        """The prefixes in ``idle`` of tensors that only training uses; raises `MisfitError` for any other tensor."""
        rest = [name for name in self.tensors if name not in self.used]
        for name in rest:
            if not name.startswith(idle):
                raise self._misfit(name, "has no place in this architecture")
        return [each for each in idle if any(name.startswith(each) for name in rest)]

    def _take(self, name: str, shape: tuple[int, ...] | None = None) -> Tensor:
        if name not in self.tensors:
            unused = [each for each in self.tensors if each not in self.used]
            raise MisfitError(self.where, f"has no tensor {name!r}", nearest(name, unused) or "name its architecture")
        self.used.add(name)
        return self.tensors[name] if shape is None else self._require(name, shape)

    def _require(self, name: str, shape: tuple[int, ...]) -> Tensor:
        tensor = self.tensors[name]
        if tensor.shape != shape or not tensor.count:
            raise self._misfit(name, f"is {dims(tensor.shape)}, and {dims(shape)} is needed")
        return tensor

    def _misfit(self, name: str, what: str) -> CaffeFcnError:
        return MisfitError(f"{self.where}, tensor {name!a}", what, "name its architecture, or another `size`")

    def _keep(self, name: str, kind: str, *tensors: Tensor) -> None:
        cast = (tensor.cast("float32", f"{self.where}, layer '{name}'") for tensor in tensors)
        self.layers.append(Layer(name, tuple(cast), kind))

    def _fold_image(self, weight: Tensor) -> Tensor:
        """The first convolution's weights, for an image that was not divided by anything."""
        import numpy as np

        factors = np.array(self.image_factors).reshape(1, -1, 1, 1)
        values = (weight.load().astype(np.float64) * factors).astype(np.float32)
        return from_array(values[:, ::-1] if self.turns_channels else values)


def _make_tensor(values: list[float]) -> Tensor:
    import numpy as np

    return from_array(np.array(values, np.float32))


def _average_pool(bottom: Top, kernel: int, stride: int, **more: Any) -> Top:
    top: Top = L.Pooling(bottom, pool=P.Pooling.AVE, kernel_size=kernel, stride=stride, **more)
    return top


def _check_size(name: str, height: int, width: int) -> tuple[int, int]:
    if min(height, width) < 1:
        raise NetError(f"module '{name}'", "nothing is left of an image of this size", "give a larger `size`")
    return height, width


def _find_window(name: str, length: int, side: int) -> tuple[int, int]:
    """The one window of an adaptive pooling from ``length`` to ``side`` positions: its kernel and its stride.

    Torch's window i goes from floor(i * length / side) to ceil((i + 1) * length / side).
    """
    starts = [i * length // side for i in range(side)]
    kernels = {-(-(i + 1) * length // side) - start for i, start in enumerate(starts)}
    steps = {after - before for before, after in pairwise(starts)}
    if len(kernels) > 1 or len(steps) > 1 or 0 in steps:
        what = f"its windows are not alike for {length} positions, and Caffe's are"
        raise NetError(f"module '{name}'", what, f"give a `size` that leaves {side} or {2 * side} positions here")
    return kernels.pop(), steps.pop()
