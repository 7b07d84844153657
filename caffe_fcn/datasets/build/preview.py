"""A sample of a data set before it is built: some of its records, with what the checks find in them.

    preview = make_preview(folder.plan("photos", "masks"), count=24)
    preview.records[0].fault        # None, or what would stop the build

The records of the sample are made as the build makes them, so a fault that the sample has is the one that a build
would stop at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.file_pairs import PairConverter
from caffe_fcn.datasets.inspect.painting import choose_colours, has_transparent_black, paint
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records import datum, images
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    from PIL.Image import Image

_VALUES = 256


@dataclass(frozen=True)
class PreviewRecord:
    """A record that the build would make, as thumbnails; where it would not, ``fault`` says why."""

    split: str
    name: str
    size: str = ""
    image: Image | None = None
    label: Image | None = None
    shares: dict[int, float] = field(default_factory=dict)
    """Value -> its share of the pixels of the label."""
    fault: DatasetError | None = None


@dataclass(frozen=True)
class Preview:
    """What the sample shows. ``unpaired`` are the items of the whole data set that lack a file."""

    counts: dict[str, int]
    records: list[PreviewRecord]
    unpaired: Sequence[DatasetError]

    @property
    def faults(self) -> list[DatasetError]:
        """Everything that was found wrong: files without a partner, then the faults of the sample."""
        known = set(map(str, self.unpaired))
        return [*self.unpaired, *(each.fault for each in self.records if each.fault and str(each.fault) not in known)]

    @property
    def fault_counts(self) -> Counter[str]:
        """Check -> how often it found something."""
        return Counter(each.check if isinstance(each, Fault) else "broken" for each in self.faults)

    @property
    def values(self) -> dict[int, float]:
        """Value -> its mean share of the pixels of the labels in the sample."""
        labelled = [each.shares for each in self.records if each.shares]
        totals: Counter[int] = Counter()
        for shares in labelled:
            totals.update(shares)
        return {value: share / len(labelled) for value, share in sorted(totals.items())}


def make_preview(plan: Plan, count: int = 24, side: int = 192, workers: int = 1) -> Preview:
    """Make ``count`` records of a plan, a quarter of them of validation; ``side`` bounds the sides of thumbnails."""
    chosen = [(split, index) for split, number in _share(plan.splits, count) for index in _spread(split, number)]

    def make(place: tuple[SplitSource, int]) -> PreviewRecord:
        return _make_record(plan, *place, side)

    counts = {split.name: len(split.items) for split in plan.splits}
    return Preview(counts, list(map_in_order(make, chosen, workers)), plan.unpaired)


def _share(splits: Sequence[SplitSource], count: int) -> list[tuple[SplitSource, int]]:
    others = max(1, count // 4)
    return [(split, count - others * (len(splits) - 1) if place == 0 else others) for place, split in enumerate(splits)]


def _spread(split: SplitSource, count: int) -> list[int]:
    total = min(max(count, 1), len(split.items))
    return [number * len(split.items) // total for number in range(total)]


def _make_record(plan: Plan, split: SplitSource, index: int, side: int) -> PreviewRecord:
    name = split.items[index]
    try:
        made = split.make(index)
        image = _decode(made.values["images"], name)
        label = _decode(made.values["labels"], name) if "labels" in made.values else None
    except DatasetError as fault:
        return PreviewRecord(split.name, name, image=_read_image(split, index, side), fault=fault)
    size = f"{image.shape[1]} x {image.shape[2]}"
    picture = _make_thumbnail(images.to_pillow(image), side)
    if label is None or label.shape[0] != 1:
        return PreviewRecord(split.name, name, size, picture)
    values = label[0].astype(np.uint8)
    painted = paint(values, picture.size, choose_colours(plan.about), has_transparent_black(plan.about))
    counts = np.bincount(values.ravel(), minlength=_VALUES)
    shares = {int(value): float(counts[value]) / values.size for value in np.flatnonzero(counts)}
    return PreviewRecord(split.name, name, size, picture, painted, shares)


def _read_image(split: SplitSource, index: int, side: int) -> Image | None:
    """Return the image file of an item that cannot become a record, if there is one that can be decoded."""
    if not isinstance(split.make, PairConverter):
        return None
    pair = split.make.pairs[index]
    if not pair.image:
        return None
    where = split.make.images.locate(pair.image)
    try:
        return _make_thumbnail(images.load(images.open_header(split.make.images.read(pair.image), where), where), side)
    except DatasetError:
        return None


def _make_thumbnail(picture: Image, side: int) -> Image:
    shown = picture.convert("RGB")
    shown.thumbnail((side, side))
    return shown


def _decode(record: bytes, where: str) -> NDArray[np.uint8]:
    return datum.to_array(datum.parse(record, where), where)
