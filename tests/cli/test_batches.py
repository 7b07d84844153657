"""``--batch`` of ``infer`` and ``evaluate``: images of one size in one pass, with the answers of single ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_weights
from command import Ran
from google.protobuf import text_format
from PIL import Image

from caffe_fcn.engines.torch import forward
from caffe_fcn.proto import NetParameter

Run = Callable[..., Ran]

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
MIXED = """
layer { name: "normal" type: "BatchNorm" bottom: "score" top: "normal" batch_norm_param { use_global_stats: false } }
"""
JOINED = """
layer { name: "normal" type: "Reshape" bottom: "score" top: "normal"
  reshape_param { shape { dim: 1 dim: 2 dim: -1 dim: 0 } } }
"""
SIZES = [(6, 5), (6, 5), (8, 5), (6, 5), (8, 5), (6, 5), (9, 9)]


def write_net(folder: Path, more: str = "") -> Path:
    """A net by which class 1 wins where blue is above 100, and its weights, with something behind it."""
    folder.mkdir()
    (folder / "deploy.prototxt").write_text(NET + more)
    model = {
        "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": [100]}],
        "outputs": [{"blob": "normal" if more else "score", "kind": "scores"}],
    }
    (folder / "model.json").write_text(json.dumps(model))
    kernel = np.array([[0, 0, 0], [1, 0, 0]], np.float32).reshape(2, 3, 1, 1)
    saved_weights.save(folder / "fcn.caffemodel", text_format.Parse(NET, NetParameter()), {"score": [kernel]})
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of three sizes, and labels of which 3 of 10 pixels are not what the net says."""
    random = np.random.default_rng(0)
    (tmp_path / "classes.txt").write_text("dark\nbright\n")
    for name in ("photos", "labels"):
        (tmp_path / name).mkdir()
    for number, size in enumerate(SIZES):
        pixels = random.integers(0, 256, (*size, 3), np.uint8)
        label = (pixels[..., 2] > 100) ^ (random.random(size) < 0.3)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
        Image.fromarray(label.astype(np.uint8)).save(tmp_path / f"labels/{number}.png")
    write_net(tmp_path / "net")
    return tmp_path


def check_labels(folder: Path) -> None:
    """Every label image that was written says where blue is above 100."""
    for number in range(len(SIZES)):
        blue = np.asarray(Image.open(folder / f"photos/{number}.png"))[..., 2]
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"out/{number}.png")), blue > 100)


def test_images_of_several_sizes_in_batches(run: Run, folder: Path) -> None:
    ran = run("infer", folder / "net", folder / "photos", "-o", folder / "out", "--batch", 4)
    assert ran.status == 0, ran.err
    assert [line.split(":")[0] for line in ran.out.splitlines()] == [
        str(folder / f"out/{number}.png") for number in range(len(SIZES))
    ]
    check_labels(folder)


def build_data(cli: Run, folder: Path) -> Path:
    named = ["--images", folder / "photos", "--labels", folder / "labels", "--classes", folder / "classes.txt"]
    ran = cli("data", "folder", *named, "--val-percent", 0, "-o", folder / "data")
    assert ran.status == 0, ran.err
    return folder / "data"


@pytest.mark.parametrize("more", [[], ["--nproc", "2"]])
def test_scores_in_batches_are_counted_from_the_pixels(run: Run, cli: Run, folder: Path, more: list[str]) -> None:
    data = build_data(cli, folder)
    ran = run("evaluate", folder / "net", "--data", data, "--batch", 4, "--json", *more)
    assert ran.status == 0, ran.err
    counts = np.zeros((2, 2), int)
    for number in range(len(SIZES)):
        blue = np.asarray(Image.open(folder / f"photos/{number}.png"))[..., 2]
        label = np.asarray(Image.open(folder / f"labels/{number}.png"))
        np.add.at(counts, (label, (blue > 100).astype(int)), 1)
    assert json.loads(ran.out)["confusion"] == counts.tolist()


def test_those_of_one_size_go_through_the_net_at_once(cli: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, ...]] = []
    whole = forward.TorchEngine.forward

    def note(self: forward.TorchEngine, **inputs: Any) -> Any:
        passes.append(inputs["data"].shape)
        return whole(self, **inputs)

    monkeypatch.setattr(forward.TorchEngine, "forward", note)
    command = ["infer", folder / "net", folder / "photos", "-o", folder / "out", "--engine", "torch"]
    assert cli(*command, "--batch", 4).status == 0
    tried = [(1, 3, 6, 5), (2, 3, 6, 5)]  # an image alone and beside another one, once
    assert passes == [*tried, (3, 3, 6, 5), (1, 3, 8, 5), (1, 3, 8, 5), (1, 3, 6, 5), (1, 3, 9, 9)]
    passes.clear()
    assert cli(*command).status == 0
    assert passes == [(1, 3, *size) for size in SIZES]


def test_a_broken_image_leaves_the_others_of_its_batch(run: Run, folder: Path) -> None:
    (folder / "photos/00.png").write_bytes(b"\x89PNG no more")
    ran = run("infer", folder / "net", folder / "photos", "-o", folder / "out", "--batch", 8)
    assert ran.status == 2 and "00.png" in ran.err and "1 of 8 images are broken" in ran.err
    check_labels(folder)


@pytest.mark.parametrize("more", [MIXED, JOINED])
def test_a_net_whose_answer_depends_on_other_images_is_refused(run: Run, folder: Path, more: str) -> None:
    net = write_net(folder / "mixed", more)
    command = ["infer", net, folder / "photos", "-o", folder / "out"]
    ran = run(*command, "--batch", 2)
    assert ran.status == 2 and not ran.out
    assert "when another one is beside it" in ran.err and "leave --batch out" in ran.err
    ran = run(*command)
    assert ran.status == 0, ran.err


@pytest.mark.parametrize("more", [["--tile", "32x32"], ["--flip"], ["--scales", "0.5,1"]])
def test_batches_are_of_whole_images_that_are_run_once(cli: Run, folder: Path, more: list[str]) -> None:
    ran = cli("infer", folder / "net", folder / "photos", "-o", folder / "out", "--batch", 2, *more)
    assert ran.status == 2 and "--batch" in ran.err and more[0] in ran.err
    assert not (folder / "out").exists()


@pytest.mark.parametrize("size", ["0", "257", "many"])
def test_a_batch_has_an_image_at_least_and_not_all_of_them(cli: Run, folder: Path, size: str) -> None:
    for command in (["infer", folder / "net", folder / "photos", "-o", folder / "out"], ["evaluate", folder / "net"]):
        ran = cli(*command, "--batch", size)
        assert ran.status == 2 and "--batch" in ran.err and size in ran.err
