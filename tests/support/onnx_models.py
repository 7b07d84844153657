"""ONNX models written in ONNX's own text, and imported nets that ONNX Runtime judges."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import onnx
from caffe_worker import CaffeWorker
from onnx import numpy_helper, parser

from caffe_fcn import engines
from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.importing.importer import ImportedNet, import_onnx


def assert_equal(path: Path, folder: Path, caffe: CaffeWorker | None, **options: object) -> ImportedNet:
    """Real Caffe, unless it is None, and torch give what ONNX Runtime gives, to 1e-5 of the largest value."""
    made = import_onnx(path, folder, **options)
    random = np.random.default_rng(0)
    given = {name: random.normal(0, 2, shape).astype(np.float32) for name, shape in made.inputs.items()}
    wanted = run_model(path, given)
    with engines.load(made.files[0], made.files[1], "torch", blobs=list(made.outputs.values())) as net:
        answers = [net.forward(**given)]
    if caffe is not None:
        blobs = caffe.run(made.files[0].read_text(), given, weights=made.files[1])
        assert blobs is not None, "Caffe refuses it"
        answers.append({name.removeprefix("blob/"): values for name, values in blobs.items()})
    for found, (name, blob) in product(answers, made.outputs.items()):
        assert found[blob].shape == wanted[name].shape, name
        largest = max(np.abs(wanted[name]).max(), 1)
        np.testing.assert_allclose(found[blob], wanted[name], rtol=0, atol=1e-5 * largest, err_msg=name)
    return made


def write(path: Path, body: str, shapes: str = "float[1, 4, 7, 6] x", opset: int = 17, **constants: object) -> Path:
    """A model whose graph is written in ONNX's own text, with constants by name. It gives `y`, and perhaps `z`."""
    outputs = "float[] y" + (", float[] z" if "z" in body.replace(",", " ").split() else "")
    head = f'<ir_version: 8, opset_import: ["" : {opset}]> test ({shapes}) => ({outputs})'
    model = parser.parse_model(f"{head} {{ {body} }}")
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    for name, values in constants.items():
        array = np.asarray(values)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return path
