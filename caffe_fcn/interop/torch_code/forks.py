"""Layers that forks of Caffe have: Interp, BN, Upsample, ...; `engines.torch.layers` says whose they are."""

from __future__ import annotations

from caffe_fcn.interop.torch_code.dense import normalize_channels
from caffe_fcn.interop.torch_code.names import write_number
from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.layer_types.pointwise import bn_eps, bn_kind, takes_absolute_values
from caffe_fcn.net.layer_types.resampling import unpooling_windows


def write_axpy(place: Place) -> list[str]:
    """factor * x + y, with one factor for each channel of each image."""
    factor, x, y = place.bottoms
    missing = len(place.site.shapes[1]) - len(place.site.shapes[0])
    column = f"{factor}[..., {', '.join(['None'] * missing)}]" if missing else factor
    return [f"{column} * {x} + {y}"]


def write_interp(place: Place) -> list[str]:
    """Bilinear interpolation with aligned corners, of what pad_beg and pad_end leave."""
    p, x = place.param, place.bottom
    if p.pad_beg or p.pad_end:
        edges = ", ".join([str(p.pad_beg), str(p.pad_end)] * 2)
        x = f"nn.functional.pad({x}, ({edges}))"
    return [_interpolate(place, x)]


def _interpolate(place: Place, x: str) -> str:
    size = tuple(place.tops[0][2:])
    return f'nn.functional.interpolate({x}, size={size}, mode="bilinear", align_corners=True)'


def write_upsample(place: Place) -> list[str]:
    """Unpooling by a mask, the second bottom; without one, each value repeated, or interpolated."""
    size = tuple(place.tops[0][2:])
    if len(place.bottoms) > 1:
        return [place.call("unpool", *place.bottoms, f"size={size}")]
    if place.site.setting("upsample_param", "mode") == ["BILINEAR"]:
        return [_interpolate(place, place.bottom)]
    return [place.call("scale_nearest", place.bottom, f"size={size}")]


def write_unpooling(place: Place) -> list[str]:
    """MAX puts each value where the mask says, or at its window's start; AVE and TILE spread it over its window."""
    p, size = place.param, f"size={tuple(place.tops[0][2:])}"
    if p.unpool == p.MAX and len(place.bottoms) > 1:
        return [place.call("unpool", *place.bottoms, size)]
    kernel, stride = (
        tuple(getattr(window, name) for window in unpooling_windows(place.layer)) for name in ("kernel", "stride")
    )
    if p.unpool == p.MAX:
        return [place.call("unpool_to_starts", place.bottom, stride, size)]
    return [place.call("spread", place.bottom, kernel, stride, size, f"share={p.unpool == p.AVE}")]


def write_bn(place: Place) -> list[str]:
    """The factor and the shift; with the kept statistics, or those of the batch. See the torch engine's class."""
    p = place.param
    kind = bn_kind(place.layer)
    factor, shift, *kept = place.params
    if kind == "segnet" and p.bn_mode == p.INFERENCE:
        shape = (factor.count, *[1] * (place.rank - 2))
        arrays = {"weight": factor.reshaped(shape), "bias": shift.reshaped(shape)}
        return [f"{place.add_module(place.call('Scale', *shape), arrays)}({place.bottom})"]
    uses_kept = kind == "pspnet" or (kind == "ctpn" and p.moving_average)
    normal = normalize_channels(place, bn_eps(place.layer), [factor, shift], kept[:2] if uses_kept else None)
    if len(place.tops) == 1:
        return normal
    x, axes = place.bottom, "(0, 2, 3), keepdim=True"
    statistics = [f"{x}.mean({axes})", f"{x}.var({axes}, correction=0)"]
    return place.take_parts(f"({', '.join([*normal, *statistics[: len(place.tops) - 1]])})")


def write_normalize(place: Place) -> list[str]:
    """The norm of each place's channels, or of the image, divided by; and a factor for each channel (SSD's)."""
    p = place.param
    if not place.params:
        called = place.call("divide_by_own_norm", place.bottom, f"absolute={takes_absolute_values(place.site)}")
        return [f"{called}[0]"] if len(place.tops) == 1 else place.take_parts(called)
    axes = tuple(range(1, place.rank)) if p.across_spatial else (1,)
    normal = place.call("divide_by_norm", place.bottom, axes, f"eps={write_number(p.eps)}")
    shape = (place.params[0].count, *[1] * (place.rank - 2))
    return [f"{normal} * {place.add_parameter(place.params[0], shape)}"]


def write_reorg(place: Place) -> list[str]:
    """Blocks of pixels become channels, or with ``reverse`` channels blocks; see the torch engine's class."""
    stride, (_, channels, height, width) = place.param.stride, place.shape
    groups = channels // stride**2
    if place.param.reverse:
        apart, order = (-1, stride, stride, groups, height, width), (0, 3, 4, 1, 5, 2)
    else:
        apart, order = (-1, groups, height, stride, width, stride), (0, 3, 5, 1, 2, 4)
    return [f"{place.bottom}.reshape{apart}.permute{order}.reshape{(-1, *place.tops[0][1:])}"]


WRITERS: dict[str, Writer] = {
    "Axpy": write_axpy,
    "BN": write_bn,
    "Interp": write_interp,
    "Normalize": write_normalize,
    "Reorg": write_reorg,
    "Unpooling": write_unpooling,
    "Upsample": write_upsample,
}
