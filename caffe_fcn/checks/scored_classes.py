"""The losses of a form that compare class scores with labels."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.checks.net_file import Form
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Shape, layer_type


def scored_classes(form: Form) -> Iterator[tuple[Node, int]]:
    """The losses that compare scores with labels, each with the number of classes that it gets."""
    if form.shapes is None:
        return
    for node in form.nodes:
        if node.name not in form.shapes.params:  # it does not fit
            continue
        shape = form.shapes.blobs.get(node.bottoms[0].name, ()) if node.bottoms else ()
        if layer_type(node.type).loss and layer_type(node.type).param_name in _CLASS_LOSSES and len(shape) > 1:
            yield node, _classes(node, shape)


_CLASS_LOSSES = ("softmax_param", "infogain_loss_param")


def _classes(node: Node, shape: Shape) -> int:
    return shape[int(getattr(node.layer, layer_type(node.type).param_name).axis)]
