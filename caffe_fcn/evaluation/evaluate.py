"""A net over a data set: every image scored, every pixel of its label compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines, proto
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.description.model_json import Model
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput, find_image_inputs
from caffe_fcn.evaluation.outputs import choose_blob, find_kind, find_output
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.pictures import check_sizes
from caffe_fcn.evaluation.predict import classify_pixels, compute_scores
from caffe_fcn.evaluation.preprocessing import GivenMean, read_model
from caffe_fcn.evaluation.scores import ConfusionMatrix, Scores
from caffe_fcn.evaluation.scoring_net import make_scoring_net
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import LayerParameter, NetParameter

_UNLABELLED = 255  # the label that nothing describes otherwise
_MIDDLE_GREY = 127.5  # in grey labels, pixels above it are class 1, light


@dataclass(frozen=True)
class Evaluation:
    """The scores of a net over ``images`` images; ``classes`` are their names.

    ``overlap`` is the IoU of masks above a threshold, if one was given; ``note`` says which engine ran. ``weights`` is
    the name of the weights file.
    """

    images: int
    classes: Sequence[str]
    scores: Scores
    overlap: float | None = None
    note: str = ""
    weights: str = ""

    def to_json(self, above: float | None = None) -> dict[str, object]:
        """Return the scores as a JSON object; ``above`` is the threshold of the masks, if one was given."""
        scores = self.scores
        each = zip(self.classes, scores.accuracy, scores.iu, strict=True)
        return {
            "weights": self.weights,
            "images": self.images,
            "pixel_accuracy": scores.pixel_accuracy,
            "mean_accuracy": scores.mean_accuracy,
            "mean_iu": scores.mean_iu,
            "frequency_weighted_iu": scores.frequency_weighted_iu,
            "per_class": [
                {"class": number, "name": name, "accuracy": accuracy, "iu": iu}
                for number, (name, accuracy, iu) in enumerate(each)
            ],
            **({} if above is None else {"above": {"threshold": above, "iu": self.overlap}}),
        }


@dataclass(frozen=True)
class Settings:
    """How images are transformed for the net, and which labels count.

    The net gets (pixel - mean) * scale; what is not given is as ``model.json`` or the net's own data layer says (see
    `preprocessing`). ``mean`` is numbers, or the file of a mean. ``blob`` has the scores (default: the first output
    of ``model.json``, or else the last of the net). ``ignore`` is the label that does not count (default: the data
    set's). ``above`` asks for the IoU of masks whose probability is above it.
    """

    mean: GivenMean = None
    scale: float | None = None
    blob: str = ""
    ignore: int | None = None
    above: float | None = None


def evaluate(
    net: PathLike,
    weights: PathLike,
    pairs: Pairs,
    settings: Settings = Settings(),
    engine: str = "auto",
    progress: TaskProgress | None = None,
    **options: Any,
) -> Evaluation:
    """Score a net on a split of a data set; ``options`` go to `engines.load`.

    A net with one output channel predicts grey values; grey labels count as two classes, dark and light. A net with
    several inputs reads also the databases that ``model.json`` names for them, or else those of the blobs' names.
    ``progress`` is called with the number of images done and the number of all.
    Raises whatever reading and running raise, and `DatasetError` or `EngineError` if net and labels do not fit.
    """
    if pairs.labels is None or len(pairs.labels) != len(pairs.images):
        raise DatasetError(pairs.images.path, "has no label image for each image", "name a folder with both")
    message = proto.read_net(net)
    model = read_model(net)
    scoring, reader = _make_scoring_net(message, model, pairs)
    blob = settings.blob or choose_blob(model, scoring)
    totals = _Totals(pairs, settings, model, blob)
    with (
        _write_if_changed(net, scoring, changed=reader is not None) as path,
        engines.load(path, weights, engine, stages=["deploy"], blobs=[blob] if blob else [], **options) as loaded,
    ):
        inputs = find_image_inputs(loaded, net, message, model, settings.mean, settings.scale)
        for index in range(len(pairs)):
            images, label = {each.blob: pairs.read(each.database, index) for each in inputs}, pairs.label(index)
            _check_record(inputs, images, label, pairs.locate(pairs.images, index))
            score = compute_scores(loaded, images, inputs, blob)
            totals.add(label[0], score, pairs.locate(pairs.labels, index))
            if progress:
                progress(index + 1, len(pairs))
    notes = dict.fromkeys((loaded.note, *(each.preprocessing.note for each in inputs)))
    found = totals.evaluation("; ".join(filter(None, notes)))
    return replace(found, weights=Path(weights).name)


class _Totals:
    """Accumulates labels and scores, and makes the measures of them."""

    def __init__(self, pairs: Pairs, settings: Settings, model: Model | None, blob: str) -> None:
        about = pairs.about
        output = find_output(model, blob)
        self._grey = about is not None and about.labels == "grey"
        self._names = (about.classes if about else None) or []
        self._model_names = (output.classes if output else None) or []
        self._holds_classes = find_kind(model, blob) == "classes"
        described = output.ignore_label if output else _UNLABELLED
        default = None if self._grey else about.ignore_label if about else described
        self._ignore = default if settings.ignore is None else settings.ignore
        background = 0 if self._names[:1] == ["background"] else None
        self._overlap = None if settings.above is None else Overlap(settings.above, background)
        self._confusion: ConfusionMatrix | None = None
        self._images = 0

    def add(self, label: NDArray[np.uint8], score: NDArray[np.float32], where: str) -> None:
        if score.shape[1:] != label.shape:
            what = f"is {dims(label.shape)}, and the scores are {dims(score.shape[1:])}"
            raise DatasetError(where, what, "take a net whose output is as large as its input")
        if self._holds_classes:
            numbers = np.arange(len(self._model_names or self._names), dtype=np.float32)
            if not numbers.size:
                what = "has the numbers of classes, and neither model.json nor the data set says how many there are"
                raise EngineError("net", what, "give a `blob` that has scores")
            score = (score[0] == numbers[:, None, None]).astype(np.float32)
        classes = 2 if self._grey else len(score)
        if classes == 1 or (self._grey and len(score) > 2):
            kind = "grey values" if self._grey else "classes"
            raise EngineError("net", f"has {len(score)} outputs, and the labels are {kind}", "take another data set")
        prediction = classify_pixels(score)
        if self._grey:
            label = (label > _MIDDLE_GREY).astype(np.uint8)
            prediction = (prediction > _MIDDLE_GREY).astype(np.uint8) if len(score) == 1 else prediction
        self._confusion = self._confusion or ConfusionMatrix(classes)
        self._confusion.add(label, prediction, self._ignore, where)
        if self._overlap:
            self._overlap.add(label, score)
        self._images += 1

    def evaluation(self, note: str) -> Evaluation:
        if self._confusion is None:
            raise DatasetError("labels", "there are none to compare with", "name a data set with images")
        classes = len(self._confusion.counts)
        candidates = [["dark", "light"]] if self._grey else [self._model_names, self._names]
        fitting = [names for names in candidates if len(names) == classes]
        class_names = fitting[0] if fitting else [str(number) for number in range(classes)]
        if len(fitting) == 2 and fitting[0] != fitting[1]:
            place = next(number for number in range(classes) if fitting[0][number] != fitting[1][number])
            other = f"class {place} is {fitting[0][place]!r} to the net and {fitting[1][place]!r} in the data set"
            note = "; ".join(filter(None, (note, other)))
        overlap = self._overlap.iou() if self._overlap else None
        return Evaluation(self._images, class_names, self._confusion.scores(), overlap, note)


def _check_record(
    inputs: Sequence[ImageInput], images: Mapping[str, NDArray[Any]], label: NDArray[Any], where: str
) -> None:
    for each in inputs:
        if len(images[each.blob]) != each.channels:
            what = f"has {len(images[each.blob])} channels in {each.database}, and the net takes {each.channels}"
            raise DatasetError(where, what, "take a net for such images")
    check_sizes(images, where)
    if len(label) != 1:
        raise DatasetError(where, f"its label has {len(label)} channels: colours, not classes", "write labels grey")


def _make_scoring_net(
    net: NetParameter, model: Model | None, pairs: Pairs
) -> tuple[NetParameter, LayerParameter | None]:
    """Return `make_scoring_net` for the first record of what each input of ``model`` reads."""
    main, *further = model.inputs if model else [None]
    shape = pairs.read(main.database, 0).shape if main and main.database else pairs.shape(0)
    shapes = {each.blob: pairs.read(each.database or each.blob, 0).shape for each in further if each}
    return make_scoring_net(net, (1, *shape), {blob: (1, *each) for blob, each in shapes.items()})


@contextmanager
def _write_if_changed(path: PathLike, net: NetParameter, changed: bool) -> Iterator[Path]:
    if not changed:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, Path(path).name)
        proto.write(net, written)
        yield written
