"""``scripts/install_caffe.sh``: what it leaves works, and what goes wrong is one line and leaves nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "install_caffe.sh"
NOWHERE = "http://127.0.0.1:9"  # nothing listens there

MEND = "name a mirror with Debian's bullseye or Ubuntu's focal: --mirror URL or CAFFE_MIRROR"

Done = subprocess.CompletedProcess[str]
Install = Callable[..., Done]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """The script as a function, without a network."""

    def run(*arguments: object, **environment: str) -> Done:
        network = {"http_proxy": NOWHERE, "https_proxy": NOWHERE}
        return subprocess.run(
            [SCRIPT, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **network, **environment},
            capture_output=True,
            text=True,
        )

    return run


def error(done: Done) -> str:
    """The one line of error, the last on stderr."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("error: ") == 1
    return done.stderr.splitlines()[-1]


def test_what_is_there_is_kept(install: Install, caffe_prefix: Path) -> None:
    before = (caffe_prefix / "bin/caffe").stat()
    done = install(caffe_prefix)
    assert done.returncode == 0
    assert done.stderr == f"Caffe is already in {caffe_prefix.resolve()}\n"
    assert (caffe_prefix / "bin/caffe").stat() == before


def test_the_tools_of_caffe_run(caffe_prefix: Path) -> None:
    for tool in ("convert_imageset", "compute_image_mean", "upgrade_net_proto_text", "extract_features"):
        done = subprocess.run([caffe_prefix / "bin" / tool], capture_output=True, text=True)
        assert "error while loading" not in done.stderr
        assert tool in done.stdout + done.stderr  # its usage


def test_a_launcher_is_caffe_itself_once_it_runs(caffe_bin: Path) -> None:
    """Signals go to the process that was started, and the launcher ends in exec."""
    assert caffe_bin.read_text().splitlines()[-3].startswith("exec ")


def test_the_prefix_may_be_moved_and_linked_to(caffe_bin: Path, tmp_path: Path) -> None:
    (tmp_path / "a folder").symlink_to(caffe_bin.parent.parent)
    (tmp_path / "caffe").symlink_to(tmp_path / "a folder/bin/caffe")
    done = subprocess.run([tmp_path / "caffe", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "caffe version 1.0.0\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--mirror"], "error: --mirror: needs a value (see --help)"),
        (["--keyring"], "error: --keyring: needs a value (see --help)"),
        (["--force"], "error: --force: unknown option (see --help)"),
        (["a", "b"], "error: b: one PREFIX is enough (see --help)"),
        (["a:b"], "error: a:b: a colon in the path would split the loader's search path (name another PREFIX)"),
        (["--keyring", "none.gpg", "new"], "error: none.gpg: no such keyring"),
    ],
)
def test_bad_usage(install: Install, tmp_path: Path, arguments: list[str], line: str) -> None:
    assert error(install(*arguments)) == line
    assert not list(tmp_path.iterdir())


def test_a_folder_of_somebody_else_is_left_alone(install: Install, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("all of it")
    assert "is there and is not a Caffe of this script" in error(install("mine"))
    assert (tmp_path / "mine/thesis.txt").read_text() == "all of it"


def test_a_folder_that_cannot_be_written(install: Install, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in error(install("file/below"))


def test_without_apt_it_names_another_way(install: Install, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "env", "realpath", "dirname", "basename", "uname", "tar"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    assert "apt-get: is not on this machine (without apt: conda" in error(install("new", PATH=str(tools)))


def configuration(folder: Path, name: str, content: str) -> str:
    """An apt configuration whose one source is the file ``name``."""
    parts = folder / "sources.list.d"
    parts.mkdir()
    (parts / name).write_text(content)
    file = folder / "apt.conf"
    file.write_text(f'Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "{parts}";')
    return str(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.list", f"deb [arch=amd64] {NOWHERE}/debian/ bookworm main contrib\n"),
        ("a.sources", f"Types: deb\nURIs: {NOWHERE}/debian\nSuites: trixie trixie-updates\nComponents: main\n"),
    ],
)
@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt on this machine")
def test_the_mirrors_of_this_machine_are_the_only_ones(
    install: Install, tmp_path: Path, name: str, content: str
) -> None:
    done = install("--no-verify", "new", APT_CONFIG=configuration(tmp_path, name, content))
    looked = [line.split()[-1] for line in done.stderr.splitlines() if line.startswith("Looking for Caffe at ")]
    assert looked == [f"{NOWHERE}/debian"]
    assert error(done).startswith(f"error: {NOWHERE}/debian: no Caffe there: ")
    assert error(done).endswith(f"(check the network, or {MEND})")
    assert {path.name for path in tmp_path.iterdir()} == {"apt.conf", "sources.list.d"}


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt on this machine")
def test_a_mirror_that_is_named_is_the_only_one(install: Install, tmp_path: Path) -> None:
    done = install("--no-verify", "--mirror", f"{NOWHERE}/deb", "new")
    assert done.stderr.count("Looking for Caffe at ") == 1
    assert error(done).startswith(f"error: {NOWHERE}/deb: no Caffe there: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt on this machine")
def test_the_environment_names_a_mirror_too(install: Install, tmp_path: Path) -> None:
    done = install("--no-verify", "new", CAFFE_MIRROR=f"{NOWHERE}/mine")
    assert error(done).startswith(f"error: {NOWHERE}/mine: no Caffe there: ")
    done = install("--no-verify", "--mirror", f"{NOWHERE}/deb", "new", CAFFE_MIRROR=f"{NOWHERE}/mine")
    assert error(done).startswith(f"error: {NOWHERE}/deb: no Caffe there: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt on this machine")
def test_without_any_mirror_one_line_says_what_to_give(install: Install, tmp_path: Path) -> None:
    done = install("--no-verify", "new", APT_CONFIG=configuration(tmp_path, "a.list", ""))
    assert done.stderr == f"error: mirror: this machine's apt has none of Debian or Ubuntu ({MEND})\n"
    assert done.returncode == 2


def test_no_script_carries_the_address_of_a_package_host() -> None:
    """They age, and every machine has its own."""
    for script in SCRIPT.parent.glob("*.sh"):
        assert not re.search(r"https?://", script.read_text()), script.name
