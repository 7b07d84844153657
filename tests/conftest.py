"""Fixtures that all rooms share: real Caffe, and the reference files.

Real Caffe is what ``scripts/install_caffe.sh`` sets up; where it is missing, tests that need it skip, or
fail if ``CAFFE_FCN_REQUIRE_CAFFE=1`` says that they must run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from browser import PROGRAMS, Browser
from caffe_worker import CaffeWorker, PyCaffe
from command import ROOT, Ran, Running
from hypothesis import settings
from small_disks import small_disk_in

from caffe_fcn.cli import main

# The same examples on every run, so that a landing stands or falls by what changed. HYPOTHESIS_PROFILE=search takes
# others each time.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference prototxts and facts beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip("the reference files (../shared) are not here")
    return folder


# A job in the background, or under nohup, starts with these ignored, and so would everything that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """``caffe-fcn`` as a function of its arguments, in this process."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        return Ran(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def run(*arguments: str, terminal: bool = False) -> Running:
        started.append(Running(list(arguments), terminal))
        return started[-1]

    yield run
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def caffe_prefix() -> Path:
    """The folder that ``scripts/install_caffe.sh`` filled."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    prefix = Path(os.environ.get("CAFFE_PREFIX") or cache / "caffe-fcn" / "caffe")
    for program in ("caffe", "pycaffe"):
        if not os.access(prefix / "bin" / program, os.X_OK):
            _without_caffe(f"no {prefix / 'bin' / program}: run scripts/install_caffe.sh")
    return prefix


@pytest.fixture(scope="session")
def caffe_bin(caffe_prefix: Path) -> Path:
    """The real ``caffe`` binary (1.0, CPU)."""
    return caffe_prefix / "bin" / "caffe"


@pytest.fixture(scope="session")
def pycaffe(caffe_prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> PyCaffe:
    """Real pycaffe as a function: ``outputs = pycaffe(source, cwd=None, **inputs)``.

    ``source`` runs in a Python of its own, with ``caffe`` (CPU mode) and ``np`` imported, finds its arrays in
    the dict ``inputs`` and leaves arrays in the dict ``outputs``. Paths pass as strings within the source.

        outputs = pycaffe("outputs['y'] = caffe.Net(str(inputs['net']), caffe.TEST).blobs['y'].data", net=path)
    """

    def run(source: str, cwd: Path | None = None, **inputs: Any) -> dict[str, np.ndarray]:
        folder = tmp_path_factory.mktemp("pycaffe")
        given, made, script = folder / "inputs.npz", folder / "outputs.npz", folder / "script.py"
        np.savez(given, **{k: str(v) if isinstance(v, Path) else v for k, v in inputs.items()})
        script.write_text(_BEFORE + textwrap.dedent(source) + _AFTER)
        command = [str(caffe_prefix / "bin" / "pycaffe"), str(script), str(given), str(made)]
        done = subprocess.run(command, cwd=cwd or folder, env=_quiet(os.environ), capture_output=True, text=True)
        if done.returncode != 0:
            log = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            pytest.fail(f"pycaffe ended with status {done.returncode}:\n{log}", pytrace=False)
        with np.load(made) as arrays:
            return dict(arrays)

    return run


@pytest.fixture(scope="session")
def caffe(caffe_prefix: Path) -> Iterator[CaffeWorker]:
    """Real pycaffe as a child process that stays up, for many small questions (see caffe_worker.py)."""
    worker = CaffeWorker(caffe_prefix / "bin" / "pycaffe")
    yield worker
    worker.close()


@pytest.fixture
def browser(started_browser: Browser) -> Browser:
    """Chromium, or Chrome, with a light window of 1200 x 800 pixels."""
    started_browser.view(1200, 800)
    return started_browser


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One tab that stays open."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is on the PATH")
    made = Browser(program, tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    with small_disk_in(tmp_path, "256k") as disk:
        yield disk


_BEFORE = """\
import sys
import numpy as np
import caffe
caffe.set_mode_cpu()
with np.load(sys.argv[1]) as given:
    inputs = dict(given)
outputs = {}
"""
_AFTER = """
np.savez(sys.argv[2], **outputs)
"""


def _quiet(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "GLOG_minloglevel": "1"}


def _without_caffe(why: str) -> NoReturn:
    if os.environ.get("CAFFE_FCN_REQUIRE_CAFFE") == "1":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
