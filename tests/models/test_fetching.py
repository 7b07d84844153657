"""Models fetched from a server of our own: whole, broken off, resumed, pinned, and not what they should be."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_server import FileServer, serve_file
from small_disks import small_disk_in

from caffe_fcn import models
from caffe_fcn.errors import FileError
from caffe_fcn.models import names
from caffe_fcn.models.table import Checksum, Fact

CONTENT = bytes(range(256)) * 20_000
SHA1 = hashlib.sha1(CONTENT).hexdigest()
FILE = "bvlc_alexnet.caffemodel"
PINNED = "fcn16s-heavy-pascal.caffemodel"  # nobody published a checksum of this one


def make_weights(seed: int = 0) -> bytes:
    """A small weights file, made by numpy."""
    file = io.BytesIO()
    np.savez(file, **{"score/0": np.random.default_rng(seed).standard_normal((21, 512, 1, 1), dtype="f4")})
    return file.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves what the table then says is AlexNet."""
    monkeypatch.delenv("CAFFE_FCN_MODELS_URL", raising=False)
    checksums = Fact(Checksum("sha1", SHA1), "test"), Fact(Checksum("md5", hashlib.md5(CONTENT).hexdigest()), "test")
    with serve_file(CONTENT) as served:
        model = models.MODELS["alexnet"]
        address = Fact(f"{served.url}/{FILE}", "test")
        row = replace(model, addresses=(address,), checksums=checksums, size=Fact(len(CONTENT), "test"))
        for name in ("alexnet", "bvlc_alexnet"):
            monkeypatch.setitem(names._BY_NAME, name, row)
        yield served


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_model_is_downloaded_once_under_either_name(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "cache"
    for name in ("alexnet", "bvlc_alexnet"):
        kept = models.fetch(name, folder, progress=lambda *done: seen.append(done))
        assert kept.path.read_bytes() == CONTENT
        assert kept.name == "alexnet"
        assert not kept.pinned
    assert server.asked == [(f"/{FILE}", None)]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert list_files(folder) == {FILE, f"{FILE}.json"}
    record = json.loads((folder / f"{FILE}.json").read_text())
    assert record["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert record["origin"] == f"{server.url}/{FILE}"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on_from_there_where_the_server_can(
    server: FileServer, tmp_path: Path, ranges: bool
) -> None:
    server.breaks_after, server.ranges = [1_500_000], ranges
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1500000-"]


def test_what_arrived_is_kept_for_the_next_run(server: FileServer, tmp_path: Path) -> None:
    server.breaks_after = [1_500_000, 0]
    with pytest.raises(FileError, match=r"broke off after 1500000 of 5120000 bytes \(run again to go on"):
        models.fetch("alexnet", tmp_path)
    assert (tmp_path / f"{FILE}.part").stat().st_size == 1_500_000
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=1500000-"
    assert list_files(tmp_path) == {FILE, f"{FILE}.json"}


def test_a_part_that_is_complete_is_taken_without_asking(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(CONTENT)
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("length", [1_000_000, len(CONTENT), len(CONTENT) + 1])
def test_a_part_of_something_else_is_downloaded_anew(server: FileServer, tmp_path: Path, length: int) -> None:
    (tmp_path / f"{FILE}.part").write_bytes(bytes(length))
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("lie", [1, 1_000_000, -1, -1_000_000])
def test_a_server_that_states_another_length_is_not_believed(server: FileServer, tmp_path: Path, lie: int) -> None:
    server.lies_by = lie
    with pytest.raises(FileError, match=f"it has {len(CONTENT) + lie} bytes there, the published file {len(CONTENT)}"):
        models.fetch("alexnet", tmp_path)
    assert list_files(tmp_path) == set()


def test_a_server_without_length_is_read_to_the_end(server: FileServer, tmp_path: Path) -> None:
    server.without_length = True
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT


def test_a_file_without_end_is_not_read_to_it(server: FileServer, tmp_path: Path) -> None:
    server.without_length, server.content = True, CONTENT * 4
    with pytest.raises(FileError, match="it has more than the 5120000 bytes"):
        models.fetch("alexnet", tmp_path)
    assert list_files(tmp_path) == set()


def test_another_range_than_asked_for_is_refused(server: FileServer, tmp_path: Path) -> None:
    server.breaks_after, server.shifts_ranges_by = [1_500_000], 7
    with pytest.raises(FileError, match="another part than bytes 1500000-"):
        models.fetch("alexnet", tmp_path)


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"?", bytes(len(CONTENT))])
def test_the_wrong_file_is_refused_and_not_kept(server: FileServer, tmp_path: Path, wrong: bytes) -> None:
    server.content = wrong
    with pytest.raises(FileError, match=f"is not the published file: it has SHA-1 .*, the published file SHA-1 {SHA1}"):
        models.fetch("alexnet", tmp_path)
    assert list_files(tmp_path) == set()


def test_an_error_is_one_line_with_address_checksum_and_place(server: FileServer, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(FileError) as raised:
        models.fetch("alexnet", tmp_path)
    for part in (f"{server.url}/{FILE}: ", "HTTP 404, not found", f"SHA-1 {SHA1}", "5120000 bytes", tmp_path / FILE):
        assert str(part) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_second_address_is_asked_where_the_first_fails(server: FileServer, tmp_path: Path) -> None:
    mirrors = f"http://127.0.0.1:9/none {server.url}/models/"
    assert models.fetch("alexnet", tmp_path, mirrors).path.read_bytes() == CONTENT
    assert server.asked == [(f"/models/{FILE}", None)]


@pytest.mark.parametrize(
    ("mirror", "told"),
    [
        ("http://127.0.0.1:9/", "cannot be fetched: .*refused"),
        ("file:///nowhere", "cannot be fetched: .*no such file"),
        ("ftp://127.0.0.1/", "not an address"),
        ("/tmp", "not an address"),
    ],
)
def test_what_cannot_be_fetched_says_why(tmp_path: Path, mirror: str, told: str) -> None:
    with pytest.raises(FileError, match=told):
        models.fetch("alexnet", tmp_path, mirror)
    assert list_files(tmp_path) == set()


def test_a_mirror_may_be_a_folder(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "a mirror"
    mirror.mkdir()
    (mirror / FILE).write_bytes(CONTENT)
    monkeypatch.setenv("CAFFE_FCN_MODELS_URL", mirror.as_uri())
    (tmp_path / f"{FILE}.part").write_bytes(CONTENT[:1000])
    assert models.fetch("alexnet", tmp_path).path.read_bytes() == CONTENT
    assert server.asked == []


def test_a_file_that_was_put_there_by_hand_is_checked(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT)
    assert models.fetch("alexnet", tmp_path).path == tmp_path / FILE
    (tmp_path / FILE).write_bytes(CONTENT[1:])
    with pytest.raises(FileError, match=r"is not the published alexnet: it has 5119999 bytes"):
        models.fetch("alexnet", tmp_path)
    assert server.asked == []


def test_damage_that_keeps_the_size_is_found_when_asked_for(server: FileServer, tmp_path: Path) -> None:
    path = models.fetch("alexnet", tmp_path).path
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(FileError, match="is not the published alexnet"):
        models.fetch("alexnet", tmp_path, again=True)


def test_what_has_no_published_checksum_is_pinned_on_first_use(tmp_path: Path) -> None:
    first, second = make_weights(1), make_weights(2)
    with serve_file(first) as server:
        kept = models.fetch("voc-fcn16s", tmp_path, server.url)
        assert kept.pinned
        assert not models.fetch("voc-fcn16s", tmp_path, server.url).pinned
        assert kept.record.sha256 == hashlib.sha256(first).hexdigest()
        kept.path.unlink()
        server.content = second
        with pytest.raises(FileError, match=f"the first one had {kept.record.sha256}"):
            models.fetch("voc-fcn16s", tmp_path, server.url)
        server.content = first
        assert not models.fetch("voc-fcn16s", tmp_path, server.url).pinned


def test_a_web_page_is_not_pinned(tmp_path: Path) -> None:
    with serve_file(b"<!DOCTYPE html><title>Sign in</title>") as server, pytest.raises(FileError, match="is text"):
        models.fetch("voc-fcn16s", tmp_path, server.url)
    assert list_files(tmp_path) == set()


@pytest.mark.parametrize(("etag", "same"), [('"1"', True), ('"1"', False), ("", True)])
def test_without_checksum_only_the_same_version_goes_on(tmp_path: Path, etag: str, same: bool) -> None:
    first, second = make_weights(1), make_weights(2)
    with serve_file(first) as server:
        server.etag, server.breaks_after = etag, [20_000, 0, 0]
        with pytest.raises(FileError, match="broke off"):
            models.fetch("voc-fcn16s", tmp_path, server.url)
        if not same:
            server.content, server.etag = second, '"2"'
        server.breaks_after = []
        assert models.fetch("voc-fcn16s", tmp_path, server.url).path.read_bytes() == (first if same else second)
        assert server.asked[-1][1] == ("bytes=20000-" if etag else None)


def start_download(folder: Path, server: FileServer) -> subprocess.Popen[str]:
    environment = {**os.environ, "CAFFE_FCN_MODELS": str(folder), "CAFFE_FCN_MODELS_URL": server.url}
    command = [sys.executable, "-m", "caffe_fcn", "models", "get", "voc-fcn16s"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(happened: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    """Return when something has happened; the process does not end before that."""
    while not happened():
        assert running.poll() is None
        time.sleep(0.05)


def test_two_processes_download_a_model_once(tmp_path: Path) -> None:
    with serve_file(make_weights()) as server:
        server.stalls_after = 20_000
        running = [start_download(tmp_path, server) for _ in range(2)]
        wait_for(lambda: bool(server.asked), running[0])
        server.goes_on.set()
        assert {each.communicate(timeout=120)[0] for each in running} == {f"{tmp_path / PINNED}\n"}
        assert [each.returncode for each in running] == [0, 0]
        assert len(server.asked) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_is_killed_goes_on_later(tmp_path: Path, how: signal.Signals) -> None:
    with serve_file(make_weights()) as server:
        server.etag, server.stalls_after = '"1"', 20_000
        running = start_download(tmp_path, server)
        part = tmp_path / f"{PINNED}.part"
        wait_for(lambda: part.exists() and part.stat().st_size == 20_000, running)
        running.send_signal(how)
        assert running.wait(60) == (130 if how == signal.SIGINT else -how)
        server.goes_on.set()
        assert models.fetch("voc-fcn16s", tmp_path, server.url).path.read_bytes() == server.content
        assert server.asked[-1][1] == "bytes=20000-"


def test_who_waits_for_another_process_sees_its_progress(tmp_path: Path) -> None:
    with serve_file(make_weights()) as server:
        server.stalls_after = 20_000
        running = start_download(tmp_path, server)
        wait_for((tmp_path / f"{PINNED}.part").exists, running)

        def see(done: int, total: int) -> None:
            if done == 20_000:
                server.goes_on.set()

        assert models.fetch("voc-fcn16s", tmp_path, server.url, see).path.read_bytes() == server.content
        assert running.wait(60) == 0
        assert len(server.asked) == 1


def test_a_disk_that_is_too_small_is_found_before_the_download(server: FileServer, tmp_path: Path) -> None:
    with small_disk_in(tmp_path, "3m") as disk:
        with pytest.raises(FileError, match=r"bytes free, and alexnet takes 5120000 \(free some space"):
            models.fetch("alexnet", disk)
        assert list_files(disk) == set()
    assert server.asked == []


def test_a_disk_that_fills_up_is_one_line_and_the_download_goes_on_later(tmp_path: Path) -> None:
    with serve_file(make_weights()) as server, small_disk_in(tmp_path, "32k") as disk:
        server.etag = '"1"'
        with pytest.raises(FileError, match=r"no space left on device \(free some space\)"):
            models.fetch("voc-fcn16s", disk, server.url)
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        assert models.fetch("voc-fcn16s", disk, server.url).path.read_bytes() == server.content
