"""Text for the terminal, in which control characters are escaped.

Names of layers, blobs and files come from files that somebody else wrote. A terminal obeys control characters (they
can clear the screen, or make it type), and bytes that are not UTF-8 cannot be printed at all: both are shown as
escapes. JSON needs none of this, for its strings are escaped already.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

# C0 and C1, changes of the direction of writing, line separators, and lone surrogates (Python's form of stray bytes)
_STEERING = r"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(rf"[{_STEERING}]|\x1b(?!\[[01]m)")  # the headers of tables are bold
_IN_NAMES = re.compile(rf"[{_STEERING}\t\n\x1b]")


class Verbosity:
    """What ``--quiet`` and ``--debug`` set, wherever they stand on the command line, and ``--progress``."""

    quiet = False
    debug = False
    events = False
    """Whether progress is written as events (see `caffe_fcn.cli.events`)."""


def echo(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Print lines of text to stdout or stderr; control characters other than their ends are escaped."""
    click.echo(_IN_TEXT.sub(_escape, str(text)), err=err, nl=nl)


def echo_styled(line: str, err: bool = False) -> None:
    """Print a line with the colours that `click.style` put in; names in it must have gone through `printable`."""
    click.echo(line, err=err)


def print_note(note: str) -> None:
    """Print a note to stderr, unless it is empty or ``--quiet`` was given."""
    if not note or Verbosity.quiet:
        return
    if Verbosity.events:
        from caffe_fcn.cli.events import write_event  # which prints by `echo`

        write_event("note", text=note)
    else:
        echo(f"note: {note}", err=True)


def shorten(path: Path) -> str:
    """Return the path relative to the working directory, if that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def printable(name: object) -> str:
    """Return a name, or another cell of a table, as one line without control characters."""
    return _IN_NAMES.sub(_escape, str(name))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return {9: "\\t", 10: "\\n"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
