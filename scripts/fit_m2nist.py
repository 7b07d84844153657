#!/usr/bin/env python3
"""`caffe-fcn fit` on M2NIST, from photos and label images in two folders to a bundle, killed once on the way.

    scripts/fit_m2nist.py MNIST DIR [--engine torch]

MNIST is the folder of MNIST's four IDX files. In DIR come about the photos and labels, the classifier of digits that
the FCN starts from, the run and its bundle. The fit is killed in the middle of its training (SIGKILL to all of its
processes) and run again. Then the bundle is scored from another working directory by real Caffe, where it is
installed, and by torch, without an option about mean or palette. The published IoU of masks above 0.1 is 51 %; exit
status 1 where it is not reached, or where the engines differ by more than 0.01 % in mean IU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PIL import Image

from caffe_fcn.datasets.formats import m2nist, mnist
from caffe_fcn.datasets.reference_layers.published_sets import SETS

COUNT, SEED = 5000, 1234
PUBLISHED = 0.51
MOST_DIFFERENCE = 1e-4
COMMAND = [sys.executable, "-m", "caffe_fcn"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, (sys.path[0], os.environ.get("PYTHONPATH")))),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mnist", type=Path, help="the folder of MNIST's IDX files")
    parser.add_argument("folder", type=Path, help="where everything is written")
    parser.add_argument("--engine", default="torch", help="what trains (default: torch)")
    parser.add_argument("--photos", type=int, default=COUNT, metavar="N", help=f"how many (default: {COUNT})")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_photos(given.mnist, folder, given.photos)
    classifier = train_classifier(given.mnist.resolve(), folder, given.engine)
    seconds = fit(folder, classifier, given.engine)
    print(f"fit, killed once and continued: {seconds / 60:.1f} minutes")
    return judge(folder)


def write_photos(source: Path, folder: Path, count: int) -> None:
    """Write M2NIST as grey PNGs: photos, labels (0 is the background, then the digits), and the names of classes."""
    digits, values = mnist.read(source)
    for name in ("photos", "labels"):
        (folder / name).mkdir(exist_ok=True)
    for number in range(count):
        image, masks, _ = m2nist.compose(digits, values, SEED, number)
        Image.fromarray(image).save(folder / f"photos/{number:05}.png")
        Image.fromarray(m2nist.combine_masks(masks, "class").astype("uint8")).save(folder / f"labels/{number:05}.png")
    names = ["background", *SETS["m2nist"].classes["label"]]
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names))


def train_classifier(source: Path, folder: Path, engine: str) -> Path:
    """Train the classifier of digits for ten epochs, unless an earlier run did."""
    if not list((folder / "cnn/snapshot").glob("*.caffemodel")):
        run(folder, "data", "mnist", "--mnist", source, "-o", "digits")
        run(folder, "net", "build", "m2nist-cnn", "--source", "digits", "--epochs", 10, "-o", "cnn")
        run(folder, "train", "cnn/solver.prototxt", "--engine", engine, "--keep", 1)
    (weights,) = (folder / "cnn/snapshot").glob("*.caffemodel")
    return weights


def fit(folder: Path, weights: Path, engine: str) -> float:
    """Run the fit, kill it after its second snapshot, and run it again; returns the seconds that both took."""
    words = ["fit", "photos", "labels", "--classes", "classes.txt", "--net", "m2nist-fcn", "--weights", weights]
    command = [*COMMAND, *map(str, words), "--engine", engine, "-o", "run"]
    begun = time.monotonic()
    killed = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    snapshots = 0
    for line in killed.stderr or ():
        print(line, end="", file=sys.stderr)
        snapshots += "solverstate" in line
        if snapshots == 2:
            os.killpg(killed.pid, signal.SIGKILL)
            print("killed", file=sys.stderr)
            break
    killed.wait()
    subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True)
    return time.monotonic() - begun


def judge(folder: Path) -> int:
    """Score the bundle by both engines, from a folder that has nothing; returns the exit status."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as elsewhere:
        for engine in ("torch", "caffe"):
            words = ["evaluate", folder / "run/bundle", "--data", folder / "run/data", "--above", 0.1]
            scored = run(Path(elsewhere), *words, "--json", "--engine", engine, check=engine == "torch")
            if scored.returncode == 0:
                found[engine] = json.loads(scored.stdout)
    wrong = []
    for engine, scores in found.items():
        above = scores["above"]["iu"]
        print(f"{engine:6}  mean IU {scores['mean_iu']:.4%}, masks above 0.1 {above:.4%}, {scores['images']} images")
        if above < PUBLISHED:
            wrong.append(f"by {engine}, masks above 0.1 are worse than the published {PUBLISHED:.0%}")
    if len(found) < 2:
        print("real Caffe is not installed: the bundle was scored by torch alone")
    elif abs(found["torch"]["mean_iu"] - found["caffe"]["mean_iu"]) > MOST_DIFFERENCE:
        wrong.append("the engines differ by more than 0.01 %")
    print("\n".join(wrong) or "as published, or better")
    return int(bool(wrong))


def run(folder: Path, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of this project in a folder; its stdout is returned."""
    return subprocess.run(
        [*COMMAND, *map(str, words)], cwd=folder, env=ENVIRONMENT, check=check, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    sys.exit(main())
