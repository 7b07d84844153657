"""What can go wrong, as types.

Every error is one line: WHERE (a file, a layer, a parameter), WHAT is wrong, and HOW TO MEND it. The command line
prints that line and exits with status 2; a caller in Python catches `CaffeFcnError`, or the type that it can do
something about.

The library knows no options. Where an error names a parameter of a function, it writes the name in backquotes,
such as "give a `size`"; the command line replaces it with its own option (--size).
"""

from __future__ import annotations

from collections.abc import Iterable


class CaffeFcnError(Exception):
    """The base of all errors of this package; ``str(error)`` is ``WHERE: WHAT (HOW TO MEND)``."""

    def __init__(self, where: object, what: str, mend: str = "") -> None:
        self.where = str(where)
        self.what = what
        self.mend = mend
        super().__init__(where, what, mend)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.mend})" if self.mend else "")


class FileError(CaffeFcnError):
    """A file is missing, unreadable, unwritable, or not of the format that it should be."""


class PrototxtError(CaffeFcnError):
    """A prototxt, or a binary message, does not parse; ``where`` is FILE:LINE:COLUMN."""


class NetError(CaffeFcnError):
    """A net makes no sense: an unknown type, a missing blob, a cycle, a shape; ``where`` names the layer."""


class OffsetError(NetError):
    """A Crop cannot be aligned: paths that disagree, a scale that is not 1, a negative or fractional offset."""


class WeightsError(CaffeFcnError):
    """A weights file is truncated, corrupt, or does not fit the net."""


class DatasetError(CaffeFcnError):
    """Images or labels that cannot be trained on."""


class EngineError(CaffeFcnError):
    """Real Caffe or the embedded engine is missing, or it failed."""


class MissingExtraError(CaffeFcnError):
    """An optional part of the package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, f"needs the extra '{extra}'", f"pip install 'caffe-fcn[{extra}]'")


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean X?`` for the known name nearest to a misspelt one, whatever its case, or an empty string."""
    import difflib  # of use once, on the way out

    by_lower = {each.lower(): each for each in known}
    match = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[match[0]]}?" if match else ""
