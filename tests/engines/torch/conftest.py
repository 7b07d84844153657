"""Where the torch engine trains."""

from __future__ import annotations

from pathlib import Path

import outlines
import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with records, net and weights to begin with."""
    monkeypatch.chdir(tmp_path)
    outlines.records(tmp_path)
    outlines.net(tmp_path)
    outlines.start(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def triangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the catalogue's net of triangles is trained; 100 images are 25 batches."""
    return outlines.catalogue_net(tmp_path_factory.mktemp("triangles"), count=100)
