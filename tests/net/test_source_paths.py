"""A net's data are found from the working directory and, where they are not there, from the folder of the net."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import PyCaffe
from PIL import Image

Cli = Callable[..., Any]


@pytest.fixture
def net(cli: Cli, tmp_path: Path) -> Path:
    """The net of triangles, whose paths are as seen from its own folder; its data have images of 32 x 48."""
    data = tmp_path / "data"
    assert cli("data", "triangles", "--count", 3, "--size", 48, "--val-percent", 0, "-o", data).status == 0
    command = ["net", "build", "triangles", "--source", data, "--batch", 1, "-o", tmp_path / "nets/mine"]
    assert cli(*command).status == 0
    path = tmp_path / "nets/mine/train.prototxt"
    text = path.read_text().replace(str(data), "../../data")
    path.write_text(text)
    return path


def test_show_finds_the_data_from_any_working_directory(
    cli: Cli, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, net.parent):
        monkeypatch.chdir(folder)
        ran = cli("net", "show", net, "--phase", "train", "--json")
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["blobs"]["data"] == [1, 1, 48, 48]


def test_the_working_directory_comes_first(
    cli: Cli, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here/a/b"
    here.mkdir(parents=True)
    data = tmp_path / "here/data"  # ../../data from this folder
    assert cli("data", "triangles", "--count", 3, "--size", 64, "--val-percent", 0, "-o", data).status == 0
    monkeypatch.chdir(here)
    assert json.loads(cli("net", "show", net, "--json", "--phase", "train").out)["blobs"]["data"][2:] == [64, 64]


def test_a_transplant_finds_them_too(
    cli: Cli, net: Path, tmp_path: Path, pycaffe: PyCaffe, monkeypatch: pytest.MonkeyPatch
) -> None:
    pycaffe("caffe.Net('train.prototxt', caffe.TRAIN).save('w.caffemodel')", cwd=net.parent)
    monkeypatch.chdir(tmp_path)
    command = ["surgery", "transplant", "--weights", net.parent / "w.caffemodel", "--to-net", net, "--phase", "train"]
    ran = cli(*command, "-o", tmp_path / "out.caffemodel")
    assert ran.status == 0, ran.err
    assert "6 copied" in ran.err


def test_a_list_of_images_beside_the_net(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(tmp_path / "net/photo.png")
    (tmp_path / "net/list.txt").write_text("photo.png 0\n")
    (tmp_path / "net/net.prototxt").write_text(
        'layer { name: "d" type: "ImageData" top: "d" top: "l" image_data_param { source: "list.txt" batch_size: 2 } }'
    )
    monkeypatch.chdir(tmp_path)
    ran = cli("net", "show", "net/net.prototxt", "--phase", "train", "--json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["blobs"]["d"] == [2, 3, 5, 7]
