"""``caffe-fcn models``, and names of models wherever a command takes weights."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from command import ROOT, Ran
from file_server import FileServer, serve_file

from caffe_fcn import models

CLI = Callable[..., Ran]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "cache"))
    monkeypatch.setenv("CAFFE_FCN_MODELS_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.npz"
    np.savez(path, **{"conv1/0": np.ones((8, 3, 5, 5), "f4"), "conv1/1": np.zeros(8, "f4")})
    return path


@pytest.fixture
def server(cache: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves weights in place of a model without a published checksum."""
    with serve_file(own.read_bytes()) as served:
        monkeypatch.setenv("CAFFE_FCN_MODELS_URL", served.url)
        yield served


def test_the_list_has_every_model_and_says_what_is_unknown(cli: CLI, cache: Path) -> None:
    lines = cli("models", "list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(models.MODELS)
    found = {each["name"]: each for each in json.loads(cli("models", "list", "--json").out)}
    alexnet, fcn16s = found["alexnet"], found["voc-fcn16s"]
    assert alexnet["addresses"][0]["value"] == "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel"
    assert alexnet["checksums"][0]["digest"] == "9116a64c0fbe4459d18f4bb6b56d647b63920377"
    assert fcn16s["size"] == {"value": "unknown", "source": None}
    assert fcn16s["net"] == "voc-fcn16s"
    assert fcn16s["path"] is None


def test_get_prints_the_path_and_says_that_it_pinned(cli: CLI, cache: Path, server: FileServer) -> None:
    ran = cli("models", "get", "voc-fcn16s")
    assert ran.status == 0
    assert Path(ran.out.strip()).read_bytes() == server.content
    digest = hashlib.sha256(server.content).hexdigest()
    assert f"note: nobody published a checksum of voc-fcn16s: SHA-256 {digest}" in ran.err
    again = cli("models", "get", "fcn16s-heavy-pascal")
    assert again.out == ran.out and "note:" not in again.err
    assert cli("models", "path", "voc-fcn16s").out == ran.out
    assert len(server.asked) == 1
    assert "here" in cli("models", "list").out


def test_what_cannot_be_reached_is_one_line(cli: CLI, cache: Path) -> None:
    ran = cli("models", "get", "alexnet")
    assert (ran.status, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    for part in ("http://127.0.0.1:9/bvlc_alexnet.caffemodel", "SHA-1 9116a64c0fbe", str(cache), "refused"):
        assert part in ran.err


def test_path_downloads_nothing(cli: CLI, cache: Path, server: FileServer) -> None:
    ran = cli("models", "path", "vgg16")
    assert (ran.status, ran.err) == (2, "error: vgg16: is not here yet (caffe-fcn models get vgg16)\n")
    assert "did you mean vgg16" in cli("models", "path", "vgg-16").err
    assert server.asked == []


def test_weights_of_ones_own_are_kept_under_a_name(cli: CLI, cache: Path, own: Path) -> None:
    ran = cli("models", "add", own, "--name", "first")
    assert Path(ran.out.strip()).read_bytes() == own.read_bytes()
    assert cli("models", "path", "first").out == ran.out
    assert cli("models", "add", own, "--name", "first").status == 0
    assert cli("models", "add", own).out.strip() == str(cache / "mine.npz")
    assert "first" in cli("models", "list").out
    own.unlink()
    assert json.loads(cli("weights", "info", "first", "--json").out)["params"] == 8 * 3 * 5 * 5 + 8


def test_a_pin_outlives_its_file(cli: CLI, cache: Path, server: FileServer) -> None:
    path = Path(cli("models", "get", "voc-fcn16s").out.strip())
    assert cli("models", "remove", "fcn16s-heavy-pascal").status == 0 and not path.exists()
    again = cli("models", "get", "voc-fcn16s")
    assert again.status == 0 and path.exists() and "nobody published" not in again.err


def test_what_was_added_is_removed(cli: CLI, cache: Path, own: Path) -> None:
    path = Path(cli("models", "add", own, "--name", "mine").out.strip())
    assert cli("models", "remove", "mine").status == 0
    assert not path.exists() and cli("models", "path", "mine").status == 2
    ran = cli("models", "remove", "mine")
    assert ran.status == 2 and "is not a model" in ran.err
    assert cli("models", "add", own, "--name", "mine").status == 0  # nothing is left that stands in the way


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a/b", "'a/b' is not a name for a model (give a --name of letters"),
        ("vgg16", "is not the published vgg16: it has"),
        ("taken", "is another file, kept as taken (give another --name)"),
    ],
)
def test_what_cannot_be_added_says_why(cli: CLI, cache: Path, own: Path, tmp_path: Path, name: str, told: str) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, **{"fc/0": np.ones((2, 2), "f4")})
    assert cli("models", "add", other, "--name", "taken").status == 0
    ran = cli("models", "add", own, "--name", name)
    assert ran.status == 2
    assert told in ran.err


def test_what_is_not_a_weights_file_is_not_added(cli: CLI, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "page.caffemodel").write_text("<html>")
    assert cli("models", "add", tmp_path / "page.caffemodel").status == 2
    assert not cache.exists()


def test_a_file_of_that_name_comes_first(cli: CLI, cache: Path, own: Path, server: FileServer) -> None:
    own.rename(own.with_name("voc-fcn16s"))
    assert cli("weights", "info", "voc-fcn16s").status == 0
    assert server.asked == []


def test_a_folder_of_that_name_does_not(cli: CLI, cache: Path, server: FileServer) -> None:
    Path("voc-fcn16s").mkdir()  # as 'net build voc-fcn16s -o voc-fcn16s' makes it
    assert cli("weights", "info", "voc-fcn16s").status == 0
    assert len(server.asked) == 1


def test_a_name_is_downloaded_where_a_command_takes_weights(cli: CLI, cache: Path, server: FileServer) -> None:
    Path("net.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }'
        'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"'
        " convolution_param { num_output: 8 kernel_size: 5 } }"
    )
    ran = cli("surgery", "transplant", "--weights", "voc-fcn16s", "--to-net", "net.prototxt", "-o", "out.npz")
    assert ran.status == 0
    with np.load("out.npz") as arrays:
        assert np.array_equal(arrays["conv1/0"], np.ones((8, 3, 5, 5)))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("weights", "info", "vgg61"),
        ("surgery", "recipe", "vgg16", "--weights", "vgg61", "-o", "out.caffemodel"),
        ("train", "solver.prototxt", "--weights", "vgg61"),
        ("infer", "net.prototxt", "vgg61", "image.png", "-o", "out"),
        ("evaluate", "net.prototxt", "vgg61", "--data", "set"),
    ],
)
def test_a_misspelt_name_says_the_nearest_one(cli: CLI, cache: Path, command: tuple[str, ...]) -> None:
    ran = cli(*command)
    assert ran.status == 2
    assert ran.err.startswith("error: vgg61: is neither a file nor a model (did you mean vgg")


def test_any_other_name_is_a_file_that_is_missing(cli: CLI, cache: Path) -> None:
    assert cli("weights", "info", "zzz").err == "error: zzz: no such file or directory (check the path)\n"
    assert "no such file" in cli("weights", "info", "vgg61.caffemodel").err


def test_a_recipe_takes_the_published_model(cli: CLI, cache: Path) -> None:
    ran = cli("surgery", "recipe", "alexnet", "-o", "out.caffemodel", "--from", "http://127.0.0.1:9/mirror")
    assert ran.err.startswith("error: http://127.0.0.1:9/mirror/bvlc_alexnet.caffemodel: cannot be fetched")


def test_the_script_runs_from_anywhere_and_says_what_it_lacks(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "net_surgery.py"
    done = subprocess.run([sys.executable, script, "vgg16"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    done = subprocess.run([sys.executable, script, "--list"], cwd=tmp_path, capture_output=True, text=True)
    assert "nyud-color-hha" in done.stdout
