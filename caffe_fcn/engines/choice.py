"""Which engine runs a net: real Caffe if it is installed and drives the wanted device, otherwise torch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from caffe_fcn.engines.caffe import Caffe, find
from caffe_fcn.errors import CaffeFcnError, EngineError, MissingExtraError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.proto import LayerParameter, NetParameter, SolverParameter, read_solver
from caffe_fcn.proto.dialects.foreign import find_foreign_layer

ENGINES = ("auto", "caffe", "torch")
PRECISIONS = ("float32", "tf32", "bf16")


def choose_engine(
    engine: str,
    caffe: PathLike | None,
    gpu: bool = False,
    nproc: bool = False,
    nets: Callable[[], Iterable[NetParameter]] = tuple,
) -> tuple[Caffe | None, str]:
    """Return real Caffe, or None for torch; and a note for the user on the choice.

    ``gpu`` says whether a GPU is wanted, ``nproc`` whether a number of processes was given. ``nets`` reads what is to
    be run: layers of forks of Caffe are for torch, where the installed Caffe is BVLC's. Raises `EngineError` if the
    engine is not installed, or cannot do what is asked.
    """
    if engine not in ENGINES:
        raise EngineError(f"`engine` {engine}", "no such engine", f"one of {', '.join(ENGINES)}")
    if engine == "caffe" and nproc:
        raise EngineError("`nproc`", "is for the torch engine", "Caffe takes `gpu` 0,1")
    if engine == "torch" and caffe:
        raise EngineError("`caffe`", "`engine` torch takes no Caffe", "leave one of them out")
    if engine == "caffe" or (engine == "auto" and caffe):
        return find(caffe), ""
    if engine == "torch":
        return None, require_torch()
    if nproc or "WORLD_SIZE" in os.environ:
        return None, f"{require_torch()}, for several processes"
    try:
        found = find()
    except EngineError as error:
        if not _has_torch():
            raise EngineError(error.where, error.what, f"{error.mend}, or pip install 'caffe-fcn[torch]'") from error
        return None, f"{require_torch()}, since there is no Caffe"
    if gpu and found.cpu_only and _has_gpu():
        return None, f"{require_torch()}, since {found.binary} has no GPU"
    if found.version == _BVLCS and _has_torch():
        foreign = _find_foreign_layer(nets)
        if foreign is not None:
            return None, f"{require_torch()}, since layer '{foreign.name}' ({foreign.type}) is of a fork of Caffe"
    return found, f"engine: Caffe {found.version}, {found.binary}"


_BVLCS = "1.0.0"


def _find_foreign_layer(nets: Callable[[], Iterable[NetParameter]]) -> LayerParameter | None:
    with suppress(CaffeFcnError):  # the engine says what is wrong with a net
        return next((layer for net in nets() if (layer := find_foreign_layer(net)) is not None), None)
    return None


def check_precision(name: str, caffe: Caffe | None = None) -> None:
    """Raise `EngineError` if there is no such precision, or ``caffe`` (None for torch) does not have it."""
    if name not in PRECISIONS:
        mend = nearest(name, PRECISIONS) or ", ".join(PRECISIONS)
        raise EngineError(f"`precision` {name}", "no such precision", mend)
    if caffe and name != "float32":
        raise EngineError("`precision`", "Caffe computes in float32 only", "leave it out, or take `engine` torch")


def wants_gpu(solver: PathLike, gpu: str) -> bool:
    """Whether a GPU is asked for, by ``gpu`` or in the solver (unless that is stdin, which can be read only once)."""
    if gpu or str(solver) == "-":
        return bool(gpu)
    return bool(read_solver(solver, allow_unknown=True).solver_mode == SolverParameter.GPU)


def choose_first_gpu(gpu: str) -> int | None:
    """Return the number of the first of the GPUs that train, which runs a net alone; None where none is named."""
    first = gpu.split(",")[0]
    return int(first) if first.isdigit() else 0 if gpu else None


def require_torch() -> str:
    """Describe the installed torch; raise `MissingExtraError` if there is none."""
    if not _has_torch():
        raise MissingExtraError("`engine` torch", "torch")
    return f"engine: {describe_torch()}"


def describe_torch() -> str:
    """Return the name of the torch engine with the version of torch, which must be installed."""
    return f"torch {importlib.metadata.version('torch')}"


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _has_gpu() -> bool:
    """Whether torch is installed and drives a GPU."""
    if not _has_torch():
        return False
    import torch

    return torch.cuda.is_available()
