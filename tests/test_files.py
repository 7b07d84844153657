"""Outputs appear whole or not at all: failures, full disks, killed runs."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ran

from caffe_fcn import files, netspec
from caffe_fcn.datasets.formats import triangles
from caffe_fcn.errors import FileError


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.atomic_write(target) as file:
        file.write(b"new")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no space left.*free some space"), files.naming_errors("out"):
        Path("/dev/full").write_bytes(b"x")
    target = tmp_path / "out"
    code = "import resource, signal, sys\nfrom caffe_fcn import files\n"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    code += "try: files.write_text(sys.argv[1], 'x' * 100000)\nexcept files.FileError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True)
    assert done.stdout.startswith(f"{target}: file too large")
    assert not list(tmp_path.iterdir())


def test_the_next_run_removes_what_a_killed_run_left(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    code = "import sys, time\nfrom caffe_fcn import files\n"
    code += "with files.atomic_write(sys.argv[1]) as file:\n"
    code += "    file.write(b'x'); file.flush(); print('on', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, target], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(tmp_path.iterdir())) == 1 and not target.exists()
    files.write_text(target, "whole")
    assert list(tmp_path.iterdir()) == [target] and target.read_text() == "whole"


def test_the_output_of_a_running_process_is_left_alone(tmp_path: Path) -> None:
    mine = files.temporary_name(tmp_path / "out.txt").name
    other = tmp_path / mine.replace(str(os.getpid()), str(os.getppid()))
    other.write_text("being written")
    files.write_text(tmp_path / "out.txt", "mine")
    assert other.exists()


@pytest.mark.parametrize(("name", "what"), [("no/out.txt", "no such file or directory"), ("", "is a folder")])
def test_an_impossible_target_is_reported_before_anything_is_written(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(FileError, match=what):
        files.write_text(tmp_path / name, "x")
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_name_is_a_folder_too() -> None:
    with pytest.raises(FileError, match=r"^\.: is a folder"):
        files.write_text(".", "x")


# Links, devices, pipes


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    real, link, over = tmp_path / "folder" / "real", tmp_path / "link", tmp_path / "over"
    real.write_text("old")
    link.symlink_to("folder/real")
    over.symlink_to(link)
    files.write_text(over, "new")
    assert over.is_symlink() and link.is_symlink() and real.read_text() == "new"
    assert sorted(tmp_path.rglob("*")) == sorted([tmp_path / "folder", real, link, over])


def test_a_link_that_leads_nowhere_gets_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    files.write_text(link, "new")
    assert link.is_symlink() and (tmp_path / "target").read_text() == "new"
    folder = tmp_path / "out"
    folder.symlink_to("made")
    netspec.write("triangles", folder)
    assert folder.is_symlink() and (tmp_path / "made" / "deploy.prototxt").is_file()


def test_links_in_a_circle_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(FileError, match=r"a: too many levels of symbolic links"):
        files.write_text(tmp_path / "a", "x")


def test_a_fifo_gets_the_bytes_and_stays(tmp_path: Path) -> None:
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    files.write_text(fifo, "x" * 200_000)
    reader.join()
    assert got == [b"x" * 200_000] and stat.S_ISFIFO(fifo.stat().st_mode)
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.fixture
def old_net(tmp_path: Path) -> Path:
    path = tmp_path / "v1.prototxt"
    path.write_text('layers { name: "r" type: RELU bottom: "a" top: "b" }')
    return path


@pytest.mark.parametrize("where", ["link", "/dev/stdout"])
def test_standard_output_is_written_to_whatever_it_is(tmp_path: Path, old_net: Path, where: str) -> None:
    """A pipe gets the text, a file after what is in it; /dev/stdout stays a link."""
    if not Path("/proc/self/fd/1").exists():
        pytest.skip("no /proc")
    before = Path("/dev/stdout").lstat()
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    target = str(tmp_path / where)  # an absolute ``where`` is itself
    if not Path("/dev/stdout").is_symlink():
        pytest.skip("/dev/stdout is no link here")
    command = [sys.executable, "-m", "caffe_fcn", "net", "upgrade", str(old_net), "-o", target]
    piped = subprocess.run(command, capture_output=True, text=True)
    assert piped.returncode == 0 and 'type: "ReLU"' in piped.stdout, piped.stderr
    out = tmp_path / "out"
    with out.open("w") as file:
        file.write("before\n")
        file.flush()
        assert subprocess.run(command, stdout=file).returncode == 0
    assert out.read_text() == "before\n" + piped.stdout
    after = Path("/dev/stdout").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.parametrize("suffix", [".caffemodel", ".h5", ".npz", ".safetensors"])
def test_weights_of_every_format_go_through_a_pipe(cli: Callable[..., Ran], tmp_path: Path, suffix: str) -> None:
    given, fifo, plain = tmp_path / "w.npz", tmp_path / f"fifo{suffix}", tmp_path / f"plain{suffix}"
    np.savez(given, **{"conv/0": np.arange(50_000, dtype="f4").reshape(500, 100)})
    os.mkfifo(fifo)
    assert cli("weights", "convert", given, plain).status == 0
    got = tmp_path / f"got{suffix}"
    with got.open("wb") as file, subprocess.Popen(["cat", fifo], stdout=file) as reader:
        assert cli("weights", "convert", given, fifo).status == 0
        reader.wait(timeout=30)
    assert got.stat().st_size == plain.stat().st_size
    assert cli("weights", "diff", given, got).status == 0


def test_a_reader_that_goes_away_is_reported(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    (tmp_path / "link").symlink_to(f"/proc/self/fd/{writing}")
    with pytest.raises(FileError, match=r"link: broken pipe"):
        files.write_text(tmp_path / "link", "x")
    os.close(writing)


# Several outputs


def test_outputs_that_are_written_together_appear_together(tmp_path: Path) -> None:
    with pytest.raises(FileError), files.write_together():
        files.write_text(tmp_path / "a", "x")
        files.write_text(tmp_path / "no" / "b", "x")
    assert not list(tmp_path.iterdir())
    with files.write_together():
        files.write_text(tmp_path / "a", "x")
        files.write_text(tmp_path / "b", "x")
        assert not (tmp_path / "a").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_one_target_for_two_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is named for two outputs"), files.write_together():
        files.write_text(tmp_path / "a", "x")
        files.write_text(tmp_path / "." / "a", "y")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [231, 255])
def test_a_name_as_long_as_the_system_permits_is_written(tmp_path: Path, length: int) -> None:
    target = tmp_path / ("n" * length)
    files.write_text(target, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


# Disks that are full, folders that cannot be written


def fill(disk: Path, leaving: int) -> None:
    """Fill a disk but for some bytes."""
    free = os.statvfs(disk)
    (disk / "full").write_bytes(bytes(free.f_bavail * free.f_frsize - leaving))


@pytest.fixture
def mean_net(tmp_path: Path) -> tuple[Path, Path]:
    """A net of one convolution of 80 kB, and its weights."""
    net, weights = tmp_path / "net.prototxt", tmp_path / "w.npz"
    net.write_text(
        """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 9 dim: 9 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 10000 kernel_size: 1 } }
        """
    )
    np.savez(weights, **{"conv/0": np.ones((10000, 2, 1, 1), "f4"), "conv/1": np.ones(10000, "f4")})
    return net, weights


@pytest.mark.parametrize("suffix", [".caffemodel", ".h5", ".npz", ".safetensors"])
@pytest.mark.parametrize("leaving", [0, 65536])
def test_weights_on_a_full_disk_are_a_line(
    cli: Callable[..., Ran], small_disk: Path, mean_net: tuple[Path, Path], suffix: str, leaving: int
) -> None:
    fill(small_disk, leaving)
    done = cli("weights", "convert", mean_net[1], small_disk / f"out{suffix}")
    line = f"error: {small_disk}/out{suffix}: no space left on device (free some space)\n"
    assert (done.status, done.err) == (2, line)
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_fold_mean_leaves_no_weights_without_their_net(
    cli: Callable[..., Ran], small_disk: Path, mean_net: tuple[Path, Path]
) -> None:
    fill(small_disk, 4096)
    net, weights = mean_net
    outputs = ["--net-output", small_disk / "new.prototxt", "-o", weights.with_name("new.caffemodel")]
    assert cli("surgery", "fold-mean", "--net", net, "--weights", weights, "--mean", "1,2", *outputs).status == 0
    (small_disk / "new.prototxt").unlink()
    weights.with_name("new.caffemodel").unlink()
    (small_disk / "full").unlink()
    fill(small_disk, 0)
    done = cli("surgery", "fold-mean", "--net", net, "--weights", weights, "--mean", "1,2", *outputs)
    assert done.status == 2 and "no space left" in done.err
    assert not weights.with_name("new.caffemodel").exists()
    assert [path.name for path in small_disk.iterdir()] == ["full"]


@pytest.mark.parametrize("leaving", [0, 8192, 65536])
def test_a_data_set_on_a_full_disk_leaves_nothing(small_disk: Path, leaving: int) -> None:
    fill(small_disk, leaving)
    with pytest.raises(FileError, match="no space left"):
        triangles.build(small_disk / "deep" / "set", count=1000)
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_the_nets_of_a_folder_on_a_full_disk_leave_no_folder(small_disk: Path) -> None:
    fill(small_disk, 12288)
    with pytest.raises(FileError, match="no space left"):
        netspec.write("voc-fcn8s", small_disk / "deep" / "net")
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_an_impossible_folder_is_reported_and_leaves_no_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="not a directory"):
        triangles.build(tmp_path / "file" / "set", count=10)
    with pytest.raises(ZeroDivisionError), files.make_folder(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_read_only_file_system_is_reported(cli: Callable[..., Ran], small_disk: Path) -> None:
    (small_disk / "v1.prototxt").write_text('layer { name: "r" type: "ReLU" bottom: "a" top: "b" }')
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = cli("net", "upgrade", small_disk / "v1.prototxt", "-o", small_disk / "v2.prototxt")
    assert (done.status, done.err) == (2, f"error: {small_disk}/v2.prototxt: read-only file system\n")


def test_the_same_weights_give_the_same_bytes(cli: Callable[..., Ran], tmp_path: Path) -> None:
    """Also in HDF5, which by default stores the time of writing."""
    given = tmp_path / "w.npz"
    np.savez(given, **{"conv/0": np.arange(6, dtype="f4").reshape(2, 3), "conv/1": np.arange(2, dtype="f4")})
    for name in ("a.caffemodel.h5", "b.caffemodel.h5"):
        assert cli("weights", "convert", given, tmp_path / name).status == 0
        time.sleep(1.01)  # HDF5 counts in seconds
    first, second = ((tmp_path / f"{name}.caffemodel.h5").read_bytes() for name in "ab")
    assert first == second
