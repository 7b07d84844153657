"""Time ``caffe-fcn evaluate`` by one process with one thread, and by several: how much faster, and the same counts?

    python benchmarks/evaluate_processes.py [--images 500] [--nproc 2] [--runs 3]

A data set of images of 240x320 with random labels, scored by FCN-AlexNet with random weights, as whole processes:
importing, loading and counting included. The runs alternate; medians are compared. Three runs take about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from synthetic import write_net, write_photo

from caffe_fcn import netspec

HEIGHT, WIDTH, CLASSES = 240, 320, 21
ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def run(*arguments: object) -> str:
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "caffe_fcn", *map(str, arguments)]
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


def make_data(folder: Path, count: int) -> Path:
    """Write photos of smooth noise and labels of blocks, and build the data set."""
    random = np.random.default_rng(1)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number in range(count):
        write_photo(folder / f"images/{number:04}.jpg", (HEIGHT, WIDTH), number)
        label = random.integers(0, CLASSES, (HEIGHT // 40, WIDTH // 40), np.uint8)
        Image.fromarray(label.repeat(40, 0).repeat(40, 1)).save(folder / f"labels/{number:04}.png")
    (folder / "classes.txt").write_text("\n".join(f"class{number}" for number in range(CLASSES)))
    folders = ["--images", folder / "images", "--labels", folder / "labels", "--classes", folder / "classes.txt"]
    run("data", "folder", *folders, "--val-percent", 0, "-o", folder / "data", "--quiet")
    return folder / "data"


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--images", type=int, default=500, help="how many images are scored (default: 500)")
options.add_argument("--nproc", type=int, default=2, help="processes that share them (default: 2)")
options.add_argument("--runs", type=int, default=3, help="runs of each (default: 3)")
given = options.parse_args()

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    net = netspec.build("voc-fcn-alexnet", "deploy")
    command = ["evaluate", *write_net(net, folder), "--data", make_data(folder, given.images), "--mean", "104,117,123"]
    command += ["--engine", "torch", "--json", "--quiet"]
    times: dict[int, list[float]] = {1: [], given.nproc: []}
    answers = []
    for _ in range(given.runs):
        for nproc, seconds in times.items():
            start = time.perf_counter()
            answers.append(json.loads(run(*command, "--nproc", nproc)))
            seconds.append(time.perf_counter() - start)
    alone, shared = (median(seconds) for seconds in times.values())
    alike = "the same scores" if all(each == answers[0] for each in answers) else "DIFFERENT SCORES"
    print(f"{given.images} images: 1 process {alone:.1f} s, {given.nproc} processes {shared:.1f} s,", end=" ")
    print(f"ratio {alone / shared:.2f}, {alike}")
