"""Python layers: those of the reference FCNs, by their own names, without pycaffe.

No other Python is run: a prototxt names any module, and a net that somebody sent may name any code.
"""

from __future__ import annotations

import random

import numpy as np

from caffe_fcn.datasets import pycaffe_layers
from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.errors import DatasetError, FileError, nearest
from caffe_fcn.proto import LayerParameter

_SUFFIX = "DataLayer"


class PythonReader(Reader):
    """One image and its labels at a time, in the reference's order: drawn at random while training."""

    size = 1

    def __init__(self, layer: LayerParameter, seed: int) -> None:
        super().__init__(layer, training=True, seed=seed)
        param = layer.python_param
        known = [name for name in vars(pycaffe_layers) if name.endswith(_SUFFIX)]
        if param.layer not in known:
            mend = nearest(param.layer, known) or f"those of the reference are: {', '.join(known)}"
            self.fail(f"Python layer {param.layer!r} runs in pycaffe only", mend)
        self._pairs = getattr(pycaffe_layers, param.layer)()
        self._pairs.param_str = param.param_str
        try:
            self._pairs.setup([], layer.top)
        except OSError as error:
            raise FileError(error.filename, (error.strerror or str(error)).lower(), "check param_str") from error
        except (ValueError, KeyError, TypeError) as error:
            self.fail(str(error), "correct param_str")
        self._drawn: list[int] = []
        self._random = random.Random(self._pairs.params.get("seed", seed)) if self._pairs.random else None

    def __len__(self) -> int:
        return len(self._pairs.names)

    def batch(self, number: int) -> list[Array]:
        self._pairs.index = self._index(number)
        try:
            self._pairs.reshape([], [])
        except (OSError, ValueError, KeyError) as error:
            name = self._pairs.names[self._pairs.index]
            raise DatasetError(f"layer '{self.layer.name}' (Python), image {name}", str(error)) from error
        return [np.ascontiguousarray(array, np.float32)[None] for array in self._pairs.loaded]

    def _index(self, number: int) -> int:
        if self._random is None:
            return number % len(self)
        while len(self._drawn) <= number:
            self._drawn.append(self._random.randint(0, len(self) - 1))
        return self._drawn[number]
