"""A real pycaffe that stays up: many small nets judged in one process, which a failed CHECK may kill.

Questions and answers are one JSON document a line. A net that Caffe refuses ends the process; the worker
then starts a new one and the answer is None.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

import numpy as np

PyCaffe = Callable[..., dict[str, np.ndarray]]  # the fixture `pycaffe`


_LOOP = """
import base64, ctypes, json, os, sys, tempfile
import numpy as np
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import caffe
caffe.set_mode_cpu()

def open_net(q):
    return caffe.Net(q["net"], {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST}[q["phase"]])

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
        exec(open(q["net"]).read(), names)
        return base64.b64encode(names["net"].SerializeToString()).decode()
    except Exception as error:
        return {"error": type(error).__name__}

def parameters(kind, index, shape, random):
    if kind == "BatchNorm":
        return [random.normal(size=shape), random.uniform(0.5, 2, shape), np.full(shape, 1.5)][index]
    return random.normal(size=shape) / max(1, np.prod(shape[1:])) ** 0.5

def run(q):
    net = open_net(q)
    random = np.random.RandomState(0)
    if "weights" in q:
        net.copy_from(q["weights"])
    for name, layer in zip(net._layer_names, net.layers):
        for index, blob in enumerate([] if "weights" in q else net.params.get(name, [])):
            blob.data[...] = parameters(layer.type, index, blob.data.shape, random)
    if "save" in q:
        net.save(q["save"])
    with np.load(q["arrays"]) as arrays:
        given = dict(arrays)
    for name in set(given) & set(net.blobs):
        net.blobs[name].reshape(*given[name].shape)
        net.blobs[name].data[...] = given[name]
    net.forward()
    made = {"blob/" + name: blob.data.copy() for name, blob in net.blobs.items() if "_split_" not in name}
    if q.get("backward"):
        net.clear_param_diffs()
        for name in given:
            if name.startswith("diff/"):
                net.blobs[name[5:]].diff[...] = given[name]
        net.backward()
        made.update(("grad/%s/%d" % (name, i), p.diff) for name, ps in net.params.items() for i, p in enumerate(ps))
        made.update(("grad/" + name, net.blobs[name].diff) for name in net.inputs)
    made.update(("after/%s/%d" % (name, i), p.data) for name, ps in net.params.items() for i, p in enumerate(ps))
    np.savez(q["arrays"], **made)
    return True

def batches(q):
    os.chdir(q["folder"])
    net, made = open_net(q), {}
    for number in range(q["count"]):
        net.forward()
        made.update(("%d %s" % (number, name), blob.data.copy()) for name, blob in net.blobs.items())
    np.savez(q["arrays"], **made)
    return True

# Caffe's own functions around protobuf's C++ parser, by the names that its compiler gave them
library = ctypes.CDLL([line.split()[-1] for line in open("/proc/self/maps") if "libcaffe.so" in line][0])
read_text = library._ZN5caffe21ReadProtoFromTextFileEPKcPN6google8protobuf7MessageE
read_text.restype = ctypes.c_bool
write_binary = library._ZN5caffe22WriteProtoToBinaryFileERKN6google8protobuf7MessageEPKc

def new_message(name):
    message = ctypes.create_string_buffer(1 << 14)
    getattr(library, "_ZN5caffe%d%sC1EPN6google8protobuf5ArenaE" % (len(name), name))(message, None)
    return message

messages = {name: new_message(name) for name in ("NetParameter", "SolverParameter")}

def parse(q):
    found = []
    with tempfile.NamedTemporaryFile() as text, tempfile.NamedTemporaryFile() as binary:
        for each in q["texts"]:
            open(text.name, "wb").write(base64.b64decode(each))
            if not read_text(text.name.encode(), messages[q["kind"]]):
                found.append(None)
                continue
            write_binary(messages[q["kind"]], binary.name.encode())
            found.append(base64.b64encode(open(binary.name, "rb").read()).decode())
    return found

for line in iter(sys.stdin.readline, ""):
    question = json.loads(line)
    answer = {f.__name__: f for f in (shapes, impulses, define, run, batches, parse)}[question["do"]](question)
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
        with NamedTemporaryFile("w", suffix=".prototxt") as file:
            file.write(net)
            file.flush()
            process.stdin.write(json.dumps({"do": do, "net": file.name, "phase": phase, **question}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        if line:
            return json.loads(line)
        self.close()
        return None

    def run(
        self, net: str, inputs: Mapping[str, np.ndarray], phase: str = "TEST", **question: Any
    ) -> dict[str, np.ndarray] | None:
        """What a net makes of its inputs: ``blob/NAME``, ``after/LAYER/INDEX``, the parameters after the pass, and
        with ``backward`` ``grad/NAME`` of inputs and ``grad/LAYER/INDEX`` of parameters, for the top diffs that
        ``inputs`` has as ``diff/NAME``. Parameters are random, and go to the file ``save``; or come from ``weights``.
        """
        with TemporaryDirectory() as folder:
            arrays = str(Path(folder) / "arrays.npz")
            np.savez(arrays, **inputs)
            paths = {k: str(v) if isinstance(v, Path) else v for k, v in question.items()}
            if not self.ask("run", net, phase, arrays=arrays, **paths):
                return None
            with np.load(arrays) as made:
                return dict(made)

    def batches(self, net: str, folder: Path, count: int) -> list[dict[str, np.ndarray]]:
        """The blobs of the first passes through a net whose files are in ``folder``."""
        with NamedTemporaryFile(suffix=".npz") as arrays:
            assert self.ask("batches", net, folder=str(folder), count=count, arrays=arrays.name), "Caffe refuses it"
            with np.load(arrays.name) as made:
                return [
                    {name.partition(" ")[2]: made[name] for name in made if name.startswith(f"{number} ")}
                    for number in range(count)
                ]

    def parse(self, kind: str, texts: Sequence[bytes]) -> list[bytes | None]:
        """Each text as protobuf's C++ parser reads it, in the wire format; None where it refuses."""
        asked = [base64.b64encode(text).decode() for text in texts]
        found = self.ask("parse", "", kind=kind, texts=asked)
        return [None if each is None else base64.b64decode(each) for each in found]

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
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},  # of another Python
        )
        return self._process
