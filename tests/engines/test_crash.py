"""Real Caffe made to crash in every common way: each is one line that quotes it, says where, and helps.

What Caffe says is Caffe's; where and the help are what this project adds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.engines.caffe import CaffeTraining, find
from caffe_fcn.engines.caffe.crash import CrashReporter
from caffe_fcn.errors import CaffeFcnError, EngineError

DATA = """layer { name: "data" type: "DummyData" top: "data" top: "label"
  dummy_data_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } shape { dim: 4 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" value: 1 } } }
"""
IP = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""
LOSS = """layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" display: 10 max_iter: 20
snapshot_prefix: "snap/t" solver_mode: CPU
"""

COLUMN = r"(:\d+)?"  # protobuf's, which points somewhere behind the mistake


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    """A working directory with a net and a solver that train."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    (tmp_path / "net.prototxt").write_text(DATA + IP + LOSS)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def run(**options: object) -> list[object]:
    with CaffeTraining(find(), "solver.prototxt", **options) as training:  # type: ignore[arg-type]
        return list(training)


def failure(**options: object) -> CaffeFcnError:
    with pytest.raises(CaffeFcnError) as caught:
        run(**options)
    assert "\n" not in str(caught.value)
    return caught.value


def data(kind: str, body: str) -> str:
    return f'layer {{ name: "d" type: "{kind}" top: "data" top: "label" {body} }}\n'


# the net, where Caffe dies, what it says, how to mend it
NETS = {
    "a field with a typo": (DATA + IP.replace("num_output", "num_outputs") + LOSS, "net.prototxt:5",
        'has no field named "num_outputs"', "correct the name"),
    "a bracket too many": (DATA + IP + LOSS + "}", "net.prototxt:7", "Expected identifier, got: }", ""),
    "a layer type with a typo": (DATA + IP.replace("InnerP", "InerP") + LOSS, "net.prototxt, layer 'ip'",
        "Unknown layer type: InerProduct", "did you mean InnerProduct?"),
    "a layer type of NVIDIA's": (DATA + IP + LOSS.replace("SoftmaxWithLoss", "L1Loss"), "net.prototxt, layer 'loss'",
        "Unknown layer type: L1Loss", "(take `engine` torch, or the fork that has it"),
    "a bottom with a typo": (DATA + IP.replace('"data"', '"dta"') + LOSS, "net.prototxt, layer 'ip'",
        "Unknown bottom blob 'dta'", "no layer before it makes this blob"),
    "a blob made twice": (DATA + IP + IP + LOSS, "net.prototxt, layer 'ip'", "produced by multiple sources", ""),
    "a filler with a typo": (DATA + IP.replace("xavier", "xaviar") + LOSS, "net.prototxt, layer 'ip'",
        "Unknown filler name: xaviar", "did you mean xavier?"),
    "labels of another number": (DATA.replace("{ dim: 4 }", "{ dim: 3 }") + IP + LOSS, "net.prototxt, layer 'loss'",
        "bottom[0]->shape(0) == bottom[1]->shape(0) (4 vs. 3)", ""),
    "a kernel larger than its input": (
        DATA + 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
        "convolution_param { num_output: 2 kernel_size: 20 } }" + IP + LOSS, "net.prototxt, layer 'conv'",
        "shape[i] >= 0 (-11 vs. 0)", "window is larger than its input"),
    "a crop out of bounds": (
        DATA + 'layer { name: "crop" type: "Crop" bottom: "data" bottom: "data" top: "c" '
        "crop_param { axis: 2 offset: 18 } }" + IP + LOSS, "net.prototxt, layer 'crop'",
        "the crop for dimension 2 is out-of-bounds with size 8 and offset 18", ""),
    "a blob beyond 2 GB": (DATA.replace("dim: 4 dim: 3 dim: 8 dim: 8", "dim: 40000 dim: 300 dim: 800 dim: 800") + IP,
        "net.prototxt, layer 'data'", "blob size exceeds INT_MAX", "take smaller images"),
    "no LMDB": (data("Data", 'data_param { source: "set/train" backend: LMDB batch_size: 2 }') + IP + LOSS,
        "net.prototxt, layer 'd'", "mdb_status == 0 (2 vs. 0) No such file", "there is no LMDB 'set/train' in "),
    "no LMDB but a text": (data("Data", 'data_param { source: "text" backend: LMDB batch_size: 2 }') + IP + LOSS,
        "net.prototxt, layer 'd'", "File is not an LMDB file", "it is no LMDB"),
    "no LevelDB": (data("Data", 'data_param { source: "set" backend: LEVELDB batch_size: 2 }') + IP + LOSS,
        "net.prototxt, layer 'd'", "Failed to open leveldb set", ""),
    "no list of HDF5 files": (data("HDF5Data", 'hdf5_data_param { source: "list" batch_size: 2 }') + IP + LOSS,
        "net.prototxt, layer 'd'", "Failed to open source file: list", "check the path; Caffe looked in "),
    "no HDF5 file": (data("HDF5Data", 'hdf5_data_param { source: "h5s" batch_size: 2 }') + IP + LOSS,
        "net.prototxt, layer 'd'", "Failed opening HDF5 file: none.h5", "check the path"),
    "no mean file": (
        DATA + 'layer { name: "d" type: "ImageData" top: "i" top: "l" transform_param { mean_file: "mean" } '
        'image_data_param { source: "images" batch_size: 1 } }' + IP + LOSS, "net.prototxt, layer 'd'",
        "File not found: mean", "check the path; Caffe looked in "),
    "no image": (DATA + 'layer { name: "d" type: "ImageData" top: "i" top: "l" '
        'image_data_param { source: "images" batch_size: 1 } }' + IP + LOSS, "net.prototxt, layer 'd'",
        "Could not load none.jpg", "check the path"),
    "no module of a Python layer": (data("Python", 'python_param { module: "none_layers" layer: "Data" }') + IP + LOSS,
        "net.prototxt, layer 'd'", "No module named 'none_layers'", "add the folder of the module to PYTHONPATH"),
    "labels out of range": (DATA.replace("value: 1 ", "value: 123456789 ") + IP + LOSS, "solver.prototxt",
        "segmentation fault", "a label outside 0..classes-1"),
}  # fmt: skip


@pytest.mark.parametrize("case", NETS)
def test_a_net_that_caffe_refuses(place: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing is one that went away after a training looked for it (`data_sources`)."""
    monkeypatch.setattr("caffe_fcn.engines.training.require_sources", lambda *arguments: None)
    net, where, what, mend = NETS[case]
    (place / "net.prototxt").write_text(net)
    (place / "text").mkdir()
    (place / "text/data.mdb").write_text("no database")
    (place / "h5s").write_text("none.h5\n")
    (place / "images").write_text("none.jpg 0\n")
    error = failure()
    assert re.fullmatch(re.escape(where) + COLUMN, error.where)
    assert error.what.startswith("Caffe stopped: ")
    assert what in error.what
    assert mend in str(error)
    assert str(place / "snap/t.log") in error.mend
    assert what in (place / "snap/t.log").read_text() or case == "labels out of range"


# the solver, where, what, how to mend it
SOLVERS = {
    "a field with a typo": (SOLVER + "bogus: 1", "solver.prototxt:3", 'has no field named "bogus"', "correct"),
    "a policy with a typo": (SOLVER.replace("fixed", "fixd"), "solver.prototxt, iteration 0",
        "Unknown learning rate policy: fixd", "did you mean fixed?"),
    "no net": (SOLVER.replace('net: "net.prototxt"', ""), "solver.prototxt", "must specify a train net", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", SOLVERS)
def test_a_solver_that_caffe_refuses(place: Path, case: str) -> None:
    text, where, what, mend = SOLVERS[case]
    (place / "solver.prototxt").write_text(text)
    error = failure()
    assert re.fullmatch(re.escape(where) + COLUMN, error.where.removeprefix(f"{place}/"))
    assert what in error.what
    assert mend in error.mend


# the solver or options, and the error before Caffe starts
BEFOREHAND = {
    "an empty solver": ("", {}, "solver.prototxt: is empty"),
    "no net file": (SOLVER.replace("net.pro", "nt.pro"), {}, "its net 'nt.prototxt' is neither here nor beside it"),
    "no weights": (SOLVER, {"weights": ["none.caffemodel"]}, "none.caffemodel: no such file"),
    "text for weights": (SOLVER, {"weights": ["net.prototxt"]}, "net.prototxt: is text and holds no weights"),
    "no snapshot": (SOLVER, {"snapshot": "none.solverstate"}, "none.solverstate: no such file"),
    "weights for a snapshot": (SOLVER, {"snapshot": "t.caffemodel"}, "is not a solver state (name a .solverstate"),
    "both": (SOLVER, {"snapshot": "a", "weights": ["b"]}, "give either `snapshot` or `weights`"),
    "a GPU that Caffe cannot use": (SOLVER, {"gpu": "0,1"}, "this Caffe is CPU only and has no GPU 0,1"),
    "no list of GPUs": (SOLVER, {"gpu": "0;1"}, "'0;1' is not a list of GPUs (such as 0, or 0,1, or all)"),
    "a log in no folder": (SOLVER, {"log": "none/log"}, "none/log: no such file or directory"),
}


@pytest.mark.parametrize("case", BEFOREHAND)
def test_what_is_known_before_caffe_starts(place: Path, case: str) -> None:
    text, options, what = BEFOREHAND[case]
    (place / "solver.prototxt").write_text(text)
    assert what in str(failure(**options))
    assert not list(place.rglob("*.log"))


@pytest.fixture
def trained(place: Path) -> Path:
    """The place after a training: weights and state in snap/."""
    run()
    return place


def test_weights_of_another_shape_name_the_layer(trained: Path) -> None:
    (trained / "net.prototxt").write_text(DATA + IP.replace("num_output: 5", "num_output: 6") + LOSS)
    error = failure(weights=["snap/t_iter_20.caffemodel"])
    assert error.where == f"{trained}/snap/t_iter_20.caffemodel, layer 'ip'"
    assert "Source param shape is 5 192 (960); target param shape is 6 192 (1152)" in error.what
    assert "give the layer another name to train it from scratch" in error.mend


def test_files_that_are_cut_off(trained: Path) -> None:
    for name in ("t_iter_20.caffemodel", "t_iter_20.solverstate"):
        whole = (trained / "snap" / name).read_bytes()
        (trained / f"cut-{name}").write_bytes(whole[: len(whole) // 2])
    error = failure(weights=["cut-t_iter_20.caffemodel"])
    assert str(error).startswith(f"{trained}/cut-t_iter_20.caffemodel: Caffe stopped: Check failed: ReadProto")
    assert "the file is cut off" in error.mend
    error = failure(snapshot="cut-t_iter_20.solverstate")
    assert str(error).startswith(f"{trained}/cut-t_iter_20.solverstate: Caffe stopped: ")
    assert "name a whole .solverstate" in error.mend


def test_a_state_whose_weights_are_gone(trained: Path) -> None:
    (trained / "snap/t_iter_20.caffemodel").unlink()
    error = failure(snapshot="snap/t_iter_20.solverstate")
    assert "File not found: snap/t_iter_20.caffemodel" in error.what
    assert f"Caffe looked in {trained}" in error.mend


def test_an_exception_of_a_python_layer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "layers").mkdir()
    (place / "layers/bad.py").write_text(
        "import caffe\nclass Bad(caffe.Layer):\n    pass\nraise KeyError('bad thing')\n"
    )
    monkeypatch.setenv("PYTHONPATH", "layers")
    (place / "net.prototxt").write_text(data("Python", 'python_param { module: "bad" layer: "Bad" }') + IP + LOSS)
    assert "layer 'd': Caffe stopped: KeyError: 'bad thing'" in str(failure())


@pytest.fixture
def endless(place: Path) -> Iterator[CaffeTraining]:
    """A training that would go on for hours, at its first displayed iteration."""
    (place / "solver.prototxt").write_text(SOLVER.replace("max_iter: 20", "max_iter: 100000000"))
    with CaffeTraining(find(), "solver.prototxt") as training:
        yield training


@pytest.mark.parametrize(
    ("number", "what", "mend"),
    [
        (signal.SIGKILL, "it was killed", "most likely memory ran out"),
        (signal.SIGSEGV, "segmentation fault", "a label outside"),
        (signal.SIGBUS, "bus error", "a file was cut short"),
    ],
)
def test_a_signal_from_outside(endless: CaffeTraining, number: int, what: str, mend: str) -> None:
    events = iter(endless)
    next(events)
    os.kill(child_of(os.getpid()), number)
    with pytest.raises(EngineError, match=rf"iteration \d+: Caffe stopped: {what} \({mend}"):
        list(events)


def child_of(pid: int) -> int:
    """The process number of the one training below a process."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return next(child for child in children if b"-solver=" in Path(f"/proc/{child}/cmdline").read_bytes())


def test_a_snapshot_that_does_not_fit_is_removed_and_whole_ones_stay(place: Path, caffe_bin: Path) -> None:
    (place / "net.prototxt").write_text(DATA + IP.replace("num_output: 5", "num_output: 300") + LOSS)
    (place / "solver.prototxt").write_text(SOLVER.replace("max_iter: 20", "max_iter: 20 snapshot: 10"))
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000,) * 2); "
    command = f"{limited} from caffe_fcn.cli import main; main(['train', 'solver.prototxt', '--quiet'])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: solver.prototxt, iteration 0: Caffe stopped: ")
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in (place / "snap").iterdir()) == ["t.json", "t.jsonl", "t.log"]


def test_a_full_disk_under_the_log(place: Path) -> None:
    assert str(failure(log="/dev/full")) == "/dev/full: no space left on device (free some space)"


@given(st.lists(st.text()), st.integers(-40, 255))
def test_any_log_makes_one_error(lines: list[str], status: int) -> None:
    reporter = CrashReporter(Path("/"))
    for line in lines:
        reporter.read_line(line)
    assert reporter.explain(status, "solver").what.startswith("Caffe stopped: ")
