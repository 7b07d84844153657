"""Nets run forward, by real Caffe in a child process or by torch: pycaffe's own numbers, and errors in one line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import PyCaffe

from caffe_fcn import engines
from caffe_fcn.engines.caffe import forward
from caffe_fcn.errors import CaffeFcnError, EngineError

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu" }
layer { name: "prob" type: "Softmax" bottom: "relu" top: "prob" include { stage: "deploy" } }
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forward") / "net.prototxt"
    path.write_text(NET)
    return path


@pytest.fixture(scope="module")
def weights(net: Path, pycaffe: PyCaffe) -> Path:
    """Quarters, so that sums of products with quarters are exact in whatever order a processor takes them."""
    path = net.with_suffix(".caffemodel")
    source = """
        net = caffe.Net(str(inputs['net']), caffe.TEST)
        for blob in net.params['conv']:
            blob.data[...] = np.round(4 * blob.data) / 4
        net.save(str(inputs['to']))
    """
    pycaffe(source, net=net, to=path)
    return path


@pytest.fixture(scope="module", params=["caffe", "torch"])
def engine(request: pytest.FixtureRequest, net: Path, weights: Path, caffe_bin: Path) -> Iterator[engines.Engine]:
    caffe = caffe_bin if request.param == "caffe" else None
    with engines.load(net, weights, request.param, stages=["deploy"], blobs=["conv"], caffe=caffe) as loaded:
        yield loaded


@pytest.mark.numerics
@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 3, 11, 5)])
def test_the_numbers_are_pycaffes(
    engine: engines.Engine, net: Path, weights: Path, pycaffe: PyCaffe, shape: tuple[int, ...]
) -> None:
    image = np.random.default_rng(5).integers(-8, 9, shape).astype(np.float32) / 4
    source = """
        net = caffe.Net(str(inputs['net']), caffe.TEST, weights=str(inputs['weights']), stages=['deploy'])
        net.blobs['data'].reshape(*inputs['image'].shape)
        net.blobs['data'].data[...] = inputs['image']
        outputs['prob'] = net.forward()['prob']
        outputs['conv'] = net.blobs['conv'].data
    """
    expected = pycaffe(source, net=net, weights=weights, image=image)
    found = engine.forward(data=image)
    assert found.keys() == {"prob", "conv"}
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


def test_the_inputs_and_outputs_are_those_of_the_net(engine: engines.Engine) -> None:
    engine.forward(data=np.zeros((1, 3, 8, 8)))
    assert engine.inputs == {"data": (1, 3, 8, 8)}
    assert list(engine.outputs) == ["prob"]


@pytest.mark.numerics
def test_any_layout_and_type_of_array_is_taken(engine: engines.Engine) -> None:
    image = np.arange(8 * 8 * 3).reshape(8, 8, 3)
    strided = engine.forward(data=image.transpose(2, 0, 1)[None])
    plain = engine.forward(data=np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32))
    np.testing.assert_allclose(strided["conv"], plain["conv"], atol=1e-6 * np.abs(plain["conv"]).max())


def test_stages_choose_the_layers_and_closing_ends_the_child(net: Path, caffe_bin: Path) -> None:
    with engines.load(net, caffe=caffe_bin) as loaded:
        assert list(loaded.outputs) == ["relu"]
        process = loaded._process  # type: ignore[attr-defined]
        assert process.poll() is None
    assert process.poll() is not None


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({"dta": np.zeros((1, 3, 8, 8))}, r"input 'dta'.*\(did you mean data\?\)"),
        ({}, "'data' is not given"),
    ],
)
def test_inputs_that_are_not_the_nets(engine: engines.Engine, inputs: dict[str, np.ndarray], what: str) -> None:
    with pytest.raises(CaffeFcnError, match=what):
        engine.forward(**inputs)


def test_a_check_that_fails_ends_the_child_alone(net: Path, weights: Path, caffe_bin: Path) -> None:
    with engines.load(net, weights, caffe=caffe_bin) as loaded:
        with pytest.raises(EngineError, match=r"Caffe stopped: Check failed: .*\(5 vs. 3\)"):
            loaded.forward(data=np.zeros((1, 5, 8, 8)))
        with pytest.raises(EngineError, match="Caffe stopped"):
            loaded.forward(data=np.zeros((1, 3, 8, 8)))


# net, weights, options, what Caffe says, what torch says
REFUSED = {
    "no net": ("none.prototxt", None, {}, "none.prototxt: no such file", "none.prototxt: no such file"),
    "no weights": ("net.prototxt", "none.caffemodel", {}, "none.caffemodel: no such file", "none.caffemodel: no such"),
    "text for weights": ("net.prototxt", "net.prototxt", {}, "is text and holds no weights", "is text and holds no we"),
    "weights cut off": ("net.prototxt", "cut.caffemodel", {}, "Failed to parse NetParameter", "cut.caffemodel, byte "),
    "weights of another shape": ("wide.prototxt", "net.caffemodel", {}, "layer 'conv': Caffe stopped: Cannot copy",
                                 "layer 'conv', parameter 0: is 4x3x3x3, in the net 5x3x3x3"),
    "a typo": ("typo.prototxt", None, {}, 'typo.prototxt:4:', 'typo.prototxt:4:'),
    "a blob that is not there": ("net.prototxt", None, {"blobs": ["cnv"]}, "has no blob 'cnv' (did you mean conv?)",
                                 "has no blob 'cnv' (did you mean conv?)"),
    "a GPU": ("net.prototxt", None, {"gpu": 7}, "Cannot use GPU in CPU-only Caffe", "`gpu`: "),
    "bf16": ("net.prototxt", None, {"precision": "bf15"}, "no such precision (did you", "no such precision (did you"),
}  # fmt: skip


@pytest.mark.parametrize("engine_name", ["caffe", "torch"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_an_engine_refuses_is_one_line(
    case: str, engine_name: str, weights: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(weights.parent)
    whole = weights.read_bytes()
    Path("cut.caffemodel").write_bytes(whole[: len(whole) // 2])
    Path("wide.prototxt").write_text(NET.replace("num_output: 4", "num_output: 5"))
    Path("typo.prototxt").write_text(NET.replace("num_output", "num_outputs"))
    net, model, options, *said = REFUSED[case]
    caffe = caffe_bin if engine_name == "caffe" else None
    with pytest.raises(CaffeFcnError) as caught:
        engines.load(net, model, engine_name, caffe=caffe, **options)
    assert said[engine_name == "torch"] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_engine_that_is_not_there(net: Path) -> None:
    with pytest.raises(EngineError, match="`engine` tensorflow: no such engine"):
        engines.load(net, engine="tensorflow")


def test_auto_takes_caffe_where_there_is_one_and_torch_where_there_is_none(
    net: Path, caffe_bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    with engines.load(net) as loaded:
        assert isinstance(loaded, forward.CaffeEngine)
        assert loaded.note == f"engine: Caffe 1.0.0, {caffe_bin}"
    for name in ("HOME", "XDG_CACHE_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("CAFFE_BIN", "CAFFE_ROOT", "CAFFE_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    with engines.load(net) as loaded:
        assert not isinstance(loaded, forward.CaffeEngine)
        assert loaded.note.startswith("engine: torch ")
        assert loaded.note.endswith(", since there is no Caffe")


def test_bfloat16_is_near(net: Path, weights: Path) -> None:
    image = np.random.default_rng(5).normal(size=(1, 3, 8, 8)).astype(np.float32)
    found = {}
    for precision in ("float32", "bf16"):
        with engines.load(net, weights, "torch", precision=precision, blobs=["conv"]) as loaded:
            found[precision] = loaded.forward(data=image)["conv"]
    apart = np.abs(found["bf16"] - found["float32"]).max() / np.abs(found["float32"]).max()
    assert 1e-5 < apart < 2e-2  # eight bits


def test_the_worker_is_python_2_too() -> None:
    """An old Caffe's Python may be 2.7: no syntax, and no imports, that it does not have."""
    tree = ast.parse(forward._WORKER.read_text())
    newer = (
        ast.JoinedStr,
        ast.AnnAssign,
        ast.NamedExpr,
        ast.Nonlocal,
        ast.AsyncFunctionDef,
        ast.YieldFrom,
    )
    for node in ast.walk(tree):
        assert not isinstance(node, newer), ast.dump(node)
        if isinstance(node, ast.FunctionDef):
            assert not (node.args.kwonlyargs or node.returns or any(arg.annotation for arg in node.args.args))
        if isinstance(node, ast.Raise):
            assert node.cause is None
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"json", "os", "sys", "caffe", "numpy"}


FORKS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 3 } } }
layer { name: "large" type: "%s" bottom: "data" top: "large" %s }
"""


@pytest.mark.caffe
def test_a_net_with_a_forks_layers_runs_in_torch_where_nobody_names_an_engine(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    fork, plain = tmp_path / "fork.prototxt", tmp_path / "plain.prototxt"
    fork.write_text(FORKS % ("Interp", "interp_param { zoom_factor: 2 }"))
    plain.write_text(FORKS % ("ReLU", ""))
    with engines.load(fork) as engine:
        assert "since layer 'large' (Interp) is of a fork of Caffe" in engine.note
        assert engine.forward(data=np.ones((1, 1, 3, 3), "f4"))["large"].shape == (1, 1, 5, 5)
    with engines.load(plain) as engine:
        assert engine.note.startswith("engine: Caffe")
    with pytest.raises(EngineError, match="interp_param"), engines.load(fork, engine="caffe"):
        pass
