"""Whether a generated module computes what its net computes: it and the torch engine run on random images."""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from caffe_fcn.files import PathLike
from caffe_fcn.interop.choices import Choice, Values, give_choices
from caffe_fcn.interop.onnx.comparison import ComparedBlob, compare_rows, compare_values, draw_inputs, run_net
from caffe_fcn.interop.torch_code.exporting import TorchModel


def load_module(path: PathLike) -> Any:
    """Return the module that a file written by `write_torch` defines, with its weights; the file is run."""
    return runpy.run_path(str(path))["load"]()


def run_module(made: TorchModel, inputs: Mapping[str, Values]) -> dict[str, Values]:
    """Return the outputs of a module that `write_torch` wrote, by their blobs."""
    return _run(made, inputs)[0]


def _run(made: TorchModel, inputs: Mapping[str, Values]) -> tuple[dict[str, Values], list[Choice]]:
    """The outputs, and what was read and made by members that choose."""
    import torch

    net = load_module(made.files[0])
    choices: list[Choice] = []
    for name, (bottoms, tops) in made.choices.items():
        getattr(net, name).register_forward_hook(partial(_note, choices, bottoms, tops))
    with torch.inference_mode():
        result = net(*(torch.from_numpy(inputs[name]) for name in made.inputs))
    found = result if isinstance(result, dict) else {next(iter(made.outputs)): result}
    return {name: values.numpy() for name, values in found.items()}, choices


def _note(
    choices: list[Choice], bottoms: Sequence[str], tops: Sequence[str], module: object, read: Any, made: Any
) -> None:
    results = made if isinstance(made, tuple) else (made,)
    choices.append(
        Choice(
            {name: value.numpy() for name, value in zip(bottoms, read, strict=False)},
            {name: value.numpy() for name, value in zip(tops, results, strict=False)},
        )
    )


def compare_module(made: TorchModel, weights: PathLike, *, seed: int = 0) -> list[ComparedBlob]:
    """Compare all outputs of a module with those of its net with these weights, on a batch of random pixels.

    Raises what `engines.load` raises.
    """
    pixels = draw_inputs(made.net, made.inputs, seed)
    found, choices = _run(made, pixels)
    net, given = give_choices(made.net, choices)
    for choice in choices:
        found |= {**choice.bottoms, **choice.tops}
    chosen = {name for choice in choices for name in choice.tops}
    wanted = run_net(net, weights, pixels | given, [*found])
    return [
        (compare_rows if name in chosen else compare_values)(name, values, wanted[name])
        for name, values in found.items()
    ]
