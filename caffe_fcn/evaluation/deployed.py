"""Any net as one that scores an image: its data layers as an input, and nothing that reads a label."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.net.graph import input_layer, is_all_in_one, split
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.proto import LayerParameter, NetParameter


def deployed(net: NetParameter, shape: Sequence[int]) -> tuple[NetParameter, LayerParameter | None]:
    """The net that scores images of ``shape`` (N x C x H x W), and the data layer whose transformation goes before it.

    A deploy net stays as it is, and says nothing of a transformation. Of a net with data layers the image is the
    first top of the first one, in validation.
    """
    val = split(net, "val")
    reader = next((layer for layer in val.layer if origin_of(layer) not in (None, Origin.INPUT)), None)
    if reader is None:
        return net, None
    image = reader.top[0]
    result = NetParameter(name=net.name)
    result.layer.append(input_layer(image, shape))
    known = {image}
    for layer in (split(net, "deploy") if is_all_in_one(net) else val).layer:
        if layer.bottom and known.issuperset(layer.bottom):
            known.update(layer.top)
            result.layer.add().CopyFrom(layer)
    return result, reader
