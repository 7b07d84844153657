"""Two nets differ where Caffe would do something else, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reference
from caffe_worker import PyCaffe
from classifiers import CLASSIFIERS
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn import proto
from caffe_fcn.net.diff import differences
from caffe_fcn.proto.schema import message


def net(text: str) -> Any:
    made = proto.NetParameter()
    proto.parse(text, made)
    return made


def layer(text: str) -> Any:
    return net(f'layer {{ name: "a" {text} }}')


def solver(text: str) -> Any:
    made = proto.SolverParameter()
    proto.parse(text, made)
    return made


def found(a: Any, b: Any) -> list[tuple[str, str]]:
    """Where and in which field the two differ, which does not depend on which is first."""
    there, back = (
        [("net", "order") if "order" in each.field else (each.where, each.field) for each in differences(*pair)]
        for pair in ((a, b), (b, a))
    )
    assert set(there) == set(back)
    return there


CONVOLUTION = 'type: "Convolution" convolution_param { num_output: 2 %s }'
POOLING = 'type: "Pooling" pooling_param { %s }'
FILLER = 'type: "Convolution" convolution_param { weight_filler { %s } }'

SAME = [
    ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0 }'),
    ('type: "Dropout" dropout_param { dropout_ratio: 0.5 }', 'type: "Dropout"'),
    ('type: "LRN" lrn_param { alpha: 0.0001 }', 'type: "LRN" lrn_param { alpha: 1e-4 beta: .75 k: 1.0 }'),
    ('type: "Power" power_param { scale: 0.1 }', 'type: "Power" power_param { scale: 0.100000001490116 }'),
    (CONVOLUTION % "kernel_size: 3", CONVOLUTION % "kernel_h: 3 kernel_w: 3 stride: 1 pad: 0 group: 1"),
    (CONVOLUTION % "kernel_size: 3 pad: 1", CONVOLUTION % "kernel_size: [3, 3] pad_h: 1 pad_w: 1 dilation: 1"),
    (CONVOLUTION % "kernel_size: [3, 5]", CONVOLUTION % "kernel_h: 3 kernel_w: 5"),
    (POOLING % "kernel_size: 3 stride: 2", POOLING % "pool: MAX kernel_h: 3 kernel_w: 3 stride_h: 2 stride_w: 2"),
    (FILLER % "", 'type: "Convolution"'),
    (FILLER % 'type: "xavier" std: 0.03', FILLER % 'type: "xavier"'),
    (FILLER % 'type: "gaussian" std: 0.03 value: 7', FILLER % 'type: "gaussian" std: 0.03'),
    ('type: "Crop" crop_param { offset: 5 }', 'type: "Crop" crop_param { axis: 2 offset: 5 offset: 5 }'),
    ('type: "Concat"', 'type: "Concat" concat_param { concat_dim: 1 }'),
    ('type: "Concat" concat_param { axis: 0 }', 'type: "Concat" concat_param { concat_dim: 0 }'),
    ('type: "Scale"', 'type: "Scale" scale_param { filler { value: 1 } }'),
    ('type: "PReLU"', 'type: "PReLU" prelu_param { filler { value: 0.25 } }'),
    ('type: "SoftmaxWithLoss" loss_weight: 1', 'type: "SoftmaxWithLoss"'),
    ('type: "Accuracy" loss_weight: 0', 'type: "Accuracy"'),
    (
        'type: "SoftmaxWithLoss" loss_param { normalize: false }',
        'type: "SoftmaxWithLoss" loss_param { normalization: BATCH_SIZE }',
    ),
    ('type: "SoftmaxWithLoss" loss_param { normalize: true }', 'type: "SoftmaxWithLoss"'),
    ('type: "SigmoidCrossEntropyLoss" loss_param { normalize: false }', 'type: "SigmoidCrossEntropyLoss"'),
    ('type: "X" param { lr_mult: 1 } param {}', 'type: "X"'),
    ('type: "BatchNorm" param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }', 'type: "BatchNorm"'),
    (
        'type: "Eltwise" bottom: "x" bottom: "y"',
        'type: "Eltwise" bottom: "y" bottom: "x" eltwise_param { operation: SUM coeff: 1 coeff: 1 }',
    ),
    (
        'type: "Eltwise" bottom: "x" bottom: "y" eltwise_param { coeff: 1 coeff: -1 }',
        'type: "Eltwise" bottom: "y" bottom: "x" eltwise_param { coeff: -1 coeff: 1 }',
    ),
    (
        'include { phase: TEST stage: "b" stage: "a" } include { phase: TRAIN }',
        'include { phase: TRAIN } include { phase: TEST stage: "a" stage: "b" }',
    ),
    (
        """python_param { param_str: "{'a': (1, 2.50), 'b': 'x'}" }""",
        """python_param { param_str: ' { "b":"x", "a" : (1,2.5)}' }""",
    ),
    ("python_param { param_str: 'not a literal(' }", "python_param { param_str: ' not a literal(' }"),
]

DIFFERENT = [
    ('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: 0.1 }', "relu_param.negative_slope"),
    ('type: "ReLU"', 'type: "TanH"', "type"),
    ('bottom: "x" bottom: "y"', 'bottom: "y" bottom: "x"', "bottom"),
    (CONVOLUTION % "kernel_size: 3", CONVOLUTION % "kernel_h: 3 kernel_w: 5", "convolution_param.kernel_size"),
    (CONVOLUTION % "pad: 1", CONVOLUTION % "pad: 1 pad_w: 2", "convolution_param.pad"),
    (POOLING % "pool: AVE", POOLING % "pool: MAX", "pooling_param.pool"),
    ('type: "Crop" crop_param { offset: 5 }', 'type: "Crop" crop_param { offset: [5, 6] }', "crop_param.offset"),
    # where to be absent means something of its own
    ("loss_param { ignore_label: 0 }", "", "loss_param.ignore_label"),
    ("batch_norm_param { use_global_stats: false }", "", "batch_norm_param.use_global_stats"),
    ("argmax_param { axis: 0 }", "", "argmax_param.axis"),
    ('type: "Scale"', 'type: "Scale" scale_param { filler {} }', "scale_param.filler.value"),
    ('type: "SoftmaxWithLoss" loss_weight: 0', 'type: "SoftmaxWithLoss"', "loss_weight"),
    (
        'type: "SigmoidCrossEntropyLoss" loss_param { normalize: true }',
        'type: "SigmoidCrossEntropyLoss"',
        "loss_param.normalization",
    ),
    ("include { phase: TRAIN }", "include { phase: TEST }", "include"),
    ("include { phase: TRAIN }", "", "include"),
    ("param {} param { lr_mult: 2 }", "param { lr_mult: 2 }", "param[1].lr_mult"),
    ('param { name: "shared" }', "", "param[0].name"),
    ("python_param { param_str: '(1, 2)' }", "python_param { param_str: '(1, 3)' }", "python_param.param_str"),
    (
        'type: "Eltwise" bottom: "x" bottom: "y" eltwise_param { coeff: 1 coeff: -1 }',
        'type: "Eltwise" bottom: "y" bottom: "x" eltwise_param { coeff: 1 coeff: -1 }',
        "eltwise_param.coeff",
    ),
    ('type: "Power" power_param { scale: 0.1 }', 'type: "Power" power_param { scale: 0.1001 }', "power_param.scale"),
    ("input_param { shape { dim: 1 } }", "input_param { shape { dim: 2 } }", "input_param.shape[0].dim"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_two_spellings_of_one_layer_are_no_difference(a: str, b: str) -> None:
    assert found(layer(a), layer(b)) == []


@pytest.mark.parametrize(("a", "b", "field"), DIFFERENT)
def test_what_caffe_tells_apart_is_a_difference(a: str, b: str, field: str) -> None:
    assert ("layer 'a'", field) in found(layer(a), layer(b))


def test_a_difference_tells_both_values() -> None:
    (difference,) = differences(layer(CONVOLUTION % "pad: 100"), layer(CONVOLUTION % "pad: 1"))
    assert str(difference) == "layer 'a': convolution_param.pad is 100 | 1"
    (difference,) = differences(layer('type: "Power" power_param { scale: 0.1 }'), layer('type: "Power"'))
    assert str(difference) == "layer 'a': power_param.scale is 0.1 | absent"


NOT_DEFAULTS = {"pad_h", "pad_w", "concat_dim", "slice_dim"}  # given, they take the place of another field


@pytest.mark.parametrize(
    "param", [field.name for field in proto.LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param")]
)
def test_every_default_written_out_is_no_difference(param: str) -> None:
    plain, written = layer('type: "X"'), layer('type: "X"')
    target = getattr(written.layer[0], param)
    for field in target.DESCRIPTOR.fields:
        if field.has_default_value and field.has_presence and field.name not in NOT_DEFAULTS:
            setattr(target, field.name, field.default_value)
    target.SetInParent()
    assert found(plain, written) == []


def test_a_net_of_an_older_format_is_the_same_net(tmp_path: Path) -> None:
    (tmp_path / "old").write_text('input: "x" input_dim: [1, 2, 3, 4] layers { name: "r" type: RELU bottom: "x" }')
    (tmp_path / "new").write_text(
        'name: "n" layer { name: "input" type: "Input" top: "x" input_param { shape { dim: [1, 2, 3, 4] } } }'
        'layer { name: "r" type: "ReLU" bottom: "x" }'
    )
    assert found(proto.read_net(tmp_path / "old"), proto.read_net(tmp_path / "new")) == []


# The order of layers.

CHAIN = {
    "data": 'layer { name: "data" type: "Input" top: "data" }',
    "conv": 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" }',
    "relu": 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }',
    "drop": 'layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }',
    "pool": 'layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" }',
    "side": 'layer { name: "side" type: "Pooling" bottom: "data" top: "side" }',
}


def ordered(names: str) -> Any:
    return net("".join(CHAIN[name] for name in names.split()))


def test_layers_that_do_not_depend_on_each_other_may_stand_in_any_order() -> None:
    assert found(ordered("data conv relu drop pool side"), ordered("data side conv relu drop pool")) == []


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        ("data conv drop relu pool side", {"relu", "drop"}),
        ("data conv relu pool drop side", {"drop", "pool"}),
    ],
)
def test_layers_that_work_in_one_place_keep_their_order(names: str, pair: set[str]) -> None:
    (difference,) = differences(ordered("data conv relu drop pool side"), ordered(names))
    assert all(name in str(difference) for name in pair)
    assert difference.field == "order at blob 'conv'"


@st.composite
def two_orders(draw: st.DrawFn) -> tuple[Any, Any, bool]:
    """A net of layers that read and write few blobs, its layers shuffled, and whether that changes any result."""
    blobs = st.sampled_from("xyz")
    layers = [
        proto.LayerParameter(name=f"l{i}", type="ReLU", bottom=[draw(blobs)], top=[draw(blobs)])
        for i in range(draw(st.integers(2, 6)))
    ]
    order = draw(st.permutations(range(len(layers))))
    shuffled = [layers[i] for i in order]
    return proto.NetParameter(layer=layers), proto.NetParameter(layer=shuffled), run(layers) != run(shuffled)


def run(layers: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each layer computes, and what each blob holds in the end, as expressions."""
    blobs: dict[str, Any] = {}
    results: dict[str, Any] = {}
    for each in layers:
        results[each.name] = (each.name, blobs.get(each.bottom[0]))
        blobs[each.top[0]] = results[each.name]
    return results, blobs


@settings(max_examples=300)
@given(two_orders())
def test_an_order_that_changes_a_result_is_a_difference(orders: tuple[Any, Any, bool]) -> None:
    a, b, changes = orders
    if changes:
        assert found(a, b)


@settings(max_examples=100)
@given(st.permutations("data conv relu drop pool side".split()))  # noqa: SIM905
def test_an_order_is_a_difference_exactly_where_it_changes_a_result(order: list[str]) -> None:
    a, b = ordered("data conv relu drop pool side"), ordered(" ".join(order))
    assert bool(found(a, b)) == (run_chain(a) != run_chain(b))


def run_chain(made: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    layers = [proto.LayerParameter(name=each.name, bottom=each.bottom or ["none"], top=each.top) for each in made.layer]
    return run(layers)


TRAIN = 'layer { name: "data" type: "Data" top: "data" include { phase: TRAIN } }'
TEST = 'layer { name: "data" type: "Data" top: "data" include { phase: TEST } data_param { batch_size: 1 } }'
DEPLOY = 'layer { name: "data" type: "Input" top: "data" include { stage: "deploy" } }'
NOT_DEPLOY = 'layer { name: "labels" type: "Data" top: "data" exclude { stage: "deploy" } }'


@pytest.mark.parametrize(("a", "b"), [(TRAIN, TEST), (DEPLOY, NOT_DEPLOY)])
def test_layers_of_different_states_may_stand_in_any_order(a: str, b: str) -> None:
    assert found(net(a + b + CHAIN["conv"]), net(b + a + CHAIN["conv"])) == []
    assert found(net(a + b + CHAIN["conv"]), net(a + CHAIN["conv"] + b)) != []


def test_layers_of_one_name_are_compared_with_their_like() -> None:
    changed = TEST.replace("batch_size: 1", "batch_size: 2")
    assert found(net(TRAIN + TEST), net(changed + TRAIN)) == [("layer 'data'", "data_param.batch_size")]


def test_a_layer_that_only_one_net_has_is_told() -> None:
    (difference,) = differences(ordered("data conv relu drop pool"), ordered("data conv relu pool"))
    assert str(difference) == "layer 'drop': type is Dropout | absent"


# Solvers, and the reference.


def test_solvers_are_compared_by_value() -> None:
    assert found(solver("base_lr: 0.0001 momentum: 0"), solver('base_lr: 1e-4 solver_mode: GPU type: "SGD"')) == []
    assert found(solver("base_lr: 0.0001"), solver("base_lr: 1e-3")) == [("solver", "base_lr")]
    inner = "net_param { layer { name: 'a' type: '%s' } }"
    assert found(solver(inner % "ReLU"), solver(inner % "TanH")) == [("net_param[0], layer 'a'", "type")]


def test_a_net_and_a_solver_are_different_things() -> None:
    assert found(net(""), solver("")) == [("file", "kind")]


def test_fcn8s_at_once_differs_from_fcn8s_by_its_two_scales() -> None:
    a, b = (reference.net(name, "train") for name in ("voc-fcn8s", "voc-fcn8s-atonce"))
    assert set(found(a, b)) == {
        ("layer 'score_pool3'", "bottom"),
        ("layer 'score_pool4'", "bottom"),
        ("layer 'scale_pool3'", "type"),
        ("layer 'scale_pool4'", "type"),
    }


@pytest.mark.caffe
def test_a_net_that_caffe_saved_is_the_net_that_it_loaded(tmp_path: Path, pycaffe: PyCaffe) -> None:
    for name, classifier in CLASSIFIERS.items():
        proto.write(classifier(), tmp_path / f"{name}.prototxt")
    save = """
        for path in __import__("glob").glob(str(inputs["folder"]) + "/*.prototxt"):
            caffe.Net(path, caffe.TEST).save(path.replace("prototxt", "caffemodel"))
    """
    pycaffe(save, folder=tmp_path)
    for name in CLASSIFIERS:
        loaded, saved = (proto.read_net(tmp_path / f"{name}.{suffix}") for suffix in ("prototxt", "caffemodel"))
        assert len(saved.layer) >= len(loaded.layer)
        assert found(loaded, saved) == []
    saved.layer[-1].name = "other"
    assert found(loaded, saved)


def test_every_layer_in_another_phase_is_one_difference() -> None:
    train, test = (net(CHAIN["conv"].replace("bottom", f"phase: {phase} bottom")) for phase in ("TRAIN", "TEST"))
    assert found(train, test) == [("net", "phase")]
    assert found(train, net(CHAIN["conv"])) == []


def test_every_message_of_the_schema_can_be_compared() -> None:
    for field in proto.LayerParameter.DESCRIPTOR.fields:
        if field.message_type is not None and field.has_presence:
            made = proto.NetParameter()
            getattr(made.layer.add(name="a", type="X"), field.name).CopyFrom(message(field.message_type.name)())
            assert found(made, made) == []


# The command.


def test_the_command_tells_differences_by_its_status(cli: Callable[..., Any], tmp_path: Path) -> None:
    a, b = tmp_path / "a.prototxt", tmp_path / "b.prototxt"
    proto.write(ordered("data conv relu drop pool side"), a)
    proto.write(ordered("data side conv relu drop pool"), b)
    ran = cli("net", "diff", a, b)
    assert (ran.status, ran.out) == (0, "")
    assert cli("net", "diff", a, b, "--quiet") == (0, "", "")
    proto.write(ordered("data conv drop relu pool side"), b)
    ran = cli("net", "diff", a, b)
    assert (ran.status, ran.err) == (1, "")
    assert ran.out == "layer 'drop': order at blob 'conv' is after 'relu' | before 'relu'\n"
    (told,) = json.loads(cli("net", "diff", a, b, "--json").out)["differences"]
    assert told == {"where": "layer 'drop'", "field": "order at blob 'conv'", "a": "after 'relu'", "b": "before 'relu'"}


def test_the_command_compares_solvers_too(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a").write_text("base_lr: 1e-3 solver_type: SGD")
    (tmp_path / "b").write_text('base_lr: 0.001 type: "SGD"')
    (tmp_path / "c").write_text("base_lr: 0.01")
    assert cli("net", "diff", tmp_path / "a", tmp_path / "b").status == 0
    assert cli("net", "diff", tmp_path / "a", tmp_path / "c").out == "solver: base_lr is 0.001 | 0.01\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("base_lrr: 1 max_iter: 3", "a:1:1: SolverParameter has no field 'base_lrr' (did you mean base_lr?)"),
        ("layer { nam: 'x' }", "a:1:9: LayerParameter has no field 'nam' (did you mean name?)"),
        ("layer {", "a:1:7"),
    ],
)
def test_the_command_names_the_place_of_a_mistake(
    text: str, message: str, cli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a").write_text(text)
    (tmp_path / "b").write_text("base_lr: 1")
    ran = cli("net", "diff", tmp_path / "a", tmp_path / "b")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert message in ran.err
