"""Data set jobs of DIGITS are read as they are: databases, names of classes, mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from command import Ran
from digits_layout import CLASSES, COUNTS, DATA_ID, draw_pair, make_classification_job, make_data_job, read_mean_image

from caffe_fcn import datasets, proto
from caffe_fcn.description import model_json
from caffe_fcn.errors import FileError

Cli = Callable[..., Ran]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A segmentation job, into which somebody put the names of the classes."""
    folder = make_data_job(tmp_path)
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    return folder


def test_pairs_are_those_that_digits_encoded(job: Path) -> None:
    number = 0
    for split, count in zip(("train", "val"), COUNTS.values(), strict=True):
        pairs = datasets.open(job, split)
        assert len(pairs) == count
        for image, label in pairs:
            known = draw_pair(number)
            np.testing.assert_array_equal(image, known[0].transpose(2, 0, 1)[::-1])  # blue first
            np.testing.assert_array_equal(label, known[1][None])
            number += 1


def test_the_files_of_a_job_describe_it(job: Path) -> None:
    about = datasets.describe(job)
    assert about is not None
    assert (about.name, about.classes, about.ignore_label, about.channels) == (DATA_ID, CLASSES, 255, 3)
    mean = read_mean_image(job).reshape(3, -1).mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(about.mean, mean, rtol=0, atol=1e-4)
    assert about.mean_file == "train_db/mean.binaryproto"
    assert about.splits["val"] == {
        "count": COUNTS["val_db"],
        "databases": {"images": "val_db/features", "labels": "val_db/labels"},
    }
    assert datasets.open(job).about == about


def test_the_commands_show_its_classes_and_its_mean(job: Path, cli: Cli) -> None:
    shown = json.loads(cli("data", "info", job, "--json", "--check").out)
    assert shown["classes"] == CLASSES
    assert (shown["name"], shown["faults"]) == (DATA_ID, [])
    labels = np.stack([draw_pair(number)[1] for number in range(COUNTS["train_db"])])
    pixels = {str(value): int((labels == value).sum()) for value in (0, 1, 2, 255)}
    assert shown["splits"]["train"]["statistics"]["pixels"] == pixels
    page, sheet = job.parent / "page.html", job.parent / "sheet.png"
    assert cli("data", "explore", job, "-o", page, "--sheet", sheet).status == 0
    assert all(name in page.read_text() for name in CLASSES)


def test_labels_that_the_names_do_not_cover_are_a_fault(job: Path, cli: Cli) -> None:
    (job / "labels.txt").write_text("road\nsky\n")
    checked = cli("data", "info", job, "--check")
    assert checked.status == 1
    assert "has 2 at" in checked.out
    assert "outside the 2 classes" in checked.out


def test_lists_of_its_files_keep_the_splits_apart(job: Path, cli: Cli) -> None:
    """All databases of a job have the names features and labels."""
    assert cli("data", "lists", job).status == 0
    for stage, count in COUNTS.items():
        for kind in ("features", "labels"):
            lines = (job / stage / f"{kind}.txt").read_text().splitlines()
            assert len(lines) == count
            assert all(Path(line.rpartition(" ")[0]).is_file() for line in lines)


def test_images_with_one_class_each(tmp_path: Path) -> None:
    pairs = datasets.open(make_classification_job(tmp_path, 3))
    assert [int(pairs.label(index)) for index in range(len(pairs))] == [0, 1, 2]
    assert pairs.names == ["000000000", "000000001", "000000002"]  # train.txt has another order
    assert pairs.about is not None
    assert (pairs.about.classes, pairs.about.mean_file) == (["class 0", "class 1", "class 2"], "mean.binaryproto")


def test_more_classes_than_a_label_image_can_have(tmp_path: Path) -> None:
    about = datasets.describe(make_classification_job(tmp_path, 1000))
    assert about is not None
    assert about.classes is None


def test_images_whose_labels_are_numbers(job: Path) -> None:
    """A job whose labels are single numbers has no database of labels."""
    for stage in COUNTS:
        for file in (job / stage / "labels").iterdir():
            file.unlink()
        (job / stage / "labels").rmdir()
    pairs = datasets.open(job)
    assert (len(pairs), pairs.labels) == (COUNTS["train_db"], None)


def test_a_folder_without_databases_is_no_data_set(tmp_path: Path) -> None:
    assert datasets.describe(tmp_path) is None
    with pytest.raises(FileError, match="holds no data set"):
        datasets.open(tmp_path)


def test_a_net_is_built_for_it(job: Path, cli: Cli, caffe: CaffeWorker) -> None:
    """Real Caffe's data layers give its records, minus its mean; the solver tests on all of its validation part."""
    net = job.parent / "net"
    built = cli("net", "build", "voc-fcn8s-atonce", "--source", job, "-o", net)
    assert built.status == 0
    assert "3 classes, as" in built.err
    for phase, first in (("train", 0), ("val", COUNTS["train_db"])):
        sources = [layer for layer in proto.read_net(net / f"{phase}.prototxt").layer if not layer.bottom]
        assert [layer.type for layer in sources] == ["Data", "Data"]
        batch = caffe.batches(str(proto.NetParameter(layer=sources)), net, 1)[0]
        image, label = draw_pair(first)
        mean = read_mean_image(job).mean(axis=(1, 2))[:, None, None]
        np.testing.assert_allclose(batch["data"][0], image.transpose(2, 0, 1)[::-1] - mean, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(batch["label"][0, 0], label)
    assert proto.read_solver(net / "solver.prototxt").test_iter == [COUNTS["val_db"]]
    model = model_json.read(net)
    assert model is not None
    assert model.outputs[0].classes == CLASSES
