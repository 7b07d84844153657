"""Time whole processes that do next to nothing: how long commands take to start.

    python benchmarks/startup.py [--before CHECKOUT] [--runs 15]

With ``--before`` the same commands run from another checkout, alternating with ours, and the ratio of the medians is
printed. Nothing is installed: each process finds its package by PYTHONPATH.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from caffe_fcn import netspec, proto, weights
from caffe_fcn.weights.tensors import from_array

ROOT = Path(__file__).resolve().parents[1]


def seconds(checkout: Path, arguments: list[str]) -> float:
    command = [sys.executable, "-m", "caffe_fcn", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    start = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, env=environment, cwd=checkout, **quiet)
    return time.perf_counter() - start


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--before", type=Path, help="a checkout to compare with")
options.add_argument("--runs", type=int, default=15, help="runs of each command (default: 15)")
given = options.parse_args()
checkouts = [ROOT, *([given.before.resolve()] if given.before else [])]

with tempfile.TemporaryDirectory() as name:
    net, model = Path(name) / "net.prototxt", Path(name) / "model.caffemodel"
    proto.write(netspec.build("voc-fcn-alexnet", "deploy"), net)
    blob = from_array(np.zeros((8, 3, 3, 3), "f4"))
    weights.save_weights(model, [weights.Layer("conv", (blob,))])
    for command in (["--help"], ["offsets", str(net)], ["weights", "info", str(model)]):
        for checkout in checkouts:
            seconds(checkout, command)  # compiles and caches
        times = [[seconds(checkout, command) for checkout in checkouts] for _ in range(given.runs)]
        ours, *before = (median(column) for column in zip(*times, strict=True))
        label = " ".join(part for part in command if not part.startswith("/"))
        compared = f", before {before[0] * 1000:.0f} ms, ratio {ours / before[0]:.2f}" if before else ""
        print(f"{label:14} {ours * 1000:.0f} ms{compared}")
