"""Nets of other programs: a job of DIGITS, an ONNX model, a state dict of torchvision, the archive of a bundle.

What is imported is a file or a folder on the server, in the workspace or in an allowed folder; a page uploads it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from caffe_fcn.errors import FileError, NetError
from caffe_fcn.interop.torchvision.archs import ARCHS, choose_normalization
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.arguments import keep_argument, name_new, require_pattern, spell_options, spell_path
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.forms.net_fields import NAME, OF_CHANNELS
from caffe_fcn.workspace.forms.net_sources import NETS
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.settings import Settings


@dataclass(frozen=True)
class Import:
    """A program that nets come from: what is imported of it, further fields, and the command."""

    title: str
    hint: str
    file: Field
    fields: tuple[Field, ...]
    command: tuple[str, ...]
    options: Mapping[str, str]
    check: Callable[[Mapping[str, Any]], None] = lambda values: None
    """Raises `FormError` for values of the further fields that do not fit."""

    def list_fields(self, settings: Settings) -> tuple[Field, ...]:
        """List the fields of the form."""
        return (self.file, NAME, *self.fields)

    def make(self, settings: Settings, values: Mapping[str, Any]) -> Task:
        """Make the task that imports the file; raises `FormError`."""
        self.check(values)
        if not values["file"]:
            raise FormError({"file": "Upload it, or say where it lies on the server."})
        paths = {name: _find(settings, name, values[name]) for name in ("file", "data") if values.get(name)}
        folder = name_new(settings, NETS, values["name"])
        options = spell_options(self.options, {**values, **paths})
        command = (*self.command, paths["file"], "-o", keep_argument(folder), *options)
        return Task(f"Import {values['file']} as {folder}", JobKind.NET, (command,), makes=folder)


def _find(settings: Settings, name: str, text: str) -> str:
    """Return a file or a folder as commands name it; raises `FormError`."""
    try:
        path = places.resolve_source(settings, text)
    except FileError as error:
        raise FormError({name: f"This {error.what} ({error.mend})."}) from None
    if not path.exists():
        raise FormError({name: "There is no such file or folder."})
    return spell_path(settings, path)


def _check_normalization(values: Mapping[str, Any]) -> None:
    arch = ARCHS[values["arch"]]
    for name, usual in (("mean", arch.mean), ("std", arch.std)):
        require_pattern(values, name, OF_CHANNELS, "Give three numbers such as 0.485,0.456,0.406.")
        numbers = [float(each) for each in values[name].split(",")] if values[name] else None
        try:
            choose_normalization(name, numbers, usual)
        except NetError as error:
            raise FormError({name: f"This {error.what}: {error.mend}."}) from error


_FILE = Field("file", "File", Kind.PATH)
_SIZE = Field("size", "Size of images", Kind.SIZE)

WAYS: dict[str, Import] = {
    "digits": Import(
        "DIGITS",
        "a model job of DIGITS, or the archive that it gives for download",
        replace(_FILE, label="Job or archive", hint="The folder of a model job, or a .tar.gz, .tar.bz2, .tar, .zip."),
        (
            Field("data", "Data set job", Kind.PATH, hint="Its folder, where it is not beside that of the model job."),
            Field("allow_unknown", "Keep fields that no known Caffe has", Kind.FLAG, default=False),
        ),
        ("import", "digits"),
        {"data": "--data", "allow_unknown": "--allow-unknown"},
    ),
    "onnx": Import(
        "ONNX",
        "a model that another framework exported",
        replace(_FILE, hint="The .onnx file."),
        (
            replace(_SIZE, hint="Where the model leaves it open."),
            Field("compose", "Put together what Caffe 1.0 has no layer for", Kind.FLAG, default=False),
            Field(
                "dialect",
                "Write for",
                Kind.CHOICE,
                default="",
                choices=(
                    Choice("", "Caffe 1.0"),
                    Choice("master", "Caffe's later master"),
                    Choice("ssd", "the fork of SSD"),
                ),
            ),
            Field("verify", "Run both, and compare", Kind.FLAG, default=False),
        ),
        ("import", "onnx"),
        {"size": "--size", "compose": "--compose", "dialect": "--dialect", "verify": "--verify"},
    ),
    "torch": Import(
        "torchvision",
        "weights of torchvision's classifiers and FCNs",
        replace(_FILE, label="State dict", hint="A .pth or .safetensors; no code in it is run."),
        (
            Field(
                "arch",
                "Architecture",
                Kind.CHOICE,
                choices=tuple(Choice(each) for each in ARCHS),
                required=True,
                hint="torchvision's name of the net.",
            ),
            replace(_SIZE, default=(224, 224)),
            Field("bgr", "Take blue first, as Caffe's databases have images", Kind.FLAG, default=False),
            Field(
                "plain",
                "Write no round_mode, which the release of Caffe 1.0 lacks",
                Kind.FLAG,
                default=False,
                hint="Right for images of this size alone.",
            ),
            Field("mean", "Mean", hint="Of torch's Normalize, R,G,B; torchvision's, where nothing is given."),
            Field("std", "Deviation", hint="Of torch's Normalize, R,G,B."),
        ),
        ("import", "torch"),
        {
            "arch": "--arch",
            "size": "--size",
            "bgr": "--bgr",
            "plain": "--plain",
            "mean": "--mean",
            "std": "--std",
        },
        _check_normalization,
    ),
    "bundle": Import(
        "Bundle",
        "a net that was delivered with its weights",
        replace(
            _FILE, label="Archive or folder", hint="The .tar.gz that 'export bundle' wrote, or an archive of DIGITS."
        ),
        (),
        ("export", "bundle"),
        {},
    ),
}
"""The imports by name."""
