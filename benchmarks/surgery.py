"""VGG-16 into FCN-8s (553 MB): our transplant against `cp` of the file and against two nets in real pycaffe.

    python benchmarks/surgery.py [RUNS]

Each runs in a process of its own, in turns, with a warm page cache; the shortest time of each counts. "call" is
the work alone, without starting Python and importing. In the end real Caffe runs the weights that we wrote and those
that pycaffe wrote on one larger image with the same score layers; the largest difference is printed. Needs real Caffe
(scripts/install_caffe.sh), 4 GB of memory, and 2 GB of disk in the temporary folder; RUNS is 5 by default.
Prints a Markdown table.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from caffe_fcn import netspec, proto
from caffe_fcn.engines.caffe import find
from caffe_fcn.proto import NetParameter

MAKE = """
import sys
import numpy as np
import caffe
net = caffe.Net(sys.argv[1], caffe.TEST)
random = np.random.RandomState(0)
for blobs in net.params.values():
    blobs[0].data[...] = random.randn(*blobs[0].shape) * (2.0 / blobs[0].data[0].size) ** 0.5
net.save(sys.argv[2])
"""

PYCAFFE = """
import sys, time
import numpy as np
import caffe
started = time.time()
old, new = caffe.Net(sys.argv[1], caffe.TEST, weights=sys.argv[2]), caffe.Net(sys.argv[3], caffe.TEST)
for name, blobs in old.params.items():
    if name in new.params:
        for theirs, ours in zip(blobs, new.params[name]):
            ours.data.flat = theirs.data.flat
for name, blobs in new.params.items():
    if "up" in name:
        k = blobs[0].shape[-1]
        f = (k + 1) // 2
        line = 1 - abs(np.arange(k) - (f - 1 if k % 2 else f - 0.5)) / f
        every = range(blobs[0].shape[0])
        blobs[0].data[every, every] = np.outer(line, line)
new.save(sys.argv[4])
print(time.time() - started)
"""

COMPARE = """
import sys
import numpy as np
import caffe
scores = []
for weights in sys.argv[2:]:
    net = caffe.Net(sys.argv[1], caffe.TEST, weights=weights)
    random = np.random.RandomState(1)
    for name, blobs in net.params.items():
        if name.startswith("score"):
            blobs[0].data[...] = random.randn(*blobs[0].shape) * blobs[0].data[0].size ** -0.5
    net.blobs["data"].reshape(1, 3, 320, 320)
    net.blobs["data"].data[...] = random.uniform(-120, 130, (1, 3, 320, 320))
    scores.append(net.forward()["score"].copy())
    del net
print(abs(scores[0] - scores[1]).max(), abs(scores[1]).max())
"""

OURS = """
import sys, time
from caffe_fcn import surgery
transplant = surgery.transplant
started = time.time()
transplant(sys.argv[2], sys.argv[3], sys.argv[4])
print(time.time() - started)
"""

COMMAND = """
import sys
from caffe_fcn.cli import main
main(["surgery", "transplant", "--weights", sys.argv[2], "--to-net", sys.argv[3], "-o", sys.argv[4]])
"""

INFO = """
import sys
from caffe_fcn.cli import main
main(["weights", "info", sys.argv[2]])
"""


class Run(NamedTuple):
    """Seconds of the whole process and of the work alone, and the process's peak resident megabytes."""

    process: float
    call: float
    megabytes: float


def vgg16() -> NetParameter:
    """The classifier's deploy net, at batch 1."""
    net = NetParameter(name="VGG_ILSVRC_16_layers")
    net.layer.add(name="data", type="Input", top=["data"]).input_param.shape.add(dim=[1, 3, 224, 224])
    top = "data"

    def add(name: str, kind: str, **fields: object) -> None:
        nonlocal top
        net.layer.add(name=name, type=kind, bottom=[top], top=[name], **fields)
        top = name

    for block, (depth, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for layer in range(1, depth + 1):
            convolution = {"num_output": width, "kernel_size": [3], "pad": [1]}
            add(f"conv{block}_{layer}", "Convolution", convolution_param=convolution)
            add(f"relu{block}_{layer}", "ReLU")
        add(f"pool{block}", "Pooling", pooling_param={"kernel_size": 2, "stride": 2})
    for name, width in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        add(name, "InnerProduct", inner_product_param={"num_output": width})
        if name != "fc8":
            net.layer.add(name=f"relu{name[2:]}", type="ReLU", bottom=[name], top=[name])
    return net


def run(*command: object) -> Run:
    """Run a program to its end; the last word that it prints may be its own seconds."""
    return measured(*command)[0]


def measured(*command: object) -> tuple[Run, list[str]]:
    """The same, with all words that it prints."""
    out, into = os.pipe()
    quiet = {**os.environ, "GLOG_minloglevel": "2", "PYTHONDONTWRITEBYTECODE": ""}  # compiled, as if installed
    started = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, into, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    arguments = [str(each) for each in command]
    child = os.posix_spawnp(arguments[0], arguments, quiet, file_actions=actions)
    os.close(into)
    with os.fdopen(out) as pipe:
        lines = pipe.read().split()
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"failed: {' '.join(arguments)[:200]}")
    try:
        call = float(lines[-1])
    except (IndexError, ValueError):
        call = seconds
    return Run(seconds, call, usage.ru_maxrss / 1024), lines


def main() -> None:
    """Make the model, run all programs in turn, print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    pycaffe = find().python
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            Path(folder) / name for name in ("vgg16.prototxt", "vgg16.caffemodel", "fcn8s.prototxt", "out.caffemodel")
        ]
        proto.write(vgg16(), paths[0])
        proto.write(netspec.build("voc-fcn8s", "deploy", size=(224, 224)), paths[2])
        run(*pycaffe, "-c", MAKE, *paths[:2])
        programs = {
            "`cp`": ["cp", paths[1], paths[3]],
            "`surgery.transplant(...)`": [sys.executable, "-c", OURS, *paths],
            "`caffe-fcn surgery transplant`": [sys.executable, "-c", COMMAND, *paths],
            "two nets in pycaffe": [*pycaffe, "-c", PYCAFFE, *paths],
            "`caffe-fcn weights info`": [sys.executable, "-c", INFO, *paths],
        }
        runs: dict[str, list[Run]] = {name: [] for name in programs}
        for _ in range(count):
            for name, command in programs.items():
                paths[3].unlink(missing_ok=True)
                runs[name].append(run(*command))
        best = {name: Run(*map(min, zip(*each, strict=True))) for name, each in runs.items()}
        size = paths[1].stat().st_size
        other = Path(folder) / "other.caffemodel"
        run(*pycaffe, "-c", PYCAFFE, *paths[:3], other)
        run(sys.executable, "-c", OURS, *paths)
        _, (difference, largest) = measured(*pycaffe, "-c", COMPARE, paths[2], paths[3], other)
    copy = best["`cp`"].process
    print(f"VGG-16 to FCN-8s, {size / 1e6:.0f} MB, least of {count} runs\n")
    print("| | call, s | process, s | call to `cp` | process to `cp` | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for name, each in best.items():
        ratios = f"{each.call / copy:.2f} | {each.process / copy:.2f}"
        print(f"| {name} | {each.call:.3f} | {each.process:.3f} | {ratios} | {each.megabytes:.0f} |")
    ours, theirs = best["`surgery.transplant(...)`"], best["two nets in pycaffe"]
    print(f"\nThe transplant is {theirs.call / ours.call:.1f} times faster than pycaffe's, call against call.")
    print(
        f"In real Caffe, at 320x320, both models' scores (up to {float(largest):.3g}) differ by {difference} at most."
    )


if __name__ == "__main__":
    main()
