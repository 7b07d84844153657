"""``caffe-fcn weights``: weights files shown, compared and converted."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from caffe_fcn import weights as library
from caffe_fcn.cli.commands import Group
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import open_weights_file
from caffe_fcn.cli.params import MEAN, Size, json_option
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.tables import format_count, print_table
from caffe_fcn.net.geometry import dims


@click.group(cls=Group)
def weights() -> None:
    """Show, compare and convert weights files of any format."""


@weights.command()
@click.argument("file", type=WeightsParam(), metavar="W")
@click.option("--check", is_flag=True, help="Look at every number; exit status 1 if one is NaN or infinite.")
@json_option
def info(file: str, check: bool, as_json: bool) -> int:
    """Show layers, parameters, shapes and types of W; without --check only headers are read.

    W is a weights file, the name of a model, or what has one: a net folder, a run, a bundle, or a job or an archive of
    DIGITS.
    """
    with open_weights_file(file) as (path, name), library.open_weights(path) as opened:
        bad = list(library.find_non_finite(opened)) if check else []
        if as_json:
            echo(json.dumps(_make_document(opened, name, bad if check else None), indent=2))
            return int(bool(bad))
        rows = [
            (layer.name, layer.type, index, dims(tensor.shape), tensor.dtype, format_count(tensor.count))
            for layer in opened.layers
            for index, tensor in enumerate(layer.tensors)
        ]
        print_table(("layer", "type", "parameter", "shape", "values", "count"), rows, right=(2, 5))
        echo(f"{name}: {opened.format}, {len(opened.layers)} layers, {opened.count} values", err=True)
    for each in bad:
        echo(f"layer '{each.layer}', parameter {each.index}: {each.nan} NaN, {each.inf} infinite")
    if check and not bad:
        echo("all values are finite", err=True)
    return int(bool(bad))


def _make_document(opened: library.Weights, name: str, bad: list[library.NonFinite] | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "file": name,
        "format": opened.format,
        "bytes": len(opened.file),
        "params": opened.count,
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "blobs": [
                    {"shape": list(tensor.shape), "dtype": tensor.dtype, "count": tensor.count}
                    for tensor in layer.tensors
                ],
            }
            for layer in opened.layers
        ],
    }
    if bad is not None:
        document["not_finite"] = [
            {"layer": each.layer, "index": each.index, "nan": each.nan, "inf": each.inf} for each in bad
        ]
    return document


@weights.command()
@click.argument("a", type=WeightsParam(), metavar="A")
@click.argument("b", type=WeightsParam(), metavar="B")
@click.option("--tolerance", type=click.FloatRange(min=0), default=0.0, help="The largest difference to ignore.")
@json_option
def diff(a: str, b: str, tolerance: float, as_json: bool) -> int:
    """Show the largest difference in every parameter of A and B; exit status 1 if any differs."""
    with library.open_weights(a) as ours, library.open_weights(b) as theirs:
        found = list(library.compare(ours, theirs))
    differ = [each for each in found if not _is_same(each, tolerance)]
    if as_json:
        echo(json.dumps({"same": not differ, "parameters": [_describe_difference(each) for each in found]}, indent=2))
    else:
        rows = [
            (
                each.layer,
                each.index,
                *map(_show_shape, each.shapes),
                "" if each.largest is None else f"{each.largest:g}",
            )
            for each in found
        ]
        print_table(("layer", "parameter", "A", "B", "largest difference"), rows, right=(1, 4))
        echo(f"{len(differ)} of {len(found)} parameters differ", err=True)
    return int(bool(differ))


def _is_same(each: library.Difference, tolerance: float) -> bool:
    return each.shapes[0] == each.shapes[1] and each.largest is not None and each.largest <= tolerance


def _show_shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else dims(shape)


def _describe_difference(each: library.Difference) -> dict[str, Any]:
    a, b = (None if shape is None else list(shape) for shape in each.shapes)
    largest = "inf" if each.largest == math.inf else each.largest  # JSON has no infinity
    return {"layer": each.layer, "index": each.index, "a": a, "b": b, "largest": largest}


@weights.command()
@click.argument("source", type=WeightsParam(), metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--half", is_flag=True, help="Store float16 (of a .caffemodel, NVIDIA's Caffe and OpenCV read it).")
def convert(source: str, target: str, half: bool) -> None:
    """Convert IN to the format of OUT's suffix: .caffemodel, .caffemodel.h5, .npz, .safetensors.

    Between .binaryproto and .npy it converts an image mean.
    """
    if Path(target).suffix in (".binaryproto", ".npy"):
        library.write_mean(target, library.read_mean(source))
    else:
        library.convert(source, target, half)
    echo(f"{target}: {format_count(Path(target).stat().st_size)}B", err=True)


@weights.command()
@click.argument("mean", metavar="MEAN")
@click.option("-o", "--output", metavar="FILE", help="Write the mean as .binaryproto or .npy.")
@click.option("--size", type=Size(), help="With -o: the size of the image that MEAN's three numbers fill.")
def mean(mean: str, output: str | None, size: tuple[int, int] | None) -> None:
    """Show the three numbers of an image mean, or write an image of them.

    MEAN is a .binaryproto, an .npy, or numbers such as 104.007,116.669,122.679 (B,G,R); --size makes an image.
    """
    numbers = MEAN.parse(mean)
    values = library.read_mean(mean) if numbers is None else library.make_mean(numbers)
    echo(",".join(f"{value:.9g}" for value in library.average_channels(values)))
    if output:
        library.write_mean(output, values, size)
    elif size:
        raise click.UsageError("--size needs -o FILE")
