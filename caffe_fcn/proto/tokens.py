"""The tokens of protobuf's text format, cut as its C++ tokenizer cuts them.

A number carries no sign: ``-`` is a mark of its own, which blanks and comments may part from its number, and there is
no ``+``. Digits are ASCII. Work and memory grow with the length of the text and with nothing else: no pattern here
backtracks over more than one token, and a string keeps no state for each of its characters.
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
# A long string is taken in runs: the regular expression engine remembers every turn of a repeated group.
_RUN = {
    '"': re.compile(r'(?:[^"\\\n]+|\\.){1,1000}', re.DOTALL),
    "'": re.compile(r"(?:[^'\\\n]+|\\.){1,1000}", re.DOTALL),
}


class Tokens:
    """The tokens of a text, one in hand: its ``kind``, its text (``token``), where it starts and ends.

    The kind is ``name``, ``mark``, ``integer``, ``float``, ``string`` (with its quotes), or empty at the end.
    """

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.end = 0
        self._place = 0, 1, 0  # a position, its line, and where that line starts
        self.advance()

    def advance(self) -> None:
        """Take the next token in hand; raises `PrototxtError` where the text is none."""
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

    def at(self, position: int) -> str:
        """FILE:LINE:COLUMN of a position; asking in the order of the text costs one pass over it."""
        counted, line, line_start = self._place if self._place[0] <= position else (0, 1, 0)
        line += self.text.count("\n", counted, position)
        line_start = self.text.rfind("\n", counted, position) + 1 or line_start
        self._place = position, line, line_start
        return f"{self.source}:{line}:{position - line_start + 1}"

    def fail(self, what: str, mend: str = "", position: int | None = None) -> NoReturn:
        """Raise `PrototxtError` for a position, or for the token in hand."""
        raise PrototxtError(self.at(self.start if position is None else position), what, mend)

    def _take_string(self) -> None:
        """The rest of a string that has escapes, or that no quote closes on its line."""
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
