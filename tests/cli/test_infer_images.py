"""What ``infer`` takes as images: folders, patterns, lists, data sets; and what it does with broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import saved_weights
from command import Ran
from google.protobuf import text_format
from PIL import Image

from caffe_fcn.proto import NetParameter

Cli = Callable[..., Ran]
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
MODEL = {
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": [100]}],
    "outputs": [{"blob": "score", "kind": "scores"}],
}
PHOTOS = {"a.png": 1, "summer/a.jpg": 2, "summer/sea/b.PNG": 3, "winter/a.bmp": 4}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a net, by which class 1 wins where blue is above 100, and a tree of photos."""
    monkeypatch.chdir(tmp_path)
    net = tmp_path / "net"
    net.mkdir()
    (net / "deploy.prototxt").write_text(NET)
    (net / "model.json").write_text(json.dumps(MODEL))
    kernel = np.array([[0, 0, 0], [1, 0, 0]], np.float32).reshape(2, 3, 1, 1)
    saved_weights.save(net / "fcn.caffemodel", text_format.Parse(NET, NetParameter()), {"score": [kernel]})
    for name, seed in PHOTOS.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(path, seed)
    (tmp_path / "photos/notes.txt").write_text("not an image")
    (tmp_path / "photos/.hidden.png").write_bytes(b"not an image")
    return tmp_path


def draw(path: Path, seed: int) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)).save(path)


@pytest.fixture
def infer(cli: Cli) -> Cli:
    return lambda *arguments: cli("infer", "net", *arguments, "--engine", "torch")


def check(output: str, image: str) -> None:
    """The output's pixels are the classes that follow from the image's."""
    blue = np.asarray(Image.open(image).convert("RGB"))[..., 2]
    np.testing.assert_array_equal(np.asarray(Image.open(output)), blue > 100)


def outputs(folder: str) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.png"))
    return sorted(name for name in found if not name.endswith("_overlay.png"))


MIRRORED = ["a.png", "summer/a.png", "summer/sea/b.png", "winter/a.png"]


def test_the_outputs_of_a_folder_lie_in_folders_alike(infer: Cli, here: Path) -> None:
    done = infer("photos", "-o", "out")
    assert done.status == 0, done.err
    assert outputs("out") == MIRRORED
    assert [line.split(":")[0] for line in done.out.splitlines()] == [f"out/{name}" for name in MIRRORED]
    for name, image in zip(MIRRORED, PHOTOS, strict=True):
        check(f"out/{name}", f"photos/{image}")
    assert Path("out/summer/sea/b_overlay.png").is_file()


def test_outputs_are_never_taken_for_images(infer: Cli, here: Path) -> None:
    for _ in range(2):
        assert infer("photos", "-o", "photos/out").status == 0
        assert outputs("photos/out") == MIRRORED


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*/*", ["summer/a.png", "winter/a.png"]),
        ("photos/summer/**/*", ["a.png", "sea/b.png"]),
        ("p*/*.png", ["photos/a.png"]),
    ],
)
def test_a_pattern_that_no_shell_expanded(infer: Cli, here: Path, pattern: str, expected: list[str]) -> None:
    assert infer(pattern, "-o", "out").status == 0
    assert outputs("out") == expected


def test_a_file_whose_name_is_a_pattern_is_a_file(infer: Cli, here: Path) -> None:
    draw(here / "a[1].png", 7)
    assert infer("a[1].png", "-o", "out").status == 0
    check("out/a[1].png", "a[1].png")


def test_a_list_of_images(infer: Cli, here: Path) -> None:
    (here / "lists").mkdir()
    (here / "lists/val.txt").write_text("photos/summer/a.jpg\n../photos/winter/a.bmp\n")
    assert infer("lists/val.txt", "-o", "out").status == 0
    assert outputs("out") == ["summer/a.png", "winter/a.png"]
    check("out/winter/a.png", "photos/winter/a.bmp")


def test_the_records_of_a_data_set(infer: Cli, cli: Cli, here: Path) -> None:
    """The split val by the keys of its records; the only one where there is no val."""
    for name in ("images", "labels"):
        (here / name).mkdir()
    for number in range(4):
        draw(here / f"images/{number}.png", number)
        Image.fromarray(np.full((6, 5), number % 2, np.uint8)).save(here / f"labels/{number}.png")
    (here / "classes.txt").write_text("class0\nclass1\n")
    for percent, count in ((50, 2), (0, 4)):
        command = ["data", "folder", "--images", "images", "--labels", "labels", "--allow", "one-class"]
        command += ["--classes", "classes.txt"]
        assert cli(*command, "--val-percent", percent, "-o", f"set{percent}").status == 0
        done = infer(f"set{percent}", "-o", f"out{percent}")
        assert done.status == 0, done.err
        assert outputs(f"out{percent}") == [f"{number:08d}.png" for number in range(count)]
    assert "class1" in done.out
    names = (here / "set50/val.txt").read_text().split()
    for number, name in enumerate(names):
        check(f"out50/{number:08d}.png", f"images/{Path(name).stem}.png")
    trained = (here / "set50/train.txt").read_text().split()
    assert infer("set50#train:1", "set50#val:0", "-o", "records").status == 0
    assert outputs("records") == ["00000000.png", "00000001.png"]
    check("records/00000001.png", f"images/{Path(trained[1]).stem}.png")
    check("records/00000000.png", f"images/{Path(names[0]).stem}.png")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("set#val:9", "has only 1 records"),
        ("set#test", "has no split 'test'"),
        ("photos#val", "No such file"),
        ("none#val:0", "No such file"),
    ],
)
def test_records_that_are_not_there(place: str, why: str, infer: Cli, cli: Cli, here: Path) -> None:
    assert cli("data", "triangles", "--count", 2, "--val-percent", 50, "-o", "set").status == 0
    done = infer(place, "-o", "out")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert why.lower() in done.err.lower()


def test_a_broken_image_is_reported_and_the_rest_goes_on(infer: Cli, here: Path) -> None:
    (here / "photos/summer/0.jpg").write_bytes(b"\xff\xd8 no more")
    (here / "photos/winter/z.png").write_bytes(b"")
    done = infer("photos", "-o", "out")
    assert done.status == 2
    assert outputs("out") == MIRRORED
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1] for line in errors] == [" photos/summer/0.jpg", " photos/winter/z.png"]
    assert done.err.endswith("2 of 6 images are broken\n")


def test_all_images_broken(infer: Cli, here: Path) -> None:
    for name in ("x.png", "y.png"):
        (here / name).write_bytes(b"x")
    done = infer("x.png", "y.png", "-o", "out")
    assert (done.status, done.out) == (2, "")
    assert not Path("out").exists()


BAD = {
    "an empty folder": (["empty"], "empty: has no images"),
    "a pattern of nothing": (["none/*.png"], "none/*.png: has no images"),
    "one of several missing": (["photos/a.png", "none.png"], "none.png: no such file"),
    "a list of what is missing": (["list.txt"], "'none.png' (line 1) is not there"),
    "two of one name": (["photos/summer", "photos/winter"], "both would be out/a.png"),
    "the overlay of another": (["a_overlay.png", "photos/a.png"], "both would be out/a_overlay.png"),
    "a damaged data set": (["set"], "dataset.json"),
    "no such input": (["photos", "--input", "depth=photos"], "'depth' is no further input of net/deploy.prototxt"),
    "no pair": (["photos", "--input", "depth"], "'depth' is not BLOB=DIR|FILE"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_one_line_and_leave_nothing(infer: Cli, here: Path, case: str) -> None:
    (here / "empty").mkdir()
    (here / "list.txt").write_text("none.png\n")
    draw(here / "a_overlay.png", 1)
    (here / "set").mkdir()
    (here / "set/dataset.json").write_text("{}")
    arguments, what = BAD[case]
    ran = infer(*arguments, "-o", "out")
    assert (ran.status, ran.out) == (2, "")
    assert what in ran.err and ran.err.startswith("error: ") and len(ran.err.splitlines()) == 1
    assert not Path("out").exists()


def test_the_images_themselves_are_never_replaced(infer: Cli, here: Path) -> None:
    before = (here / "photos/a.png").read_bytes()
    ran = infer("photos/summer", "photos/a.png", "-o", "photos")
    assert ran.status == 2
    assert (here / "photos/a.png").read_bytes() == before
