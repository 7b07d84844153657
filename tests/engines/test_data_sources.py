"""What the nets of a training read is looked for before it starts, and what is missing is one line, by both engines."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import published_samples as made
import pytest
from command import Ran

from caffe_fcn import engines, netspec, proto
from caffe_fcn.engines.data_sources import require_sources
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import SolverParameter

Cli = Callable[..., Ran]
NAMES = ["a", "b"]
OTHER_DATA = "build the net for other data: caffe-fcn net build NAME --source SET -o DIR"


@pytest.fixture(params=["caffe", "torch"])
def train(request: pytest.FixtureRequest, cli: Cli, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """``caffe-fcn train`` by both engines, in an environment that says nothing of Python."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return lambda *arguments: cli("train", *arguments, "--engine", request.param)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build_first_example(cli: Cli) -> None:
    """README's ``net build voc-fcn-alexnet -o fcn``, as it is but for the width of its layers and the iterations."""
    assert cli("net", "build", "voc-fcn-alexnet", "-o", "fcn").status == 0
    for name in ("train", "val"):
        net = proto.read_net(f"fcn/{name}.prototxt")
        for layer in net.layer:
            if layer.type == "Convolution" and not layer.name.startswith("score"):
                layer.convolution_param.num_output = 8
        proto.write(net, f"fcn/{name}.prototxt")
    solver = proto.read_solver("fcn/solver.prototxt")
    few = SolverParameter(max_iter=2, iter_size=1, test_interval=1, display=1, snapshot=2, solver_mode=0)
    solver.MergeFrom(few)
    solver.test_iter[0] = 1
    proto.write(solver, "fcn/solver.prototxt")


def test_the_first_example_trains_without_pythonpath_once_the_data_are_there(place: Path, cli: Cli, train: Cli) -> None:
    build_first_example(cli)
    made.sbdd(place / "data/sbdd/dataset", {"train": NAMES})
    made.voc(place / "data/pascal/VOC2011", {"seg11valid": ["x"]})
    ran = train("fcn/solver.prototxt")
    assert ran.status == 0, ran.err
    assert (place / "fcn/snapshot/train_iter_2.caffemodel").exists()


@pytest.mark.caffe
def test_real_caffe_loads_a_net_with_the_references_layers(
    place: Path, cli: Cli, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_first_example(cli)
    made.voc(place / "data/pascal/VOC2011", {"seg11valid": ["x"]})
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(place / "fcn")
    with engines.load("val.prototxt", engine="caffe", caffe=caffe_bin) as net:
        assert net.forward()["loss"].size == 1


@pytest.mark.caffe
def test_caffe_itself_finds_the_layers_on_the_path_that_doctor_shows(place: Path, cli: Cli, caffe_bin: Path) -> None:
    build_first_example(cli)
    made.sbdd(place / "data/sbdd/dataset", {"train": NAMES})
    made.voc(place / "data/pascal/VOC2011", {"seg11valid": ["x"]})
    shown = json.loads(cli("doctor", "--json", "--caffe", caffe_bin).out)["python_path"]
    assert os.pathsep.join(shown) in cli("doctor", "--caffe", caffe_bin).out
    for path, status in ((os.pathsep.join(shown), 0), ("", -6)):  # without it caffe aborts
        command = [caffe_bin, "train", "-solver", "solver.prototxt"]
        variables = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, cwd=place / "fcn", env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr[-2000:]
        assert ("No module named 'voc_layers'" in done.stderr) == bool(status)


def refused(ran: Ran, place: Path) -> str:
    """The error of a training that did not start; notes may come before it."""
    *notes, line = ran.err.splitlines()
    assert (ran.status, ran.out) == (2, "") and all(each.startswith("note: ") for each in notes), ran.err
    assert not list(place.rglob("*.log"))
    return line


def test_the_first_example_names_the_data_that_are_not_there(place: Path, cli: Cli, train: Cli) -> None:
    build_first_example(cli)
    line = refused(train("fcn/solver.prototxt"), place)
    assert line.startswith(f"error: {place}/data/sbdd/dataset: no such folder; layer 'data' (Python) of train.prototxt")
    assert f"the published set 'sbdd' there (unpack the set there, or {OTHER_DATA})" in line

    made.sbdd(place / "data/sbdd/dataset", {"train": NAMES})
    line = refused(train("fcn/solver.prototxt"), place)
    assert line.startswith(f"error: {place}/data/pascal/VOC2011: no such folder; layer 'data' (Python) of val.prototxt")

    made.voc(place / "data/pascal/VOC2011", {"val": ["x"]})
    line = refused(train("fcn/solver.prototxt"), place)
    assert f"{place}/data/pascal/VOC2011/ImageSets/Segmentation/seg11valid.txt: no such list" in line


def lay_out_sets(root: Path) -> None:
    made.sbdd(root / "sbdd/dataset", {"train": NAMES})
    made.voc(root / "pascal/VOC2011", {"seg11valid": ["x"]})
    made.nyud(root / "nyud", {"trainval": ["5001"], "test": ["5002"]})
    made.siftflow(root / "sift-flow", {"trainval": NAMES, "test": ["e"]})
    made.pascal_context(root / "pascal", root / "pascal-context", {"train": NAMES, "val": ["m"]})


PARTS = {
    "voc-fcn8s": ["sbdd/dataset/img/a.jpg", "sbdd/dataset/cls/a.mat", "pascal/VOC2011/SegmentationClass/x.png"],
    "nyud-fcn32s-color-hha": ["nyud/data/hha/img_5001.png", "nyud/test.txt"],
    "nyud-fcn32s-color": ["nyud/segmentation/img_5001.mat"],
    "siftflow-fcn8s": [f"sift-flow/GeoLabels/{made.SIFT}/a.mat", f"sift-flow/Images/{made.SIFT}/e.jpg"],
    "pascalcontext-fcn8s": [
        "pascal/VOC2010/JPEGImages/a.jpg",
        "pascal-context/59_labels.txt",
        "pascal-context/trainval/m.mat",
    ],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_published_set_that_was_not_unpacked(place: Path, name: str) -> None:
    lay_out_sets(place)
    netspec.write(name, "net", source=str(place))
    solver = proto.read_solver("net/solver.prototxt")

    def check() -> None:
        require_sources(solver, place / "net/solver.prototxt", place / "net")

    check()
    for part in PARTS[name]:
        (place / part).rename(place / "aside")
        with pytest.raises(CaffeFcnError, match="unpack the whole set") as caught:
            check()
        assert caught.value.where == str(place / part)
        (place / "aside").rename(place / part)
    check()


DATA = 'layer {{ name: "d" type: "{}" top: "data" top: "label" {} }}\n'
LOSS = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "snap/t" solver_mode: CPU'
LAYERS = {
    "no database": (
        DATA.format("Data", 'data_param { source: "set/train" backend: LMDB batch_size: 2 }'),
        f"layer 'd' (Data) of net.prototxt reads it (build the data set there, or {OTHER_DATA})",
    ),
    "a folder without database": (
        DATA.format("Data", 'data_param { source: "empty" backend: LMDB batch_size: 2 }'),
        "empty: no such database; layer 'd' (Data) of net.prototxt reads it",
    ),
    "a database that is not named": (
        DATA.format("Data", "data_param { backend: LMDB batch_size: 2 }"),
        f"layer 'd' (Data): names no database (set its source, or {OTHER_DATA})",
    ),
    "no list of images": (
        DATA.format("ImageData", 'image_data_param { source: "none.txt" batch_size: 1 }'),
        "none.txt: no such file; layer 'd' (ImageData) of net.prototxt reads it (check the path)",
    ),
    "no image of a list": (
        DATA.format("ImageData", 'image_data_param { source: "list" root_folder: "photos/" batch_size: 1 }'),
        "photos/a b.jpg: no such image; layer 'd' (ImageData) of net.prototxt reads it, the first of list",
    ),
    "no list of HDF5 files": (
        DATA.format("HDF5Data", 'hdf5_data_param { source: "none.txt" batch_size: 1 }'),
        "none.txt: no such file; layer 'd' (HDF5Data) of net.prototxt reads it",
    ),
    "no HDF5 file": (
        DATA.format("HDF5Data", 'hdf5_data_param { source: "h5s" batch_size: 1 }'),
        "none.h5: no such file; layer 'd' (HDF5Data) of net.prototxt reads it, the first of h5s (check the list)",
    ),
    "no file of a mean": (
        DATA.format(
            "ImageData", 'image_data_param { source: "list" batch_size: 1 } transform_param { mean_file: "mean" }'
        ),
        "mean: no such file; layer 'd' (ImageData) of net.prototxt reads its mean_file",
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_what_a_data_layer_does_not_find(place: Path, train: Cli, case: str) -> None:
    layer, line = LAYERS[case]
    (place / "net.prototxt").write_text(layer + LOSS)
    (place / "solver.prototxt").write_text(SOLVER)
    (place / "empty").mkdir()
    (place / "list").write_text("a b.jpg 0\n")
    (place / "h5s").write_text("none.h5\n")
    assert line in refused(train("solver.prototxt"), place)


def test_only_what_a_phase_reads_is_looked_for(place: Path) -> None:
    """The solver has no test net, so that nothing reads the layer of the phase TEST."""
    rule = "include { phase: TEST }"
    text = DATA.format("Data", f'data_param {{ source: "none" backend: LMDB batch_size: 1 }} {rule}')
    (place / "net.prototxt").write_text(text)
    solver = SolverParameter(net="net.prototxt")
    require_sources(solver, place / "solver.prototxt", place)
    solver.test_iter.append(1)
    solver.test_interval = 1
    with pytest.raises(CaffeFcnError, match="no such database"):
        require_sources(solver, place / "solver.prototxt", place)


def test_a_net_within_the_solver_is_looked_at(place: Path) -> None:
    solver = SolverParameter()
    layer = DATA.format("Data", 'data_param { source: "none" backend: LMDB }')
    proto.parse(f"train_net_param {{ {layer} }}", solver)
    with pytest.raises(CaffeFcnError, match=r"layer 'd' .* of mine.prototxt reads it"):
        require_sources(solver, place / "mine.prototxt", place)
