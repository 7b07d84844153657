"""The design of a net (`NetDesign`) and what one call of ``netspec.build`` asks of it (`BuildPlan`).

The catalogue is a table of `NetDesign`: data set, backbone, stride, solver. ``netspec.build`` makes a `BuildPlan` of
one of them, in which every option has a value. Every function that adds layers takes the NetSpec and the BuildPlan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from caffe_fcn.datasets.reference_layers.published_sets import IMAGENET_MEAN, LAYERS, SETS, Colour, DataLayer
from caffe_fcn.netspec.spec import NetSpec, Top

BUILD_PHASES = ("train", "val", "deploy", "all")

_POOLINGS = {16: "pool4", 8: "pool3"}


@dataclass(frozen=True)
class Backbone:
    """The layers of an image classifier up to the features that an FCN head scores.

    ``add_layers(n, image, pad, training)`` adds them and returns the Top of the features, which have stride ``stride``.
    ``pad`` is the usual padding of the first convolution. ``skips`` maps each finer stride to the layer that a skip
    starts from, coarsest first. ``weights`` is the published model that has its weights, where there is one.
    """

    name: str
    add_layers: Callable[..., Top]
    pad: int
    stride: int = 32
    skips: Mapping[int, str] = field(default_factory=_POOLINGS.copy)
    weights: str = ""


@dataclass(frozen=True)
class DataSet:
    """A data set as one net sees it: the blobs of its images and labels, and the Python data layers that make them.

    ``images`` gives the channels of each image blob; ``mean`` is that of the first, a colour image. ``reads`` has the
    blobs that the reference's layer calls by another name. ``class_counts`` has a number for each label blob.
    ``splits`` are the names of the training and the validation part. ``scale`` multiplies pixels after the mean is
    subtracted. ``class_names`` has the names of the classes of each label blob, and ``palette`` a colour for each of
    the first one's, where they are known. ``readers`` are a Python data layer and its split for training, and those
    for validation. With ``classified``, the label of an image is one number in the image's own record. Pixels with the
    label ``ignore_label`` do not count.

    ``databases`` has, for the phases that a data set at hand has, the database of each blob in the data set's folder;
    it is None where no data set is at hand. ``counts`` are the images to train and to validate on, where it says so;
    ``frequencies`` the share of each class in the labelled pixels of the training part, and ``median_weights`` their
    weights by median-frequency balancing.
    """

    name: str
    images: Mapping[str, int] = field(default_factory=lambda: {"data": 3})
    labels: tuple[str, ...] = ("label",)
    reads: Mapping[str, str] = field(default_factory=dict)
    class_counts: tuple[int, ...] = ()
    class_names: tuple[tuple[str, ...], ...] = ()
    palette: tuple[Colour, ...] = ()
    splits: tuple[str, str] = ("train", "val")
    size: tuple[int, int] = (500, 500)
    mean: tuple[float, ...] = IMAGENET_MEAN
    scale: float = 1.0
    classified: bool = False
    readers: tuple[tuple[DataLayer, str], ...] = ()
    ignore_label: int | None = 255
    databases: Mapping[str, Mapping[str, str]] | None = None
    counts: tuple[int | None, int | None] | None = None
    frequencies: tuple[float, ...] = ()
    median_weights: tuple[float, ...] = ()

    @classmethod
    def from_table(cls, name: str, **differences: Any) -> DataSet:
        """Make the data set of a row of `published_sets`; ``differences`` replace what is different for one net."""
        row = SETS[name]
        facts = {
            "images": row.images,
            "labels": tuple(row.classes),
            "class_counts": tuple(map(len, row.classes.values())),
            "class_names": tuple(row.classes.values()),
            "palette": row.palette,
            "splits": row.splits,
            "size": row.size,
            "mean": row.mean,
            "scale": row.scale,
            "classified": row.classified,
            "readers": tuple((LAYERS[source], split) for source, split in row.readers),
        }
        return cls(name, **{**facts, **differences})

    @property
    def validates(self) -> bool:
        """Whether there is a validation part, as there is where no data set is at hand."""
        return not self.databases or "val" in self.databases

    @property
    def tops(self) -> list[str]:
        """The names of all blobs, images first."""
        return [*self.images, *self.labels]


@dataclass(frozen=True)
class SolverDesign:
    """The usual solver of a net: its fields, and in ``origin`` who says so, where ``{}`` stands for the net's name.

    ``counts`` are the images to train and to validate on for which it was made, or None where it is for no data set in
    particular. ``epochs`` is how often it sees each of them, where it was made by epochs and not by iterations.
    """

    fields: Mapping[str, Any]
    origin: str
    counts: tuple[int, int] | None
    epochs: int | None = None


class Setting(NamedTuple):
    """The value of a field of a solver, and what says it."""

    value: Any
    origin: str


Settings = dict[str, Setting]


@dataclass(frozen=True)
class TrainingOptions:
    """What the caller asks of the solver; None stands for what the net and the data set say.

    ``val_every`` is in epochs. ``optimizer`` is Caffe's type of solver.
    """

    epochs: Fraction | None = None
    base_lr: float | None = None
    lr_policy: str | None = None
    momentum: float | None = None
    iter_size: int | None = None
    val_every: Fraction | None = None
    optimizer: str | None = None

    @property
    def has_any(self) -> bool:
        """Whether anything is asked for."""
        return any(value is not None for value in astuple(self))


@dataclass(frozen=True)
class Variant:
    """One of the forms of a net that has several: its solver, and whether it takes ``classes``."""

    name: str
    solver: SolverDesign
    takes_classes: bool = True


@dataclass(frozen=True)
class Variants:
    """All forms of a net that has several, the usual one first; the build option ``option`` selects one by its name."""

    option: str
    values: tuple[Variant, ...]
    note: str = ""


SPELLING, BVLC, FORK = "spelling", "bvlc", "fork"


def make_spellings(solver: SolverDesign, *names: str) -> Variants:
    """The spellings of a net of a fork: with the fork's layers, or by `to_bvlc` with those of BVLC's Caffe alone."""
    return Variants(SPELLING, tuple(Variant(name, solver) for name in names or (BVLC, FORK)))


@dataclass(frozen=True)
class NetDesign:
    """A net as one row of the catalogue: ``add_layers(n, plan)`` adds its layers, ``solver`` is its usual solver.

    ``data`` is the usual kind of data layers, ``source`` the folder of all data sets as seen from the net's own folder.
    A net that has several forms lists them in ``variants``, each with its solver; ``solver`` is that of the first.
    ``at_once`` trains all skips from the start. A net that does not goes on from the trained weights of the net
    ``continues``, with a smaller learning rate. ``normalize`` divides the loss by the number of pixels that count.
    ``bilinear`` gives every class an upsampling kernel of its own, which Caffe fills. ``classes_in_names`` puts a
    number of classes other than PASCAL VOC's into the names of the layers whose shape depends on it, so that
    fine-tuning from the nets of DIGITS leaves these layers out. ``filler`` initializes the backbone for training from
    scratch. ``grid`` are the sizes of image that fit the net: multiples of its first number, plus its second.
    ``digits_form`` gives the net the form of NVIDIA DIGITS in every phase. ``all_in_one`` also writes it as
    one net for all phases.
    """

    name: str
    backbone: Backbone
    stride: int | None
    solver: SolverDesign
    dataset: DataSet
    add_layers: Callable[[NetSpec, BuildPlan], None]
    source: str = "../data"
    data: str = "python"
    batch: int = 1
    variants: Variants | None = None
    continues: str = ""
    at_once: bool = False
    normalize: bool = False
    bilinear: bool = False
    classes_in_names: bool = False
    filler: str = ""
    grid: tuple[int, int] = (1, 0)
    digits_form: bool = False
    all_in_one: bool = False

    @property
    def takes_classes(self) -> bool:
        """Whether a form of the net learns classes, whose number can be chosen."""
        return self.variants is None or any(each.takes_classes for each in self.variants.values)

    @property
    def classes(self) -> tuple[int, ...]:
        """The number of classes of each labelling that the net learns."""
        return self.dataset.class_counts


@dataclass(frozen=True)
class BuildPlan:
    """A design with a value for every option of ``netspec.build``.

    ``augment`` has the transforms of what the net is trained on, by their names, or is None.
    ``phase`` is "train", "val", "deploy", or "all" for one net that holds all three. ``mean`` has one number for each
    channel (B, G, R), or one for all; ``size`` is (H, W) of the deploy net's input. ``pad`` is the padding of the first
    convolution, or None for the backbone's own. ``variant`` is one of the design's variants, or has no name where the
    design has only one form. ``class_weights`` has the weight of each class in the loss, or nothing where all count
    alike. ``options`` is what the caller asks of the solver.
    """

    net: NetDesign
    phase: str
    classes: tuple[int, ...]
    data: str
    source: str | None
    mean: tuple[float, ...]
    size: tuple[int, int]
    batch: int
    pad: int | None
    variant: Variant
    class_weights: tuple[float, ...] = ()
    options: TrainingOptions = TrainingOptions()
    augment: Mapping[str, Any] | None = None

    @property
    def training(self) -> bool:
        """Whether the net has labels, dropout and a loss."""
        return self.phase != "deploy"

    @property
    def in_bvlcs_spelling(self) -> bool:
        """Whether the layers of a fork become layers of BVLC's Caffe."""
        return self.net.variants is not None and (self.net.variants.option, self.variant.name) == (SPELLING, BVLC)

    def includes(self, phase: str) -> bool:
        """Whether the net is for this phase, or for all."""
        return self.phase in (phase, "all")

    def include_rule(self, phase: str) -> dict[str, Any]:
        """In a net for all phases, the rule that keeps a layer to one of them (DIGITS names stages after phases)."""
        return {"include": {"stage": phase}} if self.phase == "all" else {}

    def exclude_rule(self, phase: str) -> dict[str, Any]:
        """In a net for all phases, the rule that keeps a layer out of one of them."""
        return {"exclude": {"stage": phase}} if self.phase == "all" else {}

    @property
    def ignore_param(self) -> dict[str, int]:
        """The ignored label as a parameter of a loss or a measure; empty where every pixel counts."""
        label = self.net.dataset.ignore_label
        return {} if label is None else {"ignore_label": label}

    @property
    def digits_form(self) -> bool:
        """Whether the net has the form of DIGITS, as every net for all phases has."""
        return self.net.digits_form or self.phase == "all"

    @property
    def subtracts_mean(self) -> bool:
        """Whether a layer of the net subtracts the mean, one number for all channels, as in the nets of DIGITS."""
        return self.digits_form and self.data != "python" and len(self.mean) == 1

    def add_backbone(self, n: NetSpec, image: Top, **more: Any) -> Top:
        """Add the backbone's layers; returns the features."""
        pad = self.net.backbone.pad if self.pad is None else self.pad
        return self.net.backbone.add_layers(n, image, pad, self.training, **more)
