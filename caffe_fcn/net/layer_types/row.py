"""What a row of the table of layer types says: every fact of a type that anything in the package needs.

    "ReLU6": LayerType(same, "relu6_param", role="activation", fork="mobilenet-yolo")

The defaults are those of a layer that works on each value alone, has no parameters, and is nothing special.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from caffe_fcn.net.geometry import POINTWISE, CoordMap, Window

if TYPE_CHECKING:
    from caffe_fcn.net.layer_types.site import Shape, Site
    from caffe_fcn.proto import LayerParameter

ANY = 1 << 30  # of bottoms or tops: as many as there are

Rule: TypeAlias = "Callable[[Site], list[Shape]]"


class Kind(Enum):
    """The operations that surgery, offsets and builders of nets treat specially, with the message that they read."""

    CONVOLUTION = auto()  # convolution_param; weights: outputs x channels of a group x kernel
    DECONVOLUTION = auto()  # convolution_param; weights: channels x outputs of a group x kernel
    INNER_PRODUCT = auto()  # inner_product_param; weights: outputs x values, or transposed
    POOLING = auto()  # pooling_param
    CROP = auto()  # crop_param
    RESHAPING = auto()  # the same values under another shape


class Origin(Enum):
    """Where the blobs of a layer without bottoms come from."""

    INPUT = auto()  # whoever runs the net gives them
    DATABASE = auto()
    IMAGE_LIST = auto()
    IMAGE_PAIRS = auto()  # of images and label images, in a list
    BOXES = auto()  # images with the boxes of the things in them
    WINDOW_LIST = auto()
    HDF5 = auto()
    MEMORY = auto()  # arrays that the program gives
    CODE = auto()  # a Python module
    FILLERS = auto()

    @property
    def hides_shapes(self) -> bool:
        """Whether only files or code know what shapes the blobs have."""
        return self not in (Origin.INPUT, Origin.MEMORY, Origin.FILLERS)

    @property
    def reads_images(self) -> bool:
        """Whether the first blob holds images from files, which transform_param may crop."""
        return self in (Origin.DATABASE, Origin.IMAGE_LIST, Origin.IMAGE_PAIRS, Origin.BOXES, Origin.WINDOW_LIST)


Role: TypeAlias = Literal[
    "data",
    "convolution",
    "upsampling",
    "dense",
    "pooling",
    "normalization",
    "activation",
    "joining",
    "loss",
    "other",
]
"""What a layer is for; pictures give each role a colour."""


class Filler(NamedTuple):
    """The field that names a parameter's filler, and the constant that Caffe fills in where the field is not set.

    A parameter without such a field, as a statistic is, has the field "".
    """

    field: str
    default: float = 0.0


class Outputs(NamedTuple):
    """Where the weights of each output lie in a layer's first parameter, in storage order.

    The weights of ``total`` outputs consist of blocks of ``block`` values, one for each group, in which ``width``
    outputs alternate: ``inner`` values of one, then those of the next.
    """

    total: int
    width: int
    inner: int
    block: int

    def of(self, place: Any) -> Any:
        """The outputs that the values at these places (an array) belong to."""
        return place // max(self.block, 1) * self.width + place // max(self.inner, 1) % max(self.width, 1)


@dataclass(frozen=True)
class Affine:
    """A layer that multiplies each channel by a factor and adds a shift.

    ``factors`` makes both out of the layer's parameters (arrays), of which there are ``params`` (least, most);
    ``applies`` says whether the layer does so as it is set.
    """

    factors: Callable[[LayerParameter, Sequence[Any]], tuple[Any, Any]]
    params: tuple[int, int]
    applies: Callable[[LayerParameter], bool]


def none(site: Site) -> list[Shape]:
    """No tops, or no parameters."""
    return []


def no_macs(site: Site, tops: list[Shape]) -> int:
    """Nothing is multiplied and added up."""
    return 0


def ends(layer: LayerParameter) -> CoordMap | None:
    """Coordinates end here: nothing behind the layer can be aligned with what is before it."""
    return None


def pointwise(layer: LayerParameter) -> CoordMap | None:
    """Every value keeps its place."""
    return POINTWISE


def one_place(layer: LayerParameter) -> int:
    """A value depends on one place of the bottom."""
    return 1


def nowhere(layer: LayerParameter) -> bool:
    """Values depend on more of a bottom than their own place."""
    return False


def everywhere(layer: LayerParameter) -> bool:
    """Every value depends on its own place alone."""
    return True


def no_fillers(layer: LayerParameter) -> Sequence[Filler]:
    """All parameters start at zero."""
    return ()


def filled_by(*fillers: Filler) -> Callable[[LayerParameter], Sequence[Filler]]:
    """The same fillers for every layer of the type, in the order of its parameters."""
    return lambda layer: fillers


weight_and_bias = filled_by(Filler("weight_filler"), Filler("bias_filler"))


def keeps_negatives(layer: LayerParameter) -> bool:
    """Values below zero stay below zero."""
    return False


def never_idle(layer: LayerParameter) -> bool:
    """It changes values in both phases."""
    return False


def no_summary(layer: LayerParameter) -> str:
    """No words: all layers of the type look alike."""
    return ""


def implies_nothing(layer: LayerParameter) -> None:
    """The fillers of the layer say which values its parameters start with, and nothing else."""


def as_it_is(table: dict[str, Any], message: Any) -> None:
    """Every field of the message makes a difference to Caffe."""


@dataclass(frozen=True)
class LayerType:
    """One row of the table.

    ``simplify_param`` and ``simplify`` serve the comparison of nets: both get a table, path -> value, and change it so
    that two messages that mean the same have the same table; the first that of the type's own message, the second
    that of the whole layer.
    """

    # Shapes
    tops: Rule
    param_name: str = ""
    bottoms: tuple[int, int] = (1, 1)
    makes: tuple[int, int] = (1, 1)
    params: Rule = none
    macs: Callable[[Site, list[Shape]], int] = no_macs

    # Places
    coords: Callable[[LayerParameter], CoordMap | None] = pointwise
    follows: int = ANY  # how many of the bottoms, from the first, carry coordinates
    field: Callable[[LayerParameter], tuple[Window, ...]] | None = None  # the windows, where there are any
    reach: Callable[[LayerParameter], int] = one_place  # places per axis that a value depends on, without windows
    upsamples: bool = False
    local: Callable[[LayerParameter], bool] = nowhere  # whether a value depends on those places alone, at any size

    # What it is
    fork: str = ""  # the fork of Caffe, or the project, whose type it is, for a type that BVLC's Caffe does not have
    kind: Kind | None = None
    origin: Origin | None = None  # where its blobs come from if it has no bottoms
    loss: bool = False  # whether its loss_weight is 1 where the net sets none
    reads_scores: bool = False  # whether it takes class scores and gives none: a loss, a measure, a choice
    open_axis: int | None = None  # of its tops, whose size depends on the values: it chooses some of what it reads
    regions: int | None = None  # which of its bottoms has regions: rows of an image's number and the corners of a box
    normalizes_scores: bool = False  # whether it makes probabilities of class scores
    idle_in_test: Callable[[LayerParameter], bool] = never_idle  # whether it changes nothing in the TEST phase
    frozen_by: Mapping[str, Any] | None = None  # fields that make it keep its statistics while the net is trained
    clips_negatives: Callable[[LayerParameter], bool] = keeps_negatives  # whether it makes zeros of what is negative
    gradient_reads_top: bool = False  # whether its backward pass needs what it made, unchanged

    # Weights
    fillers: Callable[[LayerParameter], Sequence[Filler]] = no_fillers  # of its parameters, in Caffe's order
    spell_out: Callable[[LayerParameter], None] = implies_nothing  # sets what fillers imply, before they are removed
    outputs: Callable[[LayerParameter, Shape], Outputs | None] | None = None  # None: weights that cannot be its own
    affine: Affine | None = None

    # Pictures
    role: Role = "other"
    summary: Callable[[LayerParameter], str] = no_summary  # in few words, what is special about a layer

    # Comparison
    unset_means: tuple[str, ...] = ()  # fields whose absence means something that no value of theirs means
    simplify_param: Callable[[dict[str, Any], Any], None] = as_it_is
    simplify: Callable[[dict[str, Any], LayerParameter], None] = as_it_is


LAYER_TYPES: dict[str, LayerType] = {}  # filled by the package from its families

_UNKNOWN = LayerType(none, coords=ends)


def layer_type(name: str) -> LayerType:
    """The row of a type; for a type without one, such as a fork's, a row that says nothing.

    Where a net needs all its types to be known, `shapes.row_of` raises instead.
    """
    return LAYER_TYPES.get(name, _UNKNOWN)
