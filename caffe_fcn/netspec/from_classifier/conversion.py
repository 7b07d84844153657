"""Any image classifier as an FCN: its layers as a trunk, its classifier replaced by a head (`heads`).

    net = from_classifier(read_net("deploy.prototxt"), classes=5, stride=8)      # a `Net`, as in the catalogue
    netspec.write(net, "my-fcn8s")                                               # train, val, deploy, solver

- The classifier is the last layer with weights before the net's output: fully connected, or a convolution with
  global pooling behind it. Fully connected layers before it become convolutions.
- Pooling of a whole image, and what flattens one, is left out: it would end the correspondence of pixels.
- A skip comes from the last pooling layer of its stride, or where none has it (as in ResNets) from the last blob;
  both only where all paths of the trunk meet.
- The first convolution keeps its padding if that does for every image from the classifier's size up. Otherwise it
  gets the least that does for any image; or the reference's 100, if the trunk is of the reference's kind: of stride
  32, with a fully connected layer that sees a whole image.
- Batch normalization keeps the classifier's statistics: an FCN learns from one image at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net import padding
from caffe_fcn.net.graph import Graph, split
from caffe_fcn.net.layer_types import windows
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec import fcn
from caffe_fcn.netspec.building import build
from caffe_fcn.netspec.catalogue import ALEXNET_SOLVER
from caffe_fcn.netspec.convolutionize import convolutionize
from caffe_fcn.netspec.fields import is_foreign
from caffe_fcn.netspec.from_classifier import anatomy
from caffe_fcn.netspec.plan import IMAGENET_MEAN, DataSet, Net, Trunk
from caffe_fcn.netspec.spec import Function, NetSpec, Top
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers
from caffe_fcn.proto.schema import Message

STRIDES = (32, 16, 8)
_REFERENCE_STRIDE, _REFERENCE_PAD = 32, 100


def from_classifier(net: NetParameter, classes: int, stride: int = 32) -> Net:
    """The FCN with ``classes`` scores at every pixel whose trunk is ``net``, a deploy net of known input size.

    Scores come upsampled from ``stride``, or from the trunk's own where that is finer. Raises `NetError` naming
    the layer that stands in the way, `OffsetError` where scores and image cannot be aligned.
    """
    if classes < 1:
        raise NetError("classes", f"cannot be {classes}", "a pixel is of one class at least")
    name = net.name or "classifier"
    deploy = split(net, "deploy")
    try:
        parts = anatomy.dissected(infer(deploy))
    except DatasetError as error:
        raise NetError(error.where, error.what, "name the deploy net, which says its input's size") from error
    body = convolutionize(deploy, only=parts.dense)
    bypass_layers(body, parts.ending)
    found = anatomy.trunk_of(body, parts)
    replay = _replay(found, body, parts.image, parts.classifier)
    trunk = Trunk(name, replay, replay.pad, found.stride, _skips(name, found, stride))
    made = Net(
        name=name,
        trunk=trunk,
        stride=min(stride, found.stride),
        solver={**ALEXNET_SOLVER, "test_iter": [100]},
        dataset=_dataset(parts),
        classes=(classes,),
        lay=fcn.one_head,
        source="..",
        data="lmdb",
        normalize=True,
        bilinear=True,
    )
    _check_names(build(made, "deploy", pad=_WIDE), replay.net)
    is_usual = found.stride == _REFERENCE_STRIDE and any(_sees_an_image(body, name) for name in parts.dense)
    return replace(made, trunk=replace(trunk, pad=_pad(made, parts.size, is_usual)))


def _dataset(parts: anatomy.Anatomy) -> DataSet:
    mean = IMAGENET_MEAN if parts.channels == len(IMAGENET_MEAN) else (0.0,)
    return DataSet("data", images={"data": parts.channels}, mean=mean)


def _replay(found: anatomy.Trunk, body: NetParameter, image: str, classifier: str) -> _Replay:
    layers = NetParameter(layer=[node.layer for node in found.layers if node.bottoms])
    names = {layer.name for layer in layers.layer}
    first = [node.name for node in padding.first_layers(Graph(body)) if node.name in names]
    if not first:
        what = "classifies the image itself: no convolution before it could be the trunk of an FCN"
        raise NetError(f"layer '{classifier}'", what, "name a net with a convolution before its classifier")
    return _Replay(layers, first, image, found.features.name)


def _skips(name: str, found: anatomy.Trunk, stride: int) -> dict[int, str]:
    skips = {at: _key(node.layer) for at, node in found.skips.items()}
    if stride < found.stride and stride not in skips:
        known = ", ".join(map(str, (found.stride, *skips)))
        raise NetError(name, f"has no blob of stride {stride} that all its paths lead through", f"it has {known}")
    return skips


def _sees_an_image(body: NetParameter, name: str) -> bool:
    layer = next(layer for layer in body.layer if layer.name == name)
    return any(window.kernel > 1 for window in windows(layer))


def _pad(made: Net, size: tuple[int, int], is_usual: bool) -> int:
    """The first convolution's padding: its own, the reference's, or the least that does."""
    wide = build(made, "deploy", pad=_WIDE)
    padding.prove(wide)
    for pad, smallest in [(made.trunk.pad, size), (_REFERENCE_PAD, (1, 1))][: 1 + is_usual]:
        try:
            padding.prove(build(made, "deploy", pad=pad), smallest)
        except NetError:
            continue
        return pad
    return padding.plan(wide).pad


_WIDE = 512  # leaves no offset negative


def _check_names(built: NetParameter, trunk: NetParameter) -> None:
    """A NetSpec forgets a Top whose name is given again, as the head may do."""
    names = Counter(layer.name for layer in built.layer)
    blobs = {blob for layer in built.layer for blob in layer.top}
    for layer in trunk.layer:
        if layer.type != "Dropout" and (names[layer.name] != 1 or not blobs.issuperset(layer.top)):
            raise NetError(f"layer '{layer.name}'", "has, or makes a blob of, a name that the head needs", "rename it")


# The trunk's layers, laid again


@dataclass(frozen=True)
class _Replay:
    """Lays the layers of a prototxt: ``image`` is the blob they begin with, ``features`` the one they end with."""

    net: NetParameter
    first: list[str]
    image: str
    features: str

    @property
    def pad(self) -> int:
        """The padding that the first convolution has of itself."""
        param = next(layer for layer in self.net.layer if layer.name in self.first).convolution_param
        return int(max((*param.pad, param.pad_h, param.pad_w)))

    def __call__(self, n: NetSpec, image: Top, pad: int, training: bool) -> Top:
        blobs = {self.image: image}
        net = self.net if pad == self.pad else padding.with_padding(self.net, self.first, pad)
        for layer in net.layer:
            bottoms = [blobs[blob] for blob in layer.bottom]
            if layer.type == "Dropout" and not training:
                blobs[layer.top[0]] = bottoms[0]
                continue
            tops = Function(layer.type, tuple(bottoms), _params(layer, training)).tops
            blobs.update(zip(layer.top, tops, strict=True))
            if len(tops) == 1:
                n[_key(layer)] = tops[0]
            else:
                for blob, top in zip(layer.top, tops, strict=True):
                    n[blob] = top
        return blobs[self.features]


def _key(layer: LayerParameter) -> str:
    """What a NetSpec calls a layer's Top: by its blob, and where that has a name already by the layer."""
    return str(layer.name if _is_in_place(layer) else layer.top[0])


def _is_in_place(layer: LayerParameter) -> bool:
    return list(layer.top) == list(layer.bottom[:1])


def _params(layer: LayerParameter, training: bool) -> dict[str, Any]:
    params = {
        name: value
        for name, value in _as_dict(layer).items()
        if name not in _NOT_PARAMS and not is_foreign(layer.type, name)
    }
    params |= {"name": layer.name, "ntop": len(layer.top), "in_place": _is_in_place(layer)}
    if layer.type == "BatchNorm" and training:
        params["batch_norm_param"] = {**params.get("batch_norm_param", {}), "use_global_stats": True}
    return params


_NOT_PARAMS = {"name", "type", "bottom", "top", "phase", "include", "exclude", "blobs"}


def _as_dict(message: Message) -> dict[str, Any]:
    """The fields that are set, as NetSpec takes them."""
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is None:
        return value if field.has_presence else list(value)
    return _as_dict(value) if field.has_presence else [_as_dict(each) for each in value]
