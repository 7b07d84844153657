"""The tables of targets, read when a target is first named.

| file | a row |
|---|---|
| ``targets.tsv`` | a target: its name, what it is, and how much of its layer types is known |
| ``sources.tsv`` | a public source: a page, or a file of a repository and its commit |
| ``TARGET.tsv`` | a layer type, one of its figures (or ``-``), the values taken, what else happens, the source |

Values are ranges such as ``1..255``, ``..-1`` or ``2..``, and words, with commas between them. In place of a layer
type, ``net`` stands for the whole net.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from pathlib import Path

from caffe_fcn.errors import CaffeFcnError, nearest

NET = "net"
_NO_FIGURE = "-"


class Otherwise(Enum):
    """What a target does with a layer beyond a bound."""

    REFUSED = "refused"
    WRONG = "wrong"
    """It is taken, and another result is computed."""
    PROCESSOR = "processor"
    """It runs on the processor, not on the device."""
    UNQUANTIZED = "unquantized"
    """It stays in floating point."""


class Types(Enum):
    """How much is known of the layer types that a target takes."""

    ALL = "all"
    FORKS = "forks"
    """Of types that BVLC's Caffe does not have, all."""
    SOME = "some"


@dataclass(frozen=True)
class Source:
    """Where a fact is public: a page, or a file with the version that was read."""

    name: str
    where: str


@dataclass(frozen=True)
class Values:
    """The values that a figure may have, as they are written: ``1..255``, or ``SUM,MAX``."""

    text: str

    def has(self, value: int | str) -> bool:
        """Whether ``value`` is one of them.

        >>> Values("1..255").has(256), Values("2,4").has(4), Values("true,unset").has("unset")
        (False, True, True)
        """
        return any(_matches(part, value) for part in self.text.split(","))


def _matches(part: str, value: int | str) -> bool:
    if ".." not in part:
        return part == str(value)
    least, _, most = part.partition("..")
    return isinstance(value, int) and (not least or int(least) <= value) and (not most or value <= int(most))


@dataclass(frozen=True)
class Bound:
    """A row: the values that a figure of a layer type may have for a target, and what happens otherwise."""

    layer_type: str
    figure: str
    values: Values
    otherwise: Otherwise
    source: Source


@dataclass(frozen=True)
class Target:
    """A program or device that takes Caffe's nets.

    ``types`` says how much of the list of layer types is known, ``custom`` the type under which it takes the shapes of
    layers that it does not have ("" for none).
    """

    name: str
    title: str
    types: Types
    custom: str

    @cached_property
    def layer_types(self) -> Mapping[str, Source]:
        """The layer types that it takes, each with who says so."""
        return {row["layer"]: self._source(row) for row in self._rows if row["figure"] == _NO_FIGURE}

    @cached_property
    def bounds(self) -> Sequence[Bound]:
        """The bounds of figures."""
        return tuple(
            Bound(row["layer"], row["figure"], Values(row["takes"]), Otherwise(row["otherwise"]), self._source(row))
            for row in self._rows
            if row["figure"] != _NO_FIGURE
        )

    def find_bound(self, layer_type: str, figure: str) -> Bound | None:
        """The bound of a figure of a layer type, if there is one."""
        return next((each for each in self.bounds if (each.layer_type, each.figure) == (layer_type, figure)), None)

    def takes(self, layer_type: str, is_bvlcs: bool) -> bool:
        """Whether it takes a layer type, as far as anybody says."""
        known = self.types is Types.ALL or (self.types is Types.FORKS and not is_bvlcs)
        return not known or layer_type in self.layer_types

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        return _read(f"{self.name}.tsv")

    def _source(self, row: Mapping[str, str]) -> Source:
        return _sources()[row["source"]]


@cache
def list_targets() -> tuple[Target, ...]:
    """All targets, in the order of their names."""
    return tuple(
        Target(row["name"], row["title"], Types(row["types"]), row["custom"].strip(_NO_FIGURE))
        for row in _read("targets.tsv")
    )


def find_target(name: str) -> Target:
    """The target of a name, such as ``ascend``; raises `CaffeFcnError` for another."""
    known = {each.name: each for each in list_targets()}
    if name.lower() not in known:
        guess = nearest(name.lower(), known)
        mend = " ".join(filter(None, (guess, f"there are {', '.join(known)}")))
        raise CaffeFcnError(f"`target` {name}", "is not known", mend)
    return known[name.lower()]


@cache
def _sources() -> dict[str, Source]:
    return {row["source"]: Source(row["source"], row["where"]) for row in _read("sources.tsv")}


def _read(name: str) -> list[dict[str, str]]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
