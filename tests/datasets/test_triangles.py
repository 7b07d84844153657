"""The triangles data set: what it shows, that it is the same each time, and that real Caffe reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.formats import triangles
from caffe_fcn.datasets.formats.triangles import draw_grid, draw_pair
from caffe_fcn.datasets.records import database, datum
from caffe_fcn.errors import DatasetError

COUNT = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triangles") / "set"
    triangles.build(folder, count=COUNT, val_percent=25)
    return folder


def arrays(folder: Path) -> np.ndarray:
    return np.stack([datum.to_array(datum.parse(value, ""), "") for value in database.Database(folder)])


def test_nine_thousand_pairs_to_train_on_and_one_thousand_to_validate_unless_told_otherwise(tmp_path: Path) -> None:
    about = triangles.build(tmp_path / "set")
    assert {name: split["count"] for name, split in about.splits.items()} == {"train": 9000, "val": 1000}


def test_images_and_labels_are_32x32_black_on_white_and_the_outline_is_part_of_the_triangle(made: Path) -> None:
    for split, count in (("train", 45), ("val", 15)):
        images, labels = arrays(made / f"{split}_images"), arrays(made / f"{split}_labels")
        assert images.shape == labels.shape == (count, 1, 32, 32)
        assert set(np.unique(images)) == set(np.unique(labels)) == {0, 255}
        assert (labels[images == 0] == 0).all()


def test_a_filled_triangle_has_the_area_that_its_corners_enclose() -> None:
    corners = np.array([[10, 10], [90, 20], [30, 80]])
    (x1, y1), (x2, y2) = corners[1] - corners[0], corners[2] - corners[0]
    outline, filled = draw_pair(corners, 100)
    perimeter = (outline == 0).sum()
    assert abs((filled == 0).sum() - abs(x1 * y2 - x2 * y1) / 2) <= perimeter


def test_corners_are_uniform_over_the_image() -> None:
    """The mean area of a triangle with uniform corners in a unit square is 11/144."""
    side = 128
    areas = [np.mean(draw_grid(1, side, seed)[1] == 0) for seed in range(400)]
    half_outline = 1.56 / 2 / side  # three sides of 0.5214 on average, of which half a pixel lies outside
    assert np.mean(areas) == pytest.approx(11 / 144 + half_outline, abs=4 * np.std(areas) / np.sqrt(len(areas)))


def test_the_grid_shows_ten_by_ten_triangles_at_320x320(made: Path) -> None:
    grid, label = (np.array(Image.open(made / name)) for name in ("grid.png", "grid_label.png"))
    assert grid.shape == label.shape == (320, 320)
    assert (label[grid == 0] == 0).all()
    cells = grid.reshape(10, 32, 10, 32).transpose(0, 2, 1, 3).reshape(100, -1)
    assert ((cells == 0).sum(axis=1) > 0).all()
    assert len(np.unique(cells, axis=0)) == 100


def test_a_seed_gives_the_same_bytes_whatever_the_number_of_workers(made: Path, tmp_path: Path) -> None:
    triangles.build(tmp_path / "again", COUNT, val_percent=25, options=BuildOptions(workers=3))
    triangles.build(tmp_path / "other", COUNT, val_percent=25, seed=1)
    for name in ("train_images/data.mdb", "val_labels/data.mdb", "grid.png", "dataset.json", "mean.binaryproto"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()
    assert (tmp_path / "other" / "grid.png").read_bytes() != (made / "grid.png").read_bytes()


def test_train_and_val_are_different_triangles(made: Path) -> None:
    train, val = (list(database.Database(made / f"{split}_images")) for split in ("train", "val"))
    assert not set(train) & set(val)


@pytest.mark.parametrize("wrong", [{"val_percent": 100}, {"val_percent": -1}, {"size": 1}, {"grid": 0}])
def test_figures_that_make_no_data_set_are_refused_and_leave_nothing(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DatasetError):
        triangles.build(tmp_path / "set", 10, **wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.caffe
def test_real_caffe_reads_image_and_label_in_step(made: Path, pycaffe) -> None:  # type: ignore[no-untyped-def]
    net = made.parent / "net.prototxt"
    net.write_text(
        "".join(
            f'layer {{ name: "{top}" type: "Data" top: "{top}" '
            f'data_param {{ source: "{made}/train_{source}" batch_size: 45 backend: LMDB }} }}\n'
            for top, source in (("data", "images"), ("label", "labels"))
        )
    )
    blobs = pycaffe(
        """
        net = caffe.Net(str(inputs['net']), caffe.TRAIN)
        net.forward()
        outputs.update({name: blob.data for name, blob in net.blobs.items()})
        """,
        net=net,
    )
    assert (blobs["data"] == arrays(made / "train_images")).all()
    assert (blobs["label"] == arrays(made / "train_labels")).all()


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "caffe_fcn", "data", "triangles", "--count", "20", "-o", "set"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "18 records in set/train_images, set/train_labels" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
