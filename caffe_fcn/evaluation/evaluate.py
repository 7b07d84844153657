"""A net over a data set: every image scored, every pixel of its label compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines, proto
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.engines import Engine
from caffe_fcn.engines.readers.transform import Transform
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.evaluation.deployed import deployed
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.predict import best, input_of, score_of
from caffe_fcn.evaluation.scores import Confusion, Scores
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import LayerParameter, NetParameter

_PAPER = 127.5  # grey labels: what is above it is class 1, light


@dataclass(frozen=True)
class Evaluation:
    """The scores of a net over ``images`` images; ``classes`` are their names.

    ``overlap`` is the IoU of masks above a threshold, where one was given; ``note`` tells of the engine.
    """

    images: int
    classes: Sequence[str]
    scores: Scores
    overlap: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Settings:
    """How images get into the net, and what counts.

    The net gets (pixel - mean) * scale, as its own data layer says where it has one and nothing is said here.
    ``blob`` has the scores (default: the last output). ``ignore`` is the label that does not count (default: the
    data set's). ``above`` asks for the IoU of masks above that probability.
    """

    mean: Sequence[float] = ()
    scale: float = 1.0
    blob: str = ""
    ignore: int | None = None
    above: float | None = None


def evaluate(
    net: PathLike,
    weights: PathLike,
    pairs: Pairs,
    settings: Settings = Settings(),
    engine: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Evaluation:
    """Score a net over a split of a data set; ``options`` go to `engines.load`.

    A net with one output is taken to regress grey values, and labels that are grey values count as two classes,
    dark and light. ``progress`` is called with the images done and all.
    Raises what reading and running raise, and `DatasetError` or `EngineError` where net and labels do not fit.
    """
    if pairs.labels is None or len(pairs.labels) != len(pairs.images):
        raise DatasetError(pairs.images.path, "has no label image for each image", "name a folder with both")
    message = proto.read_net(net)
    scoring, reader = deployed(message, (1, *pairs.shape(0)))
    transform = _transform(reader, settings)
    blobs = [settings.blob] if settings.blob else []
    counter = _Counter(pairs, settings)
    with (
        _as_file(net, scoring, changed=reader is not None) as path,
        engines.load(path, weights, engine, stages=["deploy"], blobs=blobs, **options) as loaded,
    ):
        for index in range(len(pairs)):
            image, label = pairs[index]
            _check(loaded, image, label, pairs.locate(pairs.images, index))
            score = score_of(loaded, transform(image, None, pairs.locate(pairs.images, index)), settings.blob)
            counter.add(label[0], score, pairs.locate(pairs.labels, index))
            if progress:
                progress(index + 1, len(pairs))
    return counter.evaluation(loaded.note)


class _Counter:
    """Counts labels and scores into the measures."""

    def __init__(self, pairs: Pairs, settings: Settings) -> None:
        about = pairs.about
        self._grey = about is not None and about.labels == "grey"
        self._names = (about.classes if about else None) or []
        usual = None if self._grey else about.ignore_label if about else 255
        self._ignore = usual if settings.ignore is None else settings.ignore
        background = 0 if self._names[:1] == ["background"] else None
        self._overlap = None if settings.above is None else Overlap(settings.above, background)
        self._confusion: Confusion | None = None
        self._images = 0

    def add(self, label: NDArray[np.uint8], score: NDArray[np.float32], where: str) -> None:
        if score.shape[1:] != label.shape:
            what = f"is {dims(label.shape)}, and the scores are {dims(score.shape[1:])}"
            raise DatasetError(where, what, "take a net whose output is as large as its input")
        classes = 2 if self._grey else len(score)
        if classes == 1 or (self._grey and len(score) > 2):
            kind = "grey values" if self._grey else "classes"
            raise EngineError("net", f"has {len(score)} outputs, and the labels are {kind}", "take another data set")
        prediction = best(score)
        if self._grey:
            label = (label > _PAPER).astype(np.uint8)
            prediction = (prediction > _PAPER).astype(np.uint8) if len(score) == 1 else prediction
        self._confusion = self._confusion or Confusion(classes)
        self._confusion.add(label, prediction, self._ignore, where)
        if self._overlap:
            self._overlap.add(label, score)
        self._images += 1

    def evaluation(self, note: str) -> Evaluation:
        assert self._confusion is not None
        classes = len(self._confusion.counts)
        names = ["dark", "light"] if self._grey else self._names
        named = names if len(names) == classes else [str(number) for number in range(classes)]
        overlap = self._overlap.iou() if self._overlap else None
        return Evaluation(self._images, named, self._confusion.scores(), overlap, note)


def _transform(reader: LayerParameter | None, settings: Settings) -> Transform:
    """What is said here, or else what the net's own data layer says; crops and mirrors are for training."""
    layer = LayerParameter(name="--mean")
    if reader is not None and not settings.mean and settings.scale == 1:
        layer.CopyFrom(reader)
        layer.transform_param.ClearField("crop_size")
        layer.transform_param.ClearField("mirror")
    else:
        layer.transform_param.mean_value.extend(settings.mean)
        layer.transform_param.scale = settings.scale
    return Transform(layer, training=False)


def _check(engine: Engine, image: NDArray[np.uint8], label: NDArray[np.uint8], where: str) -> None:
    channels = input_of(engine)[1]
    if len(image) != channels:
        what = f"has {len(image)} channels, and the net takes {channels}"
        raise DatasetError(where, what, "take a net for such images")
    if len(label) != 1:
        raise DatasetError(where, f"its label has {len(label)} channels: colours, no classes", "write labels grey")


@contextmanager
def _as_file(path: PathLike, net: NetParameter, changed: bool) -> Iterator[Path]:
    if not changed:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, Path(path).name)
        proto.write(net, written)
        yield written
