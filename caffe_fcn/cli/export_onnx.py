"""``caffe-fcn export onnx``: a net with its weights as an ONNX model."""

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


@click.command("onnx", cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The model.")
@click.option("--opset", type=int, default=17, metavar="N", help="The version of ONNX's operators, 13 to 21 (17).")
@click.option("--size", type=Size(), help="The size of the images (default: as in the net).")
@click.option(
    "--dynamic",
    multiple=True,
    metavar="batch|size",
    help="Leave open how many images the model takes, or their height and width. May be repeated.",
)
@click.option(
    "--preprocess",
    is_flag=True,
    help="Make the model take raw pixels, channels red, green, blue: it subtracts the mean and scales by itself.",
)
@click.option("--mean", type=MEAN_OF_IMAGES, help="The mean for --preprocess (default: as model.json says).")
@click.option("--softmax", is_flag=True, help="Append a Softmax: the model gives probabilities.")
@click.option("--argmax", is_flag=True, help="Append an ArgMax: the model gives the class of each pixel, too.")
@click.option(
    "--keep-batchnorm",
    "keeps_normalization",
    is_flag=True,
    help="Leave BatchNorm and Scale layers as they are (default: folded into the convolutions before them).",
)
@click.option(
    "--resize-upscores",
    is_flag=True,
    help="Make a Resize of each Deconvolution that interpolates, with its Crop, where that is the same.",
)
@click.option("--verify", is_flag=True, help="Run the model by ONNX Runtime and the net by torch, and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def onnx(
    net: str,
    weights: str | None,
    output: Path,
    opset: int,
    size: tuple[int, int] | None,
    dynamic: tuple[str, ...],
    preprocess: bool,
    mean: tuple[float, ...] | None,
    softmax: bool,
    argmax: bool,
    keeps_normalization: bool,
    resize_upscores: bool,
    verify: bool,
    as_json: bool,
) -> int:
    """Write a net with its weights as an ONNX model, which runs in ONNX Runtime, OpenVINO, TensorRT and others.

    Pooling, cropping and all else give what they give in Caffe, to the last pixel. Exit status 1 where --verify finds
    a difference above 1e-4 of an output's largest value.
    """
    from caffe_fcn.interop.onnx.exporting import write_onnx

    compared: list[ComparedBlob] = []
    with open_net(net, weights) as model:
        made = write_onnx(
            model.net,
            model.weights,
            output,
            opset=opset,
            size=size,
            dynamic=dynamic,
            preprocess=preprocess,
            softmax=softmax,
            argmax=argmax,
            fold_normalization=not keeps_normalization,
            resize_upscores=resize_upscores,
            mean=mean,
        )
        for note in made.notes:
            print_note(replace_parameters(model.name_place(note), onnx.params))
        if verify:
            from caffe_fcn.interop.onnx.comparison import compare_model

            compared = compare_model(made, model.weights)
    print_export(made.files, made.inputs, made.outputs, compared, as_json)
    return int(not all(each.ok for each in compared))
