"""``caffe-fcn doctor``: what it says is what is here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from command import ROOT, Ran

Cli = Callable[..., Ran]


def test_it_finds_caffe_and_every_part(cli: Cli, caffe_bin: Path) -> None:
    ran = cli("doctor", "--json", "--caffe", caffe_bin)
    assert ran.status == 0
    report = json.loads(ran.out)
    assert report["caffe"]["path"] == str(caffe_bin)
    assert report["caffe"]["version"] == "1.0.0"
    assert report["caffe"]["devices"] == "CPU only"
    assert report["caffe"]["pycaffe"] == [str(caffe_bin.with_name("pycaffe"))]
    for name in ("protobuf", "numpy", "lmdb", "pillow", "click", "rich"):
        assert report["required"][name] == metadata.version(name)
    assert {"torch", "hdf5"} <= report["extras"].keys()


def test_it_says_whether_the_extra_of_the_workspace_is_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the requirements as the project declares them now, whatever was installed last."""
    found = re.search(r"^web = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    wanted = re.findall(r'"([^"]+)"', found[1])
    folder = tmp_path / "caffe_fcn-0.1.0.dist-info"
    folder.mkdir()
    lines = [f'Requires-Dist: {each}; extra == "web"' for each in [*wanted, "no-such-package-of-ours"]]
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", "Name: caffe-fcn", "Version: 0.1.0", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))
    report = json.loads(cli("doctor", "--json").out)
    extra = report["extras"]["web"]
    names = [each.partition(">")[0] for each in wanted]
    assert extra == {**{name: metadata.version(name) for name in names}, "no-such-package-of-ours": None}
    assert "for the extra 'web': pip install 'caffe-fcn[web]'" in report["suggestions"]


def test_it_names_the_models_that_are_kept(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path))
    assert json.loads(cli("doctor", "--json").out)["models"] == {"folder": str(tmp_path), "kept": []}
    np.savez(tmp_path / "mine.npz", **{"fc/0": np.ones((2, 2), "f4")})
    cli("models", "add", tmp_path / "mine.npz", "--name", "first")
    assert f"first (in {tmp_path})" in cli("doctor").out


def test_every_extra_that_is_not_here_gets_a_suggestion(cli: Cli) -> None:
    report = json.loads(cli("doctor", "--json").out)
    for extra, parts in report["extras"].items():
        suggested = any(f"caffe-fcn[{extra}]" in text for text in report["suggestions"])
        assert suggested != all(parts.values())


def test_people_get_the_same_as_lines(cli: Cli, caffe_bin: Path) -> None:
    ran = cli("doctor", "--caffe", caffe_bin)
    lines = {line[:12].strip(): line[12:].strip() for line in ran.out.splitlines()}
    assert lines["Caffe"] == f"1.0.0, CPU only: {caffe_bin} (--caffe)"
    assert lines["numpy"] == metadata.version("numpy")


def test_without_caffe_it_says_how_to_get_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAFFE_BIN", raising=False)
    monkeypatch.setenv("CAFFE_PREFIX", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cli("doctor", "--json")
    report = json.loads(ran.out)
    assert ran.status == 0
    assert report["caffe"] is None
    assert any("scripts/install_caffe.sh" in text for text in report["suggestions"])
