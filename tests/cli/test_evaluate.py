"""``caffe-fcn evaluate`` by both engines, against pycaffe and the reference's way of counting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import PyCaffe
from command import Ran
from PIL import Image

Cli = Callable[..., Ran]

CLASSES, SIZES = 4, [(9, 12), (11, 10), (9, 12)]
MEAN = (90.0, 100.0, 110.0)
NET = f"""
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }} }} }}
layer {{ name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param {{ num_output: {CLASSES} kernel_size: 3 pad: 1 weight_filler {{ type: "gaussian" std: 1 }} }} }}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pycaffe: PyCaffe) -> Path:
    """A net with weights of real Caffe's, and folders of images and labels."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "net.prototxt").write_text(NET)
    pycaffe("caffe.Net('net.prototxt', caffe.TEST).save('net.caffemodel')", cwd=folder)
    random = np.random.RandomState(0)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number, size in enumerate(SIZES):
        Image.fromarray(random.randint(0, 256, (*size, 3)).astype(np.uint8)).save(folder / f"images/{number}.png")
        label = random.choice([0, 1, 2, 3, 255], size).astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{number}.png")
    return folder


@pytest.fixture(scope="module")
def expected(made: Path, pycaffe: PyCaffe) -> dict[str, float]:
    """What score.py of the FCN reference computes, of the net as pycaffe runs it."""
    counts = np.zeros((CLASSES, CLASSES))
    for number in range(len(SIZES)):
        image = np.asarray(Image.open(made / f"images/{number}.png"))[:, :, ::-1] - np.array(MEAN)
        source = """
            net = caffe.Net('net.prototxt', 'net.caffemodel', caffe.TEST)
            net.blobs['data'].reshape(*inputs['image'].shape)
            net.blobs['data'].data[...] = inputs['image']
            outputs['best'] = net.forward()['score'][0].argmax(axis=0)
        """
        best = pycaffe(source, cwd=made, image=image.transpose(2, 0, 1)[None])["best"]
        label = np.asarray(Image.open(made / f"labels/{number}.png"))
        for true, guess in zip(label[label < CLASSES], best[label < CLASSES], strict=True):
            counts[true, guess] += 1
    right, labelled, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    iu = right / (labelled + predicted - right)
    return {
        "pixel_accuracy": right.sum() / counts.sum(),
        "mean_accuracy": (right / labelled).mean(),
        "mean_iu": iu.mean(),
        "frequency_weighted_iu": (labelled / counts.sum() * iu).sum(),
    }


@pytest.fixture
def data(cli: Cli, made: Path) -> Path:
    path = made / "data"
    if not path.exists():
        names = made / "classes.txt"
        names.write_text("background\nsquare\ncircle\nstar\n")
        folders = ["--images", made / "images", "--labels", made / "labels"]
        ran = cli("data", "folder", *folders, "--classes", names, "--val-percent", 0, "-o", path)
        assert ran.status == 0, ran.err
    return path


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_the_measures_are_the_references(
    cli: Cli, made: Path, data: Path, expected: dict[str, float], engine: str, caffe_bin: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    mean = ",".join(map(str, MEAN))
    command = ["evaluate", made / "net.prototxt", made / "net.caffemodel", "--data", data, "--mean", mean]
    ran = cli(*command, "--engine", engine, "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["images"] == len(SIZES)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    text = cli(*command, "--engine", engine).out
    assert f"{100 * expected['mean_iu']:.2f}" in text


BAD = {
    "no data set": (["--data", "none"], "none: "),
    "no such split": (["--split", "test"], "'test'"),
    "a mean of two": (["--mean", "1,2"], "2 "),
    "no such blob": (["--blob", "scor"], "has no blob 'scor' (did you mean score?)"),
    "no such precision": (["--precision", "fp16"], "--precision fp16: no such precision"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(cli: Cli, made: Path, data: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    more, what = BAD[case]
    ran = cli("evaluate", "net.prototxt", "net.caffemodel", "--data", data, "--engine", "torch", *more)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert what in ran.err
    assert len(ran.err.splitlines()) == 1
