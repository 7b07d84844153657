"""A check of the pages of an LMDB, before LMDB maps them: LMDB trusts them, and a flipped bit kills the process.

The file is an array of pages. The first two are meta pages; the newer one gives the roots of two B-trees, that of the
records and that of the free pages. Branch pages hold keys and the numbers of the pages below. Leaf pages hold keys
with values or, where a value is large, with the number of the first of its overflow pages. The layout is that of
liblmdb 0.9 on 64 bits (mdb.c), in the byte order of this machine, the only one that LMDB reads.

The check reads the file by ordinary reads, level by level: all pages of the trees, but no overflow pages of records.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import lt
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import FileError

Integers: TypeAlias = NDArray[np.int64]

_HEADER = 16  # bytes of a page's header: its number, padding, flags, where its free space begins and ends
_NODE = 8  # bytes before the key of a node: the size of its value, its flags, the size of the key
_NUMBER = 8  # bytes of a page's number, and of a key of the list of free pages
# A page's header, magic and version, address and size of the map, two trees (padding, flags, depth, pages of three
# kinds, entries, root), the last page, the transaction.
_META = struct.Struct("=QHHI II QQ" + 2 * "IHHQQQQQ" + "QQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _META_PAGE = 1, 2, 8
_KINDS = 0x6F  # all flags for the kind of a page
_BIG = 1  # a node's value lies on overflow pages
_TREE_FLAGS, _INTEGER_KEYS = 0x7E, 8
_NO_ROOT = (1 << 64) - 1
_DEEPEST = 32  # levels: the limit of LMDB's cursors
_PAGE_SIZES = [1 << power for power in range(9, 17)]
_FIRST_PAGE = 2  # after the meta pages
_AT_A_TIME = 1 << 20  # bytes read by one call
_NONE = np.zeros(0, np.int64)


class DamagedError(FileError):
    """A file is not an LMDB, or is one that would kill a process which maps it."""


def check(descriptor: int, path: Path, to_write: bool = False) -> int:
    """Check the LMDB in an open file, and return the number of its records; raises `DamagedError` naming ``path``.

    ``to_write``: check the lists of free pages too, which LMDB reads when it writes.
    """
    try:
        meta = _read_newest_meta(descriptor)
        pages = _Pages(descriptor, meta)
        if to_write:
            _FreeTreeCheck(pages, meta.free).run()
        _TreeCheck(pages, meta.records).run()
        pages.check_used_once()
    except _CutOff as damage:
        raise DamagedError(path, f"is cut off: {damage}", "build or copy it again") from damage
    except _Damage as damage:
        raise DamagedError(path, f"is not an LMDB, or is damaged: {damage}", "build or copy it again") from damage
    return meta.records.entries


class _Damage(ValueError):
    """A page is wrong."""


class _CutOff(_Damage):
    """The file ends before its pages do."""


class _Tree(NamedTuple):
    """A B-tree, as a meta page describes it."""

    flags: int
    depth: int
    entries: int
    root: int


class _Meta(NamedTuple):
    """The fields of a meta page that are needed here."""

    page_size: int
    free: _Tree
    records: _Tree
    last_page: int
    transaction: int


def _read_newest_meta(descriptor: int) -> _Meta:
    first = _read_meta(descriptor, 0, 0)
    second = _read_meta(descriptor, 1, first.page_size)
    if first.page_size != second.page_size:
        raise _Damage(f"its meta pages tell of pages of {first.page_size} and {second.page_size} bytes")
    meta = second if second.transaction > first.transaction else first
    size, needed = os.fstat(descriptor).st_size, meta.page_size * (meta.last_page + 1)
    if size < needed:
        raise _CutOff(f"{size} of {needed} bytes")
    return meta


def _read_meta(descriptor: int, number: int, offset: int) -> _Meta:
    data = os.pread(descriptor, _META.size, offset)
    if len(data) < _META.size:
        raise _CutOff(f"it ends after {offset + len(data)} bytes")
    _, _, flags, _, magic, version, _, _, *trees, last, transaction = _META.unpack(data)
    if magic != _MAGIC or not flags & _META_PAGE:
        raise _Damage(f"page {number} is not a meta page")
    if version != _VERSION:
        raise _Damage(f"it has version {version} of the format, not {_VERSION}")
    page_size = trees[0]  # in place of the padding that the other tree has
    if page_size not in _PAGE_SIZES:
        raise _Damage(f"it has pages of {page_size} bytes")
    free, records = (
        _Tree(flags & _TREE_FLAGS, depth, entries, root)
        for _, flags, depth, _, _, _, entries, root in (trees[:8], trees[8:])
    )
    return _Meta(page_size, free, records, last, transaction)


@dataclass
class _Pages:
    """The pages of a file, and the runs of pages that its trees use."""

    descriptor: int
    meta: _Meta
    starts: list[Integers] = field(default_factory=list)
    lengths: list[Integers] = field(default_factory=list)

    def mark_used(self, starts: Integers, lengths: Integers, what: str) -> None:
        """Record that runs of pages are used; raises `_Damage` where one is outside the file."""
        outside = (starts < _FIRST_PAGE) | (lengths > self.meta.last_page + 1 - starts)
        if outside.any():
            place = int(np.flatnonzero(outside)[0])
            raise _Damage(f"{what} is on page {starts[place]}, of {self.meta.last_page + 1}")
        self.starts.append(starts)
        self.lengths.append(lengths)

    def read(self, numbers: Integers) -> Iterator[tuple[Integers, bytes]]:
        """Yield the content of pages, some at a time, with their numbers."""
        size = self.meta.page_size
        many = _AT_A_TIME // size
        for place in range(0, len(numbers), many):
            some = numbers[place : place + many]
            runs = np.split(some, np.flatnonzero(np.diff(some) != 1) + 1)  # one call reads neighbours
            data = b"".join(os.pread(self.descriptor, len(run) * size, int(run[0]) * size) for run in runs)
            if len(data) != len(some) * size:
                raise _CutOff("it became shorter while it was read")
            yield some, data

    def read_value(self, page: int, size: int) -> bytes:
        """Return a value on overflow pages that are inside the file."""
        return os.pread(self.descriptor, size, page * self.meta.page_size + _HEADER)

    def check_used_once(self) -> None:
        """Raise `_Damage` where a page is used twice."""
        starts, lengths = np.concatenate([*self.starts, _NONE]), np.concatenate([*self.lengths, _NONE])
        order = np.argsort(starts)
        starts, ends = starts[order], (starts + lengths)[order]
        twice = np.flatnonzero(ends[:-1] > starts[1:])
        if len(twice):
            raise _Damage(f"page {starts[twice[0] + 1]} is used twice")


class _TreeCheck:
    """The check of the tree of records, from its root, a level at a time."""

    flags = 0  # one value for each key, and keys in the order of their bytes, as Caffe's databases have them
    fewest = 2  # nodes of a branch; LMDB aborts the process where there are fewer
    holds = "records"

    def __init__(self, pages: _Pages, tree: _Tree) -> None:
        self.pages = pages
        self.tree = tree

    def run(self) -> None:
        """Check the tree; raises `_Damage`."""
        tree = self.tree
        if tree.flags != self.flags:
            raise _Damage(f"the tree of its {self.holds} has the flags {tree.flags:#x}")
        if (tree.root == _NO_ROOT) != (tree.depth == 0) or tree.depth > _DEEPEST:
            raise _Damage(f"the tree of its {self.holds} has the root {tree.root} and {tree.depth} levels")
        level = _to_signed(np.array([tree.root] if tree.depth else [], np.uint64))
        bounds: list[bytes] = [b""]  # the keys of page i of a level are >= bounds[i] and < bounds[i + 1]
        for _ in range(tree.depth - 1):
            level, bounds = self._check_branches(level, bounds)
        entries = self._check_leaves(level, bounds)
        if entries != tree.entries:
            raise _Damage(f"it holds {entries} {self.holds}, and its meta page says {tree.entries}")

    def _check_branches(self, level: Integers, bounds: list[bytes]) -> tuple[Integers, list[bytes]]:
        children, below = [_NONE], []
        for first, nodes in self._read_nodes(level, _BRANCH):
            children.append(nodes.children())
            keys = list(map(self.to_sortable, nodes.keys()))
            for page, (start, end) in enumerate(nodes.spans, first):
                # The key of the first node of a branch has no meaning: the node leads to all keys below the second's.
                self._check_order(keys[start + 1 : end], page, level, bounds)
                below += [bounds[page], *keys[start + 1 : end]]
        return np.concatenate(children), below

    def _check_leaves(self, level: Integers, bounds: list[bytes]) -> int:
        entries = 0
        for first, nodes in self._read_nodes(level, _LEAF):
            entries += len(nodes.at)
            keys = list(map(self.to_sortable, nodes.keys()))
            for page, (start, end) in enumerate(nodes.spans, first):
                self._check_order(keys[start:end], page, level, bounds)
            lengths = -(-(nodes.sizes[nodes.big] + _HEADER) // self.pages.meta.page_size)
            self.pages.mark_used(nodes.overflow_pages(), lengths, "a value")
            self.check_values(nodes)
        return entries

    def _read_nodes(self, level: Integers, kind: int) -> Iterator[tuple[int, _Nodes]]:
        """Yield the nodes of the pages of a level, some pages at a time, with the index of the first page."""
        self.pages.mark_used(level, np.ones_like(level), f"a part of the tree of its {self.holds}")
        first = 0
        for numbers, data in self.pages.read(level):
            yield first, _Nodes(numbers, data, kind, 1 if kind == _LEAF else self.fewest)
            first += len(numbers)

    def _check_order(self, keys: Sequence[bytes], page: int, level: Integers, bounds: Sequence[bytes]) -> None:
        ascend = all(map(lt, keys, keys[1:]))
        if not ascend or keys[0] < bounds[page] or (page + 1 < len(bounds) and keys[-1] >= bounds[page + 1]):
            raise _Damage(f"the keys of page {level[page]} are out of order")

    @staticmethod
    def to_sortable(key: bytes) -> bytes:
        """Convert a key to bytes that sort as LMDB sorts the keys."""
        return key

    def check_values(self, nodes: _Nodes) -> None:
        """Check values that LMDB itself reads; raises `_Damage`."""


class _FreeTreeCheck(_TreeCheck):
    """The check of the tree of free pages: transaction -> the number of pages that it freed, and these pages."""

    flags = _INTEGER_KEYS
    fewest = 1
    holds = "lists of free pages"

    @staticmethod
    def to_sortable(key: bytes) -> bytes:
        if len(key) != _NUMBER:
            raise _Damage("a list of free pages has a key that is not a number")
        return key if sys.byteorder == "big" else key[::-1]

    def check_values(self, nodes: _Nodes) -> None:
        overflow = iter(nodes.overflow_pages())
        for at, size, big in zip(nodes.at + _NODE + _NUMBER, nodes.sizes, nodes.big, strict=True):
            value = self.pages.read_value(int(next(overflow)), int(size)) if big else nodes.data[at : at + size]
            numbers = _to_signed(np.frombuffer(value[: len(value) // _NUMBER * _NUMBER], np.uint64))
            if not len(numbers) or not 0 <= numbers[0] < len(numbers):
                raise _Damage("a list of free pages is longer than its value")
            free = numbers[1 : numbers[0] + 1]
            self.pages.mark_used(free, np.ones_like(free), "a free page")


class _Nodes:
    """The nodes of some pages of one kind, page by page; raises `_Damage` for a node that is not inside its page."""

    def __init__(self, numbers: Integers, data: bytes, kind: int, fewest: int) -> None:
        self.data = data
        self._numbers = numbers
        count, size = len(numbers), len(data) // len(numbers)
        self._bytes = np.frombuffer(data, np.uint8)
        shorts = np.frombuffer(data, np.uint16).astype(np.int64)
        rows = shorts.reshape(count, size // 2)
        flags, lower, upper = rows[:, 5], rows[:, 6], rows[:, 7]
        self._check(np.frombuffer(data, np.uint64)[:: size // 8] == numbers.astype(np.uint64), "has another number")
        self._check(flags & _KINDS == kind, f"is not a {'leaf' if kind == _LEAF else 'branch'}")
        self._check(
            (lower >= _HEADER) & (lower <= upper) & (upper <= size) & (lower % 2 == 0),
            "has its free space in the wrong place",
        )
        counts = (lower - _HEADER) // 2
        self._check(counts >= fewest, "has too few nodes")

        ends = np.cumsum(counts)
        self.spans = list(zip((ends - counts).tolist(), ends.tolist(), strict=True))
        """The first node of each page, and the first node of the next page."""
        page = np.repeat(np.arange(count), counts)
        offsets = rows[page, _HEADER // 2 + np.arange(len(page)) - (ends - counts)[page]]
        inside = (upper[page] <= offsets) & (offsets <= size - _NODE) & (offsets % 2 == 0)
        self._check(inside, "has a node in the wrong place", page)
        self.at = page * size + offsets
        """Where each node begins in ``data``."""
        first, second, node_flags, self._key_sizes = (shorts[self.at // 2 + place] for place in range(4))
        low = first | second << 16 if sys.byteorder == "little" else second | first << 16
        if kind == _LEAF:
            self._check(node_flags & ~_BIG == 0, "has a node with flags that no record has", page)
            self._check(self._key_sizes > 0, "has a node without a key", page)
        self.sizes = low if kind == _LEAF else np.zeros_like(low)
        """The sizes of values, in bytes."""
        self.big = node_flags == _BIG if kind == _LEAF else np.zeros(len(low), np.bool_)
        """Whether each value lies on overflow pages."""
        self._children: Integers = low | node_flags << 32
        end = offsets + _NODE + self._key_sizes + np.where(self.big, _NUMBER, self.sizes)
        self._check(end <= size, "has a node that ends outside", page)
        order = np.argsort(self.at)
        self._check((page * size + end)[order][:-1] <= self.at[order][1:], "has nodes that overlap", page[order][:-1])

    def children(self) -> Integers:
        """Return the pages to which the nodes of branches lead."""
        return self._children

    def overflow_pages(self) -> Integers:
        """Return the first overflow page of each value that lies on overflow pages."""
        at = (self.at + _NODE + self._key_sizes)[self.big]
        numbers: NDArray[np.uint64] = self._bytes[at[:, None] + np.arange(_NUMBER)].view(np.uint64)[:, 0]
        return _to_signed(numbers)

    def keys(self) -> Iterator[bytes]:
        """Yield the keys of all nodes."""
        starts = self.at + _NODE
        for start, end in zip(starts.tolist(), (starts + self._key_sizes).tolist(), strict=True):
            yield self.data[start:end]

    def _check(self, right: NDArray[np.bool_], what: str, page: Integers | None = None) -> None:
        if not right.all():
            wrong = int(np.argmin(right))
            raise _Damage(f"page {self._numbers[wrong if page is None else page[wrong]]} {what}")


def _to_signed(numbers: NDArray[np.uint64]) -> Integers:
    """Convert page numbers to signed integers; those of 2^63 and more become negative, which is outside any file."""
    signed: Integers = numbers.astype(np.int64)
    return signed
