"""FCN-8s in tiles: does it give what it gives for the whole image, and how much memory does a large photo take?

    python benchmarks/tiles.py [--tile 896] [--size 3000x4000] [--only equality|memory]

Full weights (134 million), random. First both ways on a photo of 900x1200, in this process; then ``caffe-fcn infer
--tile`` as a process on a photo of the given size, whose peak of resident memory is printed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from synthetic import write_net, write_photo

from caffe_fcn import engines, netspec
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.pictures import read_image
from caffe_fcn.evaluation.tiling import join_parts, run_tiles
from caffe_fcn.net.tiles import plan_tiles

ROOT = Path(__file__).resolve().parents[1]


def compare(folder: Path, net: Path, weights: Path, tile: int) -> None:
    """Print how far the scores of tiles are from those of the whole image, and how many labels differ."""
    image = read_image(write_photo(folder / "photo.png", (900, 1200), 1), 3).astype(np.float32) - 115
    message = netspec.build("voc-fcn8s", "deploy")
    plan = plan_tiles(message, ["data"], "score", (900, 1200), (tile, tile))
    with engines.load(net, weights, "torch", stages=["deploy"]) as engine:
        start = time.perf_counter()
        whole = engine.forward(data=image[None])["score"][0]
        middle = time.perf_counter()
        parts = run_tiles(
            plan,
            lambda part, _: engine.forward(data=part["data"][None])["score"][0],
            {"data": image},
            [ImageInput("data", 3)],
        )
        found = join_parts(parts, plan.size)
        end = time.perf_counter()
    error = np.abs(found - whole).max() / np.abs(whole).max()
    second, best = np.sort(whole, axis=0)[-2:]
    differ = found.argmax(0) != whole.argmax(0)
    gap = ((best - second)[differ].max(initial=0)) / np.abs(whole).max()
    print(f"900x1200: whole {middle - start:.1f} s, {len(plan.tiles)} tiles {end - middle:.1f} s")
    print(f"largest difference {error:.1e} of the largest score; {differ.sum()} of {differ.size} labels differ", end="")
    print(f", whose two best scores are {gap:.1e} apart at most" if differ.any() else "")


def measure(folder: Path, net: Path, weights: Path, size: tuple[int, int], tile: int) -> None:
    """Print the time and the peak memory of a process that segments a large photo."""
    photo = write_photo(folder / "large.png", size, 2)
    command = [
        sys.executable,
        "-m",
        "caffe_fcn",
        "infer",
        str(net),
        str(weights),
        str(photo),
        "-o",
        str(folder / "out"),
    ]
    command += ["--tile", str(tile), "--engine", "torch", "--mean", "104,117,123", "--quiet"]
    start = time.perf_counter()
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    height, width = size
    print(f"{height}x{width}: {seconds:.0f} s, peak {used.ru_maxrss / 1e6:.2f} GB, exit status {process.returncode}")


options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--tile", type=int, default=896, help="side of the tiles of the large photo (default: 896)")
options.add_argument("--size", default="3000x4000", help="its height and width (default: 3000x4000)")
options.add_argument("--only", choices=["equality", "memory"], help="one of the two (default: both)")
given = options.parse_args()

with tempfile.TemporaryDirectory() as name:
    place = Path(name)
    written = write_net(netspec.build("voc-fcn8s", "deploy"), place)
    if given.only != "equality":  # first: until it is another program, a child counts what this process occupied
        high, wide = map(int, given.size.split("x"))
        measure(place, *written, size=(high, wide), tile=given.tile)
    if given.only != "memory":
        compare(place, *written, tile=768)
