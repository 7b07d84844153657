"""Engines run and train nets: real Caffe, and torch with Caffe's arithmetic.

with load("deploy.prototxt", "fcn.caffemodel") as engine:
    score = engine.forward(data=image)["score"]

with train("solver.prototxt", engine="torch") as training:
    for event in training:
        ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from caffe_fcn.files import PathLike

if TYPE_CHECKING:
    import numpy as np

    from caffe_fcn.engines.running import Running


class Engine(Protocol):
    """A net with its weights, ready to run forward; a context manager that frees what it holds."""

    note: str  # what to tell of the choice of this engine

    name: str  # the net, as errors name it

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


def load(
    net: PathLike,
    weights: PathLike | None = None,
    engine: str = "auto",
    *,
    stages: Sequence[str] = (),
    gpu: int | None = None,
    blobs: Sequence[str] = (),
    precision: str = "float32",
    caffe: PathLike | None = None,
) -> Engine:
    """The net in its TEST phase with its weights (Caffe's fillers without), ready to run.

    ``engine`` is "caffe", "torch", or "auto": real Caffe where there is one with the wanted device, otherwise torch;
    the engine's ``note`` says which. ``stages`` are further stages of the net's state, ``gpu`` is the number of a GPU,
    or None for the CPU; ``blobs`` are blobs to give besides the net's outputs; ``precision`` is torch's (see
    `torch.Net`); ``caffe`` is where to find Caffe.
    With the stage "deploy" an all-in-one net runs as DIGITS deploys it.
    Raises `EngineError` where there is no such engine, or it refuses the net, and what reading the files raises.
    """
    from caffe_fcn.engines.choice import check_precision, choose
    from caffe_fcn.engines.deploy_form import file_to_load

    found, note = choose(engine, caffe, gpu is not None)
    check_precision(precision, found)
    loaded: Engine
    with file_to_load(net, weights, "deploy" in stages) as (path, remark):
        if found is None:
            from caffe_fcn.engines.torch.forward import TorchEngine

            loaded = TorchEngine(path, weights, stages, gpu, blobs, precision)
        else:
            from caffe_fcn.engines import caffe as real

            loaded = real.Forward(found, path, weights, stages, gpu, blobs)
    loaded.name, loaded.note = str(net), "; ".join(filter(None, (note, remark)))
    return loaded


def train(
    solver: PathLike,
    weights: Sequence[PathLike] = (),
    snapshot: PathLike | None = None,
    *,
    engine: str = "auto",
    gpu: str = "",
    nproc: int | None = None,
    precision: str = "float32",
    log: PathLike | None = None,
    caffe: PathLike | None = None,
) -> Running:
    """A training that runs; for its arguments see `caffe.Training` and `embedded.Training`.

    ``auto`` takes real Caffe where there is one with the wanted device, otherwise torch; ``notes`` says which.
    Raises `EngineError` where there is no such engine, and what the trainings raise.
    """
    from caffe_fcn.engines.choice import check_precision, choose, wants_gpu

    found, note = choose(engine, caffe, wants_gpu(solver, gpu), nproc is not None)
    check_precision(precision, found)
    training: Running
    if found is None:
        from caffe_fcn.engines.torch.training.launcher import TorchTraining

        training = TorchTraining(solver, weights, snapshot, gpu, log, nproc, precision)
    else:
        from caffe_fcn.engines import caffe as real

        training = real.Training(found, solver, weights, snapshot, gpu, log)
    training.notes[:0] = [note] if note else []
    return training
