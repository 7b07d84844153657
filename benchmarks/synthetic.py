"""Nets with random weights and photos of smooth noise, for benchmarks that need no particular ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from caffe_fcn import proto, weights
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights.tensors import from_array


def write_net(net: NetParameter, folder: Path) -> list[Path]:
    """Write a deploy net, and weights that keep the size of the values from layer to layer; returns both paths."""
    paths = [folder / "deploy.prototxt", folder / "net.caffemodel"]
    proto.write(net, paths[0])
    random = np.random.default_rng(0)
    layers = []
    for name, shapes in infer(net, "deploy").params.items():
        scales = [math.sqrt(2 / max(1, math.prod(shape[1:]))) for shape in shapes]
        blobs = [
            random.standard_normal(shape, np.float32) * np.float32(scale)
            for shape, scale in zip(shapes, scales, strict=True)
        ]
        if blobs:
            layers.append(weights.Layer(name, tuple(map(from_array, blobs))))
    weights.save_weights(paths[1], layers)
    return paths


def write_photo(path: Path, size: tuple[int, int], seed: int) -> Path:
    """Write a photo of ``size`` (H, W) whose details are about twenty pixels large; returns its path."""
    height, width = size
    small = np.random.default_rng(seed).integers(0, 256, (height // 20, width // 20, 3), np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path
