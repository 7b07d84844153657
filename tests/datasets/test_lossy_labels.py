"""Labels that a lossy format has changed, judged by what Pillow decodes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from caffe_fcn.datasets.records.lossy import find_lossy_format
from caffe_fcn.proto import Datum

SIZE = (24, 32)


def label() -> np.ndarray:
    """Four classes in stripes that cross the blocks of a JPEG."""
    return ((np.add.outer(np.arange(SIZE[0]), np.arange(SIZE[1])) // 5) % 4).astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write_pairs(root: Path, kind: str, mode: str = "L", **options: object) -> Path:
    for folder in ("photos", "masks"):
        (root / folder).mkdir(parents=True)
    for name in ("one", "two"):
        noise = np.random.default_rng(len(name)).integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(noise).save(root / "photos" / f"{name}.png")
        image = Image.fromarray(label() * (1 if mode == "L" else 60)).convert(mode)
        (root / "masks" / f"{name}.{kind.lower()}").write_bytes(encode(image, kind, **options))
    return root


def build(cli, root: Path, *more: object):
    return cli(
        "data", "folder", "--images", root / "photos", "--labels", root / "masks", "--val-percent", 0,
        "-o", root / "set", *more,
    )  # fmt: skip


def test_a_jpeg_label_is_refused_with_the_values_that_are_not_classes(tmp_path: Path, cli) -> None:
    root = write_pairs(tmp_path, "JPEG", quality=60)
    invented = sorted(set(np.unique(np.array(Image.open(root / "masks" / "one.jpeg"))).tolist()) - set(range(4)))
    assert invented  # compression did change classes
    done = build(cli, root, "--classes", 4)
    assert done.status == 2 and not (root / "set").exists()
    assert len(done.err.splitlines()) == 1 and ".jpeg: is a JPEG" in done.err
    assert f" {invented[0]}, " in done.err and f" {invented[-1]}" in done.err and "are not classes" in done.err
    assert "as PNG" in done.err


def test_a_jpeg_label_is_refused_where_no_classes_are_known_and_before_its_colours_are_asked_for(
    tmp_path: Path, cli
) -> None:
    grey = build(cli, write_pairs(tmp_path / "grey", "JPEG", quality=60))
    assert grey.status == 2 and "is a JPEG" in grey.err and "less than 1 % of its pixels" in grey.err
    rgb = build(cli, write_pairs(tmp_path / "rgb", "JPEG", "RGB", quality=60))
    assert rgb.status == 2 and "is a JPEG" in rgb.err


def test_a_jpeg_label_is_skipped_on_demand_and_listed(tmp_path: Path, cli) -> None:
    root = write_pairs(tmp_path, "JPEG")
    (root / "masks" / "one.jpeg").unlink()
    (root / "masks" / "one.png").write_bytes(encode(Image.fromarray(label()), "PNG"))
    assert build(cli, root, "--on-error", "skip").status == 0
    about = json.loads((root / "set" / "dataset.json").read_text())
    assert [each["name"] for each in about["splits"]["train"]["skipped"]] == ["two"]


@pytest.mark.parametrize(
    ("kind", "options", "lossy"),
    [
        ("JPEG", {}, True),
        ("WEBP", {"quality": 70}, True),
        ("WEBP", {"lossless": True}, False),
        ("WEBP", {"quality": 70, "exif": b"Exif\0\0II*\0"}, True),  # in the extended form
        ("TIFF", {"compression": "jpeg"}, True),
        ("TIFF", {"compression": "tiff_lzw"}, False),
        ("TIFF", {}, False),
        ("PNG", {}, False),
        ("GIF", {}, False),
        ("BMP", {}, False),
        ("PPM", {}, False),
    ],
)
def test_a_format_is_lossy_where_its_pixels_come_back_changed(kind: str, options: dict, lossy: bool) -> None:
    image = Image.fromarray(label() * 60).convert("RGB")
    data = encode(image, kind, **options)
    changed = bool((np.array(Image.open(io.BytesIO(data)).convert("RGB")) != np.array(image)).any())
    assert changed == lossy
    assert (find_lossy_format(data) is not None) == lossy
    for cut in range(0, len(data) if kind == "WEBP" else 0, 7):  # no cut WebP makes the walk endless or fail
        find_lossy_format(data[:cut])


@pytest.mark.parametrize("more", [(), ("--classes", 4)])
def test_the_check_of_a_database_finds_lossy_label_records(tmp_path: Path, cli, more: tuple) -> None:
    records = {"features": [], "labels": []}
    for kind in ("PNG", "JPEG"):
        photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
        records["features"].append(encode(photo, "JPEG"))  # images may be lossy
        records["labels"].append(encode(Image.fromarray(label()), kind))
    for name, values in records.items():
        path = tmp_path / "train_db" / name
        path.mkdir(parents=True)
        with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
            for number, data in enumerate(values):
                transaction.put(b"%08d" % number, Datum(data=data, encoded=True).SerializeToString())
    done = cli("data", "info", tmp_path, "--check", "--json", *more)
    found = json.loads(done.out)
    assert done.status == 1 and found["splits"]["train"]["faults"] == {"lossy": 1}
    assert "record 1" in found["faults"][0]["where"] and "is a JPEG" in str(found["faults"][0])
