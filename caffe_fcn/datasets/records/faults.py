"""What can be wrong with an image, a label, or a database of them, by the names of the checks.

A fault stops a build, or makes it skip the pair; those of `ALLOWABLE` can be allowed by name, and are then
only counted. Data that train to nothing look much like data that train: hence all are on from the start.
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
    "broken": "a file is no image, is cut off, or is too large to decode",
    "16-bit": "an image or a label has more than 8 bits a channel",
    "alpha": "an image has an alpha channel",
    "channels": "images differ in their channels",
    "shape": "images differ in size where all should have one",
    "size": "image and label differ in size",
    "encoding": "a label is not encoded as was said, or is in colours",
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
"""The checks that can be passed over, and what that means."""


class Fault(DatasetError):
    """One finding of one check; ``where`` names the file, or the database and the record."""

    def __init__(self, check: str, where: str, what: str, mend: str = "") -> None:
        super().__init__(where, what, mend or (f"--allow {check} passes over it" if check in ALLOWABLE else ""))
        self.check = check


@dataclass(frozen=True)
class Rules:
    """What labels may hold: values below ``classes`` (None: any) and ``ignore``; and the checks passed over."""

    classes: int | None = None
    ignore: int | None = 255
    allow: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for check in self.allow - ALLOWABLE.keys():
            known = nearest(check, ALLOWABLE) or f"one of {', '.join(ALLOWABLE)}"
            raise DatasetError("--allow", f"no check {check!r} that can be allowed", known)

    def enforce(self, faults: Iterable[Fault]) -> tuple[str, ...]:
        """Raise the first fault that is not allowed; returns the names of those that are."""
        passed = []
        for fault in faults:
            if fault.check not in self.allow:
                raise fault
            passed.append(fault.check)
        return tuple(passed)

    def check_label(self, label: NDArray[np.uint8], where: str) -> Iterator[Fault]:
        """The faults of a label's values, H x W."""
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
