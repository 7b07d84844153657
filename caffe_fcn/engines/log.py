"""Caffe's log as events.

Caffe reports a training in glog lines, some of which belong together: an iteration's loss, its outputs and its
learning rate are lines of their own, and other threads may log between them. The patterns match the messages of
Caffe's ``solver.cpp`` and ``sgd_solver.cpp``, in every version since 2013, on Windows, and in NVIDIA's. A line may
have a prefix, such as the time or the name of a container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from caffe_fcn.engines.events import Event, Outputs, Snapshot, Step, Test

# a letter, date, time, thread, place
_GLOG = re.compile(r"(?<![\w.])([IWEF])\d{4,8} [\d:.]+ +(\d+) ([\w./\\:-]+:\d+)\] ?(.*)")
_RANK = re.compile(r"\s*\[\d+(?:\.\d+)*\] ")  # of the GPU, in front of a message

_NUMBER = r"([-+]?(?:nan|inf|\d+\.?\d*(?:#\w+|e[-+]?\d+)?))"
SNAPSHOT = re.compile(r"Snapshotting (?:solver state )?to (?:(?:binary proto|HDF5) file )?(.+)")
_STEP = re.compile(rf"\s*Iteration (\d{{1,18}})\b(?: \((\d+\.?\d*(?:e[-+]?\d+)?) iter/s)?.*, loss = {_NUMBER}")
_RATE = re.compile(rf"\s*Iteration (\d{{1,18}}), lr = {_NUMBER}")
_GPU_MEMORY = re.compile(r"\s*Iteration (\d{1,18}), GPU memory = (\d{1,18})")  # the torch engine's own
_TEST = re.compile(r"\s*Iteration (\d{1,18}), Testing net(?: \(#(\d{1,18})\))?")
_OUTPUT = re.compile(rf"\s*(?:(Train|Test) net output|Test (score)) #\d+: (?:(\S+) = )?{_NUMBER}")
_START = re.compile(r"Initializing solver|Starting Optimization|Solving |Restoring previous solver status")


def parse_line(line: str) -> tuple[str, str]:
    """Return severity (``I``, ``W``, ``E``, ``F``) and message of a glog line; for any other, "" and the line."""
    match = _GLOG.match(line)
    return (match[1], match[4]) if match else ("", line)


def read_events(lines: Iterable[str], bare: bool = False) -> Iterator[Event]:
    """Yield the events in the lines of a log, each as soon as a later line shows that it is complete.

    ``bare`` lines are messages without the head of a glog line (Caffe was run with ``GLOG_log_prefix=0``).

    list(read_events(Path("train.log").open()))
    """
    reader = LogReader(bare)
    for line in lines:
        yield from reader.read_line(line)
    yield from reader.end()


class LogReader:
    """Puts the messages together that belong to one event, line by line, for a log that grows.

    In a training on several GPUs more than one thread may report an iteration. The one that reports it first counts.
    ``bare`` is as in `read_events`.
    """

    def __init__(self, bare: bool = False) -> None:
        self._bare = bare
        self._step: Step | None = None
        self._test: Test | None = None
        self._leader = ""  # the thread of the event
        self._last: dict[type[Event], tuple[int, int]] = {}
        self._rate: tuple[int, float] | None = None  # the iteration of a rate that came before its loss

    def read_line(self, line: str) -> Iterator[Event]:
        """Yield the events that are complete before this line."""
        line = line.rstrip("\r\n")
        match = _GLOG.search(line)
        if match or self._bare:
            thread, message = (match[2], match[4]) if match else ("", line)
            yield from self._read_message(thread, _RANK.sub("", message, count=1))

    def _read_message(self, thread: str, message: str) -> Iterator[Event]:
        if output := _OUTPUT.match(message):
            if thread == self._leader:
                self._add_output(output[1] or "Test", ((output[3] or output[2] or "output", _parse(output[4])),))
        elif displayed := _STEP.match(message):
            iteration = int(displayed[1])
            if self._leads(thread, Step, (iteration, 0)):
                yield from self.end()
                lr = self._rate[1] if self._rate and self._rate[0] == iteration else None
                speed = float(displayed[2]) if displayed[2] else None
                self._step = Step(iteration, _parse(displayed[3]), lr, speed=speed)
        elif measured := _GPU_MEMORY.match(message):
            if self._step and self._step.iteration == int(measured[1]):
                self._step = replace(self._step, gpu_memory=int(measured[2]))
        elif rate := _RATE.match(message):
            if thread == self._leader or not (self._step or self._test):
                yield from self._read_rate(int(rate[1]), _parse(rate[2]))
        elif tested := _TEST.match(message):
            place = int(tested[1]), int(tested[2] or 0)
            if self._leads(thread, Test, place):
                yield from self.end()
                self._test = Test(*place)
        elif written := SNAPSHOT.match(message):
            yield from self.end()
            yield Snapshot(written[1])
        elif _START.match(message):
            self._last.clear()

    def end(self) -> Iterator[Event]:
        """Yield the event to which no further message belongs."""
        events = self.peek()
        self._test = self._step = None
        yield from events

    def peek(self) -> list[Event]:
        """Return the event that a later line may still add to."""
        return [event for event in (self._test, self._step) if event]

    def _leads(self, thread: str, kind: type[Event], place: tuple[int, int]) -> bool:
        if thread != self._leader and self._last.get(kind) == place:
            return False
        self._leader, self._last[kind] = thread, place
        return True

    def _add_output(self, phase: str, value: Outputs) -> None:
        if phase == "Train" and self._step:
            self._step = replace(self._step, outputs=self._step.outputs + value)
        elif phase == "Test" and self._test:
            self._test = replace(self._test, outputs=self._test.outputs + value)

    def _read_rate(self, iteration: int, lr: float) -> Iterator[Event]:
        if self._step and self._step.iteration == iteration:
            self._step = replace(self._step, lr=lr)
        else:
            self._rate = iteration, lr
        yield from self.end()


def _parse(number: str) -> float:
    """The value; Windows writes 1.#INF for an infinite one, and 1.#IND, 1.#QNAN for one that is not a number."""
    value, mark, kind = number.partition("#")
    if not mark:
        return float(value)
    return float("-inf" if value.startswith("-") else "inf") if kind.startswith("INF") else float("nan")
