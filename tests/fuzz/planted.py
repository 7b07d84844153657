"""Formats that are handled badly on purpose, so that the harness can be seen to notice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

from fuzz.formats.format import Files, Format, ValueChanged

from caffe_fcn.errors import FileError


def _sound(random: Random, files: Files) -> Files:
    return files


def _traceback(inputs: Path) -> None:
    raise IndexError("of a parser")


def _killed(inputs: Path) -> None:
    os.kill(os.getpid(), signal.SIGBUS)


def _hangs(inputs: Path) -> None:
    time.sleep(600)


def _takes_memory(inputs: Path) -> None:
    bytearray(b"x") * (1200 << 20)


def _changes_its_input(inputs: Path) -> None:
    (inputs / "net.prototxt").write_text("another")


def _leaves_a_file(inputs: Path) -> None:
    Path("left.tmp").write_text("in the working directory")


def _two_lines(inputs: Path) -> None:
    raise FileError("net.prototxt", "is\nwrong")


def _refuses(inputs: Path) -> None:
    raise FileError("net.prototxt", "is wrong")


def _accepts(inputs: Path) -> None:
    pass


def _another_value(inputs: Path, outputs: Path) -> None:
    raise ValueChanged("1 became 2")


_NET = {"net.prototxt": b'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }'}
_PARSERS = {
    "traceback": _traceback,
    "killed": _killed,
    "hangs": _hangs,
    "takes memory": _takes_memory,
    "changes its input": _changes_its_input,
    "leaves a file": _leaves_a_file,
    "two lines": _two_lines,
    "refuses": _refuses,
    "accepts": _accepts,
}
FORMATS = {name: Format(name, lambda: [_NET], _sound, parse) for name, parse in _PARSERS.items()}
FORMATS["another value"] = Format("another value", lambda: [_NET], _sound, _accepts, (), (_another_value,))
FORMATS["completes"] = Format("completes", lambda: [_NET], _sound, _accepts, ("net show {i}/net.prototxt",))
FORMATS["is refused"] = Format("is refused", lambda: [_NET], _sound, _accepts, ("net show {i}/no.prototxt",))
