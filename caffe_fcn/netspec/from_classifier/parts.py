"""Find the parts of an image classifier: the image, the classifying layer, and the layers between them.

The search goes back from the net's output. The classifying layer is the last layer with weights; what follows it is
left out. Before it there are fully connected layers, which become convolutions, and layers that pool or flatten the
whole image, which are left out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import POINTWISE, dims
from caffe_fcn.net.graph import Blob, Graph, Node
from caffe_fcn.net.layer_types import Kind, is_loss
from caffe_fcn.net.receptive_fields import ReceptiveField, receptive_fields
from caffe_fcn.net.shapes import Shapes, row_of
from caffe_fcn.netspec.convolutionize import is_flattening
from caffe_fcn.proto import NetParameter


@dataclass(frozen=True)
class ClassifierParts:
    """The parts of a classifier by name.

    ``image`` is the blob that it sees, of ``channels`` x ``size`` (H, W). ``classifier`` is the layer that scores its
    classes, ``dense`` are the fully connected layers before it, ``ending`` those that pool or flatten the whole image.
    """

    image: str
    channels: int
    size: tuple[int, int]
    classifier: str
    dense: frozenset[str]
    ending: frozenset[str]


def find_parts(shapes: Shapes) -> ClassifierParts:
    """The parts of a deploy net; raises `NetError` that names the layer which prevents the conversion."""
    classifier = _find_classifier(shapes.graph)
    path = _find_path(classifier)
    image = _find_image(classifier, path)
    shape = shapes.blobs[image.name]
    if len(shape) != 4:
        what = f"gives '{image.name}' ({dims(shape)}), which is not an image"
        raise NetError(image.maker, what, "N x C x H x W is one")
    return ClassifierParts(
        image.name,
        shape[1],
        (shape[2], shape[3]),
        classifier.name,
        frozenset(node.name for node in path if row_of(node).kind is Kind.INNER_PRODUCT),
        frozenset(node.name for node in path if is_flattening(node, shapes) or _is_global_pooling(node, shapes)),
    )


def _find_classifier(graph: Graph) -> Node:
    outputs = graph.outputs()
    if not outputs:
        raise NetError("net", "has no output", "name a classifier's deploy net")
    node = outputs[-1].maker
    while row_of(node).kind not in (Kind.INNER_PRODUCT, Kind.CONVOLUTION):
        if not node.bottoms or not (_may_follow_classifier(node) or _is_pointwise(node)):
            what = "cannot follow a classifier, but lies between the last layer with weights and the output"
            raise NetError(node, what, "name a net that ends in one vector of class scores")
        node = node.bottoms[0].maker
    return node


def _may_follow_classifier(node: Node) -> bool:
    row = row_of(node)
    return row.kind in (Kind.RESHAPING, Kind.POOLING) or row.reads_scores or is_loss(node.type)


def _is_pointwise(node: Node) -> bool:
    return len(node.bottoms) == 1 and row_of(node).coords(node.layer) == POINTWISE


def _find_path(classifier: Node) -> list[Node]:
    """The layers between image and classifier, in execution order, without side branches that only scale a blob."""
    found = {classifier}
    waiting = [classifier]
    while waiting:
        node = waiting.pop()
        for blob in node.bottoms[: row_of(node).follows]:
            if blob.maker not in found:
                found.add(blob.maker)
                waiting.append(blob.maker)
    return sorted(found - {classifier}, key=lambda node: node.index)


def _find_image(classifier: Node, path: Iterable[Node]) -> Blob:
    followed = [blob for node in (*path, classifier) for blob in node.bottoms[: row_of(node).follows]]
    images = {blob for blob in followed if not blob.maker.bottoms}
    if len(images) != 1:
        names = ", ".join(sorted(f"'{blob.name}'" for blob in images)) or "none"
        raise NetError(classifier, f"classifies {len(images)} images ({names})", "one can be segmented")
    return images.pop()


def _is_global_pooling(node: Node, shapes: Shapes) -> bool:
    """Whether a layer pools the whole image: by ``global_pooling``, or by an average over the classifier's size."""
    if not _is_pooling(node) or node.layer.pooling_param.global_pooling:
        return _is_pooling(node)
    before, after = (shapes.blobs[blob.name][2:] for blob in (node.bottoms[0], node.tops[0]))
    return node.layer.pooling_param.pool == _AVE and set(after) == {1} and set(before) != {1}


def _is_pooling(node: Node) -> bool:
    return row_of(node).kind is Kind.POOLING


_AVE = 1  # PoolingParameter.AVE


# The backbone, after its fully connected layers became convolutions


@dataclass(frozen=True)
class BackboneLayers:
    """The layers up to the features, the features' blob and stride, and the layer to skip from at finer strides."""

    layers: list[Node]
    features: Blob
    stride: int
    skips: dict[int, Node]


def find_backbone(net: NetParameter, parts: ClassifierParts) -> BackboneLayers:
    """The layers that the classifier reads, in a net without ``ending`` layers; raises `NetError` as `find_parts`."""
    graph = Graph(net)
    classifier = next(node for node in graph.nodes if node.name == parts.classifier)
    features = classifier.bottoms[0]
    layers = _find_ancestors(features)
    for node in layers:
        if not node.bottoms and node is not graph.blobs[parts.image].maker:
            raise NetError(node, "is an input besides the image", "the backbone must see the image alone")
    strides = {blob: _whole_stride(axes) for blob, axes in receptive_fields(graph).items()}
    if features.name not in strides:
        raise _untraceable(layers, strides)
    if not strides[features.name]:
        raise NetError(features.maker, "has not one whole stride for both axes", "make the strides alike")
    stride = strides[features.name]
    return BackboneLayers(layers, features, stride, _find_skips(layers, strides, stride))


def _find_ancestors(blob: Blob) -> list[Node]:
    found = {blob.maker}
    waiting = [blob.maker]
    while waiting:
        for bottom in waiting.pop().bottoms:
            if bottom.maker not in found:
                found.add(bottom.maker)
                waiting.append(bottom.maker)
    return sorted(found, key=lambda node: node.index)


def _whole_stride(axes: tuple[ReceptiveField, ...]) -> int:
    """The stride of both axes if they have the same whole number, or 0."""
    strides = {axis.stride for axis in axes}
    whole = len(strides) == 1 and axes[0].stride.denominator == 1
    return int(axes[0].stride) if whole else 0


def _untraceable(layers: Iterable[Node], strides: Container[str]) -> NetError:
    first = next(node for node in layers if not any(top.name in strides for top in node.tops))
    return NetError(first, "prevents the conversion: after it no position can be traced to the image", "leave it out")


def _find_skips(layers: Sequence[Node], strides: Mapping[str, int], coarsest: int) -> dict[int, Node]:
    """For each stride that is finer than the features', the layer to skip from, coarsest first."""
    found: dict[int, Node] = {}
    for node in _find_bottlenecks(layers):
        stride = strides.get(node.tops[0].name, 0)
        if 1 < stride < coarsest and (_is_pooling(node) or not _is_pooling(found.get(stride, node))):
            found[stride] = node
    usable, before = {}, coarsest
    for stride in sorted(found, reverse=True):
        if before % stride == 0:
            usable[stride] = found[stride]
            before = stride
    return usable


def _find_bottlenecks(layers: Iterable[Node]) -> Iterator[Node]:
    """The layers with one top that all paths from the image lead through."""
    inside = set(layers)
    reach = 0
    for node in layers:
        if node.bottoms and reach <= node.index and len(node.tops) == 1:
            yield node
        for top in node.tops:
            reach = max([reach, *(reader.index for reader in top.readers if reader in inside)])
