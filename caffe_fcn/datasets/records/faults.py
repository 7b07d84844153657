"""The checks of images, labels and databases: their names, and the faults that they find.

A fault stops a build, or makes it skip the pair. The checks of `ALLOWABLE` can be allowed by name; their faults are
then only counted. All checks are on by default, because a data set that teaches a net nothing looks much like one
that does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_fcn.errors import DatasetError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHECKS = {
    "pair": "an image has no label, or a label no image",
    "name": "a file's name cannot stand in a list of names",
    "broken": "a file is not an image, is cut off, or is too large to decode",
    "16-bit": "an image or a label has more than 8 bits a channel",
    "alpha": "an image has an alpha channel",
    "channels": "images differ in their channels",
    "shape": "images differ in size where all should have one",
    "size": "image and label differ in size",
    "lossy": "a label is a JPEG or another lossy image, which invents classes",
    "encoding": "a label has another encoding than the others, or is in colours",
    "palette": "the palette of a label is not that of the others",
    "outside": "a label has values outside the classes",
    "unlabelled": "no pixel of a label is labelled",
    "one-class": "all labelled pixels are of one class",
    "step": "the databases of images and labels are out of step",
    "mean": "the mean looks RGB-ordered",
}

ALLOWABLE = {
    "16-bit": "the upper 8 bits of images are taken",
    "alpha": "it is dropped",
    "palette": "indices count, colours don't",
    "unlabelled": "such pairs teach nothing",
    "one-class": "some images are like that",
}
"""Check that may be allowed -> what happens then."""

REBUILD = "build the data set again"
"""How to mend a database whose content is wrong."""


class Fault(DatasetError):
    """What one check found wrong in one place; ``where`` names the file, or the database and the record."""

    def __init__(self, check: str, where: str, what: str, mend: str = "") -> None:
        super().__init__(where, what, mend or (f"`allow` {check} passes over it" if check in ALLOWABLE else ""))
        self.check = check


@dataclass(frozen=True)
class Rules:
    """What the checks accept.

    A label may hold the values below ``classes`` (None: any value) and ``ignore`` (None: no such value). ``allow``
    names the checks whose faults are accepted. Raises `DatasetError` for a check that cannot be allowed.
    """

    classes: int | None = None
    ignore: int | None = 255
    allow: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for check in self.allow - ALLOWABLE.keys():
            known = nearest(check, ALLOWABLE) or f"one of {', '.join(ALLOWABLE)}"
            raise DatasetError("`allow`", f"no check {check!r} that can be allowed", known)

    def enforce(self, faults: Iterable[Fault]) -> tuple[str, ...]:
        """Return the checks of ``faults``, all of them allowed; raises the first fault that is not."""
        allowed = []
        for fault in faults:
            if fault.check not in self.allow:
                raise fault
            allowed.append(fault.check)
        return tuple(allowed)

    def check_label(self, label: NDArray[np.uint8], where: str) -> Iterator[Fault]:
        """Yield the faults in the values of a label, H x W."""
        import numpy as np

        counts = np.bincount(label.ravel(), minlength=256)
        if self.ignore is not None:
            counts[self.ignore] = 0
        if self.classes is not None and counts[self.classes :].any():
            values = np.flatnonzero(counts[self.classes :]) + self.classes
            y, x = np.argwhere(label == values[0])[0]
            shown = ", ".join(map(str, values[:5])) + (", ..." if len(values) > 5 else "")
            what = f"has {shown} at x={x}, y={y}, outside the {self.classes} classes"
            yield Fault("outside", where, what, "name all classes, and the encoding that the labels have")
        if not counts.any():
            yield Fault("unlabelled", where, f"no pixel is labelled: all are {self.ignore}")
        elif np.count_nonzero(counts) == 1:
            yield Fault("one-class", where, f"all labelled pixels are of class {counts.argmax()}")
