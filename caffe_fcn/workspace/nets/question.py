"""What is asked about a net: which net, in which phase, at which size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PARTS = ("layers", "offsets", "findings", "picture")
"""The parts that a page of a net has."""


@dataclass(frozen=True)
class Question:
    """One of ``text`` (a prototxt), ``path`` (its file) and ``design`` (a net of the catalogue) says which net it is.

    ``shown`` is the name of the net in messages. ``phase`` "" is the one that the net is shown in first, ``size`` the
    H x W of images in place of the net's own. ``folders`` are those whose databases may be looked into; a text has
    none. ``parts`` are the parts of the answer that are wanted; none stands for those that a page of a net has.
    """

    text: str | None = None
    path: str = ""
    design: str = ""
    shown: str = "the net"
    phase: str = ""
    size: tuple[int, int] | None = None
    folders: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    def wants(self, part: str) -> bool:
        """Whether a part of the answer is wanted."""
        return part in (self.parts or PARTS)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Question:
        """Make the question of what `as_json` returned."""
        size, folders, parts = content["size"], tuple(content["folders"]), tuple(content["parts"])
        return cls(**{**content, "size": tuple(size) if size else None, "folders": folders, "parts": parts})
