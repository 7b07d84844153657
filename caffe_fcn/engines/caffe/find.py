"""Where real Caffe is on this machine, and what it can do.

It is looked for where it was named, then in PATH, then where ``scripts/install_caffe.sh`` puts it, then in
a conda environment called caffe. A Caffe that was named must work; of the others the first that starts is
taken.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from caffe_fcn.errors import EngineError

HOW_TO_GET = "run scripts/install_caffe.sh, or 'conda env create -f environment.yml', or name one with --caffe"

_CONDA_ROOTS = ("~/miniconda3", "~/anaconda3", "~/miniforge3", "~/mambaforge", "~/.conda", "/opt/conda")
# Looks instead of importing, which takes seconds; in the dialects of Python 2.7 and 3.
_HAS_PYCAFFE = """
import os, sys
sys.exit(not any(os.path.isfile(os.path.join(path, "caffe", "pycaffe.py")) for path in sys.path))
"""
_PATIENCE = 60  # seconds for a program to say its version; a cold disk takes some of them


@dataclass(frozen=True)
class Caffe:
    """A Caffe that starts: its ``caffe`` program, its version, and how it was found."""

    binary: Path
    version: str
    found: str

    @cached_property
    def devices(self) -> str:
        """``CPU only``, or the GPU that it drives, or why it drives none."""
        done = _run([str(self.binary), "device_query", "-gpu", "0"])
        said = done.stdout + done.stderr
        if "CPU-only" in said:
            return "CPU only"
        name = re.search(r"\bName: *(.+)", said)
        if done.returncode == 0 and name:
            return f"GPU: {name[1].strip()}"
        why = re.search(r"Check failed: .*?\) +(.+)", said)
        return f"built for GPUs, none usable: {why[1].strip()}" if why else "built for GPUs, none usable"

    @property
    def cpu_only(self) -> bool:
        """Whether this Caffe was built without GPU code."""
        return self.devices == "CPU only"

    @cached_property
    def python(self) -> Sequence[str]:
        """The command of a Python that imports this Caffe's pycaffe (2.7 or newer).

        Raises `EngineError` where there is none.
        """
        for command in _pythons(self.binary):
            try:
                done = _run([*command, "-c", _HAS_PYCAFFE])
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0:
                return command
        raise EngineError(
            self.binary, "no Python with pycaffe beside it", f"set CAFFE_PYTHON to one that does, or {HOW_TO_GET}"
        )


def find(named: str | os.PathLike[str] | None = None) -> Caffe:
    """Real Caffe: the one ``named`` (the program, or the folder it was installed to), else the first found.

    Raises `EngineError` where there is none, or the one that was named does not start.
    """
    for option, value in (("--caffe", named), ("CAFFE_BIN", os.environ.get("CAFFE_BIN"))):
        if value:
            return _named(Path(value).expanduser(), option)
    failures = []
    for found, binary in _candidates():
        try:
            return _started(binary, found)
        except EngineError as error:
            failures.append(str(error))
    if failures:
        raise EngineError("Caffe", f"none that starts: {'; '.join(failures)}", HOW_TO_GET)
    raise EngineError("Caffe", f"is neither in PATH nor in {prefix()} nor a conda environment called caffe", HOW_TO_GET)


def prefix() -> Path:
    """The folder that ``scripts/install_caffe.sh`` fills: CAFFE_PREFIX, else one in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("CAFFE_PREFIX") or f"{cache}/caffe-fcn/caffe").expanduser()


def _named(path: Path, option: str) -> Caffe:
    for binary in (path, path / "bin/caffe", path / "build/tools/caffe"):
        if binary.is_file():
            return _started(binary.absolute(), option)
    what = "holds no bin/caffe" if path.is_dir() else "no such file"
    raise EngineError(f"{option} {path}", what, HOW_TO_GET.replace(", or name one with --caffe", ""))


def _candidates() -> Iterator[tuple[str, Path]]:
    in_path = shutil.which("caffe")
    if in_path:
        yield "PATH", Path(in_path)
    candidates = [("scripts/install_caffe.sh", prefix()), *(("conda", env) for env in _conda_environments())]
    for found, folder in candidates:
        binary = folder / "bin" / "caffe"
        if os.access(binary, os.X_OK):
            yield found, binary


def _conda_environments() -> Iterator[Path]:
    """Folders that may be a conda environment called caffe."""
    active = os.environ.get("CONDA_PREFIX")
    if active:
        yield from (Path(active) / "envs" / "caffe", Path(active).parent / "caffe")
    program = os.environ.get("CONDA_EXE") or os.environ.get("MAMBA_EXE") or shutil.which("conda")
    roots = [Path(program).resolve().parent.parent] if program else []
    roots += [Path(root).expanduser() for root in (os.environ.get("MAMBA_ROOT_PREFIX"), *_CONDA_ROOTS) if root]
    yield from (root / "envs" / "caffe" for root in roots)


def _started(binary: Path, found: str) -> Caffe:
    try:
        done = _run([str(binary), "--version"])
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "does not answer"
        raise EngineError(binary, f"cannot be run: {why.lower()}", "check the path and its permissions") from error
    said = (done.stdout + done.stderr).strip()
    version = re.search(r"caffe version (\S+)", said)
    if not version:
        last = said.splitlines()[-1] if said else f"it ended with status {done.returncode}"
        raise EngineError(binary, f"is not Caffe, or does not start: {last}", "try it with --version")
    return Caffe(binary, version[1], found)


def _pythons(binary: Path) -> Iterator[list[str]]:
    """Commands that may be the Python of a ``caffe`` program: named, beside it, or of a source tree."""
    named = os.environ.get("CAFFE_PYTHON")
    if named:
        yield [named]
    for place in dict.fromkeys((binary.parent, binary.resolve().parent)):
        yield from ([str(place / name)] for name in ("pycaffe", "python", "python3", "python2"))
    tree = binary.resolve().parent.parent.parent / "python"  # CAFFE_ROOT/build/tools/caffe
    systems = ("python3", "python", "python2")
    if (tree / "caffe").is_dir():
        yield from (["env", f"PYTHONPATH={tree}", name] for name in systems)
    yield from ([name] for name in systems)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GLOG_logtostderr": "1", "GLOG_minloglevel": "0"}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
    )
