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

    from caffe_fcn.engines.training import Training
    from caffe_fcn.proto import NetParameter


class Engine(Protocol):
    """A net with its weights, ready to run forward; a context manager that frees what it holds."""

    note: str  # what the user should know about the choice of this engine
    name: str  # the net, as errors name it

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """The input blobs and the shapes that the net gives them."""

    @property
    def outputs(self) -> Sequence[str]:
        """The blobs that no layer reads, in the order of the net."""

    def forward(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the net; returns its outputs and the blobs asked for, float32. Shapes may differ between calls."""

    def close(self) -> None:
        """Free what the engine holds."""

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
    """Load a net in its TEST phase, with its weights or else with what Caffe's fillers give, ready to run.

    ``engine`` is "caffe", "torch", or "auto": real Caffe if it is installed, drives the wanted device and has the
    net's layer types, otherwise torch; the engine's ``note`` says which. ``stages`` are further stages of the net's
    state. ``gpu`` is the number of a GPU, or None for the CPU. ``blobs`` are blobs to return besides the net's outputs.
    ``precision`` is how torch multiplies (see `torch.Net`). ``caffe`` is the path of a Caffe.
    With the stage "deploy" an all-in-one net runs as DIGITS deploys it.
    Raises `EngineError` if the engine is not installed or refuses the net, and whatever reading the files raises.
    """
    from caffe_fcn.engines.choice import check_precision, choose_engine
    from caffe_fcn.engines.deploy_form import resolve_net_file

    found, note = choose_engine(engine, caffe, gpu is not None, nets=lambda: _read_file(net))
    check_precision(precision, found)
    loaded: Engine
    with resolve_net_file(net, weights, "deploy" in stages) as (path, remark):
        if found is None:
            from caffe_fcn.engines.torch.forward import TorchEngine

            loaded = TorchEngine(path, weights, stages, gpu, blobs, precision)
        else:
            from caffe_fcn.engines import caffe as real_caffe

            loaded = real_caffe.CaffeEngine(found, path, weights, stages, gpu, blobs)
    loaded.name, loaded.note = str(net), "; ".join(filter(None, (note, remark)))
    return loaded


def _read_file(net: PathLike) -> list[NetParameter]:
    """The net in a file; none for standard input, which can be read only once."""
    from caffe_fcn.proto import read_net

    return [read_net(net, allow_unknown=True)] if str(net) != "-" else []


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
    score_every: int | None = None,
) -> Training:
    """Start a training; for the arguments see `caffe.CaffeTraining` and `torch.training.launcher.TorchTraining`.

    With ``engine="auto"`` real Caffe trains if it is installed, drives the wanted device and has the layer types,
    otherwise torch; the training's ``notes`` say which.
    With ``score_every`` the snapshots of every so many iterations are scored by the caller, who answers each by `go_on`
    or `stop`; `caffe_fcn.training.Run` does that.
    Raises `EngineError` if the engine is not installed, and whatever the training's constructor raises.
    """
    from caffe_fcn.engines.choice import check_precision, choose_engine, describe_torch, wants_gpu
    from caffe_fcn.engines.solver_nets import read_nets_of

    found, note = choose_engine(engine, caffe, wants_gpu(solver, gpu), nproc is not None, lambda: read_nets_of(solver))
    check_precision(precision, found)
    training: Training
    if found is None:
        from caffe_fcn.engines.torch.training.launcher import TorchTraining

        training = TorchTraining(solver, weights, snapshot, gpu, log, nproc, precision, score_every)
    else:
        from caffe_fcn.engines import caffe as real_caffe

        training = real_caffe.CaffeTraining(found, solver, weights, snapshot, gpu, log, score_every)
    training.engine = f"Caffe {found.version}" if found else describe_torch()
    training.notes[:0] = [note] if note else []
    return training
