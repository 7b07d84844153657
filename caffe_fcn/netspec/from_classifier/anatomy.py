"""Where a classifier's parts are: the image, the layers that positions lead through, the classifier, its ends.

The walk goes back from the net's output. Behind the classifier (the last layer with weights) nothing is kept;
before it lie fully connected layers, which become convolutions, and layers that end positions (global pooling,
flattening), which are left out.
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
from caffe_fcn.netspec.convolutionize import flattens
from caffe_fcn.proto import NetParameter


@dataclass(frozen=True)
class Anatomy:
    """The parts of a classifier by name.

    ``image`` is the blob of ``channels`` x ``size`` (H, W) that it sees; ``classifier`` the layer that scores its
    classes; ``dense`` the fully connected layers before it, ``ending`` the layers that end positions.
    """

    image: str
    channels: int
    size: tuple[int, int]
    classifier: str
    dense: frozenset[str]
    ending: frozenset[str]


def dissected(shapes: Shapes) -> Anatomy:
    """The parts of a deploy net; raises `NetError` naming the layer that stands in the way."""
    classifier = _classifier(shapes.graph)
    path = _path(classifier)
    image = _image(classifier, path)
    shape = shapes.blobs[image.name]
    if len(shape) != 4:
        raise NetError(image.maker, f"gives '{image.name}' ({dims(shape)}), which is no image", "N x C x H x W is one")
    return Anatomy(
        image.name,
        shape[1],
        (shape[2], shape[3]),
        classifier.name,
        frozenset(node.name for node in path if row_of(node).kind is Kind.INNER_PRODUCT),
        frozenset(node.name for node in path if flattens(node, shapes) or _pools_everything(node, shapes)),
    )


def _classifier(graph: Graph) -> Node:
    outputs = graph.outputs()
    if not outputs:
        raise NetError("net", "has no output", "name a classifier's deploy net")
    node = outputs[-1].maker
    while row_of(node).kind not in (Kind.INNER_PRODUCT, Kind.CONVOLUTION):
        if not node.bottoms or not (_is_behind_classifiers(node) or _is_pointwise(node)):
            what = "stands where a classifier should: between the output and the last layer with weights"
            raise NetError(node, what, "name a net that ends in one vector of class scores")
        node = node.bottoms[0].maker
    return node


def _is_behind_classifiers(node: Node) -> bool:
    row = row_of(node)
    return row.kind in (Kind.RESHAPING, Kind.POOLING) or row.reads_scores or is_loss(node.type)


def _is_pointwise(node: Node) -> bool:
    return len(node.bottoms) == 1 and row_of(node).coords(node.layer) == POINTWISE


def _path(classifier: Node) -> list[Node]:
    """The layers that positions lead through to the classifier, in execution order; side branches are none."""
    found = {classifier}
    waiting = [classifier]
    while waiting:
        node = waiting.pop()
        for blob in node.bottoms[: row_of(node).follows]:
            if blob.maker not in found:
                found.add(blob.maker)
                waiting.append(blob.maker)
    return sorted(found - {classifier}, key=lambda node: node.index)


def _image(classifier: Node, path: Iterable[Node]) -> Blob:
    followed = [blob for node in (*path, classifier) for blob in node.bottoms[: row_of(node).follows]]
    images = {blob for blob in followed if not blob.maker.bottoms}
    if len(images) != 1:
        names = ", ".join(sorted(f"'{blob.name}'" for blob in images)) or "none"
        raise NetError(classifier, f"classifies {len(images)} images ({names})", "one can be segmented")
    return images.pop()


def _pools_everything(node: Node, shapes: Shapes) -> bool:
    """Global pooling, said or meant: an average over all of the image that the classifier knows."""
    if not _is_pooling(node) or node.layer.pooling_param.global_pooling:
        return _is_pooling(node)
    before, after = (shapes.blobs[blob.name][2:] for blob in (node.bottoms[0], node.tops[0]))
    return node.layer.pooling_param.pool == _AVE and set(after) == {1} and set(before) != {1}


def _is_pooling(node: Node) -> bool:
    return row_of(node).kind is Kind.POOLING


_AVE = 1  # PoolingParameter.AVE


# The trunk, once its parts are convolutions


@dataclass(frozen=True)
class Trunk:
    """The layers up to the features, the features' blob, their stride, and what there is to skip from."""

    layers: list[Node]
    features: Blob
    stride: int
    skips: dict[int, Node]


def trunk_of(net: NetParameter, anatomy: Anatomy) -> Trunk:
    """What the classifier reads, in a net without ends of positions; raises `NetError` as `dissected`."""
    graph = Graph(net)
    classifier = next(node for node in graph.nodes if node.name == anatomy.classifier)
    features = classifier.bottoms[0]
    layers = _ancestors(features)
    for node in layers:
        if not node.bottoms and node is not graph.blobs[anatomy.image].maker:
            raise NetError(node, "is an input besides the image", "the trunk must see the image alone")
    strides = {blob: _stride(axes) for blob, axes in receptive_fields(graph).items()}
    if features.name not in strides:
        raise _ended(layers, strides)
    if not strides[features.name]:
        raise NetError(features.maker, "has not one whole stride for both axes", "make the strides alike")
    return Trunk(layers, features, strides[features.name], _skips(layers, strides, strides[features.name]))


def _ancestors(blob: Blob) -> list[Node]:
    found = {blob.maker}
    waiting = [blob.maker]
    while waiting:
        for bottom in waiting.pop().bottoms:
            if bottom.maker not in found:
                found.add(bottom.maker)
                waiting.append(bottom.maker)
    return sorted(found, key=lambda node: node.index)


def _stride(axes: tuple[ReceptiveField, ...]) -> int:
    """The whole number that is the stride of both axes, or 0."""
    strides = {axis.stride for axis in axes}
    whole = len(strides) == 1 and axes[0].stride.denominator == 1
    return int(axes[0].stride) if whole else 0


def _ended(layers: Iterable[Node], strides: Container[str]) -> NetError:
    first = next(node for node in layers if not any(top.name in strides for top in node.tops))
    return NetError(first, "stands in the way: behind it no position can be traced to the image", "leave it out")


def _skips(layers: Sequence[Node], strides: Mapping[str, int], coarsest: int) -> dict[int, Node]:
    """For each stride finer than the features' the layer to skip from, coarsest first."""
    found: dict[int, Node] = {}
    for node in _narrows(layers):
        stride = strides.get(node.tops[0].name, 0)
        if 1 < stride < coarsest and (_is_pooling(node) or not _is_pooling(found.get(stride, node))):
            found[stride] = node
    usable, before = {}, coarsest
    for stride in sorted(found, reverse=True):
        if before % stride == 0:
            usable[stride] = found[stride]
            before = stride
    return usable


def _narrows(layers: Iterable[Node]) -> Iterator[Node]:
    """The layers with one top that all paths from the image lead through."""
    inside = set(layers)
    reach = 0
    for node in layers:
        if node.bottoms and reach <= node.index and len(node.tops) == 1:
            yield node
        for top in node.tops:
            reach = max([reach, *(reader.index for reader in top.readers if reader in inside)])
