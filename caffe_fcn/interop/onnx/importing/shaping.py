"""Operators that move values without changing them: Concat, Split, Slice, Reshape, Transpose, ..."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from caffe_fcn.interop.onnx.importing.place import Blob, NodePlace, converts
from caffe_fcn.interop.onnx.importing.source import Shape

_MOST_PIECES = 256  # of an axis that is put together anew


def reshape(place: NodePlace, x: str, before: Shape, after: Shape) -> str:
    """Append a Reshape; axes that stay where they are are copied, so that other batches pass."""
    same = [axis for axis, side in enumerate(after) if axis < len(before) and before[axis] == side]
    copied = [axis for place_, axis in enumerate(same) if place_ == axis]  # none behind one that changes
    sides = [0 if axis in copied else side for axis, side in enumerate(after)]
    if len(sides) > len(copied):
        sides[max(range(len(copied), len(sides)), key=lambda axis: after[axis])] = -1
    return place.add("Reshape", x, reshape_param={"shape": {"dim": sides}})


@converts("Reshape", "Squeeze", "Unsqueeze", "Flatten")
def convert_reshape(place: NodePlace) -> list[str]:
    """The same values in another shape."""
    before, after = place.shape(), place.shapes[0]
    if before == after:
        return [place.blob()]
    if place.node.op_type == "Flatten" and place.attribute("axis", 1) == 1:
        return [place.add("Flatten", place.blob())]
    return [reshape(place, place.blob(), before, after)]


@converts("Transpose")
def convert_transpose(place: NodePlace) -> list[str]:
    """A Reshape where only axes of one value move; otherwise a layer of SSD's dialect."""
    before = place.shape()
    order = place.attribute("perm", list(range(len(before)))[::-1])
    moved = [axis for axis in order if before[axis] != 1]
    if moved == sorted(moved):
        return [reshape(place, place.blob(), before, place.shapes[0])]
    if place.says("Permute"):
        return [place.add("Permute", place.blob(), permute_param={"order": order})]
    moves = [
        (before[axis], axis, to)
        for axis, to in product(range(len(before)), repeat=2)
        if _move(range(len(before)), axis, to) == list(order) and before[axis] <= _MOST_PIECES
    ]
    if not (place.compose and moves):
        able = "`compose` moves one short axis" if not place.compose else f"one axis of {_MOST_PIECES} or less is moved"
        place.fail(f"changes the order of axes to {order}", f"{able}; the `dialect` ssd has a layer for it")
    return [_move_axis(place, *min(moves)[1:])]


def _move(axes: Sequence[int], axis: int, to: int) -> list[int]:
    rest = [each for place_, each in enumerate(axes) if place_ != axis]
    return [*rest[:to], axes[axis], *rest[to:]]


def _move_axis(place: NodePlace, axis: int, to: int) -> str:
    """Append what moves an axis: pieces of one value, each with the axis elsewhere, joined along it."""
    before = place.shape()
    piece = [1 if each == axis else side for each, side in enumerate(before)]
    moved = _move(piece, axis, to)
    pieces = _cut_at(place, place.blob(), axis, range(1, before[axis]))
    turned = [reshape(place, each, tuple(piece), tuple(moved)) for each in pieces]
    return place.add("Concat", *turned, concat_param={"axis": to})


@converts("Concat")
def convert_concat(place: NodePlace) -> list[str]:
    """All inputs along an axis."""
    blobs = [place.blob(index) for index in range(len(place.inputs))]
    axis = place.axis(place.attribute("axis", 1))
    return [place.add("Concat", *blobs, concat_param={"axis": axis}) if len(blobs) > 1 else blobs[0]]


@converts("Split")
def convert_split(place: NodePlace) -> list[str]:
    """A piece for each output."""
    axis = place.axis(place.attribute("axis", 0))
    ends, end = [], 0
    for shape in place.shapes:
        end += shape[axis]
        ends.append(end)
    if len(ends) == 1:
        return [place.blob()]
    return _cut_at(place, place.blob(), axis, ends[:-1])


def _cut_at(place: NodePlace, x: str, axis: int, points: Sequence[int]) -> list[str]:
    settings = {"axis": axis, "slice_point": points}
    return place.net.add_many("Slice", x, tops=len(points) + 1, slice_param=settings)


def cut(place: NodePlace, x: str, axis: int, begin: int, end: int, size: int) -> str:
    """Append what takes a part of an axis of ``size``; the rest goes into Silence, so that it is no output."""
    points = [point for point in (begin, end) if 0 < point < size]
    if not points:
        return x
    pieces = _cut_at(place, x, axis, points)
    taken = pieces.pop(int(begin > 0))
    place.net.add_many("Silence", *pieces, tops=0)
    return taken


@converts("Slice")
def convert_slice(place: NodePlace) -> list[str]:
    """A part of each of some axes: a Crop where a blob of the wanted size is there, otherwise pieces."""
    before, after = place.shape(), place.shapes[0]
    ranges = _find_ranges(place, before)
    for axis, taken in ranges.items():
        if len(taken) != after[axis]:
            place.fail(f"takes {len(taken)} of axis {axis}, and ONNX {after[axis]}", "the model is damaged")
        if not len(taken):
            place.fail(f"takes nothing of axis {axis}", "Caffe has no empty blobs")
    parts = {axis: taken for axis, taken in ranges.items() if taken != range(before[axis])}
    if not parts:
        return [place.blob()]
    first = min(parts)
    if all(taken.step == 1 for taken in parts.values()):
        reference = _find_reference(place, first)
        if reference and first > 1:
            offsets = [ranges[axis].start if axis in ranges else 0 for axis in range(first, len(before))]
            offsets = offsets[:1] if len(set(offsets)) == 1 else offsets
            return [place.add("Crop", place.blob(), reference, crop_param={"axis": first, "offset": offsets})]
    x = place.blob()
    for axis, taken in parts.items():
        if taken.step == 1:
            x = cut(place, x, axis, taken.start, taken.stop, before[axis])
        else:
            x = take(place, x, axis, taken, before[axis])
    return [x]


def _find_ranges(place: NodePlace, shape: Shape) -> dict[int, range]:
    """For each axis that is named, what is taken of it."""
    starts, ends = place.integers(1, "starts"), place.integers(2, "ends")
    axes = place.integers(3, "axes", range(len(starts)))
    steps = place.integers(4, "steps", [1] * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        place.fail("has starts, ends, axes and steps that do not fit", "the model is damaged")
    return {
        place.axis(axis): range(*slice(start, None if step < 0 and end < -side else end, step).indices(side))
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
        for side in [shape[place.axis(axis)]]
    }


def _find_reference(place: NodePlace, first: int) -> str | None:
    """A blob before the node that has the wanted size from an axis on: what the part is joined with, or an input."""
    wanted = place.shapes[0]
    partners = [
        name
        for reader in place.source.readers.get(place.node.output[0], ())
        for name in reader.input
        if name != place.node.output[0]
    ]
    for name in (*partners, *place.source.inputs):
        value = place.values.get(name)
        if not isinstance(value, Blob) or value.pads or len(value.shape) != len(wanted):
            continue
        if value.shape[first:] == wanted[first:]:
            return value.name
    return None


def take(place: NodePlace, x: str, axis: int, wanted: Sequence[int], size: int) -> str:
    """Append what takes places of an axis of ``size`` in any order, also several times: pieces, joined anew."""
    turns = list(wanted) == list(range(size))[::-1]
    if turns and place.net.reversed_axes.get(x, ("", -1))[1] == axis:
        return place.net.reversed_axes[x][0]
    y = _join_pieces(place, x, axis, wanted, size)
    if turns:
        place.net.reversed_axes[y] = x, axis
    return y


def _join_pieces(place: NodePlace, x: str, axis: int, wanted: Sequence[int], size: int) -> str:
    runs = list(_find_runs(wanted))
    points = sorted({point for begin, end in runs for point in (begin, end)} - {0, size})
    if len(points) >= _MOST_PIECES or len(runs) > _MOST_PIECES:
        what = f"takes {len(wanted)} of {size} values, in {max(len(points) + 1, len(runs))} pieces"
        place.fail(what, f"it may be {_MOST_PIECES} pieces, of which each is a blob")
    pieces = _cut_at(place, x, axis, points) if points else [x]
    begins = [0, *points, size]
    chosen = [
        index
        for begin, end in runs
        for index in range(len(pieces))
        if begin <= begins[index] and begins[index + 1] <= end
    ]
    rest = [piece for index, piece in enumerate(pieces) if index not in chosen]
    if rest:
        place.net.add_many("Silence", *rest, tops=0)
    taken = [pieces[index] for index in chosen]
    return place.add("Concat", *taken, concat_param={"axis": axis}) if len(taken) > 1 else taken[0]


def _find_runs(wanted: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The beginning and end of each run of places that follow each other."""
    begin = 0
    for index in range(1, len(wanted) + 1):
        if index == len(wanted) or wanted[index] != wanted[index - 1] + 1:
            yield wanted[begin], wanted[index - 1] + 1
            begin = index


@converts("Gather")
def convert_gather(place: NodePlace) -> list[str]:
    """Places of an axis that constants name."""
    before, after = place.shape(), place.shapes[0]
    axis, named = place.axis(place.attribute("axis", 0)), place.constant(1, "indices")
    side = before[axis]
    if named.dtype.kind != "i" or not named.size or not ((-side <= named) & (named < side)).all():
        place.fail(f"takes what is not among {side} values", "the model is damaged")
    wanted = [int(each) % side for each in named.ravel()]
    x = take(place, place.blob(), axis, wanted, side)
    taken = (*before[:axis], len(wanted), *before[axis + 1 :])
    return [reshape(place, x, taken, after) if taken != after else x]
