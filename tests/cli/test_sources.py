"""``--source`` takes whatever has the data: a data set, a job of DIGITS, published sets as they were unpacked."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import published_samples as made
import pytest
from caffe_worker import CaffeWorker
from command import Ran
from digits_layout import CLASSES, COUNTS, DATA_ID, ELSEWHERE, make_data_job, make_model_job

from caffe_fcn import proto
from caffe_fcn.description import model_json
from caffe_fcn.description.dataset_json import Description

Cli = Callable[..., Ran]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sources(folder: Path, name: str) -> list[str]:
    net = proto.read_net(folder / f"{name}.prototxt")
    return [layer.data_param.source for layer in net.layer if layer.type == "Data"]


def test_a_model_job_stands_for_its_data_set(place: Path, cli: Cli, caffe: CaffeWorker) -> None:
    job, data = make_model_job(place / "jobs", caffe), make_data_job(place / "jobs")
    (data / "labels.txt").write_text("\n".join(CLASSES))
    ran = cli("net", "build", "voc-fcn32s", "--source", "jobs/" + job.name, "-o", "nets/roads")
    assert ran.status == 0, ran.err
    assert f"note: jobs/{job.name} is a model job of DIGITS: its data set is jobs/{DATA_ID}" in ran.err
    databases = [f"../../jobs/{DATA_ID}/train_db/{kind}" for kind in ("features", "labels")]
    assert sources(place / "nets/roads", "train") == databases
    model = model_json.read(place / "nets/roads")
    assert model is not None and model.outputs[0].classes == CLASSES and model.dataset == DATA_ID
    assert list(proto.read_solver("nets/roads/solver.prototxt").test_iter) == [COUNTS["val_db"]]
    (job / "snapshot_iter_10.caffemodel").unlink()  # a job that was never trained has the same data
    assert cli("net", "build", "voc-fcn32s", "--source", job, "-o", place / "again").status == 0
    assert [str(Path("again", each).resolve()) for each in sources(place / "again", "train")] == [
        str((place / "nets/roads" / each).resolve()) for each in databases
    ]


def test_an_imported_job_knows_its_data_set_too(place: Path, cli: Cli, caffe: CaffeWorker) -> None:
    job, data = make_model_job(place / "jobs", caffe), make_data_job(place / "jobs")
    assert cli("import", "digits", job, "-o", "imported").status == 0
    ran = cli("net", "build", "voc-fcn32s", "--source", "imported", "-o", "net", "--classes", 3)
    assert ran.status == 0, ran.err
    assert sources(place / "net", "train")[0] == f"../jobs/{data.name}/train_db/features"


def test_a_model_job_whose_data_are_not_here_is_one_line(place: Path, cli: Cli, caffe: CaffeWorker) -> None:
    job = make_model_job(place / "jobs", caffe)
    ran = cli("net", "build", "voc-fcn32s", "--source", job, "-o", "net")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: {job}: is a model job, and the databases of its train_val.prototxt are not here "
        "(name the folder of its data set job)\n"
    )
    assert ELSEWHERE in (job / "train_val.prototxt").read_text() and not Path("net").exists()


def test_a_file_is_not_a_source(place: Path, cli: Cli) -> None:
    (place / "photos.zip").write_bytes(b"PK")
    ran = cli("net", "build", "voc-fcn32s", "--source", "photos.zip", "-o", "net")
    assert ran.err == "error: photos.zip: is a file (name the folder of a data set)\n"


def read_folders(net: str, layer: int = 0) -> dict[str, Any]:
    param = proto.read_net(net).layer[layer].python_param
    params = ast.literal_eval(param.param_str)
    assert isinstance(params, dict)
    return params


@pytest.mark.parametrize("source", ["tree", "tree/sbdd", "tree/sbdd/dataset", "tree/pascal", "tree/pascal/VOC2011"])
def test_published_sets_as_they_were_unpacked_keep_the_references_layers(place: Path, cli: Cli, source: str) -> None:
    """The folder of all of them, or one of them: the layers read each where it is."""
    made.sbdd(place / "tree/sbdd/dataset", {"train": ["a"]})
    made.voc(place / "tree/pascal/VOC2011", {"seg11valid": ["x"]})
    ran = cli("net", "build", "voc-fcn8s", "--source", source, "-o", "nets/voc")
    assert ran.status == 0, ran.err
    assert "note: the reference's Python layers read tree/sbdd/dataset and tree/pascal/VOC2011" in ran.err
    assert "not there" not in ran.err
    assert read_folders("nets/voc/train.prototxt")["sbdd_dir"] == "../../tree/sbdd/dataset"
    assert read_folders("nets/voc/val.prototxt")["voc_dir"] == "../../tree/pascal/VOC2011"


def test_published_sets_of_which_a_part_is_not_there(place: Path, cli: Cli) -> None:
    made.sbdd(place / "tree/sbdd/dataset", {"train": ["a"]})
    ran = cli("net", "build", "voc-fcn8s", "--source", place / "tree", "-o", "net")
    assert f"note: the reference's Python layers read {place}/tree/sbdd/dataset\n" in ran.err
    assert f"note: {place}/tree/pascal/VOC2011 is not there: the nets read from it" in ran.err
    (place / "empty").mkdir()
    ran = cli("net", "build", "nyud-fcn32s-color", "--source", "empty", "-o", "net")
    assert ran.status == 0 and "note: empty/nyud is not there: the nets read from it" in ran.err


def test_a_folder_without_data_set_is_noted_where_the_nets_read_databases(place: Path, cli: Cli) -> None:
    (place / "empty").mkdir()
    ran = cli("net", "build", "triangles", "--source", "empty", "-o", "net")
    assert "note: empty holds no data set: the nets read train_images, ... in it once they are there" in ran.err
    assert sources(place / "net", "train")[0] == "../empty/train_images"


def write_measured(folder: Path, sizes: dict[str, list[list[int]]]) -> Path:
    """A data set with these sizes (H, W, number of images) of each split."""
    folder.mkdir()
    splits: dict[str, Any] = {}
    for split, each in sizes.items():
        count = sum(number for _, _, number in each)
        statistics = {"sizes": each, "distinct_sizes": len(each), "pixels": {}, "ignored_share": 0.0}
        databases = {"images": f"{split}_images", "labels": f"{split}_labels"}
        splits[split] = {"count": count, "databases": databases, "statistics": statistics}
    Description("roads", splits=splits, classes=["a", "b"], mean=[1.0, 2.0, 3.0]).write(folder)
    return folder


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        ([[60, 80, 5]], [[60, 80, 1]], [60, 80]),
        ([[60, 80, 5]], [[80, 60, 1]], [500, 500]),
        ([[60, 80, 4], [61, 80, 1]], [[60, 80, 1]], [500, 500]),
        ([], [], [500, 500]),
    ],
)
def test_a_deploy_net_has_the_size_of_images_that_are_all_alike(
    place: Path, cli: Cli, train: list[list[int]], val: list[list[int]], expected: list[int]
) -> None:
    data = write_measured(place / "set", {"train": train, "val": val})
    assert cli("net", "build", "voc-fcn32s", "--source", data, "-o", "net").status == 0
    assert list(proto.read_net("net/deploy.prototxt").layer[0].input_param.shape[0].dim[2:]) == expected
    assert cli("net", "build", "voc-fcn32s", "--source", data, "--size", "90x70", "-o", "net").status == 0
    assert list(proto.read_net("net/deploy.prototxt").layer[0].input_param.shape[0].dim[2:]) == [90, 70]
