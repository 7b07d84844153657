"""Engines run a net: real Caffe as a child process.

with load("deploy.prototxt", "fcn.caffemodel") as engine:
    score = engine.forward(data=image)["score"]
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from caffe_fcn.errors import EngineError

if TYPE_CHECKING:
    import numpy as np

PathLike = str | os.PathLike[str]

NAMES = ("auto", "caffe", "torch")


class Engine(Protocol):
    """A net with its weights, ready to run forward; a context manager that frees what it holds."""

    @property
    def name(self) -> str:
        """The net, as errors name it."""

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """The input blobs and the shapes that the net gives them."""

    @property
    def outputs(self) -> Sequence[str]:
        """The blobs that no layer reads, in the net's order."""

    def forward(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs (and the further blobs asked for) of all inputs, float32; shapes may change from call to call."""

    def close(self) -> None: ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...


def load(net: PathLike, weights: PathLike | None = None, engine: str = "auto", **options: Any) -> Engine:
    """The net with its weights (Caffe's fillers without) in an engine: ``auto`` takes the first that is here.

    ``options`` are `caffe.Forward`'s: ``stages``, ``gpu``, ``blobs``; and ``caffe``, where to find Caffe.
    Raises `EngineError` where there is no such engine, or it refuses the net.
    """
    check(engine)
    from caffe_fcn.engines import caffe

    return caffe.Forward(caffe.find(options.pop("caffe", None)), net, weights, **options)


def check(engine: str) -> None:
    """Raise `EngineError` for an engine that this version does not have."""
    if engine == "torch":
        raise EngineError("--engine torch", "this version has no torch engine", "take --engine caffe")
    if engine not in NAMES:
        raise EngineError(f"--engine {engine}", "no such engine", f"one of {', '.join(NAMES)}")
