"""The third step: the weights that the training starts from.

They come from a weights file, by the surgery that the net's recipe names, or by a plain transplant where it has none;
layers that score other classes than the file's are left out. Or the net's fillers make them (`surgery.fill`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from caffe_fcn import netspec, surgery
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.step import Observer, Step
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.surgery.donors import infer_shapes
from caffe_fcn.weights import open_weights

START_FILE = "start.caffemodel"
SCRATCH = "from scratch"


@dataclass(frozen=True)
class MakeStart(Step):
    """The weights ``start.caffemodel`` in ``folder`` for the net there, by ``recipe`` where the net has one.

    ``donor`` is the file that they come from, None for a training from scratch. The layers in ``left_out`` of the
    donor are not taken. ``asked`` is what was asked for, by name or path.
    """

    name: ClassVar[str] = "weights"

    folder: Path
    donor: Path | None = None
    recipe: str = ""
    left_out: tuple[str, ...] = ()
    asked: str = ""

    @property
    def net(self) -> Path:
        """The net that the weights are for."""
        return self.folder / DEPLOY_FILE

    @property
    def output(self) -> Path:
        """The weights that are written."""
        return self.folder / START_FILE

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        return {
            "net": hashes.hash_file(self.net),
            "weights": hashes.hash_file(self.donor) if self.donor else SCRATCH,
            "asked for": self.asked,
            "surgery": repr((self.recipe, self.left_out)),
        }

    def list_outputs(self) -> list[Path]:
        return [self.output]

    def run(self, observer: Observer, resume: bool) -> None:
        if self.donor is None:
            surgery.fill(self.net, self.output)
        elif self.recipe and not self.left_out:
            surgery.recipe(self.recipe, [self.donor], self.output, to_net=self.net)
        else:
            surgery.transplant(self.donor, self.net, self.output, renames=dict.fromkeys(self.left_out, ""))


@dataclass(frozen=True)
class Origin:
    """Where the weights of a net usually come from: its ``recipe``, and the published model that this wants."""

    recipe: str = ""
    model: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def find_origin(net: str) -> Origin:
    """Return the origin of the weights of a net of the catalogue; raises `CaffeFcnError` where there are several."""
    for name, recipe in surgery.RECIPES.items():
        if recipe.net == net:
            if len(recipe.wants) > 1:
                what = f"starts from {len(recipe.wants)} files: {' and '.join(recipe.wants)}"
                raise CaffeFcnError(net, what, "go step by step: data, net build, surgery recipe, train")
            return Origin(name, recipe.published, recipe.options)
    return Origin()


def find_other_classes(net: str, options: Mapping[str, Any], donor: Path) -> tuple[str, ...]:
    """Return the layers of ``donor`` that score other classes than the net: their values have no place in it.

    Which layers depend on the number of classes is found by building the net for one class more.
    """
    shapes = infer_shapes(netspec.build(net, "deploy", **options), None, None)
    classes = [each + 1 for each in options["classes"]]
    others = infer_shapes(netspec.build(net, "deploy", **{**options, "classes": classes}), None, None)
    depending = {name for name in shapes.params if shapes.params[name] != others.params.get(name)}
    with open_weights(donor) as weights:
        return tuple(
            layer.name
            for layer in weights.layers
            if layer.name in depending
            and [tensor.count for tensor in layer.tensors] != list(_count_values(shapes, layer.name))
        )


def _count_values(shapes: Shapes, layer: str) -> Iterator[int]:
    return (math.prod(shape) for shape in shapes.params[layer])
