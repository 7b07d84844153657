"""Layers of forks that change the resolution: interpolation, unpooling, and space traded for channels."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from caffe_fcn.net.geometry import AxisMap, CoordMap, Window
from caffe_fcn.net.layer_types.row import LayerType
from caffe_fcn.net.layer_types.site import Shape, Site

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


# Interp: bilinear, with the corners of both images on each other


def _interp_tops(site: Site) -> list[Shape]:
    """PSPNet's src/caffe/layers/interp_layer.cpp, which takes all that DeepLab's takes, by a size or by factors.

    A second bottom, of later forks, has the size.
    """
    n, channels, *sizes = site.four_axes()
    param = site.param
    padded = [size + param.pad_beg + param.pad_end for size in sizes]
    if param.pad_beg > 0 or param.pad_end > 0:
        site.fail(f"has pad_beg {param.pad_beg} and pad_end {param.pad_end}", "they cut, and are 0 or less")
    if min(padded) < 1:
        site.fail(f"its pad_beg and pad_end leave nothing of {site.blob()}", "cut less")
    if len(site.shapes) > 1:
        return [(n, channels, *site.shapes[1][-2:])]
    if _goes_by_factors(site.layer):
        zoom, shrink = _factors(site.layer)
        return [(n, channels, *(((size - 1) // shrink) * zoom + 1 for size in padded))]
    if param.height < 1 or param.width < 1:
        site.fail("has no size", "set height and width, zoom_factor, or shrink_factor")
    return [(n, channels, param.height, param.width)]


def _goes_by_factors(layer: LayerParameter) -> bool:
    """One factor goes before a size, which goes before both factors."""
    param = layer.interp_param
    factors = param.HasField("zoom_factor") + param.HasField("shrink_factor")
    return factors == 1 or (factors == 2 and not (param.HasField("height") and param.HasField("width")))


def _factors(layer: LayerParameter) -> tuple[int, int]:
    zoom, shrink = layer.interp_param.zoom_factor, layer.interp_param.shrink_factor
    if zoom < 1 or shrink < 1:
        Site(layer).fail(f"has zoom_factor {zoom} and shrink_factor {shrink}", "they are 1 or more")
    return zoom, shrink


def _interp_coords(layer: LayerParameter) -> CoordMap | None:
    """Corners lie on each other, so that the scale follows from the factors; without them it depends on the sizes."""
    param = layer.interp_param
    if len(layer.bottom) > 1 or not _goes_by_factors(layer):
        return None
    zoom, shrink = _factors(layer)
    scale = Fraction(zoom, shrink)
    return CoordMap(2, (AxisMap(scale, scale * param.pad_beg),))


def _interp_summary(layer: LayerParameter) -> str:
    param = layer.interp_param
    factors = ((param.zoom_factor, "x"), (param.shrink_factor, "/"))
    return " ".join(f"{sign}{factor}" for factor, sign in factors if factor > 1)


# Upsample: by the mask of a pooling (SegNet), or each value repeated


def upsample_scales(layer: LayerParameter) -> tuple[int, int]:
    """How many rows and columns one value becomes."""
    param = layer.upsample_param
    if param.HasField("scale_h") and param.HasField("scale_w"):
        return param.scale_h, param.scale_w
    if param.HasField("height_scale") and param.HasField("width_scale"):
        return param.height_scale, param.width_scale
    return (param.scale, param.scale) if param.HasField("scale") else (_SCALE, _SCALE)


_SCALE = 2  # upsample_layer.cpp of SegNet; forks whose default is another always write it


def _upsample_tops(site: Site) -> list[Shape]:
    """SegNet's upsample_layer.cpp; a fork that repeats values has no second bottom."""
    n, channels, *sizes = site.four_axes()
    param = site.param
    for names in (("upsample_h", "upsample_w"), ("height", "width")):
        if all(map(param.HasField, names)):
            return [(n, channels, *(getattr(param, name) for name in names))]
    scales, less = upsample_scales(site.layer), (param.pad_out_h, param.pad_out_w)
    return [(n, channels, *(size * scale - cut for size, scale, cut in zip(sizes, scales, less, strict=True)))]


def _upsample_coords(layer: LayerParameter) -> CoordMap | None:
    """The centre of the values that one value becomes."""
    return CoordMap(2, tuple(Window(scale, scale).up() for scale in upsample_scales(layer)))


# Unpooling of the deconvolution network (Noh et al., Learning Deconvolution Network for Semantic Segmentation)


def unpooling_windows(layer: LayerParameter) -> list[Window]:
    """The windows over which an Unpooling spreads a value, for height and width."""
    param = layer.unpooling_param
    kernels = [param.kernel_h or param.kernel_size, param.kernel_w or param.kernel_size]
    strides = [param.stride_h or param.stride, param.stride_w or param.stride]
    pads = [param.pad_h or param.pad, param.pad_w or param.pad]
    if not all(kernels):
        Site(layer).fail("has no kernel_size", "set kernel_size, or kernel_h and kernel_w")
    return [Window(*window) for window in zip(kernels, strides, pads, strict=True)]


def spread_windows(window: Window, size: int, made: int) -> Any:
    """A matrix in float32, places x values: 1 where a place is in the window of a value, along one axis."""
    import numpy as np

    starts = np.arange(size) * window.stride
    places = np.arange(made)[:, None]
    return ((places >= starts) & (places < starts + window.kernel)).astype(np.float32)


def _unpooling_tops(site: Site) -> list[Shape]:
    """The declared size, which DeconvNet's Caffe requires (unpooling_layer.cpp); it takes no padding."""
    n, channels, *_ = site.four_axes()
    param = site.param
    declared = [param.unpool_h or param.unpool_size, param.unpool_w or param.unpool_size]
    if not all(declared):
        site.fail("has no size", "set unpool_size, or unpool_h and unpool_w")
    if any(window.pad for window in unpooling_windows(site.layer)):
        site.fail("is padded", "its pad must be 0")
    return [(n, channels, *declared)]


def _unpooling_coords(layer: LayerParameter) -> CoordMap | None:
    return CoordMap(2, tuple(window.up() for window in unpooling_windows(layer)))


# Space and channels


def _reorg_tops(site: Site) -> list[Shape]:
    """Blocks of stride x stride become channels, or channels blocks (darknet's reorg_layer)."""
    n, channels, height, width = site.four_axes()
    stride = site.param.stride
    if stride < 1:
        site.fail("has no stride", "set how large its blocks are")
    if site.param.reverse:
        if channels % stride**2:
            site.fail(f"cannot make blocks of {stride}x{stride} out of the {channels} channels of {site.blob()}")
        return [(n, channels // stride**2, height * stride, width * stride)]
    if height % stride or width % stride:
        site.fail(f"stride {stride} does not divide the size of {site.blob()}", "use a size that it divides")
    return [(n, channels * stride**2, height // stride, width // stride)]


def _reorg_coords(layer: LayerParameter) -> CoordMap | None:
    window = Window(layer.reorg_param.stride, layer.reorg_param.stride)
    return CoordMap(2, (window.up() if layer.reorg_param.reverse else window.down(),))


def _resize_tops(site: Site) -> list[Shape]:
    n, channels, *_ = site.four_axes()
    param: Any = site.layer.resize_param
    if not (param.height and param.width):
        site.fail("has no height and width", "set both")
    return [(n, channels, param.height, param.width)]


def _deephi_tops(site: Site) -> list[Shape]:
    n, channels, *_ = site.four_axes()
    size = [value for name in ("new_height", "new_width") for value in site.numbers("deephi_resize_param", name, int)]
    if len(size) != 2:
        site.fail("has no size", "set new_height and new_width")
    return [(n, channels, *size)]


_resampling = partial(LayerType, role="upsampling", upsamples=True)


TYPES: dict[str, LayerType] = {
    "DeephiResize": LayerType(_deephi_tops, coords=lambda layer: None, fork="xilinx"),
    "Interp": _resampling(
        _interp_tops,
        "interp_param",
        (1, 2),
        coords=_interp_coords,
        follows=1,
        reach=lambda layer: 2,
        summary=_interp_summary,
        fork="deeplab-v2",
    ),
    "Reorg": LayerType(_reorg_tops, "reorg_param", coords=_reorg_coords, fork="yolov2"),
    "Resize": _resampling(_resize_tops, coords=lambda layer: None, fork="rknn"),
    "Unpooling": _resampling(
        _unpooling_tops, "unpooling_param", (1, 2), coords=_unpooling_coords, follows=1, fork="deconvnet"
    ),
    "Upsample": _resampling(
        _upsample_tops, "upsample_param", (1, 2), coords=_upsample_coords, follows=1, fork="segnet"
    ),
}
