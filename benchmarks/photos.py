"""Times `caffe-fcn infer` on photos of many sizes beside a script that runs ONNX Runtime on one after another.

    python benchmarks/photos.py [PHOTOS [ROUNDS]]

50 photos as PASCAL VOC has them, of 40 sizes, go through FCN-8s with random weights. Both are whole processes:
start-up, reading the weights, decoding, the net, label images and overlays as PNG. The script decodes and writes by
the functions of this project, and runs the net that `export onnx` made. The processes of a round run one after
another; the ratio is the median of those of the rounds. The libraries of the script are installed as for engine.py.
Prints the machine's name and a Markdown table.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from engine import PYTHON, export_onnx, name_machine, prepare_rivals, replace_sources, write_weights
from PIL import Image
from synthetic import write_photo

from caffe_fcn import netspec, proto

MEAN = (104.00699, 116.66877, 122.67892)  # of VOC's photos, as the reference subtracts it
LONGEST = 500  # of the sides of VOC's photos
SIZES = 40

ONE_BY_ONE = f"""
import sys
from pathlib import Path
import numpy as np
import onnxruntime
from caffe_fcn.datasets.records.palette import make_voc_palette
from caffe_fcn.evaluation.jobs import Outcome
from caffe_fcn.evaluation.pictures import read_image
from caffe_fcn.evaluation.predict import Prediction
from caffe_fcn.evaluation.prediction_files import Legend, write_prediction
onnx, photos, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
output.mkdir()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
mean, legend = np.array({MEAN}, np.float32)[:, None, None], Legend(make_voc_palette(), None)
for path in sorted(photos.iterdir()):
    pixels = read_image(path, 3)
    scores = session.run(["score"], {{"data": (pixels.astype(np.float32) - mean)[None]}})[0][0]
    found = Prediction(pixels, scores.argmax(0).astype(np.uint8), False)
    write_prediction(found, None, output / f"{{path.stem}}.png", legend, Outcome(0, 1, str(path)))
"""


def list_sizes(count: int) -> list[tuple[int, int]]:
    """Sizes of photos: one side is the longest, most others are 3/4 or 2/3 of it, and no more than `SIZES` differ."""
    shorter = [375, 333, *(number for number in range(300, 500, 9) if number not in (375, 333))]
    sizes = [size for short in shorter for size in ((short, LONGEST), (LONGEST, short))][:SIZES]
    return list(itertools.islice(itertools.cycle(sizes), count))


def run(command: list[str | Path]) -> float:
    """Run a process with two threads; returns its seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parent.parent)}
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def compare(ours: Path, theirs: Path) -> float:
    """The share of the pixels in which the label images agree."""
    names = sorted(path.name for path in theirs.glob("*[0-9].png"))
    assert names == sorted(path.name for path in ours.glob("*[0-9].png"))
    equal = [np.asarray(Image.open(ours / name)) == np.asarray(Image.open(theirs / name)) for name in names]
    return float(np.mean([each.mean() for each in equal]))


def main() -> None:
    """Write the photos and the nets, and time both."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(name_machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        net, weights, onnx, photos = (
            folder / each for each in ("deploy.prototxt", "w.caffemodel", "net.onnx", "photos")
        )
        photos.mkdir()
        for number, size in enumerate(list_sizes(count)):
            write_photo(photos / f"{number:03}.jpg", size, number)
        message = netspec.build("voc-fcn8s", "deploy")
        proto.write(message, net)
        write_weights(replace_sources(message, {"data": [1, 3, LONGEST, LONGEST]}), weights)
        rival = prepare_rivals()
        export_onnx(rival, net, weights, onnx, "--dynamic", "size")
        seconds: dict[str, list[float]] = {"ONNX Runtime, one by one": [], "ours": []}
        for number in range(rounds):
            ours, theirs = folder / f"ours{number}", folder / f"theirs{number}"
            mean = ",".join(map(str, MEAN))
            infer = [
                *PYTHON,
                "-m",
                "caffe_fcn",
                "infer",
                net,
                weights,
                photos,
                "-o",
                ours,
                "--mean",
                mean,
                "--engine",
                "torch",
            ]
            seconds["ONNX Runtime, one by one"].append(run([rival, "-c", ONE_BY_ONE, onnx, photos, theirs]))
            seconds["ours"].append(run(infer))
        agree = compare(ours, theirs)
    print(f"\nFCN-8s on {count} photos of {len(set(list_sizes(count)))} sizes\n\n| | seconds | ratio |\n|---|---|---|")
    first = next(iter(seconds.values()))
    for title, taken in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(taken, first, strict=True))
        print(f"| {title} | {statistics.median(taken):.1f} | {ratio:.2f} |")
    print(f"\nThe label images agree in {agree:.4%} of the pixels.")


if __name__ == "__main__":
    main()
