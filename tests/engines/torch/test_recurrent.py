"""Recurrent layers over several passes, judged by real Caffe: states that go on, trainings, snapshots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import outlines
import pytest
from caffe_worker import PyCaffe
from prototxts import STEPS, recurrent
from torch_judge import parse_net
from trainings import caffe_train, losses, torch_train

from caffe_fcn.engines.torch import Net
from caffe_fcn.errors import NetError

pytestmark = pytest.mark.numerics

PASSES = """
net = caffe.Net(str(inputs['net']), caffe.TEST)
random = np.random.RandomState(0)
for blobs in net.params.values():
    for blob in blobs:
        blob.data[...] = random.normal(size=blob.data.shape)
net.save(str(inputs['weights']))
for number in range(5):
    for name in ('x', 'cont'):
        given = inputs['%s%d' % (name, number)]
        net.blobs[name].reshape(*given.shape)
        net.blobs[name].data[...] = given
    outputs[str(number)] = net.forward()['l'].copy()
"""


@pytest.mark.caffe
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_pass_goes_on_with_the_states_of_the_last_one(tmp_path: Path, pycaffe: PyCaffe, kind: str) -> None:
    """Also where it has fewer streams, or so many that Caffe needs new memory, which is zero."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "weights.caffemodel"
    net.write_text(STEPS + recurrent(kind, "x cont"))
    random, inputs = np.random.RandomState(1), {}
    for number, streams in enumerate((2, 2, 1, 2, 3)):
        inputs[f"x{number}"] = random.normal(size=(4, streams, 3)).astype(np.float32)
        inputs[f"cont{number}"] = np.ones((4, streams), np.float32)
    theirs = pycaffe(PASSES, net=net, weights=weights, **inputs)
    engine = Net(net, weights=weights)
    for number in range(5):
        ours = engine.forward(x=inputs[f"x{number}"], cont=inputs[f"cont{number}"])["l"].numpy()
        assert np.abs(ours - theirs[str(number)]).max() <= 1e-5  # of values up to 1
    assert np.abs(theirs["0"] - engine.forward(x=inputs["x0"], cont=inputs["cont0"])["l"].numpy()).max() > 1e-2


def test_the_number_of_steps_stays() -> None:
    engine = Net(parse_net(STEPS + recurrent("LSTM", "x cont")))
    with pytest.raises(NetError, match=r"layer 'LSTM' \(LSTM\): was made for 4 steps and gets 3"):
        engine.forward(x=np.zeros((3, 2, 3)), cont=np.ones((3, 2)))


TRAINING_NET = """
layer { name: "data" type: "HDF5Data" top: "x" top: "cont" top: "label"
  hdf5_data_param { source: "sequences.txt" batch_size: 6 } }
layer { name: "memory" type: "%s" bottom: "x" bottom: "cont" top: "state"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  recurrent_param { num_output: 8 weight_filler { type: "xavier" } bias_filler { value: 0.1 } } }
layer { name: "score" type: "InnerProduct" bottom: "state" top: "score"
  inner_product_param { num_output: 2 axis: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" softmax_param { axis: 2 } }
"""


@pytest.mark.caffe
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_training_goes_caffes_way_and_is_resumed_by_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path, kind: str
) -> None:
    """Whether the last value was positive is to be remembered; a sequence begins where the records do."""
    h5py = pytest.importorskip("h5py", reason="needs the extra 'hdf5'")
    monkeypatch.chdir(tmp_path)
    values = np.random.RandomState(0).normal(size=(24, 4, 3)).astype(np.float32)
    going = np.ones((24, 4), np.float32)
    going[0] = 0
    labels = np.concatenate((np.zeros((1, 4)), values[:-1, :, 0] > 0)).astype(np.float32)
    with h5py.File("sequences.h5", "w") as file:
        file.update({"x": values, "cont": going, "label": labels})
    Path("sequences.txt").write_text("sequences.h5\n")
    Path("net.prototxt").write_text(TRAINING_NET % kind)
    outlines.start(tmp_path)

    def solver(name: str, **more: object) -> Path:
        settings = {"base_lr": 0.2, "momentum": 0.9, "max_iter": 24, "snapshot": 16, "snapshot_prefix": name, **more}
        return outlines.solver(tmp_path, **settings)

    theirs = losses(caffe_train(caffe_bin, solver("caffe"), "-weights=start.caffemodel"))
    ours = losses(torch_train(solver("torch"), weights=["start.caffemodel"]))
    assert theirs.min() < 0.8 * theirs[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    again = losses(caffe_train(caffe_bin, solver("again"), "-snapshot=torch_iter_16.solverstate"))
    resumed = losses(torch_train(solver("resumed"), snapshot="caffe_iter_16.solverstate"))
    for found in (again, resumed):
        np.testing.assert_allclose(found, theirs[16:], rtol=1e-4)
