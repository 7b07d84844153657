"""The parameter types of all commands, and the options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe_fcn.cli.printing import echo
from caffe_fcn.net.graph import PHASES

if TYPE_CHECKING:
    from caffe_fcn import proto


_Function = TypeVar("_Function", bound=Callable[..., Any])


class SpelledType(click.ParamType):  # type: ignore[type-arg]
    """A type whose name ``--help`` shows as it is spelled here; click would write it in capitals."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return self.name


class NumberList(SpelledType):
    """Numbers with a separator between them, as a tuple.

    ``what`` describes a list in the message for what is not one, ``read`` reads one number and raises `ValueError` for
    what is not a number, ``separator`` is a regular expression. Without ``lengths`` a list has any length.
    """

    def __init__(
        self,
        name: str,
        what: str,
        read: Callable[[str], Any] = float,
        separator: str = ",",
        lengths: Container[int] | None = None,
    ) -> None:
        self.name = name
        self.what = what
        self.read = read
        self.separator = separator
        self.lengths = lengths

    def parse(self, text: str) -> tuple[Any, ...] | None:
        """The numbers of ``text``, or None if it is not such a list."""
        try:
            numbers = tuple(self.read(part.strip()) for part in re.split(self.separator, text))
        except ValueError:
            return None
        return numbers if self.lengths is None or len(numbers) in self.lengths else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if not isinstance(value, str):  # a default, which has been converted
            return tuple(value)
        numbers = self.parse(value)
        if numbers is None:
            self.fail(f"{value!r} is not a {self.what}", param, ctx)
        return numbers


class Size(NumberList):
    """Height and width as ``HxW``, or one number for both."""

    def __init__(self) -> None:
        super().__init__("HxW", "size such as 500x375 (height x width)", _read_side, "[xX]", lengths=(1, 2))

    def parse(self, text: str) -> tuple[Any, ...] | None:
        numbers = super().parse(text)
        return numbers * 2 if numbers and len(numbers) == 1 else numbers


def _read_side(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _read_class(text: str) -> int | None:
    return None if text == "new" else int(text)


MEAN = NumberList("B,G,R", "list of numbers such as 104.007,116.669,122.679 (blue, green, red)")
MEAN_OF_IMAGES = NumberList("B,G,R", "mean such as 104.0,116.7,122.7 (blue, green, red)", lengths=(1, 3))
CLASS_COUNTS = NumberList("N[,N]", "number of classes such as 21, or 33,3 for two labellings", int)
CLASSES = NumberList("N|new,...", "list such as new,404,895", _read_class)


class Mean(SpelledType):
    """Numbers as `MEAN` takes them, as a tuple; or the path of a file of a mean."""

    name = "B,G,R|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...] | str:
        numbers = MEAN.parse(value) if isinstance(value, str) else tuple(value)
        if numbers is not None:
            return numbers
        if Path(value).suffix not in (".binaryproto", ".npy") and not Path(value).exists():
            self.fail(f"{value!r} is neither a {MEAN.what} nor a file of a mean (.binaryproto or .npy)", param, ctx)
        return str(value)


class NamedPath(SpelledType):
    """``BLOB=DIR``, or ``BLOB=FILE``, as a pair."""

    name = "BLOB=DIR|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        blob, equals, path = value.partition("=") if isinstance(value, str) else (value[0], "=", value[1])
        if not (blob and equals and path):
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return blob, path


class Renames(SpelledType):
    """``old=new,...`` as a dict; ``old=`` leaves a layer out."""

    name = "OLD=NEW,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        renames = {}
        for pair in filter(None, value.split(",")):
            old, equals, new = (part.strip() for part in pair.partition("="))
            if not old or not equals or old in renames:
                self.fail(f"{pair!r} is no OLD=NEW, or OLD is given twice", param, ctx)
            renames[old] = new
        return renames


class BlobShape(SpelledType):
    """A blob and its shape, as (name, shape)."""

    name = "BLOB=NxCxHxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        if not isinstance(value, str):
            return (str(value[0]), tuple(value[1]))
        blob, _, shape = value.rpartition("=")
        if not blob or not re.fullmatch(r"\d{1,9}(x\d{1,9})*", shape):
            self.fail(f"{value!r} is no BLOB=SHAPE such as rois=300x5", param, ctx)
        return blob, tuple(map(int, shape.split("x")))


class Padding(SpelledType):
    """A whole number, or ``auto``."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


phase_option = click.option(
    "--phase", type=click.Choice(list(PHASES), case_sensitive=False), help="The phase of the net (default: deploy)."
)
stage_option = click.option("--stage", "stages", multiple=True, help="A further stage of the net; may be repeated.")
size_option = click.option("--size", type=Size(), help="The size of the image, in place of the net's own.")
shape_option = click.option(
    "--shape",
    "inputs",
    type=BlobShape(),
    multiple=True,
    help="The shape of a blob that only code or data know, such as what a Python layer makes; may be repeated.",
    callback=lambda ctx, param, value: dict(value),
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
no_check_option = click.option(
    "--no-check", is_flag=True, help="Train without looking for mistakes first (see caffe-fcn check)."
)
allow_unknown_option = click.option(
    "--allow-unknown",
    is_flag=True,
    help="Keep fields and engines that no known Caffe has as they are written. Unknown values of other fields stay "
    "errors, because a default would take their place.",
)
dialect_option = click.option(
    "--dialect",
    default="",
    metavar="NAME",
    help="The fork of Caffe that wrote a binary net, such as ssd, segnet, pspnet (default: as its fields tell). A text "
    "names its fields and needs none.",
)
engine_option = click.option(
    "--engine", default="auto", metavar="auto|caffe|torch", help="What runs the net (default: auto, what is installed)."
)
precision_option = click.option(
    "--precision", default="float32", metavar="float32|tf32|bf16", help="The precision in which torch multiplies."
)
caffe_option = click.option("--caffe", metavar="PATH", help="The caffe program, or the folder it is installed in.")
gpu_option = click.option(
    "--gpu", type=click.IntRange(min=0), metavar="N", help="The GPU that runs the net (default: the CPU)."
)
mean_option = click.option(
    "--mean",
    type=Mean(),
    help="The mean to subtract from each channel, or its file (default: as model.json beside NET says, or else NET).",
)
scale_option = click.option(
    "--scale", type=float, metavar="X", help="The factor to multiply by after that (default: as for --mean, or else 1)."
)


def running_options(function: _Function) -> _Function:
    """Add the options on how a net runs, and on what images go through before it."""
    for option in (scale_option, mean_option, gpu_option, precision_option, caffe_option, engine_option):
        function = option(function)
    return function


blob_option = click.option(
    "--blob",
    default="",
    metavar="BLOB",
    help="The blob that has the scores (default: as model.json beside NET says, or else the net's last output).",
)
nproc_option = click.option(
    "--nproc",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that share the images, each with its part of the processors (default: one, or as torchrun says).",
)

batch_option = click.option(
    "--batch",
    type=click.IntRange(1, 256),
    default=1,
    metavar="N",
    help="Images of one size that go through the net at once (default: 1). Small images take less time so; the last "
    "digits of scores depend on it.",
)


augment_option = click.option(
    "--augment",
    metavar="TRANSFORM,...",
    help="How training images and labels are changed: flip, scale=0.75:1.25, rotate=10, crop=HxW, colour=0.2; default "
    "is all but the crop.",
)

_BUILD_OPTIONS = (
    click.option(
        "--source", metavar="DIR", help="The folder of the data: a data set, a job of DIGITS, published sets."
    ),
    click.option("--mean", type=MEAN, help="The mean to subtract, for each channel or for all."),
    click.option("--size", type=Size(), help="The size of the deploy net's input."),
    click.option("--batch", type=int, metavar="N", help="The number of images at a time."),
    click.option(
        "--pad",
        type=Padding(),
        help="The padding of the first layer; auto is the least for images of --size and larger, or of any size.",
    ),
    augment_option,
)


def build_options(function: _Function) -> _Function:
    """The options of every command that builds nets: source, mean, size, batch, padding and augmentation."""
    for option in reversed(_BUILD_OPTIONS):
        function = option(function)
    return function


def read_net(path: str, allow_unknown: bool, dialect: str = "") -> proto.NetParameter:
    """Read a net; notes on stderr name the unknown fields, and the fork that a binary net was recognized to be of."""
    from caffe_fcn import proto

    notes: list[proto.UnknownField] = []
    recognized: list[str] = []
    net = proto.read_net(path, allow_unknown, notes, dialect=dialect, recognized=recognized)
    report_unknown_fields(notes)
    report_dialects(path, recognized)
    return net


def report_dialects(path: str, recognized: list[str]) -> None:
    """Say on stderr which fork a binary net was recognized to be of, or which ones it may be of."""
    if len(recognized) == 1:
        from caffe_fcn.proto.dialects.table import FORKS

        fork = recognized[0]
        echo(
            f"note: {path} is read as the Caffe {fork!r} ({FORKS[fork]}) writes it; --dialect says otherwise", err=True
        )
    elif recognized[:1] == ["bvlc"]:
        names = ", ".join(recognized[1:])
        what = f"{path}: number 13 of pooling_param is read as BVLC's round_mode"
        echo(f"note: {what}; it is ceil_mode, the opposite, if one of these wrote it (--dialect): {names}", err=True)
    elif recognized:
        names = ", ".join(recognized)
        echo(f"note: {path} has fields of a fork that are not read: --dialect says whose, one of {names}", err=True)


def report_unknown_fields(notes: list[proto.UnknownField], most: int = 20) -> None:
    """Name on stderr what ``--allow-unknown`` kept: the first ones, and how many more there are."""
    for note in notes[:most]:
        echo(f"note: {note}, kept", err=True)
    if len(notes) > most:
        echo(f"note: and {len(notes) - most} more, kept", err=True)
