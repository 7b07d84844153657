"""Outputs appear whole or not at all: failures, full disks, killed runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from caffe_fcn import files
from caffe_fcn.errors import FileError


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.atomic(target) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no space left.*free some space"), files.told("out"):
        Path("/dev/full").write_bytes(b"x")
    target = tmp_path / "out"
    code = "import resource, signal, sys\nfrom caffe_fcn import files\n"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    code += "try: files.write_text(sys.argv[1], 'x' * 100000)\nexcept files.FileError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True)
    assert done.stdout.startswith(f"{target}: file too large")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_gone_after_the_next(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    code = "import sys, time\nfrom caffe_fcn import files\n"
    code += "with files.atomic(sys.argv[1]) as file:\n"
    code += "    file.write(b'x'); file.flush(); print('on', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(tmp_path.iterdir())) == 1 and not target.exists()
    files.write_text(target, "whole")
    assert list(tmp_path.iterdir()) == [target] and target.read_text() == "whole"


def test_what_a_living_run_writes_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".out.txt.caffe-fcn-tmp-{os.getppid()}"
    other.write_text("being written")
    files.write_text(tmp_path / "out.txt", "mine")
    assert other.exists()


@pytest.mark.parametrize(("name", "what"), [("no/out.txt", "no such file or directory"), ("", "is a folder")])
def test_a_target_that_cannot_be_is_told_before_anything_is_written(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(FileError, match=what):
        files.write_text(tmp_path / name, "x")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_name_is_a_folder_too() -> None:
    with pytest.raises(FileError, match=r"^\.: is a folder"):
        files.write_text(".", "x")
