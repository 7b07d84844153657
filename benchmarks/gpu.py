"""Times the torch engine on a GPU beside the same nets written by hand in torch, as they are and compiled.

    python benchmarks/gpu.py [ROUNDS [FCN-AlexNet|FCN-8s]...]

FCN-AlexNet and FCN-8s at 500x500 with random weights: a forward pass from an image on the GPU to scores on the GPU, and
from numpy to numpy; a training step (forward, backward, and the update by SGD with momentum and weight decay), at each
precision. By hand, images and weights have channels last where that is quicker, and the update is torch's fused one.
"Compiled" is `torch.compile` with mode "reduce-overhead", which records CUDA graphs, too. Where onnxruntime-gpu is
installed, its CUDA provider runs the net that `export onnx` made, from GPU to GPU, as a CUDA graph. In each round all
contenders run in turn; medians of ROUNDS (20 by default) are reported, and how far scores are from those by hand in
float32. Needs a GPU, and a C compiler for torch.compile; takes three minutes, most of them to compile. Prints Markdown
tables.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import by_hand
import numpy as np
import torch
import torch.nn.functional as F
from engine import CLASSES, SIZE, export_onnx, replace_sources

from caffe_fcn import netspec, proto
from caffe_fcn.engines.choice import PRECISIONS
from caffe_fcn.engines.torch import Net
from caffe_fcn.engines.torch.training import snapshots
from caffe_fcn.engines.torch.training.optimizer import Optimizer
from caffe_fcn.engines.torch.transfers import Download
from caffe_fcn.net.graph import select_phase
from caffe_fcn.proto import SolverParameter
from caffe_fcn.weights import interpolation

NETS: dict[str, tuple[str, Callable[..., torch.Tensor]]] = {
    "FCN-AlexNet": ("voc-fcn-alexnet", by_hand.alexnet),
    "FCN-8s": ("voc-fcn8s", by_hand.fcn8s),
}
RATE, MOMENTUM, DECAY = 1e-14, 0.9, 5e-4
ONNX_PROVIDER = "CUDAExecutionProvider"
WARM_UP = 5  # passes before the first round: libraries load, compilers compile, recordings are made

Once = Callable[[], Any]


def make_net(name: str, phase: str, precision: str) -> Net:
    """A net on the GPU with random weights, under which values keep their size, and upscores that interpolate."""
    shapes = {"data": [1, 3, SIZE, SIZE]}
    if phase == "train":
        shapes["label"] = [1, 1, SIZE, SIZE]
    net = Net(
        replace_sources(select_phase(netspec.build(name, phase), phase), shapes),
        phase,
        device="cuda",
        precision=precision,
    )
    random = torch.Generator("cuda").manual_seed(0)
    with torch.no_grad():
        for layer, (weights, *biases) in net.params.items():
            shape = tuple(weights.shape)
            if layer.startswith("upscore"):
                weights.copy_(torch.tensor(interpolation.make_weights(shape).load()))
            else:
                values = torch.randn(shape, device="cuda", generator=random)  # the same in any order in memory
                weights.copy_(values * (2 / values[0].numel()) ** 0.5)
            for bias in biases:
                bias.normal_(0, 0.1, generator=random)
    return net


def copy_weights(net: Net, precision: str) -> dict[str, list[torch.Tensor]]:
    """The net's parameters, for a net by hand; kernels in the order that is quickest at this precision."""
    order = find_order(precision)
    return {
        name: [
            tensor.detach().clone(memory_format=order if tensor.dim() == 4 else torch.contiguous_format)
            for tensor in tensors
        ]
        for name, tensors in net.params.items()
    }


def find_order(precision: str) -> torch.memory_format:
    """Channels last, but for float32."""
    return torch.contiguous_format if precision == "float32" else torch.channels_last


def use(precision: str) -> torch.autocast:
    """Let torch multiply with this precision; returns the context for a forward pass."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return torch.autocast("cuda", torch.bfloat16, precision == "bf16")


def make_forwards(name: str, precision: str, image: np.ndarray) -> dict[str, Once]:
    """The contenders of a forward pass; each returns scores."""
    catalogued, function = NETS[name]
    net = make_net(catalogued, "deploy", precision)
    weights, compiled = copy_weights(net, precision), torch.compile(function, mode="reduce-overhead")
    data = torch.tensor(image, device="cuda").contiguous(memory_format=find_order(precision))

    def run(forward: Callable[..., torch.Tensor]) -> torch.Tensor:
        with torch.no_grad(), use(precision):
            return forward(data, weights)

    contenders: dict[str, Once] = {"by hand": lambda: run(function), "compiled": lambda: run(compiled)}
    if has_onnx_provider() and precision != "bf16":
        contenders["ONNX Runtime"] = make_onnx_forward(net, precision, data)
    return {
        **contenders,
        "ours": lambda: net.forward(data=data)["score"],
        "ours, numpy to numpy": lambda: Download(net.forward(data=image)["score"].float()).wait().numpy(),
    }


def has_onnx_provider() -> bool:
    """Whether there is an ONNX Runtime for GPUs."""
    if not importlib.util.find_spec("onnxruntime"):
        return False
    import onnxruntime

    return ONNX_PROVIDER in onnxruntime.get_available_providers()


def make_onnx_forward(net: Net, precision: str, data: torch.Tensor) -> Once:
    """A forward pass of the exported net by ONNX Runtime, whose kernels a CUDA graph replays."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / each for each in ("net.prototxt", "net.caffemodel", "net.onnx")]
        proto.write(net.graph.net, files[0])
        snapshots.save(net, files[1])
        export_onnx(sys.executable, files[0], files[1], files[2])
        options = {"use_tf32": str(int(precision == "tf32")), "enable_cuda_graph": "1"}
        session = onnxruntime.InferenceSession(files[2], providers=[(ONNX_PROVIDER, options)])
    if session.get_providers()[0] != ONNX_PROVIDER:
        sys.exit("ONNX Runtime does not find CUDA's libraries")
    data = data.contiguous()
    scores = torch.empty(net.output_shapes["score"], device="cuda")
    binding = session.io_binding()
    binding.bind_input("data", "cuda", 0, np.float32, data.shape, data.data_ptr())
    binding.bind_output("score", "cuda", 0, np.float32, scores.shape, scores.data_ptr())

    def once(data: torch.Tensor = data) -> torch.Tensor:  # which must live as long as this does
        session.run_with_iobinding(binding)
        return scores

    return once


def make_steps(name: str, precision: str, image: np.ndarray, label: np.ndarray) -> dict[str, Once]:
    """The contenders of a training step; images and labels come from the processor's memory each time."""
    catalogued, function = NETS[name]
    net = make_net(catalogued, "train", precision)
    solver = SolverParameter(base_lr=RATE, lr_policy="fixed", momentum=MOMENTUM, weight_decay=DECAY, type="SGD")
    optimizer = Optimizer(solver, net.learnable)
    steps: dict[str, Once] = {}
    for title, forward in {"by hand": function, "compiled": torch.compile(function, mode="reduce-overhead")}.items():
        steps[title] = make_step_by_hand(forward, copy_weights(net, precision), precision, image, label)

    def step() -> float:
        net.compute_gradients(data=image, label=label)
        loss = net.read_loss()
        optimizer.update(0, 1)
        return loss

    return {**steps, "ours": step}


def make_step_by_hand(
    forward: Callable[..., torch.Tensor],
    weights: Mapping[str, list[torch.Tensor]],
    precision: str,
    image: np.ndarray,
    label: np.ndarray,
) -> Once:
    """A training step that returns the loss, as a script has it."""
    learned = [tensor for name, tensors in weights.items() if "upscore" not in name for tensor in tensors]
    for tensor in learned:
        tensor.requires_grad_()
    update = torch.optim.SGD(learned, RATE, MOMENTUM, weight_decay=DECAY, fused=True)
    data = torch.tensor(image).contiguous(memory_format=find_order(precision)).pin_memory()
    wanted = torch.tensor(label).long()[:, 0].pin_memory()

    def step() -> float:
        update.zero_grad()
        with use(precision):
            scores = forward(data.to("cuda", non_blocking=True), weights, 0.5)
        loss = F.cross_entropy(scores.float(), wanted.to("cuda", non_blocking=True), ignore_index=255)
        loss.backward()
        update.step()
        return float(loss.detach())

    return step


def race(contenders: Mapping[str, Once], rounds: int) -> dict[str, str]:
    """The median milliseconds of each contender; all run in turn, ``rounds`` times."""
    for once in contenders.values():
        for _ in range(WARM_UP):
            once()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, once in contenders.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            once()
            torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - started)
    return {name: f"{1e3 * statistics.median(taken):.2f}" for name, taken in seconds.items()}


def print_table(title: str, table: Mapping[str, Mapping[str, str]]) -> None:
    """Print what was found at each precision; the columns are those of the first one, and some may be empty."""
    columns = [*next(iter(table.values()))]
    print(f"\n| {' | '.join([title, *columns])} |\n|{'---|' * (len(columns) + 1)}")
    for precision, found in table.items():
        print(f"| {' | '.join([precision, *(found.get(each, '') for each in columns)])} |", flush=True)


def main() -> None:
    """Run all races."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU")
    random = np.random.RandomState(0)
    image = random.normal(0, 60, (1, 3, SIZE, SIZE)).astype(np.float32)
    label = random.randint(0, CLASSES, (1, 1, SIZE, SIZE)).astype(np.float32)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {SIZE}x{SIZE}, milliseconds")
    for name in sys.argv[2:] or NETS:
        table: dict[str, dict[str, str]] = {}
        exact: torch.Tensor | None = None
        for precision in PRECISIONS:
            contenders = make_forwards(name, precision, image)
            table[precision] = race(contenders, rounds)
            exact = contenders["by hand"]().double() if exact is None else exact
            for title in [each for each in ("ONNX Runtime", "ours") if each in contenders]:
                apart = float((contenders[title]().double() - exact).norm() / exact.norm())
                table[precision][f"{title}, off by"] = f"{apart:.1e}"
            del contenders
        print_table(f"{name}, forward", table)
        table = {each: race(make_steps(name, each, image, label), rounds) for each in PRECISIONS}
        print_table(f"{name}, training step", table)


if __name__ == "__main__":
    main()
