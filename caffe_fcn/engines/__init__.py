"""Engines run and train nets: real Caffe, and torch with Caffe's arithmetic.

with load("deploy.prototxt", "fcn.caffemodel") as engine:
    score = engine.forward(data=image)["score"]

with train("solver.prototxt", engine="torch") as training:
    for event in training:
        ...
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from caffe_fcn.errors import EngineError

if TYPE_CHECKING:
    import numpy as np

    from caffe_fcn.engines.running import Running

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
    if engine == "torch":
        raise EngineError("--engine torch", "trains only, in this version", "take --engine caffe")
    from caffe_fcn.engines import caffe

    return caffe.Forward(caffe.find(options.pop("caffe", None)), net, weights, **options)


def train(
    solver: PathLike,
    weights: Sequence[PathLike] = (),
    snapshot: PathLike | None = None,
    *,
    engine: str = "auto",
    gpu: str = "",
    nproc: int | None = None,
    log: PathLike | None = None,
    caffe: PathLike | None = None,
) -> Running:
    """A training that runs; for its arguments see `caffe.Training` and `embedded.Training`.

    ``auto`` takes real Caffe where there is one with the wanted device, otherwise torch; ``notes`` says which.
    Raises `EngineError` where there is no such engine, and what the trainings raise.
    """
    check(engine)
    from caffe_fcn.engines import caffe as real
    from caffe_fcn.engines.choice import choose

    found, note = choose(engine, solver, gpu, nproc, caffe)
    training: Running
    if found is None:
        from caffe_fcn.engines.embedded import Training

        training = Training(solver, weights, snapshot, gpu, log, nproc)
    else:
        training = real.Training(found, solver, weights, snapshot, gpu, log)
    training.notes[:0] = [note] if note else []
    return training


def check(engine: str) -> None:
    """Raise `EngineError` for an engine that this version does not have."""
    if engine not in NAMES:
        raise EngineError(f"--engine {engine}", "no such engine", f"one of {', '.join(NAMES)}")
