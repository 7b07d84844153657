"""The files that a text file lists, one path a line, as a store.

A path that is not absolute is looked for in the folder of the list, then in the working directory. A number behind a
path, as in the lists of Caffe's ImageData layers, is passed over. Empty lines don't count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePath

from caffe_fcn import files
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.records.stores import Folder, Store, escape_name, prefetch_file, read_file
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike

_SHOWN = 5  # missing files that an error names


class ListedFiles:
    """The files of a list. Their names are relative to the innermost folder that holds all of them."""

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.missing: list[tuple[int, str]] = []
        """The number and the text of each line whose file is not there."""
        self._paths: dict[str, str] = {}
        found = self._find_files()
        if not found:
            raise FileError(self.path, "lists no files", "write a path a line")
        common = os.path.commonpath([os.path.dirname(path) for path in found])  # noqa: PTH120 - as in `Folder`
        self._paths = {os.path.relpath(path, common).replace(os.sep, "/"): path for path in found}

    def names(self) -> list[str]:
        """Return the names in the order of the list."""
        return list(self._paths)

    def parts(self, name: str) -> tuple[str, ...]:
        """Return the parts of a file's path, without the root and the extension."""
        path = PurePath(self._paths[name]).with_suffix("")
        return path.parts[1:]

    def read(self, name: str) -> bytes:
        if name not in self._paths:
            raise Fault("broken", self.locate(name), f"does not list {name!r}", "add it")
        return read_file(self._paths[name], self.locate(name))

    def prefetch(self, name: str) -> None:
        if name in self._paths:
            prefetch_file(self._paths[name])

    def find_path(self, name: str) -> str:
        """Return the path of a file that is listed."""
        return self._paths[name]

    def locate(self, name: str) -> str:
        return escape_name(self._paths.get(name, str(self.path)))

    def require_all(self) -> None:
        """Raise `FileError` where files of the list are missing."""
        if self.missing:
            shown = ", ".join(f"{escape_name(line)!r} (line {number})" for number, line in self.missing[:_SHOWN])
            more = f" and {len(self.missing) - _SHOWN} more" if len(self.missing) > _SHOWN else ""
            folders = " and in ".join(dict.fromkeys(map(escape_name, self._bases())))
            verb = "is" if len(self.missing) == 1 else "are"
            raise FileError(self.path, f"{shown}{more} {verb} not there", f"paths are looked for in {folders}")

    def _bases(self) -> tuple[str, str]:
        return os.path.abspath(self.path.parent), os.path.abspath(os.curdir)  # noqa: PTH100 - keeps links

    def _find_files(self) -> list[str]:
        content = files.read_bytes(self.path)
        if b"\0" in content:
            raise FileError(self.path, "is not a list of files", "name a folder, or a text file with a path a line")
        lines_of: dict[str, int] = {}
        for number, text in enumerate(os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).split("\n"), 1):
            line = text.rstrip("\r")
            if not line.strip():
                continue
            path = self._locate_line(line)
            if path is None:
                self.missing.append((number, line))
                path = self._join(self._bases()[0], line)
            if path in lines_of:
                where, what = f"{self.path}:{number}", f"is the file of line {lines_of[path]}"
                raise FileError(where, f"{escape_name(line)!r} {what}", "remove one of the lines")
            lines_of[path] = number
        return list(lines_of)

    def _locate_line(self, line: str) -> str | None:
        numbered = re.fullmatch(r"(.*\S)\s+\d+\s*", line)
        texts = (line, line.strip(), *((numbered[1],) if numbered else ()))
        paths = (self._join(base, text) for text in texts for base in self._bases())
        return next((path for path in paths if os.path.isfile(path)), None)  # noqa: PTH113 - as in `Folder`

    @staticmethod
    def _join(base: str, line: str) -> str:
        return os.path.normpath(os.path.join(base, line))  # noqa: PTH118 - as in `Folder`


def require_listed(stores: Iterable[Store]) -> None:
    """Raise `FileError` where files of a list are missing."""
    for store in stores:
        if isinstance(store, ListedFiles):
            store.require_all()


def open_files(path: PathLike) -> Folder | ListedFiles:
    """Open a folder, or the list of files at ``path``; raises `FileError`."""
    return ListedFiles(path) if Path(path).is_file() else Folder(path)
