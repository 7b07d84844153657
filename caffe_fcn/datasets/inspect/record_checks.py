"""Check an existing data set: decode every record and report every fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from caffe_fcn import files
from caffe_fcn.datasets.inspect.statistics import Statistics, check_finite, to_class_indices
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.faults import REBUILD, Fault, Rules
from caffe_fcn.datasets.records.lossy import check_lossless
from caffe_fcn.datasets.records.opening import Array, Pairs
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import BlobProto

_CHUNK = 16  # records that a thread takes at a time
_KEPT = 100  # faults of each check
_INVENTED = ("outside", "encoding")  # the checks whose faults follow from a lossy format


@dataclass
class Findings:
    """The faults that checks found: how many of each check, and the first ones themselves."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, faults: Iterator[Fault] | Sequence[Fault]) -> None:
        """Count faults, and keep the first ones of each check."""
        for fault in faults:
            self.counts[fault.check] += 1
            if self.counts[fault.check] <= _KEPT:
                self.faults.append(fault)


def check_records(
    pairs: Pairs,
    rules: Rules,
    workers: int = 1,
    progress: TaskProgress | None = None,
    sample: int | None = None,
) -> tuple[Statistics, Findings]:
    """Check and measure every record of a split, or ``sample`` records spread over it."""
    statistics, findings = Statistics(), Findings()
    findings.add(_check_keys(pairs))
    total = len(pairs) if pairs.labels is None else min(len(pairs), len(pairs.labels))
    channels = _read_channels(pairs)
    indices = range(0, total, max(total // sample, 1) if sample else 1)

    def check_chunk(start: int) -> tuple[Statistics, list[Fault]]:
        part = Statistics()
        faults: list[Fault] = []
        for index in indices[start : start + _CHUNK]:
            faults += _check_record(pairs, index, rules, channels, part)
        return part, faults

    for part, faults in map_in_order(check_chunk, range(0, len(indices), _CHUNK), workers):
        statistics += part
        findings.add([fault for fault in faults if fault.check not in rules.allow])
        if progress:
            progress(statistics.count, len(indices))
    return statistics, findings


def check_mean(mean: Sequence[float], computed: Sequence[float] | None, where: str) -> Iterator[Fault]:
    """Yield a fault where ``mean`` (B, G, R) is nearer to the mean of the data when its order is reversed."""
    if computed is None or len(mean) != 3 or len(computed) != 3:
        return
    given, actual = mean[0] - mean[2], computed[0] - computed[2]
    if (
        given * actual < 0 and min(abs(given), abs(actual)) > 1
    ):  # reversed, its squared distance falls by 2 |given actual|
        shown, right, data = (", ".join(f"{value:.1f}" for value in values) for values in (mean, mean[::-1], computed))
        what = f"the mean {shown} looks RGB-ordered: the data have {data} (B, G, R)"
        yield Fault("mean", where, what, f"write it as {right}")


def read_mean(path: Path) -> list[float]:
    """Return the mean of each channel of a mean.binaryproto; raises `FileError`."""
    try:
        blob = BlobProto.FromString(files.read_bytes(path))
        values = np.array(blob.data, np.float32).reshape(blob.channels, -1)
        return [float(mean) for mean in values.mean(axis=1)]
    except (DecodeError, ValueError) as error:
        raise FileError(path, "is not a mean image", "make it again: caffe-fcn data statistics") from error


def _check_record(pairs: Pairs, index: int, rules: Rules, channels: int | None, part: Statistics) -> Iterator[Fault]:
    try:
        image, label = pairs[index]
        check_finite(image, pairs.locate(pairs.images, index))
    except Fault as fault:
        yield fault
        return
    except DatasetError as error:
        yield Fault("broken", error.where, error.what, error.mend)
        return
    where = pairs.locate(pairs.images, index)
    if image.shape[0] == 4:
        yield Fault("alpha", where, "has an alpha channel", "build the data set again without it")
    elif channels is not None and image.shape[0] != channels:
        yield Fault("channels", where, f"has {image.shape[0]} channels, and the first image {channels}")
    if pairs.labels is None:
        part.add(image, None)
        return
    where = pairs.locate(pairs.labels, index)
    lossy = _check_compression(pairs.labels[index], where, rules)
    yield from lossy
    for found in _check_label(label, image, where, rules, part):
        if not lossy or found.check not in _INVENTED:
            yield found


def _check_compression(record: bytes, where: str, rules: Rules) -> list[Fault]:
    held = datum.parse(record, where)
    if held.encoded:
        try:
            check_lossless(held.data, where, rules)
        except Fault as fault:
            return [fault]
    return []


def _check_label(label: Array, image: Array, where: str, rules: Rules, part: Statistics) -> Iterator[Fault]:
    if label.shape[0] != 1:
        yield Fault("encoding", where, f"has {label.shape[0]} channels: colours, no classes", "write labels grey")
        return
    if label.shape[1:] != image.shape[1:]:
        have, want = ("x".join(map(str, a.shape[1:])) for a in (label, image))
        yield Fault("size", where, f"is {have}, and its image {want} (height x width)")
    try:
        values = to_class_indices(label[0], where)
    except Fault as fault:
        yield fault
        return
    part.add(image, values)
    yield from rules.check_label(values, where)


def _check_keys(pairs: Pairs) -> Iterator[Fault]:
    if pairs.labels is None:
        return
    where = str(pairs.labels.path)
    if len(pairs.labels) != len(pairs.images):
        yield Fault("step", where, f"has {len(pairs.labels)} records, and {pairs.images.path} {len(pairs.images)}")
    if pairs.images.keys() == pairs.labels.keys():  # in no time where both count up from 0
        return
    for one, other in zip(pairs.images.keys(), pairs.labels.keys(), strict=False):
        if one != other:
            keys = " and ".join(repr(key.decode(errors="replace")) for key in (one, other))
            yield Fault("step", where, f"has other keys than the images: {keys} meet", REBUILD)
            return


def _read_channels(pairs: Pairs) -> int | None:
    """Return the number of channels of the first image that can be read."""
    for index in range(len(pairs)):
        try:
            return pairs.shape(index)[0]
        except DatasetError:
            continue
    return None
