"""What a net is made from (its `Net`: data set, trunk, stride, solver) and made for (a `Plan`).

The catalogue is a table of `Net`; a call of ``netspec.build`` makes a `Plan` of one of them, in which nothing is
left open. Everything that lays layers takes the NetSpec and the Plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from caffe_fcn.datasets.reference_layers.published_sets import IMAGENET_MEAN as IMAGENET_MEAN
from caffe_fcn.datasets.reference_layers.published_sets import LAYERS, SETS, DataLayer
from caffe_fcn.netspec.spec import NetSpec, Top

PHASES = ("train", "val", "deploy", "all")

_SKIPS = {16: "pool4", 8: "pool3"}


@dataclass(frozen=True)
class Trunk:
    """An image classifier as a trunk: ``lay(n, image, pad, training)`` gives the features; its usual padding.

    The features come at ``stride``; ``skips`` names what there is to skip from at finer ones, coarsest first.
    """

    name: str
    lay: Callable[..., Top]
    pad: int
    stride: int = 32
    skips: Mapping[int, str] = field(default_factory=_SKIPS.copy)


@dataclass(frozen=True)
class DataSet:
    """A data set as one net sees it: the blobs that its layers make, and the layers of the reference that read it.

    ``images`` gives the channels of each image blob; the mean is that of the first, a colour image. ``reads`` has
    what the reference's layer calls a blob by another name. ``class_counts`` has a number for each label blob.
    ``splits`` are the names of the training and the validation part, and ``counts`` the images in each. ``scale``
    multiplies pixels once the mean is subtracted. ``readers`` are a Python data layer and its split for training,
    and those for validation. With ``classified`` an image's label is a number in its own record.
    """

    name: str
    images: Mapping[str, int] = field(default_factory=lambda: {"data": 3})
    labels: tuple[str, ...] = ("label",)
    reads: Mapping[str, str] = field(default_factory=dict)
    class_counts: tuple[int, ...] = ()
    splits: tuple[str, str] = ("train", "val")
    counts: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (500, 500)
    mean: tuple[float, ...] = IMAGENET_MEAN
    scale: float = 1.0
    classified: bool = False
    readers: tuple[tuple[DataLayer, str], ...] = ()

    @classmethod
    def published(cls, name: str, **differences: Any) -> DataSet:
        """The data set of a row of `published_sets`, but for what is different for one net."""
        row = SETS[name]
        facts = {
            "images": row.images,
            "labels": tuple(row.classes),
            "class_counts": tuple(map(len, row.classes.values())),
            "splits": row.splits,
            "counts": row.counts,
            "size": row.size,
            "mean": row.mean,
            "scale": row.scale,
            "classified": row.classified,
            "readers": tuple((LAYERS[source], split) for source, split in row.readers),
        }
        return cls(name, **{**facts, **differences})

    @property
    def tops(self) -> list[str]:
        """The names of all blobs, images first."""
        return [*self.images, *self.labels]


@dataclass(frozen=True)
class Net:
    """A net of the catalogue: ``lay(n, plan)`` lays its layers, ``solver`` has the fields of its solver.

    ``data`` is the usual kind of data layers, ``source`` the folder of all data as seen from the net's own.
    ``choices`` has an option of this net alone: its values, the usual one first, each with its solver. ``at_once``
    trains all skips from the start; ``normalize`` divides the loss by the pixels that count; ``bilinear`` gives
    every class an upsampling kernel of its own, which Caffe fills; ``counted`` puts a number of classes other than
    PASCAL VOC's into the names of the layers whose shape depends on it, so that fine-tuning from DIGITS's nets passes
    over them;
    ``filler`` starts the trunk for training from scratch; ``digits`` gives the net the form of NVIDIA DIGITS in
    every phase; ``all_in_one`` writes it as one net for all phases, too.
    """

    name: str
    trunk: Trunk
    stride: int | None
    solver: Mapping[str, Any]
    dataset: DataSet
    classes: tuple[int, ...]
    lay: Callable[[NetSpec, Plan], None]
    source: str = "../data"
    data: str = "python"
    batch: int = 1
    choices: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    at_once: bool = False
    normalize: bool = False
    bilinear: bool = False
    counted: bool = False
    filler: str = ""
    digits: bool = False
    all_in_one: bool = False


@dataclass(frozen=True)
class Plan:
    """A net and all that it is asked for, with the net's defaults filled in.

    ``phase`` is "train", "val", "deploy", or "all" for one net that holds all three. ``mean`` has a figure for each
    channel (B, G, R), or one for all; ``size`` is the deploy net's (H, W). ``pad`` is the first convolution's
    padding where it is not the trunk's own. ``choice`` is one of the net's ``choices``.
    """

    net: Net
    phase: str
    classes: tuple[int, ...]
    data: str
    source: str | None
    mean: tuple[float, ...]
    size: tuple[int, int]
    batch: int
    pad: int | None
    choice: str

    @property
    def training(self) -> bool:
        """Whether the net has labels, dropout and a loss."""
        return self.phase != "deploy"

    def holds(self, phase: str) -> bool:
        """Whether the net is for this phase, or for all."""
        return self.phase in (phase, "all")

    def only(self, phase: str) -> dict[str, Any]:
        """The rule that keeps a layer of a net for all phases to one of them (DIGITS names stages after them)."""
        return {"include": {"stage": phase}} if self.phase == "all" else {}

    def but(self, phase: str) -> dict[str, Any]:
        """The rule that keeps a layer of a net for all phases out of one of them."""
        return {"exclude": {"stage": phase}} if self.phase == "all" else {}

    @property
    def digits(self) -> bool:
        """Whether the net has the form of DIGITS: one that holds all phases always has."""
        return self.net.digits or self.phase == "all"

    @property
    def shifted(self) -> bool:
        """Whether the net itself subtracts the mean, one figure for all channels, as DIGITS's nets do."""
        return self.digits and self.data != "python" and len(self.mean) == 1

    def features(self, n: NetSpec, image: Top, **more: Any) -> Top:
        """Lay the trunk on an image."""
        pad = self.net.trunk.pad if self.pad is None else self.pad
        return self.net.trunk.lay(n, image, pad, self.training, **more)
