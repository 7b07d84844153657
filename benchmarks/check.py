"""How long a whole check takes: FCN-8s with its weights, its solver and 10,000 pairs of images and labels.

    python benchmarks/check.py [--images 10000] [--folder /tmp]

It is compared with `cat` of the weights (540 MB) and a plain listing of the pairs: a Python program that walks the
records of both databases by the lmdb package. Each runs as a process of its own, interpreter start included, in turns,
with the files on the disk and in memory; the shortest of three times counts. The photos are noise, JPEGs of about
100 kB: only a thorough check decodes all of them. Needs 2 GB of disk. Fails where the check takes more than twice as
long.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image

from caffe_fcn import netspec, weights
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import Datum, FillerParameter
from caffe_fcn.weights import fillers, interpolation
from caffe_fcn.weights.layers import Layer
from caffe_fcn.weights.tensors import Shape, Tensor

RUNS = 3
TARGET = 2.0
CLASSES = 21
HEIGHT, WIDTH = 375, 500

LIST = """
import sys
import lmdb
for path in sys.argv[1:]:
    with lmdb.open(path, readonly=True, lock=False) as environment, environment.begin() as transaction:
        print(sum(len(key) for key, _ in transaction.cursor()))
"""


def main() -> None:
    """Print the figures, and fail where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000, help="pairs of image and label (default: 10000)")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        scratch = Path(folder)
        make_net(scratch / "net")
        make_dataset(scratch / "data", given.images)
        sys.exit(compare(scratch))


def compile_once(scratch: Path) -> dict[str, str]:
    """An environment in which Python keeps what it has compiled, as an installation does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}


def make_net(folder: Path) -> None:
    """FCN-8s, its solver, and weights: random ones, and interpolating upscores."""
    netspec.write("voc-fcn8s", folder)
    shapes = infer(netspec.build("voc-fcn8s", "deploy"))
    layers = [
        Layer(node.name, tuple(make_values(node.name, index, each) for index, each in enumerate(found)), node.type)
        for node in shapes.graph.nodes
        if (found := shapes.params[node.name])
    ]
    weights.save_weights(folder / "fcn8s.caffemodel", layers)


def make_values(layer: str, index: int, shape: Shape) -> Tensor:
    """The values of a parameter."""
    if layer.startswith("upscore"):
        return interpolation.make_weights(shape)
    return fillers.fill(FillerParameter(type="gaussian" if index == 0 else "constant", std=0.01), shape, layer, index)


def make_dataset(folder: Path, count: int) -> None:
    """Photos of 100 kB, those that are decoded real ones, and labels as PNGs."""
    folder.mkdir()
    random = np.random.RandomState(0)
    photo, label = io.BytesIO(), io.BytesIO()
    Image.fromarray(random.randint(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)).save(photo, "JPEG", quality=50)
    classes = np.repeat(np.arange(HEIGHT)[:, None] * CLASSES // HEIGHT, WIDTH, 1).astype(np.uint8)
    Image.fromarray(classes).save(label, "PNG")
    about = Description("benchmark", classes=[f"class{number}" for number in range(CLASSES)], ignore_label=255)
    for name, data, channels in (("images", photo.getvalue(), 3), ("labels", label.getvalue(), 1)):
        record = Datum(channels=channels, height=HEIGHT, width=WIDTH, data=data, encoded=True).SerializeToString()
        size = 2 * count * (len(record) + 4096)
        with lmdb.open(str(folder / f"train_{name}"), map_size=size) as environment:
            with environment.begin(write=True) as transaction:
                for index in range(count):
                    transaction.put(b"%08d" % index, record)
    pixels = {str(number): int(total) * count for number, total in enumerate(np.bincount(classes.ravel()))}
    shares = [total / (count * classes.size) for total in pixels.values()]
    statistics = {"count": count, "sizes": [[HEIGHT, WIDTH, count]], "distinct_sizes": 1, "pixels": pixels}
    about.splits["train"] = {
        "count": count,
        "databases": {"images": "train_images", "labels": "train_labels"},
        "statistics": {**statistics, "ignored_share": 0.0, "frequencies": shares},
    }
    about.write(folder)


def compare(scratch: Path) -> int:
    """Print a Markdown table; return 1 where the check takes too long."""
    model = scratch / "net" / "fcn8s.caffemodel"
    data = scratch / "data"
    databases = [str(data / f"train_{name}") for name in ("images", "labels")]
    files = ["--weights", str(model), "--data", str(data), "--solver", str(scratch / "net" / "solver.prototxt")]
    environment = compile_once(scratch)
    command = [sys.executable, "-m", "caffe_fcn", "check", str(scratch / "net" / "deploy.prototxt"), *files]
    runs = {
        "`cat` of the weights": [["cat", str(model)]],
        "listing the pairs": [[sys.executable, "-c", LIST, *databases]],
        "both": [["cat", str(model)], [sys.executable, "-c", LIST, *databases]],
        "`caffe-fcn check`": [command],
    }
    missed = 0
    for where, prepare in (("on the disk", evict), ("in memory", read)):
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(RUNS):
            for name, commands in runs.items():
                prepare(scratch)
                began = time.perf_counter()
                for each in commands:
                    subprocess.run(
                        each, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
                    )
                best[name] = min(best[name], time.perf_counter() - began)
        print(f"\n| files {where} | seconds | to both |\n|---|---|---|")
        for name, seconds in best.items():
            print(f"| {name} | {seconds:.3f} | {seconds / best['both']:.2f} |")
        if best["`caffe-fcn check`"] > TARGET * best["both"]:
            missed = 1
            print(f"missed, with files {where}: at most {TARGET:g} times both")
    return missed


def evict(folder: Path) -> None:
    """Drop the files of a folder from the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(folder: Path) -> None:
    """Bring the files of a folder into the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
