"""The log of a training that grows: each byte is read once, and what is kept of it is bounded.

    log = FollowedLog(Path("run/snapshot/train.jsonl"))
    log.read_on()                       # reads what was written since the last time
    log.history.steps[-1].loss

A log of a million lines is thinned: of its steps, and of its tests, at most `2 x MOST` are kept, evenly spaced, and
always the last one. Every number that is kept is as it stands in the log. Lines between are not even decoded, which
makes a long log quick to open. Where a continuation takes the place of earlier figures, or the file is
another one, `FollowedLog.generation` grows: who has read a part begins again.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffe_fcn import files
from caffe_fcn.engines import figures
from caffe_fcn.engines.events import MEASURES, Event, Score, Snapshot, Step, Test
from caffe_fcn.engines.log import LogReader
from caffe_fcn.training.history import History
from caffe_fcn.training.ranking import rank

MOST = 1000
"""Of the steps and of the tests, so many to twice as many are kept."""

_PIECE = 1 << 20  # bytes that are read at once
_LONGEST = 1 << 18  # bytes of a line; scores of some thousand classes are shorter
_MOST_FAULTS = 3
_MOST_NETS = 100  # test nets of an iteration
_HEAD = 256  # bytes of a file by which it is known again
_SAMPLE = 200  # bytes of a line, where a file's lines are estimated

_RECORD = re.compile(rb'\{"iteration": (\d{1,18}), "(loss|test_net|scores|snapshot)"')
_KINDS: dict[bytes, type[Step] | type[Test]] = {b"loss": Step, b"test_net": Test}
_ITERATION = re.compile(rb"Iteration (\d{1,18})\b")
_PARTS = (b"net output #", b"Test score #")
_ENDS = (b"Snapshotting ", b"Initializing solver", b"Starting Optimization", b"Solving ", b"Restoring previous")
_SPOILT = (b'"loss": "', *(b", loss = " + sign + kind for sign in (b"", b"-") for kind in (b"nan", b"inf", b"1.#")))


class FollowedLog:
    """The figures of a log, JSON lines or the words of any Caffe, as far as they are written; safe for one thread.

    ``history`` has the events that are kept, but for snapshots, ``faults`` says of the first lines that are none what
    is wrong with them, ``lines`` is how many were read. ``diverged`` says whether any loss was not finite.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path = path
        self.generation = 0
        self._most = most
        self._head = b""
        self._begin()

    def _begin(self) -> None:
        self.history = History()
        self.faults: list[str] = []
        self.lines = 0
        self.diverged = False
        self._offset = 0
        self._rest = b""
        self._is_too_long = False
        self._identity: tuple[int, int] | None = None
        self._steps, self._tests = _Thinning(), _Thinning()
        self._places: dict[str, list[int]] = {"steps": [], "tests": [], "scores": []}
        self._reader: _JsonLines | _Messages | None = None

    def read_on(self) -> bool:
        """Read what is new; returns whether anything was. Raises `FileError` where the file cannot be read."""
        with files.naming_errors(self.path):
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                if self._identity is None:
                    return False
                self._restart()
                return True
            with file:
                status = os.fstat(file.fileno())
                identity, size, head = (status.st_dev, status.st_ino), status.st_size, file.read(_HEAD)
                is_other = self._identity not in (None, identity) or not head.startswith(self._head)
                if is_other or size < self._offset:
                    self._restart()
                self._identity, self._head = identity, head
                if size <= self._offset:
                    return is_other
                if self._reader is None:
                    self._choose_reader(head, size)
                file.seek(self._offset)
                self._read(file, size)
        return True

    def list_since(self, line: int) -> Iterator[tuple[int, Step | Test | Score]]:
        """Yield the events that are kept of later lines than this one, each with its line."""
        for name, lines in self._places.items():
            for place, event in zip(lines, getattr(self.history, name), strict=True):
                if place > line:
                    yield place, event

    def freeze(self) -> FollowedLog:
        """Return a copy that does not change when this one reads on."""
        frozen = copy.copy(self)
        frozen.history = History(list(self.history.steps), list(self.history.tests), [], list(self.history.scores))
        frozen.faults = list(self.faults)
        frozen._places = {name: list(lines) for name, lines in self._places.items()}
        return frozen

    def _restart(self) -> None:
        self.generation += 1
        self._begin()

    def _choose_reader(self, head: bytes, size: int) -> None:
        is_json = head[:1] == b"{"
        self._reader = _JsonLines(self) if is_json else _Messages(self)
        estimate = size // _SAMPLE // self._most
        if estimate > 1:
            self._steps.stride = 1 << (estimate.bit_length() - 1)

    def _read(self, file: Any, size: int) -> None:
        """Read whole lines up to ``size``; a part of a line waits for its end."""
        reader = self._reader
        while reader and self._offset < size:
            piece = file.read(min(_PIECE, size - self._offset))
            if not piece:
                break
            self._offset += len(piece)
            self.diverged = self.diverged or any(mark in self._rest + piece for mark in _SPOILT)
            *lines, rest = (self._rest + piece).split(b"\n")
            for line in lines:
                self.lines += 1
                if self._is_too_long or len(line) > _LONGEST:
                    self._is_too_long = False
                    self.note_fault("is too long")
                else:
                    reader.read_line(line)
            if len(rest) > _LONGEST:
                self._is_too_long, rest = True, b""
            self._rest = rest
        if reader:
            reader.pause()

    # What the readers of lines call

    def note_fault(self, what: str) -> None:
        """Note what is wrong with the line that is read."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(f"line {self.lines} {what}")

    def wants_step(self, iteration: int) -> bool:
        """Count a step, and say whether it is kept."""
        return self._steps.count(iteration)

    def wants_test(self, iteration: int) -> bool:
        """Count a test, and say whether it is kept."""
        return self._tests.count(iteration)

    def clear(self) -> None:
        """Forget the events so far."""
        self.history = History()
        for lines in self._places.values():
            lines.clear()

    def add(self, event: Event | Score, line: int | None = None) -> None:
        """Keep an event, in place of those that a continuation repeats."""
        if isinstance(event, Snapshot):
            return
        name = "steps" if isinstance(event, Step) else "tests" if isinstance(event, Test) else "scores"
        self.history.add(event)
        is_shorter = False
        for each, lines in self._places.items():
            have = len(getattr(self.history, each)) - (each == name)
            is_shorter |= have < len(lines)
            del lines[have:]
        self._places[name].append(self.lines if line is None else line)
        self.generation += is_shorter
        if len(self._places[name]) > 2 * self._most:
            self._thin(name)

    def lend(self, event: Step | Test, line: int) -> None:
        """Keep for the moment an event that is the last of its kind."""
        name = "steps" if isinstance(event, Step) else "tests"
        getattr(self.history, name).append(event)
        self._places[name].append(line)

    def drop_last(self, kind: type[Step] | type[Test], line: int) -> None:
        """Drop what was kept for the moment only: the events of the last lines, from ``line`` on."""
        name = "steps" if kind is Step else "tests"
        lines, events = self._places[name], getattr(self.history, name)
        while lines and lines[-1] >= line:
            lines.pop()
            events.pop()

    def _thin(self, name: str) -> None:
        """Keep every other event: tests of an iteration stay together, and the best scores stay."""
        events = getattr(self.history, name)
        if name == "scores":
            best = {rank(events, measure)[0].iteration for measure in MEASURES}
            kept = [number for number, each in enumerate(events) if number % 2 == 0 or each.iteration in best]
        elif name == "tests":
            order = {iteration: number for number, iteration in enumerate(dict.fromkeys(e.iteration for e in events))}
            kept = [number for number, each in enumerate(events) if order[each.iteration] % 2 == 0]
            kept = kept if len(order) > 1 else kept[-_MOST_NETS:]
            self._tests.stride *= 2
        else:
            kept = list(range(0, len(events), 2))
            self._steps.stride *= 2
        events[:] = [events[number] for number in kept]
        lines = self._places[name]
        lines[:] = [lines[number] for number in kept]


class _Thinning:
    """Counts what comes by, and takes every ``stride``-th of it, and where a continuation goes back."""

    def __init__(self) -> None:
        self.stride = 1
        self._count = -1
        self._last = -1

    def count(self, iteration: int) -> bool:
        """Count one more, unless it has the ``iteration`` of the one before; returns whether it is taken."""
        last, self._last = self._last, iteration
        if iteration != last:
            self._count = 0 if iteration < last else self._count + 1
        return self._count % self.stride == 0


class _JsonLines:
    """Reads `train.jsonl` (see `caffe_fcn.engines.figures`)."""

    def __init__(self, log: FollowedLog) -> None:
        self._log = log
        self._wants = {Step: log.wants_step, Test: log.wants_test}
        self._passed: dict[type[Step] | type[Test], list[tuple[int, bytes]]] = {Step: [], Test: []}
        self._last_test = -1
        self._borrowed: dict[type[Step] | type[Test], int] = {}

    def read_line(self, line: bytes) -> None:
        """Read a line without its end."""
        match = _RECORD.match(line)
        kind = _KINDS.get(match[2]) if match else None
        if match and match[2] == b"snapshot":
            return
        if match and kind:
            iteration = int(match[1])
            if not self._wants[kind](iteration):
                passed = self._passed[kind]
                if kind is Step or self._last_test != iteration:
                    passed.clear()
                    self._last_test = iteration if kind is Test else self._last_test
                if len(passed) < _MOST_NETS:
                    passed.append((self._log.lines, line))
                return
            self._passed[kind].clear()
        self._return()
        for event in self._decode(line):
            self._log.add(event)

    def pause(self) -> None:
        """Keep the last step and the last tests for the moment, where they were passed over."""
        self._return()
        for kind, passed in self._passed.items():
            if passed:
                self._borrowed[kind] = passed[0][0]
            for number, line in passed:
                for event in self._decode(line):
                    if isinstance(event, kind):
                        self._log.lend(event, number)

    def _return(self) -> None:
        for kind, line in self._borrowed.items():
            self._log.drop_last(kind, line)
        self._borrowed.clear()

    def _decode(self, line: bytes) -> Iterator[Step | Test | Score]:
        try:
            record = figures.read_line(line + b"\n")
            if not figures.read_snapshot(record):
                yield figures.from_record(record)
        except ValueError as error:
            self._log.note_fault(f"is not the figures of a training: {error}")


class _Messages:
    """Reads what a Caffe wrote to stderr; lines without the head of a glog line count where no line has one."""

    def __init__(self, log: FollowedLog) -> None:
        self._log = log
        self._readers = [LogReader(), LogReader(bare=True)]
        self._passed: dict[type[Step] | type[Test], list[bytes]] = {Step: [], Test: []}
        self._passing: list[bytes] | None = None  # what further lines of the event belong to
        self._borrowed: int | None = None
        self._has_heads = False

    def read_line(self, line: bytes) -> None:
        """Read a line without its end."""
        place = line.find(b"Iteration ")
        if place >= 0:
            if not (found := _ITERATION.match(line, place)):
                return
            if b", loss = " in line:
                self._begin(line, Step, self._log.wants_step(int(found[1])), found[0])
            elif b", Testing net" in line:
                self._begin(line, Test, self._log.wants_test(int(found[1])), found[0])
            else:
                self._go_on(line)
        elif any(part in line for part in _PARTS):
            self._go_on(line)
        elif any(end in line for end in _ENDS):
            self._passing = None
            self._feed(line)

    def _begin(self, line: bytes, kind: type[Step] | type[Test], is_wanted: bool, iteration: bytes) -> None:
        """Take the first line of an event; some versions write the rate before the loss."""
        before = self._passing[-1] if self._passing else b""
        passed = self._passed[kind]
        if kind is Step or is_wanted or not (passed and iteration in passed[0]) or len(passed) > _MOST_NETS:
            passed.clear()
        if is_wanted:
            self._passing = None
            if kind is Step and iteration + b", lr = " in before:
                self._feed(before)
            self._feed(line)
        else:
            passed.append(line)
            self._passing = passed

    def _go_on(self, line: bytes) -> None:
        if self._passing is None:
            self._feed(line)
        elif len(self._passing) <= _MOST_NETS:
            self._passing.append(line)

    def pause(self) -> None:
        """Keep the last events for the moment, to which later lines may still add, or which were passed over."""
        self._return()
        self._borrowed = self._log.lines + 1
        for event in self._readers[-1].peek():  # of two, the one that reads bare lines, too
            self._log.add(event, self._borrowed)
        passed = [self._passed[kind] for kind in (Test, Step)]
        if self._passing is passed[0]:
            passed.reverse()
        reader = LogReader(bare=not self._has_heads)
        found = [event for line in passed[0] + passed[1] for event in reader.read_line(line.decode(errors="replace"))]
        for event in [*found, *reader.peek()]:
            if not isinstance(event, Snapshot):
                self._log.lend(event, self._borrowed)

    def _return(self) -> None:
        if self._borrowed is not None:
            for kind in (Step, Test):
                self._log.drop_last(kind, self._borrowed)
            self._borrowed = None

    def _feed(self, line: bytes) -> None:
        self._return()
        text = line.decode(errors="replace")
        for number, reader in enumerate(self._readers):
            for event in reader.read_line(text):
                if number == 0 and not self._has_heads:
                    self._has_heads = True
                    self._log.clear()
                if number == 0 or not self._has_heads:
                    self._log.add(event)
        if self._has_heads:
            del self._readers[1:]
