"""Where real Caffe is on this machine, and what it can do.

The search goes through the path that was given, PATH, the folder that ``scripts/install_caffe.sh`` fills, and conda
environments called caffe. A Caffe that was given must work; of the others the first that starts is taken.
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
from caffe_fcn.files import PathLike

_INSTALL = "run scripts/install_caffe.sh, or 'conda env create -f environment.yml'"
HOW_TO_GET_CAFFE = f"{_INSTALL}, or name one with `caffe`"

_CONDA_ROOTS = ("~/miniconda3", "~/anaconda3", "~/miniforge3", "~/mambaforge", "~/.conda", "/opt/conda")
# Looks for the file, because an import takes seconds; runs in Python 2.7 and 3.
_HAS_PYCAFFE = """
import os, sys
sys.exit(not any(os.path.isfile(os.path.join(path, "caffe", "pycaffe.py")) for path in sys.path))
"""
_PATIENCE = 60  # seconds for a program to print its version; a cold disk takes some of them


@dataclass(frozen=True)
class Caffe:
    """A Caffe that starts: its ``caffe`` program and its version; ``found`` says how it was found."""

    binary: Path
    version: str
    found: str

    @cached_property
    def devices(self) -> str:
        """``CPU only``, or the name of the GPU that it drives, or why it drives none."""
        done = _run([str(self.binary), "device_query", "-gpu", "0"])
        output = done.stdout + done.stderr
        if "CPU-only" in output:
            return "CPU only"
        name = re.search(r"\bName: *(.+)", output)
        if done.returncode == 0 and name:
            return f"GPU: {name[1].strip()}"
        why = re.search(r"Check failed: .*?\) +(.+)", output)
        return f"built for GPUs, none usable: {why[1].strip()}" if why else "built for GPUs, none usable"

    @property
    def cpu_only(self) -> bool:
        """Whether this Caffe was built without GPU code."""
        return self.devices == "CPU only"

    @cached_property
    def python(self) -> Sequence[str]:
        """The command of a Python (2.7 or newer) that imports pycaffe; raises `EngineError` if there is none."""
        for command in _candidate_pythons(self.binary):
            try:
                done = _run([*command, "-c", _HAS_PYCAFFE])
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0:
                return command
        raise EngineError(
            self.binary, "no Python with pycaffe beside it", f"set CAFFE_PYTHON to one that does, or {HOW_TO_GET_CAFFE}"
        )


def find(caffe: PathLike | None = None) -> Caffe:
    """Find real Caffe: the one at the path ``caffe`` (the program, or the folder it was installed to), else the first.

    Raises `EngineError` if there is none, or the one at ``caffe`` does not start.
    """
    for source, path in (("`caffe`", caffe), ("CAFFE_BIN", os.environ.get("CAFFE_BIN"))):
        if path:
            return _probe_path(Path(path).expanduser(), source)
    failures = []
    for found, binary in _candidate_programs():
        try:
            return _probe(binary, found)
        except EngineError as error:
            failures.append(str(error))
    if failures:
        raise EngineError("Caffe", f"none that starts: {'; '.join(failures)}", HOW_TO_GET_CAFFE)
    what = f"is neither in PATH nor in {install_prefix()} nor a conda environment called caffe"
    raise EngineError("Caffe", what, HOW_TO_GET_CAFFE)


def install_prefix() -> Path:
    """Return the folder that ``scripts/install_caffe.sh`` fills: CAFFE_PREFIX, else one in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("CAFFE_PREFIX") or f"{cache}/caffe-fcn/caffe").expanduser()


def _probe_path(path: Path, source: str) -> Caffe:
    """Return the Caffe at a path, a program or a folder, that ``source`` (a parameter or a variable) gave."""
    for binary in (path, path / "bin/caffe", path / "build/tools/caffe"):
        if binary.is_file():
            return _probe(binary.absolute(), source)
    what = "holds no bin/caffe" if path.is_dir() else "no such file"
    raise EngineError(f"{source} {path}", what, _INSTALL)


def _candidate_programs() -> Iterator[tuple[str, Path]]:
    """Yield programs that may be Caffe, each after the place that it was found in."""
    in_path = shutil.which("caffe")
    if in_path:
        yield "PATH", Path(in_path)
    candidates = [("scripts/install_caffe.sh", install_prefix()), *(("conda", env) for env in _conda_environments())]
    for found, folder in candidates:
        binary = folder / "bin" / "caffe"
        if os.access(binary, os.X_OK):
            yield found, binary


def _conda_environments() -> Iterator[Path]:
    """Yield the folders where a conda environment called caffe may be."""
    active = os.environ.get("CONDA_PREFIX")
    if active:
        yield from (Path(active) / "envs" / "caffe", Path(active).parent / "caffe")
    program = os.environ.get("CONDA_EXE") or os.environ.get("MAMBA_EXE") or shutil.which("conda")
    roots = [Path(program).resolve().parent.parent] if program else []
    roots += [Path(root).expanduser() for root in (os.environ.get("MAMBA_ROOT_PREFIX"), *_CONDA_ROOTS) if root]
    yield from (root / "envs" / "caffe" for root in roots)


def _probe(binary: Path, found: str) -> Caffe:
    """Run the program to learn its version; raise `EngineError` if it is not Caffe."""
    try:
        done = _run([str(binary), "--version"])
    except (OSError, subprocess.TimeoutExpired) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "does not answer"
        raise EngineError(binary, f"cannot be run: {why.lower()}", "check the path and its permissions") from error
    output = (done.stdout + done.stderr).strip()
    version = re.search(r"caffe version (\S+)", output)
    if not version:
        last = output.splitlines()[-1] if output else f"it ended with status {done.returncode}"
        raise EngineError(binary, f"is not Caffe, or does not start: {last}", "try it with --version")
    return Caffe(binary, version[1], found)


def _candidate_pythons(binary: Path) -> Iterator[list[str]]:
    """Yield commands that may be the Python of a Caffe: CAFFE_PYTHON, then those beside the program, then others."""
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
