"""Any net as one that scores an image: an input in place of its data layers, and no layer that reads a label."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.net.graph import SOURCES, is_all_in_one, split
from caffe_fcn.proto import LayerParameter, NetParameter


def make_scoring_net(net: NetParameter, shape: Sequence[int]) -> tuple[NetParameter, LayerParameter | None]:
    """Return the net that scores images of ``shape`` (N x C x H x W), and the data layer that transforms them before.

    A deploy net comes back as it is, with None. In a net with data layers the image is the first top of the first
    data layer, in the validation phase.
    """
    val = split(net, "val")
    reader = next((layer for layer in val.layer if layer.type in SOURCES - {"Input"} and not layer.bottom), None)
    if reader is None:
        return net, None
    image = reader.top[0]
    result = NetParameter(name=net.name)
    result.layer.add(name=image, type="Input", top=[image], input_param={"shape": [{"dim": shape}]})
    known = {image}
    for layer in (split(net, "deploy") if is_all_in_one(net) else val).layer:
        if layer.bottom and known.issuperset(layer.bottom):
            known.update(layer.top)
            result.layer.add().CopyFrom(layer)
    return result, reader
