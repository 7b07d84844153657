"""What two nets, or two solvers, differ in by meaning.

    for difference in differences(read_net("a.prototxt"), read_net("b.prototxt")):
        print(difference)          # layer 'conv1': convolution_param.pad is 100 | 1

Each layer is flattened to a table, path -> value, without what makes no difference to Caffe: fields that hold their
default, a second spelling of the same geometry, fields that the layer's type ignores.
The tables of layers with one name are then compared entry by entry. Of the layers' order only what the
results depend on counts: two layers that touch one blob, of which one writes it.

The net's name has no meaning, and weights are not looked at (`caffe_fcn.weights.comparison` does that).
"""

from __future__ import annotations

import ast
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise, zip_longest
from typing import Any, Literal

from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.net.layer_types import LAYER_TYPES, LayerType, is_loss, layer_type
from caffe_fcn.net.layer_types.row import as_it_is
from caffe_fcn.proto import TEST, TRAIN, FillerParameter, LayerParameter, NetParameter, SolverParameter
from caffe_fcn.proto.copying import copy_message
from caffe_fcn.proto.schema import Message, NetStateRule

ABSENT = "absent"


@dataclass(frozen=True)
class MeaningDifference:
    """One entry that differs: where it is, the field's path, and the two values as text."""

    where: str
    field: str
    a: str
    b: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field} is {self.a} | {self.b}"


def differences(a: NetParameter | SolverParameter, b: NetParameter | SolverParameter) -> list[MeaningDifference]:
    """All that ``a`` and ``b``, two NetParameters or two SolverParameters, differ in by meaning."""
    if isinstance(a, NetParameter) and isinstance(b, NetParameter):
        return _net_differences(a, b)
    if isinstance(a, SolverParameter) and isinstance(b, SolverParameter):
        return _solver_differences(a, b)
    return [MeaningDifference("file", "kind", a.DESCRIPTOR.name, b.DESCRIPTOR.name)]


def _solver_differences(a: SolverParameter, b: SolverParameter) -> list[MeaningDifference]:
    found = _table_differences("solver", _flatten(a), _flatten(b))
    for field in ("net_param", "train_net_param", "test_net_param"):
        nets = [_nets(solver, field) for solver in (a, b)]
        for index, (net_a, net_b) in enumerate(zip_longest(*nets, fillvalue=NetParameter())):
            inner = _net_differences(net_a, net_b)
            found += [MeaningDifference(f"{field}[{index}], {d.where}", d.field, d.a, d.b) for d in inner]
    return found


def _nets(
    solver: SolverParameter, field: Literal["net_param", "train_net_param", "test_net_param"]
) -> list[NetParameter]:
    if field == "test_net_param":
        return list(solver.test_net_param)
    return [getattr(solver, field)] if solver.HasField(field) else []


def _net_differences(a: NetParameter, b: NetParameter) -> list[MeaningDifference]:
    found = _table_differences("net", _flatten(a), _flatten(b))
    phases = {_phase_of_all(net) for net in (a, b)} - {""}
    if len(phases) > 1:
        found.append(MeaningDifference("net", "phase", _phase_of_all(a), _phase_of_all(b)))
    both = []
    for one, other in _pair_layers(_drop_additions(a), _drop_additions(b)):
        if one is not None and other is not None:
            found += _table_differences(f"layer {one.layer.name!r}", one.table, other.table)
            both.append((one, other))
        elif one is not None:
            found.append(MeaningDifference(f"layer {one.layer.name!r}", "type", one.layer.type, ABSENT))
        elif other is not None:
            found.append(MeaningDifference(f"layer {other.layer.name!r}", "type", ABSENT, other.layer.type))
    return found + _order_differences(both)


def _phase_of_all(net: NetParameter) -> str:
    """The phase that every layer names, as Caffe has it when it saves a net."""
    phases = {layer.phase if layer.HasField("phase") else None for layer in net.layer}
    return next((name for name, phase in (("TRAIN", TRAIN), ("TEST", TEST)) if phases == {phase}), "")


def _drop_additions(net: NetParameter) -> list[LayerParameter]:
    """The layers as a prototxt has them: without what Caffe adds by itself to a net that it saves."""
    copies = {top: layer.bottom[0] for layer in net.layer if _is_implicit_split(layer) for top in layer.top}
    phase = _phase_of_all(net)
    if not copies and not phase:
        return list(net.layer)
    kept = []
    for layer in net.layer:
        if not _is_implicit_split(layer):
            kept.append(copy_message(layer))
            kept[-1].bottom[:] = [copies.get(blob, blob) for blob in layer.bottom]
            if phase:
                kept[-1].ClearField("phase")
    return kept


def _is_implicit_split(layer: LayerParameter) -> bool:
    """A Split as src/caffe/util/insert_splits.cpp names it."""
    names = [f"{layer.name}_{index}" for index in range(len(layer.top))]
    return layer.type == "Split" and layer.name.endswith("_split") and list(layer.top) == names


def _table_differences(where: str, a: dict[str, Any], b: dict[str, Any]) -> list[MeaningDifference]:
    fields = [*a, *(field for field in b if field not in a)]
    return [
        MeaningDifference(where, field, _format(a.get(field, ABSENT)), _format(b.get(field, ABSENT)))
        for field in fields
        if a.get(field, ABSENT) != b.get(field, ABSENT)
    ]


# Layers in pairs.


@dataclass(frozen=True, eq=False)
class _Placed:
    """A layer, its table, and its place in the file."""

    layer: LayerParameter
    table: dict[str, Any]
    place: int


def _pair_layers(
    a: Iterable[LayerParameter], b: Iterable[LayerParameter]
) -> list[tuple[_Placed | None, _Placed | None]]:
    """Layers of one name (several, where phases have a variant each): equal ones first, then in order."""
    groups: dict[str, tuple[list[_Placed], list[_Placed]]] = defaultdict(lambda: ([], []))
    for side, layers in enumerate((a, b)):
        for place, layer in enumerate(layers):
            groups[layer.name][side].append(_Placed(layer, _flatten(layer), place))
    pairs: list[tuple[_Placed | None, _Placed | None]] = []
    for ones, others in groups.values():
        left = []
        for one in ones:
            equal = next((other for other in others if other.table == one.table), None)
            if equal is None:
                left.append(one)
            else:
                others.remove(equal)
                pairs.append((one, equal))
        pairs += zip_longest(left, others)
    return pairs


# The order of layers.


def _order_differences(pairs: list[tuple[_Placed, _Placed]]) -> list[MeaningDifference]:
    touching: dict[str, list[tuple[_Placed, _Placed]]] = defaultdict(list)
    for pair in pairs:
        one, other = (set(p.layer.bottom) | set(p.layer.top) for p in pair)
        for blob in one & other:
            touching[blob].append(pair)
    found: dict[tuple[int, int], MeaningDifference] = {}
    for blob, touched in sorted(touching.items()):
        touched.sort(key=lambda pair: pair[0].place)
        if all(x[1].place < y[1].place for x, y in pairwise(touched)):
            continue
        writers = [pair for pair in touched if blob in pair[0].layer.top and blob in pair[1].layer.top]
        for pair in touched:
            writer = next(filter(partial(_is_reversed, pair), writers), None)
            if writer is not None:
                early, late = sorted((pair[0], writer[0]), key=lambda placed: placed.place)
                where, what = f"layer {late.layer.name!r}", f"order at blob {blob!r}"
                difference = MeaningDifference(
                    where, what, f"after {early.layer.name!r}", f"before {early.layer.name!r}"
                )
                found.setdefault((early.place, late.place), difference)
    return list(found.values())


def _is_reversed(one: tuple[_Placed, _Placed], other: tuple[_Placed, _Placed]) -> bool:
    """Two layers stand in one order here and in the other there, and some state of the net has both."""
    reversed_ = (one[0].place < other[0].place) != (one[1].place < other[1].place)
    return reversed_ and not _exclusive(one[0].layer, other[0].layer)


def _exclusive(x: LayerParameter, y: LayerParameter) -> bool:
    """No state of the net has both layers in it."""
    if x.include and y.include:
        return not any(_compatible(r, s) for r in x.include for s in y.include)
    included, excluded = (x, y) if x.include else (y, x)
    return bool(included.include) and all(any(_implies(r, s) for s in excluded.exclude) for r in included.include)


def _compatible(r: NetStateRule, s: NetStateRule) -> bool:
    """Some state matches both rules."""
    phases = {rule.phase for rule in (r, s) if rule.HasField("phase")}
    stages = not (set(r.stage) & set(s.not_stage) or set(s.stage) & set(r.not_stage))
    least = max((rule.min_level for rule in (r, s) if rule.HasField("min_level")), default=None)
    most = min((rule.max_level for rule in (r, s) if rule.HasField("max_level")), default=None)
    return len(phases) < 2 and stages and (least is None or most is None or least <= most)


def _implies(r: NetStateRule, s: NetStateRule) -> bool:
    """Every state that matches rule ``r`` matches ``s``."""
    phase = not s.HasField("phase") or (r.HasField("phase") and r.phase == s.phase)
    stages = set(s.stage) <= set(r.stage) and set(s.not_stage) <= set(r.not_stage)
    least = not s.HasField("min_level") or (r.HasField("min_level") and r.min_level >= s.min_level)
    most = not s.HasField("max_level") or (r.HasField("max_level") and r.max_level <= s.max_level)
    return phase and stages and least and most


# A message as a table.


def _flatten(message: Message) -> dict[str, Any]:
    kind = message.DESCRIPTOR.name
    table: dict[str, Any] = {}
    for field, value in message.ListFields():
        name, repeated = field.name, not field.has_presence
        if (kind, name) in _WITHOUT_MEANING:
            continue
        if (kind, name) in _SETS:
            table[name] = frozenset(frozenset(_flatten(item).items()) if field.message_type else item for item in value)
        elif field.message_type is None:
            if repeated:
                table[name] = tuple(_scalar(field, item) for item in value)
            elif (kind, name) in _kept_defaults() or not _is_default(field, value):
                table[name] = _scalar(field, value)
        elif repeated:
            if (kind, name) != ("LayerParameter", "param"):  # a ParamSpec that is not there is the default one
                table[name] = len(value)
            for index, item in enumerate(value):
                table.update({f"{name}[{index}].{path}": v for path, v in _flatten(item).items()})
        else:
            table.update({f"{name}.{path}": v for path, v in _flatten(value).items()})
    if kind in _rules():
        _rules()[kind](table, message)
    return table


_WITHOUT_MEANING = {
    ("NetParameter", "name"),
    ("NetParameter", "layer"),  # compared one by one, as the nets within a solver are
    ("LayerParameter", "blobs"),
    ("SolverParameter", "net_param"),
    ("SolverParameter", "train_net_param"),
    ("SolverParameter", "test_net_param"),
}

# Fields whose absence means something that no value of theirs means; those of a layer type are in its row.
_UNSET_MEANS = {
    ("LayerParameter", "phase"),
    ("LossParameter", "ignore_label"),
    ("NetStateRule", "max_level"),
    ("NetStateRule", "min_level"),
    ("NetStateRule", "phase"),
}

# Lists whose order Caffe does not look at.
_SETS = {
    ("LayerParameter", "exclude"),
    ("LayerParameter", "include"),
    ("NetState", "stage"),
    ("NetStateRule", "not_stage"),
    ("NetStateRule", "stage"),
}


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.name == "param_str":
        return _literal(value)
    return "nan" if value != value else value


def _is_default(field: FieldDescriptor, value: Any) -> bool:
    default = field.default_value
    if field.cpp_type == field.CPPTYPE_FLOAT:
        return bool(value == struct.unpack("<f", struct.pack("<f", default))[0])
    return bool(value == default)


def _literal(text: str) -> Any:
    """A Python literal as its value, anything else as its text."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text.strip()


# What else makes no difference to Caffe, by message.


def _filler(table: dict[str, Any], filler: FillerParameter) -> None:
    for name in set(table) - {"type"} - _FILLER_FIELDS.get(filler.type, set(table)):
        del table[name]


_FILLER_FIELDS = {
    "bilinear": set[str](),
    "constant": {"value"},
    "gaussian": {"mean", "std", "sparse"},
    "msra": {"variance_norm"},
    "positive_unitball": set[str](),
    "uniform": {"min", "max"},
    "xavier": {"variance_norm"},
}


def _layer(table: dict[str, Any], layer: LayerParameter) -> None:
    if tuple(layer.loss_weight) == (1.0,) if is_loss(layer.type) else not any(layer.loss_weight):
        table.pop("loss_weight", None)
    layer_type(layer.type).simplify(table, layer)


@cache
def _rules() -> dict[str, Callable[[dict[str, Any], Any], None]]:
    """By message, what makes the tables of messages that mean the same the same."""
    rules: dict[str, Callable[[dict[str, Any], Any], None]] = {"FillerParameter": _filler, "LayerParameter": _layer}
    rows = (row for row in LAYER_TYPES.values() if row.simplify_param is not as_it_is)
    return rules | {_message_of(row): row.simplify_param for row in rows}


@cache
def _kept_defaults() -> set[tuple[str, str]]:
    """Fields whose absence means something that no value of theirs means."""
    return _UNSET_MEANS | {(_message_of(row), name) for row in LAYER_TYPES.values() for name in row.unset_means}


def _message_of(row: LayerType) -> str:
    """The name of the message that the layers of a type have for themselves."""
    return str(LayerParameter.DESCRIPTOR.fields_by_name[row.param_name].message_type.name)


def _format(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_format, value))
    if isinstance(value, frozenset):
        return " ".join(sorted(map(_rule_text, value)))
    if isinstance(value, float):
        return next(s for digits in (6, 7, 8, 9, 17) if _same_single(s := f"{value:.{digits}g}", value))
    return str(value)


def _rule_text(rule: Any) -> str:
    if isinstance(rule, str):
        return rule
    return "{" + " ".join(f"{name}: {_format(value)}" for name, value in sorted(rule)) + "}"


def _same_single(text: str, value: float) -> bool:
    return struct.pack("<f", float(text)) == struct.pack("<f", value)
