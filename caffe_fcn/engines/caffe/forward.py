"""A net run forward by real Caffe: pycaffe in a child process, arrays over a pipe.

The child runs ``pycaffe_worker.py`` in Caffe's own Python. So that Python may be old, and a failed check of Caffe's,
which ends the process, does not end this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from caffe_fcn.engines.arguments import require_file, require_weights
from caffe_fcn.engines.caffe.crash import CrashReporter
from caffe_fcn.engines.caffe.find import Caffe
from caffe_fcn.engines.caffe.python_path import make_python_path
from caffe_fcn.errors import EngineError, nearest
from caffe_fcn.files import PathLike

if TYPE_CHECKING:
    import numpy as np


_WORKER = Path(__file__).with_name("pycaffe_worker.py")


class CaffeEngine:
    """A net in its TEST phase, loaded in real Caffe; see `caffe_fcn.engines.Engine`.

    ``stages`` are further stages of the net's state; ``gpu`` is the number of a GPU, or None for the CPU; ``blobs``
    are blobs to return besides the net's outputs.
    Raises `EngineError` if Caffe refuses the net or the weights, or crashes while it reads them.
    """

    name: str
    note: str
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]

    def __init__(
        self,
        caffe: Caffe,
        net: PathLike,
        weights: PathLike | None = None,
        stages: Sequence[str] = (),
        gpu: int | None = None,
        blobs: Sequence[str] = (),
    ) -> None:
        start: dict[str, Any] = {"net": str(require_file(net)), "weights": "", "stages": list(stages), "gpu": gpu}
        if weights:
            start["weights"] = str(require_weights(weights))
        self.name = str(net)
        self._blobs = tuple(blobs)
        with ExitStack() as resources:
            self._log = resources.enter_context(tempfile.TemporaryFile())
            self._process = resources.enter_context(self._start([*caffe.python, str(_WORKER)]))
            resources.callback(self._process.kill)
            self._to = cast(BufferedWriter, self._process.stdin)
            self._from = cast(BufferedReader, self._process.stdout)
            self._resources = resources.pop_all()
        try:
            self._load(start)
        except BaseException:
            self.close()
            raise

    def forward(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the net, reshaped to the inputs (N x C x H x W); returns its outputs and the blobs asked for, float32.

        Raises `EngineError` for inputs that are not the net's, and if Caffe crashes.
        """
        import numpy as np

        for name in inputs.keys() - self.inputs.keys():
            mend = nearest(name, self.inputs) or self._describe_inputs()
            raise EngineError(self.name, f"has no input {name!r}", mend)
        for name in self.inputs.keys() - inputs.keys():
            raise EngineError(self.name, f"its input {name!r} is not given", self._describe_inputs())
        arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in inputs.items()}
        request = {"arrays": [(name, array.shape) for name, array in arrays.items()]}
        wanted = list(dict.fromkeys((*self.outputs, *self._blobs)))
        answer = self._ask({**request, "wanted": wanted}, *arrays.values())
        return {name: self._receive(shape) for name, shape in answer["arrays"]}

    def close(self) -> None:
        """End the child process."""
        with suppress(BrokenPipeError):  # what a child that died did not read is still in the buffer
            self._resources.close()

    def __enter__(self) -> CaffeEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self, start: dict[str, Any]) -> None:
        loaded = self._ask(start)
        self.inputs = {name: tuple(shape) for name, shape in loaded["inputs"].items()}
        self.outputs = tuple(loaded["outputs"])
        for blob in self._blobs:
            if blob not in loaded["blobs"]:
                mend = nearest(blob, loaded["blobs"]) or f"it has {', '.join(loaded['blobs'])}"
                raise EngineError(self.name, f"has no blob {blob!r}", mend)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "GLOG_logtostderr": "1", "GLOG_minloglevel": "0", "PYTHONPATH": make_python_path()}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=self._log)

    def _ask(self, message: dict[str, Any], *arrays: np.ndarray) -> dict[str, Any]:
        with suppress(BrokenPipeError):  # the child died, and its log says why
            self._to.write(json.dumps(message).encode() + b"\n")
            for array in arrays:
                self._to.write(array.data)
            self._to.flush()
        line = self._from.readline()
        if not line:
            raise self._explain_crash()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(self.name, f"Caffe stopped: {answer['error']}")
        return answer

    def _receive(self, shape: Sequence[int]) -> np.ndarray:
        import numpy as np

        array = np.empty(shape, np.float32)
        if array.size and self._from.readinto(array.data.cast("B")) != array.nbytes:
            raise self._explain_crash()
        return array

    def _explain_crash(self) -> EngineError:
        status = self._process.wait()
        reporter = CrashReporter(Path.cwd())
        self._log.seek(0)
        for line in self._log:
            reporter.read_line(line.decode(errors="replace"))
        return reporter.explain(status, self.name)

    def _describe_inputs(self) -> str:
        return f"it has {', '.join(self.inputs)}" if self.inputs else "it reads its own data: give a deploy net"
