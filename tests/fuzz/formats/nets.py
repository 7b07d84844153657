"""Nets and solvers, as text and binary: what is read is what protobuf reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzz.formats.format import Files, Format, ValueChanged, either, one_of_its_files
from fuzz.judges import binary_by_protobuf, same, text_by_protobuf
from fuzz.mutations import damaged, damaged_lines
from fuzz.trees import change_message
from google.protobuf import text_format

from caffe_fcn import netspec, proto
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto.numbered_fields import restore_numbered

MIXED = """
name: "mixed"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 24 dim: 32 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 9 weight_filler { type: "xavier" } } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "PReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 3 } }
layer { name: "left" type: "Convolution" bottom: "norm1" top: "left"
  convolution_param { num_output: 6 kernel_h: 1 kernel_w: 3 pad_w: 1 group: 2 dilation: 1 } }
layer { name: "right" type: "Split" bottom: "norm1" top: "r1" top: "r2" }
layer { name: "cat" type: "Concat" bottom: "left" bottom: "r1" top: "cat" }
layer { name: "slice" type: "Slice" bottom: "cat" top: "s1" top: "s2" slice_param { slice_point: 4 } }
layer { name: "shape" type: "Reshape" bottom: "s1" top: "flat" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" include { phase: TEST } }
layer { name: "score" type: "Convolution" bottom: "s2" top: "score" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "score" top: "upscore"
  convolution_param { num_output: 4 kernel_size: 8 stride: 4 bias_term: false } }
layer { name: "crop" type: "Crop" bottom: "upscore" bottom: "data" top: "crop" crop_param { axis: 2 offset: 5 } }
layer { name: "sum" type: "Eltwise" bottom: "crop" bottom: "crop" top: "sum" eltwise_param { operation: SUM coeff: -1
  coeff: 1 } }
layer { name: "power" type: "Power" bottom: "sum" top: "power" power_param { shift: -4.5e-3 } }
layer { name: "reduced" type: "Reduction" bottom: "power" top: "reduced" reduction_param { axis: 1 } }
layer { name: "top" type: "ArgMax" bottom: "power" top: "top" argmax_param { axis: 1 } }
layer { name: "tile" type: "Tile" bottom: "fc" top: "tile" tile_param { tiles: 2 } }
"""
CLASSIFIER = """
name: 'classifier' input: "data" input_dim: 1 input_dim: 3 input_dim: 35 input_dim: 35
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" # a comment
  convolution_param { num_output: 8 kernel_size: 3 stride: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param < num_output: 8; kernel_size: 3, pad: [1] stride: 2 > }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "fc3" type: "InnerProduct" bottom: "pool2" top: "fc3" inner_product_param { num_output: 0x10 } }
layer { name: "relu3" type: "ReLU" bottom: "fc3" top: "fc3" }
layer { name: "fc4" type: "InnerProduct" bottom: "fc3" top: "fc4" inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "fc4" top: "prob" }
"""
V1 = """
name: "of" 'V1' input: "data" input_dim: 2 input_dim: 3 input_dim: 20 input_dim: 20
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv"
  blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
  convolution_param { num_output: 4 kernel_size: 5 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "ip" type: INNER_PRODUCT bottom: "conv" top: "ip" inner_product_param { num_output: 3 } }
layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" include { phase: TRAIN } loss_weight: .5 }
"""
V0 = """
name: "of V0" input: "data" input_dim: 1 input_dim: 3 input_dim: 40 input_dim: 40
layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "pad" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 5 stride: 2 biasterm: false
  weight_filler { type: "gaussian" std: 0.01 } blobs_lr: 1. } bottom: "pad" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 10 } bottom: "pool1" top: "fc" }
"""
LOSSES = """
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 2 backend: LMDB }
  transform_param { crop_size: 16 mean_value: 104.5 mean_value: 1e2 mean_value: 1.2e+2 mirror: true } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 16 } }
layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "flat" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } }
layer { name: "hinge" type: "HingeLoss" bottom: "flat" bottom: "label" top: "hinge" loss_weight: 0 }
layer { name: "accuracy" type: "Accuracy" bottom: "flat" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
SOLVERS = [
    """
net: "train_val.prototxt" # of the net
test_iter: 10 test_interval: 0x64
base_lr: 1e-4 lr_policy: "multistep" gamma: .1f stepvalue: 10 stepvalue: 20 momentum: 0.9 weight_decay: 5e-4
display: 20 average_loss: 20 max_iter: 1000 iter_size: 2 snapshot: 400 snapshot_prefix: "snap" 'shot/train'
snapshot_format: HDF5 solver_mode: CPU random_seed: 07 debug_info: False type: "Adam" momentum2: 0.999 delta: 1e-8
""",
    """
train_net: "train.prototxt" test_net: "val.prototxt" test_iter: 736 test_interval: 999999999 base_lr: 1e-10
lr_policy: "fixed" solver_type: NESTEROV test_state { stage: "a" level: 1 } regularization_type: "L1"
net_param { name: "inside" layer { name: "x" type: "Input" top: "x" input_param { shape: { dim: 1 } } } }
""",
]

_NET_COMMANDS = (
    "net show {i}/net.prototxt",
    "net show {i}/net.prototxt --json --size 40x56",
    "net show {i}/net.prototxt --phase train",
    "net upgrade {i}/net.prototxt -o {o}/new.prototxt",
    "net upgrade {i}/net.prototxt --allow-unknown -o -",
    "net convolutionize {i}/net.prototxt -o {o}/new.prototxt",
    "net diff {i}/net.prototxt {i}/net.prototxt",
    "net diff {i}/net.prototxt {i}/sound.prototxt --json",
    "net draw {i}/net.prototxt -o {o}/net.dot",
    "net draw {i}/net.prototxt -o {o}/net.html",
    "offsets {i}/net.prototxt",
    "offsets {i}/net.prototxt --json --phase train",
    "offsets {i}/net.prototxt --fix -o {o}/fixed.prototxt",
    "offsets {i}/net.prototxt --plan-padding",
    "net from-classifier {i}/net.prototxt --classes 4 --stride 8 -o {o}/fcn",
    "surgery transplant --weights {i}/sound.caffemodel --to-net {i}/net.prototxt -o {o}/out.caffemodel",
    "surgery fold --net {i}/net.prototxt --weights {i}/sound.caffemodel --net-output {o}/n.prototxt -o {o}/w.npz",
)
_SOLVER_COMMANDS = (
    "net upgrade {i}/solver.prototxt -o {o}/new.prototxt",
    "net upgrade {i}/solver.prototxt --allow-unknown -o -",
    "net diff {i}/solver.prototxt {i}/solver.prototxt",
    "net diff {i}/solver.prototxt {i}/sound.prototxt",
    "net show {i}/solver.prototxt",
)


def message_of(text: str, kind: Any = proto.NetParameter) -> Any:
    """The message of a sound text."""
    return text_format.Parse(text, kind())


@cache
def net_texts() -> tuple[str, ...]:
    """Sound nets: small ones of every age and most layer types, and some of the catalogue."""
    built = [netspec.build(name, phase=phase) for name, phase in (("voc-fcn-alexnet", "train"), ("voc-fcn8s", "deploy"),
             ("triangles", "all"), ("m2nist-fcn", "val"))]  # fmt: skip
    return (MIXED, CLASSIFIER, V1, V0, LOSSES, MIXED, CLASSIFIER, *map(str, built))


@cache
def sound_weights() -> bytes:
    """Weights for MIXED."""
    net = message_of(MIXED)
    for name, shapes in {"conv1": [(8, 3, 3, 3), (8,)], "bn1": [(8,), (8,), (1,)], "scale1": [(8,), (8,)]}.items():
        layer = next(layer for layer in net.layer if layer.name == name)
        for shape in shapes:
            count = 1
            for size in shape:
                count *= size
            layer.blobs.add(data=[1 + number / 7 for number in range(count)], shape={"dim": shape})
    return bytes(net.SerializePartialToString(deterministic=True))


def _texts(name: str, texts: Callable[[], tuple[str, ...]]) -> Callable[[], list[Files]]:
    more = {"sound.prototxt": MIXED.encode(), "sound.caffemodel": sound_weights()}
    return lambda: [{name: text.encode(), **more} for text in texts()]


def _changed_text(kind: Any) -> Callable[[Random, bytes], bytes]:
    def change(random: Random, data: bytes) -> bytes:
        message = message_of(data.decode(), kind)
        change_message(random, message)
        return text_format.MessageToString(message, as_utf8=random.random() < 0.5).encode("utf-8", "surrogatepass")

    return change


_changed_net = _changed_text(proto.NetParameter)
_changed_solver = _changed_text(proto.SolverParameter)


def _changed_binary(random: Random, data: bytes) -> bytes:
    message = proto.NetParameter.FromString(data)
    change_message(random, message)
    return bytes(message.SerializePartialToString(deterministic=True))


def _reads_as_protobuf(name: str, kind: Any) -> Callable[[Path, Path], None]:
    def text_is_protobufs(inputs: Path, outputs: Path) -> None:
        path = inputs / name
        text = path.read_bytes()
        try:
            ours = proto.read(path, kind)
        except CaffeFcnError as error:
            if text_by_protobuf(text, kind) is not None and not any(word in str(error) for word in _STRICTER):
                raise ValueChanged(f"protobuf takes it, and we say: {error}") from error
            return
        theirs = text_by_protobuf(text.removeprefix(b"\xef\xbb\xbf"), kind)
        if theirs is None:
            raise ValueChanged("protobuf refuses it, and we take it")
        if not same(ours, theirs):
            raise ValueChanged(f"protobuf reads {theirs}, and we {ours}"[:2000])
        written = kind()
        text_format.Parse(proto.to_text(ours), written)
        if not same(written, theirs):
            raise ValueChanged("written and read again it is another")

    return text_is_protobufs


# Where we are stricter: strings of proto2 should be UTF-8, which C++ warns of; nothing nests so deep; an empty file.
_STRICTER = ("UTF-8", "nested deeper", "is empty", "is neither text nor a binary")


def _binary_is_protobufs(inputs: Path, outputs: Path) -> None:
    path = inputs / "net.prototxt"
    data = path.read_bytes()
    if not proto.is_binary(data[:4096]):
        return
    ours = proto.read_net(path, upgrade=False)
    theirs = binary_by_protobuf(data, proto.NetParameter)
    if theirs is None:
        raise ValueChanged("protobuf refuses it, and we take it")
    for layer in (*theirs.layer, *theirs.layers):
        layer.ClearField("blobs")
        if hasattr(layer, "layer"):
            layer.layer.ClearField("blobs") if layer.HasField("layer") else None
    ours = proto.NetParameter.FromString(restore_numbered(ours.SerializeToString(), ours.DESCRIPTOR))
    if not same(ours, theirs):
        raise ValueChanged(f"protobuf reads {theirs}, and we {ours}"[:2000])


def _upgraded_alike(inputs: Path, outputs: Path) -> None:
    """A net in the current format is upgraded to itself."""
    net = proto.read_net(inputs / "net.prototxt", upgrade=False)
    upgraded = proto.read_net(inputs / "net.prototxt")
    proto.write(upgraded, outputs / "new.prototxt")
    if not same(proto.read_net(outputs / "new.prototxt", allow_unknown=True, upgrade=False), upgraded):
        raise ValueChanged("what is written reads back as another net")
    again = proto.read_net(outputs / "new.prototxt", allow_unknown=True)
    if not same(again, upgraded):
        raise ValueChanged(f"upgraded twice it is another: {net}"[:2000])


FORMATS = [
    Format(
        "net text",
        _texts("net.prototxt", net_texts),
        one_of_its_files(either((6, _changed_net), (3, damaged_lines), (1, damaged)), "net.prototxt"),
        lambda inputs: proto.read_net(inputs / "net.prototxt", upgrade=False),
        _NET_COMMANDS,
        (_reads_as_protobuf("net.prototxt", proto.NetParameter), _upgraded_alike),
    ),
    Format(
        "solver text",
        _texts("solver.prototxt", lambda: tuple(SOLVERS)),
        one_of_its_files(
            either((4, _changed_solver), (4, damaged_lines), (1, damaged)), "solver.prototxt"
        ),
        lambda inputs: proto.read_solver(inputs / "solver.prototxt"),
        _SOLVER_COMMANDS,
        (_reads_as_protobuf("solver.prototxt", proto.SolverParameter),),
    ),
    Format(
        "net binary",
        lambda: [{**files, "net.prototxt": bytes(message_of(files["net.prototxt"].decode()).SerializeToString())}
                 for files in _texts("net.prototxt", net_texts)()],
        one_of_its_files(either((1, _changed_binary), (1, damaged)), "net.prototxt"),
        lambda inputs: proto.read_net(inputs / "net.prototxt", upgrade=False),
        _NET_COMMANDS,
        (_binary_is_protobufs, _upgraded_alike),
    ),
]  # fmt: skip
