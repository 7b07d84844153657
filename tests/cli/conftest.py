"""Fixtures of the commands that run a net: each by both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bright_pixels import build_dataset
from command import Ran


@pytest.fixture(params=["caffe", "torch"])
def run(
    request: pytest.FixtureRequest, cli: Callable[..., Ran], caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """``caffe-fcn`` with ``--engine``, real Caffe and torch in turn."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    return lambda *arguments: cli(*arguments, "--engine", request.param)


@pytest.fixture
def data(folder: Path, cli: Callable[..., Ran]) -> Path:
    """The data set of the pairs in the module's ``folder``."""
    return build_dataset(folder, cli)
