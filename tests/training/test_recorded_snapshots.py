"""A snapshot of which a killed training recorded nothing is passed over: figures before it are lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import decay

from caffe_fcn.training.snapshots import find_recorded


def test_only_recorded_snapshots_count(tmp_path: Path, caffe_bin: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    decay.write(tmp_path, snapshot=5)
    environment = {**os.environ, "GLOG_minloglevel": "2"}
    subprocess.run([caffe_bin, "train", "-solver=solver.prototxt"], cwd=tmp_path, env=environment, check=True)
    prefix, figures = tmp_path / "snapshots/decay", tmp_path / "snapshots/decay.jsonl"
    assert (newest := find_recorded(prefix)) and newest.iteration == 20  # without figures, each counts
    figures.write_text("")
    assert find_recorded(prefix) is None
    record = '{"iteration": %d, "snapshot": "snapshots/decay_iter_%d.solverstate"}'
    lines = [record % (number, number) for number in (5, 10, 25)]
    figures.write_text("\n".join([*lines, record % (15, 15)]))  # the last line has no end
    assert (newest := find_recorded(prefix)) and newest.iteration == 10
