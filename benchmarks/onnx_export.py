"""How long exporting FCN-8s takes, as an ONNX model and as a torch module, and how much memory.

    python benchmarks/onnx_export.py [--folder /tmp]

It is compared with `cp` of its caffemodel (540 MB), each as a process of its own, interpreter start included, in turns;
the shortest of five times counts. Needs 1.8 GB of disk. Fails where an export takes more than three times as long, or
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
MADE = {"onnx": "", "torch": "weights.safetensors"}
"""The exports, each with the large file that it makes in its output."""


def main() -> None:
    """Print the figures, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        scratch = Path(folder)
        make_net(scratch / "net")
        (weights,) = (scratch / "net").glob("*.caffemodel")
        copied = scratch / "copied"
        copy = ["cp", str(weights), str(copied)]
        program = [sys.executable, "-m", "caffe_fcn", "export"]
        environment = compile_once(scratch)
        measured: dict[str, list[tuple[float, int]]] = {"cp": [], **{name: [] for name in MADE}}
        for _ in range(RUNS):
            measured["cp"].append(measure(copy, copied))
            for name, made in MADE.items():
                export = [*program, name, str(scratch / "net" / "deploy.prototxt"), str(weights), "--quiet"]
                export += ["-o", str(scratch / name)]
                measured[name].append(measure(export, scratch / name / made, environment))
    least = {name: min(seconds for seconds, _ in figures) for name, figures in measured.items()}
    most = {name: max(memory for _, memory in measured[name]) for name in MADE}
    print(f"cp {least['cp']:.2f} s")
    for name, memory in most.items():
        print(f"export {name} {least[name]:.2f} s ({least[name] / least['cp']:.2f} times), {memory / 1e6:.0f} MB")
    sys.exit(int(any(least[name] > MOST_TIMES * least["cp"] or most[name] > MOST_MEMORY for name in MADE)))


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
