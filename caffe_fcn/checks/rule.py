"""What a rule is, and what it finds.

A rule has a code, a level and one line that says what it is about; its page says why, with an example that it finds
fault with and the mended one. `Finding` is a rule's word on one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_fcn.checks.subject import Subject

HERE = "@@"
"""Where an example has what is wrong, or what is right in its place."""


class Level(Enum):
    """How certain it is that something goes wrong."""

    ERROR = "error"
    """The run will fail, or its result will be wrong."""
    WARNING = "warning"
    """It goes wrong unless somebody meant it so."""
    HINT = "hint"
    """Worth to know."""


@dataclass(frozen=True)
class Place:
    """A file, and where it is known the line and the layer."""

    path: str
    line: int | None = None
    layer: str = ""

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Edit:
    """A change of a text file: ``text`` in place of the characters from ``begin`` to ``end``."""

    path: str
    begin: int
    end: int
    text: str


@dataclass(frozen=True)
class Problem:
    """What a rule's function finds: where, what is wrong, how to mend it, and the edits that do so for certain."""

    place: Place
    what: str
    mend: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Example:
    """What a rule finds fault with, and what it does not.

    ``files`` maps names of files to their text, in which `HERE` stands for ``wrong``, and ``right`` when it is mended.
    A weights file is a list of parameters and a data set a list of its records (see docs/checks.md).
    """

    files: Mapping[str, str]
    wrong: str
    right: str
    given: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `checks.run`."""

    def texts(self, mended: bool) -> dict[str, str]:
        """The files of the example, as they are or mended."""
        return {name: text.replace(HERE, self.right if mended else self.wrong) for name, text in self.files.items()}


@dataclass(frozen=True, eq=False)
class Rule:
    """A row of the table of rules."""

    code: str
    name: str
    level: Level
    line: str
    why: str
    check: Callable[[Subject], Iterable[Problem]]
    example: Example
    cheap: bool = True
    """Whether it looks at headers and descriptions only, so that a training may begin with it."""


@dataclass(frozen=True)
class Finding:
    """What one rule found in one place."""

    rule: Rule
    place: Place
    what: str
    mend: str = ""
    edits: tuple[Edit, ...] = field(default=(), compare=False)

    @property
    def code(self) -> str:
        """The rule's code, such as ``FCN101``."""
        return self.rule.code

    @property
    def level(self) -> Level:
        """The rule's level."""
        return self.rule.level

    def __str__(self) -> str:
        return f"{self.place}: {self.code} {self.what}" + (f" ({self.mend})" if self.mend else "")

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {
            "code": self.code,
            "name": self.rule.name,
            "level": self.level.value,
            "path": self.place.path,
            "line": self.place.line,
            "layer": self.place.layer or None,
            "what": self.what,
            "mend": self.mend,
            "fixable": bool(self.edits),
        }
