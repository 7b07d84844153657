"""Trainings whose snapshots are scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command import ROOT
from scored_training import SOLVER, set_batch, set_fields
from tiny_photos import write_photos

from caffe_fcn.cli import main


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, their data set, and a small net with its solver."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_photos(folder)
        for command in (
            "data folder --images photos --labels labels --val-percent 30 --no-statistics -o data",
            "net build m2nist-fcn --source data --epochs 20 -o net",
        ):
            with pytest.raises(SystemExit) as ended:
                main([*command.split(), "--quiet"])
            assert not ended.value.code
    set_fields(folder / "net/solver.prototxt", **SOLVER, test_iter=3)
    set_batch(folder / "net/val.prototxt", 2)  # of six images
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, a copy of the folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / "run"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    return folder
