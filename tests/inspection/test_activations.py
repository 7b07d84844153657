"""What is told of blobs, by both engines, against the arrays that real Caffe has after the same pass.

Weights, pixels and all sums are whole numbers that floats hold, so that every engine computes the same ones.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import saved_weights
from caffe_worker import CaffeWorker
from command import Ran
from PIL import Image
from prototxts import input_layer, layer

from caffe_fcn import inspection, proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import CaffeFcnError

NET = (
    input_layer("data", 1, 3, 12, 10)
    + layer("Convolution", "data", "conv", "convolution_param { num_output: 6 kernel_size: 3 pad: 1 }", "conv")
    + layer("ReLU", "conv", "conv", name="relu")
    + layer("Power", "conv", "conv", "power_param { scale: 2 }", "double")
    + layer("Pooling", "conv", "pool", "pooling_param { kernel_size: 2 stride: 2 }", "pool")
    + layer("Convolution", "pool", "score", "convolution_param { num_output: 2 kernel_size: 1 }", "score")
)
ENGINES = ["caffe", "torch"]
DEAD = 4  # a channel whose bias is below all that the others sum up to


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net folder with weights, and a photo."""
    folder = tmp_path_factory.mktemp("look")
    random = np.random.default_rng(1)
    (folder / "deploy.prototxt").write_text(NET)
    conv, bias = random.integers(-3, 4, (6, 3, 3, 3)), random.integers(-50, 50, 6)
    bias[DEAD] = -100_000
    values = {"conv": [conv, bias], "score": [random.integers(-3, 4, (2, 6, 1, 1)), np.array([1, -1])]}
    saved_weights.save(folder / "net.caffemodel", proto.read_net(folder / "deploy.prototxt"), values)
    Model([Input("data", 3, mean=[10.0, 20.0, 30.0])], [Output("score", classes=["a", "b"])]).write(folder)
    Image.fromarray(random.integers(0, 256, (12, 10, 3), np.uint8)).save(folder / "photo.png")
    return folder


@pytest.fixture(scope="module")
def blobs(folder: Path, caffe: CaffeWorker) -> dict[str, np.ndarray]:
    """The blobs of real Caffe, for the photo minus its mean."""
    pixels = np.asarray(Image.open(folder / "photo.png"))[:, :, ::-1].transpose(2, 0, 1)
    data = pixels[None].astype(np.float32) - np.float32([10, 20, 30])[:, None, None]
    made = caffe.run(NET, {"data": data}, weights=folder / "net.caffemodel")
    assert made is not None
    return {name.removeprefix("blob/"): array for name, array in made.items() if name.startswith("blob/")}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> list[str]:
    """The options that choose an engine."""
    if request.param == "caffe":
        return ["--engine", "caffe", "--caffe", str(request.getfixturevalue("caffe_bin"))]
    pytest.importorskip("torch")
    return ["--engine", "torch"]


@pytest.fixture(scope="module")
def found(folder: Path, engine: list[str]) -> inspection.Look:
    options = dict(zip(("engine", "caffe"), engine[1::2], strict=False))
    return inspection.look(folder / "deploy.prototxt", folder / "net.caffemodel", folder / "photo.png", **options)


def test_statistics_are_those_of_real_caffes_arrays(
    folder: Path, engine: list[str], blobs: dict[str, np.ndarray], cli: Callable[..., Ran]
) -> None:
    ran = cli("look", folder, folder / "photo.png", "--json", *engine)
    assert ran.status == 0, ran.err
    told = {each["name"]: each for each in json.loads(ran.out)["blobs"]}
    assert list(told) == ["data", "conv", "pool", "score"]
    for name, array in blobs.items():
        exact, about = array.astype(np.float64), told[name]
        assert tuple(about["shape"]) == array.shape
        assert about["mean"] == pytest.approx(exact.mean(), rel=1e-12, abs=1e-9)
        assert about["deviation"] == pytest.approx(exact.std(), rel=1e-9)
        assert (about["low"], about["high"]) == (exact.min(), exact.max())
        assert about["zero_share"] == np.mean(exact == 0)
        assert about["histogram"] == np.histogram(exact, 48, (exact.min(), exact.max()))[0].tolist()
        assert about["dead"] == np.flatnonzero((exact[0] == 0).all(axis=(1, 2))).tolist()
    assert told["conv"]["dead"] == [DEAD]


def test_a_blob_is_shown_after_all_that_works_in_place(found: inspection.Look, blobs: dict[str, np.ndarray]) -> None:
    assert found.blobs["conv"].makers == ("conv", "relu", "double")
    assert found.blobs["conv"].statistics.low == 0
    assert found.blobs["conv"].statistics.high == blobs["conv"].max()


def test_the_sheet_has_the_channels_themselves(found: inspection.Look, blobs: dict[str, np.ndarray]) -> None:
    sheet = found.blobs["conv"].sheet
    assert sheet is not None
    assert (sheet.width, sheet.height, sheet.numbers, sheet.total) == (10, 12, tuple(range(6)), 6)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.png)))
    for number, channel in enumerate(blobs["conv"][0]):
        low, high = sheet.ranges[number]
        assert (low, high) == (channel.min(), channel.max())
        y, x = number // sheet.columns * 12, number % sheet.columns * 10
        shown = low + (high - low) * pixels[y : y + 12, x : x + 10] / 255
        assert np.abs(shown - channel).max() <= (high - low) / 255 / 2 + 1e-9


def test_weights_alone_need_no_engine(folder: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    ran = cli("look", folder, "--json", "--engine", "torch")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)
    assert (told["blobs"], told["image"]) == ([], None)
    assert [(each["layer"], each["index"]) for each in told["parameters"]] == [
        ("conv", 0), ("conv", 1), ("score", 0), ("score", 1),
    ]  # fmt: skip


def test_an_image_is_resized_for_a_net_that_takes_one_size(
    tmp_path: Path, engine: list[str], cli: Callable[..., Ran]
) -> None:
    dense = layer("InnerProduct", "data", "fc", "inner_product_param { num_output: 5 }", "fc")
    net = tmp_path / "deploy.prototxt"
    net.write_text(input_layer("data", 1, 1, 4, 6) + dense)
    weights = {"fc": [np.ones((5, 24)), np.arange(5)]}
    saved_weights.save(tmp_path / "net.caffemodel", proto.read_net(net), weights)
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(tmp_path / "photo.png")
    ran = cli("look", net, tmp_path / "net.caffemodel", tmp_path / "photo.png", "--json", *engine)
    assert json.loads(ran.out)["blobs"][-1]["mean"] == 24 * 7 + 2
    assert "resized to 4x6" in ran.err


def test_further_inputs_take_files_of_their_own(tmp_path: Path, engine: list[str], cli: Callable[..., Ran]) -> None:
    net = tmp_path / "deploy.prototxt"
    inputs = input_layer("data", 1, 1, 4, 6) + input_layer("depth", 1, 1, 4, 6)
    score = layer("Convolution", "sum", "score", "convolution_param { num_output: 1 kernel_size: 1 }", "score")
    net.write_text(inputs + layer("Eltwise", "data depth", "sum", name="sum") + score)
    saved_weights.save(tmp_path / "net.caffemodel", proto.read_net(net), {"score": [np.ones((1, 1, 1, 1)), np.ones(1)]})
    for name, value in (("photo", 7), ("depth", 30)):
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(tmp_path / f"{name}.png")
    given = [net, tmp_path / "net.caffemodel", tmp_path / "photo.png", "--json", *engine]
    ran = cli("look", *given, "--input", f"depth={tmp_path / 'depth.png'}")
    assert ran.status == 0, ran.err
    assert {each["name"]: each["mean"] for each in json.loads(ran.out)["blobs"]} == {
        "data": 7, "depth": 30, "sum": 37, "score": 38,
    }  # fmt: skip


def test_what_is_missing_is_said(folder: Path, cli: Callable[..., Ran], tmp_path: Path) -> None:
    for arguments, said in (
        ([folder], "needs -o FILE"),
        ([folder, "a.png", "b.png", "--json"], "takes one IMAGE"),
        ([folder, tmp_path / "none.png", "--json", "--engine", "torch"], "no such file"),
    ):
        ran = cli("look", *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
    with pytest.raises(CaffeFcnError):
        inspection.look(folder / "none.prototxt", folder / "net.caffemodel")
