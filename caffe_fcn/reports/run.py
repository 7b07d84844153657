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
from caffe_fcn.evaluation import ImageScore
from caffe_fcn.evaluation.score_files import FILE as SCORES_FILE
from caffe_fcn.evaluation.validation import find_data_set
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.model_folders import find_weights
from caffe_fcn.proto import NetParameter, SolverParameter
from caffe_fcn.strict_json import list_of, number, object_of, optional, text, whole_number
from caffe_fcn.training import History, read_log
from caffe_fcn.training.record import RunRecord, read_record

TRAINING, WEIGHTS, SCORES, DATA, RECORD = "training", "weights", "scores", "data set", "record"
"""What may be missing in a run."""

BOUNDARY = "mean_boundary_iu"

_DATA_FOLDER = "data"
_PREFIX = "snapshot/train"
_MOST = (1 << 53) - 1

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class ClassScore:
    """The scores of a class, from 0 to 1; None where it has none. ``pixels`` are how many are labelled so."""

    number: int
    name: str
    accuracy: float | None
    iu: float | None
    boundary_iu: float | None = None
    pixels: int | None = None


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
    record: RunRecord | None = None
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

    Raises `FileError` where the folder has no deploy net, ``data`` is no data set, or a file is damaged.
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
    if data is not None:
        opening.require_splits(data)
    place = Path(data) if data is not None else _find_data(path, solver)
    if place is None:
        missing[DATA] = f"{path} has none, and no database that its nets read is there"
    return Run(
        path,
        proto.read_net(deploy, allow_unknown=True, notes=[]),
        model_json.read(path),
        proto.read_solver(solver, allow_unknown=True) if solver.is_file() else None,
        find(WEIGHTS, lambda: find_weights(path)[0]),
        find(TRAINING, lambda: read_log(path)),
        read_record(path / _PREFIX),
        find(SCORES, lambda: read_scores(path / SCORES_FILE)),
        place,
        opening.describe(place) if place else None,
        missing,
    )


def _find_data(run: Path, solver: Path) -> Path | None:
    """Return the data set in the folder of a run, or else the one that its nets read, from there or from here."""
    own = run / _DATA_FOLDER
    if own.is_dir() and opening.splits(own):
        return own
    if not solver.is_file():
        return None
    found = find_data_set(solver, run) or find_data_set(solver, Path.cwd())
    return found[0] if found else None


def read_scores(path: Path) -> RunScores:
    """Read a file of what ``evaluate --json`` said; raises `FileError` or `CaffeFcnError` where it has no scores."""
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
        {name: float(content[name]) for name in MEASURES if content.get(name) is not None},
        [_read_class(each) for each in content["per_class"]],
        confusion,
        [
            ImageScore(each["index"], each["name"], each["pixel_accuracy"], each["mean_iu"])
            for each in content.get("per_image") or []
        ],
    )


def _read_class(each: dict[str, Any]) -> ClassScore:
    further = each.get("boundary_iu"), each.get("pixels")
    return ClassScore(each["class"], each["name"], each["accuracy"], each["iu"], *further)


MEASURES = {
    "mean_iu": "mean IU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "frequency_weighted_iu": "frequency-weighted IU",
    BOUNDARY: "mean boundary IU",
}
"""The measures of a run's scores, and what people call them; earlier scores lack the last one."""

_SHARE, _COUNT = optional(number), whole_number(0, _MOST)
_CLASS = {"class": _COUNT, "name": text, "accuracy": _SHARE, "iu": _SHARE}
_CLASS_NOW = {**_CLASS, "boundary_iu": _SHARE, "pixels": _COUNT}
_IMAGE = {"index": _COUNT, "name": text, "pixel_accuracy": _SHARE, "mean_iu": _SHARE}
_SCORES = object_of(
    {
        "weights": text,
        "images": _COUNT,
        **dict.fromkeys(MEASURES, _SHARE),
        "per_class": list_of(object_of(_CLASS_NOW, required=_CLASS)),
        "confusion": optional(list_of(list_of(_COUNT))),
        "per_image": optional(list_of(object_of(_IMAGE, required=_IMAGE))),
    },
    required=("weights", "images", *(name for name in MEASURES if name != BOUNDARY), "per_class"),
)
