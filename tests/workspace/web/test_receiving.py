"""Forms with files: what is received is what was sent, whatever the blocks; and nothing stays of what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.answers import TooLargeError
from caffe_fcn.workspace.web.receiving import Received, clean_name, receive_form

CONTENT = st.one_of(st.binary(max_size=300), st.sampled_from([b"\r\n--x", b"--", b"\r\n\r\n"]))


def receive(
    body: bytes, content_type: str, folder: Path, most: int = 10**6, block: int = 7, most_files: int = 9, **headers: str
) -> Received:
    """Receive a form in blocks, as a server passes it on."""

    def messages() -> Iterator[Message]:
        for start in range(0, len(body), block):
            yield {"type": "http.request", "body": body[start : start + block], "more_body": start + block < len(body)}
        yield {"type": "http.disconnect"}

    source = messages()

    async def get() -> Message:
        return next(source)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "path": "/x",
        "method": "POST",
        "query_string": b"",
        "headers": [(b"content-type", content_type.encode()), *named],
    }
    settings = Settings(folder, most_uploaded=most)
    return asyncio.run(receive_form(Request(scope, get), settings, folder / "in", most_files))


def write_form(fields: Sequence[tuple[str, str]], sent: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    """Write a form as httpx does it, which is another library than the one that reads it."""
    request = httpx.Request(
        "POST",
        "http://x/",
        files=[*((name, (None, value)) for name, value in fields), *(("images", each) for each in sent)],
    )
    return request.read(), request.headers["content-type"]


@given(
    fields=st.lists(st.tuples(st.sampled_from("abc"), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))),
    contents=st.lists(CONTENT, max_size=4),
    block=st.integers(1, 400),
)
def test_what_is_received_is_what_was_sent(fields: list[tuple[str, str]], contents: list[bytes], block: int) -> None:
    sent = [(f"{number}.png", content) for number, content in enumerate(contents)]
    if not fields and not sent:
        return
    with TemporaryDirectory() as place:
        body, kind = write_form(fields, sent)
        found = receive(body, kind, Path(place), block=block)
        assert found.fields == fields
        assert [(name, (Path(place) / "in" / name).read_bytes()) for name in found.files] == sent


@given(st.text(max_size=300))
def test_names_are_those_of_files_in_the_folder(name: str) -> None:
    cleaned = clean_name(name)
    assert Path(cleaned).name == cleaned
    assert cleaned[0] not in ".-" and len(cleaned.encode()) <= 255 * 2
    assert len(cleaned) <= 120


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\passwd", "/etc/passwd", "a/../passwd"])
def test_no_name_leads_elsewhere(name: str, tmp_path: Path) -> None:
    body, kind = write_form([], [(name, b"x")])
    assert receive(body, kind, tmp_path).files == ["passwd"]
    assert [each.name for each in tmp_path.iterdir()] == ["in"]


def test_equal_names_are_numbered(tmp_path: Path) -> None:
    body, kind = write_form([], [("a/x.png", b"1"), ("b/x.png", b"2")])
    assert receive(body, kind, tmp_path).files == ["x.png", "x-2.png"]
    assert (tmp_path / "in/x-2.png").read_bytes() == b"2"


def test_what_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    body, kind = write_form([], [("a.png", b"x" * 2000), ("b.png", b"y" * 2000)])
    with pytest.raises(TooLargeError, match="larger than 3\\.0 kB"):
        receive(body, kind, tmp_path, most=3000)
    with pytest.raises(TooLargeError, match="more than 1 file"):
        receive(body, kind, tmp_path, most_files=1)
    assert [*tmp_path.iterdir()] == []


def test_a_claim_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="larger than 1\\.0 MB"):
        receive(b"", "multipart/form-data; boundary=x", tmp_path, content_length=str(10 << 30))


@pytest.mark.parametrize("cut", [5, 20, 60, 100])
def test_what_breaks_off_leaves_nothing(cut: int, tmp_path: Path) -> None:
    body, kind = write_form([("a", "b")], [("a.png", b"x" * 200)])
    with pytest.raises(CaffeFcnError, match="broke off"):
        receive(body[:-cut], kind, tmp_path)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/json", ""])
def test_what_is_no_form_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(CaffeFcnError, match="form"):
        receive(b"x", kind, tmp_path)
