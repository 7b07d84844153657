"""Pairs of an image file and a label file, made into records and checked on the way."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from caffe_fcn.datasets.build.building import PLAINLY, Split, Way, build
from caffe_fcn.datasets.build.forms import Form
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.records import datum, png
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.labels import LabelFormat
from caffe_fcn.datasets.records.source_files import Store, escape_name
from caffe_fcn.description.dataset_fields import is_listable
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LabelReader: TypeAlias = "Callable[[bytes, str], NDArray[np.uint8]]"
"""The class indices, H x W, in the bytes of a label file; what `LabelFormat` cannot read."""


_SOON = 64
"""How many pairs ahead the system is asked for files: a disk fetches several as fast as one."""


class Pair(NamedTuple):
    """What an item is called, and where its image and its label lie in their stores ("" where one is missing)."""

    name: str
    image: str
    label: str


@dataclass(frozen=True)
class PairMaker:
    """Makes pair ``i`` a `Record`; ``labels`` reads label images, or is a function for other files."""

    pairs: Sequence[Pair]
    images: Store
    label_store: Store
    labels: LabelFormat | LabelReader
    form: Form
    rules: Rules
    like: tuple[int, int, int] | None = None
    """C x H x W of the first image: all others must have its channels, and its size where ``same_size``."""
    same_size: bool = False

    def __call__(self, index: int) -> Record:
        if index + _SOON < len(self.pairs):
            soon = self.pairs[index + _SOON]
            self.images.prefetch(soon.image)
            self.label_store.prefetch(soon.label)
        pair = self.pairs[index]
        if not (pair.image and pair.label):
            raise self.unpaired(pair)
        for store, name in ((self.images, pair.image), (self.label_store, pair.label)):
            if not is_listable(name):
                what = "has a name with a line break, or bytes that are not UTF-8, which no list can hold"
                raise Fault("name", store.locate(name), what, "rename it")
        image_data, image_where = self.images.read(pair.image), self.images.locate(pair.image)
        label_data, label_where = self.label_store.read(pair.label), self.label_store.locate(pair.label)
        image = self.form.image(image_data, image_where, self.rules)
        self._check_shape(image.shape, image_where)
        label, allowed = self._label(label_data, label_where, image.size, image_where)
        return Record(
            {"images": image.record, "labels": label}, checksum(image_data, label_data), image.allowed + allowed
        )

    def unpaired(self, pair: Pair) -> Fault:
        """The fault of a pair of which one half is missing."""
        have, want = ("image", "label") if pair.image else ("label", "image")
        where = self.images.locate(pair.image) if pair.image else self.label_store.locate(pair.label)
        return Fault("pair", where, f"there is no {want} of this name", f"add it, or remove the {have}")

    def _check_shape(self, shape: tuple[int, int, int], where: str) -> None:
        if self.like is None:
            return
        if shape[0] != self.like[0]:
            what = f"has {shape[0]} channels, and the first image {self.like[0]}"
            raise Fault("channels", where, what, "--channels rgb or grey makes them equal")
        if self.same_size and shape != self.like:
            have, want = (f"{s[1]}x{s[2]}" for s in (shape, self.like))
            raise Fault("shape", where, f"is {have}, and the first image {want}", "--resize makes them equal")

    def _label(self, data: bytes, where: str, size: tuple[int, int], image_where: str) -> tuple[bytes, tuple[str, ...]]:
        as_it_is = None
        if isinstance(self.labels, LabelFormat):
            as_it_is = self.labels.find_copyable(data) if self.form.keeps_labels else None
            if as_it_is and not self.form.decode:
                allowed = self.rules.enforce(self.labels.check_header(as_it_is, data, where))
                _check_size(as_it_is.size, size, where, image_where)
                return datum.pack_image(png.to_grey(as_it_is), (1, *size)), allowed
            label, faults = self.labels.read(data, where)
        else:
            label, faults = self.labels(data, where), []
        _check_size(label.shape, size, where, image_where)
        allowed = self.rules.enforce([*faults, *self.rules.check_label(label, where)])
        if as_it_is:
            return datum.pack_image(png.to_grey(as_it_is), (1, *size)), allowed
        return self.form.label(label, self.rules.ignore or 0), allowed


def checksum(*sources: bytes) -> str:
    """The CRC-32 of each source of a record: enough to tell that one changed, and as fast as reading it."""
    return " ".join(f"{zlib.crc32(data):08x}" for data in sources)


def first_shape(pairs: Iterable[Pair], store: Store, form: Form) -> tuple[int, int, int] | None:
    """C x H x W, as stored, of the first image that is one."""
    for pair in pairs:
        try:
            return form.shape(store.read(pair.image), store.locate(pair.image))
        except DatasetError:  # the build will come to it, and stop there or skip it
            continue
    return None


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed and on nothing else: no library, no other name."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest())


def _check_size(label: tuple[int, ...], image: tuple[int, int], where: str, image_where: str) -> None:
    if tuple(label) != image:
        have, want = ("x".join(map(str, size)) for size in (label, image))
        raise Fault("size", where, f"is {have}, and {image_where} is {want} (height x width)", "pair what belongs")


def build_pairs(
    output: str | os.PathLike[str], about: Description, makers: Mapping[str, PairMaker], way: Way = PLAINLY
) -> Description:
    """Build the data set whose splits these makers make; as `building.build`."""
    for maker in makers.values() if way.on_error == "stop" else ():
        for pair in maker.pairs:
            if not (pair.image and pair.label):
                raise maker.unpaired(pair)
    splits = [
        Split(name, [escape_name(pair.name) for pair in maker.pairs], maker)
        for name, maker in makers.items()
        if maker.pairs
    ]
    return build(output, splits, about, way)
