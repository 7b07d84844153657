"""Weights files of 2013 and 2014 in the current format, by the side of Caffe's own upgrade."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caffe_fcn import proto
from caffe_fcn.weights import open_weights
from caffe_fcn.weights.upgrade import upgrade

V1 = """
name: "2014" input: "data" input_dim: [1, 3, 12, 12]
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2
         convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "fc" type: INNER_PRODUCT bottom: "conv" top: "fc" inner_product_param { num_output: 5 } }
"""
V0 = """
name: "2013" input: "data" input_dim: [1, 3, 12, 12]
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 } bottom: "pad" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "conv" top: "fc" }
"""
SHAPES = {"conv": [(4, 3, 3, 3), (1, 1, 1, 4)], "fc": [(1, 1, 5, 4 * 12 * 12), (1, 1, 1, 5)]}


@pytest.fixture(params=[V0, V1], ids=["V0", "V1"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An old weights file; beside it the net as a prototxt."""
    net = proto.NetParameter()
    proto.parse(request.param, net)
    (tmp_path / "old.prototxt").write_text(proto.to_text(net))
    random = np.random.default_rng(0)
    for layer in net.layers:
        owner = layer.layer if layer.HasField("layer") else layer
        for n, c, h, w in SHAPES.get(owner.name, []):
            owner.blobs.add(num=n, channels=c, height=h, width=w, data=random.normal(size=n * c * h * w))
    (tmp_path / "old.caffemodel").write_bytes(net.SerializeToString())
    return tmp_path / "old.caffemodel"


def parameters(path: Path) -> dict[tuple[str, int], np.ndarray]:
    with open_weights(path) as weights:
        return {(name, index): tensor.array().copy() for name, index, tensor in weights}


def test_net_and_weights_are_in_the_current_format(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.caffemodel"
    assert upgrade(old, new) == []
    whole = proto.NetParameter.FromString(new.read_bytes())
    assert not whole.layers
    assert not whole.input
    assert [layer.type for layer in whole.layer] == ["Input", "Convolution", "ReLU", "InnerProduct"]
    assert [tuple(blob.shape.dim) for layer in whole.layer for blob in layer.blobs] == [
        (4, 3, 3, 3),
        (4,),
        (5, 4 * 12 * 12),
        (5,),
    ]
    assert proto.read_net(new, upgrade=False) == proto.read_net(tmp_path / "old.prototxt")


def test_a_file_is_upgraded_in_its_place(old: Path) -> None:
    before = parameters(old)
    upgrade(old, old)
    after = parameters(old)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.caffe
def test_as_caffes_own_tool_upgrades(old: Path, tmp_path: Path, caffe_prefix: Path) -> None:
    ours, theirs = tmp_path / "ours.caffemodel", tmp_path / "theirs.caffemodel"
    upgrade(old, ours)
    tool = caffe_prefix / "bin" / "upgrade_net_proto_binary"
    subprocess.run([tool, old, theirs], check=True, capture_output=True)
    assert proto.read_net(ours, upgrade=False) == proto.read_net(theirs, upgrade=False)
    a, b = parameters(ours), parameters(theirs)
    assert len(a) == 4
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.caffe
def test_real_caffe_loads_the_same_weights(
    old: Path, tmp_path: Path, pycaffe: Callable[..., dict[str, np.ndarray]]
) -> None:
    new, text = tmp_path / "new.caffemodel", tmp_path / "new.prototxt"
    upgrade(old, new)
    proto.write(proto.read_net(old), text)
    load = """
        net = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        for name, blobs in net.params.items():
            for index, blob in enumerate(blobs):
                outputs[name + str(index)] = blob.data
    """
    before = pycaffe(load, net=tmp_path / "old.prototxt", weights=old)
    after = pycaffe(load, net=text, weights=new)
    assert len(before) == 4
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_command(cli: Callable[..., Any], old: Path, tmp_path: Path) -> None:
    new, text = tmp_path / "new.caffemodel", tmp_path / "new.prototxt"
    assert cli("net", "upgrade", old, "-o", new).status == 0
    assert cli("net", "upgrade", old, "-o", text).status == 0
    assert proto.read_net(new, upgrade=False) == proto.read_net(text, upgrade=False)
    assert cli("net", "upgrade", tmp_path / "old.prototxt", "-o", "-").out == text.read_text()


def test_the_command_upgrades_solvers_and_tells_what_it_leaves_out(cli: Callable[..., Any], tmp_path: Path) -> None:
    solver, net = tmp_path / "solver.prototxt", tmp_path / "net.prototxt"
    solver.write_text("solver_type: NESTEROV base_lr: 0.1")
    assert 'type: "Nesterov"' in cli("net", "upgrade", solver, "-o", "-").out
    net.write_text('layers { layer { name: "r" type: "relu" stride: 3 } bottom: "x" top: "x" }')
    ran = cli("net", "upgrade", net, "-o", "-")
    assert ran.status == 0
    assert "'stride'" in ran.err


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_damaged_file_leaves_nothing_behind(cli: Callable[..., Any], old: Path, tmp_path: Path, keep: int) -> None:
    cut = tmp_path / "cut.caffemodel"
    cut.write_bytes(old.read_bytes()[:keep])
    before = sorted(tmp_path.iterdir())
    ran = cli("net", "upgrade", cut, "-o", tmp_path / "out.caffemodel")
    assert ran.status == 2
    assert ran.err.startswith(f"error: {cut}")
    assert ran.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
