"""Read and write ``model.json``, which describes a net: what its images must be like, and what its outputs mean.

    model = Model([Input("data", 3, mean=[104.0, 117.0, 123.0])], [Output("score", classes=["road", "sky"])])
    model.write(Path("nets/fcn8s"))
    read(Path("nets/fcn8s")).inputs[0].mean

The file lies beside the net's prototxts, because a prototxt cannot say any of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from caffe_fcn.description.json_files import parse_description, read_description, write_description
from caffe_fcn.description.model_fields import check_model

FILE = "model.json"

_RARE = ("database", "logarithm")


@dataclass
class Input:
    """A blob that takes an image. The net gets (pixel - mean) * scale.

    ``order`` says what its channels are: ``BGR``, ``RGB``, ``grey``, or ``planes`` of anything else. ``mean`` has a
    number for each channel, in this order, or one for all; ``mean_file`` is the file of a mean image in the same
    folder, in place of ``mean``. Where both are None the mean is unknown; a net that needs none has ``[0.0]``.

    ``database`` is what a data set calls the database of such images: by default ``images`` for the first input, and
    the name of the blob for further ones. ``logarithm`` says that the net gets log(pixel) - mean, as for depth in
    millimetres; the records of a data set are logarithms already.
    """

    blob: str
    channels: int
    order: str = "BGR"
    mean: list[float] | None = None
    mean_file: str | None = None
    scale: float = 1.0
    database: str | None = None
    logarithm: bool = False


@dataclass
class Output:
    """A blob that the net answers with.

    ``kind`` is ``scores`` of classes, ``probabilities``, ``grey`` values, or ``classes``: the number of the best class
    in one channel. ``palette`` has a colour (R, G, B) for each class. ``ignore_label`` is the label of pixels that were
    neither learned nor are scored. What is None is unknown; without ``ignore_label`` every pixel counts.
    """

    blob: str
    kind: str = "scores"
    classes: list[str] | None = None
    palette: list[list[int]] | None = None
    ignore_label: int | None = None


@dataclass
class Model:
    """The content of ``model.json``: at least one input and one output, the main ones first.

    ``dataset`` is the name of the data set that the net was made for. ``unknown`` has the fields that a later version
    wrote; they are kept unchanged.
    """

    inputs: list[Input]
    outputs: list[Output]
    dataset: str | None = None
    unknown: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``model.json`` into ``folder``; what few nets need is written only where it is set."""
        known = asdict(self)
        for each in known["inputs"]:
            for name in _RARE:
                if not each[name]:
                    del each[name]
        write_description(folder / FILE, {**known.pop("unknown"), **known})


def read(folder: Path) -> Model | None:
    """Return the description in ``folder``, or None where there is none; raises `FileError` where a field is wrong."""
    content = read_description(folder / FILE, check_model, _WHAT, _MEND)
    return None if content is None else _make_model(content)


def parse(source: bytes, where: object) -> Model:
    """Return the description in ``source``; raises `FileError` at ``where`` where a field is wrong."""
    return _make_model(parse_description(source, where, check_model, _WHAT, _MEND))


_WHAT, _MEND = "a description of a net", "correct it, or remove it and give the options"


def _make_model(content: dict[str, Any]) -> Model:
    known = {each.name for each in fields(Model)} - {"unknown"}
    return Model(
        inputs=[Input(**_select(Input, each)) for each in content["inputs"]],
        outputs=[Output(**_select(Output, each)) for each in content["outputs"]],
        dataset=content.get("dataset"),
        unknown={name: value for name, value in content.items() if name not in known},
    )


def _select(kind: type[Input | Output], content: dict[str, Any]) -> dict[str, Any]:
    """The fields that ``kind`` has."""
    known = {each.name for each in fields(kind)}
    return {name: value for name, value in content.items() if name in known}
