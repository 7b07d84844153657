"""The tokens of protobuf's text format, cut as its C++ tokenizer cuts them.

A number has no sign: ``-`` is a token of its own, between which and the number blanks and comments may stand, and there
is no ``+``. Digits are ASCII. Time and memory grow with the length of the text only: no pattern here backtracks over
more than one token, and a string keeps no state for each of its characters.
"""

from __future__ import annotations

import re
from typing import NoReturn

from caffe_fcn.errors import PrototxtError

_BLANK = r"[ \t\r\n\f\v]"
_TOKEN = re.compile(
    rf"""{_BLANK}*
      (?: (?P<name>[A-Za-z_][A-Za-z0-9_]*)
        | (?P<mark>[][{{}}<>:,;-])
        | (?P<integer>(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?![A-Za-z0-9_.]))
        | (?P<string>"[^"\\\n]*"|'[^'\\\n]*')
        | (?P<float>(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?(?![A-Za-z0-9_.]))
        | (?P<comment>(?:\#[^\n]*{_BLANK}*){{1,500}})
        | (?P<quote>["'])
        | (?P<end>\Z)
      )""",
    re.VERBOSE,
)
_KINDS = {index: name for name, index in _TOKEN.groupindex.items()} | {_TOKEN.groupindex["end"]: ""}
_COMMENT, _QUOTE = _TOKEN.groupindex["comment"], _TOKEN.groupindex["quote"]
# A long string is matched in runs: the regular expression engine keeps a state for every turn of a repeated group.
_RUN = {
    '"': re.compile(r'(?:[^"\\\n]+|\\.){1,1000}', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\n]+|\\.){1,1000}", re.DOTALL),
}


class Tokens:
    """The tokens of a text, of which one is current: its ``kind``, its text (``token``), its ``start`` and ``end``.

    ``previous_end`` is where the token before it ends.

    The kind is ``name``, ``mark``, ``integer``, ``float``, ``string`` (with its quotes), or empty at the end.
    """

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.end = 0
        self._counted = 0, 1, 0  # a position up to which lines are counted, its line, where that line starts
        self.advance()

    def advance(self) -> None:
        """Move to the next token; raises `PrototxtError` where the text has none that the format knows."""
        self.previous_end = self.end
        match = _TOKEN.match(self.text, self.end)
        while match and match.lastindex == _COMMENT:
            match = _TOKEN.match(self.text, match.end())
        if match is None or match.lastindex is None:
            self._refuse()
        self.kind = _KINDS[match.lastindex]
        self.token = match[match.lastindex]
        self.end = match.end()
        self.start = self.end - len(self.token)
        if match.lastindex == _QUOTE:
            self._take_string()

    def locate(self, position: int) -> str:
        """FILE:LINE:COLUMN of a position; positions in the order of the text take one pass over it."""
        counted, line, line_start = self._counted if self._counted[0] <= position else (0, 1, 0)
        line += self.text.count("\n", counted, position)
        line_start = self.text.rfind("\n", counted, position) + 1 or line_start
        self._counted = position, line, line_start
        return f"{self.source}:{line}:{position - line_start + 1}"

    def fail(self, what: str, mend: str = "", position: int | None = None) -> NoReturn:
        """Raise `PrototxtError` at a position, by default at the current token."""
        raise PrototxtError(self.locate(self.start if position is None else position), what, mend)

    def _take_string(self) -> None:
        """Read the rest of a string that has escapes, or that no quote closes on its line."""
        run = _RUN[self.token]
        while match := run.match(self.text, self.end):
            self.end = match.end()
        if not self.text.startswith(self.token, self.end):
            self.fail("the string is not closed")
        self.kind, self.end = "string", self.end + 1
        self.token = self.text[self.start : self.end]

    def _refuse(self) -> NoReturn:
        start = self.end
        while match := _NOTHING.match(self.text, start):
            start = match.end()
        rest = self.text[start : start + 20].split("\n")[0]
        self.fail(f"cannot read {rest!r}", position=start)


_NOTHING = re.compile(rf"{_BLANK}+|\#[^\n]*")
