"""A worker that reads batches ahead, for `ahead.Ahead`: told on stdin which, it writes them to stdout one by one."""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count

from caffe_fcn.engines.readers import open_readers
from caffe_fcn.engines.readers.ahead import send
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import NetParameter


def main() -> None:
    """Read until whom it reads for goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the training to handle
    task = json.loads(sys.stdin.buffer.readline())
    sink = os.fdopen(os.dup(1), "wb")  # sys.stdout is not buffered everywhere, and then writes but a part at times
    os.dup2(2, 1)  # what libraries print must not end up between batches
    try:
        readers = open_readers(NetParameter.FromString(bytes.fromhex(task["net"])), task["training"], task["seed"])
        for number in count(task["first"], task["stride"]):
            send(sink, {name: reader.batch(number) for name, reader in readers.items()})
    except CaffeFcnError as error:
        sink.write(json.dumps({"error": [error.where, error.what, error.mend]}).encode() + b"\n")
        sink.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())  # or Python complains when it flushes the rest


if __name__ == "__main__":
    main()
