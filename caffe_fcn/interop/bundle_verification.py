"""Whether a bundle is whole, and whether it computes what its run computes.

`check_files` compares the files with their checksums. `verify_bundle` runs both nets on the same images, each with its
own preprocessing: raw pixels go in on both sides, so that a folded mean, a wrong mean and a wrong order of channels
show. The outputs are compared as what they are:

| the run gives | the bundle gives | difference |
|---|---|---|
| any | the same | largest difference, relative to the largest value of the run |
| scores | probabilities | largest difference to the softmax of the scores, taken in float64 |
| scores, probabilities | classes | how far the class is behind the best one, relative to the largest value |

The tolerance is 1e-4. float32 rounds to 6e-8; the sums of some thousand products, in another order where something
was folded, stay far below the tolerance, and a mean that is off by one grey level does not. A weight in float16 is off
by up to 2**-11 of itself, and in some 20 layers, one behind the other, this adds up to 1e-2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files, proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError, FileError, NetError
from caffe_fcn.evaluation.pictures import read_image
from caffe_fcn.evaluation.preprocessing import GivenMean, Preprocessing, find_preprocessing, read_model
from caffe_fcn.file_names import SNAPSHOT_FOLDER
from caffe_fcn.files import PathLike
from caffe_fcn.interop.bundle_output import CHECKSUMS, INFO_FILE, read_info
from caffe_fcn.interop.digits_job import MOST_TEXT
from caffe_fcn.interop.job_files import MOST_BYTES, JobFiles, open_job
from caffe_fcn.interop.model_folders import ModelFolder, open_model
from caffe_fcn.net.geometry import dims
from caffe_fcn.progress import TaskProgress

Load: TypeAlias = Callable[[Path, Path, Sequence[str]], AbstractContextManager[Engine]]
"""Loads a net with its weights, so that it returns some blobs."""

TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2

_Values: TypeAlias = "NDArray[np.float32]"
_ITERATION = re.compile(r"_iter_[0-9]+\.caffemodel(\.h5)?$")
_RANDOM_IMAGES = 2
_BLOCK = 8  # pixels of one colour in a random image with areas


@dataclass(frozen=True)
class CheckedFile:
    """A file of a bundle; ``fault`` is what is wrong with it, or empty."""

    name: str
    fault: str


@dataclass(frozen=True)
class ComparedOutput:
    """The largest difference in an output over all images, relative; and of its pixels, how many get another class.

    ``pixels`` is 0 for an output that has no classes.
    """

    blob: str
    kind: str
    difference: float = 0.0
    pixels: int = 0
    other_classes: int = 0


@dataclass(frozen=True)
class VerifiedBundle:
    """What `verify_bundle` found; ``notes`` say what it ran and assumed."""

    outputs: Sequence[ComparedOutput]
    images: int
    tolerance: float
    notes: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether the bundle computes what the run computes."""
        return all(each.difference <= self.tolerance for each in self.outputs)


def has_checksums(bundle: PathLike) -> bool:
    """Whether a bundle has checksums; archives of DIGITS have none."""
    with open_job(bundle) as source:
        return _read_checksums(source) is not None


def check_files(bundle: PathLike) -> list[CheckedFile]:
    """Compare the files of a bundle, in a folder or an archive, with the checksums in its info.json.

    Raises `FileError` for what has none.
    """
    with open_job(bundle) as source:
        listed = _read_checksums(source)
        if listed is None:
            raise FileError(bundle, "has no checksums", "name a bundle, as 'export bundle' writes it")
        found = []
        for name in sorted({*listed, *source.names} - {INFO_FILE}):
            if name not in source.names:
                found.append(CheckedFile(name, "is missing"))
                continue
            digest = hashlib.sha256()
            for block in source.read_blocks(name, MOST_BYTES):
                digest.update(block)
            fault = "has no checksum" if name not in listed else "has another content"
            found.append(CheckedFile(name, "" if listed.get(name) == digest.hexdigest() else fault))
    return found


def verify_bundle(
    bundle: PathLike,
    run: PathLike,
    load: Load,
    images: Sequence[PathLike] = (),
    *,
    tolerance: float | None = None,
    mean: GivenMean = None,
    seed: int = 0,
    progress: TaskProgress | None = None,
) -> VerifiedBundle:
    """Compare the outputs of a bundle with those of its run, on random images and on image files.

    ``run`` is anything that `open_model` takes; of the snapshots of a run, that of the bundle's iteration is taken.
    ``mean`` is that of the run, where nothing there says it. Raises `NetError` where the two cannot be compared,
    `EngineError` where the run gives nothing to compare with.
    """
    with open_model(bundle) as delivered, open_model(run) as trained:
        trained, notes = _choose_snapshot(trained, Path(run), delivered)
        if tolerance is None:
            tolerance = HALF_TOLERANCE if _is_half(delivered.net.parent) else TOLERANCE
        ours, theirs = _Side(delivered, "bundle"), _Side(trained, "run")
        pairs = _pair_outputs(ours.outputs, theirs.outputs)
        with ours.load(load, pairs[0]) as new, theirs.load(load, pairs[1], mean) as old:
            shapes = {each.blob: new.engine.inputs[each.blob] for each in ours.model.inputs}
            given = list(_list_images(ours.model.inputs, shapes, images, seed))
            found = [ComparedOutput(each.blob, each.kind) for each in pairs[0]]
            for number, pixels in enumerate(given):
                made, expected = new.run(pixels), old.run(pixels)
                for index, (output, reference) in enumerate(zip(*pairs, strict=True)):
                    values = made[output.blob], expected[reference.blob]
                    found[index] = _compare(found[index], output, reference, *values)
                if progress:
                    progress(number + 1, len(given))
            notes += [note for side in (new, old) for note in side.notes]
    return VerifiedBundle(tuple(found), len(given), tolerance, tuple(dict.fromkeys(notes)))


def _read_checksums(source: JobFiles) -> dict[str, str] | None:
    if INFO_FILE not in source.names:
        return None
    info = read_info(source.read(INFO_FILE, MOST_TEXT), source.locate(INFO_FILE))
    return info.get(CHECKSUMS)


class _Side:
    """A net, its weights and its description: the bundle, or the run."""

    def __init__(self, place: ModelFolder, role: str) -> None:
        self.place, self.role = place, role
        self.net = proto.read_net(place.net)
        model = read_model(place.net)
        if model is None:
            raise NetError(role, "has no model.json, which says what its outputs are", "name a net folder that has one")
        self.model: Model = model
        blobs = {top for layer in self.net.layer for top in layer.top}
        self.outputs = [each for each in model.outputs if each.blob in blobs]
        self.model = replace(model, inputs=[each for each in model.inputs if each.blob in blobs])

    def load(self, load: Load, outputs: Sequence[Output], mean: GivenMean = None) -> _LoadedSide:
        """Load the net, with what images go through."""
        steps = {
            each.blob: find_preprocessing(self.place.net, self.net, self.model, each.blob, mean)
            for each in self.model.inputs
        }
        blobs = [each.blob for each in outputs]
        return _LoadedSide(load(self.place.net, self.place.weights, blobs), steps, self.place)


class _LoadedSide:
    """A net that runs on raw pixels."""

    def __init__(
        self, opened: AbstractContextManager[Engine], steps: Mapping[str, Preprocessing], place: ModelFolder
    ) -> None:
        self._opened, self._steps, self._place = opened, steps, place

    def __enter__(self) -> _LoadedSide:
        self.engine = self._opened.__enter__()
        remarks = [*self._place.notes, self.engine.note, *(each.note for each in self._steps.values())]
        self.notes = [self._place.name_place(each) for each in remarks if each]
        return self

    def __exit__(self, *details: object) -> None:
        self._opened.__exit__(None, None, None)

    def run(self, pixels: Mapping[str, NDArray[np.uint8]]) -> dict[str, _Values]:
        """Return the outputs for an image of each input, C x H x W."""
        others = {blob: np.zeros(shape, np.float32) for blob, shape in self.engine.inputs.items()}  # such as labels
        return self.engine.forward(**others | {blob: step(pixels[blob])[None] for blob, step in self._steps.items()})


def _pair_outputs(ours: Sequence[Output], theirs: Sequence[Output]) -> tuple[list[Output], list[Output]]:
    """Return the outputs of the bundle, and for each that of the run which it is made of."""
    answers = [each for each in ours if each.kind != "classes"]
    classes = [each for each in ours if each.kind == "classes"]
    scored = [each for each in theirs if each.kind in ("scores", "probabilities")]
    known = [each for each in theirs if each.kind == "classes"] or scored
    if len(answers) > len(theirs) or len(classes) > len(known):
        what = f"has {len(ours)} outputs, and the run {len(theirs)}"
        raise NetError("bundle", what, "name the run that it was made of")
    return [*answers, *classes], [*theirs[: len(answers)], *known[: len(classes)]]


def _choose_snapshot(trained: ModelFolder, run: Path, delivered: ModelFolder) -> tuple[ModelFolder, list[str]]:
    """Return the run with the snapshot of the bundle's iteration, if it has one, and a note on it."""
    found = _ITERATION.search(delivered.weights.name)
    folder = run / SNAPSHOT_FOLDER
    snapshots = sorted(folder.iterdir()) if folder.is_dir() else []
    same = [each for each in snapshots if found and each.name.endswith(found[0])]
    if len(same) != 1 or same[0] == trained.weights:
        return trained, []
    return replace(trained, weights=same[0], notes=()), [f"the weights are {same[0]}, of the bundle's iteration"]


def _is_half(folder: Path) -> bool:
    """Whether a bundle says that its weights are those of float16."""
    path = folder / INFO_FILE
    return path.is_file() and "half" in read_info(files.read_bytes(path), path)


def _list_images(
    inputs: Sequence[Input], shapes: Mapping[str, Sequence[int]], paths: Sequence[PathLike], seed: int
) -> Iterator[dict[str, NDArray[np.uint8]]]:
    """Yield pixels for each input: noise, random areas, and the image files."""
    random = np.random.default_rng(seed)
    for number in range(_RANDOM_IMAGES):
        pixels = {}
        for each in inputs:
            _, channels, height, width = shapes[each.blob]
            block = _BLOCK if number else 1
            small = random.integers(0, 256, (channels, -(-height // block), -(-width // block)), np.uint8)
            pixels[each.blob] = small.repeat(block, 1).repeat(block, 2)[:, :height, :width]
        yield pixels
    if paths and len(inputs) != 1:
        raise NetError("bundle", f"takes {len(inputs)} images at a time", "leave the image files out")
    for path in paths:
        channels = inputs[0].channels
        if channels not in (1, 3):
            raise NetError("bundle", f"takes {channels} channels, which no image file has", "leave the files out")
        yield {inputs[0].blob: read_image(path, channels)}


def _compare(so_far: ComparedOutput, ours: Output, theirs: Output, made: _Values, expected: _Values) -> ComparedOutput:
    """Add an image to the comparison of an output."""
    reference = expected.astype(np.float64)
    if theirs.kind == "scores" and ours.kind == "probabilities":
        powers = np.exp(reference - reference.max(axis=1, keepdims=True))
        reference = powers / powers.sum(axis=1, keepdims=True)
    largest = float(np.abs(reference).max(initial=0))
    if not 0 < largest < np.inf:
        raise EngineError("run", f"blob '{theirs.blob}' is zero or infinite, which proves nothing", "train it first")
    if ours.kind == "classes" != theirs.kind:
        if made.shape != (len(reference), 1, *reference.shape[2:]):
            raise _shape_error(ours, made, expected)
        classes = made.astype(np.int64)
        behind = reference.max(axis=1, keepdims=True) - np.take_along_axis(reference, classes, axis=1)
        difference, other = behind.max() / largest, (classes != reference.argmax(axis=1)[:, None]).sum()
    else:
        if made.shape != reference.shape:
            raise _shape_error(ours, made, expected)
        difference = np.abs(made - reference).max() / largest
        other = (made.argmax(axis=1) != reference.argmax(axis=1)).sum() if ours.kind != "grey" else 0
    pixels = reference[:, 0].size if ours.kind != "grey" else 0
    return replace(
        so_far,
        difference=max(so_far.difference, float(np.nan_to_num(difference, nan=np.inf))),
        pixels=so_far.pixels + pixels,
        other_classes=so_far.other_classes + int(other),
    )


def _shape_error(ours: Output, made: _Values, expected: _Values) -> NetError:
    what = f"is {dims(made.shape)}, and the run gives {dims(expected.shape)}"
    return NetError(f"bundle, blob '{ours.blob}'", what, "name the run that it was made of")
