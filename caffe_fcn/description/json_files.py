"""Descriptions as files of JSON: read strictly, because nobody vouches for them, and written whole or not at all."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError

VERSION = 1


def read_description(path: Path, check: Callable[[Any], None], what: str, mend: str) -> dict[str, Any] | None:
    """Return the object in ``path`` that passes ``check``, or None where there is no such file.

    Raises `FileError`, which says that the file is not ``what``, and ``mend``.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise files.to_file_error(path, error) from error
    if not stat.S_ISREG(kind):
        raise FileError(path, "is not a regular file", "remove it, or name another folder")
    return parse_description(files.read_bytes(path), path, check, what, mend)


def parse_description(
    source: bytes, where: object, check: Callable[[Any], None], what: str, mend: str
) -> dict[str, Any]:
    """Return the object in ``source`` that passes ``check``; raises `FileError` at ``where`` as `read_description`."""
    try:
        content: dict[str, Any] = strict_json.parse(source)
        check(content)
    except ValueError as error:
        raise FileError(where, f"is not {what}: {error}", mend) from error
    return content


def write_description(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` and the version of the format into ``path``."""
    text = json.dumps({"version": VERSION, **content}, indent=1, ensure_ascii=False)
    with files.atomic_write(path) as file:
        # A path that is not UTF-8 has lone surrogates, which become escapes of JSON.
        file.write((_join_lists(text) + "\n").encode("utf-8", "backslashreplace"))


def _join_lists(text: str) -> str:
    """Put each list that holds no other list on one line, because people read a palette too."""
    return re.sub(r"\[\n[^\[\]{}]*\n\s*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)
