"""What ``infer`` writes besides labels: probabilities, masks, truth, legends, averages, top classes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import saved_weights
from command import Ran
from google.protobuf import text_format
from PIL import Image

from caffe_fcn.datasets.records.palette import make_voc_palette
from caffe_fcn.proto import NetParameter

Cli = Callable[..., Ran]

CLASSES, SHAPE, TIE = 4, (15, 21), 1e-4
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 6 dim: 5 } } }'
NET = f"""{INPUT}
layer {{ name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param {{ num_output: {CLASSES} kernel_h: 1 kernel_w: 3 pad_w: 1 bias_term: false }} }}
"""
CLASSIFIER = f"""{INPUT}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param {{ num_output: 7 bias_term: false }} }}
"""
GREY = f"""{INPUT}
layer {{ name: "drawn" type: "Convolution" bottom: "data" top: "drawn"
  convolution_param {{ num_output: 1 kernel_size: 1 }} }}
"""
KERNEL = np.random.default_rng(5).normal(0, 0.02, (CLASSES, 3, 1, 3)).astype(np.float32)
DENSE = np.random.default_rng(6).normal(0, 0.01, (7, 3 * 6 * 5)).astype(np.float32)
NAMES = ["background", "road", "tree", "sky"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with nets, photos, and labels for two of the three photos."""
    monkeypatch.chdir(tmp_path)
    values = {"score": [KERNEL], "fc": [DENSE], "drawn": [np.ones((1, 3, 1, 1)), np.zeros(1)]}
    for name, text in (("fcn", NET), ("classifier", CLASSIFIER), ("grey", GREY)):
        Path(name).mkdir()
        Path(f"{name}/deploy.prototxt").write_text(text)
        saved_weights.save(Path(f"{name}/w.caffemodel"), text_format.Parse(text, NetParameter()), values)
    Path("fcn/labels.txt").write_text("\n".join(NAMES))
    Path("classifier/labels.txt").write_text("\n".join(f"class {each}" for each in "abcdefg"))
    random = np.random.default_rng(7)
    for folder in ("photos", "labels"):
        Path(folder).mkdir()
    for name in "abc":
        Image.fromarray(random.integers(0, 256, (*SHAPE, 3), np.uint8)).save(f"photos/{name}.png")
        if name != "c":
            Image.fromarray(random.choice([0, 1, 2, 3, 255], SHAPE).astype(np.uint8)).save(f"labels/{name}.png")
    return tmp_path


@pytest.fixture
def infer(cli: Cli, here: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """``infer`` with a net, and an engine that a further argument may change."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))

    def run(net: str, *more: object) -> Ran:
        return cli("infer", f"{net}/deploy.prototxt", f"{net}/w.caffemodel", "-o", "out", "--engine", "torch", *more)

    return run


def read_photo(name: str) -> np.ndarray:
    """A photo as the net gets it: C x H x W, blue first."""
    return np.asarray(Image.open(f"photos/{name}.png"))[..., ::-1].transpose(2, 0, 1)


def compute_scores(image: np.ndarray) -> np.ndarray:
    """The net's scores: a convolution written out."""
    padded = np.pad(image.astype(np.float64), ((0, 0), (0, 0), (1, 1)))
    width = image.shape[2]
    return sum(np.einsum("kc,chw->khw", KERNEL[:, :, 0, i], padded[:, :, i : i + width]) for i in range(3))


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(0))
    return powers / powers.sum(0)


def check_classes(path: str, scores: np.ndarray) -> None:
    """The label image has the best classes, but for ties, which rounding decides."""
    second, best = np.sort(scores, axis=0)[-2:]
    clear = best - second > TIE
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(Image.open(path))[clear], scores.argmax(0)[clear])


@pytest.mark.parametrize("engine", ["torch", "caffe"])
def test_probabilities_masks_and_the_truth_side_by_side(infer: Cli, engine: str) -> None:
    ran = infer("fcn", "photos", "--probabilities", "--above", "0.4", "--truth", "labels", "--json", "--engine", engine)
    assert ran.status == 0, ran.err
    for found in json.loads(ran.out)["images"]:
        name = Path(found["image"]).stem
        shares = softmax(compute_scores(read_photo(name)))
        with np.load(found["files"]["probabilities"]) as written:
            np.testing.assert_allclose(written["probabilities"], shares, atol=1e-5)
            assert written["probabilities"].dtype == np.float32 and [*written["classes"]] == NAMES
        clear = np.abs(shares - 0.4) > TIE
        for number, each in enumerate(NAMES):
            if each not in found["masks"]:  # a class without a pixel has no file
                assert not (shares[number] > 0.4 + TIE).any()
                continue
            mask = np.asarray(Image.open(found["masks"][each]))
            assert found["masks"][each] == f"out/{name}_above_{number}_{each}.png"
            np.testing.assert_array_equal(mask[clear[number]], 255 * (shares[number] > 0.4)[clear[number]])
        check_classes(found["files"]["label"], shares)

        if name == "c":
            assert "truth" not in found["files"] and found["mean_iu"] is None
            continue
        label, best = np.asarray(Image.open(f"labels/{name}.png")), np.asarray(Image.open(f"out/{name}.png"))
        known = label != 255
        either = [((label == k) | (best == k)) & known for k in range(CLASSES)]
        iu = [((label == k) & (best == k))[known].sum() / either[k].sum() for k in range(CLASSES)]
        assert found["mean_iu"] == pytest.approx(np.mean(iu))
        assert found["pixel_accuracy"] == pytest.approx((label == best)[known].mean())
        picture, width = np.asarray(Image.open(f"out/{name}_truth.png")), SHAPE[1]
        np.testing.assert_array_equal(picture[:, :width], read_photo(name)[::-1].transpose(1, 2, 0))
        np.testing.assert_array_equal(picture[:, -width:], np.asarray(Image.open(f"out/{name}_overlay.png")))
        assert picture.shape[1] == 3 * width + 12


def test_the_truth_of_a_data_set_is_that_of_its_records(infer: Cli, cli: Cli) -> None:
    Path("photos/c.png").unlink()
    names = "\n".join(NAMES)
    Path("classes.txt").write_text(names)
    folders = ["--images", "photos", "--labels", "labels", "--classes", "classes.txt"]
    assert cli("data", "folder", *folders, "--val-percent", 0, "-o", "set").status == 0
    found = [
        json.loads(infer("fcn", place, "--truth", truth, "--json").out)["images"]
        for place, truth in (("set", "set"), ("photos", "labels"), ("set", "labels"))
    ]
    figures = [sorted((each["mean_iu"], each["pixel_accuracy"]) for each in images) for images in found]
    assert figures[0] == figures[1] == figures[2]
    assert all("truth" in each["files"] for images in found for each in images)


def test_flips_and_scales_are_averaged(infer: Cli) -> None:
    """Of both images and at both scales; OpenCV scales the photos, and the probabilities back."""
    assert infer("fcn", "photos/a.png", "--flip", "--scales", "1,2", "--probabilities").status == 0
    photo = np.asarray(Image.open("photos/a.png"))[..., ::-1]
    height, width = SHAPE
    expected = []
    for scale in (1, 2):
        scaled = cv2.resize(photo, (scale * width, scale * height), interpolation=cv2.INTER_LINEAR)
        for step in (1, -1):
            shares = softmax(compute_scores(scaled[:, ::step].transpose(2, 0, 1)))[..., ::step]
            expected.append(cv2.resize(shares.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_LINEAR))
    mean = np.mean(expected, axis=0).transpose(2, 0, 1)
    with np.load("out/a_probabilities.npz") as written:
        np.testing.assert_allclose(written["probabilities"], mean, atol=1e-5)
    check_classes("out/a.png", mean)


def test_a_resized_image_is_answered_at_its_own_size(infer: Cli) -> None:
    ran = infer("fcn", "photos/a.png", "--resize", "8x12")
    assert "note: " in ran.err and "images are seen at 8x12" in ran.err
    small = cv2.resize(np.asarray(Image.open("photos/a.png"))[..., ::-1], (12, 8), interpolation=cv2.INTER_LINEAR)
    scores = compute_scores(small.transpose(2, 0, 1)).transpose(1, 2, 0)
    check_classes("out/a.png", cv2.resize(scores, SHAPE[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1))
    assert Image.open("out/a_overlay.png").size == SHAPE[::-1]


@pytest.mark.parametrize("engine", ["torch", "caffe"])
def test_a_classifier_gives_its_five_best_classes(infer: Cli, engine: str) -> None:
    ran = infer("classifier", "photos/a.png", "--json", "--engine", engine)
    assert ran.status == 0, ran.err
    assert "images are seen at 6x5, the only size that classifier/deploy.prototxt takes" in ran.err
    small = cv2.resize(np.asarray(Image.open("photos/a.png"))[..., ::-1], (5, 6), interpolation=cv2.INTER_LINEAR)
    shares = softmax(DENSE.astype(np.float64) @ small.transpose(2, 0, 1).ravel())
    (found,) = json.loads(ran.out)["images"]
    best = np.argsort(-shares)[:5]
    assert [each["name"] for each in found["top"]] == [f"class {'abcdefg'[number]}" for number in best]
    assert [each["probability"] for each in found["top"]] == pytest.approx(shares[best], abs=1e-5)
    assert Path("out/a.txt").read_text().startswith(f"{shares[best[0]]:.4f} class {'abcdefg'[best[0]]}\n")


def test_the_legend_has_the_colours_of_the_classes_in_a_corner(infer: Cli) -> None:
    Image.fromarray(np.asarray(Image.open("photos/a.png")).repeat(20, 0).repeat(20, 1)).save("large.png")
    pictures = []
    for more in ([], ["--no-legend"]):
        assert infer("fcn", "large.png", *more).status == 0
        pictures.append(np.asarray(Image.open("out/large_overlay.png")).astype(int))
    changed = np.argwhere((pictures[0] != pictures[1]).any(2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    height, width = pictures[0].shape[:2]
    assert (right - left) <= width / 3 + 1 and (bottom - top) <= height / 2
    assert min(top, height - bottom) < 20 and min(left, width - right) < 20
    for number in np.unique(np.asarray(Image.open("out/large.png"))):
        has_colour = [(picture == make_voc_palette()[number]).all(2).sum() for picture in pictures]
        assert has_colour[0] >= has_colour[1] + 80  # a square of the colour itself


def test_tiles_give_the_same_files(infer: Cli) -> None:
    more = ["photos/a.png", "--probabilities"]
    assert infer("fcn", *more).status == 0
    with np.load("out/a_probabilities.npz") as written:
        whole = written["probabilities"]
    for extra in ([], ["--flip"]):
        assert infer("fcn", *more, *extra, "--tile", "5x6").status == 0
        with np.load("out/a_probabilities.npz") as written:
            found = written["probabilities"]
        if not extra:
            np.testing.assert_allclose(found, whole, atol=1e-6)
    flipped = softmax(compute_scores(read_photo("a")[..., ::-1]))[..., ::-1]
    np.testing.assert_allclose(found, (softmax(compute_scores(read_photo("a"))) + flipped) / 2, atol=1e-5)


def test_two_processes_write_what_one_writes(infer: Cli) -> None:
    Path("photos/b.png").write_bytes(b"broken")
    found = []
    for more in ([], ["--nproc", "2"]):
        ran = infer("fcn", "photos", *more)
        assert ran.status == 2
        found.append((ran.out, ran.err, {path.name: path.read_bytes() for path in Path("out").iterdir()}))
        for path in Path("out").iterdir():
            path.unlink()
    assert found[0] == found[1]
    assert "1 of 3 images are broken" in found[0][1]


@pytest.mark.parametrize("nproc", [1, pytest.param(2, marks=pytest.mark.long)])
def test_an_interruption_leaves_whole_files_and_no_process(here: Path, nproc: int) -> None:
    for number in range(500):
        Path(f"photos/{number}.png").write_bytes(Path("photos/a.png").read_bytes())
    command = [sys.executable, "-m", "caffe_fcn", "infer", "fcn/deploy.prototxt", "fcn/w.caffemodel", "photos"]
    command += ["-o", "out", "--engine", "torch", "--nproc", str(nproc)]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline().startswith("out/")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == (nproc if nproc > 1 else 0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "interrupted")
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    written = [*Path("out").iterdir()]
    assert 0 < len(written) < 1000 and {path.suffix for path in written} == {".png"}
    for path in written:
        Image.open(path).load()


@pytest.mark.long
def test_torchrun_writes_what_one_process_writes(infer: Cli) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "caffe_fcn", "infer"]
    command += ["fcn/deploy.prototxt", "fcn/w.caffemodel", "photos", "-o", "out", "--engine", "torch"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    shared = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert ran.stdout == infer("fcn", "photos").out
    assert shared == {path.name: path.read_bytes() for path in Path("out").iterdir()}


def test_a_broken_image_in_json(infer: Cli) -> None:
    Path("photos/b.png").write_bytes(b"broken")
    ran = infer("fcn", "photos", "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["broken"]) == (2, 1)
    assert [each["error"] is None for each in found["images"]] == [True, False, True]
    assert found["images"][1]["error"][0] == "photos/b.png"


def write_label(value: int, shape: tuple[int, int] = SHAPE) -> None:
    Image.fromarray(np.full(shape, value, np.uint8)).save("labels/a.png")


# net, arguments, what is done before, what is said
BAD = {
    "no labels": ("fcn", ["--truth", "none"], None, "none: no such folder"),
    "labels of another size": ("fcn", ["--truth", "labels"], lambda: write_label(0, (3, 4)), "a.png: is 3x4, and its"),
    "labels above the classes": (
        "fcn",
        ["--truth", "labels"],
        lambda: write_label(9),
        "label 9 is none of the",
    ),
    "probabilities of grey": ("grey", ["--probabilities"], None, "gives grey values, which are no probabilities"),
    "no scales": ("fcn", ["--scales", "1,0"], None, "'1,0' is not a list of scales"),
    "tiles of a classifier": ("classifier", ["--tile", "5x5"], None, "looks at more of an image than a window"),
    "tiles that are too small": ("fcn", ["--tile", "5x2"], None, "--tile: 2 pixels are too few"),
    "processes of torchrun and others": ("fcn", ["--nproc", "2"], "torchrun", "--nproc: torchrun says how many"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(infer: Cli, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, more, prepare, what = BAD[case]
    if callable(prepare):
        prepare()
    elif prepare:
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "0")
    ran = infer(net, "photos/a.png", *more)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ") and what in ran.err and len(ran.err.splitlines()) == 1
    assert not Path("out").exists()
