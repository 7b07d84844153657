"""A run as it lies on the disk: what there is of its net, training, scores and data, for a report.

    run = read_run("runs/roads")
    run.history.losses(), run.scores.per_class

What is not there is None or empty, and `Run.missing` says why. Nothing of it is computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from caffe_fcn import files, proto, strict_json
from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.palette import Colour, fill_gaps, make_voc_palette
from caffe_fcn.description import model_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.description.model_json import Model
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.evaluation.score_files import FILE as SCORES_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.digits_job import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.interop.model_folders import find_weights
from caffe_fcn.proto import NetParameter, SolverParameter
from caffe_fcn.strict_json import list_of, number, object_of, optional, text, whole_number
from caffe_fcn.training import History, read_log

TRAINING, WEIGHTS, SCORES, DATA = "training", "weights", "scores", "data"
"""What may be missing in a run."""

_DATA_FOLDER = "data"
_MOST = (1 << 53) - 1

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class ClassScore:
    """The scores of a class, from 0 to 1; None where it has none."""

    number: int
    name: str
    accuracy: float | None
    iu: float | None


@dataclass(frozen=True)
class ImageScore:
    """The scores of record ``index`` of the split that was scored."""

    index: int
    name: str
    pixel_accuracy: float | None
    mean_iu: float | None


@dataclass(frozen=True)
class RunScores:
    """What ``scores.json`` says; ``confusion`` and ``per_image`` are empty where it does not have them.

    Row i of ``confusion`` counts as what the pixels of class i were predicted.
    """

    weights: str
    images: int
    measures: dict[str, float]
    per_class: Sequence[ClassScore]
    confusion: Sequence[Sequence[int]] = ()
    per_image: Sequence[ImageScore] = ()


@dataclass(frozen=True)
class Run:
    """A run in ``folder``; ``missing`` has the reason for each part that is not there."""

    folder: Path
    net: NetParameter
    model: Model | None = None
    solver: SolverParameter | None = None
    weights: Path | None = None
    history: History | None = None
    scores: RunScores | None = None
    data: Path | None = None
    about: Description | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def deploy(self) -> Path:
        """The file of the net."""
        return self.folder / DEPLOY_FILE

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def is_grey(self) -> bool:
        """Whether the net answers with grey values, which have no colours of classes."""
        return self.model is not None and self.model.outputs[0].kind == "grey"

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes, where anything says them."""
        output = self.model.outputs[0] if self.model else None
        return (output.classes if output else None) or (self.about.classes if self.about else None) or []

    @property
    def colours(self) -> Sequence[Colour]:
        """The colours of the classes: those of the net, or else of the data set, or else PASCAL VOC's."""
        described = [self.model.outputs[0].palette if self.model else None, self.about.palette if self.about else None]
        given = next(filter(None, described), [])
        return fill_gaps({value: (r, g, b) for value, (r, g, b) in enumerate(given)}) or make_voc_palette()


def read_run(folder: PathLike, data: PathLike | None = None) -> Run:
    """Read a run; ``data`` is its data set, by default the one in the run's folder.

    Raises `FileError` where the folder has no deploy net, and for a file of it that is damaged.
    """
    path = Path(folder)
    deploy = path / DEPLOY_FILE
    if not deploy.is_file():
        raise FileError(folder, f"has no {DEPLOY_FILE}", "name the folder of a run: a net that was trained")
    missing: dict[str, str] = {}

    def find(part: str, read: Callable[[], _Part]) -> _Part | None:
        try:
            return read()
        except FileError as error:
            missing[part] = f"{error.where}: {error.what}"
            return None

    solver = path / SOLVER_FILE
    place = Path(data) if data is not None else path / _DATA_FOLDER
    if data is not None or (place.is_dir() and opening.splits(place)):
        about = opening.describe(place)
    else:
        missing[DATA] = f"{place}: is no data set"
        about = None
    weights = find(WEIGHTS, lambda: find_weights(path)[0])
    return Run(
        path,
        proto.read_net(deploy, allow_unknown=True, notes=[]),
        model_json.read(path),
        proto.read_solver(solver, allow_unknown=True) if solver.is_file() else None,
        weights,
        find(TRAINING, lambda: read_log(path)),
        find(SCORES, lambda: _read_scores(path / SCORES_FILE)),
        None if DATA in missing else place,
        about,
        missing,
    )


def _read_scores(path: Path) -> RunScores:
    try:
        content = strict_json.parse(files.read_bytes(path))
        _SCORES(content, "")
        classes = len(content["per_class"])
        confusion = content.get("confusion") or []
        if any(len(row) != len(confusion) for row in confusion) or len(confusion) not in (0, classes):
            raise ValueError(f"its confusion matrix is not one of {classes} classes")
    except ValueError as error:
        raise CaffeFcnError(path, f"has no scores: {error}", "remove it, or evaluate the net again") from error
    return RunScores(
        content["weights"],
        content["images"],
        {name: float(content[name]) for name in MEASURES},
        [ClassScore(each["class"], each["name"], each["accuracy"], each["iu"]) for each in content["per_class"]],
        confusion,
        [
            ImageScore(each["index"], each["name"], each["pixel_accuracy"], each["mean_iu"])
            for each in content.get("per_image") or []
        ],
    )


MEASURES: dict[str, Any] = {
    "mean_iu": "mean IU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "frequency_weighted_iu": "frequency-weighted IU",
}
"""The measures of a run's scores, and what people call them."""

_SHARE = optional(number)
_CLASS = {"class": whole_number(0, _MOST), "name": text, "accuracy": _SHARE, "iu": _SHARE}
_IMAGE = {"index": whole_number(0, _MOST), "name": text, "pixel_accuracy": _SHARE, "mean_iu": _SHARE}
_SCORES = object_of(
    {
        "weights": text,
        "images": whole_number(0, _MOST),
        **dict.fromkeys(MEASURES, number),
        "per_class": list_of(object_of(_CLASS, required=_CLASS)),
        "confusion": optional(list_of(list_of(whole_number(0, _MOST)))),
        "per_image": optional(list_of(object_of(_IMAGE, required=_IMAGE))),
    },
    required=("weights", "images", *MEASURES, "per_class"),
)
