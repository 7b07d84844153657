"""Our own exports, with all their options, come back as nets of equal outputs: real Caffe judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from caffe_worker import CaffeWorker
from catalogue_nets import shrink_deploy_net
from layer_nets import FCN
from onnx_judge import KNOWN_OPSETS, Exported
from onnx_models import assert_equal, write

from caffe_fcn import proto
from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.importer import import_onnx

MEAN = [104.0, 117.0, 123.0]
MODEL = Model(
    [Input("data", 3, "BGR", mean=MEAN, scale=0.02)], [Output("score", classes=["sky", "road", "tree", "car"])]
)


@pytest.mark.parametrize(
    "options",
    [
        {"preprocess": True},
        {"softmax": True},
        {"argmax": True},
        {"dynamic": ("batch", "size")},
        {"preprocess": True, "softmax": True, "argmax": True, "dynamic": ("size",), "opset": 13},
        {"resize_upscores": True, "opset": KNOWN_OPSETS[-1]},
    ],
    ids=lambda options: "-".join(options),
)
def test_exports_with_options_come_back(tmp_path: Path, caffe: CaffeWorker, options: dict[str, object]) -> None:
    """The net and its import, each in real Caffe, on the same pixels; classes as Caffe's own ArgMax chooses them."""
    MODEL.write(tmp_path)
    exported = Exported(FCN, tmp_path, **options)
    (shape,) = exported.made.inputs.values()
    made = import_onnx(exported.made.files[0], tmp_path / "back", size=(shape[2], shape[3]))
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    given = pixels
    if "preprocess" in options:  # by numpy: red, green, blue to blue, green, red, less the mean
        given = ((pixels[:, ::-1] - np.reshape(MEAN, (-1, 1, 1))) * 0.02).astype(np.float32)
    wanted = caffe.run(proto.to_text(exported.made.net), {"data": given}, weights=exported.weights)
    found = caffe.run(made.files[0].read_text(), {"data": pixels}, weights=made.files[1])
    assert wanted and found and set(made.outputs) == set(exported.made.outputs)
    for name, blob in made.outputs.items():
        values = wanted[f"blob/{name}"]
        allowed = 0 if name == "argmax" else 1e-5 * np.abs(values).max()
        np.testing.assert_allclose(found[f"blob/{blob}"], values, rtol=0, atol=allowed)
    described = model_json.read(tmp_path / "back")
    assert described is not None
    assert described.inputs[0].order == ("RGB" if "preprocess" in options else "BGR")


def test_another_size_of_a_dynamic_model(tmp_path: Path, caffe: CaffeWorker) -> None:
    """The export leaves the size open; the import is for the size that it is told."""
    text = proto.to_text(shrink_deploy_net("voc-fcn32s-googlenet"))
    exported = Exported(text, tmp_path, dynamic=("size",))
    made = import_onnx(exported.made.files[0], tmp_path / "back", size=(65, 83))
    image = np.random.default_rng(0).normal(0, 50, (1, 3, 65, 83)).astype(np.float32)
    wanted = caffe.run(text, {"data": image}, weights=exported.weights)
    found = caffe.run(made.files[0].read_text(), {"data": image}, weights=made.files[1])
    assert wanted and found
    np.testing.assert_allclose(
        found["blob/score"], wanted["blob/score"], rtol=0, atol=1e-5 * np.abs(wanted["blob/score"]).max()
    )


def test_equal_scores_are_decided_as_onnx_does(tmp_path: Path, caffe: CaffeWorker) -> None:
    """The first of equal values, or the last where the node says so; Caffe's layer takes the last."""
    body = """
        r = Relu(x) y = ArgMax<axis = 1>(r) last = ArgMax<axis = -1, keepdims = 0, select_last_index = 1>(r)
        z, places = TopK<axis = 1>(r, k)"""
    path = write(tmp_path / "net.onnx", body, "float[2, 5, 4, 3] x", k=[2])
    model = onnx.load(path)
    for name in ("last", "places"):
        model.graph.output.add(name=name).type.tensor_type.elem_type = onnx.TensorProto.INT64
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    onnx.save(model, path)
    assert_equal(path, tmp_path / "net", caffe)
    body = "y, places = TopK<axis = 1, largest = 0>(x, k)"
    with pytest.raises(NetError, match=r"node 'y' \(TopK\): takes the smallest values"):
        import_onnx(write(tmp_path / "least.onnx", body, k=[2]), tmp_path / "least")
