"""A finding names the line of what is wrong, in every format of a net."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe_fcn import checks, netspec, proto
from caffe_fcn.proto.positions import Field, locate_fields


def line_with(text: str, wanted: str, after: str = "") -> int:
    return text.count("\n", 0, text.index(wanted, text.index(after))) + 1


def test_the_line_of_an_offset(tmp_path: Path) -> None:
    net = netspec.build("voc-fcn8s", "train")
    text = proto.to_text(net).replace("offset: 9", "offset: 10")
    (tmp_path / "train.prototxt").write_text(text)
    (found,) = checks.run(tmp_path / "train.prototxt", select=["FCN101"])
    assert found.place.line == line_with(text, "offset: 10")
    assert found.place.layer == "score_pool3c"


def test_the_line_of_a_layer_of_one_phase(tmp_path: Path) -> None:
    """The second of two layers of one name, in a net whose rules leave the first out."""
    text = proto.to_text(netspec.build("digits-fcn-alexnet", "all")).replace("offset: 18", "offset: 17")
    (tmp_path / "all.prototxt").write_text(text)
    (found,) = checks.run(tmp_path / "all.prototxt", select=["FCN101"])
    assert found.place.line == line_with(text, "offset: 17")


@pytest.mark.parametrize(
    "layer",
    [
        'layers { name: "one" type: POWER bottom: "data" top: "one" }\n'
        'layers { name: "two" type: POWER bottom: "none" top: "two" }',
        'layers { layer { name: "one" type: "relu" } bottom: "data" top: "one" }\n'
        'layers { layer { name: "two" type: "relu" } bottom: "none" top: "two" }',
    ],
    ids=["V1", "V0"],
)
def test_the_line_of_a_layer_of_an_old_net(layer: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(f'input: "data"\ninput_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n\n{layer}\n')
    (found,) = checks.run(path, select=["FCN133"])
    assert (found.place.line, found.place.layer) == (5, "two")


def test_a_binary_net_has_no_lines(tmp_path: Path) -> None:
    net = netspec.build("voc-fcn8s", "train")
    net.layer[-2].crop_param.offset[:] = [3]
    (tmp_path / "net.binary").write_bytes(net.SerializeToString())
    (found,) = checks.run(tmp_path / "net.binary", select=["FCN101"])
    assert str(found.place) == str(tmp_path / "net.binary")


@pytest.mark.parametrize("name", ["voc-fcn8s", "digits-fcn-alexnet", "voc-fcn32s-googlenet"])
def test_the_fields_of_a_text_are_those_that_the_parser_reads(name: str) -> None:
    """Judged by protobuf's own parser: as many fields of each name, with the same values."""
    net = netspec.build(name, "train")

    def count(fields: list[Field]) -> int:
        return sum(1 + count(each.fields) for each in fields)

    def count_message(message: object) -> int:
        total = 0
        for _, value in message.ListFields():  # type: ignore[attr-defined]
            many = list(value) if hasattr(value, "__len__") and not isinstance(value, (str, bytes)) else [value]
            total += sum(1 + (count_message(each) if hasattr(each, "ListFields") else 0) for each in many)
        return total

    fields = locate_fields(proto.to_text(net))
    assert count(fields) == count_message(net)
    layers = [field for field in fields if field.name == "layer"]
    assert [layer.find("name")[0].text for layer in layers] == [layer.name for layer in net.layer]


def test_a_text_in_every_spelling() -> None:
    text = "a: -1.5 # b: 2\nb: [1,\n 2];  c: \"x\" 'y'\nd < e { f: true } >, g [{h: 1}, {h: 2}]\n"
    found = {(field.name, field.line, text[field.begin : field.end]) for field in locate_fields(text)}
    assert found == {
        ("a", 1, "a: -1.5"),
        ("b", 2, "1"),
        ("b", 3, "2"),
        ("c", 3, "c: \"x\" 'y'"),
        ("d", 4, "d < e { f: true } >"),
        ("g", 4, "{h: 1}"),
        ("g", 4, "{h: 2}"),
    }
