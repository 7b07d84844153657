"""Nets of Caffe's forks: read by name, written back with nothing lost. The judge of what a text says is a reader of
its own, which knows the grammar and no schema."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import ROOT
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn import proto
from caffe_fcn.errors import PrototxtError
from caffe_fcn.proto import numbered_fields, wire
from caffe_fcn.proto.dialects import numbering, table
from caffe_fcn.proto.dialects.foreign import find_foreign_layer

PROTO = ROOT / "caffe_fcn/proto"
PUBLIC_NETS = ROOT.parent / "shared/facts/forks/nets"
TOKEN = re.compile(
    r"""\s+|\#[^\n]*|([A-Za-z_]\w*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|-?[\d.][\w.+-]*|[\[\]{}<>:,;-])"""
)


def tree(text: str) -> dict[str, list[Any]]:
    """The fields of a prototxt, name -> values, without any schema."""
    tokens = [match[1] for match in TOKEN.finditer(text) if match[1]]
    return _message(tokens, 0, "")[0]


def _message(tokens: list[str], at: int, closer: str) -> tuple[dict[str, list[Any]], int]:
    fields: dict[str, list[Any]] = {}
    while at < len(tokens) and tokens[at] != closer:
        name, at = tokens[at], at + 1
        if tokens[at] == ":":
            at += 1
        values = fields.setdefault(name, [])
        if tokens[at] == "[":
            at += 1
            while tokens[at] != "]":
                value, at = _value(tokens, at)
                values.append(value)
                at += tokens[at] == ","
            at += 1
        else:
            value, at = _value(tokens, at)
            values.append(value)
        if at < len(tokens) and tokens[at] in ",;":
            at += 1
    return fields, at


def _value(tokens: list[str], at: int) -> tuple[Any, int]:
    token = tokens[at]
    if token in "{<":
        value, at = _message(tokens, at + 1, "}" if token == "{" else ">")
        return value, at + 1
    if token[0] in "\"'":
        pieces = ""
        while at < len(tokens) and tokens[at][0] in "\"'":
            pieces, at = pieces + tokens[at][1:-1], at + 1
        return re.sub(r"\\(['\"])", r"\1", pieces), at
    if token == "-":
        token, at = "-" + tokens[at + 1], at + 1
    try:
        return struct.unpack("<f", struct.pack("<f", float(token.rstrip("fF"))))[0], at + 1
    except (ValueError, OverflowError):
        return {"True": "true", "t": "true", "False": "false", "f": "false"}.get(token, token), at + 1


def says_the_same(a: dict[str, list[Any]], b: dict[str, list[Any]]) -> bool:
    return a.keys() == b.keys() and all(
        len(a[name]) == len(b[name]) and all(map(_is_same, a[name], b[name])) for name in a
    )


def _is_same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return says_the_same(a, b)
    return bool(a == b or (isinstance(a, float) and isinstance(b, str) and (b, int(a)) in ENUMS))


# The numbers that stand for a name somewhere in Caffe; LINEAR is of SSD's
ENUMS = {(name, int(number)) for name, number in re.findall(r"(\w+) = (\d);", (PROTO / "caffe.proto").read_text())}
ENUMS |= {("false", 0), ("true", 1), ("LINEAR", 1)}


LAYER = 'layer { name: "x" type: "%s" bottom: "a" top: "b" %s }'


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        ("Interp", "interp_param { zoom_factor: 8 pad_beg: -1 }"),
        ("BN", "bn_param { bn_mode: INFERENCE scale_filler { type: 'constant' value: 1 } }"),
        ("BN", "bn_param { frozen: true slope_filler { value: 1 } momentum: 0.95 }"),
        ("BatchNorm", "batch_norm_param { scale_bias: true } forward_type: FLOAT16"),
        ("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 ceil_mode: false engine: MKLDNN }"),
        ("Upsample", "upsample_param { scale: 2.0 }"),  # a whole number in most forks
        ("Convolution", "convolution_param { num_output: 3 kernel_size: 3 hole: 2 }"),
        ("Unheard", "unheard_param { deep { list: [1, 2] < text: 'a' > } }"),
    ],
)
def test_what_forks_have_is_read_by_its_name_and_written_back(layer: str, settings: str) -> None:
    text = LAYER % (layer, settings.replace("< text: 'a' >", 'more < text: "a" >'))
    net = proto.NetParameter()
    assert proto.parse(text, net) == []
    assert says_the_same(tree(text), tree(proto.to_text(net)))


def test_what_a_layer_of_bvlcs_does_not_have_is_an_error_still() -> None:
    with pytest.raises(PrototxtError, match=r"PoolingParameter has no field 'kernel_sise'.*did you mean kernel_size"):
        proto.parse(LAYER % ("Pooling", "pooling_param { kernel_sise: 3 }"), proto.NetParameter())


def test_layers_of_old_nets_have_the_types_of_forks() -> None:
    text = """layers { name: "i" type: INTERP bottom: "a" top: "b" interp_param { zoom_factor: 2 } }
        layers { name: "s" type: "Softmax" bottom: "b" top: "c" }
        layers { name: "n" type: "BatchNorm" bottom: "c" top: "d" batch_norm_param { eps: 1e-3 } }
        layers { name: "d" type: IMAGE_SEG_DATA top: "e" image_data_param { label_type: PIXEL shade: 3 } }"""
    net = proto.NetParameter()
    proto.parse(text, net, allow_unknown=True)
    assert proto.upgrade_net(net) == []
    assert [layer.type for layer in net.layer] == ["Interp", "Softmax", "BatchNorm", "ImageSegData"]
    assert net.layer[0].interp_param.zoom_factor == 2 and not net.layer[0].kept_fields
    assert net.layer[2].batch_norm_param.eps == pytest.approx(1e-3)
    assert list(net.layer[3].image_data_param.kept_fields) == ["shade: 3"]


@pytest.mark.parametrize("path", sorted(PUBLIC_NETS.glob("*.prototxt")), ids=lambda path: path.stem)
def test_a_public_net_is_read_and_written_back_with_nothing_lost(path: Path) -> None:
    text = path.read_text()
    if "${" in text:
        pytest.skip("a template of DeepLab's scripts, which put numbers into it")
    read = proto.read_net(path, upgrade=False)
    assert says_the_same(tree(text), tree(proto.to_text(read)))


def encode(*fields: tuple[int, int | bytes]) -> bytes:
    """A message from numbers and values, by the wire format's own rules."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += wire.encode_key(number, wire.VARINT) + wire.encode_varint(value)
        else:
            out += wire.encode_bytes(number, value)
    return out


def layer(type_name: str, number: int, settings: bytes) -> bytes:
    """A net of one layer, with its settings under a fork's number."""
    return encode((100, encode((1, b"x"), (2, type_name.encode()), (3, b"a"), (4, b"b"), (number, settings))))


INTERP = layer("Interp", 143, encode((3, 8), (5, 2**64 - 1)))  # zoom_factor 8, pad_beg -1, of PSPNet and DeepLab v2
PERMUTE = layer("Permute", 202, encode((1, 0), (1, 2), (1, 3), (1, 1)))  # order, of SSD
SEGNETS = layer("BN", 45, encode((3, 1), (1, encode((1, b"constant")))))  # bn_mode INFERENCE, scale_filler
POOLING = layer("Pooling", 121, encode((2, 3), (13, 1)))  # kernel_size; round_mode FLOOR, or ceil_mode true


@pytest.mark.parametrize(
    ("net", "fork", "said"),
    [
        (INTERP, "pspnet", "zoom_factor: 8 pad_beg: -1"),
        (INTERP, "icnet", "zoom_factor: 8 pad_beg: -1"),
        (INTERP, "", "zoom_factor: 8 pad_beg: -1"),
        (PERMUTE, "ssd", "order: 0 order: 2 order: 3 order: 1"),
        (PERMUTE, "", "order: 0 order: 2 order: 3 order: 1"),
        (SEGNETS, "", 'bn_mode: INFERENCE scale_filler { type: "constant" }'),
        (POOLING, "", "kernel_size: 3 round_mode: FLOOR"),
        (POOLING, "cascade-rcnn", "kernel_size: 3 ceil_mode: true"),
    ],
)
def test_a_binary_net_is_read_by_its_fork(tmp_path: Path, net: bytes, fork: str, said: str) -> None:
    path = tmp_path / "fork.caffemodel"
    path.write_bytes(net)
    read = tree(proto.to_text(proto.read_net(path, dialect=fork)))["layer"][0]
    (settings,) = (values[0] for name, values in read.items() if name.endswith("_param"))
    assert settings == tree(said)


@pytest.mark.parametrize(("net", "fork"), [(INTERP, "pspnet"), (PERMUTE, "ssd"), (SEGNETS, "segnet")])
def test_what_a_fork_wrote_is_written_in_its_numbers_again(net: bytes, fork: str) -> None:
    ours = numbering.to_ours(net, proto.NetParameter.DESCRIPTOR, fork)
    assert ours != net and numbering.to_forks(ours, proto.NetParameter.DESCRIPTOR, fork) == net


V1_INTERP = encode((2, encode((4, b"x"), (5, 41), (2, b"a"), (3, b"b"), (43, encode((3, 8))))))  # of DeepLab v1
V1_UNPOOLING = encode((2, encode((4, b"x"), (5, 42), (2, b"a"), (3, b"b"), (44, encode((12, 8))))))  # of DeconvNet
V1_LABELLED = encode((2, encode((4, b"x"), (5, 39), (3, b"b"))))  # 39: BVLC's DECONVOLUTION, DeepLab's IMAGE_SEG_DATA


@pytest.mark.parametrize(
    ("net", "fork", "kind"),
    [
        (V1_INTERP, "deeplab", "Interp"),
        (V1_INTERP, "", "Interp"),
        (V1_UNPOOLING, "deconvnet", "Unpooling"),
        (V1_UNPOOLING, "", "Unpooling"),
        (V1_LABELLED, "", "Deconvolution"),
        (V1_LABELLED, "deeplab", "ImageSegData"),
        (V1_LABELLED.replace(bytes([39]), bytes([46])), "deconvnet", "ImageSegData"),
    ],
)
def test_the_types_of_a_forks_v1_layers_are_read_by_its_numbers(
    tmp_path: Path, net: bytes, fork: str, kind: str
) -> None:
    """V1LayerParameter.LayerType of TheLegendAli/DeepLab-Context and of HyeonwooNoh/caffe."""
    path = tmp_path / "fork.caffemodel"
    path.write_bytes(net)
    assert [layer.type for layer in proto.read_net(path, dialect=fork).layer] == [kind]


def test_a_field_of_bvlcs_whose_number_a_fork_uses_comes_back() -> None:
    net = proto.NetParameter(layer=[{"name": "data", "type": "Input", "input_param": {"shape": [{"dim": [1, 3]}]}}])
    forks = numbering.to_forks(net.SerializeToString(), net.DESCRIPTOR, "pspnet")
    assert not proto.NetParameter.FromString(forks).layer[0].HasField("input_param")
    assert proto.NetParameter.FromString(numbering.to_ours(forks, net.DESCRIPTOR, "pspnet")) == net


def test_forks_that_would_read_a_net_differently_are_named_and_not_followed(tmp_path: Path, cli: Callable) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(layer("Crop", 148, encode((1, 2))))
    ran = cli("net", "upgrade", path, "-o", tmp_path / "net.prototxt")
    assert ran.status == 0 and "--dialect says whose, one of" in ran.err


def test_a_number_that_means_the_opposite_in_forks_is_said(cli: Callable, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(POOLING)
    ran = cli("net", "upgrade", path, "-o", tmp_path / "net.prototxt")
    assert "number 13 of pooling_param is read as BVLC's round_mode" in ran.err and "cascade-rcnn" in ran.err
    assert cli("net", "upgrade", path, "-o", tmp_path / "net.prototxt", "--dialect", "bvlc").err == ""


STRANGE = encode(
    (100, encode((1, b"x"), (2, b"Pooling"), (121, encode((2, 3), (1, 7), (77, 5))), (999, encode((3, 2**64 - 1))))),
    (5000, b"a text"),
) + bytes([0xBD, 0x3E, 1, 2, 3, 4, 0xB9, 0x3E, 1, 2, 3, 4, 5, 6, 7, 8])  # of four and of eight bytes


def test_what_a_binary_net_has_beyond_every_schema_survives_as_text(cli: Callable, tmp_path: Path) -> None:
    """The judge is protobuf, which keeps unknown fields as they are; 7 is no value of pool."""
    binary, text = tmp_path / "net.caffemodel", tmp_path / "net.prototxt"
    binary.write_bytes(STRANGE)
    assert cli("net", "upgrade", binary, "-o", text).status == 0
    for line in ("999 { 3: 18446744073709551615 }", "77: 5", "1: 7", '5000: "a text"', "999: 0x04030201"):
        assert line in text.read_text()
    assert "5 more: '77' at 7:5, '999' at 9:3" in cli("net", "show", text).err
    read = proto.read_net(text, allow_unknown=True)
    again = numbered_fields.restore_numbered(read.SerializeToString(), read.DESCRIPTOR)
    assert proto.NetParameter.FromString(again) == proto.NetParameter.FromString(STRANGE)


def encode_group(number: int, inside: bytes) -> bytes:
    return wire.encode_key(number, wire.GROUP) + inside + wire.encode_key(number, wire.END_GROUP)


NUMBERS, FOUR = st.integers(1000, 1010), st.binary(min_size=4, max_size=4)
FIELDS = st.recursive(
    st.builds(lambda number, value: encode((number, value)), NUMBERS, st.integers(0, 2**64 - 1)),
    lambda inner: st.lists(
        inner
        | st.builds(lambda number, value: encode((number, value)), NUMBERS, st.binary(max_size=6) | inner)
        | st.builds(lambda number, value: wire.encode_key(number, wire.FIXED32) + value, NUMBERS, FOUR)
        | st.builds(
            lambda number, value: wire.encode_key(number, 3) + value + wire.encode_key(number, 4), NUMBERS, inner
        )
    ).map(b"".join),
)


@given(st.lists(FIELDS).map(b"".join), st.lists(FIELDS).map(b"".join))
def test_any_unknown_fields_become_the_same_bytes_again(of_layer: bytes, of_net: bytes) -> None:
    data = encode((100, encode((1, b"x"), (2, b"Power")) + of_layer)) + of_net
    net = proto.NetParameter.FromString(data)
    numbered_fields.keep_numbered(net, data)
    read = proto.NetParameter()
    proto.parse(proto.to_text(net), read, allow_unknown=True)
    again = numbered_fields.restore_numbered(read.SerializeToString(), read.DESCRIPTOR)
    assert proto.NetParameter.FromString(again) == proto.NetParameter.FromString(data)


def test_surgery_writes_a_forks_net_in_the_forks_numbers(cli: Callable, tmp_path: Path) -> None:
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(
        """layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
        layer { name: "b" type: "BN" bottom: "a" top: "b" bn_param { bn_mode: LEARN scale_filler { value: 2 } } }
        layer { name: "p" type: "Pooling" bottom: "b" top: "p" top: "m" pooling_param { kernel_size: 2 stride: 2 } }
        layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u" upsample_param { scale: 2 } }"""
    )
    assert cli("surgery", "fill", "--to-net", net, "-o", weights).status == 0
    (layer,) = (each for each in proto.NetParameter.FromString(weights.read_bytes()).layer if each.name == "b")
    assert not layer.HasField("bn_param")
    assert b"\xea\x02" in weights.read_bytes()  # the key of field 45, segnet's bn_param
    assert proto.read_net(weights, dialect="segnet").layer[1].bn_param.scale_filler.value == 2


def test_the_fork_that_was_recognized_is_said(cli: Callable, tmp_path: Path) -> None:
    path, text, again = tmp_path / "net.caffemodel", tmp_path / "net.prototxt", tmp_path / "again.caffemodel"
    path.write_bytes(SEGNETS)
    ran = cli("net", "upgrade", path, "-o", text)
    assert "'segnet' (alexgkendall/caffe-segnet)" in ran.err and "bn_mode: INFERENCE" in text.read_text()
    assert cli("net", "upgrade", path, "-o", again, "--dialect", "segnet").err == ""
    assert proto.read_net(again, dialect="segnet") == proto.read_net(path)
    assert "did you mean segnet" in cli("net", "show", path, "--dialect", "segnett").err


def test_every_fork_of_the_table_has_a_source() -> None:
    named = {fork for row in table.fork_fields() for fork in row.forks}
    assert named <= table.FORKS.keys() and set(table.ALIASES.values()) <= table.FORKS.keys()


def test_no_fork_gives_one_number_to_two_fields_of_a_message() -> None:
    numbers = Counter(
        (row.message, fork, number) for row in table.fork_fields() for fork, number in row.forks.items() if number
    )
    assert [place for place, count in numbers.items() if count > 1] == []


def test_no_text_sets_the_field_that_keeps_others() -> None:
    with pytest.raises(PrototxtError, match="NetParameter has no field 'kept_fields'"):
        proto.parse('kept_fields: "colour: 3"', proto.NetParameter())


@pytest.mark.parametrize(
    "text", ['colour: 3 layer { name: "a" }', "colour: 3 }", "colour", "", "{", "# colour: 3", "\x00: 1"]
)
def test_what_a_binary_net_keeps_is_written_as_a_field_or_not_at_all(text: str) -> None:
    """A binary file of anybody may hold any text there; it must not become other fields of the net."""
    net = proto.NetParameter(name="n", kept_fields=[text])
    written = proto.to_text(net)
    assert len([line for line in written.splitlines() if line.startswith("kept_fields: ")]) == 1
    with pytest.raises(PrototxtError, match="has no field 'kept_fields'"):
        proto.parse(written, proto.NetParameter())


@pytest.mark.parametrize("content", [b'name: "a text"', proto.NetParameter(name="binary").SerializeToString()])
def test_a_fork_that_does_not_exist_is_refused_for_any_net(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(content)
    with pytest.raises(PrototxtError, match="no fork of Caffe is known as 'segnett' \\(did you mean segnet"):
        proto.read_net(path, dialect="segnett")


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ('type: "Convolution" convolution_param { num_output: 1 }', False),
        ('type: "Interp"', True),
        ('type: "Pooling" pooling_param { ceil_mode: false }', True),
        ('type: "Convolution" convolution_param { kernel_depth: 3 }', True),  # known by its name alone
        ('type: "MyOwn" my_own_param { shade: 3 }', False),
    ],
)
def test_what_only_forks_have_is_found(layer: str, found: bool) -> None:
    net = proto.NetParameter()
    proto.parse(f'layer {{ name: "x" {layer} }}', net, allow_unknown=True)
    assert (find_foreign_layer(net) is not None) == found
