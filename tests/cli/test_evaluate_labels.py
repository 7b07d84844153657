"""``caffe-fcn evaluate --truth DIR --predictions DIR``: two folders of label images, against counting by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ran
from PIL import Image

from caffe_fcn.datasets.records.palette import make_voc_palette

Cli = Callable[..., Ran]
SHAPE, CLASSES, IGNORED = (20, 30), 4, 255
NAMES = ["a", "deep/b", "c"]


def save(path: Path, label: np.ndarray, encoding: str = "grey") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(label)
    if encoding != "grey":
        image.putpalette(np.array(make_voc_palette(), np.uint8).tobytes())
    (image.convert("RGB") if encoding == "rgb" else image).save(path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of palette images as truth, and of grey ones as predictions; class 3 is only predicted."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(NAMES):
        random = np.random.default_rng(seed)
        label = random.choice([0, 1, 2, IGNORED], SHAPE).astype(np.uint8)
        save(Path(f"truth/{name}.png"), label, "palette")
        guess = np.where(random.random(SHAPE) < 0.7, label, random.integers(0, CLASSES, SHAPE))
        save(Path(f"guess/{name}.png"), np.where(guess == IGNORED, 0, guess).astype(np.uint8))
    save(Path("truth/more.png"), np.zeros(SHAPE, np.uint8), "palette")
    save(Path("guess/a_overlay.png"), np.zeros(SHAPE, np.uint8))
    return tmp_path


@pytest.fixture
def score(cli: Cli, here: Path) -> Cli:
    return lambda *more: cli("evaluate", "--truth", "truth", "--predictions", "guess", *more)


def count() -> np.ndarray:
    counts = np.zeros((CLASSES, CLASSES), int)
    for name in NAMES:
        label, guess = (np.asarray(Image.open(f"{folder}/{name}.png")) for folder in ("truth", "guess"))
        for true, found in zip(label.ravel(), guess.ravel(), strict=True):
            if true != IGNORED:
                counts[true, found] += 1
    return counts


@pytest.mark.parametrize("encoding", ["grey", "palette", "rgb"])
def test_the_folders_are_counted_whatever_the_encoding(score: Cli, encoding: str) -> None:
    Path("colours.txt").write_text("\n".join(f"{r} {g} {b} class{i}" for i, (r, g, b) in enumerate(make_voc_palette())))
    counts = count()
    for name in NAMES:
        path = Path(f"guess/{name}.png")
        save(path, np.asarray(Image.open(path)), encoding)
    ran = score("--json", *(["--palette", "colours.txt", "--classes", CLASSES] if encoding == "rgb" else []))
    found = json.loads(ran.out)
    assert found["confusion"] == counts.tolist()
    assert found["images"] == 3 and found["absent"] == [3]
    iu = counts.diagonal() / (counts.sum(0) + counts.sum(1) - counts.diagonal())
    assert found["mean_iu"] == pytest.approx(iu[:3].mean())
    assert "1 labels have no prediction; no label has 3 (which is predicted): the means leave it out" in ran.err
    assert [each["name"] for each in found["per_image"]] == ["a", "c", "deep/b"]


def test_names_of_classes(score: Cli) -> None:
    Path("names.txt").write_text("road\nsky\ntree\ncar\nbus\n")
    ran = score("--classes", "names.txt")
    assert "no label has car (which is predicted), bus: the means leave them out" in ran.err
    assert "sky " in ran.out


def draw_large() -> None:
    save(Path("guess/c.png"), np.zeros((9, 9), np.uint8))


def draw_low() -> None:
    for name in NAMES:
        save(Path(f"guess/{name}.png"), np.zeros(SHAPE, np.uint8))


def draw_void() -> None:
    save(Path("guess/c.png"), np.full(SHAPE, 255, np.uint8))


def draw_colours() -> None:
    save(Path("guess/c.png"), np.ones(SHAPE, np.uint8), "rgb")


# arguments, what is done before, what is said
BAD = {
    "no such folder": (["--truth", "none"], None, "none: no such file or directory"),
    "a folder without images": (["--predictions", "empty"], None, "empty: has no images"),
    "a prediction without a label": (["--predictions", "truth", "--truth", "guess"], None, "more.png: has no label"),
    "another size": ([], draw_large, "guess/c.png: is 9x9, and its label 20x30"),
    "a label above the classes": (["--classes", "2"], draw_low, "label 2 is none of the classes 0 to 1"),
    "a prediction above the classes": (["--classes", "3"], None, "predicts 3, which is none of the classes 0 to 2"),
    "a prediction of the ignored label": ([], draw_void, "guess/c.png: predicts 255, which is none of the classes"),
    "colours without classes": ([], draw_colours, "needs the colours of the classes (--palette FILE)"),
    "no image": ([], lambda: Path("guess/c.png").write_bytes(b"x"), "guess/c.png: is not an image"),
    "predictions alone": (["--truth", ""], None, "is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(score: Cli, case: str) -> None:
    more, prepare, what = BAD[case]
    Path("empty").mkdir()
    if prepare:
        prepare()
    ran = score(*more)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ") and what in ran.err and len(ran.err.splitlines()) == 1
