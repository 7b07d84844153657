"""Convert fully connected layers to the convolutions that compute the same.

An InnerProduct layer that reads an image of C x H x W multiplies the whole image with each row of its weights; so does
a convolution with a kernel of H x W. On the classifier's own input size the kernel has one position only; on a larger
input it gives the classifier's answer at every position (Long, Shelhamer and Darrell, 2015, section 3.1). Layers that
flattened the image before are left out.

The weights stay the same bytes under another shape: ``caffe-fcn surgery transplant`` moves them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.errors import CaffeFcnError, NetError, nearest
from caffe_fcn.net.geometry import POINTWISE, dims
from caffe_fcn.net.graph import Blob, Node
from caffe_fcn.net.layer_types import Kind, Shape, layer_type
from caffe_fcn.net.shapes import Shapes, infer, row_of, tell_shapes
from caffe_fcn.proto import TRAIN, LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers, copy_message

_PHASES = ("deploy", "train", "val")

Kernel = tuple[int, ...]


def convolutionize(
    net: NetParameter,
    rename: Mapping[str, str] | None = None,
    size: tuple[int, int] | None = None,
    only: Container[str] | None = None,
    inputs: Mapping[str, Shape] | None = None,
) -> NetParameter:
    """A copy of ``net`` whose InnerProduct layers are convolutions, with kernels from the inferred shapes.

    The copy has all phases of the net. ``rename`` gives new names to converted layers and to blobs of the same name, so
    that nothing looks for weights of the old shape under the old name. ``size`` (H, W) is the image's size if the net
    does not say it. ``only`` names the layers to convert; without it, all are converted. ``inputs`` has the shapes of
    blobs that only code or data know. Raises `NetError` that names
    the layer which cannot be converted, or says why no shapes can be inferred.
    """
    names = {name for name in fully_connected(net) if only is None or name in only}
    conversion = _Conversion(names)
    conversion.infer(net, size, inputs or {})
    result = copy_message(net)
    for layer in result.layer:
        if layer.name in names and _is_fully_connected(layer):
            _to_convolution(layer, conversion.kernels[layer.name])
    bypass_layers(result, conversion.flattening)
    _rename(result, names, rename or {})
    return result


def fully_connected(net: NetParameter) -> set[str]:
    """The names of the net's InnerProduct layers."""
    return {layer.name for layer in net.layer if _is_fully_connected(layer)}


def _is_fully_connected(layer: LayerParameter) -> bool:
    return layer_type(layer.type).kind is Kind.INNER_PRODUCT


class _Conversion:
    """What happens to which layers: the kernels of the layers ``names``, and the layers that only flatten."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.kernels: dict[str, Kernel] = {}
        self.flattening: set[str] = set()

    def infer(self, net: NetParameter, size: tuple[int, int] | None, inputs: Mapping[str, Shape]) -> None:
        failure = None
        told = tell_shapes(net, inputs)
        for phase, stages in _list_states(net, self.names):
            try:
                shapes = infer(told, phase, stages, size, data_shapes=read_record_shapes)
            except CaffeFcnError as error:  # a data layer of this phase may need files that are not here
                failure = failure or error
                continue
            self._add(shapes)
        for name in sorted(self.names - self.kernels.keys()):
            mend = f"its rules exclude it from {', '.join(_PHASES)}"
            raise failure or NetError(f"layer '{name}'", "is in no state of the net that could be tried", mend)

    def _add(self, shapes: Shapes) -> None:
        images = _find_image_sizes(shapes, self.names)
        wanted: set[Blob] = set()
        for node in reversed(shapes.graph.nodes):
            if node.layer.name in self.names and _is_fully_connected(node.layer):
                kernel = _find_kernel(node, shapes, images)
                if self.kernels.setdefault(node.layer.name, kernel) != kernel:
                    raise NetError(node, "reads images of different sizes in different places", "convert them apart")
                wanted.add(node.bottoms[0])
            elif wanted.intersection(node.tops):
                if is_flattening(node, shapes):
                    _check_in_place(node)
                    self.flattening.add(node.name)
                if is_flattening(node, shapes) or _is_pointwise(node):
                    wanted.update(node.bottoms)
        _check_readers(wanted, shapes, images)


def _list_states(net: NetParameter, names: Container[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The phases, and the further stages that the rules of these layers name."""
    yield from ((phase, ()) for phase in _PHASES)
    for layer in net.layer:
        if layer.name in names:
            for rule in layer.include:
                if not {*rule.stage} <= {*_PHASES}:
                    yield "train" if rule.phase == TRAIN and rule.HasField("phase") else "val", rule.stage


def _find_image_sizes(shapes: Shapes, converted: Container[str]) -> dict[Blob, Kernel]:
    """The height and width of each blob if no layer flattened it; blobs that are not images are left out."""
    images: dict[Blob, Kernel] = {}
    for node in shapes.graph.nodes:
        for top in node.tops:
            shape = shapes.blobs[top.name]
            read = {images.get(blob) for blob in node.bottoms}
            if len(shape) > 2:
                images[top] = shape[2:]
            elif len(read) == 1 and (image := read.pop()):
                if node.name in converted:
                    images[top] = (1,) * len(image)
                elif is_flattening(node, shapes) or _is_pointwise(node):
                    images[top] = image
    return images


def _find_kernel(node: Node, shapes: Shapes, images: Mapping[Blob, Kernel]) -> Kernel:
    blob = node.bottoms[0]
    shape = shapes.blobs[blob.name]
    axis = node.layer.inner_product_param.axis % len(shape)
    if axis != 1:
        raise NetError(node, f"works from axis {axis} on", "only axis 1 has an equivalent convolution")
    if blob not in images:
        raise NetError(node, f"reads '{blob.name}' ({dims(shape)}), which is not an image", "let it read N x C x H x W")
    return images[blob]


def is_flattening(node: Node, shapes: Shapes) -> bool:
    """Whether a layer turns N x C x H x W into N x CHW."""
    if row_of(node).kind is not Kind.RESHAPING:
        return False
    shape = shapes.blobs[node.bottoms[0].name]
    return shapes.blobs[node.tops[0].name] == (shape[0], math.prod(shape[1:]))


def _is_pointwise(node: Node) -> bool:
    return bool(node.bottoms) and len(node.tops) == 1 and row_of(node).coords(node.layer) == POINTWISE


def _check_in_place(node: Node) -> None:
    """Refuse to remove a layer if, without it, a layer that works in place would overwrite what others read."""
    bottom, top = node.bottoms[0], node.tops[0]
    in_place = any(top.name in reader.layer.top for reader in top.readers)
    if in_place and len(bottom.readers) > 1:
        mend = "give the layer after it a top of its own"
        raise NetError(node, f"cannot go: others read '{bottom.name}', and what follows works in place", mend)


def _check_readers(unflattened: set[Blob], shapes: Shapes, images: Mapping[Blob, Kernel]) -> None:
    for blob in unflattened:
        for node in blob.readers:
            image = len(shapes.blobs[blob.name]) > 2 or set(images[blob]) == {1}
            if not (image or _is_fully_connected(node.layer) or is_flattening(node, shapes) or _is_pointwise(node)):
                mend = "give it a Flatten layer of its own"
                raise NetError(node, f"needs '{blob.name}' flat, and so it cannot become an image", mend)


def _to_convolution(layer: LayerParameter, kernel: Kernel) -> None:
    old, new = layer.inner_product_param, layer.convolution_param
    layer.type = "Convolution"
    new.num_output = old.num_output
    for name in ("bias_term", "weight_filler", "bias_filler"):
        if old.HasField(name):
            value = getattr(old, name)
            if name == "bias_term":
                new.bias_term = value
            else:
                getattr(new, name).CopyFrom(value)
    if len(set(kernel)) == 1:
        new.kernel_size.append(kernel[0])
    elif len(kernel) == 2:
        new.kernel_h, new.kernel_w = kernel  # Caffe before 2015 takes no list
    else:
        new.kernel_size.extend(kernel)
    layer.ClearField("inner_product_param")


def _rename(net: NetParameter, converted: Collection[str], names: Mapping[str, str]) -> None:
    taken = {layer.name for layer in net.layer}
    for old, new in names.items():
        if old not in converted:
            raise NetError(f"layer '{old}'", "is no InnerProduct layer of this net", nearest(old, converted))
        if new in taken:
            raise NetError(f"layer '{new}'", "the net has a layer of this name already", "choose another")
        taken.add(new)
    for layer in net.layer:
        layer.name = names.get(layer.name, layer.name)
        layer.bottom[:] = [names.get(blob, blob) for blob in layer.bottom]
        layer.top[:] = [names.get(blob, blob) for blob in layer.top]
