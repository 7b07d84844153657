"""``caffe-fcn evaluate`` by both engines, against pycaffe and the reference's way of counting."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
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


@pytest.fixture
def scores(cli: Cli, made: Path, data: Path) -> Callable[..., Ran]:
    """``evaluate`` by the torch engine, of further arguments."""
    command = ["evaluate", made / "net.prototxt", made / "net.caffemodel", "--data", data, "--engine", "torch"]
    return lambda *more: cli(*command, "--mean", ",".join(map(str, MEAN)), *more)


def test_worst_and_best_images_and_the_table_of_classes_are_sorted(scores: Callable[..., Ran]) -> None:
    found = json.loads(scores("--json").out)
    ranked = sorted(found["per_image"], key=lambda each: each["mean_iu"])
    lines = scores("--images", "1", "--sort", "iu").out.split("\n")
    worst, best = (lines[lines.index(next(line for line in lines if word in line)) + 1] for word in ("worst", "best"))
    assert worst.split()[:2] == [ranked[0]["name"], f"{100 * ranked[0]['mean_iu']:.2f}"]
    assert best.split()[:2] == [ranked[-1]["name"], f"{100 * ranked[-1]['mean_iu']:.2f}"]

    table = lines[lines.index(next(line for line in lines if "boundary IU %" in line)) + 1 :][:CLASSES]
    by_iu = sorted(found["per_class"], key=lambda each: -each["iu"])
    assert [line.split()[0] for line in table] == [each["name"] for each in by_iu]
    by_number = scores("--sort", "class").out
    assert by_number.index("background  ") < by_number.index("square  ") < by_number.index("star  ")


def test_the_confusion_matrix_as_a_table_and_as_pictures(scores: Callable[..., Ran], tmp_path: Path) -> None:
    targets = [tmp_path / name for name in ("c.csv", "c.svg", "c.png")]
    ran = scores("--json", *(word for target in targets for word in ("--confusion", target)))
    found = json.loads(ran.out)
    with targets[0].open() as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows] == ["background", "square", "circle", "star"]
    assert [[int(each) for each in row[1:]] for row in rows] == found["confusion"]
    assert sum(map(sum, found["confusion"])) == sum(each["pixels"] for each in found["per_class"])
    right, row = found["confusion"][1][1], sum(found["confusion"][1])
    assert f"square predicted as square: {right} pixels, {right / row:.1%}" in targets[1].read_text()
    assert Image.open(targets[2]).size[0] > 100
    ran = scores("--confusion", tmp_path / "c.gif")
    assert (ran.status, ran.out) == (2, "") and "'.gif' (one of .csv, .svg, .png)" in ran.err


@pytest.mark.parametrize("engine", ["torch", pytest.param("caffe", marks=pytest.mark.long)])
def test_two_processes_give_the_scores_of_one(
    scores: Callable[..., Ran], engine: str, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    more = ["--json", "--above", "0.3", "--engine", engine]
    shared, alone = scores(*more, "--nproc", "2"), scores(*more)
    assert (shared.status, shared.err) == (0, alone.err)
    assert shared.out == alone.out


def test_an_error_of_one_of_several_processes_is_one_line(scores: Callable[..., Ran]) -> None:
    ran = scores("--nproc", "2", "--blob", "scor")
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "has no blob 'scor' (did you mean score?)" in ran.err


@pytest.mark.long
def test_torchrun_gives_the_scores_of_one_process(scores: Callable[..., Ran], made: Path, data: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "caffe_fcn", "evaluate"]
    command += ["net.prototxt", "net.caffemodel", "--data", str(data), "--engine", "torch", "--json"]
    ran = subprocess.run([*command, "--mean", ",".join(map(str, MEAN))], cwd=made, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == scores("--json").out


BAD = {
    "no data set": (["--data", "none"], "none: "),
    "no such split": (["--split", "test"], "'test'"),
    "a mean of two": (["--mean", "1,2"], "2 "),
    "no such blob": (["--blob", "scor"], "has no blob 'scor' (did you mean score?)"),
    "processes of torchrun and others": (["--nproc", "2"], "--nproc: torchrun says how many processes there are"),
    "truth without predictions": (["--truth", "labels"], "--truth and --predictions go together"),
    "names for a net that has its own": (["--classes", "4"], "a net knows its classes"),
    "no such precision": (["--precision", "fp16"], "--precision fp16: no such precision"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(cli: Cli, made: Path, data: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    more, what = BAD[case]
    if "torchrun" in what:
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "0")
    ran = cli("evaluate", "net.prototxt", "net.caffemodel", "--data", data, "--engine", "torch", *more)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert what in ran.err
    assert len(ran.err.splitlines()) == 1
