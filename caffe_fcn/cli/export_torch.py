"""``caffe-fcn export torch``: a net with its weights as a Python file that needs torch alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.export_output import print_export
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import MEAN_OF_IMAGES, Size
from caffe_fcn.cli.printing import print_note

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.comparison import ComparedBlob


@click.command("torch", cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder.")
@click.option("--size", type=Size(), help="The size of the images (default: as in the net).")
@click.option("--mean", type=MEAN_OF_IMAGES, help="The mean to subtract, for model.json (default: as model.json says).")
@click.option("--verify", is_flag=True, help="Run the module and the net, both by torch, and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def torch(
    net: str,
    weights: str | None,
    output: Path,
    size: tuple[int, int] | None,
    mean: tuple[float, ...] | None,
    verify: bool,
    as_json: bool,
) -> int:
    """Write a net with its weights as a Python file that needs torch alone: model.py, and weights.safetensors.

    The class has a member for each layer, under the layer's name, and a line for each in forward. Exit status 1
    where --verify finds a difference above 1e-4 of an output's largest value.
    """
    from caffe_fcn.interop.torch_code.exporting import write_torch

    compared: list[ComparedBlob] = []
    with open_net(net, weights) as model:
        made = write_torch(model.net, model.weights, output, size=size, mean=mean)
        for note in made.notes:
            print_note(replace_parameters(model.name_place(note), torch.params))
        if verify:
            from caffe_fcn.interop.torch_code.comparison import compare_module

            compared = compare_module(made, model.weights)
    print_export(made.files, made.inputs, made.outputs, compared, as_json, {"class": made.class_name})
    return int(not all(each.ok for each in compared))
