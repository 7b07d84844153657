"""Layers that move values without changing them: Concat, Slice, Crop, Reshape, ..."""

from __future__ import annotations

from itertools import repeat

from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.layer_types.shaping import adds_crops, permutation, read_crop_flags


def write_flatten(place: Place) -> list[str]:
    """Some axes as one."""
    first, last = place.site.axis(place.param.axis), place.site.axis(place.param.end_axis)
    return [f"{place.bottom}.flatten({first}, {last})"]


def write_reshape(place: Place) -> list[str]:
    """The same values in another shape: 0 copies an axis, -1 takes what is left."""
    p, x = place.param, place.bottom
    first = p.axis if p.axis >= 0 else place.rank + p.axis + 1
    last = place.rank if p.num_axes == -1 else first + p.num_axes
    copied = [f"{x}.shape[{axis}]" for axis in range(place.rank)]
    middle = [copied[first + index] if size == 0 else str(size) for index, size in enumerate(p.shape.dim)]
    return [f"{x}.reshape({', '.join([*copied[:first], *middle, *copied[last:]]) or '()'})"]


def write_concat(place: Place) -> list[str]:
    """All bottoms along an axis."""
    return [f"torch.cat([{', '.join(place.bottoms)}], dim={_find_axis(place, 'concat_dim')})"]


def write_slice(place: Place) -> list[str]:
    """A piece for each top."""
    axis = _find_axis(place, "slice_dim")
    if len(place.tops) == 1:
        return [place.bottom]
    sizes = [top[axis] for top in place.tops]
    return place.take_parts(f"torch.split({place.bottom}, {sizes}, dim={axis})")


def _find_axis(place: Place, old_name: str) -> int:
    """``axis``, which older nets call ``old_name``."""
    param = place.param
    return place.site.axis(int(getattr(param, old_name if param.HasField(old_name) else "axis")))


def write_crop(place: Place) -> list[str]:
    """A part with the size of the second bottom, at an offset: along the axes from ``axis`` on, and no others."""
    axis = place.site.axis(place.param.axis)
    offsets = list(place.param.offset) or [0]
    if len(offsets) == 1:
        offsets = list(repeat(offsets[0], place.rank - axis))
    return [place.call("crop", *place.bottoms, f"axis={axis}", f"offsets={offsets}")]


def write_tile(place: Place) -> list[str]:
    """The bottom repeated along an axis."""
    times = [1] * place.rank
    times[place.site.axis(place.param.axis)] = place.param.tiles
    return [f"{place.bottom}.repeat({', '.join(map(str, times))})"]


def write_batch_reindex(place: Place) -> list[str]:
    """The images of the first bottom whose indices the second has, in that order."""
    return [f"{place.bottom}[{place.bottoms[1]}.long()]"]


def write_filter(place: Place) -> list[str]:
    """The images whose value in the last bottom is not 0."""
    *blobs, selector = place.bottoms
    return [f"{blob}[{selector}.flatten() != 0]" for blob in blobs]


def write_transpose(place: Place) -> list[str]:
    """The axes in another order, all of which are named."""
    return [f"{place.bottom}.permute({', '.join(map(str, place.site.numbers('transpose_param', 'dim', int)))})"]


def write_reverse(place: Place) -> list[str]:
    """One axis backwards."""
    axes = place.site.numbers("reverse_param", "axis", int) or [0]
    return [f"{place.bottom}.flip({', '.join(map(str, axes))})"]


def write_merge_crop(place: Place) -> list[str]:
    """The middle of the second bottom, joined or added to the first."""
    x, larger = place.bottoms
    parts = [
        part if counts else f"{part} * 0.0"
        for part, counts in zip(
            (x, place.call("crop_middle", larger, x)), read_crop_flags(place.site, "forward"), strict=True
        )
    ]
    return [" + ".join(parts) if adds_crops(place.site) else f"torch.cat([{', '.join(parts)}], dim=1)"]


def write_permute(place: Place) -> list[str]:
    """The axes in another order."""
    return [f"{place.bottom}.permute({', '.join(map(str, permutation(place.layer, place.rank)))})"]


def write_shuffle(place: Place) -> list[str]:
    """Channels of several groups, one of each group in turn."""
    return [f"{place.bottom}.unflatten(1, ({place.param.group}, -1)).transpose(1, 2).flatten(1, 2)"]


def write_parameter(place: Place) -> list[str]:
    """The parameter as a blob."""
    return [place.add_parameter(place.params[0], tuple(place.tops[0]))]


def write_dummy_data(place: Place) -> list[str]:
    """Constants, where the fillers are."""
    from caffe_fcn.proto import FillerParameter
    from caffe_fcn.weights import fillers

    declared = list(place.param.data_filler) or [FillerParameter(type="constant")]
    result = []
    for index, shape in enumerate(place.tops):
        filler = declared[index if len(declared) > 1 else 0]
        if filler.type != "constant":
            place.fail(f"fills its blobs by {filler.type!r}, anew each time", "replace it by an Input layer")
        result.append(place.add_buffer(fillers.fill(filler, shape, place.layer.name, index, 0), tuple(shape)))
    return result


WRITERS: dict[str, Writer] = {
    "BatchReindex": write_batch_reindex,
    "Concat": write_concat,
    "Crop": write_crop,
    "DummyData": write_dummy_data,
    "Filter": write_filter,
    "Flatten": write_flatten,
    "MergeCrop": write_merge_crop,
    "Parameter": write_parameter,
    "Permute": write_permute,
    "Reshape": write_reshape,
    "Reverse": write_reverse,
    "ShuffleChannel": write_shuffle,
    "Slice": write_slice,
    "Tile": write_tile,
    "Transpose": write_transpose,
}
