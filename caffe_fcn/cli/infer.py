"""``caffe-fcn infer``: label images and colour overlays by a trained net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn import engines, files, proto
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import (
    blob_option,
    caffe_option,
    engine_option,
    gpu_option,
    mean_option,
    precision_option,
    scale_option,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.errors import CaffeFcnError, DatasetError

if TYPE_CHECKING:
    from PIL.Image import Image

    from caffe_fcn.datasets.records.palette import Colour
    from caffe_fcn.evaluation import Prediction


@click.command(cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.argument("images", metavar="IMAGE...", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
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
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | str | None,
    scale: float | None,
    blob: str,
    palette: str | None,
) -> None:
    """Run the deploy net NET with the weights W on images.

    For each image it writes DIR/NAME.png, whose pixels are the classes, and DIR/NAME_overlay.png, the image with the
    colours of the classes over it. For a net with one output channel it writes only DIR/NAME.png, in grey. Mean, scale,
    names and colours of the classes are taken from model.json beside NET.
    """
    from caffe_fcn.datasets.records import palette as palettes
    from caffe_fcn.evaluation import find_preprocessing, predict, read_model
    from caffe_fcn.evaluation.output_size import match_sizes
    from caffe_fcn.evaluation.outputs import choose_blob, find_output
    from caffe_fcn.evaluation.predict import find_image_input

    of_values, names = palettes.read(palette) if palette else ({}, None)
    targets = _name_targets(images, output)
    with open_net(net, weights) as model:
        description = read_model(model.net)
        described = find_output(description, blob)
        if described and not palette:
            of_values = {value: (r, g, b) for value, (r, g, b) in enumerate(described.palette or [])}
        colours = palettes.fill_gaps(of_values) or palettes.make_voc_palette()
        names = names or (described.classes if described else None)
        message = _read_net(model.net)
        blob = blob or choose_blob(description, message)
        blobs = [blob] if blob else []
        with engines.load(
            *(model.net, model.weights, engine),
            stages=["deploy"],
            gpu=gpu,
            blobs=blobs,
            precision=precision,
            caffe=caffe,
        ) as loaded:
            preprocessing = find_preprocessing(
                model.net, message, description, find_image_input(loaded)[0], mean, scale
            )
            notes = filter(None, (loaded.note, preprocessing.note))
            note = replace_parameters(model.name_place("; ".join(notes)), infer.params)
            for image, target in zip(images, targets, strict=True):
                found, remark = match_sizes(predict(loaded, image, preprocessing, blob), loaded, model.net, blob)
                print_note(note)
                print_note(f"{image}: {remark}" if remark else "")
                note = ""
                with files.make_folder(output), files.write_together():
                    summary = _write_images(found, target, colours, names)
                echo(f"{target}: {summary}")


def _read_net(net: Path) -> proto.NetParameter:
    """The net, for what it says of its images; an empty one where only an engine can read it."""
    if str(net) == "-":
        return proto.NetParameter()
    try:
        return proto.read_net(net, allow_unknown=True, notes=[])
    except CaffeFcnError:  # the engine cannot read it either, and says so in its own words
        return proto.NetParameter()


def _name_targets(images: tuple[str, ...], output: Path) -> list[Path]:
    """Name an output for each image; raises `DatasetError` if two are the same, or one would replace an image."""
    from caffe_fcn.datasets.records.images import open_header

    targets = [output / f"{Path(image).stem}.png" for image in images]
    for number, (image, target) in enumerate(zip(images, targets, strict=True)):
        open_header(files.read_bytes(image), image)
        if target in targets[:number]:
            first = images[targets.index(target)]
            raise DatasetError(image, f"has the name of {first}, and both would be {target}", "use two folders")
        if any(target.resolve() == Path(other).resolve() for other in images):
            raise DatasetError(target, "would replace the image itself", "name another folder with -o")
    return targets


def _write_images(found: Prediction, target: Path, colours: tuple[Colour, ...], names: list[str] | None) -> str:
    """Write the images of a prediction; returns a summary of what is in it."""
    import numpy as np
    from PIL import Image

    from caffe_fcn.viz.labels import make_label_image, overlay_colours

    if found.classes == 1:
        _save(Image.fromarray(found.pixels), target)
        return f"grey {found.pixels.min()} to {found.pixels.max()}"
    _save(make_label_image(found.pixels, colours), target)
    overlaid = overlay_colours(found.image, found.pixels, colours)
    _save(Image.fromarray(overlaid), target.with_name(f"{target.stem}_overlay.png"))
    values, counts = np.unique(found.pixels, return_counts=True)
    shares = sorted(zip(-counts / counts.sum(), values.tolist(), strict=True))
    return ", ".join(
        f"{names[value] if names and value < len(names) else value} {-share:.1%}" for share, value in shares
    )


def _save(image: Image, path: Path) -> None:
    with files.atomic_write(path) as file:
        image.save(file, "PNG")
