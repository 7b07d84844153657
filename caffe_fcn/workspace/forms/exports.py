"""A net with weights for others: as a bundle, as an archive of one, as ONNX, as a Python file for torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from caffe_fcn.interop.targets.table import list_targets
from caffe_fcn.workspace.forms.arguments import (
    find_free_name,
    keep_argument,
    make_parent,
    name_new,
    require_pattern,
    spell_options,
)
from caffe_fcn.workspace.forms.fields import Choice, Field, Kind
from caffe_fcn.workspace.forms.net_fields import OF_IMAGES
from caffe_fcn.workspace.jobs.job import Kind as JobKind
from caffe_fcn.workspace.jobs.job import Task
from caffe_fcn.workspace.nets.folder import NetFolder
from caffe_fcn.workspace.settings import Settings

BUNDLES, EXPORTS = "bundles", "exports"
"""The folders of the workspace that bundles, and what others read, are written to."""

ARCHIVE = ".tar.gz"


@dataclass(frozen=True)
class Format:
    """What a net becomes for others.

    ``group`` is the folder of the workspace that it is written to, ``suffix`` that of its file, "" for a folder.
    """

    title: str
    hint: str
    group: str
    suffix: str
    fields: tuple[Field, ...]
    options: Mapping[str, str]

    def list_fields(self, settings: Settings, folder: NetFolder) -> tuple[Field, ...]:
        """List the fields of the form."""
        weights = Field(
            "weights",
            "Weights",
            Kind.CHOICE,
            default="",
            choices=(Choice("", "the newest, or the chosen ones"), *(Choice(each) for each in folder.weights)),
        )
        name = replace(_NAME, default=find_free_name(settings, self.group, PurePosixPath(folder.name).name))
        return (name, weights, *self.fields)

    def make(self, settings: Settings, folder: NetFolder, values: Mapping[str, Any], kind: str) -> Task:
        """Make the task that writes it; raises `FormError`."""
        require_pattern(values, "mean", OF_IMAGES, "Give one number, or three such as 104.007,116.669,122.679.")
        made = name_new(settings, self.group, f"{values['name']}{self.suffix}")
        make_parent(settings, made)
        place = keep_argument(folder.name)
        options = spell_options(self.options, values)
        weights = keep_argument(f"{folder.name}/{values['weights']}") if values["weights"] else ""
        if kind == "bundle":
            source = (place, *(("--weights", weights) if weights else ()))
        else:
            source = (keep_argument(f"{folder.name}/{folder.main_file}"), weights) if weights else (place,)
        command = ("export", kind, *source, "-o", keep_argument(made), *options)
        page = f"/nets/view/{quote(made if kind == 'bundle' else folder.name)}"
        return Task(f"Export {folder.name} as {made}", JobKind.EXPORT, (command,), makes=made, page=page)


def pack(settings: Settings, folder: NetFolder) -> Task:
    """Make the task that writes a bundle as one archive, where it is downloaded from."""
    archive = find_archive(folder)
    make_parent(settings, archive)
    command = ("export", "bundle", keep_argument(folder.name), "-o", keep_argument(archive))
    page = f"/nets/view/{quote(folder.name)}"
    return Task(f"Pack {folder.name}", JobKind.EXPORT, (command,), makes=archive, page=page)


def list_exports(settings: Settings) -> list[tuple[str, int | None]]:
    """List what was exported: the name, and the bytes of a file; None for a folder. What is newest comes first."""
    folder = settings.root / EXPORTS
    found = [each for each in folder.iterdir() if not each.name.startswith(".")] if folder.is_dir() else []
    found = [each for each in found if not each.is_symlink()]
    found.sort(key=lambda each: -each.stat().st_mtime)
    return [(each.name, each.stat().st_size if each.is_file() else None) for each in found]


def find_archive(folder: NetFolder) -> str:
    """Return where the archive of a bundle is written, relative to the workspace."""
    return f"{EXPORTS}/{folder.name.replace('/', '-')}{ARCHIVE}"


_NAME = Field("name", "Name", required=True, hint="What is made has this name.", most_signs=100)
_SIZE = Field("size", "Size of images", Kind.SIZE, hint="The size of all images, where it is not as in the net.")
_MEAN = Field("mean", "Mean", hint="What is subtracted from blue, green, red, where it is not as model.json says.")
_SOFTMAX = Field("softmax", "Append a Softmax: the net gives probabilities", Kind.FLAG, default=False)
_ARGMAX = Field("argmax", "Append an ArgMax: the net gives the class of each pixel", Kind.FLAG, default=False)
_VERIFY = Field("verify", "Run both, and compare", Kind.FLAG, default=False)

FORMATS: dict[str, Format] = {
    "bundle": Format(
        "Bundle",
        "net, weights, description, labels and mean in one folder",
        BUNDLES,
        "",
        (
            _SOFTMAX,
            _ARGMAX,
            Field("fold_batchnorm", "Fold BatchNorm and Scale into the convolutions", Kind.FLAG, default=False),
            Field("fold_mean", "Make the net take raw pixels: fold the mean", Kind.FLAG, default=False),
            Field(
                "half",
                "Weights of 16 bits",
                Kind.CHOICE,
                default="",
                choices=(
                    Choice("", "no"),
                    Choice("rounded", "rounded to them, kept as float32"),
                    Choice("stored", "stored in them, which BVLC's Caffe does not read"),
                ),
            ),
            Field(
                "target",
                "Target",
                Kind.CHOICE,
                default="",
                choices=(Choice("", "any Caffe"), *(Choice(each.name, each.title) for each in list_targets())),
                hint="What is to take the bundle: the net is rewritten to fit.",
            ),
            _SIZE,
            _MEAN,
            Field("licence", "Licence", hint="For the card."),
        ),
        {
            "softmax": "--softmax",
            "argmax": "--argmax",
            "fold_batchnorm": "--fold-batchnorm",
            "fold_mean": "--fold-mean",
            "half": "--half",
            "target": "--target",
            "size": "--size",
            "mean": "--mean",
            "licence": "--licence",
        },
    ),
    "onnx": Format(
        "ONNX",
        "a model for ONNX Runtime, OpenVINO, TensorRT and others",
        EXPORTS,
        ".onnx",
        (
            _SIZE,
            Field("opset", "Version of the operators", Kind.INTEGER, least=13, most=21, hint="17 where none is given."),
            Field(
                "dynamic",
                "Leave open",
                Kind.SEVERAL,
                default=(),
                choices=(Choice("batch", "how many images"), Choice("size", "height and width")),
            ),
            Field("preprocess", "Make the model take raw pixels, red first", Kind.FLAG, default=False),
            _SOFTMAX,
            _ARGMAX,
            Field("resize_upscores", "Make a Resize of each upsampling that interpolates", Kind.FLAG, default=False),
            _VERIFY,
        ),
        {
            "size": "--size",
            "opset": "--opset",
            "dynamic": "--dynamic",
            "preprocess": "--preprocess",
            "softmax": "--softmax",
            "argmax": "--argmax",
            "resize_upscores": "--resize-upscores",
            "verify": "--verify",
        },
    ),
    "torch": Format(
        "torch",
        "a Python file that needs torch alone, and weights.safetensors",
        EXPORTS,
        "",
        (_SIZE, _MEAN, _VERIFY),
        {"size": "--size", "mean": "--mean", "verify": "--verify"},
    ),
}
"""The formats that a net is exported in, by the name of their command."""
