"""A process that answers questions about nets: ``python -m caffe_fcn.workspace.nets.worker``.

A line of stdin is a question as JSON, and each part of its answer a line of stdout; ``{"end": true}`` comes last. The
process ends by itself when its stdin does, and when an answer takes more than the seconds of its question on the
processor, or many times as long in all: then the rest of the answer is missing. So it is where the memory that a worker
may have is not enough.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from typing import Any

from caffe_fcn.workspace.nets.analysis import analyse
from caffe_fcn.workspace.nets.question import Question

MOST_MEMORY = 1 << 30
"""The bytes that a worker may have of its own; a net of a megabyte takes 300 MB."""

_PATIENCE = 8.0
"""How many times the seconds of a question its answer may take where the processor is busy."""


def main() -> None:
    """Answer until stdin ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # which ends the process, whatever it does
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    for line in sys.stdin:
        content = json.loads(line)
        _bound_time(content.pop("seconds"))
        try:
            for name, part in analyse(Question.from_json(content)):
                _write({"part": name, "content": part})
        except (MemoryError, RecursionError):
            _write({"short": True})
        _bound_time(0)
        _write({"end": True})


def _bound_time(seconds: float) -> None:
    """End this process when it has computed for ``seconds``, or has waited for long; 0 takes that back."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * _PATIENCE)


def _write(message: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(message)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
