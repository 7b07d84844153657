"""Which layers share a parameter, and what Caffe asks of them (Net::AppendParam).

Parameters with one ``param { name }`` are one blob, owned by the first layer that has the name. Those who share
it have the owner's shape, or its number of values with ``share_mode: PERMISSIVE``; and all who set lr_mult or
decay_mult set the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Shape

Key: TypeAlias = tuple[str, int]
"""A layer's name and the index of one of its parameters."""


class SharingError(NetError):
    """Layers share a parameter that they cannot share."""


_STRICT = 0  # ParamSpec.DimCheckMode


@dataclass
class Sharing:
    """``owners``: for every parameter the one whose blob it is, its own or another's; ``multipliers``: for every
    owner the lr_mult and decay_mult that it, or who shares it, sets.
    """

    owners: dict[Key, Key] = field(default_factory=dict)
    multipliers: dict[Key, dict[str, float]] = field(default_factory=dict)
    _shapes: dict[Key, Shape] = field(default_factory=dict)
    _named: dict[str, Key] = field(default_factory=dict)

    def add(self, node: Node, shapes: Sequence[Shape]) -> None:
        """The next layer, in execution order, with its parameters; raises `SharingError` for one that does not fit."""
        for index, shape in enumerate(shapes):
            self._add((node.name, index), node, shape)

    def _add(self, key: Key, node: Node, shape: Shape) -> None:
        self._shapes[key] = shape
        spec = node.layer.param[key[1]] if key[1] < len(node.layer.param) else None
        owner = self._named.setdefault(spec.name, key) if spec and spec.name else key
        self.owners[key] = owner
        theirs = self._shapes[owner]
        strict = spec is not None and spec.share_mode == _STRICT
        if shape != theirs and (strict or math.prod(shape) != math.prod(theirs)):
            what = f"shares {dims(theirs)} of layer '{owner[0]}', and needs {dims(shape)}"
            permissive = math.prod(shape) == math.prod(theirs)
            mend = "share_mode: PERMISSIVE shares equal counts" if permissive else "give its param another name"
            raise SharingError(node, what, mend)
        known = self.multipliers.setdefault(owner, {})
        for name in ("lr_mult", "decay_mult"):
            if spec is None or not spec.HasField(name):
                continue
            mine = getattr(spec, name)
            if known.setdefault(name, mine) != mine:
                what = f"its {name} is {mine:g}, that of layer '{owner[0]}', whose parameter it shares, {known[name]:g}"
                raise SharingError(node, what, "set it once, or alike")
