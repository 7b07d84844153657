"""Layers that put axes together, apart, or in another order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from caffe_fcn.net.geometry import POINTWISE, AxisMap, CoordMap, dims
from caffe_fcn.net.layer_types.row import ANY, Kind, LayerType, ends, everywhere
from caffe_fcn.net.layer_types.site import Shape, Site, image_axis

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def _channel_like(name: str, old: str) -> Callable[[Site], int]:
    def axis_of(site: Site) -> int:
        if site.param.HasField(old):
            if site.param.HasField(name):
                site.fail(f"has {name} and {old}", f"keep {name}")
            return site.axis(getattr(site.param, old))
        return site.axis(getattr(site.param, name))

    return axis_of


_concat_axis = _channel_like("axis", "concat_dim")
_slice_axis = _channel_like("axis", "slice_dim")


def _concat_tops(site: Site) -> list[Shape]:
    axis, first = _concat_axis(site), site.shapes[0]
    for index, shape in enumerate(site.shapes):
        if len(shape) != len(first) or shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            site.fail(f"{site.blob(index)} does not fit {site.blob()}", f"all axes but axis {axis} must agree")
    return [(*first[:axis], sum(shape[axis] for shape in site.shapes), *first[axis + 1 :])]


def _slice_tops(site: Site) -> list[Shape]:
    axis, shape, tops = _slice_axis(site), site.shapes[0], len(site.layer.top)
    points = list(site.param.slice_point)
    if points:
        if len(points) != tops - 1:
            site.fail(f"has {len(points)} slice_point for {tops} tops", "one fewer than tops")
        edges = [0, *points, shape[axis]]
        if any(a >= b for a, b in pairwise(edges)):
            site.fail(f"slice_point {points} does not rise inside {site.blob()}", "let it rise")
        parts = [b - a for a, b in pairwise(edges)]
    else:
        if shape[axis] % tops:
            site.fail(f"{tops} tops cannot share axis {axis} of {site.blob()} evenly", "set slice_point")
        parts = [shape[axis] // tops] * tops
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def _along_channels(axis_name: str, old: str = "") -> Callable[[LayerParameter], CoordMap | None]:
    """Coordinates survive along the axes before the spatial ones; beyond lies no coordinate map."""

    def coords(layer: LayerParameter) -> CoordMap | None:
        param = Site(layer).param
        axis = image_axis(getattr(param, old if old and param.HasField(old) else axis_name))
        return POINTWISE if axis in (0, 1) else None

    return coords


def _crop_tops(site: Site) -> list[Shape]:
    axis = site.axis(site.param.axis)
    shape, reference, given = site.shapes[0], site.shapes[1], list(site.param.offset) or [0]
    if len(reference) != len(shape):
        site.fail(f"{site.blob()} and {site.blob(1)} differ in their number of axes", "crop like with like")
    if len(given) not in (1, len(shape) - axis):
        site.fail(f"has {len(given)} offsets for {len(shape) - axis} axes", "give one, or one per axis")
    offsets = given * (len(shape) - axis) if len(given) == 1 else given
    for offset, size, wanted in zip(offsets, shape[axis:], reference[axis:], strict=True):
        if offset + wanted > size:
            site.fail(
                f"cannot cut {wanted} at offset {offset} out of {site.blob()} to the size of {site.blob(1)}",
                "use more padding, or correct the offset, as caffe-fcn offsets does",
            )
    return [(*shape[:axis], *reference[axis:])]


FIRST_COORDINATE = 2  # of N x C x H x W


def crop_map(axis: int, offsets: Sequence[int]) -> CoordMap:
    """The map of a Crop. Images and channels that it leaves out have no coordinates: these begin at axis 2."""
    if axis < FIRST_COORDINATE and len(offsets) > 1:
        offsets = offsets[FIRST_COORDINATE - axis :] or [0]
    shifts = tuple(AxisMap(Fraction(1), Fraction(-each)) for each in offsets)
    return CoordMap(max(axis, FIRST_COORDINATE), shifts, keeps=True)


def _crop_coords(layer: LayerParameter) -> CoordMap | None:
    return crop_map(image_axis(layer.crop_param.axis), list(layer.crop_param.offset) or [0])


def _flatten_tops(site: Site) -> list[Shape]:
    shape, start, end = site.shapes[0], site.axis(site.param.axis), site.axis(site.param.end_axis)
    if end < start:
        site.fail(f"end_axis {end} lies before axis {start}", "swap them")
    return [(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])]


def _reshape_tops(site: Site) -> list[Shape]:
    shape, wanted, count = site.shapes[0], list(site.param.shape.dim), site.param.num_axes
    start = site.param.axis if site.param.axis >= 0 else len(shape) + site.param.axis + 1
    if not 0 <= start <= len(shape) or count < -1 or start + max(count, 0) > len(shape):
        site.fail(f"axis {site.param.axis} and num_axes {count} do not lie in {site.blob()}", "lower them")
    end = len(shape) if count == -1 else start + count
    new = []
    for place, dim in enumerate(wanted):
        if dim == 0 and start + place >= len(shape):
            site.fail(f"dim {place} is 0 (copied), and {site.blob()} has no such axis", "give a number")
        new.append(shape[start + place] if dim == 0 else dim)
    if new.count(-1) > 1:
        site.fail("has two dims of -1", "one can be inferred")
    if -1 in new:
        rest = math.prod(shape[:start] + shape[end:]) * math.prod(dim for dim in new if dim != -1)
        if not rest or math.prod(shape) % rest:
            site.fail(f"cannot infer -1: {rest} does not divide the {math.prod(shape)} values of {site.blob()}")
        new[new.index(-1)] = math.prod(shape) // rest
    result = (*shape[:start], *new, *shape[end:])
    if math.prod(result) != math.prod(shape):
        site.fail(f"makes {dims(result)} of {site.blob()}", "the number of values must stay")
    return [result]


def _tile_tops(site: Site) -> list[Shape]:
    axis, shape = site.axis(site.param.axis), site.shapes[0]
    if site.param.tiles < 1:
        site.fail("has no tiles", "set how often it repeats")
    return [(*shape[:axis], shape[axis] * site.param.tiles, *shape[axis + 1 :])]


def _spp_tops(site: Site) -> list[Shape]:
    n, channels, *_ = site.four_axes()
    height = site.param.pyramid_height
    if height < 1:
        site.fail("has no pyramid_height", "set how many levels it has")
    if height > _MOST_LEVELS:
        site.fail(f"has pyramid_height {height}", f"beyond {_MOST_LEVELS} levels no blob is large enough")
    return [(n, channels, 1, 1) if height == 1 else (n, channels * sum(4**level for level in range(height)))]


_MOST_LEVELS = 16  # one more makes more than INT_MAX values of one


def _batch_reindex_tops(site: Site) -> list[Shape]:
    if len(site.shapes[1]) != 1:
        site.fail(f"takes its order from {site.blob(1)}", "it takes 1 axis")
    return [(*site.shapes[1], *site.shapes[0][1:])]


# Forks


def permutation(layer: LayerParameter, axes: int) -> list[int]:
    """The axes in their new order; those that ``order`` leaves out follow (SSD's permute_layer.cpp)."""
    order = list(layer.permute_param.order)
    if len(set(order)) < len(order) or any(axis >= axes for axis in order):
        Site(layer).fail(f"order {order} is none of {axes} axes", "name each axis once")
    return [*order, *(axis for axis in range(axes) if axis not in order)]


def _permute_tops(site: Site) -> list[Shape]:
    shape = site.shapes[0]
    return [tuple(shape[axis] for axis in permutation(site.layer, len(shape)))]


def _permute_coords(layer: LayerParameter) -> CoordMap | None:
    """Places stay where the last two of four axes do; a blob of more axes shows no image."""
    order = list(layer.permute_param.order)
    order += [axis for axis in range(4) if axis not in order]
    return POINTWISE if order[2:] == [2, 3] else None


def _transpose_tops(site: Site) -> list[Shape]:
    order = site.numbers("transpose_param", "dim", int)
    shape = site.shapes[0]
    if sorted(order) != list(range(len(shape))):
        site.fail(f"its dims {order} are no order of the axes of {site.blob()}", "name each axis once")
    return [tuple(shape[axis] for axis in order)]


def _auto_crop_tops(site: Site) -> list[Shape]:
    """The first bottom cut to the size of the second, at an offset that the layer finds by itself (HED, RCF)."""
    n, channels, *sizes = site.four_axes()
    wanted = site.shapes[1][2:]
    if any(size < least for size, least in zip(sizes, wanted, strict=True)):
        site.fail(f"cannot cut {site.blob(1)} out of {site.blob()}", "use more padding")
    return [(n, channels, *wanted)]


def adds_crops(site: Site) -> bool:
    """Whether a MergeCrop layer adds what it cuts, and does not join it."""
    return site.setting("mergecrop_param", "operation") == ["ADD"]


def read_crop_flags(site: Site, name: str) -> list[bool]:
    """Whether the values (``forward``) or the gradient (``backward``) of each bottom of a MergeCrop layer count.

    The second bottom has no gradient where nothing is said.
    """
    default = [True, name == "forward"]
    given = [value in ("1", "true", "True", "t") for value in site.setting("mergecrop_param", name)]
    return given + default[len(given) :]


def _merge_crop_tops(site: Site) -> list[Shape]:
    """The second bottom cut to the size of the first and joined to it, or added (naibaf7's mergecrop_layer.cpp)."""
    first, second = site.shapes
    if adds_crops(site):
        return [first]
    return [(first[0], first[1] + second[1], *first[2:])]


# What makes no difference to Caffe


def _simplify_axis(old: str) -> Callable[[dict[str, Any], Any], None]:
    """The older name of ``axis`` wins where it is given."""

    def rule(table: dict[str, Any], param: Any) -> None:
        table.pop(old, None)
        if param.HasField(old):
            table.pop("axis", None)
            if getattr(param, old) != 1:
                table["axis"] = getattr(param, old)

    return rule


def _simplify_crop(table: dict[str, Any], param: Any) -> None:
    offset = table.pop("offset", ())
    if any(offset):
        table["offset"] = offset[:1] if len(set(offset)) == 1 else offset


_joining = partial(LayerType, role="joining")


TYPES: dict[str, LayerType] = {
    "AutoCrop": _joining(_auto_crop_tops, bottoms=(2, 2), coords=ends, follows=1, fork="hed"),
    "BatchReindex": LayerType(_batch_reindex_tops, bottoms=(2, 2), follows=1),
    "Concat": _joining(
        _concat_tops,
        "concat_param",
        (1, ANY),
        coords=_along_channels("axis", "concat_dim"),
        simplify_param=_simplify_axis("concat_dim"),
        local=everywhere,
    ),
    "Crop": _joining(
        _crop_tops,
        "crop_param",
        (2, 2),
        coords=_crop_coords,
        follows=1,
        kind=Kind.CROP,
        summary=lambda layer: f"offset {', '.join(map(str, layer.crop_param.offset)) or 0}",
        simplify_param=_simplify_crop,
    ),
    "Flatten": _joining(_flatten_tops, "flatten_param", coords=ends, kind=Kind.RESHAPING),
    "MergeCrop": _joining(_merge_crop_tops, bottoms=(2, 2), coords=ends, fork="opencl"),
    "Permute": _joining(_permute_tops, "permute_param", coords=_permute_coords, fork="ssd"),
    "Reshape": _joining(_reshape_tops, "reshape_param", coords=ends, kind=Kind.RESHAPING),
    "SPP": LayerType(_spp_tops, "spp_param", coords=ends, role="pooling"),
    "Slice": _joining(
        _slice_tops,
        "slice_param",
        makes=(1, ANY),
        coords=_along_channels("axis", "slice_dim"),
        simplify_param=_simplify_axis("slice_dim"),
        local=everywhere,
    ),
    "Transpose": _joining(_transpose_tops, coords=ends, fork="ctpn"),
    "Tile": _joining(_tile_tops, "tile_param", coords=_along_channels("axis")),
}
