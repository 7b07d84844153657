"""Caffe's log as events.

Caffe reports a training in glog lines, some of which belong together: an iteration's loss, its outputs and its
learning rate are lines of their own, and other threads may log between them. The patterns match the messages of
Caffe's ``solver.cpp`` and ``sgd_solver.cpp``, in every version since 2014 and in NVIDIA's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from caffe_fcn.engines.events import Event, Snapshot, Step, Test

_GLOG = re.compile(r"([IWEF])\d{4,8} [\d:.]+ +\d+ ([\w./-]+:\d+)\] ?(.*)")  # a letter, date, time, thread, place

_NUMBER = r"([-+]?(?:nan|inf|\d+\.?\d*(?:e[-+]?\d+)?))"
SNAPSHOT = re.compile(r"Snapshotting (?:solver state )?to (?:(?:binary proto|HDF5) file )?(.+)")
_STEP = re.compile(rf"Iteration (\d+)\b.*, loss = {_NUMBER}")
_RATE = re.compile(rf"Iteration (\d+), lr = {_NUMBER}")
_TEST = re.compile(r"Iteration (\d+), Testing net \(#(\d+)\)")
_OUTPUT = re.compile(rf" +(Train|Test) net output #\d+: (\S+) = {_NUMBER}")


def parse_line(line: str) -> tuple[str, str]:
    """Return severity (``I``, ``W``, ``E``, ``F``) and message of a glog line; for any other, "" and the line."""
    match = _GLOG.match(line)
    return (match[1], match[3]) if match else ("", line)


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events in the lines of a log, each as soon as a later line shows that it is complete.

    list(read_events(Path("train.log").open()))
    """
    step: Step | None = None
    test: Test | None = None
    for line in lines:
        severity, message = parse_line(line.rstrip("\n"))
        if not severity:
            continue
        if output := _OUTPUT.match(message):
            value = ((output[2], float(output[3])),)
            if output[1] == "Train" and step:
                step = replace(step, outputs=step.outputs + value)
            elif output[1] == "Test" and test:
                test = replace(test, outputs=test.outputs + value)
            continue
        rate, displayed = _RATE.match(message), _STEP.match(message)
        tested, written = _TEST.match(message), SNAPSHOT.match(message)
        if not (rate or displayed or tested or written):
            continue
        if test:
            yield test
            test = None
        if step:
            yield replace(step, lr=float(rate[2])) if rate else step
            step = None
        if displayed:
            step = Step(int(displayed[1]), float(displayed[2]))
        elif tested:
            test = Test(int(tested[1]), int(tested[2]))
        elif written:
            yield Snapshot(written[1])
    yield from (event for event in (test, step) if event)
