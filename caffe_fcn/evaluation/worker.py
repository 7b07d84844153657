"""The program of one of several processes that share images; see `shares`.

    python -m caffe_fcn.evaluation.worker MODULE:FUNCTION RANK COUNT < task.json

It answers in lines of JSON on stdout: {"kind": "report" | "result" | "error", "content": ...}. It ends where nobody
reads them any more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.evaluation.shares import Share, import_task


def main() -> int:
    """Do the task on stdin; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name, rank, count = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what other libraries print must not end up between the lines

    def say(kind: str, content: Any) -> None:
        answers.write(json.dumps({"kind": kind, "content": content}) + "\n")
        answers.flush()

    try:
        task = json.load(sys.stdin)
        result = import_task(name)(task, Share(int(rank), int(count)), lambda *content: say("report", content))
        say("result", result)
    except CaffeFcnError as error:
        say("error", [error.where, error.what, error.mend])
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the parent is gone
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
