"""A run of a small FCN that has all that a bundle changes, and its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from caffe_worker import CaffeWorker

from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.interop.bundle import write_bundle

CLASSES = ["road", "sky", "tree"]
MEAN = [104.0, 116.5, 122.25]


def make_deploy(pad: int = 0, bias: str = "true") -> str:
    """A small FCN with all that a bundle changes: BatchNorm, Scale, Dropout, fillers, rates, an auxiliary loss."""
    return f"""name: "roads"
layer {{ name: "input" type: "Input" top: "data" top: "label" input_param {{
        shape {{ dim: 1 dim: 3 dim: 24 dim: 28 }} shape {{ dim: 1 dim: 1 dim: 24 dim: 28 }} }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param {{ lr_mult: 2 }}
        convolution_param {{ num_output: 6 kernel_size: 4 stride: 2 pad: {pad} bias_term: {bias}
                             weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }}
layer {{ name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param {{ bias_term: true }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "drop1" type: "Dropout" bottom: "conv1" top: "drop1" dropout_param {{ dropout_ratio: 0.5 }} }}
layer {{ name: "side" type: "Convolution" bottom: "conv1" top: "side"
        convolution_param {{ num_output: 2 kernel_size: 1 }} }}
layer {{ name: "score_fr" type: "Convolution" bottom: "drop1" top: "score_fr"
        convolution_param {{ num_output: 3 kernel_size: 1 }} }}
layer {{ name: "upscore" type: "Deconvolution" bottom: "score_fr" top: "upscore"
        convolution_param {{ num_output: 3 kernel_size: 6 stride: 2 bias_term: false
                             weight_filler {{ type: "bilinear" }} }} }}
layer {{ name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score" crop_param {{ axis: 2 }} }}
"""


def make_run(folder: Path, caffe: CaffeWorker, pad: int = 0, model: Model | None = None, bias: str = "true") -> Path:
    """A run: a net folder with a snapshot of random weights by real Caffe."""
    (folder / "snapshot").mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(make_deploy(pad, bias))
    image = np.zeros((1, 3, 24, 28), np.float32)
    snapshot = folder / "snapshot/train_iter_40.caffemodel"
    assert caffe.run(make_deploy(pad, bias), {"data": image}, save=snapshot)
    outputs = [Output("score", classes=CLASSES, palette=[[1, 2, 3], [4, 5, 6], [7, 8, 9]], ignore_label=255)]
    (model or Model([Input("data", 3, mean=MEAN)], outputs, "streets")).write(folder)
    return folder


def pixels(size: tuple[int, int] = (24, 28)) -> np.ndarray:
    """A photo, H x W x 3 (R, G, B)."""
    return np.random.RandomState(5).randint(0, 256, (*size, 3)).astype(np.uint8)


def write(run: Path, output: Path, **options: object) -> Path:
    weights = run / "snapshot/train_iter_40.caffemodel"
    return write_bundle(run / "deploy.prototxt", weights, output, **options).path  # type: ignore[arg-type]
