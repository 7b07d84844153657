"""Nets of Caffe's forks: read by name, written back with nothing lost. The judge of what a text says is a reader of
its own, which knows the grammar and no schema."""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import ROOT

from caffe_fcn import proto
from caffe_fcn.errors import PrototxtError
from caffe_fcn.proto.dialects import table

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


def test_every_fork_of_the_table_has_a_source() -> None:
    named = {fork for row in table.fork_fields() for fork in row.forks}
    assert named <= table.FORKS.keys() and set(table.ALIASES.values()) <= table.FORKS.keys()


def test_no_fork_gives_one_number_to_two_fields_of_a_message() -> None:
    numbers = Counter(
        (row.message, fork, number) for row in table.fork_fields() for fork, number in row.forks.items() if number
    )
    assert [place for place, count in numbers.items() if count > 1] == []
