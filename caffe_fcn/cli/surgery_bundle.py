"""``caffe-fcn surgery verify BUNDLE``: whether a bundle is whole, and computes what its run computes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.cli.tables import print_table
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from pathlib import Path

    from caffe_fcn.engines import Engine
    from caffe_fcn.interop.bundle_verification import CheckedFile, VerifiedBundle


def verify_bundle(
    bundle: str,
    run: str | None,
    images: Sequence[str],
    mean: Sequence[float] | str | None,
    tolerance: float | None,
    engine: str,
    caffe: str | None,
    seed: int,
    as_json: bool,
) -> int:
    """Check the files of a bundle and, with ``run``, compare its outputs; returns the exit status."""
    from caffe_fcn import engines
    from caffe_fcn.interop import bundle_verification

    def load(net: Path, weights: Path, blobs: Sequence[str]) -> Engine:
        return engines.load(net, weights, engine, stages=["deploy"], blobs=blobs, caffe=caffe)

    checked: list[CheckedFile] = []
    if run is None or bundle_verification.has_checksums(bundle):
        checked = bundle_verification.check_files(bundle)
    else:
        print_note(f"{bundle} has no checksums")
    compared = None
    if run is not None:
        with show_progress("images") as show:
            compared = bundle_verification.verify_bundle(
                bundle,
                run,
                load,
                images,
                tolerance=tolerance,
                mean=mean,
                seed=seed,
                progress=name_task(show, "comparing"),
            )
    ok = not any(each.fault for each in checked) and (compared is None or compared.ok)
    if as_json:
        echo(json.dumps({**_describe(checked, compared), "ok": ok}, indent=2))
        return int(not ok)
    for note in compared.notes if compared else ():
        print_note(replace_parameters(note, click.get_current_context().command.params))
    faults = [each for each in checked if each.fault]
    for each in faults:
        echo(f"{bundle}: {each.name} {each.fault}")
    if checked and not faults:
        echo(f"all {len(checked)} files have their checksums")
    if compared:
        _print_outputs(compared)
    return int(not ok)


def _print_outputs(compared: VerifiedBundle) -> None:
    rows = [
        (
            each.blob,
            each.kind,
            f"{each.difference:.3g}",
            f"{each.other_classes} of {each.pixels}" if each.pixels else "",
        )
        for each in compared.outputs
    ]
    print_table(("output", "kind", "largest difference, relative", "other classes"), rows, right=(2, 3))
    what = "computes what the run computes" if compared.ok else "does not compute what the run computes"
    echo(f"the bundle {what}: {compared.images} images, tolerance {compared.tolerance:g}")


def _describe(checked: Sequence[CheckedFile], compared: VerifiedBundle | None) -> dict[str, object]:
    document: dict[str, object] = {"files": [{"name": each.name, "fault": each.fault} for each in checked]}
    if compared:
        document |= {
            "outputs": [
                {
                    "blob": each.blob,
                    "kind": each.kind,
                    "difference": each.difference,
                    "pixels": each.pixels,
                    "other_classes": each.other_classes,
                }
                for each in compared.outputs
            ],
            "images": compared.images,
            "tolerance": compared.tolerance,
        }
    return document
