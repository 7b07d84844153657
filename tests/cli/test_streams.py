"""What the command does when it is interrupted, when its streams are closed, and what it prints on them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import ROOT, Ran

from caffe_fcn import netspec, surgery

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "a\\033[2J\\n\\233" type: "ReLU" bottom: "data" top: "b" }
"""


def run(*arguments: str | bytes, shell: str = "", before: str = "") -> subprocess.CompletedProcess[bytes]:
    """The program in a child process; ``before`` is Python that runs first, ``shell`` is what redirects."""
    code = f"{before}\nfrom caffe_fcn.__main__ import main; main()"
    command = [os.fsencode(each) for each in (sys.executable, "-c", code, *arguments)]
    return subprocess.run(["bash", "-c", f'"$@" {shell}', "bash", *command], capture_output=True, timeout=60)


IMPORTING = "class Finder:\n def find_spec(name, *_):\n  if name == 'NAME': SEND\nsys.meta_path.insert(0, Finder)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "moment",
    [
        IMPORTING.replace("NAME", "click"),
        IMPORTING.replace("NAME", "caffe_fcn.cli.net"),
        "import atexit; atexit.register(lambda: SEND)",
        "import threading\nclass Late(threading.Thread):\n def run(self): threading.main_thread().join(); SEND\n"
        "Late().start()",
    ],
    ids=["importing click", "importing the command", "at exit", "joining threads"],
)
def test_a_signal_at_the_first_or_last_moment_ends_it_without_a_traceback(number: signal.Signals, moment: str) -> None:
    send = f"os.kill(os.getpid(), {int(number)})"
    done = run("net", "list", before="import os, sys\n" + moment.replace("SEND", send))
    assert done.returncode == 130
    assert done.stderr.strip() in (b"", b"interrupted")


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = (
        "import atexit, os, signal; signal.signal(2, signal.SIG_IGN); atexit.register(lambda: os.kill(os.getpid(), 2))"
    )
    assert run("net", "list", before=before).returncode == 0


def test_the_installed_program_is_the_one_that_expects_signals() -> None:
    """The console script of pyproject.toml."""
    assert 'caffe-fcn = "caffe_fcn.__main__:main"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "shell", "says"),
    [
        (["net", "list"], ">&-", "standard input or output: bad file descriptor"),
        (["net", "list"], "> /dev/full", "standard input or output: no space left on device"),
        (["net", "build", "triangles", "--phase", "deploy", "-o", "-"], ">&-", "standard output: bad file descriptor"),
        (["net", "show", "-"], "<&-", "bad file descriptor"),
        (["net", "show", "no"], "2>&-", ""),
        (["net", "show", "no"], "<&- >&-", "no: no such file or directory (check the path)"),
    ],
)
def test_closed_and_full_streams_are_a_line(arguments: list[str], shell: str, says: str) -> None:
    done = run(*arguments, shell=shell)
    error = done.stderr.decode()
    assert done.returncode == 2
    assert says in error and error.count("\n") == bool(says)


def test_an_output_file_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what is printed would stand in the file."""
    out = tmp_path / "net"
    assert run("net", "build", "triangles", "-o", str(out), shell=">&- 2>&-").returncode == 2  # it tells what it wrote
    assert b"prototxt\n" not in (out / "deploy.prototxt").read_bytes()


def test_a_reader_that_has_enough_is_no_error() -> None:
    assert run("net", "list", shell="| head -1; exit ${PIPESTATUS[0]}").returncode == 0


def test_memory_that_does_not_suffice_is_a_line(tmp_path: Path) -> None:
    weights = tmp_path / "w.npz"
    np.savez(weights, **{"conv/0": np.zeros((1, 1, 1, 1), "f4")})
    before = "import caffe_fcn.weights as w\ndef fail(*_): raise MemoryError('Unable to allocate 7 GiB')\n"
    done = run("weights", "info", str(weights), before=before + "w.open_weights = fail")
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"error: memory: does not suffice: Unable to allocate 7 GiB (" in done.stderr
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 40)  # a file with a hole, larger than any memory
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))"
    netspec.write("triangles", tmp_path / "net")
    surgery.fill(tmp_path / "net" / "deploy.prototxt", tmp_path / "net" / "filled.caffemodel")
    done = run("infer", str(tmp_path / "net"), str(tmp_path / "large.png"), "-o", str(tmp_path / "out"), before=limit)
    assert done.returncode == 2 and done.stderr.decode().startswith(f"error: {tmp_path}/large.png: does not fit")


def test_names_of_files_that_are_not_utf_8_are_printed(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xe9\x1b[31m"
    done = run("net", "show", name)
    assert done.stderr.decode() == f"error: {tmp_path}/\\xe9\\x1b[31m: no such file or directory (check the path)\n"
    done = run("net", "build", "triangles", "-o", name)
    assert done.returncode == 0 and b"\\xe9\\x1b[31m/deploy.prototxt\n" in done.stdout
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"\xe9\x1b[31m"]


def test_letters_that_the_terminal_has_not_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "net").write_text(
        'layer { name: "\u4e2d" type: "DummyData" top: "a" dummy_data_param { shape { dim: 1 } } }'
    )
    done = run("net", "show", str(tmp_path / "net"), before="import sys; sys.stdout.reconfigure(encoding='latin-1')")
    assert done.returncode == 0 and b"\\u4e2d" in done.stdout


@pytest.mark.parametrize("command", [["net", "show"], ["net", "show", "--size", "x"], ["net", "draw", "-o", "x.zip"]])
def test_control_characters_of_names_do_not_reach_the_terminal(
    cli: Callable[..., Ran], tmp_path: Path, command: list[str]
) -> None:
    net = tmp_path / "a\x1b]0;title\x07\u202e.prototxt"
    net.write_text(NET.replace("\\233", "\u009b"))
    done = cli(*command[:2], net, *command[2:])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.out + done.err)
    if done.status == 0:
        assert r"a\x1b[2J\n\x9b" in done.out


def test_what_a_command_prints_goes_through_the_escapes() -> None:
    """`caffe_fcn.cli.printing.echo`; but for a line that draws over itself."""
    found = [
        line
        for path in (ROOT / "caffe_fcn" / "cli").glob("*.py")
        for line in path.read_text().splitlines()
        if path.name != "printing.py" and re.search(r"click\.echo\(|\bprint\((?!able)", line) and "\\r" not in line
    ]
    assert [line.strip() for line in found if "console.print" not in line] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["net", "upgrade", "IN", "-o", ""],
        ["net", "build", "triangles", "-o", ""],
        ["net", "show", ""],
        ["offsets", "IN", "--fix", "-o", ""],
        ["infer", "IN", "W", "IMAGE", "-o", ""],
        ["infer", "IN", "W", "IMAGE", "", "-o", "out"],
        ["data", "triangles", "--count", "2", "-o", ""],
        ["data", "explore", "", "-o", "x.html"],
        ["data", "folder", "--images", "", "--labels", "x", "-o", "x"],
        ["surgery", "recipe", "voc-fcn32s", "--weights", "", "-o", "x"],
        ["weights", "convert", "IN", ""],
        ["weights", "mean", "1,2,3", "-o", ""],
        ["train", ""],
    ],
)
def test_an_empty_path_is_refused(
    cli: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    assert done.status == 2 and "is empty" in done.err and done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
