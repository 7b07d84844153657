"""Failures of a build: kills, interrupts, full disks, other runs; and what --resume does after them."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_disks import small_disk_in

from caffe_fcn import datasets
from caffe_fcn.datasets.build.builder import SplitSource, build_dataset
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import BuildOptions, ImportOptions
from caffe_fcn.datasets.build.staging import STAGING
from caffe_fcn.datasets.formats import folder, triangles
from caffe_fcn.datasets.records import database, datum, png
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError

COUNT = 3000
COMMAND = [sys.executable, "-m", "caffe_fcn", "data"]
FINAL = ("train_images", "train_labels", "val_images", "val_labels", "dataset.json", "mean.binaryproto")


def contents(path: Path) -> dict[str, bytes]:
    """The content of a data set, whatever the arrangement of its pages in LMDB."""
    found = {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.suffix != ".mdb"
    }
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            with_keys = database.Database(path / f"{split}_{kind}")
            found[f"{split}_{kind}"] = b"".join(
                name + value for name, value in zip(with_keys.keys(), with_keys, strict=True)
            )
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "set"
    triangles.build(path, COUNT)
    return contents(path)


def journal_lines(path: Path) -> int:
    try:
        return (path / STAGING / "train.journal").read_bytes().count(b"\n")
    except OSError:
        return 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_build_leaves_no_database_and_resume_goes_on(
    tmp_path: Path, whole: dict[str, bytes], sent: signal.Signals
) -> None:
    command = [*COMMAND, "triangles", "--count", str(COUNT), "--workers", "2", "-o", "set"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while journal_lines(tmp_path / "set") == 0:
        assert run.poll() is None
        time.sleep(0.005)
    run.send_signal(sent)
    _, said = run.communicate(timeout=30)
    assert run.returncode == (-9 if sent == signal.SIGKILL else 130)
    assert not any((tmp_path / "set" / name).exists() for name in FINAL)
    done = journal_lines(tmp_path / "set")
    assert 0 < done < 0.9 * COUNT
    if sent != signal.SIGKILL:
        assert "--resume" in said and "Traceback" not in said
    resumed: list[int] = []
    resuming = BuildOptions(resume=True, progress=lambda what, done, total: resumed.append(done))
    triangles.build(tmp_path / "set", COUNT, options=resuming)
    assert resumed[0] > done  # it did not begin again
    assert contents(tmp_path / "set") == whole
    assert not (tmp_path / "set" / STAGING).exists()


class Stop(BaseException):
    """Acts like a kill: no handler cleans up after it."""


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_wherever_a_build_stops_resuming_gives_the_same_data_set(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(2, 600))
    unfit = data.draw(st.sets(st.integers(0, count - 1), max_size=min(5, count - 1)))
    stops = data.draw(st.lists(st.integers(0, count - 1), max_size=3))
    torn = data.draw(st.integers(0, 20))
    root = tmp_path_factory.mktemp("stops")

    def made(index: int) -> Record:
        if index in unfit:
            raise Fault("broken", str(index), "is unfit")
        values = np.full((1, 2, 3), index % 251, np.uint8)
        return Record({"images": datum.pack_raw(values), "labels": datum.pack_raw(values)}, f"{index:x}")

    def run(path: Path, make: Callable[[int], Record], resume: bool) -> Description:
        split = SplitSource("train", [str(i) for i in range(count)], make)
        return build_dataset(path, [split], Description("test"), BuildOptions(on_error="skip", resume=resume))

    for stop in stops:

        def stopping(index: int, stop: int = stop) -> Record:
            if index == stop:
                raise Stop
            return made(index)

        with suppress(Stop):  # an earlier run may have got further
            run(root / "set", stopping, True)
        journal = root / "set" / STAGING / "train.journal"
        if journal.exists():
            journal.write_bytes(journal.read_bytes()[: -torn or None])  # the kill tore its last lines
    resumed, whole = run(root / "set", made, True), run(root / "whole", made, False)
    assert resumed == whole
    assert list(database.Database(root / "set" / "train_images")) == list(
        database.Database(root / "whole" / "train_images")
    )
    assert [skipped["name"] for skipped in resumed.splits["train"]["skipped"]] == [str(i) for i in sorted(unfit)]


def interrupted(path: Path, **options: int) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        triangles.build(path, COUNT, options=BuildOptions(progress=stop), **options)
    assert journal_lines(path) > 0


def test_resume_refuses_a_build_that_began_with_other_options(tmp_path: Path) -> None:
    interrupted(tmp_path / "set", size=16)
    with pytest.raises(FileError, match="other options"):
        triangles.build(tmp_path / "set", COUNT, size=20, options=BuildOptions(resume=True))
    assert journal_lines(tmp_path / "set") > 0  # a wrong command does not destroy what is done
    triangles.build(tmp_path / "set", COUNT, size=16, options=BuildOptions(resume=True))
    assert len(datasets.open(tmp_path / "set")) == 2700


def test_without_resume_a_build_begins_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    interrupted(tmp_path / "set", size=16)
    triangles.build(tmp_path / "set", COUNT)
    assert contents(tmp_path / "set") == whole


def test_a_data_set_that_is_there_stays_until_the_new_one_is_complete(tmp_path: Path, whole: dict[str, bytes]) -> None:
    triangles.build(tmp_path / "set", COUNT)
    reader = datasets.open(tmp_path / "set")
    (tmp_path / "set" / "notes.txt").write_text("mine")
    interrupted(tmp_path / "set", size=16)
    (tmp_path / "set" / "notes.txt").rename(tmp_path / "notes.txt")
    staging = tmp_path / "set" / STAGING
    staging.rename(tmp_path / "staging")
    assert contents(tmp_path / "set") == whole
    (tmp_path / "staging").rename(staging)
    (tmp_path / "notes.txt").rename(tmp_path / "set" / "notes.txt")
    triangles.build(tmp_path / "set", 100, size=16, val_percent=0)
    assert reader[0][0].shape == (1, 32, 32)  # who reads the old one goes on reading it
    assert datasets.open(tmp_path / "set")[0][0].shape == (1, 16, 16)
    assert (tmp_path / "set" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "set" / "val_images").exists()  # of the old set nothing is left


def test_databases_without_a_description_are_not_replaced(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 100)
    (tmp_path / "set" / "dataset.json").unlink()
    with pytest.raises(FileError, match="train_images"):
        triangles.build(tmp_path / "set", 50)
    assert len(datasets.open(tmp_path / "set")) == 90


def test_two_runs_do_not_build_in_one_folder(tmp_path: Path) -> None:
    def meanwhile(what: str, done: int, total: int) -> None:
        with pytest.raises(FileError, match="another run"):
            triangles.build(tmp_path / "set", 10)

    triangles.build(tmp_path / "set", 100, options=BuildOptions(progress=meanwhile))
    assert len(datasets.open(tmp_path / "set")) == 90


def test_the_map_grows_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_FIRST_MAP", 1 << 16)
    values = [os.urandom(5000 + i) for i in range(400)]
    with database.Writer(tmp_path / "grown") as writer:
        for start in range(0, 400, 100):
            writer.append(values[start : start + 100])
    assert list(database.Database(tmp_path / "grown")) == values
    with database.Writer(tmp_path / "grown") as writer:  # and an existing one goes on growing
        writer.truncate(300)
        writer.append(values)
    assert list(database.Database(tmp_path / "grown")) == values[:300] + values


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    with small_disk_in(tmp_path, "3m") as disk:
        yield disk


def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk: Path) -> None:
    command = [*COMMAND, "triangles", "--count", "5000", "-o", str(small_disk / "set")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "no space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(small_disk.iterdir()) == []


def test_a_file_that_may_grow_no_further_is_one_line_too(tmp_path: Path) -> None:
    """The same without root: a limit on the size of files, which the system reports as "file too large"."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    command = [*COMMAND, "triangles", "--count", "5000", "-o", "set"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limited)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert os.strerror(errno.EFBIG).lower() in done.stderr.lower()
    assert list(tmp_path.iterdir()) == []


def test_memory_is_bounded_whatever_the_size(tmp_path: Path) -> None:
    """Four times the images, and about the same peak."""

    def peak(count: int) -> int:
        for kind in ("images", "labels"):
            (tmp_path / f"{count}" / kind).mkdir(parents=True)
        coarse = np.random.default_rng(0).integers(0, 256, (3, 15, 20), np.uint8)
        image = coarse.repeat(20, axis=1).repeat(20, axis=2)
        for kind, content in (("images", png.encode(image)), ("labels", png.encode(image[:1] % 3, photo=False))):
            for number in range(count):
                (tmp_path / f"{count}" / kind / f"{number}.png").write_bytes(content)
        script = (
            "import resource, sys; from caffe_fcn.datasets import ImportOptions, RecordFormat, folder;"
            "options = ImportOptions(RecordFormat(image_encoding='raw'), workers=2);"
            "folder.build('set', 'images', 'labels', encoding='grey', options=options);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path / f"{count}", capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    few, many = peak(100), peak(400)
    assert many < 1.25 * few, (few, many)


def test_broken_databases_are_refused_and_not_touched(tmp_path: Path) -> None:
    triangles.build(tmp_path / "set", 2000)
    file = tmp_path / "set" / "train_images" / "data.mdb"
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:5000], b"", b"junk" * 5000):
        file.write_bytes(content)
        with pytest.raises(CaffeFcnError) as raised:
            len(datasets.open(tmp_path / "set"))
        assert "train_images" in str(raised.value) and "\n" not in str(raised.value)
    file.unlink()
    with pytest.raises(FileError):
        datasets.open(tmp_path / "set")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"splits": 3, "name": "x"}', '{"name": "x", "splits": {"train": {}}}', "\x00"]
)
def test_a_broken_description_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(FileError, match=r"dataset\.json"):
        datasets.open(tmp_path)


WRONG = {
    "a typo": ["triangels", "-o", "set"],
    "no output": ["triangles"],
    "a missing folder": ["folder", "--images", "no", "--labels", "no", "-o", "set"],
    "a file for a folder": ["folder", "--images", "file.txt", "--labels", "file.txt", "-o", "set"],
    "an empty folder": ["folder", "--images", "empty", "--labels", "empty", "-o", "set"],
    "a size that is none": ["folder", "--images", "i", "--labels", "l", "--resize", "3by4", "-o", "set"],
    "a check that is none": ["folder", "--images", "i", "--labels", "l", "--allow", "one-clas", "-o", "set"],
    "classes that are none": ["folder", "--images", "i", "--labels", "l", "--classes", "empty.txt", "-o", "set"],
    "colours that are none": ["folder", "--images", "i", "--labels", "l", "--colors", "file.txt", "-o", "set"],
    "an output that is a file": ["triangles", "--count", "10", "-o", "file.txt"],
    "an output below a file": ["triangles", "--count", "10", "-o", "file.txt/set"],
    "an output that may not be": ["triangles", "--count", "10", "-o", "/proc/set"],
    "a tar that is none": ["voc", "file.txt", "-o", "set"],
    "a folder without VOC": ["voc", "empty", "-o", "set"],
    "no MNIST": ["m2nist", "--mnist", "empty", "-o", "set"],
    "info on nothing": ["info", "no"],
    "info on an empty folder": ["info", "empty"],
    "info on a text": ["info", "file.txt"],
    "info with a mean that is none": ["info", "empty", "--mean", "1,2"],
    "statistics of nothing": ["statistics", "empty"],
    "nothing to write": ["explore", "empty"],
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_status_2(tmp_path: Path, case: str) -> None:
    for name in ("empty", "i", "l"):
        (tmp_path / name).mkdir()
    (tmp_path / "file.txt").write_text("hello\n")
    (tmp_path / "empty.txt").write_text("")
    for kind in ("i", "l"):
        (tmp_path / kind / "x.png").write_bytes(png.encode(np.arange(12, dtype=np.uint8).reshape(1, 3, 4)))
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run([*COMMAND, *WRONG[case]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_build_that_skips_everything_makes_no_data_set(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "x.png").write_bytes(b"broken")
    with pytest.raises(DatasetError, match="has no image"):
        folder.build(tmp_path / "set", tmp_path / "images", tmp_path / "labels", options=ImportOptions(on_error="skip"))
    assert not (tmp_path / "set").exists()
