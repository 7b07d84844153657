"""Any net as one that scores an image: an input in place of its data layers, and no layer that reads a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe_fcn.evaluation.preprocessing import find_reader
from caffe_fcn.net.graph import input_layer, is_all_in_one, select_phase
from caffe_fcn.proto import LayerParameter, NetParameter


def make_scoring_net(
    net: NetParameter, shape: Sequence[int], further: Mapping[str, Sequence[int]] | None = None
) -> tuple[NetParameter, LayerParameter | None]:
    """Return the net that scores images of ``shape`` (N x C x H x W), and the data layer that transforms them before.

    A deploy net comes back as it is, with None. In a net with data layers the image is the first top of the first
    data layer, in the validation phase. ``further`` are the shapes of other blobs that data layers make and that
    become inputs, such as depth.
    """
    reader = find_reader(net)
    if reader is None:
        return net, None
    val = select_phase(net, "val")
    image = reader.top[0]
    made = {top for layer in val.layer if not layer.bottom for top in layer.top}
    inputs = {image: shape, **{blob: each for blob, each in (further or {}).items() if blob in made}}
    result = NetParameter(name=net.name)
    result.layer.extend(input_layer(blob, each) for blob, each in inputs.items())
    known = set(inputs)
    for layer in (select_phase(net, "deploy") if is_all_in_one(net) else val).layer:
        if layer.bottom and known.issuperset(layer.bottom):
            known.update(layer.top)
            result.layer.add().CopyFrom(layer)
    return result, reader
