"""What is done again follows from what files hold; times only save reading them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from caffe_fcn.errors import FileError
from caffe_fcn.journey import fingerprints
from caffe_fcn.journey.fingerprints import FileHashes

LONG_AGO = 1_000_000_000


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read; a file counts as old at once."""
    seen: list[str] = []
    digest = fingerprints._digest
    monkeypatch.setattr(fingerprints, "_COARSEST", -LONG_AGO)
    monkeypatch.setattr(fingerprints, "_digest", lambda path: seen.append(path) or digest(path))  # type: ignore[func-returns-value]
    return seen


def hash_once(folder: Path, *names: str) -> list[str]:
    hashes = FileHashes(folder / "cache")
    found = hashes.hash_files([folder / name for name in names], workers=2)
    hashes.save()
    return found


def test_a_fingerprint_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"pixels" * 1_000_000)
    assert hash_once(tmp_path, "photo") == [hashlib.sha256(b"pixels" * 1_000_000).hexdigest()]


def test_an_untouched_file_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    first = hash_once(tmp_path, *"abc")
    assert len(reads) == 3
    assert hash_once(tmp_path, *"abc") == first
    assert len(reads) == 3


CHANGES: dict[str, Callable[[Path], object]] = {
    "other bytes, same size and date": lambda path: path.write_text("B"),
    "replaced by another file": lambda path: path.with_name("new").rename(path),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_noticed_whatever_its_date_says(tmp_path: Path, reads: list[str], change: str) -> None:
    path = tmp_path / "photo"
    for name, text in (("photo", "A"), ("new", "C")):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    before = hash_once(tmp_path, "photo")
    CHANGES[change](path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert hash_once(tmp_path, "photo") != before


def test_a_file_that_is_only_touched_or_copied_has_the_same_fingerprint(tmp_path: Path, reads: list[str]) -> None:
    path = tmp_path / "photo"
    path.write_text("A")
    before = hash_once(tmp_path, "photo")
    path.touch()
    assert hash_once(tmp_path, "photo") == before
    (tmp_path / "copy").write_bytes(path.read_bytes())
    (tmp_path / "copy").rename(path)
    assert hash_once(tmp_path, "photo") == before
    assert len(reads) == 3


def test_the_hash_of_a_young_file_is_not_kept(tmp_path: Path) -> None:
    """A second change within one tick of the file system's clock would not be seen."""
    (tmp_path / "photo").write_text("A")
    hash_once(tmp_path, "photo")
    assert (tmp_path / "cache").read_text() == "{}"


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[1, 2]", b"{}", b"[" * 99_999, b'{"NAME": []}', b'{"NAME": [STAMP, 7]}']
)
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, reads: list[str], content: bytes) -> None:
    path = tmp_path / "photo"
    path.write_text("A")
    stamp = ", ".join(map(str, fingerprints._stamp(str(path))))
    (tmp_path / "cache").write_bytes(content.replace(b"NAME", bytes(path)).replace(b"STAMP", stamp.encode()))
    assert hash_once(tmp_path, "photo") == [hashlib.sha256(b"A").hexdigest()]


def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("none", "no such file"), ("pipe", "is not a regular file")):
        with pytest.raises(FileError, match=f"{name}: {what}"):
            hash_once(tmp_path, name)


def test_a_name_that_is_not_utf8_is_kept(tmp_path: Path, reads: list[str]) -> None:
    name = os.fsdecode(b"\xff.png")
    (tmp_path / name).write_text("A")
    assert hash_once(tmp_path, name) == hash_once(tmp_path, name)
    assert len(reads) == 1
