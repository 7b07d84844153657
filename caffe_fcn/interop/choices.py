"""Comparing nets in two forms beside layers that choose, such as DetectionOutput: rounding can turn a choice.

Behind a choice that was turned, nothing is comparable. So a net is compared in pieces: what a choosing layer reads in
one form is given to this layer in the other form, and what it chose to the layers behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.net.graph import input_layer
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import with_layers

Values: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """What a choosing layer read and made in one form of a net, by the names of the blobs."""

    bottoms: Mapping[str, Values]
    tops: Mapping[str, Values]


def chooses(layer: LayerParameter) -> bool:
    """Whether the values decide how many of them a layer gives."""
    return layer_type(layer.type).open_axis is not None


def give_choices(net: NetParameter, choices: Sequence[Choice]) -> tuple[NetParameter, dict[str, Values]]:
    """A copy of a net with further inputs, and their values: what choosing layers read, and what layers behind get.

    The blobs that the net itself computes keep their names.
    """
    layers: list[LayerParameter] = []
    given: dict[str, Values] = {}
    chosen: dict[str, str] = {}
    for layer in with_layers(net, net.layer).layer:
        choice = next((each for each in choices if [*each.tops] == [*layer.top]), None)
        renamed = {name: f"{name}@read" for name in choice.bottoms} if choice else chosen
        layer.bottom[:] = [renamed.get(name, name) for name in layer.bottom]
        for name in layer.top:
            chosen.pop(name, None)
        if choice:
            chosen |= {name: f"{name}@chosen" for name in choice.tops}
            given |= {f"{name}@read": values for name, values in choice.bottoms.items()}
            given |= {f"{name}@chosen": values for name, values in choice.tops.items()}
        layers.append(layer)
    read = {name for layer in layers for name in layer.bottom}
    given = {name: values for name, values in given.items() if name in read}
    return with_layers(net, [*(input_layer(name, values.shape) for name, values in given.items()), *layers]), given
