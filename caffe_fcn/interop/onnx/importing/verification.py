"""Whether an imported net computes what its model computes: ONNX Runtime and Caffe run both on random images."""

from __future__ import annotations

import numpy as np

from caffe_fcn import engines
from caffe_fcn.interop.onnx.comparison import ComparedBlob, compare_values, find_roundings, run_model
from caffe_fcn.interop.onnx.importing.importer import ImportedNet
from caffe_fcn.proto import read_net


def compare_import(made: ImportedNet, *, engine: str = "auto", seed: int = 0) -> tuple[list[ComparedBlob], str]:
    """Compare all outputs of a model with those of its net, on random values around 0; and say which engine ran.

    ``engine`` is that of `engines.load`. Raises what `run_model` and `engines.load` raise.
    """
    random = np.random.default_rng(seed)
    images = {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in made.inputs.items()}
    wanted = run_model(made.source, images)
    net, weights = made.files[:2]
    with engines.load(net, weights, engine, blobs=list(made.outputs.values())) as loaded:
        found = loaded.forward(**images)
        note = loaded.note
    roundings = find_roundings(read_net(net))
    return [
        compare_values(name, found[blob], wanted[name], roundings.get(blob, 0.0)) for name, blob in made.outputs.items()
    ], note
