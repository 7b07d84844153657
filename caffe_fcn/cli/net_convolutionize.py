"""``caffe-fcn net convolutionize``: convert fully connected layers to convolutions that compute the same."""

from __future__ import annotations

import click

from caffe_fcn import proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import Renames, allow_unknown_option, dialect_option, read_net, shape_option, size_option
from caffe_fcn.cli.printing import Verbosity, echo
from caffe_fcn.netspec.convolutionize import convolutionize as convert_net
from caffe_fcn.netspec.convolutionize import fully_connected


@click.command(cls=Command)
@click.argument("net", metavar="NET")
@click.option("-o", "--output", required=True, metavar="FILE", help="The prototxt to write; - is stdout.")
@click.option("--rename", "renames", type=Renames(), default={}, help="New names for converted layers: fc6=conv6,...")
@size_option
@shape_option
@dialect_option
@allow_unknown_option
def convolutionize(
    net: str,
    output: str,
    renames: dict[str, str],
    size: tuple[int, int] | None,
    inputs: dict[str, tuple[int, ...]],
    dialect: str,
    allow_unknown: bool,
) -> None:
    """Convert the InnerProduct layers of NET to equivalent convolutions.

    A kernel is as large as the image that its layer reads; the size is inferred from the net. To move the weights, use
    caffe-fcn surgery transplant.
    """
    before = read_net(net, allow_unknown, dialect)
    after = convert_net(before, renames, size, inputs=inputs)
    proto.write(after, output)
    if Verbosity.quiet:
        return
    names = fully_connected(before)
    if not names:
        echo("no InnerProduct layer: nothing to convert", err=True)
    for layer in after.layer:
        old = next((old for old, new in renames.items() if new == layer.name), layer.name)
        if old in names and layer not in before.layer:
            name = old if old == layer.name else f"{old} -> {layer.name}"
            echo(f"{name}: Convolution, kernel {_format_kernel(layer)}", err=True)


def _format_kernel(layer: proto.LayerParameter) -> str:
    param = layer.convolution_param
    sides = list(param.kernel_size) or [param.kernel_h, param.kernel_w]
    return "x".join(map(str, sides * 2 if len(sides) == 1 else sides))
