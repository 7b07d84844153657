"""ONNX files are read without their weights being in memory, and wrong ones are refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx_models import write

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.interop.onnx.importing.importer import import_onnx
from caffe_fcn.weights import open_weights

SIDE, COUNT = 2048, 7
MATRIX = SIDE * SIDE * 4  # bytes


def measure_import(path: Path, folder: Path) -> int:
    """The peak of the memory of a process that imports a model, in bytes."""
    script = (
        "import resource, sys; from caffe_fcn.interop.onnx.importing.importer import import_onnx;"
        "import_onnx(sys.argv[1], sys.argv[2]); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, path, folder], capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


def test_weights_are_never_all_in_memory(tmp_path: Path) -> None:
    """117 MB, each matrix of 17 MB: those that lie as Caffe has them are copied, one that lies the other way turned."""
    steps = "".join(f" v{index + 1} = Gemm<transB = 1>(v{index}, w{index})" for index in range(1, COUNT))
    body = f"v1 = MatMul(x, w0){steps} y = Relu(v{COUNT})"
    matrices = {
        f"w{index}": np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) + index for index in range(COUNT)
    }
    small = {name: values[:SIDE, :1] for name, values in matrices.items()}
    few = write(tmp_path / "few.onnx", "y = MatMul(x, w0)", f"float[1, {SIDE}] x", w0=small["w0"])
    many = write(tmp_path / "many.onnx", body, f"float[1, {SIDE}] x", **matrices)
    grown = measure_import(many, tmp_path / "many") - measure_import(few, tmp_path / "few")
    assert grown < 4 * MATRIX < many.stat().st_size * 0.6
    with open_weights(tmp_path / "many" / "weights.caffemodel") as weights:
        found = {layer: tensor.array() for layer, _, tensor in weights}
        np.testing.assert_array_equal(found["v1"], matrices["w0"].T)
        np.testing.assert_array_equal(found["v3"], matrices["w2"])


def write_valid(path: Path) -> Path:
    constants = {"w": np.zeros((4, 4, 70, 70))}  # 313 kB, so that it is a handle
    return write(path, "y = Conv<pads = [35, 35, 35, 35]>(x, w)", **constants)


def edit(path: Path, change: object) -> None:
    model = onnx.load(path)
    change(model)  # type: ignore[operator]
    path.write_bytes(model.SerializeToString())


def claim(model: onnx.ModelProto, *dims: int) -> None:
    (weights,) = model.graph.initializer
    weights.dims[:] = dims


def lay_outside(model: onnx.ModelProto, **told: str) -> None:
    (weights,) = model.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        weights.external_data.add(key=key, value=value)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b""), "not an ONNX model, or an empty one"),
        (lambda path: path.write_text('name: "net" layer { name: "x" }'), "is not an ONNX model, or cut short: byte"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "is not an ONNX model"),
        (lambda path: path.write_bytes(path.read_bytes()[:200_000]), "is not an ONNX model, or cut short: byte"),
        (lambda path: edit(path, lambda model: claim(model, 50_000, 50_000)), "is of 50000x50000"),
        (lambda path: edit(path, lambda model: claim(model, 4, 4, 70, 71)), "not have the values of its shape"),
        (lambda path: edit(path, lambda model: claim(model, 4, -4, -70, 70)), "the file is damaged"),
        (lambda path: edit(path, lambda model: lay_outside(model, location="w.data")), "w.data: no such file"),
        (
            lambda path: edit(path, lambda model: lay_outside(model, location=path.name, offset="999999999999")),
            "lies beyond the end of",
        ),
        (
            lambda path: edit(path, lambda model: lay_outside(model, location=path.name, offset="-1")),
            "lies beyond the end of",
        ),
        (
            lambda path: edit(path, lambda model: lay_outside(model, location="/etc/passwd")),
            "not in the model's folder",
        ),
        (
            lambda path: edit(path, lambda model: setattr(model.opset_import[0], "version", 6)),
            "has ONNX's operators of version 6 (7 to 23 are known)",
        ),
        (lambda path: edit(path, lambda model: setattr(model, "ir_version", 99)), "is of version 99 of ONNX's format"),
        (lambda path: edit(path, lambda model: model.ClearField("graph")), "not an ONNX model, or an empty one"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path: Path, cli, change, words: str) -> None:  # type: ignore[no-untyped-def]
    path = write_valid(tmp_path / "net.onnx")
    change(path)
    done = cli("import", "onnx", path, "-o", tmp_path / "net")
    assert done.status == 2 and done.err.startswith("error: ") and done.err.count("\n") == 1
    assert words in done.err and not (tmp_path / "net").exists()


def test_a_file_that_claims_much_takes_no_memory(tmp_path: Path) -> None:
    """10 GB by a length, by a shape, and by an offset."""
    path = write_valid(tmp_path / "net.onnx")
    data = path.read_bytes()
    held = numpy_helper.to_array(onnx.load(path).graph.initializer[0]).tobytes()
    at = data.index(held)
    for length in (b"\x80\x80\x80\x80\x28", b"\xff\xff\xff\xff\x7f"):
        path.write_bytes(data[: at - 3] + length + data[at:])
        with pytest.raises(CaffeFcnError, match=r"net\.onnx: "):
            import_onnx(path, tmp_path / "net")
