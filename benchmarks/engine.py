"""Times the torch engine beside real Caffe, OpenCV, ONNX Runtime, OpenVINO, and nets written by hand in torch.

    python benchmarks/engine.py [ROUNDS [forward|googlenet|resnet50|step|step8s]...]

It times FCN-8s forward at 500x500, GoogLeNet and ResNet-50 forward at 224x224, and training steps (forward and
backward) of FCN-AlexNet and FCN-8s, with random weights. Each contender is a process with two threads. In each round
all contenders run one pass in turn, so that other load on the machine slows all of them; the medians are reported. Of
a classifier they run ten passes, of which the median counts: the threads of the contender before it wait busily for
some milliseconds, a good part of one pass. Steps are timed with Dropout, as the nets are trained. The results are
compared, too: the scores, and the gradient of a late convolution (in earlier layers it depends on which inputs of a
ReLU are just above 0), which a pass of the net without Dropout computes, since that is random. After the table of
FCN-8s it says how many multiply-accumulates a second ours computes, and how many a large convolution of oneDNN does
in the same rounds. Needs real Caffe (scripts/install_caffe.sh) and torch. The libraries of the others are installed
into an environment of their own, ~/.cache/caffe-fcn/benchmarks. Takes 16 GB of memory, because all contenders of a
race are loaded at once, and 2 GB of disk. ROUNDS is 7 by default. Prints the machine's name and Markdown tables.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from caffe_fcn import NetSpec, layers, netspec, proto
from caffe_fcn.engines.caffe import find
from caffe_fcn.net.graph import Node, select_phase
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec.backbones import RESNET50
from caffe_fcn.proto import FillerParameter, NetParameter
from caffe_fcn.weights import Tensor, fillers, interpolation, save_weights
from caffe_fcn.weights.layers import Layer

SIZE = 500
CROP = 224
CLASSES = 21
PYTHON = [sys.executable]
RIVALS = ["opencv-python-headless<5", "onnxruntime", "openvino", "onnx"]  # OpenCV 5 does not read Caffe's files

# The program of a contender defines `once`, which runs one pass and returns its result; LOOP calls it on demand.
LOOP = """
import time
def peak():
    # megabytes; getrusage would include the parent
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
for line in sys.stdin:
    result = None
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
        return runner.params["{layer}"][0].diff
    return runner.blobs["{score}"].data
sys.stdout = pipe
"""
OURS = """
from caffe_fcn.engines.torch import Net
phase = "train" if {training} else "deploy"
runner = Net(net, phase, weights, literal={literal})
def once():
    if not {training}:
        return runner.forward(data=data)["{score}"].numpy()
    for each in runner.learnable:
        each.tensor.grad = None
    runner.compute_gradients(data=data, label=label)
    return runner.params["{layer}"][0].grad.numpy()
"""
OPENCV = """
import cv2
cv2.setNumThreads(2)
runner = cv2.dnn.readNetFromCaffe(net, weights)
def once():
    runner.setInput(data, "data")
    return runner.forward("{score}")
"""
ONNX_RUNTIME = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
runner = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
def once():
    return runner.run(["{score}"], {{"data": data}})[0]
"""
OPENVINO = """
import openvino
core = openvino.Core()
options = {{"INFERENCE_NUM_THREADS": 2, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}}
runner = core.compile_model(core.read_model(onnx), "CPU", options)
def once():
    return runner([data])["{score}"]
"""
BY_HAND = """
import torch
import torch.nn.functional as F
sys.path.append({here!r})
from by_hand import {function} as forward
from caffe_fcn.weights import open_weights
with open_weights(weights) as file:
    w = {{each.name: [torch.tensor(t.array()) for t in each.tensors] for each in file.layers}}

data, label = torch.tensor(data), torch.tensor(label).long()[:, 0]
if {training}:
    for name, tensors in w.items():
        for tensor in tensors if not name.startswith("upscore") else []:
            tensor.requires_grad_()
def once():
    if not {training}:
        with torch.no_grad():
            return forward(data, w).numpy()
    for tensors in w.values():
        for tensor in tensors:
            tensor.grad = None
    F.cross_entropy(forward(data, w, {dropout}), label, ignore_index=255, reduction="{reduction}").backward()
    return w["{layer}"][0].grad.numpy()
"""
CONVOLUTION = """
import torch
x, kernels = torch.randn({shape}), torch.randn({kernels})
x, kernels = (each.contiguous(memory_format=torch.channels_last) for each in (x, kernels))
@torch.no_grad()
def once():
    for _ in range({passes}):
        y = torch.conv2d(x, kernels, padding="same")
    return y.numpy()
"""
CONVOLUTIONS_AT_A_TIME = 8  # so that threads and caches are warm
LARGE_CONVOLUTIONS = [  # size of the image, inputs, outputs, size of the kernels
    (64, 512, 512, 3),
    (128, 256, 256, 3),
    (64, 1024, 1024, 1),
]
DROPOUT = 0.5  # of the nets that are trained
SPREAD = 2.0  # the deviation of a classifier's scores, for which no probability is near 1

DEFAULTS = {
    "training": False,
    "literal": False,
    "function": "fcn8s",
    "reduction": "mean",
    "dropout": 0.0,
    "layer": "conv5_1",
    "score": "score",
    "here": str(Path(__file__).parent),
}


class Contender:
    """A process that runs one pass when it is asked to."""

    def __init__(self, name: str, command: Sequence[str], program: str, arguments: list[Path], **choices: Any) -> None:
        self.name = name
        self.seconds: list[float] = []
        self.megabytes = 0.0
        self.products = 0  # of a pass, where it is known
        text = BEGIN + program.format(**{**DEFAULTS, **choices}) + LOOP
        quiet = {**os.environ, "GLOG_minloglevel": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*command, "-c", text, *map(str, arguments)], stdin=pipe, stdout=pipe, text=True, env=quiet
        )

    def run(self, passes: int) -> None:
        """Run some passes and note the median of their times."""
        self.seconds.append(statistics.median(self.run_once() for _ in range(passes)))

    def run_once(self, save: Path | None = None) -> float:
        """Run one pass, and perhaps save its result; returns its time."""
        assert self._process.stdin and self._process.stdout
        print(save or "", file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().split()
        if len(answer) != 2:
            sys.exit(f"{self.name} failed")
        self.megabytes = float(answer[1])
        return float(answer[0])

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def write_weights(net: NetParameter, path: Path, scale: float = 1.0) -> None:
    """Write random weights, under which values stay as large as the image's, and upscores that interpolate.

    ``scale`` is the deviation of the weights of InnerProduct layers, in that of the others.
    """
    shapes = infer(net)
    written = []
    for node in shapes.graph.nodes:
        tensors = [make_parameter(node, index, shape, scale) for index, shape in enumerate(shapes.params[node.name])]
        written.append(Layer(node.name, tuple(tensors), node.type, node.layer.SerializeToString()))
    save_weights(path, written)


def make_parameter(node: Node, index: int, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """A random parameter of a layer; statistics, factors and shifts of channels differ from channel to channel."""
    if node.type == "Deconvolution":
        return interpolation.make_weights(shape)
    if node.type == "BatchNorm" and index == 2:
        filler = FillerParameter(type="constant", value=1)
    elif node.type in ("BatchNorm", "Scale"):
        is_shift = (node.type == "BatchNorm") == (index == 0)
        filler = FillerParameter(type="uniform", min=-0.1 if is_shift else 0.5, max=0.1 if is_shift else 1.0)
    elif node.type == "InnerProduct" and index == 0:
        filler = FillerParameter(type="gaussian", std=scale * math.sqrt(2 / shape[1]))
    else:
        filler = FillerParameter(type="msra" if len(shape) > 1 else "constant")
    return fillers.fill(filler, shape, node.name, index)


def prepare_rivals() -> str:
    """The Python of an environment with the libraries of the rivals and of this Python; made if it is not there."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caffe-fcn" / "benchmarks"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *RIVALS], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    (Path(own) / "running.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(python)


def name_machine() -> str:
    """The processor, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{named[0] if named else platform.processor()}, {cores} cores, two used"


def replace_sources(net: NetParameter, shapes: dict[str, list[int]], keeps_dropout: bool = False) -> NetParameter:
    """The net with Input layers instead of data layers, and without Dropout, which is random, unless it is kept."""
    result = NetParameter(name=net.name)
    for name, shape in shapes.items():
        result.layer.add(name=name, type="Input", top=[name]).input_param.shape.add(dim=shape)
    result.layer.extend(layer for layer in net.layer if layer.bottom and (keeps_dropout or layer.type != "Dropout"))
    return result


def race(
    title: str,
    contenders: list[Contender],
    rounds: int,
    folder: Path,
    yardsticks: Sequence[Contender] = (),
    passes: int = 1,
    saves: bool = True,
) -> None:
    """Run ``passes`` of all contenders in turn, ``rounds`` times; print a table that compares each with the first.

    The ``yardsticks`` run in turn with them, and are not in the table. Unless it ``saves`` the results, they are there.
    """
    runners = [*contenders, *yardsticks]
    for runner in runners:
        runner.run_once(folder / f"{runner.name}.npy" if saves else None)
        runner.run_once()
    for _ in range(rounds):
        for runner in runners:
            runner.run(passes)
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
    for runner in runners:
        runner.end()


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
    yardsticks = [start_convolution(*each, files) for each in LARGE_CONVOLUTIONS]
    race(f"FCN-8s forward, {SIZE}x{SIZE}", [*contenders, *start_rivals(files)], rounds, folder, yardsticks)
    name, best = max(
        ((each.name, each.products / statistics.median(each.seconds)) for each in yardsticks), key=lambda each: each[1]
    )
    print(f"\noneDNN's {name} computes {best / 1e9:.0f} G multiply-accumulates a second.")
    seconds = statistics.median(contenders[-1].seconds)
    for ways in ("auto", "direct"):
        products = count_products(files[0], files[1], np.load(folder / "data.npy"), ways)
        what = {"auto": "Ours computes", "direct": "Counted as plain convolutions, these are"}[ways]
        rate = products / seconds
        print(f"{what} {products / 1e9:.1f} G, {rate / 1e9:.0f} G a second: {rate / best:.0%} of that.")


def start_convolution(size: int, inputs: int, outputs: int, kernel: int, files: list[Path]) -> Contender:
    """A large convolution by oneDNN, which says how many products a second this machine can compute."""
    shape, kernels = (1, inputs, size, size), (outputs, inputs, kernel, kernel)
    name = f"convolution {kernel}x{kernel}, {inputs} to {outputs} channels of {size}x{size}"
    passes = CONVOLUTIONS_AT_A_TIME
    result = Contender(name, PYTHON, CONVOLUTION, files, shape=shape, kernels=kernels, passes=passes)
    result.products = passes * size**2 * math.prod(kernels)
    return result


def count_products(net: Path, weights: Path, data: np.ndarray, ways: str) -> int:
    """How many multiply-accumulates ours computes for an image, with this setting of `choices` for convolutions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from caffe_fcn.engines.torch import Net

    def count_convolution(x: Any, kernels: Any, *_: Any, out_shape: Any) -> int:
        return 2 * int(math.prod(out_shape) * math.prod(kernels[1:]))

    def count_product(rows: Any, *_: Any, out_shape: Any) -> int:
        return 2 * int(math.prod(out_shape) * rows[-1])

    own = {
        torch.ops.mkldnn._convolution_pointwise: count_convolution,
        torch.ops.mkldnn._linear_pointwise: count_product,
    }
    with patch.dict(os.environ, CAFFE_FCN_CONVOLUTIONS=ways):
        runner = Net(net, "deploy", weights)
        for _ in range(3):  # kernels are packed for sizes that come again
            with FlopCounterMode(display=False, custom_mapping=own) as counter:
                runner.forward(data=data)
    return int(counter.get_total_flops()) // 2


def start_rivals(files: list[Path], **choices: str) -> list[Contender]:
    """OpenCV, ONNX Runtime and OpenVINO with a deploy net, which is exported to ONNX for the two last."""
    rival = prepare_rivals()
    export_onnx(rival, files[0], files[1], files[2])
    programs = {"OpenCV dnn": OPENCV, "ONNX Runtime": ONNX_RUNTIME, "OpenVINO": OPENVINO}
    return [Contender(title, [rival], program, files, **choices) for title, program in programs.items()]


def export_onnx(python: str, net: Path, weights: Path, output: Path, *options: str) -> None:
    """Export a net with this project, by a Python that has onnx."""
    command = [python, "-m", "caffe_fcn", "export", "onnx", net, weights, "-o", output, "--quiet", *options]
    paths = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **paths})


def race_classifier(title: str, make_net: Callable[[], NetParameter], rounds: int, folder: Path) -> None:
    """Race one image through a classifier, whose last layer is called prob."""
    files = [folder / "net.prototxt", folder / "net.caffemodel", folder / "net.onnx", folder]
    net = replace_sources(make_net(), {"data": [1, 3, CROP, CROP]})
    proto.write(net, files[0])
    data = np.load(folder / "data.npy")[:, :, :CROP, :CROP]
    np.save(folder / "data.npy", data)
    write_weights(net, files[1])
    write_weights(net, files[1], SPREAD / measure_spread(files[0], files[1], net.layer[-1].bottom[0], data))
    contenders = [
        Contender("Caffe", find().python, CAFFE, files, score="prob"),
        Contender("ours, literal", PYTHON, OURS, files, literal=True, score="prob"),
        Contender("ours", PYTHON, OURS, files, score="prob"),
    ]
    contenders += start_rivals(files, score="prob")
    race(f"{title} forward, {CROP}x{CROP}", contenders, rounds, folder, passes=10)


def measure_spread(net: Path, weights: Path, scores: str, data: np.ndarray) -> float:
    """The deviation of a classifier's scores; where they are hundreds apart, one probability is 1 and the others 0."""
    from caffe_fcn.engines.torch import Net

    return float(Net(net, "deploy", weights).forward(scores, data=data)[scores].std())


def make_googlenet() -> NetParameter:
    """The deploy net of models/bvlc_googlenet, from the published figures that the tests have."""
    sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))
    import reference

    return reference.net("bvlc_googlenet", "deploy")


def make_resnet50() -> NetParameter:
    """ResNet-50 as a classifier: the backbone of the catalogue, with pooling and scores as published."""
    n = NetSpec()
    n.data = layers.Input(shape={"dim": [1, 3, CROP, CROP]})
    top = RESNET50.add_layers(n, n.data, RESNET50.pad, False)
    n.pool5 = layers.Pooling(top, pool="AVE", global_pooling=True)
    n.fc1000 = layers.InnerProduct(n.pool5, num_output=1000)
    n.prob = layers.Softmax(n.fc1000)
    return n.to_proto()


def race_step(title: str, name: str, rounds: int, folder: Path, **choices: str) -> None:
    """Race a training step of a net of the catalogue, with Dropout; its gradients are compared without."""
    files = [folder / "net.prototxt", folder / "net.caffemodel", folder / "net.onnx", folder]
    shapes = {"data": [1, 3, SIZE, SIZE], "label": [1, 1, SIZE, SIZE]}
    net = select_phase(netspec.build(name, "train"), "train")
    write_weights(replace_sources(net, shapes), files[1])
    proto.write(replace_sources(net, shapes), files[0])
    for contender in start_trainers(files, **choices):
        contender.run_once(folder / f"{contender.name}.npy")
        contender.end()
    proto.write(replace_sources(net, shapes, keeps_dropout=True), files[0])
    contenders = start_trainers(files, dropout=DROPOUT, **choices)
    race(f"{title} training step, {SIZE}x{SIZE}", list(contenders), rounds, folder, saves=False)


def start_trainers(files: list[Path], **choices: Any) -> Iterator[Contender]:
    """Those that compute the gradients of a net, one after another."""
    programs = {"Caffe": (find().python, CAFFE), "torch by hand": (PYTHON, BY_HAND), "ours": (PYTHON, OURS)}
    for title, (command, program) in programs.items():
        yield Contender(title, command, program, files, training=True, **choices)


RACES: dict[str, Callable[[int, Path], None]] = {
    "forward": race_forward,
    "googlenet": partial(race_classifier, "GoogLeNet", make_googlenet),
    "resnet50": partial(race_classifier, "ResNet-50", make_resnet50),
    "step": partial(race_step, "FCN-AlexNet", "voc-fcn-alexnet", function="alexnet", layer="conv5"),
    "step8s": partial(race_step, "FCN-8s", "voc-fcn8s", reduction="sum"),  # its loss is not normalized
}


def measure_choices() -> None:
    """Let ours measure what it measures once a machine, while nothing else runs: contenders are loaded together."""
    import torch

    from caffe_fcn.engines.torch.product_ways import find_libraries

    torch.set_num_threads(2)  # as the contenders, for which a choice holds
    print(f"Products by {' '.join(find_libraries())}.")


def main() -> None:
    """Write the inputs, and run the races."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{name_machine()}; torch {importlib.metadata.version('torch')}")
    measure_choices()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for race_name in sys.argv[2:] or RACES:
            random = np.random.RandomState(0)
            np.save(folder / "data.npy", random.normal(0, 60, (1, 3, SIZE, SIZE)).astype(np.float32))
            np.save(folder / "label.npy", random.randint(0, CLASSES, (1, 1, SIZE, SIZE)).astype(np.float32))
            RACES[race_name](rounds, folder)


if __name__ == "__main__":
    main()
