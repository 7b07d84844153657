"""A net run on many images, and its predictions written as images.

    for outcome in infer(Job("net/deploy.prototxt", "fcn.caffemodel", ["photos"], "out")):
        outcome.files["label"], outcome.classes

While the net runs on one image, the next one is read and the last one written (see `pipeline`). An image that is broken
has an outcome with an error, and the others go on. Several processes can share the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines, files, proto
from caffe_fcn.datasets.records import palette as palettes
from caffe_fcn.datasets.records.classes import MOST
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.engines.processes import count_cores
from caffe_fcn.errors import CaffeFcnError, DatasetError, EngineError, FileError
from caffe_fcn.evaluation.averaging import Averaging, average, bring_back
from caffe_fcn.evaluation.batches import BatchRunner, run_batches
from caffe_fcn.evaluation.evaluate import UNLABELLED
from caffe_fcn.evaluation.jobs import Job, Outcome
from caffe_fcn.evaluation.net_inputs import ImageInput, find_image_inputs, find_only_size
from caffe_fcn.evaluation.output_size import Placement, find_placement, place
from caffe_fcn.evaluation.outputs import choose_blob, find_kind, find_output
from caffe_fcn.evaluation.overlap import to_probabilities
from caffe_fcn.evaluation.pictures import Picture, add_inputs, find_data_set, find_pictures, read_all
from caffe_fcn.evaluation.predict import Part, Prediction, assemble, check_scores, compute_scores, make_photo
from caffe_fcn.evaluation.prediction_files import Legend, name_overlay, name_truth, write_prediction, write_top
from caffe_fcn.evaluation.preprocessing import read_model
from caffe_fcn.evaluation.resampling import Size, resize_image, stretch
from caffe_fcn.evaluation.shares import ALONE, Share, find_count, follow_shares, join_torchrun
from caffe_fcn.evaluation.tally import Tally
from caffe_fcn.evaluation.tiling import join_parts, run_tiles
from caffe_fcn.evaluation.truths import Truths
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.tiles import plan_tiles

Images = Mapping[str, NDArray[Any]]

_MOST_WRITERS = 4  # threads that write pictures: more would wait for Python's global lock


def infer(job: Job, nproc: int | None = None) -> Iterator[Outcome]:
    """Yield what becomes of each image, in their order; the files of an outcome are written by then.

    ``nproc`` processes share the images. Under torchrun each process runs its share; the first one yields all outcomes
    when they are done, the others none.
    Raises what finding the images, reading the net and running it raise; of an image that cannot be read, its outcome
    tells.
    """
    whole = Inference(job)
    if find_count(nproc) == 1:
        yield from whole.run(ALONE)
    elif nproc:
        yield from _put_in_order(follow_shares(infer_share, job.to_json(), nproc), nproc)
    else:
        with join_torchrun() as group:
            mine = [each.to_json() for each in whole.run(group.share)]
            outcomes = [Outcome(**each) for found in group.gather(mine) for each in found]
        if group.share.is_first:
            yield from sorted(outcomes, key=lambda each: each.index)


def infer_share(task: Mapping[str, Any], share: Share, report: Any) -> int:
    """Run a job's share in a process of its own, and report each outcome; returns how many there were."""
    count = 0
    for outcome in Inference(Job(**task)).run(share):
        report(outcome.to_json())
        count += 1
    return count


def _put_in_order(messages: Iterator[tuple[int, str, Any]], nproc: int) -> Iterator[Outcome]:
    """Yield the outcomes of several processes in the order of their images."""
    waiting: dict[int, Outcome] = {}
    following = 0
    for rank, kind, content in messages:
        if kind != "report":
            continue
        outcome = Outcome(**content[0])
        if rank != 0:
            outcome.notes = []
        waiting[outcome.index] = outcome
        while following in waiting:
            yield waiting.pop(following)
            following += 1


class Content(NamedTuple):
    """What was read of a picture: its images by input, and its label where there is one."""

    images: dict[str, NDArray[Any]]
    truth: NDArray[np.uint8] | None


class Found(NamedTuple):
    """What a net found in a picture: a prediction, or the probabilities of a classifier."""

    prediction: Prediction | None = None
    top: NDArray[np.float32] | None = None
    truth: NDArray[np.uint8] | None = None
    figures: tuple[float | None, float | None] = (None, None)
    note: str = ""


class Inference:
    """A job with its images found, and a file named for each.

    Raises `FileError` and `DatasetError`, and `EngineError` for batches of what is not run in them.
    """

    def __init__(self, job: Job) -> None:
        if job.batch > 1 and (job.tile or Averaging(job.flip, tuple(job.scales)).is_needed):
            what = "is for whole images that are run once"
            raise EngineError("`batch`", what, "leave it out, or `tile`, `flip` and `scales`")
        self.job = job
        self._of_file, self._names_of_file = palettes.read(job.palette) if job.palette else ({}, None)
        self.pictures = find_pictures(job.images, without=Path(job.output))
        self.targets = name_targets(self.pictures, Path(job.output))
        self._truths = Truths(job.truth, self._of_file or None) if job.truth else None

    def run(self, share: Share) -> Iterator[Outcome]:
        """Yield the outcomes of a share of the images; raises as `infer`."""
        job = self.job
        model, message = read_model(job.net), _read_net(job.net)
        blob = job.blob or choose_blob(model, message)
        output = find_output(model, blob)
        described = [each for each in (output, find_data_set(self.pictures)) if each is not None]
        names = next((each for each in (self._names_of_file, *(it.classes for it in described)) if each), None)
        with engines.load(
            job.net, job.weights, job.engine, stages=["deploy"], blobs=[blob] if blob else [], **job.options
        ) as loaded:
            inputs = find_image_inputs(loaded, job.net, message, model, job.mean, job.scale)
            pictures = add_inputs(self.pictures, job.inputs, inputs, job.net)
            size = (job.resize[0], job.resize[1]) if job.resize else find_only_size(loaded, message, inputs[0].blob)
            net = _LoadedNet(
                loaded, job, inputs, message, blob, find_kind(model, blob), size, BatchRunner(loaded, inputs, blob)
            )
            legend = Legend(self._find_colours(described), names or _read_labels(Path(job.net)), job.legend)
            ignore = UNLABELLED if output is None or output.ignore_label is None else output.ignore_label
            notes = [loaded.note, *(each.preprocessing.note for each in inputs), net.note]

            def read(index: int) -> Content | CaffeFcnError:
                try:
                    images = read_all(pictures[index], inputs)
                    size = images[inputs[0].blob].shape[1:]
                    return Content(images, self._truths.read(pictures[index], size) if self._truths else None)
                except (DatasetError, FileError) as error:
                    return error

            def run(batch: Sequence[int], contents: Sequence[Content | CaffeFcnError]) -> list[Found | CaffeFcnError]:
                found = iter(net.run([content for content in contents if isinstance(content, Content)]))
                return [
                    _compare(next(found), content.truth, ignore, pictures[index].where)
                    if isinstance(content, Content)
                    else content
                    for index, content in zip(batch, contents, strict=True)
                ]

            def write(index: int, found: Found | CaffeFcnError) -> Outcome:
                outcome = Outcome(index, len(pictures), pictures[index].where)
                if isinstance(found, CaffeFcnError):
                    outcome.error = [found.where, found.what, found.mend]
                    return outcome
                outcome.note = found.note
                outcome.pixel_accuracy, outcome.mean_iu = found.figures
                target = self.targets[index]
                with files.make_folder(target.parent), files.write_together():
                    if found.top is not None:
                        write_top(found.top, target, legend, job.top, outcome)
                    elif found.prediction is not None:
                        write_prediction(found.prediction, found.truth, target, legend, outcome)
                return outcome

            holds_much = job.probabilities or job.above is not None  # an array for each class
            writers = 1 if holds_much else min(_MOST_WRITERS, count_cores())
            for outcome in run_batches(share.select(len(pictures)), job.batch, read, run, write, writers):
                if outcome.error is None and notes:
                    outcome.notes, notes = [*dict.fromkeys(filter(None, notes))], []
                yield outcome

    def _find_colours(self, described: Sequence[Any]) -> tuple[Colour, ...]:
        """Return the colours of the file, or else of the output, of the data set at hand, or else VOC's."""
        of_values = self._of_file
        for each in described:
            of_values = of_values or {value: (r, g, b) for value, (r, g, b) in enumerate(each.palette or [])}
        return palettes.fill_gaps(of_values) or palettes.make_voc_palette()


@dataclass(frozen=True)
class _LoadedNet:
    """A net ready to run as a job asks for: resized, averaged, in tiles."""

    engine: engines.Engine
    job: Job
    inputs: Sequence[ImageInput]
    message: proto.NetParameter
    blob: str
    kind: str
    size: Size | None  # at which it sees images; None: at their own
    runner: BatchRunner

    @property
    def note(self) -> str:
        """What the user should know of the size."""
        given = "" if self.size is None or self.job.resize else f", the only size that {self.job.net} takes"
        return f"images are seen at {dims(self.size)}{given}" if self.size else ""

    def run(self, contents: Sequence[Content]) -> Iterator[Found]:
        """Run the net on pictures; raises `EngineError` where it answers with nothing that can be shown."""
        seen = [self._resize(each.images) for each in contents]
        if self._averaging.is_needed or self.job.tile:
            for content, images in zip(contents, seen, strict=True):
                yield self._assemble(content, *self._start(images))
            return
        for content, output in zip(contents, self.runner.run(seen), strict=True):
            if _is_classification(output):
                yield Found(top=to_probabilities(output.reshape(-1, 1, 1))[:, 0, 0])
            else:
                score = check_scores(output, self.engine, self.blob)
                yield self._assemble(content, (score.shape[1], score.shape[2]), [(0, 0, score)])

    @property
    def _averaging(self) -> Averaging:
        return Averaging(self.job.flip, tuple(self.job.scales))

    def _resize(self, images: Images) -> Images:
        return {blob: resize_image(each, self.size) for blob, each in images.items()} if self.size else images

    def _start(self, images: Images) -> tuple[Size, Iterable[Part]]:
        """The size of the output and its parts, of an image that is averaged, or run in tiles."""
        if not self._averaging.is_needed:
            return self._start_tiles(images)
        score = average(self._score, images, self._averaging, self.kind)
        return (score.shape[1], score.shape[2]), [(0, 0, score)]

    def _assemble(self, content: Content, size: Size, parts: Iterable[Part]) -> Found:
        """What was found in a picture, from the parts of an output of ``size``."""
        job, image = self.job, self.inputs[0]
        photo = make_photo(content.images[image.blob], image.order)
        whole = photo.shape[1], photo.shape[2]
        if self.size or self._averaging.is_needed:
            parts, size = self._bring_back(parts, size, whole), whole
        found = assemble(photo, size, parts, self.kind, job.probabilities, job.above)
        placement = find_placement(size, whole, self.engine, job.net, image.blob, self.blob)
        return Found(place(found, placement), truth=_cut(placement, content.truth), note=placement.note)

    def _score(self, images: Images) -> NDArray[np.float32]:
        if not self.job.tile:
            return compute_scores(self.engine, images, self.inputs, self.blob)
        size, parts = self._start_tiles(images)
        return join_parts(parts, size)

    def _start_tiles(self, images: Images) -> tuple[Size, Iterator[Part]]:
        height, width = images[self.inputs[0].blob].shape[1:]
        rows, columns = self.job.tile or (height, width)
        blobs, output = [each.blob for each in self.inputs], self.blob or self.engine.outputs[-1]
        plan = plan_tiles(self.message, blobs, output, (height, width), (rows, columns))

        def compute(part: Images, inputs: Sequence[ImageInput]) -> NDArray[np.float32]:
            return compute_scores(self.engine, part, inputs, self.blob)

        return plan.size, run_tiles(plan, compute, images, self.inputs)

    def _bring_back(self, parts: Iterable[Part], size: Size, whole: Size) -> Iterator[Part]:
        """Yield the scores, of ``size``, of an image that was resized, at the size of the photo."""
        score = join_parts(parts, size)
        yield 0, 0, stretch(score[0], whole)[None] if self.kind == "classes" else bring_back(score, whole)


def _compare(found: Found, truth: NDArray[np.uint8] | None, ignore: int, where: str) -> Found | DatasetError:
    """Return what was found with its scores, where there is a label; an error where that does not fit."""
    prediction = found.prediction
    if truth is None or prediction is None or prediction.is_grey or found.truth is None:
        return found
    tally = Tally(prediction.classes or MOST)
    try:
        tally.add(0, where, found.truth, prediction.pixels, ignore, where)
    except DatasetError as error:
        return error
    return found._replace(figures=(tally.images[0].pixel_accuracy, tally.images[0].mean_iu))


def name_targets(pictures: Sequence[Picture], output: Path) -> list[Path]:
    """Name an output for each picture; raises `DatasetError` if two are the same, or one would replace an image."""
    targets = [output / f"{picture.name}.png" for picture in pictures]
    images = {Path(picture.where).resolve() for picture in pictures}
    owners: dict[Path, str] = {}
    for picture, target in zip(pictures, targets, strict=True):
        for each in (target, name_overlay(target), name_truth(target)):
            if each in owners:
                what = f"has the name of {owners[each]}, and both would be {each}"
                raise DatasetError(picture.where, what, "use two folders")
            if each.resolve() in images:
                raise DatasetError(each, "would replace the image itself", "name another folder with -o")
            owners[each] = picture.where
    return targets


def _read_net(net: str) -> proto.NetParameter:
    """The net, for what it says of its images; an empty one where only an engine can read it."""
    if net == "-":
        return proto.NetParameter()
    try:
        return proto.read_net(net, allow_unknown=True, notes=[])
    except CaffeFcnError:  # the engine cannot read it either, and says so in its own words
        return proto.NetParameter()


def _read_labels(net: Path) -> list[str] | None:
    """The names of classes in labels.txt beside a net, a line each, where there is such a file."""
    path = net.with_name("labels.txt")
    if not path.is_file():
        return None
    return files.read_bytes(path).decode("utf-8-sig", "replace").splitlines()


def _is_classification(output: NDArray[np.float32]) -> bool:
    """Whether an output has one value a class for the whole image."""
    return output.ndim in (2, 4) and output.shape[0] == 1 and output.shape[1] > 1 and output[0, 0].size == 1


def _cut(placement: Placement, truth: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    return None if truth is None else placement.cut(truth)
