"""``caffe-fcn data info``, ``statistics``, ``lists`` and ``explore``: commands for an existing data set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli import tables
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.naming import name_options
from caffe_fcn.cli.params import MEAN_OF_IMAGES, augment_option, json_option
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from caffe_fcn.datasets.inspect.explore import View
    from caffe_fcn.datasets.inspect.overview import Overview
    from caffe_fcn.datasets.inspect.record_checks import Findings

_WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="The number of threads (default: one a core)."
)
_SHOWN = 20


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--check", is_flag=True, help="Decode every record and look for faults; status 1 if there are any.")
@click.option(
    "--classes", type=click.IntRange(1, 256), help="With --check: the number of classes (default: as described)."
)
@click.option("--ignore", type=click.IntRange(-1, 255), help="With --check: the value of pixels to ignore.")
@click.option("--mean", type=MEAN_OF_IMAGES, help="With --check: the mean that you train with.")
@click.option("--allow", multiple=True, metavar="CHECK", help="With --check: a check to leave out; may be repeated.")
@_WORKERS
@json_option
def info(
    folder: Path,
    check: bool,
    classes: int | None,
    ignore: int | None,
    mean: tuple[float, ...] | None,
    allow: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """Show what a data set holds: one of ours, one of DIGITS, or a single LMDB of convert_imageset."""
    from caffe_fcn.datasets.inspect import overview

    found = overview.summarize(folder)
    if check:
        with show_progress("records") as show:
            rules = overview.make_rules(found, classes, ignore, allow)
            overview.check(found, rules, mean, workers or os.cpu_count() or 1, show)
    for fault in found.faults:
        name_options(fault, click.get_current_context().command.params)
    if as_json:
        echo(json.dumps(found.to_json(), indent=1))
    else:
        _show(found, check)
    return 1 if found.faults else 0


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@_WORKERS
def statistics(folder: Path, workers: int | None) -> None:
    """Compute the mean, the class frequencies and the weights of a data set, and write them into its folder."""
    from caffe_fcn.datasets.build import builder

    with show_progress("records") as show:
        about = builder.measure_again(folder, workers or os.cpu_count() or 1, show)
    for name in (about.mean_file, about.infogain_file):
        if name:
            echo(str(folder / name))
    if about.mean is not None:
        echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def lists(folder: Path) -> None:
    """Write image files and lists for nets of --data image: DIR/train_images.txt, DIR/train_labels.txt and so on.

    The files, in DIR/files, are written from the databases: an image's own bytes, labels in grey, as Caffe wants them.
    """
    from caffe_fcn.datasets.build import image_lists

    with show_progress() as show:
        written = image_lists.write(folder, show)
    for path, count in written.items():
        echo(f"{path}: {count} files")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html", help="The page to write."
)
@click.option(
    "--sheet", type=click.Path(path_type=Path, dir_okay=False), metavar="SHEET.png", help="The picture to write."
)
@click.option("--split", help="The split to show (default: all on the page, the first on the sheet).")
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    help="Records of each split (default: 240 on the page, 12 on the sheet; --augmented: 24, 4).",
)
@click.option(
    "--side", type=click.IntRange(16, 1024), default=256, show_default=True, help="The largest side of thumbnails."
)
@click.option("--augmented", is_flag=True, help="Show each record beside augmented forms of it (see --augment).")
@augment_option
@_WORKERS
def explore(
    folder: Path,
    output: Path | None,
    sheet: Path | None,
    split: str | None,
    count: int | None,
    side: int,
    augmented: bool,
    augment: str | None,
    workers: int | None,
) -> None:
    """Make a page or a picture of a data set: images, labels in colours, overlays, legend and class histogram.

    With --augmented, each record is shown beside five forms of it as a net sees them that was built with --augment, by
    'default' or by the transforms that --augment names here.
    """
    from caffe_fcn import files
    from caffe_fcn.augmentation import parse_transforms
    from caffe_fcn.augmentation.spelling import DEFAULT
    from caffe_fcn.datasets.inspect import explore
    from caffe_fcn.datasets.records import opening

    if output is None and sheet is None:
        raise click.UsageError("name what to write: -o PAGE.html, --sheet SHEET.png, or both")
    names = [split] if split else list(opening.splits(folder))
    workers = workers or os.cpu_count() or 1
    transforms = parse_transforms(augment or DEFAULT) if augmented or augment is not None else None
    on_page, on_sheet = (240, 12) if transforms is None else (24, 4)
    pairs = {found.split: found for found in (opening.open(folder, name) for name in names or [""])}
    with show_progress("records") as show, files.write_together():

        def views(name: str, number: int) -> list[View]:
            show_task = name_task(show, f"drawing {name}")
            return explore.make_views(pairs[name], number, side, workers, show_task, transforms)

        if output is not None:
            shown = {name: (found, views(name, count or on_page)) for name, found in pairs.items() if len(found)}
            files.write_text(output, explore.render_page(shown, folder.resolve().name, show, transforms))
        if sheet is not None:
            first = next(iter(pairs))
            from PIL import Image

            with files.atomic_write(sheet) as file:
                Image.fromarray(explore.render_sheet(pairs[first], views(first, count or on_sheet))).save(file, "PNG")
    for path in filter(None, (output, sheet)):
        echo(str(path))


def _show(overview: Overview, checked: bool) -> None:
    faults = overview.faults
    rows = []
    for name, split in overview.splits.items():
        known = split.to_json()
        databases = [known[kind] for kind in ("images", "labels") if kind in known]
        shapes = " ".join(
            f"{'x'.join(map(str, kind['first']))} {kind['encoding']}" for kind in databases if "first" in kind
        )
        rows.append((name, known["records"], shapes, split.skipped, _format_counts(split.findings)))
    tables.print_table(("split", "records", "first image and label", "skipped", "faults"), rows, right=(1, 3))
    about = overview.about
    if about is not None and about.mean is not None:
        echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")
    first = next(iter(overview.splits.values()))
    if first.statistics is not None and first.statistics.get("pixels"):
        echo()
        _show_classes(overview, first.statistics)
    for number, fault in enumerate(faults):
        if number == _SHOWN:
            echo(f"... {_total_faults(overview) - _SHOWN} more (--json has the first 100 of each kind)")
            break
        echo(f"{fault.check}: {fault}")
    if checked and not faults:
        echo("no faults")


def _show_classes(overview: Overview, statistics: dict[str, Any]) -> None:
    pixels = {int(value): count for value, count in statistics["pixels"].items()}
    about = overview.about
    names = about.classes if about is not None and about.classes else None
    ignore = about.ignore_label if about is not None else 255
    labelled = max(1, sum(count for value, count in pixels.items() if value != ignore))
    weights = statistics.get("weights", [])
    rows = []
    for value in sorted({*pixels, *range(len(names or ()))} - {ignore}):
        count = pixels.get(value, 0)
        name = names[value] if names and value < len(names) else ""
        weight = f"{weights[value]:.4g}" if value < len(weights) else ""
        rows.append((value, name, count, f"{count / labelled:.2%}", weight))
    tables.print_table(("value", "class", "pixels", "share", "weight"), rows, right=(0, 2, 3, 4))
    echo(f"ignored: {statistics['ignored_share']:.2%} of all pixels")


def _format_counts(findings: Findings | None) -> str:
    if findings is None:
        return "not checked"
    return ", ".join(f"{check} {count}" for check, count in findings.counts.items()) or "none"


def _total_faults(overview: Overview) -> int:
    found = [split.findings for split in overview.splits.values() if split.findings]
    return sum(findings.counts.total() for findings in [*found, overview.mean_findings])
