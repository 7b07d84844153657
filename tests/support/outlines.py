"""Data, nets and solvers of small trainings: from the outline of a triangle to the filled triangle.

`net` is a small FCN for 16 x 16 pixels (convolutions, pooling, a learned deconvolution), in which some layers learn
slower, decay less, or do not learn. `catalogue_net` is the catalogue's net for 32 x 32 pixels.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from caffe_fcn.datasets.formats.triangles import draw_pair
from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Writer
from caffe_fcn.weights import open_weights

pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.torch import Net
from caffe_fcn.engines.torch.training.snapshots import save

SIZE, COUNT, BATCH = 16, 20, 4


def data(batch: int = BATCH, phase: str = "", images: str = "images", more: str = "") -> str:
    """A Data layer of images and one of labels."""
    rule = f"include {{ phase: {phase} }}" if phase else ""
    scaled = f"mean_value: 200 scale: 0.01 {more}"
    return "".join(
        f"""layer {{ name: "{name}" type: "Data" top: "{name}" {rule} transform_param {{ {transform} }}
          data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }} }}\n"""
        for name, source, transform in (("data", images, scaled), ("label", "labels", more))
    )


BODY = """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 12 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "frozen" type: "Convolution" bottom: "conv2" top: "frozen" param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 12 kernel_size: 1 weight_filler { type: "xavier" } } }
%s
layer { name: "score" type: "Deconvolution" bottom: "frozen" top: "score" param { lr_mult: 0.5 }
  convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
"""
ACCURACY = """
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
DROPOUT = 'layer { name: "drop" type: "Dropout" bottom: "frozen" top: "frozen" dropout_param { dropout_ratio: 0.4 } }'

SOLVER = """
net: "net.prototxt"
base_lr: 0.05
lr_policy: "fixed"
display: 1
max_iter: 50
snapshot_prefix: "snap"
solver_mode: CPU
random_seed: 7
"""


def records(folder: Path, count: int = COUNT, size: int = SIZE) -> None:
    """Write the databases ``images`` and ``labels``."""
    random = np.random.RandomState(0)
    images, labels = [], []
    for _ in range(count):
        outline, filled = draw_pair(random.randint(0, size, (3, 2)), size)
        images.append(datum.pack_raw(outline[None]))
        labels.append(datum.pack_raw((filled[None] == 0).astype(np.uint8)))
    for name, values in (("images", images), ("labels", labels)):
        with Writer(folder / name) as writer:
            writer.append(values)


def net(folder: Path, source: str = "", between: str = "") -> Path:
    """Write the net of both phases."""
    path = folder / "net.prototxt"
    path.write_text((source or data()) + BODY % between + ACCURACY)
    return path


def solver(folder: Path, name: str = "solver.prototxt", **settings: object) -> Path:
    """Write the solver; ``settings`` replace or extend its lines, a list repeats a field."""
    lines = [line for line in SOLVER.splitlines() if line.partition(":")[0] not in settings]
    for field, value in settings.items():
        for each in value if isinstance(value, list) else [value]:
            enum = field in ("snapshot_format", "solver_mode")
            lines.append(f'{field}: "{each}"' if isinstance(each, str) and not enum else f"{field}: {each}")
    path = folder / name
    path.write_text("\n".join(lines).replace("True", "true").replace("False", "false") + "\n")
    return path


def start(folder: Path) -> Path:
    """Write weights to start from, the same for both engines."""
    path = folder / "start.caffemodel"
    save(Net(folder / "net.prototxt", "train", seed=5), path)
    return path


def catalogue_net(folder: Path, count: int) -> Path:
    """Write the catalogue's net of triangles, a sixteenth as wide, with data and weights; returns the net's folder."""
    here = folder / "net"
    for command in (
        f"data triangles --count {count} --size {2 * SIZE} --val-percent 0 --no-statistics -o {folder / 'data'}",
        f"net build triangles --loss softmax --source {folder / 'data'} -o {here}",
    ):
        subprocess.run([sys.executable, "-m", "caffe_fcn", *command.split(), "--quiet"], check=True)
    text = (here / "train.prototxt").read_text()
    assert "num_output: 1024" in text
    (here / "net.prototxt").write_text(text.replace("num_output: 1024", "num_output: 64").replace("0.001", "0.02"))
    start(here)
    return here


def weights(path: Path) -> dict[tuple[str, int], np.ndarray]:
    """All parameters in a weights file."""
    with open_weights(path) as opened:
        return {(layer, index): np.array(tensor.load()) for layer, index, tensor in opened}
