"""Published classifiers: where their weights are, and fetching them.

A fetch that breaks off keeps what has arrived, and the next one continues from there. Only its SHA-1 tells that a file
is the published one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.errors import FileError, nearest
from caffe_fcn.files import PathLike, naming_errors
from caffe_fcn.progress import TaskProgress
from caffe_fcn.weights.tensors import CHUNK

if TYPE_CHECKING:
    from http.client import HTTPResponse

SERVER = "http://dl.caffe.berkeleyvision.org"

# name -> the SHA-1 of NAME.caffemodel
PUBLISHED = {
    "bvlc_alexnet": "9116a64c0fbe4459d18f4bb6b56d647b63920377",
    "bvlc_googlenet": "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    "bvlc_reference_caffenet": "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
}

_PATIENCE = 30  # seconds without a byte


def fetch(name: str, folder: PathLike, server: str = SERVER, progress: TaskProgress | None = None) -> Path:
    """The path of the published weights ``name`` in ``folder``, fetched from ``server`` unless they are there.

    Raises `FileError` for a name that is not published, a server that cannot be reached, or a file that is not the
    published one.
    """
    if name not in PUBLISHED:
        raise FileError(name, "is not published", nearest(name, PUBLISHED) or f"one of {', '.join(PUBLISHED)}")
    target = Path(folder) / f"{name}.caffemodel"
    if target.exists():
        return target
    with naming_errors(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
    url = f"{server.rstrip('/')}/{target.name}"
    part = target.with_suffix(".caffemodel.part")
    _download(url, part, progress)
    if _compute_sha1(part) != PUBLISHED[name]:
        part.unlink()
        raise FileError(
            url, "is not the published file: its SHA-1 differs", "fetch it elsewhere and name it as `weights`"
        )
    with naming_errors(target):
        part.replace(target)
    return target


def _download(url: str, part: Path, progress: TaskProgress | None) -> None:
    have = part.stat().st_size if part.exists() else 0  # bytes
    with _naming_url(url), _open_url(url, have) as response:
        if response is None:  # all of it has arrived before
            return
        resumed = response.status == 206
        have = have if resumed else 0
        total = have + int(response.headers.get("Content-Length") or 0)
        with naming_errors(part):
            file = part.open("ab" if resumed else "wb")
        with file:
            for block in iter(lambda: response.read(CHUNK), b""):
                with naming_errors(part):
                    file.write(block)
                have += len(block)
                if progress:
                    progress(have, total)
        if have < total:
            raise FileError(url, f"broke off after {have} of {total} bytes", "run again: it goes on from there")


@contextmanager
def _naming_url(url: str) -> Iterator[None]:
    from http.client import HTTPException

    try:
        yield
    except FileError:
        raise
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", "") or error).lower()
        raise FileError(
            url, f"cannot be fetched: {reason}", "name a file you have as `weights`, or run again"
        ) from error


@contextmanager
def _open_url(url: str, begin: int) -> Iterator[HTTPResponse | None]:
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise FileError(url, "is no web address", "http://... or https://...")
    request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-"} if begin else {})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            yield response
    except urllib.error.HTTPError as error:
        if error.code != 416 or not begin:
            raise
        yield None


def _compute_sha1(path: Path) -> str:
    import hashlib

    digest = hashlib.sha1(usedforsecurity=False)
    with naming_errors(path), path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
