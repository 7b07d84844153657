"""The tables of targets are sound, and OpenCV takes the layer types that its table lists, and no others."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from command import ROOT

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.interop.targets import figures, table
from caffe_fcn.interop.targets.misfits import find_misfits
from caffe_fcn.interop.targets.page import format_page
from caffe_fcn.interop.targets.table import NET, Values
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import LayerParameter, NetParameter, parse
from caffe_fcn.proto.dialects.table import layer_types

KNOWN = {row.name for row in layer_types()}
TARGETS = pytest.mark.parametrize("target", table.list_targets(), ids=lambda target: target.name)


@TARGETS
def test_every_row_is_about_what_there_is_and_names_its_source(target: table.Target) -> None:
    spelled = {name.lower() for name in KNOWN}
    assert {name for name in target.layer_types if name.lower() in spelled} <= KNOWN | {"Lstm"}  # of warpctc-caffe
    assert all(source.where for source in target.layer_types.values())
    for bound in target.bounds:
        assert bound.layer_type == NET or bound.layer_type in target.layer_types or target.name == "nnie"
        assert figures.is_known(bound.figure) and bound.source.where
        message, _, field = bound.figure.partition(".")
        if field and message != "permute_param":  # a fork's, kept as its text
            assert layer_type(bound.layer_type).param_name == message
            assert field in getattr(LayerParameter(), message).DESCRIPTOR.fields_by_name


@TARGETS
def test_a_table_is_sorted_and_says_nothing_twice(target: table.Target) -> None:
    lines = (Path(table.__file__).parent / f"{target.name}.tsv").read_text().splitlines()[1:]
    rows = [tuple(line.split("\t")[:2]) for line in lines]
    assert len(rows) == len(set(rows))


def test_the_page_is_that_of_the_tables() -> None:
    assert (ROOT / "docs/targets.md").read_text() == format_page(), "python scripts/targets_page.py writes it"


def test_every_source_is_used() -> None:
    folder = Path(table.__file__).parent
    listed = {line.split("\t")[0] for line in (folder / "sources.tsv").read_text().splitlines()[1:]}
    used = {bound.source.name for target in table.list_targets() for bound in target.bounds}
    used |= {source.name for target in table.list_targets() for source in target.layer_types.values()}
    assert listed == used


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1..255", 255, 256),
        ("..-1", -1, 0),
        ("2,4", 4, 3),
        ("MAX,AVE", "AVE", "STOCHASTIC"),
        ("true,unset", "unset", "false"),
    ],
)
def test_values_are_ranges_and_words(text: str, inside: int | str, outside: int | str) -> None:
    assert Values(text).has(inside) and not Values(text).has(outside)


def test_an_unknown_target_is_told_from_the_known_ones() -> None:
    with pytest.raises(CaffeFcnError, match=r"did you mean ascend\? there are ascend, horizon, .*, vitis"):
        table.find_target("ascent")


NET_OF_ONE = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 4 dim: 8 dim: 8 }} }} }}
layer {{ name: "x" type: "{}" bottom: "data" top: "x" }}
"""
GIVEN = {"Input", "MemoryData"}  # which read no blob


def test_opencv_takes_the_types_of_its_table() -> None:
    taken = set()
    for name in KNOWN - GIVEN:
        try:
            cv2.dnn.readNetFromCaffe(bytearray(NET_OF_ONE.format(name).encode())).getLayer("x")
        except cv2.error as error:
            if "Can't create layer" in str(error):
                continue
        taken.add(name)
    assert taken == set(table.find_target("opencv").layer_types) - GIVEN


BOUNDED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 96 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 6 kernel_size: 3 dilation: 64 pad: 129 bias_term: false } }
layer { name: "best" type: "ArgMax" bottom: "data" top: "best" argmax_param { axis: 1 } }
layer { name: "part" type: "Slice" bottom: "data" top: "p1" top: "p2" slice_param { axis: 0 } }
layer { name: "flat" type: "Reshape" bottom: "c" top: "flat" reshape_param { shape { dim: 1 dim: -1 } } }
layer { name: "soft" type: "Softmax" bottom: "flat" top: "soft" }
layer { name: "sum" type: "Eltwise" bottom: "p1" bottom: "p2" top: "sum" eltwise_param { operation: MAX } }
"""


@pytest.mark.parametrize(
    "target, wanted",
    [
        (
            "horizon",  # the documentation of RDK X3: on the CPU, or a bound of its BPU
            {"best": "reads 96 channels", "flat": "not compute", "soft": "not compute", "sum": "operation: MAX"},
        ),
        (
            "vitis",  # dilation * input_channel <= 4096, pads of [0, (kernel - 1) * dilation], additions alone
            {"c": "6144 input channels times dilation", "sum": "operation: MAX"},
        ),
        ("nnie", {"part": "axis: 0", "flat": "reshaped to 1 images"}),
    ],
)
def test_bounds_of_devices(target: str, wanted: dict[str, str]) -> None:
    net = NetParameter()
    parse(BOUNDED, net)
    found: dict[str, str] = {}
    for misfit in find_misfits(table.find_target(target), infer(net)):
        assert misfit.node is not None
        found[misfit.node.name] = found.get(misfit.node.name, "") + misfit.what
    assert found.keys() == wanted.keys()
    assert all(words in found[name] for name, words in wanted.items()), found
