"""A net over a data set: every image scored, every pixel of its label compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines, proto
from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.description.model_json import Model
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.evaluation.batches import BatchRunner, run_batches
from caffe_fcn.evaluation.net_inputs import ImageInput, find_image_inputs
from caffe_fcn.evaluation.outputs import choose_blob, find_kind, find_output
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.pictures import check_sizes
from caffe_fcn.evaluation.predict import check_scores, classify_pixels
from caffe_fcn.evaluation.preprocessing import GivenMean, read_model
from caffe_fcn.evaluation.results import Evaluation, make_evaluation
from caffe_fcn.evaluation.scoring_net import make_scoring_net
from caffe_fcn.evaluation.shares import ALONE, Share, find_count, join_torchrun, run_shares
from caffe_fcn.evaluation.tally import Tally
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import LayerParameter, NetParameter

UNLABELLED = 255
"""The label that does not count where nothing describes another."""

_MIDDLE_GREY = 127.5  # in grey labels, pixels above it are class 1, light


@dataclass(frozen=True)
class Settings:
    """How images are transformed for the net, and which labels count.

    The net gets (pixel - mean) * scale; what is not given is as ``model.json`` or the net's own data layer says (see
    `preprocessing`). ``mean`` is numbers, or the file of a mean. ``blob`` has the scores (default: the first output
    of ``model.json``, or else the last of the net). ``ignore`` is the label that does not count (default: the data
    set's). ``above`` asks for the IoU of masks whose probability is above it. ``boundary`` is the width, in pixels, of
    the bands that boundary IoU compares (default: 0.02 of the image's diagonal, see `boundaries`).
    """

    mean: GivenMean = None
    scale: float | None = None
    blob: str = ""
    ignore: int | None = None
    above: float | None = None
    boundary: int | None = None


def evaluate(
    net: PathLike,
    weights: PathLike,
    pairs: Pairs,
    settings: Settings = Settings(),
    engine: str = "auto",
    progress: TaskProgress | None = None,
    nproc: int | None = None,
    batch: int = 1,
    **options: Any,
) -> Evaluation:
    """Score a net on a split of a data set; ``options`` go to `engines.load`.

    A net with one output channel predicts grey values; grey labels count as two classes, dark and light. A net with
    several inputs reads also the databases that ``model.json`` names for them, or else those of the blobs' names.
    ``progress`` is called with the number of images done and the number of all.

    ``nproc`` processes share the images, or those that torchrun started: each gets the scores of all. They are the same
    to the last digit however many processes there are, since only whole numbers are added up, as long as a process
    computes with the same number of threads, and on one image at a time. A ``batch`` of several images of one size goes
    through the net at once (see `batches`).
    Raises whatever reading and running raise, and `DatasetError` or `EngineError` if net and labels do not fit.
    """
    if pairs.labels is None or len(pairs.labels) != len(pairs.images):
        raise DatasetError(pairs.images.path, "has no label image for each image", "name a folder with both")
    scoring = _Scoring(net, weights, pairs, settings, batch)
    if find_count(nproc) == 1:
        counts = scoring.count(ALONE, engine, progress, options)
    elif nproc:
        counts = _count_by_processes(scoring, nproc, engine, progress, options)
    else:
        with join_torchrun() as group:
            mine = scoring.count(group.share, engine, progress if group.share.is_first else None, options)
            counts = _add_up(group.gather(mine.to_json()))
    return scoring.make_evaluation(counts)


def count_share(task: Mapping[str, Any], share: Share, report: TaskProgress) -> dict[str, Any]:
    """Do in a process of its own what `_count_by_processes` asks for; returns `_Counts.to_json`."""
    pairs = opening.open(task["folder"], task["split"])
    scoring = _Scoring(task["net"], task["weights"], pairs, Settings(**task["settings"]), task["batch"])
    return scoring.count(share, task["engine"], report, task["options"]).to_json()


def _count_by_processes(
    scoring: _Scoring, nproc: int, engine: str, progress: TaskProgress | None, options: Mapping[str, Any]
) -> _Counts:
    pairs = scoring.pairs
    if pairs.folder is None:
        raise DatasetError(pairs.images.path, "is opened by its databases", "name its folder for several processes")
    task = {
        "net": str(scoring.net),
        "weights": str(scoring.weights),
        "folder": str(pairs.folder),
        "split": pairs.split,
        "settings": asdict(scoring.settings),
        "batch": scoring.batch,
        "engine": engine,
        "options": dict(options),
    }
    return _add_up(run_shares(count_share, task, nproc, len(pairs), progress))


@dataclass
class _Counts:
    """What a share of the images gives: its counts, None where it has no image, and the notes of its engine."""

    tally: Tally | None
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        return {"tally": self.tally and self.tally.to_json(), "notes": self.notes}


def _add_up(shares: Sequence[Mapping[str, Any]]) -> _Counts:
    tallies = [Tally.from_json(each["tally"]) for each in shares if each["tally"]]
    for other in tallies[1:]:
        tallies[0].merge(other)
    return _Counts(tallies[0] if tallies else None, shares[0]["notes"])


class _Scoring:
    """A net and the data set that it is scored on: what both say, before any engine is loaded."""

    def __init__(self, net: PathLike, weights: PathLike, pairs: Pairs, settings: Settings, batch: int = 1) -> None:
        self.net, self.weights, self.pairs, self.settings, self.batch = net, weights, pairs, settings, batch
        self._message = proto.read_net(net)
        self._model = model = read_model(net)
        self._scoring_net, self._reader = _make_scoring_net(self._message, model, pairs)
        self._blob = settings.blob or choose_blob(model, self._scoring_net)
        about = pairs.about
        output = find_output(model, self._blob)
        self._grey = about is not None and about.labels == "grey"
        self._names = (about.classes if about else None) or []
        self._model_names = (output.classes if output else None) or []
        self._holds_classes = find_kind(model, self._blob) == "classes"
        described = output.ignore_label if output else UNLABELLED
        default = None if self._grey else about.ignore_label if about else described
        self._ignore = default if settings.ignore is None else settings.ignore
        self._background = 0 if self._names[:1] == ["background"] else None

    def count(self, share: Share, engine: str, progress: TaskProgress | None, options: Mapping[str, Any]) -> _Counts:
        """Run the net on a share of the images, and count; raises whatever reading and running raise."""
        net, blob, pairs, settings = self.net, self._blob, self.pairs, self.settings
        indices = share.select(len(pairs))
        overlap = None if settings.above is None else Overlap(settings.above, self._background)
        tally: Tally | None = None
        with (
            _write_if_changed(net, self._scoring_net, changed=self._reader is not None) as path,
            engines.load(
                path, self.weights, engine, stages=["deploy"], blobs=[blob] if blob else [], **options
            ) as loaded,
        ):
            inputs = find_image_inputs(loaded, net, self._message, self._model, settings.mean, settings.scale)
            runner = BatchRunner(loaded, inputs, blob)

            def read(index: int) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
                images, label = {each.blob: pairs.read(each.database, index) for each in inputs}, pairs.label(index)
                _check_record(inputs, images, label, pairs.locate(pairs.images, index))
                return images, label[0]

            def run(_: Sequence[int], contents: Sequence[tuple[Any, NDArray[Any]]]) -> list[tuple[Any, Any]]:
                outputs = runner.run([images for images, _ in contents])
                scores = [check_scores(output, loaded, blob) for output in outputs]
                return [(label, score) for (_, label), score in zip(contents, scores, strict=True)]

            def add(index: int, found: tuple[NDArray[np.uint8], NDArray[np.float32]]) -> None:
                nonlocal tally
                where = pairs.locate(pairs.labels, index) if pairs.labels is not None else ""
                label, score, prediction = self._classify(*found, where)
                tally = tally or Tally(2 if self._grey else len(score), settings.boundary)
                tally.add(index, pairs.names[index], label, prediction, self._ignore, where)
                if overlap:
                    overlap.add(label, score)
                    tally.masks[index] = overlap.sums[-1]

            for done, _ in enumerate(run_batches(indices, self.batch, read, run, add), 1):
                if progress:
                    progress(done, len(indices))
        notes = dict.fromkeys((loaded.note, *(each.preprocessing.note for each in inputs)))
        return _Counts(tally, list(filter(None, notes)))

    def _classify(
        self, label: NDArray[np.uint8], score: NDArray[np.float32], where: str
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[Any]]:
        """Return label, scores and best classes, as they are compared; raises where they do not fit."""
        if score.shape[1:] != label.shape:
            what = f"is {dims(label.shape)}, and the scores are {dims(score.shape[1:])}"
            raise DatasetError(where, what, "take a net whose output is as large as its input")
        if self._holds_classes:
            numbers = np.arange(len(self._model_names or self._names), dtype=np.float32)
            if not numbers.size:
                what = "has the numbers of classes, and neither model.json nor the data set says how many there are"
                raise EngineError("net", what, "give a `blob` that has scores")
            score = (score[0] == numbers[:, None, None]).astype(np.float32)
        if (len(score) == 1 and not self._grey) or (self._grey and len(score) > 2):
            kind = "grey values" if self._grey else "classes"
            raise EngineError("net", f"has {len(score)} outputs, and the labels are {kind}", "take another data set")
        prediction: NDArray[Any] = classify_pixels(score)
        if self._grey:
            label = (label > _MIDDLE_GREY).astype(np.uint8)
            prediction = (prediction > _MIDDLE_GREY).astype(np.uint8) if len(score) == 1 else prediction
        return label, score, prediction

    def make_evaluation(self, counts: _Counts) -> Evaluation:
        """Compute the scores; raises `DatasetError` where there is nothing to compare."""
        if counts.tally is None:
            raise DatasetError("labels", "there are none to compare with", "name a data set with images")
        classes = len(counts.tally.confusion.counts)
        candidates = [["dark", "light"]] if self._grey else [self._model_names, self._names]
        fitting = [names for names in candidates if len(names) == classes]
        class_names = fitting[0] if fitting else [str(number) for number in range(classes)]
        notes = counts.notes
        if len(fitting) == 2 and fitting[0] != fitting[1]:
            place = next(number for number in range(classes) if fitting[0][number] != fitting[1][number])
            other = f"class {place} is {fitting[0][place]!r} to the net and {fitting[1][place]!r} in the data set"
            notes = [*notes, other]
        return make_evaluation(
            counts.tally, class_names, "; ".join(notes), weights=Path(self.weights).name, above=self.settings.above
        )


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
