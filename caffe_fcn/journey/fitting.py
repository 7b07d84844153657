"""From photos and their labels to a scored, delivered FCN, step by step.

    done = fit("photos", "labels", output="run", net="voc-fcn-alexnet", weights="alexnet")
    done.scores.mean_iu, done.bundle

The folder of the run gets the data set (``data/``), the prototxts and ``model.json``, the start of the training
(``start.caffemodel``), its snapshots (``snapshot/``), the scores (``scores.json``) and the bundle (``bundle/``).

What a step needs are files and settings, known by their fingerprints (`fingerprints`); what is done with the same ones
is passed over (`ledger`). So a journey goes on where it stopped, and after a change it does again what depends
on it. What nobody says is chosen from the data set (`defaults`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_fcn import files, models
from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.description import dataset_json
from caffe_fcn.engines.arguments import check_gpus
from caffe_fcn.engines.choice import check_precision, choose_engine
from caffe_fcn.engines.output_lock import lock_output
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.interop.digits_job import find_data_folder
from caffe_fcn.journey import defaults
from caffe_fcn.journey.fingerprints import FileHashes
from caffe_fcn.journey.ledger import FOLDER, Ledger
from caffe_fcn.journey.step import Device, Observer, Step
from caffe_fcn.journey.steps.bundle import WriteBundle
from caffe_fcn.journey.steps.check import CheckRun
from caffe_fcn.journey.steps.data import BuildDataSet, count_images, find_splits
from caffe_fcn.journey.steps.evaluate import EvaluateNet
from caffe_fcn.journey.steps.net import BuildNet
from caffe_fcn.journey.steps.statistics import FoldStatistics
from caffe_fcn.journey.steps.train import TrainNet
from caffe_fcn.journey.steps.weights import SCRATCH, MakeStart, Origin, find_origin, find_other_classes
from caffe_fcn.netspec.catalogue import catalogue, find_design
from caffe_fcn.netspec.design import NetDesign

FROM_SCRATCH = "none"
"""In place of weights: the training starts from random values."""

STEPS = ("data", "net", "weights", "check", "train", "evaluate", "bundle")
"""The names of all steps in their order, but for those that are part of another one."""

_DATA = "data"
_MEGABYTE = 1_000_000
_HASHES = "hashes"


@dataclass(frozen=True)
class Fit:
    """What a journey leads to: the folder of the run, the scores as in ``scores.json``, and the bundle."""

    run: Path
    scores: Mapping[str, Any]
    bundle: Path


def fit(
    photos: PathLike | None = None,
    labels: PathLike | None = None,
    *,
    output: PathLike,
    data: PathLike | None = None,
    net: str = "",
    weights: PathLike | None = None,
    classes: Sequence[str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    size: tuple[int, int] | None = None,
    val_percent: float | None = None,
    epochs: float | None = None,
    batch: int | None = None,
    base_lr: float | None = None,
    augment: str | None = None,
    engine: str = "auto",
    gpu: str = "",
    nproc: int | None = None,
    precision: str = "float32",
    caffe: PathLike | None = None,
    no_check: bool = False,
    observer: Observer | None = None,
) -> Fit:
    """Train a net on photos and labels, score it and bundle it, in the folder ``output``; go on with what is there.

    ``photos`` and ``labels`` are folders (or lists of files) of images with the same names; or ``data`` is a data set.
    ``net`` is a net of the catalogue (default: `defaults.NET`). ``weights`` is a weights file, the name of a published
    model, or "none"; by default it is the model that the net usually starts from. A model that cannot be downloaded
    is a note, and the training starts from random values. ``classes`` are names, ``colours`` those of labels in
    colour, ``size`` (H, W) is that to which photos are brought, ``val_percent`` the share for validation. ``epochs``,
    ``batch``, ``base_lr`` and ``augment`` are those of the training (see `netspec`). ``engine``, ``gpu``, ``nproc``,
    ``precision`` and ``caffe`` are passed on to `engines.train`. With ``no_check`` the training starts whatever
    `caffe_fcn.checks` would find. ``observer`` hears of each step.

    Raises `FileError` where another process works in ``output``, and what the steps raise.
    """
    run = Path(output)
    device = Device(engine, gpu, nproc, precision, str(caffe) if caffe else None)
    choices = {"epochs": epochs, "batch": batch, "base_lr": base_lr, "augment": augment}
    if (photos is None) != (labels is None) or (photos is None) == (data is None):
        raise CaffeFcnError("fit", "needs photos and their labels, or a data set", "`photos` and `labels`, or `data`")
    design = find_net(net)
    _check_device(device)
    with _open_run(run) as ledger:
        journey = _Journey(run, ledger, observer or Observer(), device)
        place = _locate_data(Path(data)) if data is not None else run / _DATA
        if photos is not None and labels is not None:
            channels = next(iter(design.dataset.images.values()))
            build = BuildDataSet(Path(photos), Path(labels), place, channels, classes, colours, size, val_percent)
            journey.perform(build)
        return journey.go_on(place, design, weights, classes, choices, built=data is None, check=not no_check)


class _Journey:
    """A run with its ledger, while its steps are performed."""

    def __init__(self, run: Path, ledger: Ledger, observer: Observer, device: Device) -> None:
        self._run, self._ledger, self._observer, self._device = run, ledger, observer, device
        self._hashes = FileHashes(run / FOLDER / _HASHES)
        self._asked = ""  # the weights that are asked for, by name or path

    def perform(self, step: Step) -> None:
        """Do a step, or pass it over where it is done."""
        inputs = step.find_inputs(self._hashes, self._observer)
        self._hashes.save()
        entry = self._ledger.entries.get(step.name)
        if entry and entry.outputs is not None and entry.inputs == inputs:
            missing = [path for path in entry.outputs if not (self._run / path).exists()]
            if not missing:
                self._note_changes(entry.outputs)
                self._observer.pass_over(step)
                return
            why = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} gone"
        else:
            why = _explain(entry.inputs, inputs) if entry else ""
        resume = entry is not None and step.can_resume(entry.inputs, inputs)
        if not resume:
            step.clear(self._observer)  # before the ledger says that what is there was begun with these inputs
        self._observer.begin(step, why)
        self._ledger.begin(step.name, inputs)
        step.run(self._observer, resume)
        paths = step.list_outputs()
        digests = self._hashes.hash_files(paths)
        self._hashes.save()
        names = [_relative(path, self._run) for path in paths]
        self._ledger.finish(step.name, dict(zip(names, digests, strict=True)))

    def go_on(
        self,
        data: Path,
        design: NetDesign,
        weights: PathLike | None,
        classes: Sequence[str] | None,
        choices: Mapping[str, Any],
        built: bool,
        check: bool,
    ) -> Fit:
        """Do the steps that follow once there is a data set."""
        run, device = self._run, self._device
        counts = count_images(data)
        origin = find_origin(design.name)
        donor = self._find_donor(origin, weights)
        number = _count_classes(data, classes, self._observer)
        options = {
            **origin.options,
            "classes": None if number is None else [number],
            "batch": defaults.plan_batch(design, _count_sizes(data)),
            "epochs": defaults.plan_epochs(counts[0], donor is None),
            **defaults.plan_solver(design, donor is None),
            **{name: value for name, value in choices.items() if value is not None},
        }
        options = {name: value for name, value in options.items() if value is not None}
        self.perform(BuildNet(design.name, run, data, options))
        left_out = find_other_classes(design.name, options, donor) if donor and number else ()
        self.perform(MakeStart(run, donor, origin.recipe, left_out, self._asked))
        if check:
            self.perform(CheckRun(run, data, records=not built, keep=defaults.KEEP))
        training = TrainNet(run, data, device, defaults.KEEP, checked=check)
        self.perform(training)
        trained = training.weights
        statistics = FoldStatistics(run, data, trained, device)
        if statistics.is_needed:
            self.perform(statistics)
            trained = statistics.output
        scoring = EvaluateNet(run, trained, data, find_splits(data)[1], device)
        self.perform(scoring)
        bundle = WriteBundle(run, trained)
        self.perform(bundle)
        return Fit(run, json.loads(files.read_bytes(scoring.output)), bundle.output)

    def _find_donor(self, origin: Origin, weights: PathLike | None) -> Path | None:
        """Return the file of the weights to start from, None for random values; a model is downloaded if need be."""
        self._asked = wanted = str(origin.model if weights is None else weights)
        if wanted == FROM_SCRATCH:
            return None
        if not wanted:
            self._observer.note("no published weights belong to this net: it is trained from random values")
            return None
        if not models.is_known(wanted) or Path(wanted).is_file():
            if not Path(wanted).exists():
                mend = models.suggest_name(wanted) or "check the path, or name a model: caffe-fcn models list"
                raise FileError(wanted, "is neither a file nor a model", mend)
            return Path(wanted)
        if self._has_begun_without(wanted):
            self._observer.note(f"the training was begun without {wanted}, which could not be fetched, and goes on so")
            return None

        def report(have: int, total: int) -> None:
            self._observer.progress(f"fetching {wanted}", have // _MEGABYTE, total // _MEGABYTE)

        try:
            kept = models.fetch(wanted, progress=report)
        except FileError as error:
            self._observer.note(f"{error}. {_WITHOUT_WEIGHTS}")
            return None
        if kept.pinned:
            pin = f"SHA-256 {kept.record.sha256} of this file is pinned, and later ones must match it"
            self._observer.note(f"nobody published a checksum of {kept.name}: {pin}")
        return kept.path

    def _has_begun_without(self, model: str) -> bool:
        """Whether a training from random values is under way because the model could not be fetched."""
        entry = self._ledger.entries.get(MakeStart.name)
        begun = TrainNet.name in self._ledger.entries
        return begun and entry is not None and entry.inputs == {**entry.inputs, "weights": SCRATCH, "asked for": model}

    def _note_changes(self, outputs: Mapping[str, str]) -> None:
        for path, digest in outputs.items():
            if self._hashes.hash_file(self._run / path) != digest:
                self._observer.note(f"{self._run / path} was changed since it was written, and is kept as it is")


_WITHOUT_WEIGHTS = (
    "So the training starts from random values: it takes longer, needs many more photos than one that starts from a "
    "classifier, and scores lower"
)


@contextmanager
def _open_run(run: Path) -> Iterator[Ledger]:
    """Make the folder of the run, lock it, and read its ledger."""
    if (run / dataset_json.FILE).exists():
        raise FileError(run, "is a data set", "name another folder as `output`; a data set goes to `data`")
    with files.make_folder(run / FOLDER), lock_output(run / FOLDER / "run", "`output`"):
        yield Ledger.read(run)


def _check_device(device: Device) -> None:
    """Raise `EngineError` for what cannot train, before a data set is built for it."""
    check_gpus(device.gpu)
    found, _ = choose_engine(device.engine, device.caffe, bool(device.gpu), device.nproc is not None)
    check_precision(device.precision, found)


def _locate_data(path: Path) -> Path:
    """Return the folder of a data set: that which a model job of DIGITS was trained on, or the folder itself."""
    with files.naming_errors(path):
        is_folder = path.is_dir()
    if not is_folder or opening.splits(path):
        return path
    return find_data_folder(path) or path


def find_net(name: str) -> NetDesign:
    """Return the design of a net, or of the usual one; raises `CaffeFcnError` for one that photos do not suffice."""
    design = find_design(name or defaults.NET)
    if design.dataset.classified:
        segmenting = [each for each, row in catalogue().items() if not row.dataset.classified]
        raise CaffeFcnError(name, "classifies whole images", nearest(name, segmenting) or "take a net that segments")
    if len(design.dataset.images) > 1 or len(design.classes) > 1:
        what = f"reads {' and '.join(design.dataset.tops)}, and a data set of photos has one image and one label"
        raise CaffeFcnError(name, what, "take another net")
    return design


def _explain(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say which inputs changed since a step was begun."""
    changed = [name for name in now if before.get(name) != now[name]]
    return f"changed: {', '.join(changed)}" if changed else "goes on where it stopped"


def _count_classes(data: Path, names: Sequence[str] | None, observer: Observer) -> int | None:
    """Return the number of classes: those of the data set, or those that its labels hold; None for grey labels."""
    about = opening.describe(data)
    if about and about.labels == "grey":
        return None
    known = names or (about.classes if about else None)
    if known:
        return len(known)
    ignored = about.ignore_label if about else None
    parts = about.splits.values() if about else ()
    values = {int(value) for part in parts for value in (part.get("statistics") or {}).get("pixels", {})} - {ignored}
    if not values:
        raise DatasetError(data, "does not say how many classes it has", "give `classes`")
    count = max(values) + 1
    observer.note(f"{count} classes, because the highest label is {count - 1}; `classes` gives them names")
    return count


def _count_sizes(data: Path) -> int:
    """Return how many sizes the images to train on have; 2 stands for several."""
    about = opening.describe(data)
    train = find_splits(data)[0]
    statistics = about.splits.get(train, {}).get("statistics") if about else None
    if statistics:
        return int(statistics["distinct_sizes"])
    shapes = opening.open(data, train).shapes
    first = next(shapes, None)
    return 1 if all(shape == first for shape in shapes) else 2


def _relative(path: Path, folder: Path) -> str:
    """Return a path as seen from ``folder``, by which a run can be moved."""
    return os.path.relpath(path, folder)
