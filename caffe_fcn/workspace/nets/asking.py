"""Questions about nets, answered by a few worker processes, so that no net makes the server wait or grow.

    answer = ask(Question(text='layer { name: "data" type: "Input" top: "data" }'))
    answer["layers"]["rows"]

A worker starts when it is first needed, and is started anew after an answer that took too long. Answers about files
and nets of the catalogue are remembered until the file changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO, Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.nets.question import Question

WORKERS = 2
MOST_WAITING = 12
"""Requests that wait for a worker; each of them has one of the server's threads."""

SECONDS = 8.0
"""How long a worker computes for one net."""

_MOST_KEPT = 64
_LONGEST = 60.0  # seconds that a request waits for a worker

Answer = dict[str, Any]


class BusyError(CaffeFcnError):
    """Too many nets are looked at already."""


def ask(question: Question, seconds: float = SECONDS) -> Answer:
    """Return the parts of the answer by name.

    ``late`` is the sentence that says why parts are missing, where they are. Raises `BusyError` where too many others
    wait.
    """
    return _find_workers().ask(question, seconds)


@cache
def _find_workers() -> Workers:
    return Workers()


class Workers:
    """A few workers, and what they answered."""

    def __init__(self, count: int = WORKERS, most_waiting: int = MOST_WAITING) -> None:
        self._free: list[_Worker | None] = [None] * count
        self._change = threading.Condition()
        self._most_waiting = most_waiting
        self._waiting = 0
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()

    def ask(self, question: Question, seconds: float = SECONDS) -> Answer:
        """Return the answer; as `ask`."""
        key = _make_key(question)
        if key is not None and (known := self._recall(key)) is not None:
            return known
        with self._take() as worker:
            answer = worker.ask(question, seconds)
        if key is not None and "late" not in answer:
            with self._change:
                self._kept[key] = answer
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return answer

    def close(self) -> None:
        """End the workers that are free."""
        with self._change:
            for worker in self._free:
                if worker is not None:
                    worker.close()
            self._free = [None] * len(self._free)

    def _recall(self, key: Hashable) -> Answer | None:
        with self._change:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    @contextmanager
    def _take(self) -> Iterator[_Worker]:
        with self._change:
            if not self._free and self._waiting >= self._most_waiting:
                raise BusyError("the net", "cannot be looked at now, for many others are", "try again in a moment")
            self._waiting += 1
            try:
                if not self._change.wait_for(lambda: bool(self._free), _LONGEST):
                    raise BusyError("the net", "waited too long for its turn", "try again in a moment")
                worker = self._free.pop() or None
            finally:
                self._waiting -= 1
        if worker is None or not worker.is_alive:
            worker = _Worker()
        try:
            yield worker
        finally:
            with self._change:
                self._free.append(worker if worker.is_alive else None)
                self._change.notify()


class _Worker:
    """A process of `worker`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "caffe_fcn.workspace.nets.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, question: Question, seconds: float) -> Answer:
        """Return what the process says until it ends its answer, or ends itself."""
        answer: Answer = {}
        with suppress(BrokenPipeError):
            stdin = _pipe(self._process.stdin)
            stdin.write(f"{json.dumps({**question.as_json(), 'seconds': seconds})}\n")
            stdin.flush()
        short = False
        for line in _pipe(self._process.stdout):
            message = json.loads(line)
            if "end" in message:
                if short:
                    answer["late"] = "The rest needs more memory than the server gives to one net."
                return answer
            short = short or "short" in message
            if "part" in message:
                answer[message["part"]] = message["content"]
        self.close()
        answer["late"] = f"The rest is not known, for it took more than {seconds:g} seconds."
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the process has no such pipe")
    return pipe


def _make_key(question: Question) -> Hashable | None:
    """Return what tells one question from another while the file is the same; None for a text."""
    if question.text is not None:
        return None
    if not question.path:
        return question
    try:
        facts = Path(question.path).stat()
    except OSError:
        return None
    return replace(question), facts.st_mtime_ns, facts.st_size, facts.st_ino
