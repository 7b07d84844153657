"""Readers of the forks' lists of images with label images.

The judge is the forks' own sequence of OpenCV calls (data_transformer.cpp's TransformImgAndSeg of hszhao/PSPNet,
dense_image_data_layer.cpp of alexgkendall/caffe-segnet), written out with cv2. What is random must be one of the forms
that these calls can give, and must be the same for an image and its label.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from prototxts import layer

from caffe_fcn import proto
from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.engines.readers import Reader, open_reader
from caffe_fcn.engines.readers.resize import resize_nearest
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.shapes import infer

MEANS = (104, 117, 123)
Pixels = np.ndarray
CASES = 50


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_pairs(
    count: int, random: np.random.Generator, size: tuple[int, int] | None = None
) -> list[tuple[Pixels, Pixels]]:
    """Images (blue first) and labels of some size, and the list of their files."""
    pairs = []
    for index in range(count):
        height, width = size or (int(each) for each in random.integers(4, 12, 2))
        image = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
        label = random.integers(0, 21, (height, width)).astype(np.uint8)
        cv2.imwrite(f"image{index}.png", image)
        cv2.imwrite(f"label{index}.png", label)
        pairs.append((image, label))
    Path("list.txt").write_text("".join(f"image{index}.png label{index}.png\n" for index in range(count)))
    return pairs


def open_layer(kind: str, settings: str, transform: str = "", training: bool = True, seed: int = 0) -> Reader:
    tops = "x y size" if kind == "ImageSegData" else "x y"
    param = "image_data_param" if kind == "ImageSegData" else "dense_image_data_param"
    text = layer(kind, "", tops, f'{param} {{ source: "list.txt" {settings} }} transform_param {{ {transform} }}')
    net = proto.NetParameter()
    proto.parse(text, net)
    return open_reader(net.layer[0], training, seed)


def transform(
    image: Pixels, label: Pixels, crop: tuple[int, int], factors: list[float], training: bool
) -> Iterator[tuple[Pixels, Pixels]]:
    """All that TransformImgAndSeg can make of an image, with every scale, window and mirror."""
    for factor in factors or [1]:
        scaled, labels = image, label
        if factor != 1:
            size = (int(image.shape[1] * factor), int(image.shape[0] * factor))
            scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            labels = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
        scaled = scaled.astype(np.float64)
        down, across = (max(crop[axis] - scaled.shape[axis], 0) if any(crop) else 0 for axis in (0, 1))
        scaled = cv2.copyMakeBorder(scaled, 0, down, 0, across, cv2.BORDER_CONSTANT, value=MEANS)
        labels = cv2.copyMakeBorder(labels, 0, down, 0, across, cv2.BORDER_CONSTANT, value=(255,))
        margins = [scaled.shape[axis] - crop[axis] for axis in (0, 1)] if any(crop) else [0, 0]
        places = product(*(range(each + 1) for each in margins)) if training else [tuple(each // 2 for each in margins)]
        height, width = crop if any(crop) else scaled.shape[:2]
        for top, left in places:
            a, b = scaled[top : top + height, left : left + width], labels[top : top + height, left : left + width]
            for turn in (1, -1):
                yield (a[:, ::turn] - MEANS).transpose(2, 0, 1) * 0.5, b[None, :, ::turn]


@pytest.mark.parametrize("training", [True, False])
def test_image_seg_data_gives_what_the_fork_gives(place: Path, training: bool) -> None:
    random = np.random.default_rng(4)
    means = " ".join(f"mean_value: {mean}" for mean in MEANS)
    seen = set()
    for _ in range(CASES):
        pairs = write_pairs(2, random)
        crop = tuple(int(each) for each in random.integers(4, 11, 2))
        factors = [float(each) for each in random.choice([0.5, 0.75, 1.0, 1.25, 2.0], int(random.integers(0, 3)))]
        rules = f"{means} scale: 0.5 mirror: true crop_height: {crop[0]} crop_width: {crop[1]} "
        rules += " ".join(f"scale_factors: {factor}" for factor in factors)
        reader = open_layer("ImageSegData", "batch_size: 1 label_type: PIXEL ignore_label: 255", rules, training)
        for number, (image, label) in enumerate(pairs):
            x, y, size = (top[0] for top in reader.batch(number))
            forms = list(transform(image, label, crop, factors, training))
            found = [k for k, (a, b) in enumerate(forms) if np.abs(a - x).max() < 1e-4 and (b == y).all()]
            assert found, (crop, factors)
            seen.add(found[0])
            assert size.ravel().tolist() == [min(crop[0], image.shape[0]), min(crop[1], image.shape[1])]
    assert len(seen) > 1  # mirrored and not


def test_the_labels_of_whole_images_and_of_none(place: Path) -> None:
    write_pairs(1, np.random.default_rng(0), (4, 5))
    Path("list.txt").write_text("image0.png 7\n")
    assert (open_layer("ImageSegData", "batch_size: 2").batch(0)[1] == np.full((2, 1, 4, 5), 7)).all()
    Path("list.txt").write_text("image0.png\n")
    settings = "batch_size: 1 label_type: NONE ignore_label: 21 new_height: 3 new_width: 4"
    x, y, size = open_layer("ImageSegData", settings).batch(0)
    assert x.shape == (1, 3, 3, 4)
    assert (y == np.full((1, 1, 3, 4), 21)).all()
    assert size.ravel().tolist() == [3, 4]


def test_dense_image_data_gives_what_the_fork_gives(place: Path) -> None:
    random = np.random.default_rng(6)
    for _ in range(CASES):
        pairs = write_pairs(2, random, (8, 9))
        resized = bool(random.random() < 0.5)
        crop = (int(random.integers(2, 6)), int(random.integers(2, 6))) if random.random() < 0.6 else (0, 0)
        settings = f"batch_size: 2 mirror: true crop_height: {crop[0]} crop_width: {crop[1]}"
        settings += " new_height: 6 new_width: 11" if resized else ""
        training = bool(random.random() < 0.5)  # it crops at random in both phases
        x, y = open_layer("DenseImageData", settings, "mean_value: 9", training).batch(0)
        for index, (image, label) in enumerate(pairs):
            if resized:
                image = cv2.resize(image, (11, 6))
                label = cv2.resize(label, (11, 6), interpolation=cv2.INTER_NEAREST)
            height, width = crop if any(crop) else label.shape
            windows = product(range(label.shape[0] - height + 1), range(label.shape[1] - width + 1), (1, -1))
            forms = [
                (
                    image[:, ::turn][top : top + height, left : left + width],
                    label[:, ::turn][top : top + height, left : left + width],
                )
                for top, left, turn in windows
            ]
            assert any(
                np.abs(a.transpose(2, 0, 1).astype(float) - 9 - x[index]).max() < 1e-4 and (b == y[index, 0]).all()
                for a, b in forms
            )


def test_the_labels_of_enets_encoder_are_smaller(place: Path) -> None:
    ((_, label),) = write_pairs(1, np.random.default_rng(0), (16, 24))
    settings = "batch_size: 1 new_height: 16 new_width: 16 label_divide_factor: 8"
    x, y = open_layer("DenseImageData", settings).batch(0)
    assert x.shape == (1, 3, 16, 16)
    assert (y[0, 0] == cv2.resize(label, (2, 2), interpolation=cv2.INTER_NEAREST)).all()
    net = proto.NetParameter()
    proto.parse(layer("DenseImageData", "", "x y", f"dense_image_data_param {{ {settings} }}"), net)
    assert infer(net).blobs["y"] == y.shape


def test_the_nearest_pixels_are_opencvs() -> None:
    random = np.random.default_rng(8)
    for _ in range(CASES):
        image = random.integers(0, 256, (*random.integers(1, 30, 2), 3)).astype(np.uint8)
        size = tuple(int(each) for each in random.integers(1, 60, 2))
        theirs = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST).transpose(2, 0, 1)
        assert (resize_nearest(image.transpose(2, 0, 1), size) == theirs).all(), (image.shape, size)


def test_a_batch_depends_on_its_number_and_the_seed_alone(place: Path) -> None:
    write_pairs(5, np.random.default_rng(0), (8, 8))
    settings, rules = "batch_size: 2 shuffle: true label_type: PIXEL", "mirror: true crop_size: 4"
    one, other = (open_layer("ImageSegData", settings, rules, seed=3) for _ in range(2))
    one.batch(0)
    for ours, theirs in zip(one.batch(7), other.batch(7), strict=True):
        assert (ours == theirs).all()


@pytest.mark.parametrize(
    ("kind", "settings", "rules", "said"),
    [
        ("ImageSegData", "batch_size: 1 label_type: PIXEL new_height: 4 new_width: 4", "", "mixes classes"),
        ("ImageSegData", "batch_size: 1 new_height: 4", "", "only one of new_height and new_width"),
        ("ImageSegData", "batch_size: 1", 'mean_file: "m"', "has a mean_file"),
        ("ImageSegData", "batch_size: 1", "", "is no label of 0 to 255"),
        ("DenseImageData", "", "", "has no batch_size"),
        ("DenseImageData", "batch_size: 1", "mirror: true", "in transform_param"),
        ("DenseImageData", "batch_size: 1 crop_height: 99 crop_width: 3", "", "too small for a crop of 99x3"),
        ("DenseImageData", "batch_size: 2", "", "and the first of its batch"),
        ("DenseImageData", "batch_size: 1 label_divide_factor: 8", "", "goes with new_height"),
    ],
)
def test_what_cannot_be_read_is_said(place: Path, kind: str, settings: str, rules: str, said: str) -> None:
    random = np.random.default_rng(0)
    write_pairs(2, random)
    with pytest.raises(CaffeFcnError, match=said):
        open_layer(kind, settings, rules).batch(0)


def test_a_label_with_a_palette_is_refused(place: Path) -> None:
    from PIL import Image

    write_pairs(1, np.random.default_rng(0))
    label = Image.fromarray(np.ones((4, 4), np.uint8), "P")
    label.putpalette([0, 0, 0, 128, 0, 0])
    label.save("label0.png")
    with pytest.raises(CaffeFcnError, match=r"label0\.png: is no grey image"):
        open_layer("DenseImageData", "batch_size: 1").batch(0)


def test_the_first_image_says_the_size(place: Path) -> None:
    write_pairs(1, np.random.default_rng(0), (6, 7))
    net = proto.NetParameter()
    proto.parse(layer("DenseImageData", "", "x y", 'dense_image_data_param { source: "list.txt" batch_size: 4 }'), net)
    assert infer(net, data_shapes=read_record_shapes).blobs == {"x": (4, 3, 6, 7), "y": (4, 1, 6, 7)}
