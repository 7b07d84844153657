"""``caffe-fcn surgery``: moves a classifier's weights into an FCN."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from caffe_fcn import surgery as library
from caffe_fcn.cli.commands import Group
from caffe_fcn.cli.model_names import WeightsParam, fetch_model
from caffe_fcn.cli.params import (
    CLASSES,
    MEAN,
    Mean,
    Renames,
    allow_unknown_option,
    gpu_option,
    json_option,
    phase_option,
    read_net,
    shape_option,
    size_option,
)
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.cli.surgery_bundle import verify_bundle
from caffe_fcn.cli.tables import print_table
from caffe_fcn.net.geometry import dims
from caffe_fcn.progress import name_task

weights_option = click.option(
    "--weights", required=True, type=WeightsParam(), metavar="W", help="The weights to take from: a file, or a model."
)
to_net_option = click.option("--to-net", required=True, metavar="NET", help="The net to make weights for.")
output_option = click.option("-o", "--output", required=True, metavar="FILE", help="The weights to write.")
net_output_option = click.option("--net-output", required=True, metavar="FILE", help="The prototxt to write.")
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of random fillers (default: 0).")
strict_option = click.option("--strict", is_flag=True, help="Fail if anything is dropped or has to be filled.")


@click.group(cls=Group)
def surgery() -> None:
    """Move a classifier's weights into an FCN, without Caffe."""


@surgery.command()
@weights_option
@click.option("--from-net", metavar="NET", help="The net of W, where W itself does not define it.")
@to_net_option
@output_option
@click.option("--map", "renames", type=Renames(), default={}, help="Layers of W under other names; OLD= drops one.")
@click.option("--suffix", default="", help="What the net's layer names add to those of W.")
@strict_option
@click.option("--sparse", is_flag=True, help="Leave out the layers that get nothing from W.")
@seed_option
@phase_option
@size_option
@shape_option
@allow_unknown_option
@json_option
def transplant(
    weights: str,
    from_net: str | None,
    to_net: str,
    output: str,
    as_json: bool,
    allow_unknown: bool,
    **options: Any,
) -> None:
    """Make weights for a net: those of W, by layer name, wherever they fit."""
    from caffe_fcn.cli.next_steps import follow_weights

    report = library.transplant(
        weights,
        read_net(to_net, True) if allow_unknown else to_net,
        output,
        from_net=read_net(from_net, True) if from_net and allow_unknown else from_net,
        **options,
    )
    _print_report(report, as_json)
    follow_weights(to_net, output)


@surgery.command()
@to_net_option
@output_option
@click.option("--filler", default="msra", show_default=True, help="The filler of layers that have none.")
@seed_option
@shape_option
@json_option
def fill(to_net: str, output: str, filler: str, seed: int, inputs: dict[str, tuple[int, ...]], as_json: bool) -> None:
    """Make weights for training from scratch: what the net's fillers say, and interpolating upscore layers."""
    _print_report(library.fill(to_net, output, filler=filler, seed=seed, inputs=inputs), as_json)


@surgery.command()
@weights_option
@to_net_option
@output_option
@click.option(
    "--layer", "layers", multiple=True, help="A layer to interpolate; may be repeated (default: all named *up*)."
)
@phase_option
@size_option
@shape_option
@json_option
def interp(weights: str, to_net: str, output: str, layers: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Put interpolation kernels into the upscore layers of the weights W."""
    _print_report(library.interp(weights, read_net(to_net, False), output, layers, **options), as_json)


@surgery.command()
@weights_option
@to_net_option
@output_option
@click.option(
    "--layer", "layers", multiple=True, help="A score layer to expand; may be repeated (default: all that grow)."
)
@phase_option
@size_option
@shape_option
@json_option
def expand(weights: str, to_net: str, output: str, layers: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Make weights for a net with more classes; the old classes come first."""
    _print_report(library.expand(weights, read_net(to_net, False), output, layers, **options), as_json)


@surgery.command()
@weights_option
@click.option("--layer", required=True, help="The layer of W that scores, such as fc8.")
@click.option("--classes", required=True, type=CLASSES, help="Its classes by number, or 'new', in the new order.")
@click.option("--as", "to_layer", metavar="LAYER", help="The net's layer that scores (default: of the same name).")
@to_net_option
@output_option
@phase_option
@size_option
@shape_option
@json_option
def select(
    weights: str,
    layer: str,
    classes: tuple[int | None, ...],
    to_layer: str | None,
    to_net: str,
    output: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Make weights for a net that scores some of W's classes, and perhaps new ones."""
    _print_report(
        library.select(weights, layer, classes, read_net(to_net, False), output, to_layer, **options), as_json
    )


@surgery.command()
@weights_option
@click.option("--to", required=True, type=click.Choice(["bgrd", "grey", "swap"]), help="What the layer is to read.")
@click.option("--layer", help="The convolution that reads the image (default: the first).")
@output_option
def channels(weights: str, to: str, layer: str | None, output: str) -> None:
    """Change the input channels: bgrd adds the mean of all, grey sums them, swap turns BGR into RGB."""
    name = library.change_channels(weights, to, output, layer)
    echo(f"{output}: '{name}' reads {to}", err=True)


@surgery.command("fold-mean")
@click.option("--net", required=True, metavar="NET", help="The net of W.")
@weights_option
@click.option("--mean", type=MEAN, default=(), help="The mean to fold (default: the net's Power layer).")
@net_output_option
@output_option
def fold_mean(net: str, weights: str, mean: tuple[float, ...], net_output: str, output: str) -> None:
    """Fold the mean, or the shift of a DIGITS net, into the first convolution: the net then takes raw pixels."""
    folded = library.fold_mean(read_net(net, False), weights, net_output, output, mean)
    shift = ",".join(f"{each:g}" for each in folded.shift)
    gone = f", layer '{folded.gone}' is gone" if folded.gone else ""
    echo(f"layer '{folded.layer}': scale {folded.scale:g}, shift {shift} folded in{gone}")
    if folded.border:
        echo(f"not exact in the outer {folded.border} values of each side, where its windows reach into padding")
    else:
        echo("exact: it does not pad")


@surgery.command()
@click.option("--net", required=True, metavar="NET", help="The net of W.")
@weights_option
@net_output_option
@output_option
def fold(net: str, weights: str, net_output: str, output: str) -> None:
    """Fold BatchNorm and Scale into the layers before them."""
    folded = library.fold(read_net(net, False), weights, net_output, output)
    print_table(("layer", "folded in"), [(each.layer, ", ".join(each.gone)) for each in folded])


@surgery.command("fold-statistics")
@click.option("--net", required=True, metavar="NET", help="The net that was trained, such as train.prototxt.")
@weights_option
@click.option("--data", metavar="DIR", help="The data set whose training part is read (default: what NET reads).")
@click.option("--images", type=click.IntRange(min=1), metavar="N", help="How many images are read (default: all).")
@gpu_option
@output_option
def fold_statistics(net: str, weights: str, data: str | None, images: int | None, gpu: int | None, output: str) -> None:
    """Fold the statistics of the training images into SegNet's BN, for its mode INFERENCE.

    \b
    The BN of SegNet and ENet learns with the statistics of each batch, and keeps none.
    Their deploy nets expect them in scale and shift. Needs torch.
    """
    from caffe_fcn.engines.choice import require_torch

    require_torch()
    from caffe_fcn.engines.torch.batch_statistics import measure_statistics

    with show_progress("batches") as show:
        found = measure_statistics(net, weights, data, images, gpu, name_task(show, "averaging"))
    library.fold_statistics(found.norms, weights, output, found.statistics)
    echo(f"{output}: {len(found.norms)} BN layers have the statistics of {found.images} images", err=True)


@surgery.command()
@click.argument("name", required=False)
@click.option(
    "--weights",
    multiple=True,
    type=WeightsParam(),
    metavar="W",
    help="The weights that the recipe wants: files, or models.",
)
@click.option("-o", "--output", metavar="FILE", help="The weights to write.")
@click.option("--to-net", metavar="NET", help="A variant of the recipe's net, with other classes for instance.")
@click.option("--from", "mirror", default="", metavar="URL", help="A mirror that has the published weights.")
@click.option("--list", "listed", is_flag=True, help="List all recipes: what they want, what they leave to training.")
@strict_option
@seed_option
@json_option
@click.pass_context
def recipe(
    ctx: click.Context,
    /,
    name: str | None,
    weights: tuple[str, ...],
    output: str | None,
    to_net: str | None,
    mirror: str,
    listed: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a named surgery of the FCN family (see --list)."""
    if listed and as_json:
        echo(json.dumps([_describe_recipe(key, each) for key, each in library.RECIPES.items()], indent=2))
        return
    if listed:
        rows = [(key, each.net, " and ".join(each.wants), each.trains) for key, each in library.RECIPES.items()]
        print_table(("recipe", "net", "wants", "leaves to training"), rows)
        return
    if not name or not output:
        raise click.UsageError("needs NAME and -o FILE, or --list", ctx)
    found = library.find_recipe(name)
    if not weights:
        if not found.published:
            raise click.UsageError(f"recipe '{name}' needs --weights: {' and '.join(found.wants)}", ctx)
        weights = (str(fetch_model(found.published, mirror).path),)
    variant = read_net(to_net, False) if to_net else None
    _print_report(library.recipe(name, weights, output, to_net=variant, **options), as_json)
    echo(f"left to training: {found.trains}", err=True)
    if to_net:
        from caffe_fcn.cli.next_steps import follow_weights

        follow_weights(to_net, output)


def _describe_recipe(name: str, recipe: library.Recipe) -> dict[str, Any]:
    return {
        "name": name,
        "net": recipe.net,
        "wants": list(recipe.wants),
        "published": recipe.published,
        "trains": recipe.trains,
    }


@surgery.command()
@click.argument("classifier", metavar="CLASSIFIER|BUNDLE")
@click.argument("weights", type=WeightsParam(), metavar="[W|RUN]", required=False)
@click.argument("fcn", metavar="[FCN]", required=False)
@click.argument("fcn_weights", type=WeightsParam(), metavar="[W2]", required=False)
@click.option("--blob", help="The classifier's blob to compare (default: the last that both nets have).")
@click.option("--fcn-blob", help="The FCN's blob, where it has another name.")
@click.option("--steps", type=click.IntRange(1, 32), default=2, help="How many windows larger the image is.")
@click.option(
    "--image", "images", multiple=True, metavar="FILE", help="For a bundle: a further image; may be repeated."
)
@click.option("--mean", type=Mean(), help="For a bundle: the mean of RUN, where nothing there says it.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="The largest relative difference (default: 1e-4, or 1e-2 for a bundle in float16).",
)
@click.option("--engine", default="auto", metavar="auto|caffe|torch", help="What runs the nets.")
@click.option("--caffe", metavar="PATH", help="The caffe program, or the folder it is installed in.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the random images (default: 0).")
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    classifier: str,
    weights: str | None,
    fcn: str | None,
    fcn_weights: str | None,
    images: tuple[str, ...],
    mean: tuple[float, ...] | str | None,
    tolerance: float | None,
    engine: str,
    caffe: str | None,
    seed: int,
    as_json: bool,
    **options: Any,
) -> int:
    """Run both nets and compare. Exit status 1 if the second does not compute what the first computes.

    \b
    verify CLASSIFIER W FCN W2   whether an FCN computes what its classifier computes
    verify BUNDLE RUN            whether a bundle is whole, and computes what its run computes
    verify BUNDLE                whether a bundle is whole: its files have the checksums that it says
    """
    if weights is None or fcn is None:
        return verify_bundle(classifier, weights, images, mean, tolerance, engine, caffe, seed, as_json)
    if fcn_weights is None:
        raise click.UsageError("needs CLASSIFIER W FCN W2, or BUNDLE RUN, or BUNDLE", ctx)
    from caffe_fcn import engines

    def loader(of: str) -> Any:
        return lambda net: engines.load(net, Path(of), engine, caffe=caffe)

    nets = read_net(classifier, False), read_net(fcn, False)
    options |= {"seed": seed} if tolerance is None else {"seed": seed, "tolerance": tolerance}
    result = library.verify(nets[0], loader(weights), nets[1], loader(fcn_weights), **options)
    figures = {name: getattr(result, name) for name in ("at_size", "total", "surgery", "padding")}
    if as_json:
        document = {
            "blob": result.blob,
            "input": list(result.input),
            "image": list(result.image),
            "windows": result.windows,
            "largest_value": result.largest,
            **figures,
            "padded": list(result.padded),
            "no_windows": result.no_windows,
            "tolerance": result.tolerance,
            "ok": result.ok,
        }
        echo(json.dumps(document, indent=2))
        return int(not result.ok)
    labels = (
        f"at the classifier's {dims(result.input[2:])}",
        f"at {dims(result.image[2:])}, {result.windows} windows",
        "  of that, what the surgery changed",
        f"  of that, padding inside the net ({_list_few(result.padded)})",
    )[: 1 if result.no_windows else None]
    print_table(
        (f"largest difference in '{result.blob}', relative", ""),
        [(text, f"{figure:.3g}") for text, figure in zip(labels, figures.values(), strict=False)],
        right=(1,),
    )
    if result.no_windows:
        echo(f"compared at the classifier's size alone: {result.no_windows}", err=True)
    echo("the FCN computes what the classifier computes" if result.ok else "the FCN is not this classifier")
    return int(not result.ok)


def _list_few(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "no layer pads"


def _print_report(report: library.Report, as_json: bool) -> None:
    """Every parameter with its fate, as a table or as JSON."""
    if as_json:
        echo(json.dumps(_make_document(report), indent=2))
        return
    print_table(
        ("layer", "parameter", "shape", "fate", "reason"),
        [(each.layer, each.index, dims(each.shape), each.fate, each.reason) for each in report.parameters],
        right=(1,),
    )
    counts = ", ".join(f"{count} {fate}" for fate, count in report.counts().items() if count)
    echo(f"{report.output}: {counts}", err=True)


def _make_document(report: library.Report) -> dict[str, Any]:
    return {
        "output": report.output,
        "parameters": [
            {
                "layer": each.layer,
                "index": each.index,
                "shape": list(each.shape),
                "fate": each.fate,
                "reason": each.reason,
                "source": {"layer": each.source[0], "index": each.source[1]} if each.source else None,
            }
            for each in report.parameters
        ],
        "counts": report.counts(),
    }
