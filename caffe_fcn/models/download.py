"""Download one file over http, https or from file://, and go on where an earlier download broke off.

What has arrived is in ``FILE.part``; ``FILE.part.from`` has the address and the server's name for that version of the
file (its ETag or date). The rest is asked for by a Range request. Where a checksum will tell whether the whole is
right, any address may go on; without one, only the address that began, and only if the file there is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from urllib.parse import urlsplit

from caffe_fcn.files import naming_errors, write_text
from caffe_fcn.progress import TaskProgress
from caffe_fcn.weights.tensors import CHUNK

_PATIENCE = 30  # seconds without a byte
_ATTEMPTS = 5  # as long as each one brings something


@dataclass(frozen=True)
class _Answer:
    """What a server sends: the bytes from ``begin`` on of ``total`` (0: unknown), and its name for the version."""

    stream: BufferedIOBase
    begin: int
    total: int
    version: str = ""


def download(
    address: str, part: Path, size: int = 0, checked: bool = True, progress: TaskProgress | None = None
) -> str:
    """Download ``address`` to ``part``; return "" when all has arrived, otherwise what is wrong with the server.

    ``size`` is the known number of bytes, 0 if it is not known; ``checked`` says that a checksum follows. An attempt
    that broke off is repeated as long as each brings something. Raises `FileError` where ``part`` cannot be written.
    """
    for _ in range(_ATTEMPTS):
        before = _count_bytes(part)
        if size and before > size:
            discard(part)
        elif size and before == size and checked:
            return ""
        reason = _attempt(address, part, size, checked, progress)
        if not reason or _count_bytes(part) <= before:
            break
    return reason


def discard(part: Path) -> None:
    """Remove a part and what belongs to it."""
    with naming_errors(part):
        part.unlink(missing_ok=True)
        _origin_path(part).unlink(missing_ok=True)


def _attempt(address: str, part: Path, size: int, checked: bool, progress: TaskProgress | None) -> str:
    from http.client import HTTPException
    from urllib.error import HTTPError

    origin, version = _read_origin(part)
    have = _count_bytes(part)
    if not checked and not (version and origin == address):
        have = 0
    try:
        with _open_address(address, have, version if origin == address else "") as answer:
            if size and answer.total and answer.total != size:
                return f"it has {answer.total} bytes there, the published file {size}"
            return _receive(answer, address, part, size, progress)
    except HTTPError as error:
        if error.code != 416 or not have:
            return f"HTTP {error.code}, {error.reason.lower()}"
        if size:  # and the part is not of that size
            discard(part)
            return "the part that had arrived was too long"
        return ""
    except (OSError, HTTPException, ValueError) as error:
        return _describe(error)


def _describe(error: Exception) -> str:
    """Return what an error of the net says, without its number; urllib wraps the one of the operating system."""
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason).lower()


def _receive(answer: _Answer, address: str, part: Path, size: int, progress: TaskProgress | None) -> str:
    from http.client import IncompleteRead

    have, total = answer.begin, answer.total or size
    with naming_errors(part):
        write_text(_origin_path(part), f"{address}\n{answer.version}\n")
        file = part.open("ab" if have else "wb")
    with file:
        while not size or have <= size:
            try:
                block = answer.stream.read1(CHUNK)  # what is there, so that little is lost when this is killed
            except IncompleteRead as error:
                block = error.partial
            if not block:
                break
            with naming_errors(part):
                file.write(block)
                file.flush()
            have += len(block)
            if progress:
                progress(have, total)
    if size and have > size:
        discard(part)
        return f"it has more than the {size} bytes of the published file"
    return f"broke off after {have} of {total} bytes" if have < total else ""


@contextmanager
def _open_address(address: str, begin: int, version: str) -> Iterator[_Answer]:
    """Open an address from byte ``begin`` on, if the file there is still the ``version``; an answer may begin at 0."""
    scheme = urlsplit(address).scheme
    if scheme == "file":
        with _open_file(address, begin) as answer:
            yield answer
    elif scheme in ("http", "https"):
        with _open_web(address, begin, version) as answer:
            yield answer
    else:
        raise ValueError("it is not an address (http://..., https://... or file://...)")


@contextmanager
def _open_file(address: str, begin: int) -> Iterator[_Answer]:
    from urllib.request import url2pathname

    path = Path(url2pathname(urlsplit(address).path))
    with path.open("rb") as file:
        total = path.stat().st_size
        version = str(path.stat().st_mtime_ns)
        file.seek(begin if begin <= total else 0)
        yield _Answer(file, file.tell(), total, version)


@contextmanager
def _open_web(address: str, begin: int, version: str) -> Iterator[_Answer]:
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "caffe-fcn", **({"Range": f"bytes={begin}-"} if begin else {})}
    if begin and version:
        headers["If-Range"] = version
    with urlopen(Request(address, headers=headers), timeout=_PATIENCE) as response:
        sent = response.headers.get("Content-Range", "")
        if response.status != 206:
            begin = 0
        elif not sent.startswith(f"bytes {begin}-"):
            raise ValueError(f"it sends another part than bytes {begin}-: {sent or 'without Content-Range'}")
        length = int(response.headers.get("Content-Length") or 0)
        etag = response.headers.get("ETag") or ""
        version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified") or ""
        yield _Answer(response, begin, begin + length if length else 0, version)


def _count_bytes(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _origin_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.from")


def _read_origin(part: Path) -> tuple[str, str]:
    """Return the address and version of a part; empty where they are not known."""
    try:
        lines = _origin_path(part).read_text(errors="replace").split("\n")
    except OSError:
        return "", ""
    return (lines[0], lines[1]) if len(lines) > 1 else ("", "")
