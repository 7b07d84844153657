"""A net as a graph: phases, stages, in-place layers, and what cannot be a net."""

from __future__ import annotations

import pytest

from caffe_fcn import proto
from caffe_fcn.errors import NetError
from caffe_fcn.net.graph import Graph, filtered, select_phase


def net(text: str) -> proto.NetParameter:
    result = proto.NetParameter()
    proto.parse(text, result)
    return result


def names(definition: proto.NetParameter) -> list[str]:
    return [layer.name for layer in definition.layer]


ALL_IN_ONE = net("""
layer { name: "train_data" type: "Data" top: "data" include { phase: TRAIN } }
layer { name: "val_data" type: "Data" top: "data" include { phase: TEST } }
layer { name: "label" type: "Data" top: "label" }
layer { name: "shift" type: "Power" bottom: "data" top: "shifted" }
layer { name: "loss" type: "EuclideanLoss" bottom: "shifted" bottom: "label" top: "loss" exclude { stage: "deploy" } }
layer { name: "accuracy" type: "Silence" bottom: "label" include { stage: "val" } }
""")


def test_an_all_in_one_net_splits_as_digits_splits_it() -> None:
    assert names(select_phase(ALL_IN_ONE, "train")) == ["train_data", "label", "shift", "loss"]
    assert names(select_phase(ALL_IN_ONE, "val")) == ["val_data", "label", "shift", "loss", "accuracy"]
    deploy = select_phase(ALL_IN_ONE, "deploy")
    assert [(layer.name, layer.type) for layer in deploy.layer] == [("data", "Input"), ("shift", "Power")]


@pytest.mark.parametrize(
    ("rules", "phase", "level", "stages", "present"),
    [
        # Caffe's Net::StateMeetsRule: all conditions of a rule, any rule of a layer
        ("include { phase: TRAIN }", proto.TRAIN, 0, [], True),
        ("include { phase: TRAIN }", proto.TEST, 0, [], False),
        ("exclude { phase: TRAIN }", proto.TRAIN, 0, [], False),
        ("include { phase: TRAIN } include { phase: TEST stage: 'a' }", proto.TEST, 0, ["a"], True),
        ("include { stage: 'a' stage: 'b' }", proto.TEST, 0, ["a"], False),
        ("include { stage: 'a' not_stage: 'b' }", proto.TEST, 0, ["a", "b"], False),
        ("include { min_level: 1 max_level: 3 }", proto.TEST, 2, [], True),
        ("include { min_level: 1 }", proto.TEST, 0, [], False),
        ("exclude { max_level: 1 }", proto.TEST, 2, [], True),
        ("", proto.TEST, 0, [], True),
    ],
)
def test_rules_of_phase_level_and_stage(rules: str, phase: int, level: int, stages: list[str], present: bool) -> None:
    definition = net(f'layer {{ name: "x" type: "Silence" {rules} }}')
    assert names(filtered(definition, phase, level, stages)) == (["x"] if present else [])


def test_in_place_layers_make_new_versions_of_a_blob() -> None:
    graph = Graph(
        net("""
        layer { name: "in" type: "Input" top: "x" }
        layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
        layer { name: "a" type: "TanH" bottom: "x" top: "y" }
        """)
    )
    _, relu, a = graph.nodes
    assert a.bottoms[0].maker is relu
    assert relu.bottoms[0] is not relu.tops[0]
    assert [blob.name for blob in graph.outputs()] == ["y"]


INPUT = 'layer { name: "in" type: "Input" top: "x" } '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INPUT + 'layer { name: "a" type: "TanH" bottom: "z" top: "y" }', "'a'.*'z', which no layer makes"),
        (INPUT + 'layer { name: "a" type: "TanH" bottom: "xx" top: "y" }', "did you mean x?"),
        (
            INPUT + 'layer { name: "a" type: "Eltwise" bottom: "x" bottom: "z" top: "y" } '
            'layer { name: "b" type: "TanH" bottom: "y" top: "z" }',
            "'a'.*'z'.*a cycle",
        ),
        (
            INPUT + 'layer { name: "a" type: "TanH" bottom: "y" top: "z" } '
            'layer { name: "b" type: "TanH" bottom: "x" top: "y" }',
            "'a'.*'y' before layer 'b' makes it",
        ),
        (
            INPUT + 'layer { name: "a" type: "TanH" bottom: "x" top: "y" } '
            'layer { name: "b" type: "AbsVal" bottom: "x" top: "y" }',
            "'b'.*'y', which layer 'a'",
        ),
    ],
)
def test_what_is_no_net_names_layer_and_blob(text: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        Graph(net(text))


def test_include_and_exclude_exclude_each_other() -> None:
    with pytest.raises(NetError, match="include and exclude"):
        filtered(net('layer { name: "x" include { phase: TRAIN } exclude { phase: TEST } }'), proto.TEST)


def test_an_unknown_phase_is_told_the_nearest() -> None:
    with pytest.raises(NetError, match="did you mean train"):
        select_phase(ALL_IN_ONE, "trian")
