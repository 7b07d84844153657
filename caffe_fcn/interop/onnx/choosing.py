"""Steps of choosing boxes in a graph: the best ones, those that overlap no better one, the rows of what is found.

Rows of candidates are chosen from side by side: of each image, and of each class of it. What is chosen is named by its
place in all rows laid behind each other.
"""

from __future__ import annotations

from caffe_fcn.interop.onnx.place import Place
from caffe_fcn.interop.onnx.values import Size, Value, constant, count_up, integers, join

_ALL = 2**31 - 1  # boxes, where there is no limit
_LOWEST = 0.5  # threshold that is lowered no further


def find_best(scores: Value, size: Size, most: int | None) -> tuple[Value, Value, Size]:
    """The best of the scores along the last axis, which has this size, the best first; their places; their number.

    Of equal scores the first comes first.
    """
    count = size if most is None else min(most, size) if isinstance(size, int) else size.apply("Min", most)
    number = integers(scores.place, [count]) if isinstance(count, int) else count
    best, places = scores.apply_many("TopK", number, outputs=2, axis=-1, largest=1)
    return best, places, count


def take_boxes(boxes: Value, places: Value, count: Size, *, shared: bool) -> Value:
    """The boxes (images x kinds x boxes x 4) at places (images x classes x count): rows x count x 4.

    ``shared`` says that all classes have one kind of boxes, otherwise each class has its own.
    """
    if shared:
        found = boxes.apply("Squeeze", 1).apply("GatherND", places.reshape(0, -1, 1), batch_dims=1)
    else:
        found = boxes.apply("GatherND", places.unsqueeze(3), batch_dims=2)
    return found.reshape(-1, count, 4)


def suppress(
    boxes: Value,
    scores: Value,
    count: Size,
    threshold: float,
    *,
    least: float | None = None,
    most: int = _ALL,
    eta: float = 1.0,
) -> Value:
    """Which boxes of each row overlap no better one that is kept by more than ``threshold``, in order.

    Boxes are rows x count x 4, scores rows x count, the best first. Only scores above ``least`` count. No more than
    ``most`` are kept of a row. ``eta`` below 1 lowers a threshold above 0.5 by this factor with each box that is kept.
    """
    if eta < 1:
        return _suppress_in_turn(boxes, scores, count, threshold, least, eta)
    limits = [integers(boxes.place, [most]), constant(boxes.place, [threshold])]
    if least is not None:
        limits.append(constant(boxes.place, [least]))
    found = boxes.apply("NonMaxSuppression", scores.unsqueeze(1), *limits)  # of each: row, 0, place in it
    row, place = (found.take([index], axis=1).reshape(-1) for index in (0, 2))
    return sort(row * count + place)


def _suppress_in_turn(
    boxes: Value, scores: Value, count: Size, threshold: float, least: float | None, eta: float
) -> Value:
    """A loop over the boxes: NonMaxSuppression has no threshold that falls."""
    from onnx import TensorProto, helper

    place, graph = boxes.place, boxes.place.graph
    counted = scores * 0.0 + 1.0 if least is None else (scores > least).to_float()
    names = {name: graph.choose_name(f"{graph.prefix}/{name}") for name in ("turn", "goes_on", "kept", "limit")}
    turn, goes_on, kept, limit = (Value(place, name) for name in names.values())
    with graph.collect() as nodes:
        box = boxes.take(turn, axis=1).unsqueeze(1)
        near = _overlap(box, boxes) > limit
        hit = (near.to_float() * kept).reduce("ReduceMax", 1, keep=True)
        taken = counted.take(turn, axis=1).unsqueeze(1) * (constant(place, 1.0) - hit)
        here = count_up(place, count).apply("Equal", turn.to_float()).to_float()
        falls = (taken > 0.0).apply("And", limit > _LOWEST)
        outputs = [
            goes_on.apply("Identity"),
            kept + taken * here,
            falls.apply("Where", limit * eta, limit),
        ]
    kinds = (TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT, TensorProto.FLOAT)
    inputs = [
        helper.make_tensor_value_info(name, kind, [] if index < _SCALARS else None)
        for index, (name, kind) in enumerate(zip(names.values(), kinds, strict=True))
    ]
    results = [
        helper.make_tensor_value_info(each.name, kind, [] if index == 0 else None)
        for index, (each, kind) in enumerate(zip(outputs, kinds[1:], strict=True))
    ]
    body = helper.make_graph(nodes, f"{graph.prefix}/turns", inputs, results)
    first = (scores * 0.0, scores.reduce("ReduceMax", 1, keep=True) * 0.0 + threshold)
    turns = (integers(place, [count]) if isinstance(count, int) else count).apply("Squeeze", 0)
    end = Value(place, "")  # every turn is taken
    found, _ = turns.apply_many("Loop", end, *first, outputs=2, body=body)
    return found.reshape(-1).apply("NonZero").reshape(-1)


_SCALARS = 2  # of the loop's inputs: the turn, and whether it goes on


def _overlap(box: Value, others: Value) -> Value:
    """The intersection of one box of each row (rows x 1 x 4) with its boxes over their union; of nothing no number."""
    low, high = (
        box.cut(2, begin, begin + 2).apply(operator, others.cut(2, begin, begin + 2))
        for begin, operator in ((0, "Max"), (2, "Min"))
    )
    common = _measure_area(low, high)
    areas = [_measure_area(each.cut(2, 0, 2), each.cut(2, 2, 4)) for each in (box, others)]
    ratio = common / (areas[0] + areas[1] - common)
    return ratio.apply("Squeeze", 2)


def _measure_area(low: Value, high: Value) -> Value:
    sides = (high - low).apply("Max", 0.0)
    return sides.cut(2, 0, 1) * sides.cut(2, 1, 2)


def sort(numbers: Value) -> Value:
    """Whole numbers in ascending order."""
    return numbers.apply_many("TopK", numbers.apply("Shape"), outputs=2, axis=0, largest=0)[0]


def keep_best(scores: Value, images: Value, most: int, batch: Size) -> Value:
    """The places, in order, of the ``most`` best scores of each image; ``images`` says whose each one is."""
    place, count = scores.place, scores.apply("Shape")
    if batch == 1:
        number = count.apply("Min", most)
        return sort(scores.apply_many("TopK", number, outputs=2, axis=0, largest=1)[1])
    order = scores.apply_many("TopK", count, outputs=2, axis=0, largest=1)[1]
    owners, by_image = images.take(order).apply_many("TopK", count, outputs=2, axis=0, largest=0)
    order = order.take(by_image)
    others = join([owners, integers(place, [-1])], axis=0)  # ONNX Runtime 1.15 has no sum of nothing
    own = count_up(place, batch).to_whole().unsqueeze(1).apply("Equal", others).to_whole()  # images x scores
    totals = own.reduce("ReduceSum", 1)
    begins = totals.apply("CumSum", integers(place, [0]).apply("Squeeze", 0), exclusive=1)
    rank = count_up(place, count).to_whole() - begins.take(owners)
    return sort(order.apply("Compress", rank < most, axis=0))


def give_rows(place: Place, rows: Value, batch: Size) -> str:
    """The blob of detections (1 x 1 x N x 7): rows, or where there is none, one of -1 for each image."""
    images = count_up(place, batch).unsqueeze(1)
    nothing = join([images, *[images * 0.0 - 1.0] * (_NUMBERS - 1)], axis=1)
    is_empty = rows.apply("Shape").take([0]).apply("Equal", 0).to_whole()
    last = is_empty * batch
    given = nothing.apply("Slice", integers(place, [0]), last, integers(place, [0]))
    return join([rows, given], axis=0).unsqueeze(0, 1).name


_NUMBERS = 7  # of a detection: image, class, score, box
