"""M2NIST made of MNIST: the counts, sizes and rules of its description, checked against MNIST's own pixels."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from epochs import by_caffe
from hypothesis import given, settings
from hypothesis import strategies as st
from made_digits import idx

from caffe_fcn import datasets
from caffe_fcn.datasets.formats import m2nist, mnist
from caffe_fcn.datasets.records import database, datum
from caffe_fcn.errors import DatasetError, FileError


@pytest.fixture(scope="module")
def mnist_folder(shared: Path) -> Path:
    folder = shared / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip("../shared/data/mnist is not here")
    return folder


@pytest.fixture(scope="module")
def own_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits of our own, whose ink reaches to the edges of their boxes, where MNIST's does not."""
    folder = tmp_path_factory.mktemp("digits")
    random = np.random.default_rng(0)
    images = (random.random((40, 28, 28)) < 0.3) * random.integers(1, 256, (40, 28, 28))
    (folder / "train-images-idx3-ubyte").write_bytes(idx(images.astype(np.uint8)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(40, dtype=np.uint8) % 10)))
    return folder


def masks_of(folder: Path, split: str) -> list[np.ndarray]:
    return [datum.to_array(datum.parse(value, ""), "") for value in database.Database(folder / f"{split}_masks")]


def test_five_thousand_images_of_two_or_three_digits_whose_masks_say_what_the_labels_say(
    mnist_folder: Path, tmp_path: Path
) -> None:
    m2nist.build(tmp_path / "set", mnist_folder)
    number = 0
    for split, count in (("train", 4000), ("val", 1000)):
        pairs, masks = datasets.open(tmp_path / "set", split), masks_of(tmp_path / "set", split)
        assert len(pairs) == len(masks) == count
        for (image, label), mask in zip(pairs, masks, strict=True):
            assert image.shape == label.shape == (1, 64, 84) and mask.shape == (10, 64, 84)
            assert mask.max() == 1 and mask.sum(axis=0).max() == 1
            assert (mask.any(axis=0) == (image[0] > 0)).all()
            assert (label[0] == (mask * np.arange(1, 11)[:, None, None]).sum(axis=0)).all()
            number += 1
    assert number == 5000


def test_each_digit_stands_in_its_slot_and_its_ink_is_mnists(mnist_folder: Path) -> None:
    digits, values = mnist.read(mnist_folder)
    assert digits.shape == (60_000, 28, 28)
    three = 0
    for number in range(1000):
        image, masks, placed = m2nist.compose(digits, values, 1234, number)
        assert len(placed) in (2, 3)
        three += len(placed) == 3
        drawn = np.zeros_like(image, dtype=int)
        for slot, digit in enumerate(placed):
            assert 28 * slot <= digit.x < 28 * slot + 10 and digit.x + 28 <= 84 and 0 <= digit.y <= 36
            assert digit.value == values[digit.index]
            drawn[digit.y : digit.y + 28, digit.x : digit.x + 28] += digits[digit.index]
            ink = masks[digit.value, digit.y : digit.y + 28, digit.x : digit.x + 28]
            assert ink[digits[digit.index] > 0].all()
        assert (drawn == image).all()  # a sum: no ink lies upon other ink
    assert 60 <= three <= 140  # one x in ten keeps the third inside


def test_ink_never_lies_upon_ink_even_where_boxes_are_full(own_digits: Path) -> None:
    digits, values = mnist.read(own_digits)
    for number in range(300):
        image, masks, placed = m2nist.compose(digits, values, 0, number)
        assert masks.sum() == sum((digits[digit.index] > 0).sum() for digit in placed) == (image > 0).sum()


def test_the_background_is_a_class_or_is_ignored(own_digits: Path, tmp_path: Path) -> None:
    a = m2nist.build(tmp_path / "a", own_digits, count=10)
    b = m2nist.build(tmp_path / "b", own_digits, count=10, background="ignore", masks=False)
    assert a.classes == ["background", *map(str, range(10))] and a.ignore_label is None
    assert b.classes == [*map(str, range(10))] and b.ignore_label == 255
    for (_, one), (_, other) in zip(datasets.open(tmp_path / "a"), datasets.open(tmp_path / "b"), strict=True):
        assert (other == np.where(one == 0, 255, one - 1)).all()
    assert not (tmp_path / "b" / "train_masks").exists()


def test_a_seed_gives_the_same_images_and_they_all_differ(own_digits: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        m2nist.build(tmp_path / name, own_digits, count=30, seed=seed)
    images = {name: list(database.Database(tmp_path / name / "train_images")) for name in "abc"}
    assert images["a"] == images["b"] != images["c"]
    assert len(set(images["a"])) == 24
    about = json.loads((tmp_path / "a" / "dataset.json").read_text())
    assert about["seed"] == 1 and len(about["sources"]) == 2 and len(about["sources"][0]["sha256"]) == 64


@pytest.mark.caffe
def test_real_caffe_reads_images_labels_and_masks_in_step(own_digits: Path, tmp_path: Path, pycaffe) -> None:
    made = tmp_path / "set"
    m2nist.build(made, own_digits, count=6, val_percent=0)
    names = {"data": "images", "label": "labels", "mask": "masks"}
    blobs = by_caffe(pycaffe, tmp_path, 5, **{top: made / f"train_{kind}" for top, kind in names.items()})
    for place, ((image, label), mask) in enumerate(zip(datasets.open(made), masks_of(made, "train"), strict=True)):
        if place < 5:
            assert (blobs["data"][place] == image).all()
            assert (blobs["label"][place] == label).all()
            assert (blobs["mask"][place] == mask).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_idx_file_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    folder = tmp_path_factory.mktemp("idx")
    whole = idx(np.zeros((3, 28, 28), np.uint8))
    zipped = data.draw(st.booleans())
    content = gzip.compress(whole) if zipped else whole
    cut = data.draw(st.integers(0, len(content) - 1))
    broken = content[:cut]
    (folder / "train-images-idx3-ubyte").write_bytes(broken)
    with pytest.raises(FileError) as raised:
        mnist.read_idx(folder / "train-images-idx3-ubyte", 3)
    assert "\n" not in str(raised.value)


def test_a_header_that_promises_the_moon_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1))
    with pytest.raises(FileError, match="at most"):
        mnist.read_idx(path, 3)


def test_folders_that_are_not_mnist_are_refused(tmp_path: Path, own_digits: Path) -> None:
    with pytest.raises(FileError, match="no such folder"):
        m2nist.build(tmp_path / "set", tmp_path / "no")
    with pytest.raises(FileError, match="train-images-idx3-ubyte"):
        m2nist.build(tmp_path / "set", tmp_path)
    with pytest.raises(DatasetError):
        m2nist.build(tmp_path / "set", own_digits, count=1, val_percent=60)
    assert list(tmp_path.iterdir()) == []
