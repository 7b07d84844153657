"""Caffe nets of ONNX models: real Caffe, and the torch engine, must give what ONNX Runtime gives for the model."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from caffe_worker import CaffeWorker
from catalogue_nets import IN_BVLCS, shrink_deploy_net
from onnx import TensorProto, helper
from onnx_judge import Exported
from onnx_models import assert_equal, write
from prototxts import input_layer, layer

from caffe_fcn import proto
from caffe_fcn.errors import CaffeFcnError, FileError, MissingExtraError, NetError
from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.importing.importer import import_onnx
from caffe_fcn.interop.onnx.importing.verification import compare_import


@pytest.mark.parametrize(
    "name",
    [name if name in ("m2nist-fcn", "unet") else pytest.param(name, marks=pytest.mark.long) for name in IN_BVLCS],
)
def test_the_nets_of_the_catalogue_come_back(tmp_path: Path, caffe: CaffeWorker, name: str) -> None:
    """From Caffe to ONNX and back: real Caffe gives the same for both nets."""
    exported = Exported(proto.to_text(shrink_deploy_net(name)), tmp_path)
    made = import_onnx(exported.made.files[0], tmp_path / "back")
    random = np.random.default_rng(0)
    given = {blob: random.normal(0, 1, shape).astype(np.float32) for blob, shape in made.inputs.items()}
    wanted = caffe.run((tmp_path / "deploy.prototxt").read_text(), given, weights=exported.weights)
    found = caffe.run(made.files[0].read_text(), given, weights=made.files[1])
    assert found and wanted and made.outputs
    for blob in made.outputs:
        values = wanted[f"blob/{blob}"]
        np.testing.assert_allclose(found[f"blob/{blob}"], values, rtol=0, atol=1e-5 * np.abs(values).max())


RNG = np.random.default_rng(7)
W = RNG.normal(0, 0.3, (6, 4, 3, 3))
UP = RNG.normal(0, 0.3, (4, 5, 4, 4))
C = RNG.normal(1, 0.3, (4,))


@pytest.mark.parametrize(
    "body, constants",
    [
        ("y = Conv<pads = [1, 0, 1, 0], strides = [2, 1]>(x, w, b)", {"w": W, "b": np.arange(6.0)}),
        ("y = Conv<pads = [0, 0, 1, 2], strides = [2, 2]>(x, w)", {"w": W}),
        ("y = Conv<pads = [2, 3, 0, 1], dilations = [2, 1]>(x, w)", {"w": W}),
        ('y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)', {"w": W}),
        ('y = Conv<auto_pad = "SAME_LOWER", strides = [2, 2]>(x, w)', {"w": W}),
        ("y = Conv<group = 2>(x, w)", {"w": W[:, :2]}),
        ("y = ConvTranspose<strides = [2, 3], pads = [1, 0, 1, 1]>(x, w, b)", {"w": UP, "b": np.arange(5.0)}),
        ("y = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]>(x, w)", {"w": UP}),
        ("p = Pad(x, pads) y = Conv(p, w)", {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "w": W}),
        ("p = Pad(x, pads, v) q = Relu(p) y = Conv(q, w)", {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "v": 0.5, "w": W}),
        ("y = BatchNormalization(x, c, d, d, c)", {"c": C, "d": C - 1}),
        ("y = PRelu(x, s)", {"s": C.reshape(4, 1, 1)}),
        ("a = LeakyRelu(x) b = Elu(a) c = Softplus(b) d = Sigmoid(c) y = Tanh(d)", {}),
        ("a = Neg(x) b = Abs(a) y = Sqrt(b)", {}),
        ("a = Exp(x) b = Log(a) y = Pow(b, two)", {"two": 2.0}),
        ("a = Add(x, c) b = Mul(k, a) c2 = Sub(s, b) y = Div(c2, m)", {"c": C.reshape(4, 1, 1), "k": 3.0, "s": 1.5,
         "m": np.abs(W[0, 0, :1, :1]) + np.arange(1.0, 7)}),
        ("e = Exp(x) y = Div(one, e)", {"one": 1.0}),
        ("g = GlobalAveragePool(x) h = Sigmoid(g) a = Mul(x, h) b = Sub(a, g) y = Add(b, x)", {}),
        ("g = GlobalAveragePool(x) e = Exp(g) y = Div(x, e)", {}),
        ("r = ReduceMean<axes = [2, 3], keepdims = 0>(x) y = Gemm<transB = 1, alpha = 0.5>(r, w, b)",
         {"w": W[:, :, 0, 0], "b": np.arange(6.0)}),
        ("f = Flatten(x) g = MatMul(f, w) y = Add(g, b)", {"w": RNG.normal(0, 0.1, (168, 3)), "b": [1.0, 2, 3]}),
        ("y = Softmax<axis = 1>(x)", {}),
        ("y = LogSoftmax<axis = -1>(x)", {}),
        ("y = LRN<size = 3, alpha = 0.1>(x)", {}),
        ("a, b, c = Split<axis = 1>(x, sizes) y = Concat<axis = 1>(c, a, b)", {"sizes": [1, 2, 1]}),
        ("y = Slice(x, starts, ends, axes)", {"starts": [1, -4], "ends": [6, 1000], "axes": [2, 3]}),
        ("y = Slice(x, starts, ends, axes, steps)", {"starts": [-1], "ends": [-(2**40)], "axes": [1], "steps": [-1]}),
        ("g = GlobalMaxPool(x) a = Transpose<perm = [0, 2, 3, 1]>(g) y = Squeeze(a, axes)", {"axes": [1, 2]}),
        ("y = DepthToSpace<blocksize = 2>(x)", {}),
        ('y = DepthToSpace<blocksize = 2, mode = "CRD">(x)', {}),
        ("p = Pad(x, pads) y = SpaceToDepth<blocksize = 2>(p)", {"pads": [0, 0, 0, 0, 0, 0, 1, 0]}),
        ("n = Neg(x) y = Max(x, n)", {}),
        ("i = Identity(x) z, m = Dropout(i) y = Relu(z)", {}),
    ],
)  # fmt: skip
def test_operators(tmp_path: Path, caffe: CaffeWorker, body: str, constants: dict[str, object]) -> None:
    """Each is a net of its own, at a size of odd and even sides."""
    assert_equal(write(tmp_path / "net.onnx", body, **constants), tmp_path / "net", caffe)


@pytest.mark.parametrize("height, width", [(7, 6), (8, 8)])
def test_poolings(tmp_path: Path, caffe: CaffeWorker, height: int, width: int) -> None:
    """Windows that ONNX rounds down, where Caffe rounds up, and pads of their own on each side."""
    nodes = []
    for kind, kernel, stride, before, behind, ceil, counts in product(
        ("MaxPool", "AveragePool"), (2, 3), (1, 2, 3), (0, 1), (0, 1), (0, 1), (0, 1)
    ):
        if (kind == "MaxPool" and counts) or (kind == "AveragePool" and ceil):  # runtimes disagree on such averages
            continue
        if ceil and (behind or stride > kernel):  # of windows that lie in the pads alone there is no maximum
            continue
        settings = {"count_include_pad": counts} if kind == "AveragePool" else {}
        name = f"{kind}_{kernel}_{stride}_{before}_{behind}_{ceil}_{counts}"
        windows = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [before] * 2 + [behind] * 2}
        nodes.append(helper.make_node(kind, ["x"], [name], name, ceil_mode=ceil, **windows, **settings))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, height, width])
    tops = [helper.make_tensor_value_info(node.name, TensorProto.FLOAT, None) for node in nodes]
    model = helper.make_model(
        helper.make_graph(nodes, "poolings", [x], tops), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    onnx.save(model, tmp_path / "net.onnx")
    assert_equal(tmp_path / "net.onnx", tmp_path / "net", caffe)


@pytest.mark.parametrize(
    "settings, scales",
    [
        ('mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"', [1, 1, 2, 3]),
        ('mode = "nearest"', [1, 1, 3, 3]),
        ('mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"', [1, 1, 0.5, 0.5]),
        ('mode = "linear"', [1, 1, 2, 4]),
        ('mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"', [1, 1, 3, 2]),
    ],
)
def test_resizing(tmp_path: Path, caffe: CaffeWorker, settings: str, scales: list[float]) -> None:
    body = f"y = Resize<{settings}>(x, , scales)"
    path = write(tmp_path / "net.onnx", body, "float[1, 2, 6, 4] x", scales=np.array(scales, np.float32))
    assert_equal(path, tmp_path / "net", caffe)


def test_resizing_between_corners(tmp_path: Path, caffe: CaffeWorker) -> None:
    body = 'y = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(x, , , sizes)'
    path = write(tmp_path / "net.onnx", body, "float[1, 2, 5, 4] x", sizes=[1, 2, 9, 10])
    assert_equal(path, tmp_path / "net", caffe)


def test_the_shapes_that_torch_computes_in_the_graph(tmp_path: Path, caffe: CaffeWorker) -> None:
    """A view of (batch, -1) as torch.onnx.export writes it: Shape, Gather, Unsqueeze, Concat, Reshape."""
    body = """
        s = Shape(x) k = Constant<value = int64 {0}>() n = Gather<axis = 0>(s, k) a = Constant<value = int64[1] {0}>()
        u = Unsqueeze(n, a) m = Constant<value = int64[1] {-1}>() t = Concat<axis = 0>(u, m) r = Reshape(x, t)
        y = Gemm<transB = 1>(r, w)"""
    path = write(tmp_path / "net.onnx", body, w=RNG.normal(0, 0.1, (3, 168)))
    assert_equal(path, tmp_path / "net", caffe)


COMPOSED = """
    a = Add(x, three) c = Clip(a, zero, six) d = Mul(x, c) e = Div(d, six)
    f = HardSigmoid<alpha = 0.3>(e) g = HardSwish(f) y = Clip(g, , six)"""
LIMITS = {"three": 3.0, "zero": 0.0, "six": 6.0}


def test_what_caffe_has_no_layer_for_is_composed(tmp_path: Path, caffe: CaffeWorker) -> None:
    path = write(tmp_path / "net.onnx", COMPOSED, **LIMITS)
    with pytest.raises(NetError, match=r"node 'c' \(Clip\): .*`compose`.*`dialect` master"):
        import_onnx(path, tmp_path / "net")
    assert not (tmp_path / "net").exists()
    assert_equal(path, tmp_path / "net", caffe, compose=True)


@pytest.mark.parametrize("order", [[0, 2, 3, 1], [0, 3, 1, 2], [0, 2, 1, 3]])
def test_one_axis_moves_by_pieces(tmp_path: Path, caffe: CaffeWorker, order: list[int]) -> None:
    path = write(tmp_path / "net.onnx", f"y = Transpose<perm = {order}>(x)")
    assert_equal(path, tmp_path / "net", caffe, compose=True)


def test_dialects(tmp_path: Path) -> None:
    body = "a = Clip(x, zero, six) y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"
    path = write(tmp_path / "clip.onnx", body, **LIMITS)
    made = assert_equal(path, tmp_path / "master", None, dialect="master")
    text = made.files[0].read_text()
    assert 'type: "Clip"' in text and "round_mode: FLOOR" in text
    path = write(tmp_path / "turned.onnx", "y = Transpose<perm = [0, 2, 3, 1]>(x)")
    assert_equal(path, tmp_path / "ssd", None, dialect="ssd")


@pytest.mark.parametrize(
    "body, constants, words",
    [
        ("y = Transpose<perm = [0, 2, 3, 1]>(x)", {}, "node 'y' (Transpose): changes the order of axes"),
        ("y = ReduceMean<axes = [1]>(x)", {}, "node 'y' (ReduceMean): reduces axes [1] of 4"),
        ("y = MaxPool<kernel_shape = [2, 2], strides = [3, 3], ceil_mode = 1>(x)", {}, "outside of the image"),
        ("y = Erf(x)", {}, "node 'y' (Erf): Caffe has no equivalent"),
        ("y = Conv(x, w)", {}, "node 'y' (Conv): reads 'w', which nothing before it makes"),
        ("y = Relu(z) z = Relu(x)", {}, "node 'y' (Relu): reads 'z', which nothing before it makes"),
        (
            "y = Conv(x, w)",
            {"w": np.zeros((2, 3, 1, 1))},
            "layer 'y': its node has parameters of 2x3x1x1, and not 2x4x1x1",
        ),
        ('y = Pad<mode = "reflect">(x, p)', {"p": [0, 0, 1, 1, 0, 0, 1, 1]}, "node 'y' (Pad): pads by 'reflect'"),
        ("y = Resize(x, , s)", {"s": np.array([1, 1, 1.5, 1.5], np.float32)}, "no whole factor (give `compose`"),
        ('y = Resize<mode = "cubic">(x, , s)', {"s": np.array([1, 1, 2, 2], np.float32)}, "resizes by cubic"),
        (
            'y = Resize<mode = "linear">(x, , s)',
            {"s": np.array([1, 1, 0.3, 0.3], np.float32)},
            "in a way that no Deconvolution does",
        ),
        ("y = MatMul(x, t) t = Relu(x)", {}, "reads 't'"),
        ("s = ConstantOfShape(n) y = Add(x, s)", {"n": [2**20, 2**20]}, "makes more than"),
    ],
)
def test_refusals_name_the_node(tmp_path: Path, body: str, constants: dict[str, object], words: str) -> None:
    with pytest.raises(NetError) as raised:
        import_onnx(write(tmp_path / "net.onnx", body, **constants), tmp_path / "net")
    assert words in str(raised.value)
    assert not (tmp_path / "net").exists()


def test_files_are_not_trusted(tmp_path: Path, caffe: CaffeWorker) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08nonsense")
    with pytest.raises(FileError, match="not an ONNX model"):
        import_onnx(tmp_path / "net.onnx", tmp_path / "net")
    path = write(tmp_path / "named.onnx", "y = Relu(x)")
    path.write_bytes(path.read_bytes().replace(b"Relu", b"R\xfflu"))
    with pytest.raises((FileError, NetError)):
        import_onnx(path, tmp_path / "net")
    (tmp_path / "outside").write_bytes(bytes(4 * 4))
    (tmp_path / "models").mkdir()
    path = write(tmp_path / "models" / "net.onnx", "y = Add(x, c)", "float[1, 4] x", c=np.zeros(4))
    model = onnx.load(path)
    (constant,) = model.graph.initializer
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    for location, words in (("../outside", "not in the model's folder"), ("inside", "lies beyond the end of")):
        del constant.external_data[:]
        constant.external_data.add(key="location", value=location)
        (tmp_path / "models" / "inside").write_bytes(bytes(3 * 4))
        path.write_bytes(model.SerializeToString())
        with pytest.raises(FileError, match=words):
            import_onnx(path, tmp_path / "net")
    (tmp_path / "models" / "inside").write_bytes(np.arange(4, dtype="<f4").tobytes())
    assert_equal(path, tmp_path / "net", caffe)


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="caffe-fcn\\[onnx\\]"):
        import_onnx(tmp_path / "a", tmp_path / "b")


def test_averages_of_our_own_exports_are_poolings_again(tmp_path: Path, caffe: CaffeWorker) -> None:
    pooling = "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"
    text = input_layer("data", 1, 2, 8, 7) + layer("Pooling", "data", "y", pooling)
    made = assert_equal(Exported(text, tmp_path).made.files[0], tmp_path / "net", caffe)
    net = proto.NetParameter()
    proto.parse(made.files[0].read_text(), net)
    assert [each.type for each in net.layer] == ["Input", "Pooling"]


def test_small_probabilities_are_equal_but_for_onnx_runtimes_rounding(tmp_path: Path) -> None:
    """As those of a text detector where there is no text; ONNX Runtime's sigmoids are judged by their formula."""
    body, scores = "a = Add(x, c) y = Sigmoid(a)", np.linspace(-20, 10, 168).reshape(1, 4, 7, 6)
    path = write(tmp_path / "net.onnx", body, c=-16.0)
    found = run_model(path, {"x": scores.astype(np.float32)})["y"]
    assert np.abs(found - 1 / (1 + np.exp(16 - scores))).max() < 2e-7
    made = import_onnx(path, tmp_path / "net")
    assert all(each.ok for each in compare_import(made, engine="torch")[0])
    write(path, body, c=-15.0)
    assert not any(each.ok for each in compare_import(made, engine="torch")[0])


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_the_command(tmp_path: Path, cli, engine: str) -> None:
    path = write(tmp_path / "net.onnx", "c = Conv(x, w) y = Clip(c, zero, six)", "float[n, 4, h, w0] x", w=W, **LIMITS)
    done = cli("import", "onnx", path, "-o", tmp_path / "net")
    assert done.status == 2 and done.err.startswith("error: input 'x': leaves the size of its axes open (give a --size")
    done = cli("import", "onnx", path, "-o", tmp_path / "net", "--size", "9x8")
    assert done.status == 2 and "error: node 'y' (Clip): " in done.err and "--compose" in done.err
    done = cli(
        "import", "onnx", path, "-o", tmp_path / "net", "--size", "9x8", "--compose", "--verify", "--engine", engine
    )
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1].startswith("y (1x6x7x6): equal")
    described = json.loads((tmp_path / "net" / "model.json").read_text())
    assert [each["blob"] for each in described["inputs"]] == ["x"]
    with pytest.raises(CaffeFcnError):
        import_onnx(path, tmp_path / "net", size=(9, 8), dialect="sdd")


@pytest.mark.long
def test_damaged_files_are_refused_in_one_line(tmp_path: Path) -> None:
    """Of a model with some bytes changed nothing but a net, or one of our errors, comes."""
    path = write(tmp_path / "net.onnx", COMPOSED.replace("Add(x, three)", "Conv<pads = [1, 1, 1, 1]>(x, w)"), w=W,
                 **LIMITS)  # fmt: skip
    data, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), random.choice([1, 2, 8])):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            import_onnx(path, tmp_path / "net", compose=True)
        except CaffeFcnError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused
