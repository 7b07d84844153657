"""Which Caffe is taken, where several could be; every one of them is the real one under another path."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from caffe_fcn.engines.caffe import find
from caffe_fcn.errors import EngineError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Caffe: an empty home, and system programs alone in PATH."""
    for name in ("CAFFE_BIN", "CAFFE_PYTHON", "CAFFE_PREFIX", "CONDA_PREFIX", "CONDA_EXE", "MAMBA_EXE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(tmp_path / "mamba"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("caffe") or Path("/opt/conda/envs/caffe").exists():
        pytest.skip("Caffe is installed in this system")
    return tmp_path


def link(real: Path, place: Path) -> Path:
    """The real program under another path."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(real)
    return place


def test_the_order_is_the_given_path_then_path_then_prefix_then_conda(
    bare: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conda = link(caffe_bin, bare / "home/miniconda3/envs/caffe/bin/caffe")
    assert (find().found, find().binary) == ("conda", conda)

    ours = link(caffe_bin, bare / "cache/caffe-fcn/caffe/bin/caffe")
    assert (find().found, find().binary) == ("scripts/install_caffe.sh", ours)

    in_path = link(caffe_bin, bare / "programs/caffe")
    monkeypatch.setenv("PATH", f"{in_path.parent}:/usr/bin:/bin")
    assert (find().found, find().binary) == ("PATH", in_path)

    monkeypatch.setenv("CAFFE_BIN", str(ours))
    assert (find().found, find().binary) == ("CAFFE_BIN", ours)

    assert (find(conda).found, find(conda).binary) == ("`caffe`", conda)


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("CAFFE_PREFIX", "own", "own/bin/caffe"),
        ("CONDA_PREFIX", "base", "base/envs/caffe/bin/caffe"),
        ("CONDA_PREFIX", "base/envs/work", "base/envs/caffe/bin/caffe"),
        ("CONDA_EXE", "forge/bin/conda", "forge/envs/caffe/bin/caffe"),
        ("MAMBA_ROOT_PREFIX", "micromamba", "micromamba/envs/caffe/bin/caffe"),
    ],
)
def test_the_environment_says_where_to_look(
    bare: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, place: str
) -> None:
    monkeypatch.setenv(variable, str(bare / value))
    program = link(caffe_bin, bare / place)
    assert find().binary == program


@pytest.mark.parametrize("folder", ["bin", "build/tools"])
def test_a_folder_may_be_named(bare: Path, caffe_bin: Path, folder: str) -> None:
    program = link(caffe_bin, bare / "there" / folder / "caffe")
    assert find(bare / "there").binary == program


def test_a_broken_one_in_path_does_not_hide_a_working_one(
    bare: Path, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(Path("/bin/false"), bare / "broken/caffe")
    monkeypatch.setenv("PATH", f"{bare / 'broken'}:/usr/bin:/bin")
    with pytest.raises(EngineError, match=r"none that starts: .*broken/caffe"):
        find()
    ours = link(caffe_bin, bare / "cache/caffe-fcn/caffe/bin/caffe")
    assert find().binary == ours


def test_without_caffe_one_sentence_says_how_to_get_it(bare: Path) -> None:
    with pytest.raises(EngineError, match=r"scripts/install_caffe\.sh.*conda env create.*`caffe`"):
        find()


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ("nowhere", "no such file"),
        ("folder", "holds no bin/caffe"),
        ("text", "permission denied"),
        ("ls", "is not Caffe"),
    ],
)
def test_a_caffe_that_was_named_must_work(bare: Path, caffe_bin: Path, named: str, what: str) -> None:
    link(caffe_bin, bare / "cache/caffe-fcn/caffe/bin/caffe")
    (bare / "folder").mkdir()
    (bare / "text").write_text("caffe version 1.0.0")
    (bare / "ls").symlink_to("/bin/ls")
    with pytest.raises(EngineError, match=what):
        find(bare / named)


def test_version_and_device_are_those_of_caffe(caffe_bin: Path) -> None:
    caffe = find(caffe_bin)
    said = subprocess.run([caffe_bin, "--version"], capture_output=True, text=True, check=True).stdout
    assert caffe.version == said.split()[-1]
    assert caffe.cpu_only  # Debian's is


def test_the_python_beside_it_imports_pycaffe(caffe_bin: Path, tmp_path: Path) -> None:
    (tmp_path / "caffe").mkdir()  # a folder of that name is importable too
    command = [*find(caffe_bin).python, "-c", "import caffe; print(caffe.__version__)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == find(caffe_bin).version


def test_a_caffe_without_pycaffe_says_so(bare: Path, caffe_bin: Path) -> None:
    alone = link(Path(shutil.copy(caffe_bin, bare / "copy")), bare / "alone/bin/caffe")
    program = find(caffe_bin)
    lonely = type(program)(alone, program.version, "`caffe`")
    with pytest.raises(EngineError, match="no Python with pycaffe"):
        _ = lonely.python
