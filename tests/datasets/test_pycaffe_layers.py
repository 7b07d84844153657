"""The Python data layer inside real pycaffe, with the reference's own param_str and module names."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import published_samples as made
import pytest

from caffe_fcn.datasets.reference_layers import pycaffe_layers

ROOM = Path(pycaffe_layers.__file__).parent
MEAN = (104.00699, 116.66877, 122.67892)

FORWARD = """
sys.path.insert(0, str(inputs['folder']))
net = caffe.Net(str(inputs['net']), caffe.TRAIN)
for i in range(int(inputs['count'])):
    net.forward()
    for top, blob in net.blobs.items():
        outputs['%s%d' % (top, i)] = blob.data[0].copy()
"""


def net(path: Path, module: str, layer: str, params: dict[str, object], tops: list[str]) -> Path:
    named = " ".join(f'top: "{top}"' for top in tops)
    quoted = str(params).replace("'", "\\'")
    path.write_text(
        f'layer {{ name: "data" type: "Python" {named} python_param {{ '
        f"module: '{module}' layer: '{layer}' param_str: '{quoted}' }} }}"
    )
    return path


def run(pycaffe, path: Path, count: int, folder: Path, tops: list[str]) -> list[dict[str, np.ndarray]]:
    blobs = pycaffe(FORWARD, net=path, count=count, folder=folder)
    return [{top: blobs[f"{top}{i}"] for top in tops} for i in range(count)]


def drawn(names: list[str], seed: int, count: int) -> list[str]:
    """The order in which the reference's layers draw: uniform, with replacement, from Python's generator."""
    generator = random.Random(seed)
    return [names[generator.randint(0, len(names) - 1)] for _ in range(count)]


def prepared(image: np.ndarray, mean: tuple[float, ...]) -> np.ndarray:
    return image[:, :, ::-1].transpose(2, 0, 1) - np.array(mean).reshape(3, 1, 1)


@pytest.mark.caffe
def test_sbdd_is_drawn_at_random_and_voc_validates_in_order_under_the_references_names(tmp_path: Path, pycaffe) -> None:
    train = made.sbdd(tmp_path / "sbdd", {"train": ["a", "b", "c", "d"]})
    val = made.voc(tmp_path / "VOC2011", {"seg11valid": ["y", "x", "z"]})
    tops = ["data", "label"]
    params: dict[str, object] = {"sbdd_dir": str(tmp_path / "sbdd"), "seed": 1337, "split": "train", "mean": MEAN}
    path = net(tmp_path / "train.prototxt", "voc_layers", "SBDDSegDataLayer", params, tops)
    for name, blobs in zip(
        drawn(["a", "b", "c", "d"], 1337, 8),
        run(pycaffe, path, 8, ROOM, tops),
        strict=True,
    ):
        np.testing.assert_allclose(blobs["data"], prepared(train[name]["data"], MEAN), atol=1e-4)
        assert (blobs["label"] == train[name]["label"][None]).all()
    params = {"voc_dir": str(tmp_path / "VOC2011"), "seed": 1337, "split": "seg11valid", "mean": MEAN}
    path = net(tmp_path / "val.prototxt", "voc_layers", "VOCSegDataLayer", params, tops)
    for name, blobs in zip("yxzyx", run(pycaffe, path, 5, ROOM, tops), strict=True):
        np.testing.assert_allclose(blobs["data"], prepared(val[name]["data"], MEAN), atol=1e-4)
        assert (blobs["label"] == val[name]["label"][None]).all()


@pytest.mark.caffe
def test_nyud_gives_the_tops_that_are_asked_for(tmp_path: Path, pycaffe) -> None:
    known = made.nyud(tmp_path / "nyud", {"test": ["5001", "5002"]})
    tops = ["color", "hha", "depth", "label"]
    params: dict[str, object] = {"nyud_dir": str(tmp_path / "nyud"), "split": "test", "tops": tops, "seed": 1337}
    path = net(tmp_path / "net.prototxt", "pycaffe_layers", "SegDataLayer", params, tops)
    for name, blobs in zip(["5001", "5002"], run(pycaffe, path, 2, ROOM, tops), strict=True):
        of = known[name]
        np.testing.assert_allclose(blobs["color"], prepared(of["color"], (116.190, 97.203, 92.318)), atol=1e-4)
        hha = of["hha"].transpose(2, 0, 1) - np.array([132.431, 94.076, 118.477]).reshape(3, 1, 1)
        np.testing.assert_allclose(blobs["hha"], hha, atol=1e-4)
        np.testing.assert_allclose(blobs["depth"][0], np.log(of["depth"].astype(float)) - 7.844, atol=1e-5)
        assert (blobs["label"] == of["label"][None]).all()


@pytest.mark.caffe
def test_siftflow_gives_both_labels(tmp_path: Path, pycaffe) -> None:
    known = made.siftflow(tmp_path / "sift", {"trainval": ["p", "q", "r"]})
    tops = ["data", "sem", "geo"]
    params: dict[str, object] = {"siftflow_dir": str(tmp_path / "sift"), "split": "trainval", "seed": 1337}
    path = net(tmp_path / "net.prototxt", "siftflow_layers", "SIFTFlowSegDataLayer", params, tops)
    for name, blobs in zip(drawn(["p", "q", "r"], 1337, 4), run(pycaffe, path, 4, ROOM, tops), strict=True):
        np.testing.assert_allclose(blobs["data"], prepared(known[name]["data"], (114.578, 115.294, 108.353)), atol=1e-4)
        assert (blobs["sem"] == known[name]["sem"][None]).all()
        assert (blobs["geo"] == known[name]["geo"][None]).all()


@pytest.mark.caffe
def test_pascal_context_gives_59_classes(tmp_path: Path, pycaffe) -> None:
    known = made.pascal_context(tmp_path / "pascal", tmp_path / "context", {"val": ["m", "n"]})
    params: dict[str, object] = {
        "voc_dir": str(tmp_path / "pascal"),
        "context_dir": str(tmp_path / "context"),
        "split": "val",
        "seed": 1337,
    }
    tops = ["data", "label"]
    path = net(tmp_path / "net.prototxt", "pascalcontext_layers", "PASCALContextSegDataLayer", params, tops)
    for name, blobs in zip("mn", run(pycaffe, path, 2, ROOM, tops), strict=True):
        np.testing.assert_allclose(blobs["data"], prepared(known[name]["data"], (104.007, 116.669, 122.679)), atol=1e-4)
        assert (blobs["label"] == known[name]["label"][None]).all()


class Blob:
    def reshape(self, *shape: int) -> None:
        self.data = np.zeros(shape)


def layer(params: object, tops: int = 2) -> pycaffe_layers.SegDataLayer:
    made_layer = pycaffe_layers.SegDataLayer()
    made_layer.param_str = params if isinstance(params, str) else str(params)
    made_layer.setup([], [Blob() for _ in range(tops)])
    return made_layer


@pytest.mark.skipif(pycaffe_layers.Layer is not object, reason="inside pycaffe")
def test_param_str_is_read_as_a_literal_and_never_run(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    for evil in (
        f"__import__('pathlib').Path('{target}').touch() or {{}}",
        f"{{'voc_dir': open('{target}', 'w'), 'split': 'val'}}",
        "dict(voc_dir='x', split='val')",
        "[1, 2]",
        "{'voc_dir': ",
        "(" * 10_000,
    ):
        with pytest.raises((ValueError, TypeError), match="param_str"):
            layer(evil)
    assert not target.exists()


@pytest.mark.skipif(pycaffe_layers.Layer is not object, reason="inside pycaffe")
def test_params_that_fit_no_data_set_are_told(tmp_path: Path) -> None:
    made.voc(tmp_path, {"val": ["a"], "empty": []})
    good = {"voc_dir": str(tmp_path), "split": "val"}
    assert layer(good).names == ["a"]
    wrong: list[tuple[object, str]] = [
        ({"voc": "x", "split": "val"}, "expected: voc_dir"),
        ({"voc_dir": "x"}, "needs a split"),
        ({**good, "split": "empty"}, "lists no images"),
        ({**good, "tops": ["data", "depth"]}, "no top 'depth'"),
    ]
    for params, message in wrong:
        with pytest.raises(ValueError, match=message):
            layer(params)
    with pytest.raises(ValueError, match="the tops data, label"):
        layer(good, tops=1)
