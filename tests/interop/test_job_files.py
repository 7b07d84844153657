"""Archives that nobody vouches for: links, names that lead outside, bombs, damage of any kind."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from digits_layout import write_archive

from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.interop import job_files
from caffe_fcn.interop.digits import import_job
from caffe_fcn.interop.job_files import open_job
from caffe_fcn.interop.job_paths import locate_path

CONTENTS = {"deploy.prototxt": b"x" * 3000, "info.json": b"{}"}
SUFFIXES = [".tar", ".tar.gz", ".tar.bz2", ".zip"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "job/../../outside", "C:/outside", "a\\..\\b"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_name_that_leads_outside_is_refused(name: str, suffix: str, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / f"job{suffix}", {**CONTENTS, name: b""})
    if suffix == ".zip":  # zipfile replaces some of these names when it writes
        archive.write_bytes(archive.read_bytes())
    with pytest.raises(FileError, match=r"leads outside \(don't trust this file\)"), open_job(archive):
        pass


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_is_refused(kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "job.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("deploy.prototxt")
        member.type, member.linkname = kind, "info.json"
        tar.addfile(member)
    with pytest.raises(FileError, match=r"'deploy\.prototxt' is a link or a device"), open_job(path):
        pass


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as archive:
        member = zipfile.ZipInfo("deploy.prototxt")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(FileError, match="is a link or a device"), open_job(tmp_path / "job.zip"):
        pass


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_asked_for_is_bounded(suffix: str, tmp_path: Path) -> None:
    with open_job(write_archive(tmp_path / f"job{suffix}", CONTENTS)) as job:
        assert job.names == ["deploy.prototxt", "info.json"]
        assert job.read("deploy.prototxt", 3000) == CONTENTS["deploy.prototxt"]
        with pytest.raises(FileError, match=r"deploy\.prototxt: has more than 2999 bytes"):
            job.read("deploy.prototxt", 2999)
        with pytest.raises(FileError, match="no such file"):
            job.read("other.txt", 1)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files, "MOST_BYTES", 1 << 20)
    with gzip.open(tmp_path / "job.tar.gz", "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("zeros")
        member.size = 2 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    with zipfile.ZipFile(tmp_path / "job.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2 << 20))
    for name in ("job.tar.gz", "job.zip"):
        with pytest.raises(FileError, match="unpacks to more than"), open_job(tmp_path / name):
            pass


def test_a_long_name_in_a_header_takes_no_memory(tmp_path: Path) -> None:
    """The header of a long name declares 4 GB."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    (tmp_path / "job.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    with pytest.raises(FileError), open_job(tmp_path / "job.tar"):
        pass


def test_a_folder_in_the_archive_may_hold_the_job(tmp_path: Path) -> None:
    inside = {f"{name}/{file}": content for name in ("job", "job/deeper") for file, content in CONTENTS.items()}
    with open_job(write_archive(tmp_path / "job.tar.gz", {**inside, "readme.txt": b""})) as job:
        assert job.names == ["deploy.prototxt", "info.json"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_archive_is_an_error_in_one_line(suffix: str, tmp_path: Path) -> None:
    whole = write_archive(tmp_path / f"job{suffix}", CONTENTS).read_bytes()
    drawn = random.Random(0)
    damaged = tmp_path / f"damaged{suffix}"
    for _ in range(300):
        content = bytearray(whole[: drawn.choice([len(whole), drawn.randrange(len(whole))])])
        for _ in range(drawn.randrange(1, 4) if content else 0):
            content[drawn.randrange(len(content))] = drawn.randrange(256)
        damaged.write_bytes(content)
        with pytest.raises(CaffeFcnError) as refused:
            import_job(damaged, tmp_path / "net")
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "net").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a text\n" * 1000)
    with pytest.raises(FileError, match="is not an archive"), open_job(tmp_path / "text"):
        pass
    with pytest.raises(FileError, match="no such file"), open_job(tmp_path / "missing"):
        pass
    with pytest.raises(FileError, match="is neither a folder nor a regular file"), open_job("/dev/null"):
        pass


def test_a_path_is_found_by_as_many_of_its_parts_as_fit(tmp_path: Path) -> None:
    for folder in ("jobs/1234/train_db", "jobs/train_db", "other/train_db"):
        (tmp_path / folder).mkdir(parents=True)
    folders = [tmp_path / "jobs", tmp_path / "other"]
    assert locate_path("/home/greg/jobs/1234/train_db", folders) == tmp_path / "jobs/1234/train_db"
    assert locate_path("/home/greg/jobs/5678/train_db", folders) == tmp_path / "jobs/train_db"
    assert locate_path(r"C:\digits\jobs\1234\train_db", folders) == tmp_path / "jobs/1234/train_db"
    assert locate_path("/home/greg/../1234/train_db", folders) is None
    assert locate_path("/home/greg/val_db", folders) is None
    assert locate_path(str(tmp_path / "other/train_db"), []) == tmp_path / "other/train_db"
