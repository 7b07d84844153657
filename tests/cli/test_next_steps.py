"""The commands that commands print as the next ones: each of them runs as it was printed."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker, PyCaffe
from command import ROOT, Ran
from digits_layout import make_data_job, make_model_job
from file_server import serve_file
from PIL import Image

from caffe_fcn import models, proto
from caffe_fcn.cli import next_steps
from caffe_fcn.cli.printing import Verbosity
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.models import names
from caffe_fcn.models.table import Checksum, Fact
from caffe_fcn.netspec.catalogue import CHOICES, catalogue, find_design
from caffe_fcn.proto import SolverParameter

Cli = Callable[..., Ran]


def find_next(ran: Ran) -> list[list[str]]:
    """The printed commands, as a shell splits them; the first one is next, and others follow it."""
    lines = [line for line in ran.err.splitlines() if re.match(r"(next|then): ", line)]
    assert [line.partition(":")[0] for line in lines] == ["next", *["then"] * (len(lines) - 1)][: len(lines)]
    words = [shlex.split(line.partition(": ")[2]) for line in lines]
    assert all(each[0] == "caffe-fcn" for each in words)
    return [each[1:] for each in words]


@pytest.fixture(autouse=True)
def not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier command of this process may have been quiet."""
    monkeypatch.setattr(Verbosity, "quiet", False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "cache"))
    return tmp_path


def draw_photos(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(5):
        Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"images/{number}.png")
        label = random.integers(0, 3, (40, 40)).astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{number}.png")


@pytest.fixture
def classifiers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that has small weights in place of GoogLeNet's and of AlexNet's."""
    file = io.BytesIO()
    np.savez(file, **{"conv1/7x7_s2/0": np.ones((64, 3, 7, 7), "f4"), "conv1/0": np.ones((96, 3, 11, 11), "f4")})
    content = file.getvalue()
    monkeypatch.delenv("CAFFE_FCN_MODELS_URL", raising=False)
    with serve_file(content) as served:
        for name in ("googlenet", "alexnet"):
            checksums = (Fact(Checksum("sha1", hashlib.sha1(content).hexdigest()), "test"),)
            row = replace(models.MODELS[name], addresses=(Fact(f"{served.url}/{name}", "test"),), checksums=checksums)
            monkeypatch.setitem(names._BY_NAME, name, replace(row, size=Fact(len(content), "test")))
        yield


def shorten_training(solver: Path) -> None:
    param = proto.read_solver(solver)
    param.MergeFrom(SolverParameter(max_iter=2, iter_size=1, display=1, snapshot=2, solver_mode=0))
    proto.write(param, solver)


@pytest.mark.parametrize("engine", ["caffe", pytest.param("torch", marks=pytest.mark.long)])
def test_from_photos_to_a_score(place: Path, cli: Cli, classifiers: None, engine: str) -> None:
    """Only the first command is typed, and the engine."""
    draw_photos(place / "my photos")
    given = ["--images", "my photos/images", "--labels", "my photos/labels", "--classes", 3]
    ran = cli("data", "folder", *given, "-o", "it's a $set")
    (build,) = find_next(ran)
    assert build[:3] == ["net", "build", "voc-fcn32s-googlenet"]
    surgery, train = find_next(cli(*build))
    ran = cli(*surgery)
    assert ran.status == 0, ran.err
    assert find_next(ran) == [train]
    shorten_training(Path(train[1]))
    ran = cli(*train, "--engine", engine)
    assert ran.status == 0, ran.err
    evaluate, export = find_next(ran)
    assert evaluate[0] == "evaluate" and evaluate[-4:] == ["--data", "it's a $set", "--engine", engine]
    ran = cli(*evaluate)
    assert ran.status == 0 and "mean IU" in ran.out, ran.err
    ran = cli(*export)
    assert ran.status == 0 and Path("it's a $set-fcn-bundle/deploy.prototxt").is_file(), ran.err


@pytest.mark.parametrize("name", ["two words", "it's", "$HOME", "a;b&c", "-x", "ü*", 'say "no"'])
def test_a_shell_runs_the_printed_line(place: Path, cli: Cli, name: str) -> None:
    draw_photos(place / "photos")
    given = ["--images", "photos/images", "--labels", "photos/labels", "--classes", 3, f"--output={name}"]
    ran = cli("data", "folder", *given)
    line = next(line for line in ran.err.splitlines() if line.startswith("next: "))
    (place / "bin").mkdir()
    (place / "bin/caffe-fcn").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m caffe_fcn "$@"\n')
    (place / "bin/caffe-fcn").chmod(0o755)
    variables = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", line.removeprefix("next: ")], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (place / f"{name}-fcn/train.prototxt").is_file()
    net = proto.read_net(place / f"{name}-fcn/train.prototxt")
    assert net.layer[0].data_param.source == f"../{name}/train_images"


def test_a_name_that_cannot_be_typed_is_not_printed(place: Path, cli: Cli) -> None:
    ran = cli("data", "triangles", "--count", 10, "-o", "two\nlines")
    assert ran.status == 0 and find_next(ran) == []


def test_quiet_prints_no_next_command(place: Path, cli: Cli) -> None:
    assert cli("data", "triangles", "--count", 10, "--quiet", "-o", "set").err == ""
    assert cli("net", "build", "triangles", "--source", "set", "--quiet", "-o", "net").err == ""


def test_a_small_net_is_trained_as_it_is_and_tried_on_its_data(place: Path, cli: Cli) -> None:
    (build,) = find_next(cli("data", "triangles", "--count", 40, "-o", "set"))
    assert build == ["net", "build", "triangles", "--source", "set", "-o", "set-fcn"]
    (train,) = find_next(cli(*build))
    assert train == ["train", "set-fcn/solver.prototxt"]
    shorten_training(Path(train[1]))
    (infer,) = find_next(cli(*train))
    ran = cli(*infer)
    assert ran.status == 0 and len(list(Path("set-fcn/predicted").glob("*.png"))) == 4, ran.err


SETS = {
    "roads": (("images", "labels"), 3, "voc-fcn32s-googlenet"),
    "voc": (("images", "labels"), 3, "voc-fcn8s-atonce"),
    "siftflow": (("images", "labels", "geo"), 3, "siftflow-fcn32s"),
    "nyud": (("images", "labels"), 3, "nyud-fcn32s-color"),
    "pascalcontext": (("images", "labels"), 3, "pascalcontext-fcn32s"),
    "synthia": (("images", "labels"), 3, "synthia-fcn8s"),
    "mnist": (("images",), 1, "m2nist-cnn"),
    "m2nist": (("images", "labels"), 1, "m2nist-fcn"),
    "x-rays": (("images", "labels"), 1, ""),  # no classifier's weights read a single channel
    "unlabelled": (("images",), 3, ""),
}
"""The databases and channels of a set, and the net for it: the finest that needs no FCN that was trained before."""


@pytest.mark.parametrize("name", SETS)
def test_the_net_for_a_set(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    databases, channels, net = SETS[name]
    splits = {"train": {"databases": {each: f"train_{each}" for each in databases}}}
    next_steps.follow_data_set(Path("data") / name, Description(name, splits, channels))
    line = f"next: caffe-fcn net build {net} --source data/{name} -o data/{name}-fcn\n"
    assert capsys.readouterr().err == (line if net else "")


@pytest.mark.parametrize(
    ("folder", "beside"), [("set", "set-fcn"), ("a/set", "a/set-fcn"), (".", "{}-fcn"), ("..", "{}-fcn")]
)
def test_the_folder_beside_a_set(place: Path, folder: str, beside: str, capsys: pytest.CaptureFixture[str]) -> None:
    splits = {"train": {"databases": {each: f"train_{each}" for each in ("images", "labels")}}}
    next_steps.follow_data_set(Path(folder), Description("roads", splits))
    assert capsys.readouterr().err.split()[-1] == beside.format(Path(folder).resolve())


def test_weights_come_before_the_data_are_there(place: Path, cli: Cli, classifiers: None) -> None:
    """README's first example: its data are published sets, which a note names."""
    ran = cli("net", "build", "voc-fcn-alexnet", "-o", "fcn")
    assert "note: fcn/solver.prototxt cannot train yet: " in ran.err
    assert "data/sbdd/dataset: no such folder; layer 'data' (Python) of train.prototxt reads" in ran.err
    assert "caffe-fcn net build NAME --source SET" in ran.err
    (surgery,) = find_next(ran)
    assert surgery[:2] == ["surgery", "recipe"]
    ran = cli(*surgery)
    assert ran.status == 0 and find_next(ran) == []


def test_a_net_that_continues_a_training_takes_the_published_one(place: Path, cli: Cli) -> None:
    surgery, *_ = find_next(cli("net", "build", "voc-fcn8s", "-o", "fcn"))
    assert surgery[:5] == ["surgery", "recipe", "8s", "--weights", "voc-fcn16s"]
    assert find_next(cli("net", "build", "voc-fcn8s", "--classes", 3, "-o", "fcn")) == []  # whose classes do not fit
    surgery, *_ = find_next(cli("net", "build", "digits-fcn8s", "-o", "digits"))
    assert surgery[:4] == ["surgery", "transplant", "--weights", "vgg16"]


def test_a_fetched_model_names_its_net(place: Path, cli: Cli, classifiers: None) -> None:
    build, surgery = find_next(cli("models", "get", "alexnet"))
    assert build == ["net", "build", "voc-fcn-alexnet", "-o", "voc-fcn-alexnet"]
    for command in (build, surgery):
        ran = cli(*command)
        assert ran.status == 0, ran.err


def test_a_fetched_fcn_is_tried_on_an_image(place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are zero, and those of an FCN whose published file has no checksum."""
    file = io.BytesIO()
    np.savez(file, **{"conv1/0": np.zeros((96, 3, 11, 11), "f4"), "conv1/1": np.zeros(96, "f4")})
    with serve_file(file.getvalue()) as served:
        monkeypatch.setenv("CAFFE_FCN_MODELS_URL", served.url)
        build, infer = find_next(cli("models", "get", "voc-fcn-alexnet"))
    assert cli(*build).status == 0
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save("photo.png")
    ran = cli(*["photo.png" if word == "IMAGE" else word for word in infer], "--engine", "torch")
    assert ran.status == 0 and Path("voc-fcn-alexnet/predicted/photo.png").is_file(), ran.err


def test_an_imported_job_is_tried_on_an_image(place: Path, cli: Cli, caffe: CaffeWorker) -> None:
    job = make_model_job(place / "jobs", caffe)
    make_data_job(place / "jobs")
    (infer,) = find_next(cli("import", "digits", job, "-o", "my net"))
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save("photo.png")
    ran = cli(*["photo.png" if word == "IMAGE" else word for word in infer])
    assert ran.status == 0 and Path("my net/predicted/photo.png").is_file(), ran.err


CLASSIFIER = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 10 } }
"""


def test_a_classifiers_weights_lie_beside_it(place: Path, cli: Cli, caffe: CaffeWorker) -> None:
    Path("mine").mkdir()
    Path("mine/deploy.prototxt").write_text(CLASSIFIER)
    image = np.zeros((1, 3, 32, 32), np.float32)
    assert caffe.run(CLASSIFIER, {"data": image}, save=place / "mine/best.caffemodel")
    draw_photos(place / "photos")
    cli("data", "folder", "--images", "photos/images", "--labels", "photos/labels", "--classes", 3, "-o", "set")
    ran = cli("net", "from-classifier", "mine/deploy.prototxt", "--source", "set", "-o", "fcn")
    surgery, train = find_next(ran)
    assert cli(*surgery).status == 0
    shorten_training(Path(train[1]))
    ran = cli(*train, "--engine", "torch")
    assert ran.status == 0, ran.err
    evaluate, _ = find_next(ran)
    assert cli(*evaluate).status == 0
    Path("mine/best.caffemodel").unlink()
    surgery, _ = find_next(cli("net", "from-classifier", "mine/deploy.prototxt", "--source", "set", "-o", "fcn"))
    assert surgery[3] == "WEIGHTS"


def test_the_help_and_the_readme_have_the_table_of_choices(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli("net", "list", "--help").out
    assert max(map(len, shown.splitlines())) <= 80
    rows = re.findall(r"^\| (.+) \| (`.+`) \| ([\d, ]+) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    flat = " ".join(shown.split())
    assert len(rows) == len(CHOICES)
    for (use, nets, strides, why), choice in zip(rows, CHOICES, strict=True):
        assert (use, why) == (choice.use, choice.why)
        assert tuple(re.findall(r"`([^`]+)`", nets)) == choice.nets
        assert set(map(int, strides.split(", "))) == {find_design(each).stride for each in choice.nets}
        assert f"{use}: " in flat and why in flat
        assert all(f"{each} (stride {catalogue()[each].stride})" in flat for each in choice.nets)


@pytest.mark.caffe
@pytest.mark.parametrize("net", ["voc-fcn32s-googlenet", "voc-fcn-alexnet", "voc-fcn8s-atonce"])
def test_the_parameters_in_the_table_are_real_caffes(place: Path, cli: Cli, net: str, pycaffe: PyCaffe) -> None:
    assert cli("net", "build", net, "--phase", "deploy", "--size", "64x64", "-o", "deploy.prototxt").status == 0
    source = """
        net = caffe.Net(str(inputs['net']), caffe.TEST)
        outputs['count'] = sum(blob.count for blobs in net.params.values() for blob in blobs)
    """
    count = int(pycaffe(source, net=place / "deploy.prototxt")["count"])
    why = next(choice.why for choice in CHOICES if net in choice.nets)
    assert why.startswith(f"{count / 1e6:.0f} M parameters")
