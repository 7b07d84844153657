"""ONNX models of sequences and volumes, recurrent layers, and images that are resized and padded in other ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from caffe_worker import CaffeWorker
from onnx import numpy_helper
from onnx_judge import KNOWN_OPSETS
from onnx_models import assert_equal, write

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.importer import import_onnx

RNG = np.random.default_rng(3)
ROW = RNG.normal(0, 0.3, (6, 4, 3))
CUBE = RNG.normal(0, 0.3, (5, 2, 3, 2, 3))
C = RNG.normal(1, 0.3, (4,))


@pytest.mark.parametrize(
    "body, constants",
    [
        ("a = Conv<pads = [1, 1], strides = [2]>(x, w, b) y = Relu(a)", {"w": ROW, "b": np.arange(6.0)}),
        ("y = Conv<pads = [2, 0], dilations = [2], group = 2>(x, w)", {"w": ROW[:, :2]}),
        ("y = ConvTranspose<strides = [3], pads = [1, 0], output_padding = [1]>(x, w)", {"w": ROW.transpose(1, 0, 2)}),
        ("a = BatchNormalization(x, c, d, d, c) y = PRelu(a, s)", {"c": C, "d": np.abs(C), "s": C.reshape(4, 1)}),
        ("y = MaxPool<kernel_shape = [3], strides = [2]>(x)", {}),
        ("y = AveragePool<kernel_shape = [3], strides = [2], pads = [1, 1]>(x)", {}),
        ("g = GlobalAveragePool(x) y = Mul(x, g)", {}),
        ("y = GlobalMaxPool(x)", {}),
        ("p = Pad(x, pads) y = Conv(p, w)", {"pads": [0, 0, 2, 0, 0, 1], "w": ROW}),
        ('y = Resize<mode = "linear">(x, , s)', {"s": np.array([1, 1, 2], np.float32)}),
    ],
)
def test_sequences(tmp_path: Path, caffe: CaffeWorker, body: str, constants: dict[str, object]) -> None:
    path = write(tmp_path / "net.onnx", body, "float[2, 4, 10] x", **constants)
    made = assert_equal(path, tmp_path / "net", caffe)
    assert "Convolution" not in made.files[0].read_text() or "engine: CAFFE" in made.files[0].read_text()


@pytest.mark.parametrize(
    "body, constants",
    [
        ("y = Conv<pads = [1, 0, 1, 1, 0, 2], strides = [2, 1, 2]>(x, w, b)", {"w": CUBE, "b": np.arange(5.0)}),
        ("y = ConvTranspose<strides = [2, 2, 1]>(x, w)", {"w": CUBE.transpose(1, 0, 2, 3, 4)}),
        ("y = MaxPool<kernel_shape = [2, 3, 2], strides = [2, 2, 1], pads = [0, 1, 0, 0, 1, 0]>(x)", {}),
        ("y = AveragePool<kernel_shape = [2, 3, 2], strides = [1, 2, 2], pads = [1, 1, 0, 0, 1, 1]>(x)", {}),
        ("y = MaxPool<kernel_shape = [1, 2, 2], strides = [1, 2, 2]>(x)", {}),
        ("g = GlobalAveragePool(x) y = Sub(x, g)", {}),
    ],
)
def test_volumes(tmp_path: Path, caffe: CaffeWorker, body: str, constants: dict[str, object]) -> None:
    path = write(tmp_path / "net.onnx", body, "float[1, 2, 5, 6, 7] x", **constants)
    assert_equal(path, tmp_path / "net", caffe)


STEPS, BATCH, WIDTH, HIDDEN = 5, 2, 4, 3


def lstm_constants(directions: int = 1) -> dict[str, object]:
    random = np.random.default_rng(11)
    return {
        "w": random.normal(0, 0.5, (directions, 4 * HIDDEN, WIDTH)),
        "r": random.normal(0, 0.5, (directions, 4 * HIDDEN, HIDDEN)),
        "b": random.normal(0, 0.5, (directions, 8 * HIDDEN)),
        "h": random.normal(0, 1, (directions, BATCH, HIDDEN)),
        "zero": np.zeros((directions, BATCH, HIDDEN)),
        "ones": np.ones((directions, BATCH, HIDDEN)),
    }


@pytest.mark.parametrize(
    "body, directions",
    [
        ("y, z = LSTM<hidden_size = 3>(x, w, r, b)", 1),
        ("y, h1, z = LSTM<hidden_size = 3>(x, w, r)", 1),
        ("y, z, c1 = LSTM<hidden_size = 3>(x, w, r, b, , h, ones)", 1),
        ("y = LSTM<hidden_size = 3>(x, w, r, b, , zero, zero)", 1),
        ('y, z = LSTM<hidden_size = 3, direction = "reverse">(x, w, r, b)', 1),
        ('y, h2, z = LSTM<hidden_size = 3, direction = "bidirectional">(x, w, r, b, , h, h)', 2),
    ],
)
def test_lstm(tmp_path: Path, caffe: CaffeWorker, body: str, directions: int) -> None:
    """Gates in another order, both directions, states given and taken; a second run begins anew."""
    shapes = f"float[{STEPS}, {BATCH}, {WIDTH}] x"
    path = write(tmp_path / "net.onnx", body, shapes, **lstm_constants(directions))
    assert_equal(path, tmp_path / "net", caffe)


def test_states_that_the_net_computes(tmp_path: Path, caffe: CaffeWorker) -> None:
    body = "s = Slice(x, a, e, t) q = Slice(s, a, q3, t2) n = Neg(q) y = LSTM<hidden_size = 3>(x, w, r, b, , q, n)"
    places = {"a": [0], "e": [1], "t": [0], "q3": [HIDDEN], "t2": [2]}
    path = write(tmp_path / "net.onnx", body, f"float[{STEPS}, {BATCH}, {WIDTH}] x", **lstm_constants(), **places)
    assert_equal(path, tmp_path / "net", caffe)


@pytest.mark.parametrize(
    "body, words",
    [
        ("y = GRU<hidden_size = 3>(x, g, g2)", "node 'y' (GRU): Caffe 1.0 has no GRU"),
        ("y = RNN<hidden_size = 3>(x, n, n2)", "another tanh of the state"),
        ("y = LSTM<hidden_size = 3, clip = 1.0>(x, w, r)", "limits its cells"),
        ('y = LSTM<hidden_size = 3, activations = ["Relu", "Tanh", "Tanh"]>(x, w, r)', "has the functions relu, tanh"),
        ("y = LSTM<hidden_size = 3>(x, w, r, b, , , , p)", "has peepholes"),
        ("y = LSTM<hidden_size = 3>(x, w, r, b, lengths)", "sequences of several lengths"),
    ],
)
def test_what_caffes_lstm_is_not(tmp_path: Path, body: str, words: str) -> None:
    further = {
        "g": np.zeros((1, 9, 4)), "g2": np.zeros((1, 9, 3)), "n": np.zeros((1, 3, 4)), "n2": np.zeros((1, 3, 3)),
        "p": np.ones((1, 9)), "lengths": np.array([5, 4], np.int32),
    }  # fmt: skip
    constants = {name: values for name, values in (lstm_constants() | further).items() if name in body}
    path = write(tmp_path / "net.onnx", body, f"float[{STEPS}, {BATCH}, {WIDTH}] x", **constants)
    with pytest.raises(NetError, match=words.replace("(", "\\(").replace(")", "\\)")):
        import_onnx(path, tmp_path / "net")


@pytest.mark.parametrize(
    "settings, constants",
    [
        ('mode = "linear", coordinate_transformation_mode = "asymmetric"', {"s": [1.0, 1, 1.5, 2]}),
        ('mode = "linear"', {"s": [1.0, 1, 1.3333334, 0.5]}),
        ('mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"',
         {"s": [1.0, 1, 1.5, 0.75]}),
        ('mode = "linear", coordinate_transformation_mode = "align_corners"', {"n": [1, 2, 10, 5]}),
    ],
)  # fmt: skip
def test_fractions_are_composed(
    tmp_path: Path, caffe: CaffeWorker, settings: str, constants: dict[str, list[float]]
) -> None:
    """By a larger image, of which some pixels are taken."""
    given = {name: np.array(values, np.float32 if name == "s" else np.int64) for name, values in constants.items()}
    body = f"y = Resize<{settings}>(x, , {'s' if 's' in given else ', n'})"
    path = write(tmp_path / "net.onnx", body, "float[1, 2, 6, 8] x", **given)
    with pytest.raises(NetError, match="no whole factor \\(give `compose`"):
        import_onnx(path, tmp_path / "net")
    made = assert_equal(path, tmp_path / "net", caffe, compose=True)
    assert any("pixels, and takes" in note for note in made.notes)


def test_interp_of_deeplabs_fork(tmp_path: Path) -> None:
    """Any size, where corners lie on each other."""
    body = 'y = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(x, , , n)'
    path = write(tmp_path / "net.onnx", body, "float[1, 2, 6, 8] x", n=[1, 2, 13, 5])
    made = assert_equal(path, tmp_path / "net", None, dialect="deeplab-v2")
    assert 'type: "Interp"' in made.files[0].read_text()


@pytest.mark.parametrize(("mode", "opset"), [("reflect", 18), ("edge", 18), ("wrap", 19)])
def test_pads_that_repeat_the_image(tmp_path: Path, caffe: CaffeWorker, mode: str, opset: int) -> None:
    if opset not in KNOWN_OPSETS:
        pytest.skip(f"this ONNX Runtime does not know operator set {opset}")
    path = write(tmp_path / "net.onnx", f'y = Pad<mode = "{mode}">(x, p)', p=[0, 0, 2, 1, 0, 0, 0, 3], opset=opset)
    with pytest.raises(NetError, match="Caffe's layers pad with zeros \\(give `compose`"):
        import_onnx(path, tmp_path / "net")
    assert_equal(path, tmp_path / "net", caffe, compose=True)


def test_places_that_are_gathered(tmp_path: Path, caffe: CaffeWorker) -> None:
    body = "a = Gather<axis = 1>(x, many) b = Gather<axis = 3>(a, last) y = Relu(b)"
    path = write(tmp_path / "net.onnx", body, many=[2, 3, 0, 0, -1], last=np.array(-1))
    assert_equal(path, tmp_path / "net", caffe)


def test_matrices_that_lie_the_other_way(tmp_path: Path, caffe: CaffeWorker) -> None:
    """Large ones are turned, scaled, converted part by part: in Constant nodes, of half precision, beside the model."""
    random = np.random.default_rng(5)
    body = """
        f = Flatten(x) h = Cast<to = 1>(half) a = MatMul(f, h) t = Transpose<perm = [1, 0]>(square) s = Mul(t, two)
        u = Reshape(s, shape) b = MatMul(a, u) y = Gemm<alpha = 0.5>(b, square)"""
    path = write(
        tmp_path / "net.onnx",
        body,
        half=random.normal(0, 0.1, (168, 300)).astype(np.float16),
        square=random.normal(0, 0.1, (300, 300)),
        two=2.0,
        shape=[300, 300],
    )
    assert_equal(path, tmp_path / "net", caffe)
    model = onnx.load(path)
    held = {each.name: each for each in model.graph.initializer}
    node = onnx.helper.make_node("Constant", [], ["square"], value=held["square"])
    model.graph.node.insert(0, node)
    model.graph.initializer.remove(held["square"])
    onnx.save(model, tmp_path / "constant.onnx")
    assert_equal(tmp_path / "constant.onnx", tmp_path / "constant", caffe)
    onnx.save_model(model, tmp_path / "beside.onnx", save_as_external_data=True, location="beside.data")
    assert_equal(tmp_path / "beside.onnx", tmp_path / "beside", caffe)
    values = numpy_helper.to_array(held["square"])
    model.graph.node[0].attribute[0].t.CopyFrom(
        onnx.helper.make_tensor("square", onnx.TensorProto.FLOAT, values.shape, values.ravel())  # as float_data
    )
    onnx.save(model, tmp_path / "floats.onnx")
    assert_equal(tmp_path / "floats.onnx", tmp_path / "floats", caffe)
