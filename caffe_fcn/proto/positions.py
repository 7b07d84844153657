"""Where in a prototxt each field stands: its line, and the characters that it takes.

    fields = locate_fields(Path("train.prototxt").read_text())
    layers = [each for each in fields if each.name == "layer"]
    layers[3].find("crop_param.offset")[0].line

The parser keeps no positions, because hardly anybody asks for them. Who does has a text that parses already, so this
pass over its tokens knows only names, values and brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from caffe_fcn.proto.tokens import Tokens

_CLOSERS = {"{": "}", "<": ">", "[": "]"}


@dataclass
class Field:
    """A field of a text: its name, its line, and the place of its text from ``begin`` to ``end``.

    ``value`` is the text of a value, as it is written, and empty for a message, whose fields are ``fields``. Each value
    of a list is a field of its own, at the place of the value.
    """

    name: str
    line: int
    begin: int
    end: int = 0
    value: str = ""
    fields: list[Field] = field(default_factory=list)

    def find(self, path: str) -> list[Field]:
        """The fields at the end of a path of names such as ``crop_param.offset``, in the order of the text."""
        name, _, rest = path.partition(".")
        found = [each for each in self.fields if each.name == name]
        return [inner for each in found for inner in each.find(rest)] if rest else found

    @property
    def is_message(self) -> bool:
        """Whether the field holds fields; of a message the last character is its closing bracket."""
        return not self.value

    @property
    def text(self) -> str:
        """The value as text without quotes."""
        return self.value.strip("\"'")


def locate_fields(text: str) -> list[Field]:
    """The fields at the top of a prototxt that parses, each with the fields inside it.

    >>> [crop] = locate_fields('layer {\\n crop_param { axis: 2\\n offset: [18, 19] } }')
    >>> [(each.line, each.text) for each in crop.find("crop_param.offset")]
    [(3, '18'), (3, '19')]
    """
    return list(_Walk(text).fields(""))


class _Walk(Tokens):
    def __init__(self, text: str) -> None:
        super().__init__(text, "")
        self._line, self._counted_to = 1, 0

    def fields(self, closer: str) -> Iterator[Field]:
        """The fields up to a closing bracket, which is not passed."""
        while self.kind and not (self.kind == "mark" and self.token == closer):
            if self.kind != "name":  # a comma or a semicolon
                self.advance()
                continue
            found = Field(self.token, self._count_lines(), self.start)
            self.advance()
            if self._is_mark(":"):
                self.advance()
            if self._is_mark("["):
                yield from self._list(found.name)
            else:
                yield self._take_value(found)

    def _list(self, name: str) -> Iterator[Field]:
        self.advance()
        while self.kind and not self._is_mark("]"):
            if self._is_mark(","):
                self.advance()
            else:
                yield self._take_value(Field(name, self._count_lines(), self.start))
        self.advance()

    def _take_value(self, found: Field) -> Field:
        if self.kind == "mark" and self.token in _CLOSERS:
            closer = _CLOSERS[self.token]
            self.advance()
            found.fields = list(self.fields(closer))
            found.end = self.end
            self.advance()
            return found
        begin = self.start
        while True:
            kind, found.end = self.kind, self.end
            negative = self._is_mark("-")
            self.advance()
            if not negative and not (kind == "string" and self.kind == "string"):
                break
        found.value = self.text[begin : found.end]
        return found

    def _is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def _count_lines(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.start)
        self._counted_to = self.start
        return self._line
