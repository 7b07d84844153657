"""How long exporting FCN-8s as an ONNX model takes, and how much memory.

    python benchmarks/onnx_export.py [--folder /tmp]

It is compared with `cp` of its caffemodel (540 MB), each as a process of its own, interpreter start included, in turns;
the shortest of five times counts. Needs 1.2 GB of disk. Fails where the export takes more than three times as long, or
more than 300 MB of memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from check import compile_once, make_net

RUNS = 5
MOST_TIMES = 3.0
MOST_MEMORY = 300e6


def main() -> None:
    """Print the figures, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        scratch = Path(folder)
        make_net(scratch / "net")
        (weights,) = (scratch / "net").glob("*.caffemodel")
        output = scratch / "made"
        copy = ["cp", str(weights), str(output)]
        command = [sys.executable, "-m", "caffe_fcn", "export", "onnx", scratch / "net" / "deploy.prototxt", weights]
        export = [*map(str, command), "-o", str(output), "--quiet"]
        environment = compile_once(scratch)
        measured = [(measure(copy, output), measure(export, output, environment)) for _ in range(RUNS)]
    copied = min(first[0] for first, _ in measured)
    exported = min(second[0] for _, second in measured)
    memory = max(second[1] for _, second in measured)
    print(f"cp {copied:.2f} s, export onnx {exported:.2f} s ({exported / copied:.2f} times), {memory / 1e6:.0f} MB")
    sys.exit(int(exported > MOST_TIMES * copied or memory > MOST_MEMORY))


def measure(command: list[str], output: Path, environment: Mapping[str, str] = os.environ) -> tuple[float, int]:
    """The seconds that a command takes, and the bytes that it occupies at most."""
    output.unlink(missing_ok=True)
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f"error: {' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
