"""Images and labels that lists name; which label belongs to an image shows in its pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffe_fcn import datasets
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats import folder
from caffe_fcn.errors import DatasetError, FileError


def add(path: Path, value: int) -> None:
    """An image of one grey value; or a label whose second row has this class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((4, 5), np.uint8)
    pixels[0 if path.suffix == ".png" and "mask" in path.as_posix() else slice(None)] = value
    Image.fromarray(pixels).save(path)


def pairs_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> the value of the image and the class in the first row of the label."""
    found = {}
    for split in ("train", "val"):
        if (folder / f"{split}.txt").exists():
            pairs = datasets.open(folder, split)
            found.update({n: (int(i[0, 0, 0]), int(l[0, 0, 0])) for n, (i, l) in zip(pairs.names, pairs, strict=True)})
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """photos/a to d and masks/a to d, in which image and label have the same value."""
    for value, name in enumerate("abcd", 1):
        add(tmp_path / "photos" / f"{name}.bmp", value)
        add(tmp_path / "masks" / f"{name}.png", value)
    return tmp_path


def build(root: Path, images: str, labels: str, **options: object) -> dict[str, tuple[int, int]]:
    folder.build(root / "set", root / images, root / labels, val_percent=0, **options)  # type: ignore[arg-type]
    return pairs_of(root / "set")


def write(path: Path, *lines: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_the_command_takes_lists_in_place_of_folders(root: Path, cli) -> None:
    images = write(root / "lists" / "images.txt", "../photos/c.bmp", "", "../photos/a.bmp", root / "photos" / "b.bmp")
    labels = write(root / "lists" / "labels.txt", *(f"../masks/{name}.png" for name in "abc"))
    for given in (labels, root / "masks"):
        options = ("--val-percent", 0, "--no-shuffle", "--label-encoding", "grey", "-o", root / "set")
        done = cli("data", "folder", "--images", images, "--labels", given, *options)
        assert done.status == 0, done.err
        assert list(pairs_of(root / "set").items()) == [("c", (3, 3)), ("a", (1, 1)), ("b", (2, 2))]
    about = json.loads((root / "set" / "dataset.json").read_text())
    assert about["sources"][0]["images"] == images


def test_a_list_of_labels_chooses_from_a_folder_of_images(root: Path) -> None:
    write(root / "labels.txt", "masks/d.png", "masks/b.png")
    assert build(root, "photos", "labels.txt") == {"b": (2, 2), "d": (4, 4)}


def test_lists_make_the_validation_set_too(root: Path) -> None:
    write(root / "train.txt", "photos/a.bmp", "photos/b.bmp")
    write(root / "val.txt", "photos/c.bmp", "photos/d.bmp")
    about = folder.build(
        root / "set", root / "train.txt", root / "masks", val_images=root / "val.txt", val_labels=root / "masks"
    )
    assert {name: split["count"] for name, split in about.splits.items()} == {"train": 2, "val": 2}
    assert datasets.open(root / "set", "val").names == ["c", "d"]


def test_lists_without_a_common_name_pair_line_by_line(root: Path) -> None:
    for value in range(1, 4):
        add(root / "mask" / f"mask_{value}.png", value)
    write(root / "images.txt", "photos/b.bmp", "photos/a.bmp", "photos/c.bmp")
    write(root / "labels.txt", "mask/mask_2.png", "mask/mask_1.png", "mask/mask_3.png")
    assert build(root, "images.txt", "labels.txt") == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    write(root / "labels.txt", "mask/mask_2.png")
    with pytest.raises(DatasetError, match="no name in common"):
        build(root, "images.txt", "labels.txt")


def test_the_longest_common_end_of_the_paths_decides(tmp_path: Path) -> None:
    for value, place in enumerate(("x", "y"), 1):
        add(tmp_path / "photos" / place / "1.bmp", value)
        add(tmp_path / "masks" / place / "1.png", value)
    write(tmp_path / "both.txt", "photos/x/1.bmp", "photos/y/1.bmp")
    assert build(tmp_path, "both.txt", "masks") == {"x/1": (1, 1), "y/1": (2, 2)}
    write(tmp_path / "one.txt", "photos/y/1.bmp")
    assert build(tmp_path, "one.txt", "masks") == {"1": (2, 2)}
    write(tmp_path / "labels.txt", "masks/y/1.png", "masks/x/1.png")
    assert build(tmp_path, "both.txt", "labels.txt") == {"x/1": (1, 1), "y/1": (2, 2)}
    add(tmp_path / "flat_masks" / "1.png", 1)
    with pytest.raises(DatasetError, match="belongs to the same"):
        build(tmp_path, "both.txt", "flat_masks")


def test_paths_are_looked_for_beside_the_list_and_then_in_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "lists" / "images.txt", "photos/a.bmp", "photos/b.bmp")
    monkeypatch.chdir(root)
    assert build(root, "lists/images.txt", "masks") == {"a": (1, 1), "b": (2, 2)}
    add(root / "lists" / "photos" / "a.bmp", 9)
    assert sorted(build(root, "lists/images.txt", "masks").values()) == [(2, 2), (9, 1)]


def test_lists_of_imagedata_layers_are_read(root: Path) -> None:
    write(root / "images.txt", *(f"{root}/photos/{name}.bmp 0" for name in "ab"))
    assert build(root, "images.txt", "masks") == {"a": (1, 1), "b": (2, 2)}


def test_missing_files_are_named_with_their_lines_or_skipped(root: Path, cli) -> None:
    images = write(root / "images.txt", "photos/a.bmp", "photos/gone.bmp", "photos/b.bmp", "photos/lost.bmp")
    for kind in ("gone", "lost"):
        add(root / "masks" / f"{kind}.png", 1)
    command = ("data", "folder", "--images", images, "--labels", root / "masks", "-o", root / "set")
    done = cli(*command)
    assert done.status == 2 and done.err.count("\n") == 1 and not (root / "set").exists()
    assert "'photos/gone.bmp' (line 2), 'photos/lost.bmp' (line 4) are not there" in done.err
    assert str(root) in done.err and str(Path.cwd()) in done.err
    assert cli(*command, "--on-error", "skip", "--val-percent", 0).status == 0
    about = json.loads((root / "set" / "dataset.json").read_text())
    assert {each["name"] for each in about["splits"]["train"]["skipped"]} == {"gone", "lost"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "lists no files"),
        (b"\n \n", "lists no files"),
        (b"photos/a.bmp\nphotos/../photos/a.bmp\n", "is the file of line 1"),
        (b"BM\0\0", "is not a list of files"),
        (b"\xff\xfe\n", "not there"),
    ],
)
def test_what_is_no_list_is_one_line(root: Path, content: bytes, told: str) -> None:
    (root / "images.txt").write_bytes(content)
    with pytest.raises(FileError, match=told) as raised:
        build(root, "images.txt", "masks")
    assert "\n" not in str(raised.value) and "images.txt" in str(raised.value)


def test_an_image_without_a_label_is_a_fault_and_may_be_skipped(root: Path) -> None:
    (root / "masks" / "b.png").unlink()
    write(root / "images.txt", "photos/a.bmp", "photos/b.bmp", "photos/c.bmp")
    with pytest.raises(DatasetError, match=r"b\.bmp: there is no label of this name"):
        build(root, "images.txt", "masks")
    assert build(root, "images.txt", "masks", options=ImportOptions(on_error="skip")).keys() == {"a", "c"}
    write(root / "labels.txt", "masks/a.png", "masks/d.png", "masks/c.png")
    assert build(root, "images.txt", "labels.txt", options=ImportOptions(on_error="skip")).keys() == {"a", "c"}
