"""Forms with files, received without ever being in memory: each file goes to the disk as it comes, within bounds.

    received = await receive_form(request, settings, folder, most_files=500)
    received.fields             # [("model", "runs/roads"), ...]
    received.files              # ["a.png", "b.png"], in `folder`

The names of files are the last part of what the browser says, without signs that a file system or a command could take
for something else. Where anything is refused, none of the files stays.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import uploading
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web.answers import TooLargeError
from caffe_fcn.workspace.web.rendering import format_bytes
from caffe_fcn.workspace.web.state import find_workspace

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MOST_FILES = 20_000  # of an upload of images and labels
_MOST_FIELDS = 200
_MOST_FIELD = 2 << 20  # bytes of all fields that are no files
_MOST_HEADER = 8192  # bytes of the headers of a part
_MOST_NAME = 120
_SIGNS = re.compile(r"[^\w .+=@()-]")


@dataclass
class Received:
    """What a form had: the fields with their texts, and the names of the files, in order."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


async def receive_form(
    request: Request, settings: Settings, folder: Path, most_files: int = 1, apart: Sequence[str] = ()
) -> Received:
    """Receive a form, its files into ``folder``, which is made.

    Files of the fields ``apart`` lie in a folder of the field's name in it, and are received as ``images/a.png``.

    Raises `TooLargeError` where it has more than is taken, at once where its header says so, and `CaffeFcnError` where
    it is no form.
    """
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > settings.most_uploaded):
        raise TooLargeError("the upload", *_explain_size(settings))
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/form-data" or not boundary:
        raise CaffeFcnError(request.url.path, "takes a form with files", "send multipart/form-data")
    writer = _Writer(settings, folder, most_files, apart)
    try:
        parser = MultipartParser(boundary.encode("latin-1", "replace"), writer.callbacks)
        async for block in request.stream():
            await run_in_threadpool(writer.take, parser, block)
        await run_in_threadpool(parser.finalize)
        writer.require_end()
    except (MultipartParseError, ClientDisconnect) as error:
        await run_in_threadpool(writer.undo)
        raise CaffeFcnError("the upload", "broke off, or is no form", "send it again") from error
    except CaffeFcnError:
        await run_in_threadpool(writer.undo)
        raise
    return writer.received


async def receive_upload(request: Request) -> uploading.Upload:
    """Receive images, labels or an archive into the workspace; raises `CaffeFcnError`, and leaves nothing then."""
    settings = find_workspace(request).settings
    with uploading.receiving_folder(settings) as folder:
        received = await receive_form(request, settings, folder, _MOST_FILES, apart=uploading.FIELDS)
        name = dict(received.fields).get("name", "")
        return await run_in_threadpool(uploading.place, settings, folder, received.files, name)


def clean_name(name: str) -> str:
    """Return the name under which a file is kept: the last part of what the browser says, without odd signs.

    >>> clean_name("C:\\\\photos\\\\..\\\\a<b>.png")
    'a_b_.png'
    """
    last = re.split(r"[/\\]", name)[-1]
    cleaned = _SIGNS.sub("_", last).strip().lstrip(".-") or "file"
    stem, dot, suffix = cleaned.rpartition(".")
    return f"{stem[: _MOST_NAME - len(suffix) - 1]}{dot}{suffix}" if stem and len(suffix) < 20 else cleaned[:_MOST_NAME]


class _Writer:
    """Takes what the parser finds, part by part."""

    def __init__(self, settings: Settings, folder: Path, most_files: int, apart: Sequence[str]) -> None:
        self.received = Received()
        self._settings = settings
        self._folder = folder
        self._most_files = most_files
        self._apart = apart
        self._is_new = not folder.exists()
        self._size = self._of_fields = 0
        self._header: tuple[bytearray, bytearray] = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self._text = bytearray()
        self._name = ""
        self._is_field = True
        self._is_whole = False
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": lambda data, start, end: self._add_content(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def take(self, parser: MultipartParser, block: bytes) -> None:
        """Take the next bytes of the form."""
        self._size += len(block)
        if self._size > self._settings.most_uploaded:
            raise TooLargeError("the upload", *_explain_size(self._settings))
        parser.write(block)

    def require_end(self) -> None:
        """Raise `CaffeFcnError` where the form was not whole."""
        if not self._is_whole:
            raise CaffeFcnError("the upload", "broke off", "send it again")

    def undo(self) -> None:
        """Remove what was received."""
        if self._file:
            self._file.close()
        for name in self.received.files:
            (self._folder / name).unlink(missing_ok=True)
        if self._path:
            self._path.unlink(missing_ok=True)
        if self._is_new:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _begin_part(self) -> None:
        self._headers = {}

    def _add_header(self, place: int, data: bytes) -> None:
        self._header[place].extend(data)
        if sum(map(len, self._header)) > _MOST_HEADER or len(self._headers) > 10:
            raise CaffeFcnError("the upload", "has a part with too long a header")

    def _end_header(self) -> None:
        name, value = (bytes(part).decode("utf-8", "replace") for part in self._header)
        self._headers[name.lower()] = value
        self._header = bytearray(), bytearray()

    def _begin_content(self) -> None:
        header = Message()
        header["content-disposition"] = (
            self._headers.get("content-disposition", "").replace("\r", " ").replace("\n", " ")
        )
        self._name = str(header.get_param("name", "", "content-disposition"))
        named = header.get_filename()
        self._text = bytearray()
        self._is_field = named is None
        if named is None:
            if len(self.received.fields) >= _MOST_FIELDS:
                raise TooLargeError("the form", f"has more than {_MOST_FIELDS} fields")
        elif named:
            self._open_file(named)

    def _open_file(self, named: str) -> None:
        if len(self.received.files) >= self._most_files:
            what = f"has more than {self._most_files} file{'s' * (self._most_files > 1)}"
            raise TooLargeError("the upload", what, "send fewer at once")
        with files.naming_errors(self._folder):
            place = self._folder / self._name if self._name in self._apart else self._folder
            place.mkdir(parents=True, exist_ok=True)
        path = place / clean_name(named)
        number = 1
        while path.exists():
            number += 1
            path = place / f"{Path(clean_name(named)).stem}-{number}{path.suffix}"
        self._path = path
        with files.naming_errors(path):
            self._file = path.open("xb")

    def _add_content(self, data: bytes) -> None:
        if self._file and self._path:
            with files.naming_errors(self._path):
                self._file.write(data)
            return
        self._of_fields += len(data)
        if self._of_fields > _MOST_FIELD:
            raise TooLargeError("the form", f"has more than {format_bytes(_MOST_FIELD)} of text")
        self._text.extend(data)

    def _end_part(self) -> None:
        if self._file and self._path:
            with files.naming_errors(self._path):
                self._file.close()
            self.received.files.append(self._path.relative_to(self._folder).as_posix())
            self._file = self._path = None
        elif self._is_field:
            self.received.fields.append((self._name, self._text.decode("utf-8", "replace")))

    def _end(self) -> None:
        self._is_whole = True


def _explain_size(settings: Settings) -> tuple[str, str]:
    most = format_bytes(settings.most_uploaded)
    return f"is larger than {most}", "send less, or put the files into a folder that the server may read"
