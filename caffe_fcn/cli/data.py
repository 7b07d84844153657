"""``caffe-fcn data``: data sets as LMDB pairs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe_fcn.cli import data_look
from caffe_fcn.cli.commands import Group
from caffe_fcn.cli.params import Size
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.datasets.reference_layers.published_sets import SETS

if TYPE_CHECKING:
    from caffe_fcn.datasets.build.options import BuildOptions
    from caffe_fcn.description.dataset_json import Description

Function = TypeVar("Function", bound=Callable[..., Any])

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FOLDER_OR_LIST = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group)
def data() -> None:
    """Build, check and explore data sets: LMDBs of images and of labels, which Caffe trains on.

    A data set is a folder DIR with the databases DIR/train_images and DIR/train_labels, DIR/val_images and
    DIR/val_labels, the mean image in DIR/mean.binaryproto (if all images have one size), the matrix of
    median-frequency weights in DIR/infogain.binaryproto (if the classes are known), and its description in
    DIR/dataset.json.
    """


data.add_command(data_look.info)
data.add_command(data_look.statistics)
data.add_command(data_look.explore)
data.add_command(data_look.lists)


def _options(function: Function, options: list[Any]) -> Function:
    for option in reversed(options):
        function = option(function)
    return function


def builds(function: Callable[..., Description]) -> Callable[..., None]:
    """A command that builds ``output`` with some ``options`` and reports; its function returns the description."""

    @functools.wraps(function)
    def run(output: Path, workers: int | None, resume: bool, statistics: bool, **rest: Any) -> None:
        from caffe_fcn.cli.next_steps import follow_data_set
        from caffe_fcn.datasets.build.options import BuildOptions

        with show_progress() as show:
            options = BuildOptions(
                workers=workers or os.cpu_count() or 1, resume=resume, measure=statistics, progress=show
            )
            try:
                about = function(output=output, options=options, **rest)
            except KeyboardInterrupt:
                echo("what is done is kept: the same command with --resume goes on", err=True)
                raise
        _report(output, about)
        follow_data_set(output, about)

    return _options(
        run,
        [
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                required=True,
                metavar="DIR",
                help="The folder to write.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(min=1),
                metavar="N",
                help="The number of threads (default: one a core).",
            ),
            click.option("--resume", is_flag=True, help="Continue the same command after an interruption."),
            click.option(
                "--statistics/--no-statistics",
                default=True,
                help="Compute mean and class frequencies, for which all records are decoded (default: yes).",
            ),
        ],
    )


def imports(function: Callable[..., Description]) -> Callable[..., Description]:
    """A command that builds from image files: the format in which they are stored, their order, and the checks."""

    @functools.wraps(function)
    def run(
        options: BuildOptions,
        channels: Any,
        size: tuple[int, int] | None,
        resize_mode: Any,
        images_as: Any,
        labels_as: Any,
        checks: str,
        allow: tuple[str, ...],
        on_error: Any,
        seed: int,
        shuffle: bool = True,
        **rest: Any,
    ) -> Description:
        from caffe_fcn.datasets.build.options import ImportOptions
        from caffe_fcn.datasets.build.record_format import RecordFormat

        stored = RecordFormat(channels, size, resize_mode, images_as, labels_as, decode=checks == "full")
        order = {"shuffle": shuffle, "seed": seed}
        more = ImportOptions.extend(options, format=stored, allow=allow, on_error=on_error, **order)
        return function(options=more, **rest)

    return _options(
        run,
        [
            click.option("--channels", type=click.Choice(["keep", "rgb", "grey"]), default="keep", show_default=True,
                         help="The channels of the stored images."),
            click.option("--resize", "size", type=Size(), help="The size to store (default: each image's own)."),
            click.option("--resize-mode", type=click.Choice(["squash", "crop", "fill", "half-crop"]), default="squash",
                         show_default=True, help="squash changes the aspect ratio, crop cuts edges off, fill adds a "
                         "frame, half-crop does half of both."),
            click.option("--images-as", "--image-encoding", "images_as", type=click.Choice(["jpeg", "png", "raw"]),
                         default="jpeg", show_default=True,
                         help="How images are stored; jpeg keeps JPEG files unchanged, and makes PNGs of others."),
            click.option("--labels-as", type=click.Choice(["png", "raw"]), default="png", show_default=True,
                         help="How labels are stored: grey images, whose values are the classes."),
            click.option("--checks", type=click.Choice(["full", "headers"]), default="full", show_default=True,
                         help="With headers, images that are stored unchanged are not decoded for the checks."),
            click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", show_default=True,
                         help="What happens when a check finds a fault in a pair."),
            click.option("--allow", multiple=True, metavar="CHECK", help="A check to leave out: 16-bit, alpha, "
                         "palette, unlabelled, one-class; may be repeated."),
        ],
    )  # fmt: skip


def _seed(default: int = 1337) -> Callable[[Function], Function]:
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=default,
        show_default=True,
        help="The random seed.",
    )


def _val_percent(default: float | None, help: str = "") -> Callable[[Function], Function]:
    return click.option(
        "--val-percent",
        type=click.FloatRange(0, 100, max_open=True),
        default=default,
        show_default=True,
        metavar="N",
        help=help or "The share of the pairs that is used for validation.",
    )


_SHUFFLE = click.option(
    "--shuffle/--no-shuffle", default=True, help="Shuffle the training set, or keep its order (default: shuffle)."
)


@data.command()
@builds
@click.option("--count", type=click.IntRange(min=1), default=10_000, show_default=True, help="The number of pairs.")
@click.option(
    "--size", type=click.IntRange(2, 4096), default=32, show_default=True, help="The height and width of an image."
)
@click.option(
    "--grid",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="The rows and columns of the grid picture.",
)
@_val_percent(10)
@_seed()
def triangles(**settings: Any) -> Description:
    """Draw outlines of triangles, with the filled triangles as labels; and DIR/grid.png to try the net on."""
    from caffe_fcn.datasets.formats import triangles

    return triangles.build(**settings)


@data.command()
@builds
@click.option("--mnist", "mnist_folder", type=_FOLDER, required=True, help="The folder of MNIST's IDX files, or .gz.")
def mnist(**settings: Any) -> Description:
    """Build MNIST: the digits, each record with its value as the label."""
    from caffe_fcn.datasets.formats import mnist

    return mnist.build(**settings)


@data.command()
@builds
@click.option("--mnist", "mnist_folder", type=_FOLDER, required=True, help="The folder of MNIST's IDX files, or .gz.")
@click.option("--count", type=click.IntRange(min=1), default=5000, show_default=True, help="The number of images.")
@click.option(
    "--background",
    type=click.Choice(["class", "ignore"]),
    default="class",
    show_default=True,
    help="A class of its own, 0 before the ten digits; or 255, don't care.",
)
@click.option("--masks/--no-masks", default=True, help="Also DIR/train_masks and DIR/val_masks, ten planes (default).")
@_val_percent(20)
@_seed(1234)
def m2nist(**settings: Any) -> Description:
    """Compose images of 64 x 84 from two or three MNIST digits, each pixel labelled with its digit."""
    from caffe_fcn.datasets.formats import m2nist

    return m2nist.build(**settings)


@data.command()
@builds
@click.option(
    "--images",
    type=_FOLDER_OR_LIST,
    required=True,
    metavar="DIR|LIST",
    help="The images: a folder, or a text file with a path a line.",
)
@click.option(
    "--labels",
    type=_FOLDER_OR_LIST,
    required=True,
    metavar="DIR|LIST",
    help="The labels, which have the names of the images.",
)
@click.option("--val-images", type=_FOLDER_OR_LIST, metavar="DIR|LIST", help="The images for validation.")
@click.option("--val-labels", type=_FOLDER_OR_LIST, metavar="DIR|LIST", help="The labels for validation.")
@_val_percent(
    None,
    "The share of the pairs that is set aside for validation (default: 10, at least one pair; none with --val-images).",
)
@click.option(
    "--classes",
    metavar="N|FILE",
    help="The number of classes, or a file with their names, one a line; other values are faults.",
)
@click.option(
    "--label-encoding",
    "encoding",
    type=click.Choice(["palette", "grey", "rgb"]),
    help="What the pixels of labels hold: an index, a grey value or a colour (default: as in the first label).",
)
@click.option(
    "--colors",
    "--colours",
    "colours",
    type=_FILE,
    help='The colours of the classes, "R G B" or "R G B NAME" a line; "255: R G B" is the ignored label.',
)
@click.option(
    "--ignore",
    type=click.IntRange(-1, 255),
    default=255,
    show_default=True,
    metavar="VALUE",
    help="The value of pixels to ignore; -1 for no such value.",
)
@click.option("--same-size", is_flag=True, help="Treat images of another size than the first as faults.")
@_SHUFFLE
@_seed()
@imports
def folder(
    classes: str | None, colours: Path | None, ignore: int, val_percent: float | None, **settings: Any
) -> Description:
    """Build a data set from a folder of images and a folder of labels, paired by their names without suffixes.

    A list of files takes the place of a folder. Its paths are relative to the folder of the list; what is not there is
    looked for in the working directory. Two lists without a common name pair line by line.
    """
    from caffe_fcn.datasets.formats import folder
    from caffe_fcn.datasets.records import classes as class_files
    from caffe_fcn.datasets.records import palette

    map, names = palette.read(colours) if colours else (None, None)
    about = folder.build(
        classes=class_files.parse_names(classes) if classes else names,
        colours=map,
        ignore=None if ignore < 0 else ignore,
        val_percent=val_percent,
        **settings,
    )
    if val_percent is None and settings["val_images"] is None:
        print_note(_describe_split(about))
    return about


def _describe_split(about: Description) -> str:
    """What was set aside for validation without being asked for."""
    counts = {name: split["count"] for name, split in about.splits.items()}
    if "val" not in counts:
        return "a single pair is for training: there is no validation set"
    share = about.options["val_percent"]
    total = sum(counts.values())
    return f"{share:g} % of the pairs are for validation: {counts['val']} of {total} (--val-percent 0 sets none aside)"


def _splits(train: str, val: str) -> Callable[[Function], Function]:
    """Splits by name, or files that list images."""

    def add(function: Function) -> Function:
        function = click.option(
            "--val-split", "val", metavar="SPLIT", help=f"The split to validate on (default: {val})."
        )(function)
        says = f"What to train on, by name or as a file that lists images (default: {train})."
        return click.option("--train-split", "train", metavar="SPLIT", help=says)(function)

    return add


@data.command()
@builds
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--sbdd",
    type=_FOLDER,
    metavar="DIR",
    help="The folder of SBDD, whose images and labels are added to the training set.",
)
@click.option("--year", type=click.IntRange(2007, 2012), help="The year, if PATH has several.")
@_splits("train", "val; with --sbdd seg11valid")
@_SHUFFLE
@_seed()
@imports
def voc(train: str | None, **settings: Any) -> Description:
    """Build PASCAL VOC 2007 to 2012: PATH is its folder, or the published tar, which is not unpacked."""
    from caffe_fcn.datasets.formats import voc

    return voc.build(train=train or "train", **settings)


@data.command()
@builds
@click.argument("path", type=_FOLDER)
@_val_percent(10)
@_seed()
@imports
def synthia(**settings: Any) -> Description:
    """Build SYNTHIA-RAND-CVPR16: PATH is the folder with RGB and GT."""
    from caffe_fcn.datasets.formats import synthia

    return synthia.build(**settings)


@data.command()
@builds
@click.argument("path", type=_FOLDER)
@click.option("--hha", is_flag=True, help="Also write DIR/train_hha and DIR/val_hha: depth as three planes.")
@click.option("--depth", is_flag=True, help="Also write DIR/train_depth and DIR/val_depth: the logarithm of depth.")
@_splits(*SETS["nyud"].splits)
@_SHUFFLE
@_seed()
@imports
def nyud(path: Path, hha: bool, depth: bool, **settings: Any) -> Description:
    """Build NYUDv2 in 40 classes: PATH is the folder that the reference's layer calls nyud_dir."""
    tops = ["color", "label", *(["hha"] if hha else []), *(["depth"] if depth else [])]
    return _build_published("nyud", {"nyud_dir": path}, tops=tops, **settings)


@data.command("sift-flow")
@builds
@click.argument("path", type=_FOLDER)
@_splits(*SETS["siftflow"].splits)
@_SHUFFLE
@_seed()
@imports
def sift_flow(path: Path, **settings: Any) -> Description:
    """Build SIFT Flow, with the geometric labels in DIR/train_geo: PATH is the reference's siftflow_dir."""
    return _build_published("siftflow", {"siftflow_dir": path}, **settings)


@data.command("pascal-context")
@builds
@click.option("--voc", "voc_dir", type=_FOLDER, required=True, help="The folder that holds VOC2010.")
@click.option("--context", "context_dir", type=_FOLDER, required=True, help="The folder of PASCAL-Context.")
@_splits(*SETS["pascalcontext"].splits)
@_SHUFFLE
@_seed()
@imports
def pascal_context(voc_dir: Path, context_dir: Path, **settings: Any) -> Description:
    """Build PASCAL-Context, with 59 classes and the background."""
    return _build_published("pascalcontext", {"voc_dir": voc_dir, "context_dir": context_dir}, **settings)


def _build_published(name: str, folders: dict[str, Path], **settings: Any) -> Description:
    from caffe_fcn.datasets.formats import published

    return published.build(name=name, folders=folders, **settings)


def _report(output: Path, about: Description) -> None:
    for name, split in about.splits.items():
        databases = ", ".join(str(output / database) for database in split["databases"].values())
        echo(f"{name}: {split['count']} records in {databases}")
        if split["skipped"]:
            echo(f"{name}: {len(split['skipped'])} skipped, listed in {output / 'dataset.json'}")
        for check, names in split["allowed"].items():
            echo(f"{name}: {check} allowed {len(names)} times, first in {names[0]}")
    if about.mean is not None:
        echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")
