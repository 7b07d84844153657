"""Old nets and solvers come out as Caffe's own upgrade tools make them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from caffe_fcn import proto
from caffe_fcn.errors import NetError
from caffe_fcn.proto.dialects.table import PRIVATE
from caffe_fcn.proto.schema import message

Judge = Callable[[Any], Any]


def net_of(text: str, upgrade: bool = False) -> Any:
    net = proto.NetParameter()
    proto.parse(text, net)
    if upgrade:
        proto.upgrade_net(net)
    return net


@pytest.fixture(scope="module")
def caffes_upgrade(caffe_prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Caffe's upgrade_net_proto_text, as a function from net to net."""
    folder = tmp_path_factory.mktemp("upgrade")

    def run(net: Any) -> Any:
        old, new = folder / "old.prototxt", folder / "new.prototxt"
        proto.write(net, old)
        new.unlink(missing_ok=True)
        tool = caffe_prefix / "bin" / "upgrade_net_proto_text"
        subprocess.run([tool, old, new], check=False, capture_output=True)  # its status is 1 for what it leaves out
        return proto.read_net(new, upgrade=False)

    return run


V0 = """
name: "CaffeNet of 2013"
layers { layer { name: "data" type: "data" source: "imagenet" meanfile: "mean.binaryproto" batchsize: 256
                 cropsize: 227 mirror: true scale: 0.5 } top: "data" top: "label" }
layers { layer { name: "conv1" type: "conv" num_output: 96 kernelsize: 11 stride: 4
                 weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0. }
                 blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0. } bottom: "data" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 5 alpha: 0.0001 beta: 0.75 } bottom: "pool1" top: "norm1" }
layers { layer { name: "pad2" type: "padding" pad: 2 } bottom: "norm1" top: "pad2" }
layers { layer { name: "conv2" type: "conv" num_output: 256 group: 2 kernelsize: 5 biasterm: false }
         bottom: "pad2" top: "conv2" }
layers { layer { name: "fc6" type: "innerproduct" num_output: 10 } bottom: "conv2" top: "fc6" }
layers { layer { name: "drop6" type: "dropout" dropout_ratio: 0.6 } bottom: "fc6" top: "fc6" }
layers { layer { name: "loss" type: "softmax_loss" } bottom: "fc6" bottom: "label" }
"""

CURRENT = """
name: "CaffeNet of 2013"
layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "imagenet" batch_size: 256 }
        transform_param { mean_file: "mean.binaryproto" crop_size: 227 mirror: true scale: 0.5 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
        convolution_param { num_output: 96 kernel_size: 11 stride: 4
                            weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "conv2" type: "Convolution" bottom: "norm1" top: "conv2"
        convolution_param { num_output: 256 pad: 2 group: 2 kernel_size: 5 bias_term: false } }
layer { name: "fc6" type: "InnerProduct" bottom: "conv2" top: "fc6" inner_product_param { num_output: 10 } }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" dropout_param { dropout_ratio: 0.6 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label" }
"""


def test_a_net_of_2013_reads_as_the_same_net_of_today(tmp_path: Path) -> None:
    path = tmp_path / "v0.prototxt"
    path.write_text(V0)
    assert proto.read_net(path) == net_of(CURRENT)
    path.write_bytes(net_of(V0).SerializeToString())
    assert proto.read_net(path) == net_of(CURRENT)
    assert len(proto.read_net(path, upgrade=False).layers) == 10


def test_blobs_go_along() -> None:
    old = net_of(V0)
    old.layers[1].layer.blobs.add(num=96, channels=3, height=11, width=11, data=[1.0, 2.0])
    proto.upgrade_net(old)
    assert list(old.layer[1].blobs[0].data) == [1.0, 2.0]


def test_input_fields_become_an_input_layer() -> None:
    by_dims = net_of('input: "a" input: "b" input_dim: [1, 3, 4, 5, 2, 1, 6, 7]', upgrade=True)
    by_shapes = net_of(
        'input: "a" input: "b" input_shape { dim: [1, 3, 4, 5] } input_shape { dim: [2, 1, 6, 7] }', upgrade=True
    )
    layer = 'layer { name: "input" type: "Input" top: "a" top: "b" input_param { %s } }'
    assert by_dims == by_shapes == net_of(layer % "shape { dim: [1, 3, 4, 5] } shape { dim: [2, 1, 6, 7] }")


def test_batch_norms_statistics_cease_to_be_learnable() -> None:
    net = net_of('layer { name: "bn" type: "BatchNorm" param { lr_mult: 1 } param {} param {} }', upgrade=True)
    assert [(spec.lr_mult, spec.decay_mult) for spec in net.layer[0].param] == [(0, 0)] * 3


def test_a_current_net_stays_as_it_is() -> None:
    assert net_of(CURRENT, upgrade=True) == net_of(CURRENT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('layer { name: "a" } layers { name: "b" }', "both 'layer' and 'layers'"),
        ('layers { layer { name: "c" type: "conf" } }', r"layer 'c'.*'conf' \(did you mean conv"),
        ('layers { layer { name: "c" type: "conv" } } layers { name: "d" type: RELU }', "layer 'd'.*V1.*V0"),
        (
            'layers { layer { name: "p" type: "padding" } bottom: "x" top: "p" }'
            'layers { layer { name: "r" type: "relu" } bottom: "p" top: "r" }',
            "layer 'r'.*padding layer 'p'",
        ),
        ('input: "x" input_dim: [1, 3, 4]', "input 'x'"),
        ('input: "x" input: "y" input_shape { dim: 1 }', "input 'x'.*2 inputs"),
    ],
)
def test_a_net_that_makes_no_sense_is_refused_by_the_layers_name(text: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        net_of(text, upgrade=True)


def test_what_a_layer_cannot_say_any_more_is_told() -> None:
    net = net_of('layers { layer { name: "r" type: "relu" stride: 3 } bottom: "x" top: "x" }')
    assert [note for note in proto.upgrade_net(net) if "'r'" in note and "'stride'" in note]


def test_a_solver_names_its_type(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "x" solver_type: ADADELTA')
    assert proto.read_solver(path).type == "AdaDelta"
    assert not proto.read_solver(path).HasField("solver_type")
    path.write_text('net: "x" solver_type: ADADELTA type: "SGD"')
    with pytest.raises(NetError, match="solver: has both"):
        proto.read_solver(path)


# Against Caffe's own tools.


@pytest.mark.caffe
@pytest.mark.parametrize("kind", message("SolverParameter").DESCRIPTOR.enum_types_by_name["SolverType"].values_by_name)
def test_solver_types_are_called_as_caffe_calls_them(kind: str, caffe_prefix: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.prototxt", tmp_path / "new.prototxt"
    old.write_text(f'net: "x" base_lr: 0.1 solver_type: {kind}')
    subprocess.run([caffe_prefix / "bin" / "upgrade_solver_proto_text", old, new], check=True, capture_output=True)
    assert proto.read_solver(old) == proto.read_solver(new, upgrade=False)


@pytest.mark.caffe
def test_every_field_of_every_type_goes_where_caffe_puts_it(caffes_upgrade: Judge) -> None:
    v1, v0 = proto.NetParameter(), proto.NetParameter(input=["x"], input_dim=[1] * 4)
    for kind in proto.V1LayerParameter.DESCRIPTOR.enum_types_by_name["LayerType"].values:
        v1.layers.append(full(proto.V1LayerParameter, type=kind.number))
    for name in V0_TYPES:
        v0.layers.add(bottom=["x"], top=[name], layer=full(message("V0LayerParameter"), type=name))
    for net in (v1, v0):
        expected = caffes_upgrade(net)
        proto.upgrade_net(net)
        assert len(net.layer) > 24
        assert net == expected


def full(kind: Any, **fixed: Any) -> Any:
    """A message with every field of BVLC's set to something that is not its default."""
    made = kind()
    for field in kind.DESCRIPTOR.fields:
        if field.name in _LEFT_OUT or field.number >= PRIVATE:
            continue
        value = fixed.get(field.name) or _something(field)
        if not field.has_presence:
            getattr(made, field.name).extend([value, value])
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(value)
        else:
            setattr(made, field.name, value)
    return made


def _something(field: Any) -> Any:
    if field.message_type is not None:
        return full(message(field.message_type.name))
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.cpp_type == field.CPPTYPE_STRING:
        return field.name
    if field.cpp_type == field.CPPTYPE_BOOL:
        return not field.default_value
    return field.number + (0.5 if field.cpp_type == field.CPPTYPE_FLOAT else 0)


def messages(kind: Any, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages of a class with any of BVLC's fields, set to anything; ``fixed`` ones as given."""
    bvlcs = [field for field in kind.DESCRIPTOR.fields if field.number < PRIVATE]
    fields = {field.name: _values(field) for field in bvlcs if field.name not in _LEFT_OUT}
    return st.fixed_dictionaries(fixed, optional={k: v for k, v in fields.items() if k not in fixed}).map(
        lambda values: kind(**values)
    )


_LEFT_OUT = {"layer", "blobs"}


def _values(field: Any) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        one = st.deferred(lambda: messages(message(field.message_type.name)))
    elif field.enum_type is not None:
        one = st.sampled_from([value.number for value in field.enum_type.values])
    else:
        one = _SCALARS[field.cpp_type]
    return one if field.has_presence else st.lists(one, min_size=1, max_size=3)


_INTEGERS = st.integers(0, 100)
_SCALARS = {
    1: _INTEGERS,
    2: _INTEGERS,
    3: _INTEGERS,
    4: _INTEGERS,
    6: st.floats(width=32, allow_nan=False, allow_infinity=False),
    7: st.booleans(),
    9: st.text("abc_/.'\"\\", max_size=5),
}
_BLOBS = st.lists(st.sampled_from("xyz"), max_size=2)


@st.composite
def v1_nets(draw: st.DrawFn) -> Any:
    layers = draw(st.lists(messages(proto.V1LayerParameter), min_size=1, max_size=6))
    inputs = draw(st.lists(st.sampled_from("xyz"), max_size=2))
    dims = draw(st.lists(_INTEGERS, min_size=4 * len(inputs), max_size=4 * len(inputs)))
    return proto.NetParameter(layers=layers, input=inputs, input_dim=dims)


@st.composite
def v0_nets(draw: st.DrawFn) -> Any:
    layer = messages(message("V0LayerParameter"), type=st.sampled_from(V0_TYPES))
    net = proto.NetParameter(input=["x", "y", "z"], input_dim=[1] * 12)
    for old in draw(st.lists(layer, min_size=1, max_size=8)):
        if draw(st.booleans()) and old.type in ("conv", "pool"):
            net.layers.add(bottom=["x"], top=["padded"]).layer.MergeFrom(
                message("V0LayerParameter")(name="pad", type="padding", pad=draw(_INTEGERS))
            )
            net.layers.add(bottom=["padded"], top=draw(_BLOBS), layer=old)
        else:
            net.layers.add(bottom=draw(_BLOBS), top=draw(_BLOBS), layer=old)
    return net


V0_TYPES = """
accuracy bnll concat conv data dropout euclidean_loss flatten hdf5_data hdf5_output im2col images infogain_loss
innerproduct lrn multinomial_logistic_loss pool relu sigmoid softmax softmax_loss split tanh window_data
""".split()  # noqa: SIM905


@pytest.mark.caffe
@settings(  # without shrinking: with a process per try it would take minutes
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(net=v1_nets() | v0_nets())
def test_any_old_net_comes_out_as_caffe_makes_it(net: Any, caffes_upgrade: Judge) -> None:
    expected = caffes_upgrade(net)
    proto.upgrade_net(net)
    assert without_empty(net) == without_empty(expected)


def without_empty(net: Any) -> Any:
    """Caffe gives every data layer an empty transform_param where one of them needs an upgrade."""
    for layer in net.layer:
        for field, value in layer.ListFields():
            if field.name.endswith(("data_param", "transform_param")) and not value.ListFields():
                layer.ClearField(field.name)
    return net


@pytest.mark.caffe
def test_old_statistics_and_padding_as_caffe_upgrades_them(caffes_upgrade: Judge) -> None:
    old = net_of('layer { name: "bn" type: "BatchNorm" param { name: "m" lr_mult: 1 } param {} param { lr_mult: 2 } }')
    assert caffes_upgrade(net_of(V0)) == net_of(CURRENT)
    expected = caffes_upgrade(old)
    proto.upgrade_net(old)
    assert old == expected
