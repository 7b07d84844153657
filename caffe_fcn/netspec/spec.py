"""Nets written as Python, with pycaffe's spelling.

A call such as ``L.Convolution(bottom, num_output=64)`` makes a `Function` (a layer without names yet) and returns its
`Top`. A Top is an edge of the graph and knows the Function that makes it. A `NetSpec` only gives names to Tops. A net
is made by a walk back from the wanted Tops, bottoms first; a layer or blob without a name gets its type and a number.
The result equals that of pycaffe's ``net_spec.py``, including all names.

Two things differ from pycaffe. A mistake is reported in the call that makes it, with the type of the layer and the
nearest spelling. And the walk is a loop, so that the depth of a net has no limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol, cast, overload

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.netspec.assign import assign_params, check_type
from caffe_fcn.proto import LayerParameter, NetParameter, message


class Top:
    """Output blob number ``n`` of the layer ``fn``; ``name`` is its name in a NetSpec, or empty."""

    __slots__ = ("fn", "n", "name")

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n
        self.name = ""

    @staticmethod
    def layer(type_name: str, inputs: Iterable[Top], params: Mapping[str, Any]) -> Top:
        """The (first) Top of a layer of any type, for callers that know the type only at run time."""
        return Function(type_name, tuple(inputs), dict(params)).tops[0]

    def to_proto(self) -> NetParameter:
        """The net of all layers that this Top needs."""
        return to_proto(self)

    def net_with(self, other: Top) -> tuple[NetParameter, str, str]:
        """The net of all layers that either Top needs, and the blob names of this one and the other."""
        net, (own, others) = assign_names((self, other))
        return net, own, others


class Function:
    """A layer without names: its type, the Tops that it reads, its parameters and its own Tops.

    Raises `NetError` for an unknown type, an input that is not a Top, and a parameter that the type does not have.
    """

    def __init__(self, type_name: str, inputs: tuple[Top, ...], params: dict[str, Any]) -> None:
        check_type(type_name)
        for index, each in enumerate(inputs):
            if not isinstance(each, Top):
                raise NetError(
                    f"L.{type_name}", f"input {index} is {_describe(each)}, not a Top", _suggest_unpacking(each)
                )
        self.type_name = type_name
        self.inputs = inputs
        self.params = params
        self.ntop = params.pop("ntop", 1)
        if not isinstance(self.ntop, int) or self.ntop < 0:
            raise NetError(f"L.{type_name}", f"ntop cannot be {self.ntop!r}", "it takes a whole number from 0 on")
        self.in_place: bool = params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))
        self.to_layer((), (), "")  # a wrong parameter raises here

    def to_layer(self, bottoms: Iterable[str], tops: Iterable[str], name: str) -> LayerParameter:
        """The layer under these names."""
        layer = LayerParameter(name=name, type=self.type_name, bottom=bottoms, top=tops)
        assign_params(layer, self.params)
        return layer


class NetSpec:
    """Names for Tops: ``n.conv1 = L.Convolution(n.data, ...)`` names blob and layer ``conv1``.

    ``n["conv1"]`` is the same as ``n.conv1``; ``n.tops`` has them all in the order of assignment.
    """

    tops: dict[str, Top | Function]

    def __init__(self) -> None:
        super().__setattr__("tops", {})

    def __setattr__(self, name: str, value: object) -> None:
        if not isinstance(value, Top | Function):
            raise NetError(f"n.{name}", f"is set to {_describe(value)}, not to a Top", _suggest_unpacking(value))
        self.tops[name] = value
        if isinstance(value, Top):
            value.name = name

    def __getattr__(self, name: str) -> Top:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self.tops:
            raise MissingTopError(f"n.{name}", "no Top has this name", nearest(name, self.tops) or "assign it first")
        return cast(Top, self.tops[name])  # or a Function, which nothing can read

    def __delattr__(self, name: str) -> None:
        self.__getattr__(name)
        del self.tops[name]

    __setitem__ = __setattr__
    __getitem__ = __getattr__
    __delitem__ = __delattr__

    def to_proto(self) -> NetParameter:
        """The net of all layers that the named Tops need, in the order of their naming, bottoms first."""
        layers = _collect_layers(self.tops.values(), _Namer({top: name for name, top in self.tops.items()}))
        return NetParameter(layer=layers.values())


class MissingTopError(NetError, AttributeError):
    """A NetSpec has no Top of the requested name."""


def to_proto(*tops: Top | Function) -> NetParameter:
    """The net of all layers that these Tops need; every layer is named by its type and a number."""
    return NetParameter(layer=_collect_layers(tops, _Namer({})).values())


def assign_names(tops: Iterable[Top]) -> tuple[NetParameter, list[str]]:
    """The net of all layers that these Tops need, under the names that they have so far, and the Tops' blobs in it."""
    wanted = tuple(tops)
    layers = _collect_layers(wanted, _NamerByTop())
    return NetParameter(layer=layers.values()), [layers[top.fn].top[top.n] for top in wanted]


class LayerConstructor(Protocol):
    """The type of ``L.Convolution`` and its like: a call with bottoms and parameters makes a layer."""

    @overload
    def __call__(self, *bottoms: Top, ntop: Literal[0], **params: Any) -> Function: ...
    @overload
    def __call__(self, *bottoms: Top, ntop: Literal[1] = ..., **params: Any) -> Top: ...
    @overload
    def __call__(self, *bottoms: Top, ntop: int, **params: Any) -> tuple[Top, ...]: ...


class Layers:
    """``L.Type(*bottoms, **parameters)`` makes a layer of that type and returns its Top.

    With ``ntop=2`` or more it returns a tuple of Tops, with ``ntop=0`` the `Function` itself. A parameter is a field
    of the type's own message, else of the layer; a name that ends in ``param`` is always a field of the layer.
    """

    def __getattr__(self, type_name: str) -> LayerConstructor:
        if type_name.startswith("__"):
            raise AttributeError(type_name)

        def layer(*bottoms: Top, **params: Any) -> Any:
            function = Function(type_name, bottoms, params)
            if function.ntop == 0:
                return function
            return function.tops[0] if function.ntop == 1 else function.tops

        return layer


class Parameters:
    """``P.Pooling.MAX``: the values of the enums within Caffe's parameter messages (here PoolingParameter)."""

    def __getattr__(self, name: str) -> _Enums:
        if name.startswith("__"):
            raise AttributeError(name)
        known = NetParameter.DESCRIPTOR.file.message_types_by_name
        if f"{name}Parameter" not in known:
            names = [each.removesuffix("Parameter") for each in known]
            raise NetError(f"P.{name}", f"Caffe has no {name}Parameter", nearest(name, names))
        return _Enums(name)


class _Enums:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kind = message(f"{self._name}Parameter")
        if not hasattr(kind, name):
            values = kind.DESCRIPTOR.enum_values_by_name
            mend = nearest(name, values) or f"it has {', '.join(values) or 'no values'}"
            raise NetError(f"P.{self._name}.{name}", "no such value", mend)
        return getattr(kind, name)


layers = Layers()
params = Parameters()


def _collect_layers(wanted: Iterable[Top | Function], namer: _Namer) -> dict[Function, LayerParameter]:
    """The layers that ``wanted`` needs, each after those whose Tops it reads."""
    layers: dict[Function, LayerParameter] = {}
    for each in wanted:
        waiting = [each.fn if isinstance(each, Top) else each]
        while waiting:
            function = waiting[-1]
            missing = next((bottom.fn for bottom in function.inputs if bottom.fn not in layers), None)
            if missing is not None and function not in layers:
                waiting.append(missing)
                continue
            waiting.pop()
            if function not in layers:
                bottoms = [layers[bottom.fn].top[bottom.n] for bottom in function.inputs]
                tops = bottoms if function.in_place else [namer(top, function) for top in function.tops]
                name = namer(function.tops[0] if function.tops else function, function)
                layers[function] = function.to_layer(bottoms, tops, name)
    return layers


class _Namer:
    """The given names; a Top without one is named by its layer's type and a number."""

    def __init__(self, names: dict[Top | Function, str]) -> None:
        self._names = names
        self._counts: Counter[str] = Counter()

    def __call__(self, which: Top | Function, function: Function) -> str:
        if which not in self._names:
            self._counts[function.type_name] += 1
            self._names[which] = f"{function.type_name}{self._counts[function.type_name]}"
        return self._names[which]


class _NamerByTop(_Namer):
    """The names that Tops have in a NetSpec so far, each for the first Top that has it, so that errors name layers."""

    def __init__(self) -> None:
        super().__init__({})
        self._taken: set[str] = set()

    def __call__(self, which: Top | Function, function: Function) -> str:
        name = which.name if isinstance(which, Top) else ""
        if name and which not in self._names and name not in self._taken:
            self._taken.add(name)
            self._names[which] = name
        return super().__call__(which, function)


def _describe(value: object) -> str:
    return f"a tuple of {len(value)} Tops" if isinstance(value, tuple) else f"a {type(value).__name__}"


def _suggest_unpacking(value: object) -> str:
    return "unpack it: n.data, n.label = ..." if isinstance(value, tuple) else "layers and NetSpec give Tops"
