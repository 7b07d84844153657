"""One net definition, run by real pycaffe and by us with only its imports changed: the same net, to the byte.

Definitions are programs as people write them, and random ones. Where pycaffe refuses, so do we.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from caffe_worker import CaffeWorker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caffe_fcn
from caffe_fcn.errors import NetError
from caffe_fcn.proto import NetParameter, to_text

PYCAFFE = """
import caffe
from caffe import layers as L, params as P, to_proto
from caffe.coord_map import crop
"""
OURS = """
import caffe_fcn as caffe
from caffe_fcn import layers as L, params as P, to_proto
from caffe_fcn.offsets import crop
"""


def theirs(caffe: CaffeWorker, program: str) -> NetParameter | None:
    """The net that pycaffe makes, or None where it raises."""
    answer = caffe.ask("define", PYCAFFE + program)
    assert answer is not None, f"pycaffe died of\n{program}"
    return NetParameter.FromString(base64.b64decode(answer)) if isinstance(answer, str) else None


def ours(program: str) -> NetParameter:
    names: dict[str, Any] = {}
    exec(OURS + program, names)
    net: NetParameter = names["net"]
    return net


def same(caffe: CaffeWorker, program: str) -> None:
    expected = theirs(caffe, program)
    assert expected is not None, f"pycaffe refuses\n{program}"
    assert to_text(ours(program)) == to_text(expected)


PROGRAMS = {
    "automatic names, type and number": """
data, label = L.DummyData(ntop=2, shape=[dict(dim=[1, 3, 8, 8]), dict(dim=1)])
conv = L.Convolution(L.ReLU(data), kernel_size=3, num_output=2)
net = to_proto(L.SoftmaxWithLoss(conv, label), L.Convolution(conv, kernel_size=1, num_output=1))
""",
    "unnamed layers between named ones": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.out = L.Pooling(L.ReLU(L.Convolution(n.data, num_output=4, kernel_size=3), in_place=True), global_pooling=True)
net = n.to_proto()
""",
    "in-place layers, named and not": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.fc6 = L.InnerProduct(n.data, num_output=3)
n.relu6 = L.ReLU(n.fc6, in_place=True)
n.fc7 = L.InnerProduct(L.Dropout(n.relu6, in_place=True, dropout_ratio=0.5), num_output=3)
net = n.to_proto()
""",
    "several tops": """
n = caffe.NetSpec()
n.data, n.label = L.Data(source="train", backend=P.Data.LMDB, batch_size=2, ntop=2,
                         transform_param=dict(mean_value=[104, 117, 123], mirror=True))
n.a, n.b, n.c = L.Slice(n.data, axis=1, slice_point=[1, 2], ntop=3)
net = n.to_proto()
""",
    "several tops of which one is named": """
n = caffe.NetSpec()
tops = L.Slice(L.Input(shape=dict(dim=[1, 3, 8, 8])), slice_point=[1], ntop=2)
n.second = tops[1]
net = n.to_proto()
""",
    "no tops": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.quiet = L.Silence(n.data, ntop=0)
net = n.to_proto()
""",
    "no tops and no name": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n["x"], n["y"] = L.Split(n["data"], ntop=2)
setattr(n, "z", L.Concat(getattr(n, "x"), n["y"]))
net = to_proto(n.z)
""",
    "a Python layer": """
n = caffe.NetSpec()
n.data, n.label = L.Python(module="voc_layers", layer="VOCSegDataLayer", ntop=2, loss_weight=[0, 1],
                           param_str=str(dict(voc_dir="../data", seed=1337, mean=(104.0, 116.5, 122.5))))
net = n.to_proto()
""",
    "repeated fields from scalars": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.conv = L.Convolution(n.data, num_output=2, kernel_size=3, pad=1, stride=[2, 1], dilation=2,
                       param=dict(lr_mult=0), weight_filler=dict(type="msra", variance_norm=P.Filler.FAN_OUT))
n.loss = L.SoftmaxWithLoss(n.conv, n.data, loss_weight=0.5, propagate_down=[True, False],
                           loss_param=dict(ignore_label=255, normalization=P.Loss.VALID))
net = n.to_proto()
""",
    "messages given whole": """
n = caffe.NetSpec()
n.data = L.Input(input_param=dict(shape=[dict(dim=[1, 3, 8, 8])]))
n.up = L.Deconvolution(n.data, param=[dict(lr_mult=0)],
                       convolution_param=dict(num_output=3, kernel_size=4, stride=2, bias_term=False, group=3,
                                              weight_filler=dict(type="bilinear")))
n.sum = L.Eltwise(n.up, n.up, operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
net = n.to_proto()
""",
    "fields of the layer itself": """
n = caffe.NetSpec()
n.data = L.Data(source="a", backend=P.Data.LMDB, include=dict(phase=caffe.TRAIN, stage=["a", "b"], min_level=1))
n.conv = L.Convolution(n.data, num_output=1, kernel_size=1, name="renamed", phase=caffe.TEST,
                       exclude=[dict(phase=caffe.TEST), dict(not_stage="x")],
                       param=[dict(name="shared", lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)])
n.data_test = L.Data(ntop=0, name="data", top="data", source="b", backend=P.Data.LMDB, include=dict(phase=1))
net = n.to_proto()
""",
    "a name assigned twice, and two names for one top": """
n = caffe.NetSpec()
n.a = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.a = L.ReLU(n.a)
n.b = n.c = L.TanH(n.a)
net = n.to_proto()
""",
    "parameters changed afterwards": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.conv = L.Convolution(n.data, num_output=1, kernel_size=1)
n.tops["conv"].fn.params["num_output"] = 7
net = n.to_proto()
""",
    "the net of a single top": """
data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
net = L.ReLU(L.Convolution(data, num_output=1, kernel_size=1), in_place=True).to_proto()
""",
    "an empty dict": """
n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
n.pool = L.Pooling(n.data, pooling_param=dict(), kernel_size=2, pool=P.Pooling.AVE)
net = n.to_proto()
""",
    "a whole FCN with its crops": """
def conv_relu(bottom, nout, ks=3, stride=1, pad=1):
    conv = L.Convolution(bottom, kernel_size=ks, stride=stride, num_output=nout, pad=pad,
                         param=[dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)])
    return conv, L.ReLU(conv, in_place=True)

n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 500, 500]))
top, pools = n.data, {}
for block, (depth, width) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
    for i in range(1, depth + 1):
        pad = 100 if (block, i) == (1, 1) else 1
        n["conv%d_%d" % (block, i)], n["relu%d_%d" % (block, i)] = conv_relu(top, width, pad=pad)
        top = n["relu%d_%d" % (block, i)]
    n["pool%d" % block] = top = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
n.fc6, n.relu6 = conv_relu(n.pool5, 4096, ks=7, pad=0)
n.drop6 = L.Dropout(n.relu6, dropout_ratio=0.5, in_place=True)
n.score_fr = L.Convolution(n.drop6, num_output=21, kernel_size=1, pad=0)
up = lambda bottom, ks, s: L.Deconvolution(bottom, param=[dict(lr_mult=0)], convolution_param=dict(
    num_output=21, kernel_size=ks, stride=s, bias_term=False))
n.upscore2 = up(n.score_fr, 4, 2)
n.score_pool4 = L.Convolution(n.pool4, num_output=21, kernel_size=1, pad=0)
n.score_pool4c = crop(n.score_pool4, n.upscore2)
n.fuse_pool4 = L.Eltwise(n.upscore2, n.score_pool4c, operation=P.Eltwise.SUM)
n.upscore16 = up(n.fuse_pool4, 32, 16)
n.score = crop(n.upscore16, n.data)
net = n.to_proto()
""",
}


@pytest.mark.caffe
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_definition_written_for_pycaffe_gives_the_same_net(caffe: CaffeWorker, program: str) -> None:
    same(caffe, program)


# Random definitions: whatever shapes they would have, both must lay out the same layers under the same names.

small = st.integers(0, 9)
rules = st.sampled_from(
    [
        "",
        "",
        "",
        ", include=dict(phase=caffe.TRAIN)",
        ", exclude=[dict(phase=1), dict(stage='s')]",
        ", name='named'",
        ", loss_weight=1",
        ", loss_weight=[1, 0.25]",
        ", param=[dict(lr_mult=0.1), dict(lr_mult=0)]",
        ", param=dict(name='shared')",
        ", propagate_down=[True, False]",
        ", phase=1",
    ]
)
spans = st.one_of(small.map(str), st.lists(small, min_size=1, max_size=2).map(str))

LAYERS: dict[str, tuple[int, Callable[[st.DrawFn], str]]] = {
    "Convolution": (1, lambda d: f"num_output={d(small)}, kernel_size={d(spans)}, pad={d(spans)}"),
    "Deconvolution": (1, lambda d: f"convolution_param=dict(num_output={d(small)}, kernel_size={d(spans)})"),
    "Pooling": (1, lambda d: f"pool=P.Pooling.{d(st.sampled_from(['MAX', 'AVE', 'STOCHASTIC']))}, stride={d(small)}"),
    "ReLU": (1, lambda d: f"in_place={d(st.booleans())}, negative_slope={d(st.floats(0, 1, width=16))}"),
    "Dropout": (1, lambda d: f"in_place={d(st.booleans())}"),
    "LRN": (1, lambda d: f"local_size={d(small)}, norm_region=P.LRN.WITHIN_CHANNEL"),
    "Eltwise": (2, lambda d: f"operation=P.Eltwise.PROD, coeff={d(st.lists(small, min_size=1, max_size=3))}"),
    "Concat": (3, lambda d: f"axis={d(small)}"),
    "Slice": (1, lambda d: f"ntop=2, slice_point={d(spans)}"),
    "Silence": (2, lambda d: "ntop=0"),
    "DummyData": (0, lambda d: "shape=[dict(dim=[1, 2]), dict(dim=3)], data_filler=dict(type='gaussian', std=1)"),
    "Scale": (1, lambda d: f"bias_term=True, filler=dict(value={d(st.floats(-2, 2, width=32))})"),
    "Reshape": (1, lambda d: f"shape=dict(dim=[0, -1, {d(small)}])"),
    "Python": (2, lambda d: "module='m', layer='l', param_str='{}', ntop=2"),
    "SoftmaxWithLoss": (2, lambda d: "loss_param=dict(ignore_label=255, normalize=False)"),
}


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Lines that make layers from the Tops made so far; some Tops are named, some only kept in variables."""
    lines = ["n = caffe.NetSpec()", "t0 = n.data = L.Input(shape=dict(dim=[1, 3, 9, 9]))"]
    tops = ["t0"]
    for index in range(1, draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(sorted(LAYERS)))
        bottoms, params = LAYERS[kind]
        inputs = "".join(f"{draw(st.sampled_from(tops))}, " for _ in range(bottoms))
        call = f"L.{kind}({inputs}{params(draw)}{draw(rules)})"
        made = {"Silence": 0, "Slice": 2, "Python": 2}.get(kind, 1)
        fresh = [f"t{index}" + "ab"[place] for place in range(made)]
        tops += fresh
        targets = ", ".join(fresh) if made else f"n.quiet{index}"
        lines.append(f"{targets} = {call}")
        for name in fresh:
            if draw(st.booleans()):
                lines.append(f"n.{draw(st.sampled_from(['x', 'y', name]))} = {name}")
    if draw(st.booleans()):
        lines.append("net = n.to_proto()")
    else:
        lines.append(f"net = to_proto({', '.join(draw(st.lists(st.sampled_from(tops), min_size=1, max_size=3)))})")
    return "\n".join(lines)


@pytest.mark.caffe
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(program=programs())
def test_random_definitions_give_the_same_net(caffe: CaffeWorker, program: str) -> None:
    same(caffe, program)


REFUSED = {
    "L.Convolution(n.data, num_outptu=3)": r"has no parameter 'num_outptu' \(did you mean num_output\?\)",
    "L.Convolution(n.data, weight_filler=dict(typ='xavier'))": r"has no field 'typ' \(did you mean type\?\)",
    "L.Convolution(n.data, num_output='many')": r"num_output cannot be 'many' \(it takes a whole number from 0 on\)",
    "L.Convolution(n.data, num_output=2.5)": r"num_output cannot be 2\.5",
    "L.Convolution(n.data, pad=-1)": r"pad cannot be -1 \(it takes a whole number from 0 on\)",
    "L.Pooling(n.data, pool=7)": r"pool cannot be 7 \(one of MAX, AVE, STOCHASTIC\)",
    "L.Deconvolution(n.data, num_outptu=3)": r"has no parameter 'num_outptu' \(did you mean num_output\?\)",
    "L.Dropout(n.data, ratio=0.5)": r"has no parameter 'ratio' \(it has dropout_ratio\)",
    "L.ReLU((n.data, n.data))": r"input 0 is a tuple of 2 Tops, not a Top \(unpack it",
    "L.ReLU('data')": r"input 0 is a str, not a Top",
    "P.Pooling.MAXIMUM": r"P\.Pooling\.MAXIMUM: no such value \(did you mean MAX\?\)",
    "P.Poling.MAX": r"P\.Poling: Caffe has no PolingParameter \(did you mean Pooling\?\)",
    "n.dta": r"n\.dta: no Top has this name \(did you mean data\?\)",
    "setattr(n, 'x', 3) or n": r"n\.x: is set to a int, not to a Top",
    "setattr(n, 'x', L.Split(n.data, ntop=2)) or n": r"n\.x: is set to a tuple of 2 Tops.*unpack it",
    "L.Split(n.data, ntop=-1)": r"ntop cannot be -1",
}
"""What pycaffe refuses too, mostly when the net is laid out and without a name."""

ACCEPTED_THERE = {
    "L.Convultion(n.data)": r"L\.Convultion: Caffe has no such layer type \(did you mean Convolution\?\)",
    "L.Relu(n.data)": r"did you mean ReLU\?",
    "L.ReLU(n.data, pooling_param=dict(kernel_size=2))": r"'pooling_param' \(did you mean relu_param\?\)",
}
"""What pycaffe writes down without a word, and only Caffe refuses or passes over."""

BEFORE = "n = caffe.NetSpec()\nn.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))\n"


def program_of(expression: str) -> str:
    return f"{BEFORE}n.top = {expression}\nnet = n.to_proto()"


@pytest.mark.parametrize(("expression", "message"), [*REFUSED.items(), *ACCEPTED_THERE.items()])
def test_a_mistake_is_reported_with_the_layer_type_and_the_nearest_spelling(expression: str, message: str) -> None:
    with pytest.raises(NetError, match=message):
        ours(program_of(expression))


@pytest.mark.caffe
def test_these_are_mistakes_by_pycaffe_too(caffe: CaffeWorker) -> None:
    for expression in REFUSED:
        assert theirs(caffe, program_of(expression)) is None, f"pycaffe takes {expression}"
    for expression in ACCEPTED_THERE:
        assert theirs(caffe, program_of(expression)) is not None, f"pycaffe refuses {expression}"


def test_a_net_may_be_as_deep_as_it_likes() -> None:
    program = BEFORE + "top = n.data\nfor _ in range(5000):\n    top = L.ReLU(top)\nnet = to_proto(top)"
    net = ours(program)  # pycaffe's walk is recursive and ends at Python's limit
    assert [net.layer[0].name, net.layer[1].name, net.layer[-1].name] == ["Input1", "ReLU1", "ReLU5000"]


def test_the_package_has_what_definitions_import() -> None:
    for name in caffe_fcn.__all__:
        assert getattr(caffe_fcn, name) is not None
    assert caffe_fcn.coord_map.crop is caffe_fcn.offsets.crop
    with pytest.raises(AttributeError, match="Net"):
        _ = caffe_fcn.Net
