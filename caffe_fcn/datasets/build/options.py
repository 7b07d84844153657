"""What a caller may choose about a build, in one object: `BuildOptions`, or `ImportOptions` for sets made from files.

folder.build("set", "photos", "masks", options=ImportOptions(RecordFormat(size=(256, 256)), workers=8))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from caffe_fcn.datasets.build.record_format import RecordFormat
from caffe_fcn.progress import Progress


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a build runs; none of it changes the records that it makes.

    ``workers`` is the number of threads. ``on_error`` says what an item does that cannot become a record: it stops the
    build, or it is skipped. With ``resume`` a build goes on where the same one was interrupted. ``measure`` computes
    the mean and the statistics, for which every record is decoded.
    """

    workers: int = 1
    on_error: Literal["stop", "skip"] = "stop"
    resume: bool = False
    measure: bool = True
    progress: Progress | None = None


@dataclass(frozen=True)
class ImportOptions(BuildOptions):
    """How image and label files become records, and how the build runs.

    ``format`` is the form in which records are stored, and ``allow`` names the checks whose faults are passed over.
    The training set is shuffled by ``seed``, unless ``shuffle`` is False; where a part of the images is set aside for
    validation, ``seed`` chooses it.
    """

    format: RecordFormat = RecordFormat()  # noqa: RUF009 - it is frozen
    allow: Iterable[str] = ()
    shuffle: bool = True
    seed: int = 1337

    @classmethod
    def extend(cls, options: BuildOptions, **more: Any) -> ImportOptions:
        """The options of ``options``, and ``more`` of this class."""
        return cls(**{**{field.name: getattr(options, field.name) for field in fields(options)}, **more})
