"""Data sets of files: each item is a pair of an image file and a label file, checked and converted to a record."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.build.record_format import RecordFormat
from caffe_fcn.datasets.records import datum, png
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.labels import LabelFormat
from caffe_fcn.datasets.records.lossy import check_lossless
from caffe_fcn.datasets.records.stores import Store, escape_name
from caffe_fcn.description.dataset_fields import is_listable
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LabelReader: TypeAlias = "Callable[[bytes, str], NDArray[np.uint8]]"
"""Reads the class indices, H x W, from the bytes of a label file that is not an image; errors name the file."""


_PREFETCHED = 64
"""How many pairs ahead files are prefetched: a disk reads several files as fast as one."""


class FilePair(NamedTuple):
    """The name of an item, and the names of its two files in their stores ("" where one is missing)."""

    name: str
    image: str
    label: str


@dataclass(frozen=True)
class PairConverter:
    """Converts pair ``i`` to a `Record`; ``labels`` is the format of label images, or reads other files."""

    pairs: Sequence[FilePair]
    images: Store
    label_store: Store
    labels: LabelFormat | LabelReader
    format: RecordFormat
    rules: Rules
    like: tuple[int, int, int] | None = None
    """C x H x W of the first image: all others must have its channels, and with ``same_size`` its size."""
    same_size: bool = False

    def __call__(self, index: int) -> Record:
        if index + _PREFETCHED < len(self.pairs):
            later = self.pairs[index + _PREFETCHED]
            self.images.prefetch(later.image)
            self.label_store.prefetch(later.label)
        pair = self.pairs[index]
        if not (pair.image and pair.label):
            raise self.describe_unpaired(pair)
        for store, name in ((self.images, pair.image), (self.label_store, pair.label)):
            if not is_listable(name):
                what = "has a name with a line break, or bytes that are not UTF-8, which no list can hold"
                raise Fault("name", store.locate(name), what, "rename it")
        image_data, image_where = self.images.read(pair.image), self.images.locate(pair.image)
        label_data, label_where = self.label_store.read(pair.label), self.label_store.locate(pair.label)
        image = self.format.convert_image(image_data, image_where, self.rules)
        self._check_shape(image.shape, image_where)
        label, allowed = self._convert_label(label_data, label_where, image.size, image_where)
        return Record(
            {"images": image.record, "labels": label}, checksum(image_data, label_data), image.allowed + allowed
        )

    def describe_unpaired(self, pair: FilePair) -> Fault:
        """The fault of a pair without an image or without a label."""
        have, want = ("image", "label") if pair.image else ("label", "image")
        where = self.images.locate(pair.image) if pair.image else self.label_store.locate(pair.label)
        return Fault("pair", where, f"there is no {want} of this name", f"add it, or remove the {have}")

    def _check_shape(self, shape: tuple[int, int, int], where: str) -> None:
        if self.like is None:
            return
        if shape[0] != self.like[0]:
            what = f"has {shape[0]} channels, and the first image {self.like[0]}"
            raise Fault("channels", where, what, "`channels` rgb or grey makes them equal")
        if self.same_size and shape != self.like:
            have, want = (f"{s[1]}x{s[2]}" for s in (shape, self.like))
            raise Fault("shape", where, f"is {have}, and the first image {want}", "`size` makes them equal")

    def _convert_label(
        self, data: bytes, where: str, size: tuple[int, int], image_where: str
    ) -> tuple[bytes, tuple[str, ...]]:
        copyable = None
        if isinstance(self.labels, LabelFormat):
            copyable = self.labels.find_copyable(data) if self.format.keeps_labels else None
            if copyable and not self.format.decode:
                allowed = self.rules.enforce(self.labels.check_header(copyable, data, where))
                _check_size(copyable.size, size, where, image_where)
                return datum.pack_image(png.to_grey(copyable), (1, *size)), allowed
            if not copyable:
                check_lossless(data, where, self.rules, self.labels.colours)
            label, faults = self.labels.read(data, where)
        else:
            label, faults = self.labels(data, where), []
        _check_size(label.shape, size, where, image_where)
        allowed = self.rules.enforce([*faults, *self.rules.check_label(label, where)])
        if copyable:
            return datum.pack_image(png.to_grey(copyable), (1, *size)), allowed
        return self.format.convert_label(label, self.rules.ignore or 0), allowed


def checksum(*sources: bytes) -> str:
    """The CRC-32 of each file of a record: enough to notice that one changed, and as fast as reading it."""
    return " ".join(f"{zlib.crc32(data):08x}" for data in sources)


def find_first_shape(pairs: Iterable[FilePair], store: Store, format: RecordFormat) -> tuple[int, int, int] | None:
    """C x H x W, as it will be stored, of the first file that is an image; None where there is none."""
    for pair in pairs:
        try:
            return format.stored_shape(store.read(pair.image), store.locate(pair.image))
        except DatasetError:  # the build will come to this file, and stop there or skip it
            continue
    return None


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed alone; which other names there are does not change it."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest())


def _check_size(label: tuple[int, ...], image: tuple[int, int], where: str, image_where: str) -> None:
    if tuple(label) != image:
        have, want = ("x".join(map(str, size)) for size in (label, image))
        raise Fault("size", where, f"is {have}, and {image_where} is {want} (height x width)", "pair what belongs")


def plan_pairs(about: Description, converters: Mapping[str, PairConverter], options: BuildOptions) -> Plan:
    """Plan the data set of these splits."""
    unpaired = [
        converter.describe_unpaired(pair)
        for converter in converters.values()
        for pair in converter.pairs
        if not (pair.image and pair.label)
    ]
    splits = [
        SplitSource(name, [escape_name(pair.name) for pair in converter.pairs], converter)
        for name, converter in converters.items()
        if converter.pairs
    ]
    return Plan(about, splits, options, unpaired=unpaired)
