"""How long importing FCN-8s from an ONNX model takes, and how much memory.

    python benchmarks/onnx_import.py [--folder /tmp]

The model is our own export of 540 MB. The import is compared with `cp` of it, each as a process of its own, interpreter
start included, in turns; the shortest of three times counts. Needs 2 GB of disk. Fails where the import takes more than
250 MB of memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from check import compile_once, make_net
from onnx_export import measure

RUNS = 3
MOST_MEMORY = 250e6


def main() -> None:
    """Print the figures, and fail where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        scratch = Path(folder)
        make_net(scratch / "net")
        (weights,) = (scratch / "net").glob("*.caffemodel")
        model, output = scratch / "net.onnx", scratch / "made"
        program = [sys.executable, "-m", "caffe_fcn"]
        export = [*program, "export", "onnx", scratch / "net" / "deploy.prototxt", weights, "-o", model, "--quiet"]
        subprocess.run([str(each) for each in export], check=True)
        weights.unlink()
        copy = ["cp", str(model), str(output)]
        command = [*program, "import", "onnx", str(model), "-o", str(scratch / "back"), "--quiet"]
        environment = compile_once(scratch)
        measured = [
            (measure(copy, output), measure(command, scratch / "back" / "weights.caffemodel", environment))
            for _ in range(RUNS)
        ]
    copied = min(first[0] for first, _ in measured)
    imported = min(second[0] for _, second in measured)
    memory = max(second[1] for _, second in measured)
    print(f"cp {copied:.2f} s, import onnx {imported:.2f} s ({imported / copied:.2f} times), {memory / 1e6:.0f} MB")
    sys.exit(int(memory > MOST_MEMORY))


if __name__ == "__main__":
    main()
