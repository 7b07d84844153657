"""Comments in a prototxt: protobuf's text format has them from ``#`` to the end of the line, and writes none itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

_FIELD = re.compile(r"[A-Za-z_]\w*")  # at the begin of a line: a field of the message itself
_WIDEST = 40  # characters of a field after which comments still stand in one column


def add_comments(text: str, comments: Mapping[str, str]) -> str:
    """Return a prototxt with the comments of its fields, or with one above all where they all have the same."""
    lines = text.splitlines()
    found = [_find_comment(line, comments) for line in lines]
    shown = {comment for line, comment in zip(lines, found, strict=True) if _FIELD.match(line)}
    if len(shown) == 1 and (only := shown.pop()):
        return f"# {only}\n{text}"
    width = max((len(line) for line, comment in zip(lines, found, strict=True) if comment), default=0)
    width = min(width, _WIDEST)
    return "".join(
        f"{line:{width}}  # {comment}\n" if comment else f"{line}\n" for line, comment in zip(lines, found, strict=True)
    )


def _find_comment(line: str, comments: Mapping[str, str]) -> str:
    """The comment for a line, on one line itself; it may hold a name that somebody else wrote."""
    field = _FIELD.match(line)
    comment = comments.get(field[0], "") if field else ""
    return "".join(each if each.isprintable() else " " for each in comment)
