"""State dicts as handles on tensors: ``.pth`` of both of torch's formats, and ``.safetensors``.

A ``.pth`` file is a pickle, and a pickle can run code. It is loaded by torch's loader for weights alone, which knows
tensors, containers and numbers, and refuses every other name. The numbers of a zip file stay on the disk until they
are copied. A safetensors file needs no torch.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from caffe_fcn.errors import FileError, MissingExtraError, WeightsError
from caffe_fcn.files import PathLike, naming_errors
from caffe_fcn.weights import Tensor, safetensors, signatures
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.tensors import CHUNK, GeneratedSegment, explain_bad_shape

COUNTERS = "num_batches_tracked"
"""How the names of BatchNorm's counters end, which only training needs; they are left out."""

# Under which key of a checkpoint people keep the state dict, and what DataParallel puts before each name
_NESTS = ("state_dict", "model_state_dict", "model")
_PARALLEL = "module."

# What the loader raises for files that are damaged, or that are made to be
_UNLOADABLE = (
    UnpicklingError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
)


def read_state_dict(path: PathLike) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without the counters of BatchNorm.

    Raises `FileError` or `WeightsError` for a file that is missing, damaged, no state dict, or would run code,
    `MissingExtraError` for a ``.pth`` file without torch.
    """
    file = InputFile(path)
    head = file.read(0, min(4096, len(file)))
    if signatures.is_safetensors(head):
        tensors = safetensors.read_arrays(file, leave_out=COUNTERS)
    else:
        file.close()
        tensors = dict(_read_pickled(Path(path), is_zip=head.startswith(signatures.ZIP)))
    if not tensors:
        raise WeightsError(path, "has no tensors", "name the file of a state dict")
    if all(name.startswith(_PARALLEL) for name in tensors):
        return {name.removeprefix(_PARALLEL): tensor for name, tensor in tensors.items()}
    return tensors


def _read_pickled(path: Path, is_zip: bool) -> Iterator[tuple[str, Tensor]]:
    content = _load(path, is_zip)
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
            break
    if not isinstance(content, Mapping):
        raise WeightsError(path, f"holds a {type(content).__name__}, not a state dict", _MEND)
    for name, value in content.items():
        if not isinstance(name, str):
            raise WeightsError(path, f"has a tensor under {str(name)[:40]!r}, which is no name", _MEND)
        if not name.endswith(COUNTERS):
            yield name, _make_handle(f"{path}, tensor {name!a}", value)


_MEND = "save a state dict: torch.save(model.state_dict(), FILE)"


def _load(path: Path, is_zip: bool) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("a .pth file", "torch") from error

    with naming_errors(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old formats, and of what is refused in any case
        try:
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=is_zip)
        except _UNLOADABLE as error:
            if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
                what = f"needs the code of {found[1]}, and is not loaded: a pickle can run anything"
                raise WeightsError(path, what, _MEND) from error
            raise WeightsError(path, "is neither a state dict that torch loads nor .safetensors", _MEND) from error


def _make_handle(where: str, value: Any) -> Tensor:
    import torch

    if not isinstance(value, torch.Tensor):
        raise WeightsError(where, f"is a {type(value).__name__}", _MEND)
    if value.layout != torch.strided or value.device.type != "cpu" or value.dtype not in _dtypes():
        what = f"holds {str(value.dtype).removeprefix('torch.')} as {value.layout} on {value.device}"
        raise WeightsError(where, what, "save floating-point tensors in memory of the CPU")
    if reason := explain_bad_shape(tuple(value.shape)):
        raise FileError(where, reason, "")
    dtype = _dtypes()[value.dtype]
    size = value.numel() * getattr(torch, dtype).itemsize

    def generate() -> Iterator[bytes]:
        flat = value.detach().reshape(-1)
        for begin in range(0, len(flat), CHUNK // 8):
            yield flat[begin : begin + CHUNK // 8].to(getattr(torch, dtype)).numpy().tobytes()

    return Tensor(tuple(value.shape), dtype, (GeneratedSegment(size, generate),))


def _dtypes() -> dict[Any, str]:
    """Torch's types by those of handles, which have no bfloat16."""
    import torch

    return {
        torch.float16: "float16",
        torch.bfloat16: "float32",
        torch.float32: "float32",
        torch.float64: "float64",
    }
