"""An archive that nobody vouches for is unpacked inside its folder, or refused whole with one sentence."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn.errors import FileError
from caffe_fcn.workspace import uploads
from caffe_fcn.workspace.uploads import Bounds

BOUNDS = Bounds(total=1 << 20, members=100, spared=1 << 16)
Member = tuple[str, bytes]


def make_zip(path: Path, *members: Member, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def make_tar(path: Path, *members: Member, kind: bytes = tarfile.REGTYPE, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return path


def list_files(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


MAKERS: list[Callable[..., Path]] = [make_zip, make_tar]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_a_tar_comes_out_as_it_went_in(tmp_path: Path, mode: str) -> None:
    members = {f"set/images/{i}.png": os.urandom(513 * i) for i in range(1, 40)} | {"set/empty.txt": b""}
    members["set/" + "long" * 40 + ".png"] = b"x"
    archive = make_tar(tmp_path / "a.tar", *members.items(), mode=mode)
    made = uploads.unpack(archive, tmp_path / "out" / "a", Bounds(1 << 24))
    assert list_files(tmp_path / "out" / "a") == members
    assert (made.files, made.bytes) == (len(members), sum(map(len, members.values())))


@pytest.mark.parametrize("make", MAKERS)
def test_hidden_files_are_passed_over_and_an_archive_in_it_stays_a_file(
    tmp_path: Path, make: Callable[..., Path]
) -> None:
    inner = make_zip(tmp_path / "inner.zip", ("../../evil", b"x")).read_bytes()
    named = (
        ("a/1.png", b"1"),
        ("a/.DS_Store", b"x"),
        ("__MACOSX/a/1.png", b"x"),
        ("./b/2.png", b"2"),
        ("n.zip", inner),
    )
    uploads.unpack(make(tmp_path / "a", *named), tmp_path / "out", BOUNDS)
    assert list_files(tmp_path / "out") == {"a/1.png": b"1", "b/2.png": b"2", "n.zip": inner}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "a\\..\\evil",
        "C:/evil",
        "a/\nb",
        "a/\x1b[31m",
        "x" * 256,
        "a/" * 40 + "b",
    ],
)
def test_names_that_lead_outside_or_are_odd(tmp_path: Path, make: Callable[..., Path], name: str) -> None:
    archive = make(tmp_path / "a", ("fine.png", b"1"), (name, b"2"))
    with pytest.raises(FileError) as caught:
        uploads.unpack(archive, tmp_path / "out" / "x", BOUNDS)
    assert "\n" not in str(caught.value)
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a", "out"]


@pytest.mark.parametrize("make", MAKERS)
def test_two_files_of_one_name_and_a_file_that_is_a_folder(tmp_path: Path, make: Callable[..., Path]) -> None:
    for members in ((("a/1", b"1"), ("a/./1", b"2")), (("a", b"1"), ("a/1", b"2")), (("a/1", b"1"), ("a", b"2"))):
        with pytest.raises(FileError, match=r"twice|as a file|in a file"):
            uploads.unpack(make(tmp_path / "archive", *members), tmp_path / "out", BOUNDS)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(FileError, match="link or a device"):
        uploads.unpack(make_tar(tmp_path / "a.tar", ("evil", b""), kind=kind), tmp_path / "out", BOUNDS)
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("evil")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(FileError, match="link or a device"):
        uploads.unpack(tmp_path / "a.zip", tmp_path / "out", BOUNDS)


@pytest.mark.parametrize("make", MAKERS)
def test_a_bomb_is_refused_by_what_it_unpacks_to(tmp_path: Path, make: Callable[..., Path]) -> None:
    archive = make(tmp_path / "bomb", *((f"{i}.png", bytes(300_000)) for i in range(3)))
    assert archive.stat().st_size < 10_000
    with pytest.raises(FileError, match="unpacks to more than 200 times its size"):
        uploads.unpack(archive, tmp_path / "out", BOUNDS)
    with pytest.raises(FileError, match="unpacks to more than 500,000 bytes"):
        uploads.unpack(archive, tmp_path / "out", Bounds(500_000))
    assert not (tmp_path / "out").exists()


def test_a_zip_that_claims_less_than_it_holds(tmp_path: Path) -> None:
    content = make_zip(tmp_path / "a.zip", ("1.png", bytes(300_000))).read_bytes()
    lied = content.replace((300_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lied != content
    (tmp_path / "a.zip").write_bytes(lied)
    with pytest.raises(FileError):
        uploads.unpack(tmp_path / "a.zip", tmp_path / "out", BOUNDS)
    assert not (tmp_path / "out").exists()


def test_a_tar_that_claims_ten_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    for kind in (tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        info = tarfile.TarInfo("big")
        info.size, info.type = 10 << 30, kind
        (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        with pytest.raises(FileError):
            uploads.unpack(tmp_path / "a.tar", tmp_path / "out", BOUNDS)
        assert not (tmp_path / "out").exists()


def test_too_many_members(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", *((f"{i}", b"") for i in range(101)))
    with pytest.raises(FileError, match="more than 100 members"):
        uploads.unpack(archive, tmp_path / "out", BOUNDS)


def test_what_is_no_archive_is_cut_off_or_needs_a_password(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "a.tar", ("1.png", os.urandom(5000)), mode="w:gz").read_bytes()
    zipped = make_zip(tmp_path / "a.zip", ("1.png", os.urandom(5000))).read_bytes()
    locked = bytearray(zipped)
    for start in (zipped.index(b"PK\x03\x04") + 6, zipped.index(b"PK\x01\x02") + 8):
        locked[start] |= 1
    for content in (b"", b"no archive", whole[: len(whole) // 2], zipped[:-30], bytes(locked)):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(FileError) as caught:
            uploads.unpack(tmp_path / "x.zip", tmp_path / "out", BOUNDS)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()


_NAME = st.text(st.sampled_from("ab./\\:\0é\n ~-"), max_size=12) | st.sampled_from(
    ["..", "a/../b", "../../x", "/a", "a//b"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_NAME, st.binary(max_size=700)), max_size=6), st.sampled_from(["zip", "tar"]))
def test_whatever_names_an_archive_has(members: list[Member], kind: str) -> None:
    with TemporaryDirectory(prefix="wdata-") as place:
        root = Path(place)
        named = [(name.replace("\0", "") if kind == "zip" else name, content) for name, content in members]
        archive = (make_zip if kind == "zip" else make_tar)(root / "archive", *named)
        target = root / "in" / "side" / "out"
        try:
            made = uploads.unpack(archive, target, BOUNDS)
        except FileError as error:
            assert "\n" not in str(error)
            assert not list_files(root / "in")
        else:
            found = list_files(target)
            assert len(found) == made.files
            assert list_files(root / "in") == {f"side/out/{name}": content for name, content in found.items()}
        assert {each.name for each in root.iterdir()} <= {"archive", "in"}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_bytes_are_changed(data: st.DataObject) -> None:
    with TemporaryDirectory(prefix="wdata-") as place:
        root = Path(place)
        makers: list[Callable[..., Path]] = [make_zip, partial(make_tar, mode="w"), make_tar]
        make = data.draw(st.sampled_from(makers))
        content = bytearray(make(root / "a", ("d/1.png", b"1" * 700), ("2.png", b"2")).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        (root / "a").write_bytes(content)
        try:
            uploads.unpack(root / "a", root / "out", BOUNDS)
        except FileError as error:
            assert "\n" not in str(error)
            assert not (root / "out").exists()
        assert {each.name for each in root.iterdir()} <= {"a", "out"}
