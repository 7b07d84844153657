"""Caffemodels whose bytes were changed: taken and refused as protobuf's own parser takes and refuses them."""

from __future__ import annotations

import itertools
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st

from caffe_fcn import surgery
from caffe_fcn.errors import CaffeFcnError, WeightsError
from caffe_fcn.proto import LayerParameter, NetParameter, checking, message, wire

INT_MAX = 2**31 - 1


def field(number: int, kind: int, content: bytes) -> bytes:
    return wire.encode_key(number, kind) + (wire.encode_varint(len(content)) if kind == wire.BYTES else b"") + content


def small_net() -> NetParameter:
    net = NetParameter(name="n", input=["data"], input_dim=[1, 1, 2, 2])
    conv = net.layer.add(name="conv", type="Convolution", bottom=["data"], top=["conv"], loss_weight=[0.5])
    conv.convolution_param.num_output = 2
    conv.convolution_param.kernel_size.append(1)
    conv.convolution_param.weight_filler.type = "xavier"
    conv.param.add(lr_mult=2)
    conv.blobs.add(data=[1, -2], diff=[0.5, 4], shape={"dim": [2, 1, 1, 1]})
    conv.blobs.add(double_data=[3, 300], shape={"dim": [2]})
    fc = net.layer.add(name="fc", type="InnerProduct")
    fc.blobs.add(num=1, channels=1, height=1, width=2, data=[7, 8])
    return net


def old_net(age: int) -> NetParameter:
    net = NetParameter(name="n")
    outer = net.layers.add(bottom=["data"], top=["conv"])
    layer = outer if age == 1 else outer.layer
    layer.name = "conv"
    layer.type = 4 if age == 1 else "conv"
    if age == 1:
        layer.convolution_param.num_output = 2
    else:
        layer.num_output = 2
    layer.blobs.add(num=2, channels=1, height=1, width=1, data=[1, 2])
    return net


SEEDS = [small_net().SerializeToString(), old_net(1).SerializeToString(), old_net(0).SerializeToString()]

# What changes a message's meaning, or ends it, at once
SNIPPETS = [
    *(bytes([number << 3 | kind]) for number in range(8) for kind in range(8)),
    *(b"\x80" * count + b"\x01" for count in (4, 5, 9, 10)),
    *(b"\xff" * count + b"\x0f" for count in (4, 9)),
    field(2, 3, b"\x08\x01") + wire.encode_key(2, 4),
    wire.encode_key(5, 5) + b"\x00\x00\x80\x3f",
    field(5, 2, b"\x00\x00\x80\x3f"),
    field(7, 2, field(1, 0, b"\x03")),
    field(7, 2, b"\x0a\x02\x01\x02"),
    wire.encode_key(1, 0) + b"\x02",
]


@st.composite
def changed(draw) -> bytes:
    """A small model with some bytes changed; lengths around them are kept right in half of the cases."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "set", "cut", "drop", "insert", "overwrite"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + draw(st.integers(1, 8))]
            case "insert":
                data[at:at] = draw(st.sampled_from(SNIPPETS))
            case "overwrite":
                snippet = draw(st.sampled_from(SNIPPETS))
                data[at : at + len(snippet)] = snippet
    return bytes(data)


numbers = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 100, 106, 2**29 - 1])
varints = st.one_of(st.integers(0, 4), st.integers(0, 2**64 - 1)).map(wire.encode_varint)


def messages(depth: int) -> st.SearchStrategy[bytes]:
    """Messages of any fields, well framed, whatever the schema makes of them."""
    inner = st.one_of(st.binary(max_size=9), messages(depth - 1)) if depth else st.binary(max_size=9)
    one = st.one_of(
        st.builds(field, numbers, st.just(wire.VARINT), varints),
        st.builds(field, numbers, st.just(wire.BYTES), inner),
        st.builds(field, numbers, st.just(wire.FIXED32), st.binary(min_size=4, max_size=4)),
        st.builds(field, numbers, st.just(wire.FIXED64), st.binary(min_size=8, max_size=8)),
        st.builds(lambda number, body: wire.encode_key(number, 3) + body + wire.encode_key(number, 4), numbers, inner),
    )
    return st.lists(one, max_size=4).map(b"".join)


def in_a_blob(inner: bytes) -> bytes:
    return field(100, 2, field(1, 2, b"made") + field(7, 2, inner))


models = st.one_of(
    changed(),
    messages(3),
    messages(2).map(lambda body: field(100, 2, body)),
    messages(1).map(in_a_blob),
    st.lists(st.sampled_from(SNIPPETS), max_size=5).map(lambda parts: in_a_blob(b"".join(parts))),
)


def parsed(data: bytes) -> NetParameter | None:
    try:
        return NetParameter.FromString(data)
    except DecodeError:
        return None


def values_of(blob) -> np.ndarray | None:
    """What Caffe's Blob::FromProto makes of a parsed blob; None where it aborts."""
    old = [name for name in ("num", "channels", "height", "width") if blob.HasField(name)]
    values = np.array(blob.double_data, "f8") if blob.double_data else np.array(blob.data, "f4")
    if old:
        shape = [blob.num, blob.channels, blob.height, blob.width]
    elif blob.HasField("shape"):
        shape = list(blob.shape.dim)
    else:  # Caffe takes one value only; ours several, along one axis
        shape = [] if len(values) == 1 else [len(values)]
    if max(len(shape), len(blob.shape.dim)) > 32 or not all(0 <= side <= INT_MAX for side in shape):
        return None
    return values.reshape(shape) if math.prod(shape) == len(values) else None


def expected(net: NetParameter) -> list[tuple[str, int, np.ndarray]] | None:
    """Every parameter of a net of the current format; None where it is none that can be used."""
    if (
        not net.layer
        or net.layers
        or any(isinstance(each, bytes) for layer in net.layer for each in (layer.name, layer.type))
    ):
        return None
    found = [(layer.name, at, values_of(blob)) for layer in net.layer for at, blob in enumerate(layer.blobs)]
    return None if any(values is None for _, _, values in found) else found


def read(path: Path) -> list[tuple[str, int, np.ndarray]] | None:
    try:
        with surgery.open_weights(path) as weights:
            return [(layer, index, tensor.load()) for layer, index, tensor in weights]
    except CaffeFcnError as error:
        assert "\n" not in str(error)
        passed_over_by_python(parsed(path.read_bytes()) is not None, error)
        return None


def passed_over_by_python(taken: bool, error: Exception) -> None:
    """Leave out what only protobuf's Python takes, and not the C++ in Caffe (see the test of number 0)."""
    if taken and "field number 0" in str(error):
        reject()


def without_ones(shape: tuple[int, ...]) -> list[int]:
    """A shape without the axes of 1 that the old formats put before it."""
    return list(itertools.dropwhile(lambda side: side == 1, shape))


def nvidias(net: NetParameter) -> bool:
    """Whether a blob has fields that BVLC's Caffe passes over and we read."""
    blobs = [blob for layer in net.layer for blob in layer.blobs]
    return any(each.field_number in range(10, 14) for blob in blobs for each in UnknownFieldSet(blob))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(models)
@example(field(100, 2, field(1, 2, b"a")) + field(2, 3, b"") + wire.encode_key(2, 4))
@example(in_a_blob(field(6, 2, b"1234567")))
@example(in_a_blob(field(7, 0, b"\x07") + field(5, 2, b"1234")))
@example(in_a_blob(field(1, 0, wire.encode_varint(2**32 + 1)) + field(4, 0, b"\x00")))
@example(field(100, 2, field(1, 2, b"a") + field(106, 2, field(7, 2, b"\x0a\xff"))))
@example(field(100, 2, field(1, 2, b"a") + field(106, 2, b"\x08")))
@example(b"\xa2\x86\x80\x80\x80\x00\x03" + field(1, 2, b"a"))
@example(b"\xa2\x06\x83\x80\x80\x80\x80\x00" + field(1, 2, b"a"))
def test_a_model_is_taken_and_refused_as_protobuf_and_caffe_do_and_holds_the_same_values(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "changed.caffemodel"
    path.write_bytes(data)
    net = parsed(data)
    ours = read(path) if data else None
    if net is None:
        assert ours is None
        return
    assume(not nvidias(net))
    if net.layers:  # the old formats: their upgrade may refuse what parses
        return
    theirs = expected(net)
    assert (ours is None) == (theirs is None)
    for (*here, values), (*there, wanted) in zip(ours or (), theirs or (), strict=True):
        assert here == there
        assert without_ones(values.shape) == without_ones(wanted.shape)
        np.testing.assert_array_equal(values.ravel(), wanted.ravel())


@pytest.mark.parametrize("deep", [97, 98, 99, 100, 101])
@pytest.mark.parametrize("around", [0, 1, 2])
def test_groups_lie_as_deep_as_protobuf_allows(tmp_path, deep, around):
    groups = b"\x0b" * deep + b"\x0c" * deep
    data = field(100, 2, field(1, 2, b"a"))
    data += (groups, field(100, 2, groups), in_a_blob(groups + field(5, 2, b"1234")))[around]
    (tmp_path / "w").write_bytes(data)
    assert (read(tmp_path / "w") is None) == (parsed(data) is None)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.one_of(messages(3), changed()), st.sampled_from(["NetParameter", "LayerParameter", "SolverParameter"]))
def test_the_check_without_protobuf_refuses_what_protobuf_refuses(data, name):
    kind = message(name)
    try:
        kind.FromString(data)
        taken = True
    except DecodeError:
        taken = False
    try:
        checking.check(data, name, 0, len(data))
        ours = True
    except wire.WireError as error:
        ours = False
        passed_over_by_python(taken, error)
    assert ours == taken


@pytest.mark.caffe
def test_a_field_of_number_0_in_a_group_is_refused_as_caffes_protobuf_refuses_it(caffe_prefix, tmp_path):
    for name, inner in (("number 1", b"\x08\x00"), ("number 0", b"\x00\x00")):
        path = tmp_path / name
        path.write_bytes(old_net(1).SerializeToString() + wire.encode_key(130, 3) + inner + wire.encode_key(130, 4))
        tool = [caffe_prefix / "bin" / "upgrade_net_proto_binary", path, tmp_path / "out"]
        taken = b"Failed to parse" not in subprocess.run(tool, capture_output=True).stderr
        assert taken == (name == "number 1")
        if taken:
            assert read(path) is not None
        else:
            with pytest.raises(WeightsError, match="field number 0"):
                surgery.open_weights(path)


def test_names_that_are_not_utf8_are_a_line_in_models_of_all_ages(tmp_path):
    for age in (0, 1, 2):
        data = (old_net(age) if age < 2 else small_net()).SerializeToString()
        for name in (b"conv", b"data"):
            (tmp_path / "w").write_bytes(data.replace(name, name[:2] + b"\xff" + name[3:]))
            if age == 2 and name == b"data":  # what is no layer's name goes from file to file as it is
                surgery.convert(tmp_path / "w", tmp_path / "out.caffemodel")
                assert b"da\xffa" in (tmp_path / "out.caffemodel").read_bytes()
            else:
                with pytest.raises(CaffeFcnError, match="not UTF-8"):
                    surgery.open_weights(tmp_path / "w")


def test_what_protobuf_keeps_as_unknown_is_kept_when_a_model_is_converted(tmp_path):
    stray = field(1, 0, b"\x05") + field(9, 3, b"\x08\x01") + wire.encode_key(9, 4)
    layer = field(100, 2, field(1, 2, b"a") + stray + field(7, 2, field(5, 2, b"1234")))
    (tmp_path / "w.caffemodel").write_bytes(stray + layer)
    surgery.convert(tmp_path / "w.caffemodel", tmp_path / "out.caffemodel")
    ours, theirs = (NetParameter.FromString((tmp_path / n).read_bytes()) for n in ("out.caffemodel", "w.caffemodel"))
    for a, b in ((ours, theirs), (ours.layer[0], theirs.layer[0])):
        assert [each.field_number for each in UnknownFieldSet(a)] == [each.field_number for each in UnknownFieldSet(b)]
    assert isinstance(ours.layer[0], LayerParameter)
