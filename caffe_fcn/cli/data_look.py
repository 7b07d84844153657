"""``caffe-fcn data info`` and ``statistics``: what a data set holds, and whether it can be trained on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli import Command, tables
from caffe_fcn.cli.params import json_option
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.progress import progress

if TYPE_CHECKING:
    from caffe_fcn.datasets.inspect.explore import View
    from caffe_fcn.datasets.inspect.overview import Overview
    from caffe_fcn.datasets.inspect.record_checks import Findings

_WORKERS = click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads (default: one a core).")
_SHOWN = 20


class _Mean(click.ParamType):  # type: ignore[type-arg]
    """B,G,R or one value."""

    name = "B,G,R"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        try:
            mean = [float(part) for part in value.split(",")]
        except ValueError:
            mean = []
        if len(mean) not in (1, 3):
            self.fail(f"{value!r} is no mean such as 104.0,116.7,122.7 (blue, green, red)", param, ctx)
        return mean


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--check", is_flag=True, help="Decode every record and look for faults; status 1 if there are any.")
@click.option("--classes", type=click.IntRange(1, 256), help="With --check: how many there are (default: as told).")
@click.option("--ignore", type=click.IntRange(-1, 255), help="With --check: the value that means don't care.")
@click.option("--mean", type=_Mean(), help="With --check: the mean that you train with, B,G,R.")
@click.option("--allow", multiple=True, metavar="CHECK", help="With --check: pass over what a check finds.")
@_WORKERS
@json_option
def info(
    folder: Path,
    check: bool,
    classes: int | None,
    ignore: int | None,
    mean: list[float] | None,
    allow: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """What a data set holds: ours, DIGITS', or a single LMDB of convert_imageset."""
    from caffe_fcn.datasets.inspect import overview

    seen = overview.summarize(folder)
    if check:
        with progress("records") as show:
            rules = overview.make_rules(seen, classes, ignore, allow)
            overview.check(seen, rules, mean, workers or os.cpu_count() or 1, show)
    if as_json:
        echo(json.dumps(seen.as_json(), indent=1))
    else:
        _show(seen, check)
    return 1 if seen.faults else 0


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@_WORKERS
def statistics(folder: Path, workers: int | None) -> None:
    """Compute the mean, the class frequencies and the weights of a data set, and write them into its folder."""
    from caffe_fcn.datasets.build import builder

    with progress("records") as show:
        about = builder.measure_again(folder, workers or os.cpu_count() or 1, show)
    for name in (about.mean_file, about.infogain_file):
        if name:
            echo(str(folder / name))
    if about.mean is not None:
        echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def lists(folder: Path) -> None:
    """Image files and lists for nets of --data image: DIR/train_images.txt, DIR/train_labels.txt and so on.

    The files, in DIR/files, are written from the databases: an image's own bytes, labels in grey, as Caffe wants them.
    """
    from caffe_fcn.datasets.build import image_lists

    with progress() as show:
        written = image_lists.write(folder, show)
    for path, count in written.items():
        echo(f"{path}: {count} files")


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html", help="The page.")
@click.option("--sheet", type=click.Path(path_type=Path, dir_okay=False), metavar="SHEET.png", help="One picture.")
@click.option("--split", help="Only this one (default: the page has all, the sheet the first).")
@click.option("--count", type=click.IntRange(1, 10_000), help="Records of each split (default: page 240, sheet 12).")
@click.option("--side", type=click.IntRange(16, 1024), default=256, show_default=True, help="Of thumbnails, at most.")
@_WORKERS
def explore(
    folder: Path,
    output: Path | None,
    sheet: Path | None,
    split: str | None,
    count: int | None,
    side: int,
    workers: int | None,
) -> None:
    """Look at a data set: images, labels in their colours, overlays, legend and class histogram."""
    from caffe_fcn import files
    from caffe_fcn.datasets.inspect import explore
    from caffe_fcn.datasets.records import opening

    if output is None and sheet is None:
        raise click.UsageError("name what to write: -o PAGE.html, --sheet SHEET.png, or both")
    names = [split] if split else list(opening.splits(folder))
    workers = workers or os.cpu_count() or 1
    pairs = {found.split: found for found in (opening.open(folder, name) for name in names or [""])}
    with progress("records") as show, files.write_together():

        def views(name: str, number: int) -> list[View]:
            told = None if show is None else lambda done, total: show(f"drawing {name}", done, total)
            return explore.make_views(pairs[name], number, side, workers, told)

        if output is not None:
            shown = {name: (found, views(name, count or 240)) for name, found in pairs.items() if len(found)}
            files.write_text(output, explore.render_page(shown, folder.resolve().name, show))
        if sheet is not None:
            first = next(iter(pairs))
            from PIL import Image

            with files.atomic_write(sheet) as file:
                Image.fromarray(explore.render_sheet(pairs[first], views(first, count or 12))).save(file, "PNG")
    for path in filter(None, (output, sheet)):
        echo(str(path))


def _show(seen: Overview, checked: bool) -> None:
    rows = []
    for name, split in seen.splits.items():
        known = split.as_json()
        held = [known[kind] for kind in ("images", "labels") if kind in known]
        shapes = " ".join(f"{'x'.join(map(str, kind['first']))} {kind['encoding']}" for kind in held if "first" in kind)
        rows.append((name, known["records"], shapes, split.skipped, _faults(split.findings)))
    tables.show(("split", "records", "first image and label", "skipped", "faults"), rows, right=(1, 3))
    about = seen.about
    if about is not None and about.mean is not None:
        echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")
    first = next(iter(seen.splits.values()))
    if first.statistics is not None and first.statistics.get("pixels"):
        echo()
        _show_classes(seen, first.statistics)
    for number, fault in enumerate(seen.faults):
        if number == _SHOWN:
            echo(f"... {sum(_counts(seen)) - _SHOWN} more (--json has the first 100 of each kind)")
            break
        echo(f"{fault.check}: {fault}")
    if checked and not seen.faults:
        echo("no faults")


def _show_classes(seen: Overview, statistics: dict[str, Any]) -> None:
    pixels = {int(value): count for value, count in statistics["pixels"].items()}
    about = seen.about
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
    tables.show(("value", "class", "pixels", "share", "weight"), rows, right=(0, 2, 3, 4))
    echo(f"ignored: {statistics['ignored_share']:.2%} of all pixels")


def _faults(findings: Findings | None) -> str:
    if findings is None:
        return "not checked"
    return ", ".join(f"{check} {count}" for check, count in findings.counts.items()) or "none"


def _counts(seen: Overview) -> list[int]:
    found = [split.findings for split in seen.splits.values() if split.findings]
    return [count for findings in [*found, seen.mean_findings] for count in findings.counts.values()]
