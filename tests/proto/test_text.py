"""Prototxts in and out, against protobuf's own text format; and what a typo is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import proto
from caffe_fcn.errors import FileError, PrototxtError

NUMBERS = st.floats(width=32, allow_nan=False) | st.sampled_from([1e-4, 1e-10, 0.1, 104.00699, -0.0, float("inf")])
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@st.composite
def messages(draw) -> proto.NetParameter:
    net = proto.NetParameter(name=draw(TEXT))
    for _ in range(draw(st.integers(0, 3))):
        layer = net.layer.add(name=draw(TEXT), type=draw(TEXT), phase=draw(st.sampled_from([0, 1])))
        layer.loss_weight.extend(draw(st.lists(NUMBERS, max_size=3)))
        layer.bottom.extend(draw(st.lists(TEXT, max_size=2)))
        layer.convolution_param.pad.extend(draw(st.lists(st.integers(0, 2**32 - 1), max_size=3)))
        layer.convolution_param.bias_term = draw(st.booleans())
        layer.blobs.add().double_data.extend(draw(st.lists(st.floats(allow_nan=False), max_size=2)))
        layer.include.add(stage=draw(st.lists(TEXT, max_size=2)))
        layer.input_param.shape.add(dim=draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2)))
        layer.lrn_param.alpha = draw(NUMBERS)
    return net


@given(net=messages())
def test_what_is_written_reads_back_by_us_and_by_protobuf(net: proto.NetParameter) -> None:
    text = proto.to_text(net)
    ours, theirs = proto.NetParameter(), proto.NetParameter()
    proto.parse(text, ours)
    text_format.Parse(text, theirs)
    assert ours == theirs == net


FORMS = """
name: 'single' "joined" # a comment
layer < name: "angle"; type: "Input", top: ["a", "b"] input_param: { shape: [{dim: 1}, {dim: 0x10 dim: 010}] } >
layer { name: "escapes \\n \\t \\101 \\x41 \\' \\" \\\\" loss_weight: -1.5e-3 loss_weight: 2f loss_weight: .5
  loss_weight: -inf loss_weight: 3 propagate_down: t propagate_down: 0 propagate_down: False phase: TEST
  pooling_param { pool: 1 } }
"""


def test_the_forms_of_the_grammar_mean_what_protobuf_says_they_mean() -> None:
    ours, theirs = proto.NetParameter(), proto.NetParameter()
    proto.parse(FORMS, ours)
    text_format.Parse(FORMS, theirs)
    assert ours == theirs
    assert list(ours.layer[0].input_param.shape[1].dim) == [16, 8]


# What C++ protobuf, which Caffe reads with, refuses, and Python's lets pass: the last is 2ff for a number
LAX = ("given twice", "unknown escape", "cannot read '2ff")


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence")
@settings(max_examples=300)
@given(data=st.data())
def test_what_protobuf_refuses_is_refused_in_one_line(data: st.DataObject) -> None:
    """Any one character of a sound file changed, left out or doubled: both accept it, or both refuse it."""
    place = data.draw(st.integers(0, len(FORMS) - 1))
    new = data.draw(st.sampled_from(["", FORMS[place] * 2, "}", "{", '"', ":", "x", "9", "\n", "-"]))
    text = FORMS[:place] + new + FORMS[place + 1 :]
    theirs = proto.NetParameter()
    try:
        text_format.Parse(text, theirs)
    except (text_format.ParseError, UnicodeDecodeError):
        theirs = None
    ours = proto.NetParameter()
    try:
        proto.parse(text, ours, "net.prototxt")
    except PrototxtError as error:
        assert "\n" not in str(error) and str(error).startswith("net.prototxt:")
        assert theirs is None or any(each in str(error) for each in LAX)
    else:
        assert theirs is not None and ours == theirs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layer {\n  name: "a"\n  tpye: "b"\n}',
            r"net:3:3: LayerParameter has no field 'tpye' \(did you mean type\?\)",
        ),
        ('nme: "a"\nlayer { foo: 1 }', r"net:1:1: .*'nme', and 1 more: 'foo' at 2:9"),
        ('layer { name: "a"', r"net:1:7: '\}' of LayerParameter is missing"),
        ("layer { phase: TRIAN }", r"net:1:16: phase has no value 'TRIAN' \(did you mean TRAIN\?\)"),
        ("layer { convolution_param { pad: -1 } }", "net:1:34: pad: -1 is out of range"),
        ("layer { convolution_param { pad: 1.5 } }", "net:1:34: pad takes a whole number, not '1.5'"),
        ('name: "x" name: "y"', "net:1:11: 'name' is given twice"),
        ('name: "x\n', "net:1:7: the string is not closed"),
        ("layer {" * 70, "nested deeper than 64"),
        ("name: x", "net:1:7: name takes a string in quotes"),
        ('layer { top: "\\xff" }', "net:1:14: top is not UTF-8"),
    ],
)
def test_a_mistake_is_told_with_line_column_and_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(PrototxtError, match=message):
        proto.parse(text, proto.NetParameter(), "net")


def test_unicode_escapes_are_code_points() -> None:
    net = proto.NetParameter()
    proto.parse(r'name: "caf\u00e9 \U0001f600"', net)
    assert net.name == "café \N{GRINNING FACE}"


def test_unknown_fields_are_kept_on_request_and_named() -> None:
    text = 'name: "x" detect { a: [1, 2] b < c: "d" > } layer { name: "l" colour: RED # so\n bottom: "b" shade: -3 }'
    net = proto.NetParameter()
    unknown = proto.parse(text, net, "net", allow_unknown=True)
    assert net.name == "x" and net.layer[0].name == "l"
    assert [str(field) for field in unknown] == [
        "net:1:11: NetParameter has no field 'detect'",
        "net:1:63: LayerParameter has no field 'colour'",
        "net:2:14: LayerParameter has no field 'shade'",
    ]
    assert list(net.kept_fields) == ['detect { a: [1, 2] b < c: "d" > }']
    assert list(net.layer[0].kept_fields) == ["colour: RED", "shade: -3"]
    again = proto.NetParameter()
    proto.parse(proto.to_text(net), again, "net", allow_unknown=True)
    assert again == net


def test_binary_nets_are_read_without_their_weights(tmp_path: Path) -> None:
    net = proto.NetParameter(name="n")
    net.layer.add(name="c", type="Convolution").blobs.add().data.extend([1.0] * 1000)
    net.layers.add(name="v1").blobs.add().data.extend([1.0] * 1000)
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net.SerializeToString())
    found = proto.read_net(path, upgrade=False)
    assert [layer.name for layer in found.layer] == ["c"] and not found.layer[0].blobs
    assert [layer.name for layer in found.layers] == ["v1"] and not found.layers[0].blobs


@pytest.mark.parametrize("content", [b"", b"   \n", b"\x00\x01\x02", b"\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f\x01"])
def test_what_is_no_net_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)
    with pytest.raises(PrototxtError, match=r"net\.prototxt"):
        proto.read_net(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        proto.read_net(tmp_path / "no.prototxt")
    with pytest.raises(FileError, match="is a directory"):
        proto.read_net(tmp_path)
