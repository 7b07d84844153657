"""``caffe-fcn infer``: label images and colour overlays by a trained net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from caffe_fcn import engines, files, proto
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import name_options, replace_parameters
from caffe_fcn.cli.params import (
    NamedPath,
    blob_option,
    caffe_option,
    engine_option,
    gpu_option,
    mean_option,
    precision_option,
    scale_option,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError

if TYPE_CHECKING:
    from PIL.Image import Image

    from caffe_fcn.datasets.records.palette import Colour
    from caffe_fcn.description.dataset_json import Description
    from caffe_fcn.description.model_json import Output
    from caffe_fcn.evaluation import Prediction
    from caffe_fcn.evaluation.pictures import Picture


@click.command(cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.argument("images", metavar="IMAGE...", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
@click.option(
    "--input",
    "inputs",
    type=NamedPath(),
    multiple=True,
    help="For a net with several inputs: the folder whose images go into BLOB, found by the names of the IMAGEs, which "
    "go into the first input; or one file. May be repeated.",
)
@engine_option
@caffe_option
@precision_option
@gpu_option
@mean_option
@scale_option
@blob_option
@click.option(
    "--palette",
    metavar="FILE",
    help="Colours as lines 'R G B' or 'R G B NAME' (default: as model.json beside NET says, or else PASCAL VOC's).",
)
def infer(
    net: str,
    weights: str | None,
    images: tuple[str, ...],
    output: Path,
    inputs: tuple[tuple[str, str], ...],
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | str | None,
    scale: float | None,
    blob: str,
    palette: str | None,
) -> int:
    """Run the deploy net NET with the weights W on images.

    For each image it writes DIR/NAME.png, whose pixels are the classes, and DIR/NAME_overlay.png, the image with the
    colours of the classes over it. For a net with one output channel it writes only DIR/NAME.png, in grey. Mean, scale,
    names and colours of the classes are taken from model.json beside NET.

    IMAGE is an image; a folder, with all images below it, whose outputs lie in folders alike; a pattern such as
    'photos/*.jpg'; a .txt that lists images, a path a line; or a data set, of which the split val is taken, or else the
    first. Of several images, one that is broken is reported and the others go on; the exit status is then 2.
    """
    from caffe_fcn.datasets.records import palette as palettes
    from caffe_fcn.evaluation import find_image_inputs, predict, read_model
    from caffe_fcn.evaluation.output_size import match_sizes
    from caffe_fcn.evaluation.outputs import choose_blob, find_kind, find_output
    from caffe_fcn.evaluation.pictures import add_inputs, find_data_set, find_pictures, read_all

    of_values, names = palettes.read(palette) if palette else ({}, None)
    pictures = find_pictures(images, without=output)
    targets = _name_targets(pictures, output)
    broken = 0
    with open_net(net, weights) as model:
        description, message = read_model(model.net), _read_net(model.net)
        blob = blob or choose_blob(description, message)
        legend = _make_legend(of_values, names, find_output(description, blob), find_data_set(pictures))
        kind = find_kind(description, blob)
        blobs = [blob] if blob else []
        with engines.load(
            model.net, model.weights, engine,
            stages=["deploy"], gpu=gpu, blobs=blobs, precision=precision, caffe=caffe,
        ) as loaded:  # fmt: skip
            taken = find_image_inputs(loaded, model.net, message, description, mean, scale)
            pictures = add_inputs(pictures, dict(inputs), taken, model.net)
            notes = dict.fromkeys((loaded.note, *(each.preprocessing.note for each in taken)))
            note = replace_parameters(model.name_place("; ".join(filter(None, notes))), infer.params)
            for picture, target in zip(pictures, targets, strict=True):
                try:
                    pixels = read_all(picture, taken)
                except (DatasetError, FileError) as error:
                    if len(pictures) == 1:
                        raise
                    name_options(error, infer.params)
                    echo(f"error: {error}", err=True)
                    broken += 1
                    continue
                prediction = predict(loaded, pixels, taken, blob, kind)
                found, remark = match_sizes(prediction, loaded, model.net, taken[0].blob, blob)
                print_note(note)
                print_note(f"{picture.where}: {remark}" if remark else "")
                note = ""
                with files.make_folder(target.parent), files.write_together():
                    summary = _write_images(found, target, legend)
                echo(f"{target}: {summary}")
    if broken:
        echo(f"{broken} of {len(pictures)} images are broken", err=True)
    return 2 if broken else 0


class _Legend(NamedTuple):
    """A colour for each class, and the names of the classes if they are known."""

    colours: tuple[Colour, ...]
    names: list[str] | None


def _make_legend(
    of_values: dict[int, Colour], names: list[str] | None, output: Output | None, about: Description | None
) -> _Legend:
    """The colours and names of --palette, or else of the output, of the data set at hand, or else VOC's colours."""
    from caffe_fcn.datasets.records import palette as palettes

    described = [each for each in (output, about) if each is not None]
    for each in described:
        of_values = of_values or {value: (r, g, b) for value, (r, g, b) in enumerate(each.palette or [])}
        names = names or each.classes
    return _Legend(palettes.fill_gaps(of_values) or palettes.make_voc_palette(), names)


def _read_net(net: Path) -> proto.NetParameter:
    """The net, for what it says of its images; an empty one where only an engine can read it."""
    if str(net) == "-":
        return proto.NetParameter()
    try:
        return proto.read_net(net, allow_unknown=True, notes=[])
    except CaffeFcnError:  # the engine cannot read it either, and says so in its own words
        return proto.NetParameter()


def _name_targets(pictures: Sequence[Picture], output: Path) -> list[Path]:
    """Name an output for each picture; raises `DatasetError` if two are the same, or one would replace an image."""
    targets = [output / f"{picture.name}.png" for picture in pictures]
    images = {Path(picture.where).resolve() for picture in pictures}
    owners: dict[Path, str] = {}
    for picture, target in zip(pictures, targets, strict=True):
        for each in (target, _name_overlay(target)):
            if each in owners:
                what = f"has the name of {owners[each]}, and both would be {each}"
                raise DatasetError(picture.where, what, "use two folders")
            if each.resolve() in images:
                raise DatasetError(each, "would replace the image itself", "name another folder with -o")
            owners[each] = picture.where
    return targets


def _name_overlay(target: Path) -> Path:
    return target.with_name(f"{target.stem}_overlay.png")


def _write_images(found: Prediction, target: Path, legend: _Legend) -> str:
    """Write the images of a prediction; returns a summary of what is in it."""
    import numpy as np
    from PIL import Image

    from caffe_fcn.viz.labels import make_label_image, overlay_colours

    colours, names = legend
    if found.is_grey:
        _save(Image.fromarray(found.pixels), target)
        return f"grey {found.pixels.min()} to {found.pixels.max()}"
    _save(make_label_image(found.pixels, colours), target)
    overlaid = overlay_colours(found.image, found.pixels, colours)
    _save(Image.fromarray(overlaid), _name_overlay(target))
    values, counts = np.unique(found.pixels, return_counts=True)
    shares = sorted(zip(-counts / counts.sum(), values.tolist(), strict=True))
    return ", ".join(
        f"{names[value] if names and value < len(names) else value} {-share:.1%}" for share, value in shares
    )


def _save(image: Image, path: Path) -> None:
    with files.atomic_write(path) as file:
        image.save(file, "PNG")
