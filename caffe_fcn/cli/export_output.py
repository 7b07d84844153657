"""What the commands that export a net print: the files, the shapes, and how far the results are from the net's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.cli.printing import echo
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Shape

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.comparison import ComparedBlob


def print_export(
    files: Sequence[Path],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    compared: Sequence[ComparedBlob],
    as_json: bool,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Print the files and a line for each compared blob, or all as one JSON document with further ``facts``."""
    if as_json:
        document = {
            "files": [str(path) for path in files],
            "inputs": {name: list(shape) for name, shape in inputs.items()},
            "outputs": {name: list(shape) for name, shape in outputs.items()},
            "differences": {each.blob: each.difference for each in compared},
            **(facts or {}),
        }
        echo(json.dumps(document, indent=1))
        return
    for path in files:
        echo(path)
    for each in compared:
        verdict = "equal" if each.ok else "DIFFERENT"
        echo(f"{each.blob} ({dims(each.shape)}): {verdict}, largest difference {each.difference:.1e}")
