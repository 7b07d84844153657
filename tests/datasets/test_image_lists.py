"""Lists of image files, judged by the ImageData layers of our own nets inside real Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from epochs import FORWARD
from PIL import Image

from caffe_fcn import netspec
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.build.record_format import RecordFormat
from caffe_fcn.datasets.formats import folder
from caffe_fcn.datasets.records import datum, palette
from caffe_fcn.datasets.records.database import Writer


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A data set of JPEGs and paletted labels, in a folder with a space in its name."""
    root = tmp_path / "my data"
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for number in range(5):
        random = np.random.default_rng(number)
        height, width = random.integers(30, 60, 2)
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(root / f"images/{number}.jpg")
        label = Image.fromarray(random.integers(0, 21, (height, width), np.uint8), "P")
        label.putpalette([value for colour in palette.make_voc_palette() for value in colour])
        label.save(root / f"labels/{number}.png")
    folder.build(root / "set", root / "images", root / "labels", val_percent=40)
    return root


def classes(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.caffe
@pytest.mark.parametrize("phase", ["train", "val"])
def test_a_net_of_image_data_reads_a_data_set_in_caffe(made: Path, tmp_path: Path, pycaffe, cli, phase: str) -> None:
    assert cli("data", "lists", made / "set").status == 0
    net = netspec.build("voc-fcn32s", phase, data="image", source=str(made / "set"))
    first = [layer for layer in net.layer if layer.type == "ImageData"]
    assert len(first) == 2
    mean = np.array(first[0].transform_param.mean_value).reshape(3, 1, 1)
    del net.layer[:]
    net.layer.extend(first)
    (tmp_path / "net.prototxt").write_text(str(net))
    names = (made / "set" / f"{phase}.txt").read_text().split()
    blobs = pycaffe(FORWARD, net=tmp_path / "net.prototxt", count=2 * len(names))
    for place, name in enumerate(names * 2):
        decoded = np.asarray(Image.open(made / f"images/{name}.jpg")).astype(float)[:, :, ::-1].transpose(2, 0, 1)
        assert abs(blobs[f"data{place}"] + mean - decoded).mean() < 1  # two decoders of one JPEG
        assert (blobs[f"label{place}"] == classes(made / f"labels/{name}.png")).all()


def test_images_keep_their_bytes_and_raw_records_become_equal_pngs(made: Path, tmp_path: Path, cli) -> None:
    cli("data", "lists", made / "set")
    listed = (made / "set" / "train_images.txt").read_text().splitlines()
    for line, name in zip(listed, (made / "set" / "train.txt").read_text().split(), strict=True):
        path, zero = line.rsplit(" ", 1)
        assert zero == "0"
        assert Path(path).read_bytes() == (made / f"images/{name}.jpg").read_bytes()
    raw = RecordFormat(image_encoding="raw", label_encoding="raw")
    options = ImportOptions(raw, shuffle=False)
    folder.build(tmp_path / "raw", made / "images", made / "labels", val_percent=0, options=options)
    assert cli("data", "lists", tmp_path / "raw").status == 0
    for number in range(5):
        image = Image.open(tmp_path / f"raw/files/train_images/{number:08}.png")
        assert (np.asarray(image) == np.asarray(Image.open(made / f"images/{number}.jpg"))).all()
        label = Image.open(tmp_path / f"raw/files/train_labels/{number:08}.png")
        assert label.mode == "L"
        assert (np.asarray(label) == classes(made / f"labels/{number}.png")).all()


def test_what_cannot_be_listed_is_told_and_leaves_nothing(made: Path, tmp_path: Path, cli) -> None:
    for name in ("train_images", "train_labels"):
        (tmp_path / "floats").mkdir(exist_ok=True)
        with Writer(tmp_path / "floats" / name) as writer:
            writer.append([datum.pack_floats(np.zeros((1, 4, 4), np.float32))])
    (tmp_path / "empty").mkdir()
    cli("data", "lists", made / "set")
    for place, told in {"floats": "no 8-bit image", "empty": "holds no data set", "none": "no such folder"}.items():
        ran = cli("data", "lists", tmp_path / place)
        assert ran.status == 2
        assert ran.err.startswith("error: ") and told in ran.err and ran.err.count("\n") == 1
    assert sorted(path.name for path in (tmp_path / "floats").iterdir()) == ["train_images", "train_labels"]
    again = cli("data", "lists", made / "set")
    assert again.status == 2 and "is there already" in again.err


def test_a_data_set_that_is_built_again_takes_its_files_and_lists_with_it(made: Path, cli) -> None:
    build = ("data", "folder", "--images", made / "images", "--labels", made / "labels", "-o", made / "set")
    cli("data", "lists", made / "set")
    (made / "set" / "files" / "mine.txt").write_text("not of the data set")
    assert cli(*build, "--val-percent", 0).status == 0  # of one split now: the lists of val would name what is gone
    left = {str(path.relative_to(made / "set")) for path in (made / "set").rglob("*.txt")}
    assert left == {"train.txt", "files/mine.txt"}
    assert not list((made / "set").rglob("*.jpg"))
