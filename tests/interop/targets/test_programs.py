"""MNN and ncnn themselves: MNN converts and runs bundles, and ncnn does with a Crop what its table says.

``scripts/test_targets.sh`` installs both into a folder of its own and runs this; everywhere else it skips. Each program
runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from small_nets import shrink_net

from caffe_fcn import netspec, proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.interop.bundle import write_bundle
from caffe_fcn.interop.targets import table

PROGRAMS = os.environ.get("CAFFE_FCN_PROGRAMS")
pytestmark = pytest.mark.skipif(not PROGRAMS, reason="scripts/test_targets.sh installs MNN and ncnn and runs this")

CONVERT = """
import sys, _tools
_tools.mnnconvert(sys.argv)
"""
RUN_MNN = """
import sys, numpy, MNN
with numpy.load(sys.argv[2]) as given:
    data = given["data"]
program = MNN.Interpreter(sys.argv[1])
session = program.createSession()
tensor = MNN.Tensor(data.shape, MNN.Halide_Type_Float, data, MNN.Tensor_DimensionType_Caffe)
program.getSessionInput(session).copyFrom(tensor)
program.runSession(session)
made = program.getSessionOutput(session)
kept = MNN.Tensor(
    made.getShape(), MNN.Halide_Type_Float, numpy.zeros(made.getShape(), "f4"), MNN.Tensor_DimensionType_Caffe
)
made.copyToHostTensor(kept)
numpy.savez(sys.argv[3], score=numpy.array(kept.getNumpyData()).reshape(made.getShape()))
"""
RUN_NCNN = """
import sys, numpy, ncnn
net = ncnn.Net()
net.load_param(sys.argv[1])
net.load_model(sys.argv[2])
run = net.create_extractor()
with numpy.load(sys.argv[3]) as given:
    arrays = {name: given[name] for name in given.files}  # whose memory ncnn uses
for name, array in arrays.items():
    run.input(name, ncnn.Mat(array).clone())
numpy.savez(sys.argv[4], out=numpy.array(run.extract("out")[1]))
"""


def run_program(source: str, *arguments: object) -> str:
    command = [sys.executable, "-c", source, *map(str, arguments)]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PROGRAMS)}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.caffe
@pytest.mark.parametrize("name", ["voc-fcn-alexnet", "voc-fcn8s", "voc-fcn32s-googlenet"])
def test_mnn_runs_the_bundle_as_real_caffe_runs_the_net(name: str, tmp_path: Path, caffe: CaffeWorker) -> None:
    net = shrink_net(netspec.build(name, "deploy"), "deploy")
    proto.write(net, tmp_path / "deploy.prototxt")
    Model([Input("data", 3, mean=[0.0])], [Output("score")], "test").write(tmp_path)
    photo = np.random.RandomState(0).normal(0, 30, (1, 3, 97, 101)).astype("f4")
    weights = tmp_path / "train_iter_1.caffemodel"
    made = caffe.run((tmp_path / "deploy.prototxt").read_text(), {"data": photo}, save=weights)
    assert made is not None
    bundle = write_bundle(tmp_path / "deploy.prototxt", weights, tmp_path / "bundle", target="mnn")
    assert not bundle.misfits
    files = ["--modelFile", bundle.path / bundle.weights, "--prototxt", bundle.path / "deploy.prototxt"]
    run_program(CONVERT, "-f", "CAFFE", *files, "--MNNModel", tmp_path / "net.mnn", "--bizCode", "test")
    np.savez(tmp_path / "given.npz", data=photo)
    run_program(RUN_MNN, tmp_path / "net.mnn", tmp_path / "given.npz", tmp_path / "made.npz")
    with np.load(tmp_path / "made.npz") as found:
        expected = made["blob/score"]
        # float32 everywhere, but MNN's convolutions (Winograd) and powers round otherwise
        np.testing.assert_allclose(found["score"], expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_mnn_lists_the_types_of_its_table() -> None:
    listed = run_program(CONVERT, "-f", "CAFFE", "--OP").split()
    assert set(table.find_target("mnn").layer_types) <= set(listed)


CUT = """7767517
3 3
Input data 0 1 data 0=8 1=9 2=3
Input score 0 1 score 0=12 1=13 2=5
Crop cut 2 1 score data out 0=2 1=1
"""
SLICES = """7767517
4 8
Input score 0 1 score 0=12 1=13 2=5
Slice rows 1 3 score above rows below -23300=3,1,9,-233 1=1
Slice columns 1 3 rows left out right -23300=3,2,8,-233 1=2
Noop rest 4 0 above below left right
"""


@pytest.mark.parametrize(("param", "channels"), [(CUT, 3), (SLICES, 5)], ids=["Crop", "Slice"])
def test_ncnn_cuts_the_channels_of_a_crop_and_not_those_of_slices(param: str, channels: int, tmp_path: Path) -> None:
    """The fields are those that caffe2ncnn writes for a Crop of 5 channels to 3, and for the Slices of a bundle."""
    (tmp_path / "net.param").write_text(param)
    (tmp_path / "net.bin").write_bytes(b"")
    score = np.arange(5 * 13 * 12, dtype="f4").reshape(5, 13, 12)
    given = {"score": score, **({"data": np.zeros((3, 9, 8), "f4")} if "data" in param else {})}
    np.savez(tmp_path / "given.npz", **given)
    run_program(RUN_NCNN, *(tmp_path / name for name in ("net.param", "net.bin", "given.npz", "made.npz")))
    with np.load(tmp_path / "made.npz") as found:
        np.testing.assert_array_equal(found["out"], score[:channels, 1:10, 2:10])
