"""``caffe-fcn import onnx``: an ONNX model as a net folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import Size
from caffe_fcn.cli.printing import Verbosity, echo, print_note
from caffe_fcn.net.geometry import dims

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.comparison import ComparedBlob


@click.command("onnx", cls=Command)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder.")
@click.option("--size", type=Size(), help="The size of the images, where the model leaves it open.")
@click.option(
    "--compose",
    is_flag=True,
    help="Put together what Caffe 1.0 has no layer for from layers that it has: Clip, HardSwish, Resize by 3/2, ...",
)
@click.option(
    "--dialect",
    default="",
    metavar="master|ssd|deeplab-v2",
    help="Write for another Caffe than BVLC's 1.0: its later master (Clip, round_mode), the fork of SSD (Permute) or "
    "of DeepLab (Interp).",
)
@click.option("--verify", is_flag=True, help="Run the model by ONNX Runtime and the net by Caffe, and compare.")
@click.option(
    "--engine",
    default="auto",
    metavar="auto|caffe|torch",
    help="What runs the net for --verify: real Caffe, where there is one, or torch (default: auto).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def onnx(
    file: Path,
    output: Path,
    size: tuple[int, int] | None,
    compose: bool,
    dialect: str,
    verify: bool,
    engine: str,
    as_json: bool,
) -> int:
    """Write an ONNX model as a net folder: deploy.prototxt, weights.caffemodel, model.json.

    The net computes what the model computes, to the last pixel; an operator that Caffe cannot say is refused with its
    node. Exit status 1 where --verify finds a difference above 1e-4 of an output's largest value.
    """
    from caffe_fcn.cli.next_steps import follow_import
    from caffe_fcn.interop.onnx.importing.importer import import_onnx

    made = import_onnx(file, output, size=size, compose=compose, dialect=dialect)
    for note in made.notes:
        print_note(replace_parameters(note, onnx.params))
    compared: list[ComparedBlob] = []
    if verify:
        from caffe_fcn.interop.onnx.importing.verification import compare_import

        compared, remark = compare_import(made, engine=engine)
        if remark and not Verbosity.quiet:
            echo(remark, err=True)
    if as_json:
        described = {
            "files": [str(path) for path in made.files],
            "inputs": {name: list(shape) for name, shape in made.inputs.items()},
            "outputs": dict(made.outputs),
            "differences": {each.blob: each.difference for each in compared},
        }
        echo(json.dumps(described, indent=1))
    else:
        for path in made.files:
            echo(path)
        for each in compared:
            verdict = "equal" if each.ok else "DIFFERENT"
            echo(f"{each.blob} ({dims(each.shape)}): {verdict}, largest difference {each.difference:.1e}")
        follow_import(output, made.files[1])
    return int(not all(each.ok for each in compared))
