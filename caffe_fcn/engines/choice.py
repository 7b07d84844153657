"""Which engine runs a net: real Caffe where there is one with the wanted device, otherwise torch."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os

from caffe_fcn.engines.caffe import Caffe, find
from caffe_fcn.errors import EngineError, MissingExtraError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter, read_solver

NAMES = ("auto", "caffe", "torch")
PRECISIONS = ("float32", "tf32", "bf16")


def choose(engine: str, caffe: PathLike | None, gpu: bool = False, several: bool = False) -> tuple[Caffe | None, str]:
    """Real Caffe, or None for torch; and what to tell about it.

    ``gpu`` is whether one is wanted, ``several`` whether several processes are. Raises `EngineError` for an engine
    that is not here, or cannot do what is asked.
    """
    if engine not in NAMES:
        raise EngineError(f"--engine {engine}", "no such engine", f"one of {', '.join(NAMES)}")
    if engine == "caffe" and several:
        raise EngineError("--nproc", "is for the torch engine", "Caffe takes --gpu 0,1")
    if engine == "torch" and caffe:
        raise EngineError("--caffe", "--engine torch takes no Caffe", "leave one of them out")
    if engine == "caffe" or (engine == "auto" and caffe):
        return find(caffe), ""
    if engine == "torch":
        return None, _torch()
    if several or "WORLD_SIZE" in os.environ:
        return None, f"{_torch()}, for several processes"
    try:
        found = find()
    except EngineError as error:
        if not _has_torch():
            raise EngineError(error.where, error.what, f"{error.mend}, or pip install 'caffe-fcn[torch]'") from error
        return None, f"{_torch()}, since there is no Caffe"
    if gpu and found.cpu_only and _has_gpu():
        return None, f"{_torch()}, since {found.binary} has no GPU"
    return found, f"engine: Caffe {found.version}, {found.binary}"


def check_precision(name: str, caffe: Caffe | None = None) -> None:
    """Raise `EngineError` for a precision that there is not, or that ``caffe`` does not have."""
    if name not in PRECISIONS:
        mend = nearest(name, PRECISIONS) or ", ".join(PRECISIONS)
        raise EngineError(f"--precision {name}", "no such precision", mend)
    if caffe and name != "float32":
        raise EngineError("--precision", "Caffe computes in float32 alone", "leave it out, or take --engine torch")


def wants_gpu(solver: PathLike, gpu: str) -> bool:
    """Whether a GPU is asked for, on the command line or in the solver (but stdin can be read only once)."""
    if gpu or str(solver) == "-":
        return bool(gpu)
    return bool(read_solver(solver, allow_unknown=True).solver_mode == SolverParameter.GPU)


def _torch() -> str:
    if not _has_torch():
        raise MissingExtraError("--engine torch", "torch")
    return f"engine: torch {importlib.metadata.version('torch')}"


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _has_gpu() -> bool:
    """Whether torch is here and drives a GPU."""
    if not _has_torch():
        return False
    import torch

    return torch.cuda.is_available()
