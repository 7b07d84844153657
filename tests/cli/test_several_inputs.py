"""Nets that take several images of a scene, such as colour, depth and HHA: each is prepared as model.json says.

The judge is real Caffe, on blobs that numpy makes of the files of a small NYUDv2, as the reference's data layer does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import published_samples
import pytest
import saved_weights
import scipy.io
from caffe_worker import CaffeWorker
from command import Ran
from google.protobuf import text_format
from PIL import Image

from caffe_fcn.netspec.model import describe_model
from caffe_fcn.proto import NetParameter

Cli = Callable[..., Ran]
CLASSES = 40
CHANNELS = {"color": 3, "depth": 1, "hha": 3}
COLOR_MEAN, DEPTH_MEAN, HHA_MEAN, HHA_SCALE = [116.0, 97.0, 92.0], 8.0, [132.0, 94.0, 118.0], 0.5
INPUTS = "".join(
    f'layer {{ name: "{name}" type: "Input" top: "{name}"\n'
    f"  input_param {{ shape {{ dim: 1 dim: {count} dim: 30 dim: 30 }} }} }}\n"
    for name, count in CHANNELS.items()
)
SCORE = f"""
layer {{ name: "all" type: "Concat" bottom: "color" bottom: "depth" bottom: "hha" top: "all" }}
layer {{ name: "score" type: "Convolution" bottom: "all" top: "score"
  convolution_param {{ num_output: {CLASSES} kernel_size: 3 pad: 1 bias_term: false }} }}
"""
MODEL: dict[str, Any] = {
    "inputs": [
        {"blob": "color", "channels": 3, "order": "BGR", "mean": COLOR_MEAN},
        {"blob": "depth", "channels": 1, "order": "planes", "mean": [DEPTH_MEAN], "logarithm": True},
        {"blob": "hha", "channels": 3, "order": "planes", "mean": HHA_MEAN, "scale": HHA_SCALE},
    ],
    "outputs": [{"blob": "score", "kind": "scores"}],
}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small NYUDv2, and a net folder."""
    path = tmp_path_factory.mktemp("inputs")
    published_samples.nyud(path / "nyud", {"trainval": ["1"], "test": ["2", "3"]})
    net = path / "net"
    net.mkdir()
    (net / "deploy.prototxt").write_text(INPUTS + SCORE)
    (net / "model.json").write_text(json.dumps(MODEL))
    kernel = np.random.default_rng(0).normal(size=(CLASSES, 7, 3, 3)).astype(np.float32)
    kernel[:, 3] *= 60  # so that depth, whose logarithms are small, decides something, too
    saved_weights.save(net / "fcn.caffemodel", text_format.Parse(SCORE, NetParameter()), {"score": [kernel]})
    return path


@pytest.fixture
def data(here: Path, cli: Cli) -> Path:
    if not (here / "set").exists():
        ran = cli("data", "nyud", here / "nyud", "--hha", "--depth", "--no-shuffle", "-o", here / "set")
        assert ran.status == 0, ran.err
    return here / "set"


def read(here: Path, kind: str, name: str) -> np.ndarray:
    return np.asarray(Image.open(here / f"nyud/data/{kind}/img_{name}.png")).astype(np.float32)


@pytest.fixture(scope="module")
def expected(here: Path, caffe: CaffeWorker) -> dict[str, np.ndarray]:
    """The best classes for each image of the validation part."""
    found = {}
    for name in ("2", "3"):
        color = read(here, "images", name)[:, :, ::-1] - COLOR_MEAN
        depth = np.log(read(here, "depth", name)) - DEPTH_MEAN
        hha = (read(here, "hha", name) - HHA_MEAN) * HHA_SCALE
        blobs = {"color": color.transpose(2, 0, 1), "depth": depth[None], "hha": hha.transpose(2, 0, 1)}
        fed = {blob: values[None].astype(np.float32) for blob, values in blobs.items()}
        made = caffe.run(INPUTS + SCORE, fed, weights=here / "net/fcn.caffemodel")
        assert made is not None
        found[name] = made["blob/score"][0].argmax(axis=0)
    return found


ENGINES = ["caffe", "torch"]


@pytest.fixture
def engine(caffe_bin: Path, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.chdir(here)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("engine")
def test_each_input_takes_its_image_and_is_prepared_by_its_own_entry(
    cli: Cli, expected: dict[str, np.ndarray], name: str, tmp_path: Path
) -> None:
    files = "nyud/data"
    further = ["--input", f"depth={files}/depth", "--input", f"hha={files}/hha"]
    photos = [f"{files}/images/img_{number}.png" for number in expected]
    ran = cli("infer", "net", *photos, *further, "-o", tmp_path, "--engine", name)
    assert ran.status == 0, ran.err
    for number, best in expected.items():
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"img_{number}.png")), best)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("engine")
def test_evaluate_reads_the_further_databases(
    cli: Cli, here: Path, data: Path, expected: dict[str, np.ndarray], name: str
) -> None:
    ran = cli("evaluate", "net", "--data", data, "--json", "--engine", name)
    assert ran.status == 0, ran.err
    labels = {number: load_label(here, number) for number in expected}
    right = sum(int((labels[number] == expected[number]).sum()) for number in expected)
    counted = sum(int((label != 255).sum()) for label in labels.values())
    found = json.loads(ran.out)
    assert found["pixel_accuracy"] == pytest.approx(right / counted)
    assert "assumed" not in ran.err


def load_label(here: Path, number: str) -> np.ndarray:
    values: np.ndarray = scipy.io.loadmat(here / f"nyud/segmentation/img_{number}.mat")["segmentation"]
    return (values - np.uint8(1)).astype(np.uint8)


@pytest.mark.usefixtures("engine")
def test_the_records_of_a_data_set_bring_all_inputs(
    cli: Cli, data: Path, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ran = cli("infer", "net", data, "-o", tmp_path, "--engine", "torch")
    assert ran.status == 0, ran.err
    for index, best in enumerate(expected.values()):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{index:08d}.png")), best)


@pytest.mark.usefixtures("engine")
def test_one_file_for_one_image_and_arrays_for_planes(
    cli: Cli, here: Path, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    np.save(tmp_path / "depth.npy", read(here, "depth", "2"))
    np.save(tmp_path / "hha.npy", read(here, "hha", "2").transpose(2, 0, 1))
    further = ["--input", f"depth={tmp_path}/depth.npy", "--input", f"hha={tmp_path}/hha.npy"]
    ran = cli("infer", "net", "nyud/data/images/img_2.png", *further, "-o", tmp_path, "--engine", "torch")
    assert ran.status == 0, ran.err
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "img_2.png")), expected["2"])


@pytest.mark.usefixtures("engine")
def test_a_net_with_data_layers_is_evaluated_as_its_deploy_net(cli: Cli, here: Path, data: Path) -> None:
    readers = "".join(
        f'layer {{ name: "{name}" type: "Data" top: "{name}"\n'
        f'  data_param {{ source: "{data}/val_{database}" backend: LMDB batch_size: 1 }} }}\n'
        for name, database in (("color", "images"), ("depth", "depth"), ("hha", "hha"), ("label", "labels"))
    )
    loss = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }'
    (here / "net/val.prototxt").write_text(readers + SCORE + loss)
    scores = [
        cli("evaluate", f"net/{net}", "net/fcn.caffemodel", "--data", data, "--json", "--engine", "torch")
        for net in ("val.prototxt", "deploy.prototxt")
    ]
    assert scores[0].status == 0, scores[0].err
    assert scores[0].out == scores[1].out


@pytest.mark.usefixtures("engine")
def test_an_only_input_reads_the_database_that_model_json_names(
    cli: Cli, here: Path, data: Path, caffe: CaffeWorker, tmp_path: Path
) -> None:
    """A net of HHA alone is not given colours, which have as many channels."""
    net = INPUTS.split("layer")[3].replace("hha", "data")
    text = f"layer{net}" + SCORE.replace('bottom: "color" bottom: "depth" bottom: "hha"', 'bottom: "data"')
    kernel = np.random.default_rng(1).normal(size=(CLASSES, 3, 3, 3)).astype(np.float32)
    (tmp_path / "deploy.prototxt").write_text(text)
    saved_weights.save(tmp_path / "w.caffemodel", text_format.Parse(text, NetParameter()), {"score": [kernel]})
    entry = {"blob": "data", "channels": 3, "order": "planes", "mean": HHA_MEAN, "database": "hha"}
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, "inputs": [entry]}))
    ran = cli("evaluate", tmp_path, "--data", data, "--json", "--engine", "torch")
    right = counted = 0
    for number in ("2", "3"):
        fed = (read(here, "hha", number) - HHA_MEAN).transpose(2, 0, 1)[None].astype(np.float32)
        made = caffe.run(text, {"data": fed}, weights=tmp_path / "w.caffemodel")
        assert made is not None
        label = load_label(here, number)
        right += int((made["blob/score"][0].argmax(axis=0) == label).sum())
        counted += int((label != 255).sum())
    assert json.loads(ran.out)["pixel_accuracy"] == pytest.approx(right / counted)


IMAGE = "nyud/data/images/img_2.png"
FURTHER = ["--input", "depth=nyud/data/depth", "--input", "hha=nyud/data/hha"]
BAD = {
    "nothing named": ([IMAGE], "takes color, depth, hha, and nothing says where the images of 'depth' are (give"),
    "one named": ([IMAGE, *FURTHER[:2]], "nothing says where the images of 'hha' are"),
    "a wrong name": ([IMAGE, *FURTHER, "--input", "dept=x"], "'dept' is no further input"),
    "no folder": ([IMAGE, *FURTHER[:2], "--input", "hha=none"], "none: no such file"),
    "a file for many": (["nyud/data/images", *FURTHER[:2], "--input", f"hha={IMAGE}"], "is one file, and there are 3"),
    "no partner": ([IMAGE, *FURTHER[:2], "--input", "hha=other"], "img_2.png: has no image of that name in other"),
    "another size": ([IMAGE, *FURTHER[:2], "--input", "hha=nyud/data/hha/img_3.png"], "its image for 'hha' is "),
    "no depth": ([IMAGE, "--input", "depth=zero.png", *FURTHER[2:]], "zero.png: has the value 0, which has no log"),
    "pickled": ([IMAGE, "--input", "depth=evil.npy", *FURTHER[2:]], "evil.npy: holds "),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.usefixtures("engine")
def test_inputs_that_do_not_fit_are_one_line(cli: Cli, here: Path, case: str) -> None:
    if not (here / "other").exists():
        (here / "other").mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(here / "other/img_1.png")
        size = read(here, "depth", "2").shape
        Image.fromarray(np.zeros(size, np.uint16)).save(here / "zero.png")
        np.save(here / "evil.npy", np.array([print], object), allow_pickle=True)
    arguments, what = BAD[case]
    ran = cli("infer", "net", *arguments, "-o", "out", "--engine", "torch")
    assert (ran.status, ran.out) == (2, "")
    assert what in ran.err and ran.err.startswith("error: ") and len(ran.err.splitlines()) == 1
    assert not (here / "out").exists()


@pytest.mark.usefixtures("engine")
def test_a_data_set_without_the_database_is_named(cli: Cli, here: Path) -> None:
    if not (here / "plain").exists():
        assert cli("data", "nyud", here / "nyud", "-o", here / "plain").status == 0
    ran = cli("evaluate", "net", "--data", "plain", "--engine", "torch")
    assert ran.status == 2
    assert "plain: has no database of 'depth' for val, only of images" in ran.err


def test_the_nets_of_nyud_say_what_their_inputs_are() -> None:
    color, depth = describe_model("nyud-fcn32s-color-d").inputs
    assert (color.database, color.logarithm, depth.database, depth.logarithm) == (None, False, None, True)
    assert describe_model("nyud-fcn32s-hha").inputs[0].database == "hha"
