"""Turn any image classifier into an FCN: its layers become the backbone, a head (`heads`) replaces its last layer.

    net = from_classifier(read_net("deploy.prototxt"), classes=5, stride=8)      # a `NetDesign`, as in the catalogue
    netspec.write(net, "my-fcn8s")                                               # train, val, deploy, solver

- The classifier is the last layer with weights before the net's output: fully connected, or a convolution with
  global pooling behind it. Fully connected layers before it become convolutions.
- Layers that pool or flatten a whole image are left out: after them no position could be traced to a pixel.
- A skip starts from the last pooling layer of its stride, or, if no pooling layer has it (as in ResNets), from the last
  blob of that stride; both only where all paths of the backbone meet.
- The first convolution keeps its padding if that suffices for every image of the classifier's size and larger.
  Otherwise it gets the reference's 100 if the backbone is like the reference's (stride 32, and a fully connected layer
  that sees a whole image), and else the least padding that suffices for any image.
- Batch normalization keeps the classifier's statistics, because an FCN learns from one image at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.datasets.reference_layers.published_sets import IMAGENET_MEAN
from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net import padding
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.layer_types import layer_type, windows
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec import fcn, solver_settings
from caffe_fcn.netspec.assign import is_foreign
from caffe_fcn.netspec.convolutionize import convolutionize
from caffe_fcn.netspec.design import Backbone, DataSet, NetDesign
from caffe_fcn.netspec.from_classifier.parts import BackboneLayers, ClassifierParts, find_backbone, find_parts
from caffe_fcn.netspec.prototxts import build
from caffe_fcn.netspec.spec import Function, NetSpec, Top
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers
from caffe_fcn.proto.schema import Message

FCN_STRIDES = (32, 16, 8)
_REFERENCE_STRIDE, _REFERENCE_PAD = 32, 100


def from_classifier(net: NetParameter, classes: int, stride: int = 32) -> NetDesign:
    """The design of an FCN with ``classes`` scores for every pixel, on the backbone of the classifier ``net``.

    ``net`` is a deploy net that says the size of its input. Scores are upsampled from ``stride``, or from the
    backbone's own stride if that is finer. Raises `NetError` that names the layer which prevents the conversion, and
    `OffsetError` if scores and image cannot be aligned.
    """
    if classes < 1:
        raise NetError("classes", f"cannot be {classes}", "a pixel is of one class at least")
    name = net.name or "classifier"
    deploy = select_phase(net, "deploy")
    try:
        parts = find_parts(infer(deploy, data_shapes=read_record_shapes))
    except DatasetError as error:
        raise NetError(error.where, error.what, "name the deploy net, which says its input's size") from error
    body = convolutionize(deploy, only=parts.dense)
    bypass_layers(body, parts.ending)
    found = find_backbone(body, parts)
    layers = _take_layers(found, body, parts)
    backbone = Backbone(name, layers, layers.pad, found.stride, _name_skips(name, found, stride))
    design = NetDesign(
        name=name,
        backbone=backbone,
        stride=min(stride, found.stride),
        solver=solver_settings.ANY_CLASSIFIER,
        dataset=_make_dataset(parts, classes),
        add_layers=fcn.add_fcn,
        source="..",
        data="lmdb",
        normalize=True,
        bilinear=True,
    )
    _check_names(build(design, "deploy", pad=_WIDE_PAD), layers.net)
    is_like_reference = found.stride == _REFERENCE_STRIDE and any(_has_window(body, name) for name in parts.dense)
    return replace(design, backbone=replace(backbone, pad=_choose_pad(design, parts.size, is_like_reference)))


def _make_dataset(parts: ClassifierParts, classes: int) -> DataSet:
    mean = IMAGENET_MEAN if parts.channels == len(IMAGENET_MEAN) else (0.0,)
    return DataSet("data", images={"data": parts.channels}, class_counts=(classes,), mean=mean)


def _take_layers(found: BackboneLayers, body: NetParameter, parts: ClassifierParts) -> _PrototxtLayers:
    taken = NetParameter(layer=[node.layer for node in found.layers if node.bottoms])
    names = {layer.name for layer in taken.layer}
    first = [node.name for node in padding.first_layers(Graph(body)) if node.name in names]
    if not first:
        what = "classifies the image itself: no convolution before it could be the backbone of an FCN"
        raise NetError(f"layer '{parts.classifier}'", what, "name a net with a convolution before its classifier")
    return _PrototxtLayers(taken, first, parts.image, found.features.name)


def _name_skips(name: str, found: BackboneLayers, stride: int) -> dict[int, str]:
    """The skips by the names of their Tops; raises `NetError` if there is none for the stride that is asked for."""
    skips = {at: _name_top(node.layer) for at, node in found.skips.items()}
    if stride < found.stride and stride not in skips:
        known = ", ".join(map(str, (found.stride, *skips)))
        raise NetError(name, f"has no blob of stride {stride} that all its paths lead through", f"it has {known}")
    return skips


def _has_window(body: NetParameter, name: str) -> bool:
    """Whether a layer that was fully connected sees more than one position."""
    layer = next(layer for layer in body.layer if layer.name == name)
    return any(window.kernel > 1 for window in windows(layer))


def _choose_pad(design: NetDesign, size: tuple[int, int], is_like_reference: bool) -> int:
    """The first convolution's padding: its own, the reference's, or the least that suffices."""
    wide = build(design, "deploy", pad=_WIDE_PAD)
    padding.prove(wide)
    for pad, smallest in [(design.backbone.pad, size), (_REFERENCE_PAD, (1, 1))][: 1 + is_like_reference]:
        try:
            padding.prove(build(design, "deploy", pad=pad), smallest)
        except NetError:
            continue
        return pad
    return padding.plan(wide).pad


_WIDE_PAD = 512  # with this padding no crop offset is negative


def _check_names(built: NetParameter, backbone: NetParameter) -> None:
    """Raise `NetError` for a layer whose name the head takes as well: a NetSpec would lose the layer's Top."""
    names = Counter(layer.name for layer in built.layer)
    blobs = {blob for layer in built.layer for blob in layer.top}
    for layer in backbone.layer:
        is_idle = layer_type(layer.type).idle_in_test(layer)
        if not is_idle and (names[layer.name] != 1 or not blobs.issuperset(layer.top)):
            raise NetError(f"layer '{layer.name}'", "has, or makes a blob of, a name that the head needs", "rename it")


# The layers of the classifier's prototxt, added to a NetSpec


@dataclass(frozen=True)
class _PrototxtLayers:
    """``add_layers`` of a `Backbone`: adds the layers of ``net``, from the blob ``image`` to the blob ``features``.

    The layers ``first`` have the padding that can be chosen.
    """

    net: NetParameter
    first: list[str]
    image: str
    features: str

    @property
    def pad(self) -> int:
        """The padding of the first convolution in the prototxt."""
        param = next(layer for layer in self.net.layer if layer.name in self.first).convolution_param
        return int(max((*param.pad, param.pad_h, param.pad_w)))

    def __call__(self, n: NetSpec, image: Top, pad: int, training: bool) -> Top:
        blobs = {self.image: image}
        net = self.net if pad == self.pad else padding.with_padding(self.net, self.first, pad)
        for layer in net.layer:
            bottoms = [blobs[blob] for blob in layer.bottom]
            if layer_type(layer.type).idle_in_test(layer) and not training:
                blobs[layer.top[0]] = bottoms[0]
                continue
            tops = Function(layer.type, tuple(bottoms), _collect_params(layer, training)).tops
            blobs.update(zip(layer.top, tops, strict=True))
            if len(tops) == 1:
                n[_name_top(layer)] = tops[0]
            else:
                for blob, top in zip(layer.top, tops, strict=True):
                    n[blob] = top
        return blobs[self.features]


def _name_top(layer: LayerParameter) -> str:
    """The name of a layer's Top in a NetSpec: that of its blob, or of the layer if it works in place."""
    return str(layer.name if _is_in_place(layer) else layer.top[0])


def _is_in_place(layer: LayerParameter) -> bool:
    return list(layer.top) == list(layer.bottom[:1])


def _collect_params(layer: LayerParameter, training: bool) -> dict[str, Any]:
    params = {
        name: value
        for name, value in _to_dict(layer).items()
        if name not in _NOT_PARAMS and not is_foreign(layer.type, name)
    }
    params |= {"name": layer.name, "ntop": len(layer.top), "in_place": _is_in_place(layer)}
    row = layer_type(layer.type)
    if row.frozen_by and training:
        params[row.param_name] = {**params.get(row.param_name, {}), **row.frozen_by}
    return params


_NOT_PARAMS = {"name", "type", "bottom", "top", "phase", "include", "exclude", "blobs"}


def _to_dict(message: Message) -> dict[str, Any]:
    """The fields that are set, in the form that NetSpec takes."""
    return {field.name: _to_python(field, value) for field, value in message.ListFields()}


def _to_python(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is None:
        return value if field.has_presence else list(value)
    return _to_dict(value) if field.has_presence else [_to_dict(each) for each in value]
