"""Times the torch engine, real Caffe, OpenCV's dnn, ONNX Runtime, and the same nets written by hand in torch.

    python benchmarks/engine.py [ROUNDS [forward|step]]

It times FCN-8s forward at 500x500, and a training step (forward and backward) of FCN-AlexNet at 500x500, with random
weights. Each contender is a process with two threads. In each round all contenders run one pass in turn, so that
other load on the machine slows all of them; the medians are reported. The results are compared, too: the scores, and
the gradient of conv5 (in earlier layers the gradient depends on which inputs of a ReLU are just above 0). Needs real
Caffe (scripts/install_caffe.sh), torch, onnx, onnxruntime and opencv; contenders whose library is missing are left
out. Takes 12 GB of memory, because all are loaded at once, and 1.5 GB of disk. ROUNDS is 7 by default. Prints
Markdown tables.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caffe_fcn import netspec, proto
from caffe_fcn.engines.caffe import find
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import FillerParameter, NetParameter
from caffe_fcn.weights import fillers, interpolation, open_weights, save_weights
from caffe_fcn.weights.layers import Layer

SIZE = 500
CLASSES = 21
PYTHON = [sys.executable]

# The program of a contender defines `once`, which runs one pass and returns its result; LOOP calls it on demand.
LOOP = """
import time
def peak():
    # megabytes; getrusage would include the parent
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
for line in sys.stdin:
    started = time.perf_counter()
    result = once()
    seconds = time.perf_counter() - started
    if line.strip():
        np.save(line.strip(), result)
    print(seconds, peak(), flush=True)
"""
BEGIN = """
import os, sys
import numpy as np
net, weights, onnx, folder = sys.argv[1:]
data, label = (np.load(os.path.join(folder, name + ".npy")) for name in ("data", "label"))
"""
CAFFE = """
sys.stdout, pipe = sys.stderr, sys.stdout
import caffe
caffe.set_mode_cpu()
runner = caffe.Net(net, caffe.TRAIN if {training} else caffe.TEST, weights=weights)
runner.blobs["data"].data[...] = data
if {training}:
    runner.blobs["label"].data[...] = label
def once():
    runner.forward()
    if {training}:
        runner.clear_param_diffs()
        runner.backward()
        return runner.params["conv5"][0].diff
    return runner.blobs["score"].data
sys.stdout = pipe
"""
OURS = """
from caffe_fcn.engines.torch import Net
phase = "train" if {training} else "deploy"
runner = Net(net, phase, weights, literal={literal})
def once():
    if not {training}:
        return runner.forward(data=data)["score"].numpy()
    for each in runner.learnable:
        each.tensor.grad = None
    runner.forward(data=data, label=label)
    runner.loss().backward()
    return runner.params["conv5"][0].grad.numpy()
"""
OPENCV = """
import cv2
cv2.setNumThreads(2)
runner = cv2.dnn.readNetFromCaffe(net, weights)
def once():
    runner.setInput(data, "data")
    return runner.forward("score")
"""
ONNX_RUNTIME = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
runner = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
def once():
    return runner.run(["score"], {{"data": data}})[0]
"""
BY_HAND = """
import torch
import torch.nn.functional as F
sys.path.append({here!r})
from by_hand import alexnet, fcn8s
from caffe_fcn.weights import open_weights
with open_weights(weights) as file:
    w = {{each.name: [torch.tensor(t.array()) for t in each.tensors] for each in file.layers}}

data, label = torch.tensor(data), torch.tensor(label).long()[:, 0]
if {training}:
    for name, tensors in w.items():
        for tensor in tensors if name != "upscore" else []:
            tensor.requires_grad_()
def once():
    if not {training}:
        with torch.no_grad():
            return fcn8s(data, w).numpy()
    for tensors in w.values():
        for tensor in tensors:
            tensor.grad = None
    F.cross_entropy(alexnet(data, w), label, ignore_index=255).backward()
    return w["conv5"][0].grad.numpy()
"""
DEFAULTS = {"training": False, "literal": False, "here": str(Path(__file__).parent)}


class Contender:
    """A process that runs one pass when it is asked to."""

    def __init__(self, name: str, command: Sequence[str], program: str, arguments: list[Path], **choices: Any) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.megabytes = 0.0
        text = BEGIN + program.format(**{**DEFAULTS, **choices}) + LOOP
        quiet = {**os.environ, "GLOG_minloglevel": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*command, "-c", text, *map(str, arguments)], stdin=pipe, stdout=pipe, text=True, env=quiet
        )

    def run_once(self, save: Path | None = None) -> None:
        """Run one pass and note its time; or save its result, without noting the time."""
        assert self._process.stdin and self._process.stdout
        print(save or "", file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().split()
        if len(answer) != 2:
            sys.exit(f"{self.name} failed")
        if not save:
            self.seconds.append(float(answer[0]))
        self.megabytes = float(answer[1])

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def write_weights(net: NetParameter, path: Path) -> None:
    """Write random weights, under which values stay as large as the image's, and upscores that interpolate."""
    shapes = infer(net, size=(SIZE, SIZE))
    layers = []
    for node in shapes.graph.nodes:
        tensors = [
            interpolation.make_weights(shape)
            if node.type == "Deconvolution"
            else fillers.fill(FillerParameter(type="msra" if len(shape) > 1 else "constant"), shape, node.name, index)
            for index, shape in enumerate(shapes.params[node.name])
        ]
        layers.append(Layer(node.name, tuple(tensors), node.type, node.layer.SerializeToString()))
    save_weights(path, layers)


def write_onnx(net: NetParameter, weights: Path, path: Path) -> None:
    """Write the net as an ONNX model, if it has the layer types of the VGG nets and no others."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shapes = infer(net, size=(SIZE, SIZE))
    nodes, constants, names = [], [], {"data": "data"}
    with open_weights(weights) as file:
        params = {layer.name: [np.array(tensor.array()) for tensor in layer.tensors] for layer in file.layers}
    for node in Graph(select_phase(net)).nodes:
        if not node.bottoms:
            continue
        inputs, kind, options = [names[blob.name] for blob in node.bottoms], node.type, {}
        for index, array in enumerate(params.get(node.name, [])):
            inputs.append(f"{node.name}/{index}")
            constants.append(numpy_helper.from_array(array, inputs[-1]))
        if kind in ("Convolution", "Deconvolution"):
            param = node.layer.convolution_param
            kind = "Conv" if kind == "Convolution" else "ConvTranspose"
            options = {"pads": [*param.pad, 0][:1] * 4, "strides": [*param.stride, 1][:1] * 2}
        elif kind == "Pooling":
            options = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
            kind = "MaxPool"
        elif kind == "Crop":
            offset, size = node.layer.crop_param.offset[0], shapes.blobs[node.bottoms[1].name][2:]
            bounds = {"from": [offset] * 2, "to": [offset + each for each in size], "axes": [2, 3]}
            inputs = [inputs[0], *(f"{node.name}/{name}" for name in bounds)]
            constants += [numpy_helper.from_array(np.array(v), f"{node.name}/{k}") for k, v in bounds.items()]
            kind = "Slice"
        kind = {"ReLU": "Relu", "Dropout": "Identity", "Eltwise": "Add"}.get(kind, kind)
        top = node.tops[0].name
        names[top] = "score" if node.name == "score" else f"{top}:{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [names[top]], node.name, **options))
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.blobs[name])] for name in ("data", "score")]
    graph = helper.make_graph(nodes, "net", *ends, initializer=constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def replace_sources(net: NetParameter, shapes: dict[str, list[int]]) -> NetParameter:
    """The net with Input layers instead of data layers, and without dropout, which is random."""
    result = NetParameter(name=net.name)
    for name, shape in shapes.items():
        result.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=shape)
    result.layer.extend(layer for layer in net.layer if layer.bottom and layer.type != "Dropout")
    return result


def race(title: str, contenders: list[Contender], rounds: int, folder: Path) -> None:
    """Run all contenders in turn, ``rounds`` times; print a table that compares each with the first."""
    for contender in contenders:
        contender.run_once(folder / f"{contender.name}.npy")
        contender.run_once()
    for contender in contenders:
        contender.seconds.clear()
    for _ in range(rounds):
        for contender in contenders:
            contender.run_once()
    first = contenders[0]
    print(
        f"\n{title}\n\n| | seconds | against {first.name} | peak MB | largest relative difference from {first.name} |"
    )
    print("|---|---|---|---|---|")
    expected = np.load(folder / f"{first.name}.npy")
    for contender in contenders:
        seconds = statistics.median(contender.seconds)
        times = statistics.median(a / b for a, b in zip(first.seconds, contender.seconds, strict=True))
        apart = np.abs(np.load(folder / f"{contender.name}.npy") - expected).max() / np.abs(expected).max()
        print(f"| {contender.name} | {seconds:.3f} | {times:.2f} | {contender.megabytes:.0f} | {apart:.1e} |")
        contender.end()


def race_forward(rounds: int, folder: Path) -> None:
    """Race one image through the deploy net of FCN-8s."""
    files = [folder / "net.prototxt", folder / "net.caffemodel", folder / "net.onnx", folder]
    net = replace_sources(netspec.build("voc-fcn8s", "deploy"), {"data": [1, 3, SIZE, SIZE]})
    proto.write(net, files[0])
    write_weights(net, files[1])
    contenders = [
        Contender("Caffe", find().python, CAFFE, files),
        Contender("torch by hand", PYTHON, BY_HAND, files),
        Contender("ours, literal", PYTHON, OURS, files, literal=True),
        Contender("ours", PYTHON, OURS, files),
    ]
    if importlib.util.find_spec("cv2"):
        contenders.append(Contender("OpenCV dnn", PYTHON, OPENCV, files))
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        write_onnx(net, files[1], files[2])
        contenders.append(Contender("ONNX Runtime", PYTHON, ONNX_RUNTIME, files))
    race(f"FCN-8s forward, {SIZE}x{SIZE}", contenders, rounds, folder)


def race_step(rounds: int, folder: Path) -> None:
    """Race a training step of FCN-AlexNet."""
    files = [folder / "net.prototxt", folder / "net.caffemodel", folder / "net.onnx", folder]
    shapes = {"data": [1, 3, SIZE, SIZE], "label": [1, 1, SIZE, SIZE]}
    net = replace_sources(select_phase(netspec.build("voc-fcn-alexnet", "train"), "train"), shapes)
    proto.write(net, files[0])
    write_weights(net, files[1])
    contenders = [
        Contender("Caffe", find().python, CAFFE, files, training=True),
        Contender("torch by hand", PYTHON, BY_HAND, files, training=True),
        Contender("ours, literal", PYTHON, OURS, files, training=True, literal=True),
        Contender("ours", PYTHON, OURS, files, training=True),
    ]
    race(f"FCN-AlexNet training step, {SIZE}x{SIZE}", contenders, rounds, folder)


RACES = {"forward": race_forward, "step": race_step}


def main() -> None:
    """Write the inputs, and run the races."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random = np.random.RandomState(0)
        np.save(folder / "data.npy", random.normal(0, 60, (1, 3, SIZE, SIZE)).astype(np.float32))
        np.save(folder / "label.npy", random.randint(0, CLASSES, (1, 1, SIZE, SIZE)).astype(np.float32))
        for race_name in sys.argv[2:] or RACES:
            RACES[race_name](rounds, folder)


if __name__ == "__main__":
    main()
