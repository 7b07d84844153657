"""Whether a generated module computes what its net computes: it and the torch engine run on random images."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from caffe_fcn import engines
from caffe_fcn.files import PathLike, write_text
from caffe_fcn.interop.onnx.comparison import ComparedBlob, Values, compare_values
from caffe_fcn.interop.torch_code.exporting import TorchModel
from caffe_fcn.proto import to_text


def load_module(path: PathLike) -> Any:
    """Return the module that a file written by `write_torch` defines, with its weights; the file is run."""
    return runpy.run_path(str(path))["load"]()


def run_module(made: TorchModel, inputs: Mapping[str, Values]) -> dict[str, Values]:
    """Return the outputs of a module that `write_torch` wrote, by their blobs."""
    import torch

    net = load_module(made.files[0])
    with torch.inference_mode():
        result = net(*(torch.from_numpy(inputs[name]) for name in made.inputs))
    found = result if isinstance(result, dict) else {next(iter(made.outputs)): result}
    return {name: values.numpy() for name, values in found.items()}


def compare_module(made: TorchModel, weights: PathLike, *, seed: int = 0) -> list[ComparedBlob]:
    """Compare all outputs of a module with those of its net with these weights, on a batch of random pixels.

    Raises what `engines.load` raises.
    """
    random = np.random.default_rng(seed)
    pixels = {name: random.integers(0, 256, shape).astype(np.float32) for name, shape in made.inputs.items()}
    with TemporaryDirectory(prefix="caffe-fcn-") as folder:
        path = Path(folder) / "net.prototxt"
        write_text(path, to_text(made.net))
        with engines.load(path, weights, "torch") as net:
            wanted = net.forward(**pixels)
    return [compare_values(name, values, wanted[name]) for name, values in run_module(made, pixels).items()]
