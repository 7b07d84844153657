"""A real pycaffe that stays up: many small nets judged in one process, which a failed CHECK may kill.

Questions and answers are one JSON document a line. A net that Caffe refuses ends the process; the worker
then starts a new one and the answer is None.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

_LOOP = """
import base64, json, os, sys, tempfile
import numpy as np
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import caffe
caffe.set_mode_cpu()

def open_net(q):
    handle, path = tempfile.mkstemp(suffix=".prototxt")
    os.write(handle, q["net"].encode())
    os.close(handle)
    try:
        return caffe.Net(path, {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST}[q["phase"]])
    finally:
        os.unlink(path)

def shapes(q):
    net = open_net(q)
    for name, shape in q.get("reshape", {}).items():
        net.blobs[name].reshape(*shape)
    if q.get("reshape"):
        net.reshape()
    return {"blobs": {k: list(v.shape) for k, v in net.blobs.items()},
            "params": {k: [list(p.shape) for p in v] for k, v in net.params.items()}}

def impulses(q):
    net = open_net(q)
    for params in net.params.values():
        for index, blob in enumerate(params):
            blob.data[...] = 1 - index
    net.blobs[q["into"]].data[...] = 0
    for place in q["at"]:
        net.blobs[q["into"]].data[tuple(place)] = 1
    net.forward()
    out = net.blobs[q["out"]].data.astype(np.float64).sum(axis=1)
    rows, columns = np.indices(out.shape[1:])
    return [[float(each.sum()), float((each * rows).sum()), float((each * columns).sum())] for each in out]

def define(q):
    names = {}
    try:
        exec(q["net"], names)
        return base64.b64encode(names["net"].SerializeToString()).decode()
    except Exception as error:
        return {"error": type(error).__name__}

for line in iter(sys.stdin.readline, ""):
    question = json.loads(line)
    answer = {"shapes": shapes, "impulses": impulses, "define": define}[question["do"]](question)
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
"""


class CaffeWorker:
    """One pycaffe child process, started when first asked and again after each crash."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process: subprocess.Popen[str] | None = None

    def ask(self, do: str, net: str, phase: str = "TEST", **question: Any) -> Any:
        """The answer, or None where Caffe refused the net."""
        process = self._process or self._start()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"do": do, "net": net, "phase": phase, **question}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if line:
            return json.loads(line)
        self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [str(self._program), "-c", _LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._process
