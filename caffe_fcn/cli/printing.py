"""Text for the terminal: what a file says cannot steer it.

Names of layers, blobs and files come from files that somebody else wrote. A terminal obeys the control characters in
them (it may be told to clear the screen, or to type), and bytes that are no UTF-8 cannot be printed at all: both are
shown as escapes. JSON needs none of this, its strings are escaped already.
"""

from __future__ import annotations

import re

import click

# C0 and C1, what turns the direction of writing around, separators of lines, and lone surrogates (bytes, to Python)
_STEERING = r"\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = re.compile(rf"[{_STEERING}]|\x1b(?!\[[01]m)")  # our own headers are bold
_IN_NAMES = re.compile(rf"[{_STEERING}\t\n\x1b]")


def echo(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Print lines of text to stdout, or stderr, with all other control characters escaped."""
    click.echo(_IN_TEXT.sub(_escape, str(text)), err=err, nl=nl)


def printable(name: object) -> str:
    """A name, or another cell of a table, on one line."""
    return _IN_NAMES.sub(_escape, str(name))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8
        code -= 0xDC00
    return {9: "\\t", 10: "\\n"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
