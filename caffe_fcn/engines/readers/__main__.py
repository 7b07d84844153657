"""A worker process of `prefetch.Prefetcher`: gets a task on stdin, and writes its batches to stdout one by one."""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import count

from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.engines.readers.prefetch import send_batch
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import NetParameter


def main() -> None:
    """Write batches until the reader of stdout goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the training to handle
    task = json.loads(sys.stdin.buffer.readline())
    sink = os.fdopen(os.dup(1), "wb")  # sys.stdout may be unbuffered, and then writes only a part at times
    os.dup2(2, 1)  # so that nothing that libraries print gets between batches
    try:
        net = NetParameter.FromString(bytes.fromhex(task["net"]))
        readers = open_data_layers(net, task["training"], task["seed"], earlier_passes=task["earlier_passes"])
        for number in count(task["first"], task["stride"]):
            send_batch(sink, {name: reader.batch(number) for name, reader in readers.items()})
    except CaffeFcnError as error:
        sink.write(json.dumps({"error": [error.where, error.what, error.mend]}).encode() + b"\n")
        sink.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())  # or Python complains when it flushes the rest


if __name__ == "__main__":
    main()
