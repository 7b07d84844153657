"""Real Caffe takes every net of the catalogue: it parses and sets up each phase, and reads the data that the net names.

The reference's Python data layers are not part of this project: small modules under their names stand in, which
check what they are given and make small images.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from caffe_worker import PyCaffe
from catalogue_nets import IN_BVLCS
from PIL import Image

from caffe_fcn import netspec, proto
from caffe_fcn.proto import Datum

pytestmark = pytest.mark.caffe

PYTHON_LAYER = """
import ast
import caffe

class %s(caffe.Layer):
    keys = %r

    def setup(self, bottom, top):
        given = ast.literal_eval(self.param_str)
        assert set(given) == self.keys, given
        images = [name for name in given.get("tops", ["data"]) if name in ("data", "color", "hha", "depth")]
        self.channels = [1 if name == "depth" else 3 for name in images] + [1] * (len(top) - len(images))

    def reshape(self, bottom, top):
        for index, channels in enumerate(self.channels):
            top[index].reshape(1, channels, 33, 47)

    def forward(self, bottom, top):
        for index in range(len(top)):
            top[index].data[...] = 1

    def backward(self, top, propagate_down, bottom):
        pass
"""
MODULES = {
    "voc_layers": [
        ("SBDDSegDataLayer", {"sbdd_dir", "split", "mean", "seed"}),
        ("VOCSegDataLayer", {"voc_dir", "split", "mean", "seed"}),
    ],
    "nyud_layers": [("NYUDSegDataLayer", {"nyud_dir", "split", "tops", "seed"})],
    "siftflow_layers": [("SIFTFlowSegDataLayer", {"siftflow_dir", "split", "seed"})],
    "pascalcontext_layers": [("PASCALContextSegDataLayer", {"voc_dir", "context_dir", "split", "seed"})],
}

SET_UP = """
import json
sys.path.insert(0, str(inputs["modules"]))
for name, (path, phase, stages) in json.loads(str(inputs["nets"])).items():
    net = caffe.Net(path, getattr(caffe, phase), stages=stages)
    outputs[name] = np.array([blob for blob in net.blobs if "_split_" not in blob])
    del net
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stand-ins for the reference's modules."""
    folder = tmp_path_factory.mktemp("modules")
    for module, classes in MODULES.items():
        (folder / f"{module}.py").write_text("".join(PYTHON_LAYER % layer for layer in classes))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two pairs as databases and as PNG with lists; and grey ones beside it."""
    folder = tmp_path_factory.mktemp("dataset")
    random = np.random.default_rng(0)
    for kind, channels, size in (
        ("colour", 3, (33, 47)),
        ("lines", 1, (32, 32)),
        ("many", 1, (64, 84)),
        ("one", 1, (28, 28)),
    ):
        (folder / kind).mkdir()
        for split in ("train", "val"):
            images = random.integers(0, 256, (2, channels, *size), np.uint8)
            labels = random.integers(0, 3, (2, 1, *size), np.uint8)
            write_databases(folder / kind / f"{split}_images", images, [1, 2])
            write_databases(folder / kind / f"{split}_labels", labels, [0, 0])
            for blob in ("color", "hha", "depth", "sem", "geo"):
                like = f"{split}_images" if blob in ("color", "hha") else f"{split}_labels"
                (folder / kind / f"{split}_{blob}").symlink_to(like)
            write_pictures(folder / kind, f"{split}_images", images)
            write_pictures(folder / kind, f"{split}_labels", labels)
    return folder


def write_databases(path: Path, arrays: np.ndarray, classes: list[int]) -> None:
    with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for index, (array, label) in enumerate(zip(arrays, classes, strict=True)):
            channels, height, width = array.shape
            datum = Datum(channels=channels, height=height, width=width, data=array.tobytes(), label=label)
            transaction.put(f"{index:08d}".encode(), datum.SerializeToString())


def write_pictures(folder: Path, name: str, arrays: np.ndarray) -> None:
    """PNG in R, G, B where Caffe will see B, G, R, and the list of them."""
    lines = []
    for index, array in enumerate(arrays):
        path = folder / f"{name}_{index}.png"
        Image.fromarray(array[0] if len(array) == 1 else np.moveaxis(array[::-1], 0, 2)).save(path)
        lines.append(f"{path} {index}\n")
    (folder / f"{name}.txt").write_text("".join(lines))


def kind_of(name: str) -> str:
    return {"triangles": "lines", "m2nist-fcn": "many", "m2nist-cnn": "one"}.get(name, "colour")


def slim(net: proto.NetParameter) -> proto.NetParameter:
    """fc6 and fc7 with 8 outputs instead of 4096: saves half a gigabyte for each backbone, no other layer differs."""
    for layer in net.layer:
        if layer.convolution_param.num_output == 4096:
            layer.convolution_param.num_output = 8
    return net


FREE_SIZES = [name for name in IN_BVLCS if netspec.catalogue()[name].grid == (1, 0)]
PYTHON_NETS = [name for name, net in netspec.catalogue().items() if net.data == "python"]


def test_caffe_sets_up_both_phases_of_nets_with_python_data_layers(
    pycaffe: PyCaffe, modules: Path, tmp_path: Path
) -> None:
    nets = {}
    for name in PYTHON_NETS:
        for phase in ("train", "val"):
            path = tmp_path / f"{name}-{phase}.prototxt"
            proto.write(slim(netspec.build(name, phase)), path)
            nets[f"{name} {phase}"] = (str(path), "TRAIN" if phase == "train" else "TEST", [])
    blobs = pycaffe(SET_UP, modules=modules, nets=json.dumps(nets))
    for name in PYTHON_NETS:
        for phase in ("train", "val"):
            assert {"loss", *netspec.catalogue()[name].dataset.tops} <= set(blobs[f"{name} {phase}"])


def test_caffe_sets_up_one_net_for_all_phases_in_each(pycaffe: PyCaffe, dataset: Path, tmp_path: Path) -> None:
    nets = {}
    for name in FREE_SIZES:
        path = tmp_path / f"{name}.prototxt"
        proto.write(slim(netspec.build(name, "all", source=dataset / kind_of(name))), path)
        nets |= {f"{name} train": (str(path), "TRAIN", []), f"{name} val": (str(path), "TEST", ["val"])}
    blobs = pycaffe(SET_UP, modules=tmp_path, nets=json.dumps(nets))
    for name in FREE_SIZES:
        train, val = (set(blobs[f"{name} {phase}"]) for phase in ("train", "val"))
        assert "loss" in train & val
        assert "accuracy" not in train
        assert ("accuracy" in val) == (name not in ("triangles", "hed"))


FORWARD = """
net = caffe.Net(str(inputs["net"]), caffe.TEST)
for repeat in range(2):
    net.forward(end=str(inputs["end"]))
    for blob in ("data", "label"):
        outputs[blob + str(repeat)] = net.blobs[blob].data.copy()
"""


@pytest.mark.parametrize("kind", ["lmdb", "image"])
@pytest.mark.parametrize(("name", "end"), [("voc-fcn-alexnet", "conv1"), ("m2nist-fcn", "conv1")])
def test_caffe_reads_images_less_their_mean_and_labels_as_they_are(
    pycaffe: PyCaffe, dataset: Path, tmp_path: Path, name: str, end: str, kind: str
) -> None:
    folder = dataset / kind_of(name)
    path = tmp_path / "val.prototxt"
    proto.write(slim(netspec.build(name, "val", data=kind, source=folder, batch=1)), path)
    found = pycaffe(FORWARD, net=path, end=end)
    mean, scale = (127.0, 127.0) if name == "m2nist-fcn" else (np.array([104.00699, 116.66877, 122.67892]), 1.0)
    for index in range(2):
        image, label = (stored(folder / f"val_{blob}", index) for blob in ("images", "labels"))
        wanted = (image - np.reshape(mean, (-1, 1, 1))) / scale
        np.testing.assert_allclose(found[f"data{index}"][0], wanted, rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(found[f"label{index}"][0], label)


def stored(path: Path, index: int) -> np.ndarray:
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        datum = Datum.FromString(transaction.get(f"{index:08d}".encode()))
    return np.frombuffer(datum.data, np.uint8).reshape(datum.channels, datum.height, datum.width)


SOLVE = """
sys.path.insert(0, str(inputs["modules"]))
solver = caffe.get_solver("solver.prototxt")
outputs["train"] = np.array(list(solver.net.blobs))
outputs["test"] = np.array(list(solver.test_nets[0].blobs))
solver.step(1)
outputs["loss"] = solver.net.blobs["loss"].data.copy()
"""

SOLVED: list[tuple[str, dict[str, Any]]] = [
    ("voc-fcn-alexnet", {}),
    ("digits-fcn-alexnet", {}),
    ("triangles", {}),
    ("triangles", {"loss": "softmax"}),
    ("m2nist-cnn", {}),
    ("m2nist-fcn", {"variant": "convolutionalized"}),
]


@pytest.mark.parametrize(("name", "options"), SOLVED)
def test_caffe_trains_by_the_solver_in_the_folder_that_it_lies_in(
    pycaffe: PyCaffe, modules: Path, dataset: Path, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    source = {} if name == "voc-fcn-alexnet" else {"source": dataset / kind_of(name), "batch": 1}
    for path in netspec.write(name, tmp_path, **source, **options):
        if path.name != "solver.prototxt":
            proto.write(slim(proto.read_net(path)), path)
    found = pycaffe(SOLVE, cwd=tmp_path, modules=modules)
    assert {"data", "label", "score", "loss"} <= set(found["train"]) & set(found["test"])
    if name.startswith("digits"):
        assert "accuracy" in found["test"] and "accuracy" not in found["train"]
    assert np.isfinite(found["loss"]) and found["loss"] > 0
