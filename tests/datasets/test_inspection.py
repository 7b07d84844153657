"""Existing databases, of this package and of other programs: read, measured and checked."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build import builder
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.formats import triangles
from caffe_fcn.datasets.inspect import record_checks, statistics
from caffe_fcn.datasets.records import datum, palette, png
from caffe_fcn.datasets.records.faults import CHECKS, Rules
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.proto import BlobProto, Datum

RANDOM = np.random.default_rng(3)


def write(path: Path, records: Sequence[bytes], keys: Sequence[bytes] = ()) -> Path:
    """An LMDB written by LMDB itself, without code of this package."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(keys[number] if keys else b"%08d" % number, record)
    return path


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    image.save(data, kind)
    return Datum(data=data.getvalue(), encoded=True).SerializeToString()


def images(count: int) -> list[np.ndarray]:
    return [RANDOM.integers(0, 256, (3, 12, 10 + i), np.uint8) for i in range(count)]


def labels(count: int, classes: int = 4) -> list[np.ndarray]:
    return [RANDOM.integers(0, classes, (1, 12, 10 + i)).astype(np.uint8) for i in range(count)]


def digits_set(folder: Path, image_records: Sequence[bytes], label_records: Sequence[bytes]) -> Path:
    """A data set in the layout of DIGITS."""
    write(folder / "train_db" / "features", image_records)
    write(folder / "train_db" / "labels", label_records)
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "caffe_fcn", "data", "info", *arguments], capture_output=True, text=True
    )


@pytest.mark.caffe
@pytest.mark.parametrize("options", [[], ["--encoded", "--encode_type=png"], ["--gray"]])
def test_a_database_of_convert_imageset_is_read(tmp_path: Path, caffe_bin: Path, options: list[str]) -> None:
    known = [RANDOM.integers(0, 256, (3, 9, 11), np.uint8) for _ in range(4)]
    for number, array in enumerate(known):
        (tmp_path / f"{number}.png").write_bytes(png.encode(array))
    (tmp_path / "list.txt").write_text("".join(f"{number}.png {number * 7}\n" for number in range(4)))
    tool = caffe_bin.parent / "convert_imageset"
    subprocess.run([tool, *options, f"{tmp_path}/", tmp_path / "list.txt", tmp_path / "db"], check=True)
    pairs = datasets.open(tmp_path / "db")
    assert pairs.names == [f"{number:08d}_{number}.png" for number in range(4)]
    for number, (image, label) in enumerate(pairs):
        assert label == number * 7
        if "--gray" in options:
            grey = np.array(Image.open(tmp_path / f"{number}.png").convert("L"))
            assert (
                image.shape == (1, 9, 11) and np.abs(image[0].astype(int) - grey).max() <= 1
            )  # OpenCV rounds differently
        else:
            assert (image == known[number]).all()
    assert list(pairs.shapes) == [image.shape for image, _ in pairs]
    assert run(str(tmp_path / "db"), "--check").returncode == 0


def test_the_layout_of_digits_is_found_and_floats_are_read(tmp_path: Path) -> None:
    known, classes = images(3), labels(3)
    floats = [Datum(channels=1, height=12, width=10 + i, float_data=a.ravel()) for i, a in enumerate(classes)]
    digits_set(
        tmp_path, [encoded(Image.fromarray(a[::-1].transpose(1, 2, 0))) for a in known],
        [d.SerializeToString() for d in floats],
    )  # fmt: skip
    pairs = datasets.open(tmp_path)
    assert pairs.split == "train" and len(pairs) == 3
    for (image, label), one, other in zip(pairs, known, classes, strict=True):
        assert (image == one).all() and image.dtype == np.uint8
        assert (label == other).all() and label.dtype == np.float32
    assert pairs[-1][0].shape == known[-1].shape
    assert [image.shape for image, _ in pairs[1:]] == [known[1].shape, known[2].shape]
    with pytest.raises(IndexError):
        pairs[3]
    done = run(str(tmp_path), "--check", "--classes", "4", "--json")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    counts = np.bincount(np.concatenate([a.ravel() for a in classes]))
    assert seen["splits"]["train"]["statistics"]["pixels"] == {str(i): int(n) for i, n in enumerate(counts)}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_sums_do_not_depend_on_how_records_are_grouped(data: st.DataObject) -> None:
    """Statistics of a split, compared with NumPy's over all records at once."""
    count = data.draw(st.integers(1, 12))
    one_size = data.draw(st.booleans())
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shapes = [(3, 4, 5 if one_size else int(random.integers(1, 6))) for _ in range(count)]
    pictures = [random.integers(0, 256, shape, np.uint8) for shape in shapes]
    classes = [random.choice([0, 1, 2, 255], shape[1:]).astype(np.uint8) for shape in shapes]
    total = statistics.Statistics()
    rest = list(zip(pictures, classes, strict=True))
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        part = statistics.Statistics()
        for image, label in rest[:size]:
            part.add(image, label)
        total += part
        rest = rest[size:]
    pixels = np.concatenate([image.reshape(3, -1) for image in pictures], axis=1)
    assert total.mean == pytest.approx(pixels.mean(axis=1))
    same = len(set(shapes)) == 1
    assert (total.image_sum is not None) == same
    if total.image_sum is not None:
        assert (total.image_sum == np.sum(pictures, axis=0, dtype=int)).all()
    flat = np.concatenate([label.ravel() for label in classes])
    summary = total.summarize(3, 255)
    assert summary["ignored_share"] == pytest.approx((flat == 255).mean())
    extents = {}
    for value in range(3):
        boxes = [np.ptp(np.argwhere(label == value), axis=0).max() + 1 for label in classes if (label == value).any()]
        if boxes:
            extents[str(value)] = pytest.approx(np.mean(boxes))
    assert summary["extents"] == extents
    weights = summary["weights"]
    frequency = {}
    for value in range(3):
        holding = [label for label in classes if (label == value).any()]
        if holding:
            frequency[value] = (flat == value).sum() / sum(label.size for label in holding)
    for value in range(3):
        expected = np.median(list(frequency.values())) / frequency[value] if value in frequency else 0
        assert weights[value] == pytest.approx(expected)


def test_weights_are_those_of_the_definition() -> None:
    """Two labels of 100 pixels: class 0 fills 90 + 60 of 200, class 1 the 10 of one, class 2 the 40 of the other."""
    figures = statistics.Statistics()
    for zeros, value in ((90, 1), (60, 2)):
        label = np.full((1, 100), value, np.uint8)
        label[0, :zeros] = 0
        figures.add(np.zeros((1, 1, 100), np.uint8), label)
    assert figures.compute_weights(4, 255) == pytest.approx([0.4 / 0.75, 0.4 / 0.1, 1, 0])


def colour_label() -> bytes:
    label = Image.fromarray(labels(1)[0][0], "P")
    label.putpalette([value for colour in palette.make_voc_palette() for value in colour])
    return encoded(label)


def raw(array: np.ndarray) -> bytes:
    return datum.pack_raw(array)


FAULTS: dict[str, Callable[[list[bytes], list[bytes]], object]] = {
    "outside": lambda i, l: l.__setitem__(1, raw(np.arange(132, dtype=np.uint8).reshape(1, 12, 11))),
    "unlabelled": lambda i, l: l.__setitem__(1, raw(np.full((1, 12, 11), 255, np.uint8))),
    "one-class": lambda i, l: l.__setitem__(1, raw(np.full((1, 12, 11), 2, np.uint8))),
    "size": lambda i, l: l.__setitem__(1, raw(labels(1)[0])),
    "encoding": lambda i, l: l.__setitem__(1, colour_label()),
    "broken": lambda i, l: i.__setitem__(1, encoded(Image.new("RGB", (11, 12)))[:-40]),
    "alpha": lambda i, l: i.__setitem__(1, encoded(Image.new("RGBA", (11, 12)))),
    "16-bit": lambda i, l: i.__setitem__(1, encoded(Image.fromarray(np.zeros((12, 11), np.uint16)))),
    "channels": lambda i, l: i.__setitem__(1, raw(np.zeros((1, 12, 11), np.uint8))),
    "step": lambda i, l: l.pop(),
}


@pytest.mark.parametrize("check", FAULTS)
def test_every_fault_of_a_database_is_found_and_its_record_named(tmp_path: Path, check: str) -> None:
    image_records, label_records = [raw(a) for a in images(3)], [raw(a) for a in labels(3)]
    assert run(str(digits_set(tmp_path / "good", image_records, label_records)), "--check").returncode == 0
    FAULTS[check](image_records, label_records)
    digits_set(tmp_path / "set", image_records, label_records)
    done = run(str(tmp_path / "set"), "--check", "--classes", "4", "--json")
    assert done.returncode == 1, done.stderr
    seen = json.loads(done.stdout)
    assert seen["splits"]["train"]["faults"] == {check: 1}
    assert check in CHECKS
    if check != "step":
        assert "record 1" in seen["faults"][0]["where"]
    spoken = run(str(tmp_path / "set"), "--check", "--classes", "4")
    assert spoken.returncode == 1 and f"{check}: {tmp_path}" in spoken.stdout


def test_databases_whose_keys_differ_are_out_of_step(tmp_path: Path) -> None:
    records = [raw(a) for a in images(2)]
    write(tmp_path / "train_images", records, [b"00000000_a", b"00000001_b"])
    write(tmp_path / "train_labels", [raw(a) for a in labels(2)], [b"00000000_a", b"00000001_c"])
    done = run(str(tmp_path), "--check")
    assert done.returncode == 1
    assert "00000001_b" in done.stdout and "00000001_c" in done.stdout


@pytest.mark.parametrize(
    ("mean", "wrong"),
    [("104.0,116.7,122.7", False), ("122.7,116.7,104.0", True), ("110,110,110", False), ("90,120,150", False)],
)
def test_a_mean_in_the_wrong_order_is_reported(tmp_path: Path, mean: str, wrong: bool) -> None:
    """The images have more red than blue."""
    shades = np.array([100, 115, 130], np.uint8).reshape(3, 1, 1)
    digits_set(tmp_path, [raw(np.broadcast_to(shades, (3, 12, 10)).copy())], [raw(labels(1)[0])])
    done = run(str(tmp_path), "--check", "--mean", mean)
    assert done.returncode == int(wrong), done.stdout
    assert ("looks RGB-ordered" in done.stdout) == wrong


def test_a_mean_file_in_the_wrong_order_is_reported(tmp_path: Path) -> None:
    shades = np.array([100, 115, 130], np.uint8).reshape(3, 1, 1)
    digits_set(tmp_path, [raw(np.broadcast_to(shades, (3, 12, 10)).copy())], [raw(labels(1)[0])])
    blob = BlobProto(num=1, channels=3, height=1, width=2, data=[122.7, 122.7, 116.7, 116.7, 104.0, 104.0])
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    done = run(str(tmp_path), "--check")
    assert done.returncode == 1 and "mean.binaryproto: the mean" in done.stdout
    (tmp_path / "mean.binaryproto").write_bytes(b"\xff junk")
    with pytest.raises(FileError, match="is not a mean image"):
        record_checks.read_mean(tmp_path / "mean.binaryproto")


def test_statistics_of_databases_of_other_programs_are_written_beside_them(tmp_path: Path) -> None:
    known = [RANDOM.integers(0, 256, (3, 8, 9), np.uint8) for _ in range(5)]
    digits_set(tmp_path, [raw(a) for a in known], [raw(np.ones((1, 8, 9), np.uint8)) for _ in range(5)])
    about = builder.measure_again(tmp_path, workers=2)
    blob = BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    np.testing.assert_allclose(np.array(blob.data).reshape(3, 8, 9), np.mean(known, axis=0), rtol=1e-6)
    assert about.mean == pytest.approx(np.mean(known, axis=(0, 2, 3)))
    assert not (tmp_path / "dataset.json").exists()
    with pytest.raises(FileError):
        builder.measure_again(tmp_path / "train_db" / "nothing")


def test_statistics_computed_later_are_those_of_the_build(tmp_path: Path) -> None:
    triangles.build(tmp_path / "one", 50)
    triangles.build(tmp_path / "two", 50, options=BuildOptions(measure=False))
    assert not (tmp_path / "two" / "mean.binaryproto").exists()
    builder.measure_again(tmp_path / "two")
    for name in ("dataset.json", "mean.binaryproto"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_images_of_floats_have_a_mean_and_no_mean_file(tmp_path: Path) -> None:
    values = RANDOM.normal(size=(2, 1, 5, 6)).astype(np.float32)
    records = [Datum(channels=1, height=5, width=6, float_data=a.ravel()).SerializeToString() for a in values]
    digits_set(tmp_path, records, [raw(np.ones((1, 5, 6), np.uint8)) for _ in values])
    assert builder.measure_again(tmp_path).mean == pytest.approx([values.mean()], rel=1e-5)
    assert not (tmp_path / "mean.binaryproto").exists()


def test_records_that_are_not_a_datum_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "db", [b"\xff\xff\xff", raw(images(1)[0])])
    with pytest.raises(DatasetError, match=r"record 0 .* is not a Datum"):
        datasets.open(tmp_path / "db")[0]
    wrong = Datum(channels=3, height=2**30, width=2**30, data=b"123").SerializeToString()
    write(tmp_path / "huge", [wrong])
    with pytest.raises(DatasetError, match="holds 3 values"):
        datasets.open(tmp_path / "huge")[0]
    write(tmp_path / "nothing", [])
    assert len(datasets.open(tmp_path / "nothing")) == 0
    assert run(str(tmp_path / "nothing")).returncode == 0


def test_an_allowed_check_does_not_count(tmp_path: Path) -> None:
    digits_set(tmp_path, [raw(images(1)[0])], [raw(np.full((1, 12, 10), 2, np.uint8))])
    assert run(str(tmp_path), "--check").returncode == 1
    assert run(str(tmp_path), "--check", "--allow", "one-class").returncode == 0
    pairs = datasets.open(tmp_path)
    _, findings = record_checks.check_records(pairs, Rules(allow=frozenset(["one-class"])), workers=2)
    assert not findings.faults
