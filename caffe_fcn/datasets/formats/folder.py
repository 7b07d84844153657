"""Images and labels in folders, or in lists of files, paired by their names without extensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from caffe_fcn.datasets.build.builder import Plan
from caffe_fcn.datasets.build.file_pairs import FilePair, PairConverter, find_first_shape, plan_pairs, shuffled
from caffe_fcn.datasets.build.missing_colours import explain_missing_colours
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.build.pairing import pair_up
from caffe_fcn.datasets.records import labels as label_images
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.labels import Encoding, LabelFormat, MissingColoursError
from caffe_fcn.datasets.records.listed_files import open_files, require_listed
from caffe_fcn.datasets.records.lossy import check_lossless
from caffe_fcn.datasets.records.palette import Colour, fill_gaps
from caffe_fcn.datasets.records.stores import Store
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.files import PathLike

VAL_PERCENT = 10
"""The share of the pairs that is set aside for validation where nothing else is said."""


def build(
    output: PathLike,
    images: PathLike,
    labels: PathLike,
    val_images: PathLike | None = None,
    val_labels: PathLike | None = None,
    val_percent: float | None = None,
    classes: Sequence[str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    encoding: Encoding | None = None,
    ignore: int | None = 255,
    same_size: bool = False,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
    name: str = "folder",
) -> Description:
    """Build a data set from folders of images and labels.

        folder.build("set", "photos", "masks", val_percent=10, classes=["background", "cat"])

    Each of the folders may be a text file with a path a line instead (see `pairing`). The validation set comes from its
    own folders, or is ``val_percent`` of the pairs (None: 10). Any share but 0 is one
    pair at least, and leaves one to train on; a single pair is for training. ``encoding`` says how labels
    encode classes (None: as the first label does), ``colours`` are the colours of their values, and ``ignore`` is the
    value of pixels that don't count. With ``same_size`` an image of another size than the first is a fault. ``name`` is
    what the description calls the data set.

    Raises `Fault` for a pair that cannot be trained on, `DatasetError` and `FileError`.
    """
    made = plan(
        images,
        labels,
        val_images,
        val_labels,
        val_percent,
        classes,
        colours,
        encoding,
        ignore,
        same_size,
        options,
        name,
    )
    return made.build(output)


def plan(
    images: PathLike,
    labels: PathLike,
    val_images: PathLike | None = None,
    val_labels: PathLike | None = None,
    val_percent: float | None = None,
    classes: Sequence[str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    encoding: Encoding | None = None,
    ignore: int | None = 255,
    same_size: bool = False,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
    name: str = "folder",
) -> Plan:
    """Plan what `build` does: pair the files, and detect the format of the labels; raises as it does."""
    if (val_images is None) != (val_labels is None):
        raise DatasetError("validation", "needs both an image folder and a label folder", "name the other one too")
    if val_images is not None and val_percent:
        raise DatasetError("validation", "comes from folders or is a percentage, not both", "name one of the two")
    if val_percent is None:
        val_percent = 0 if val_images is not None else VAL_PERCENT
    if ignore is None and options.format.size and options.format.resize_mode in ("fill", "half-crop"):
        raise DatasetError("resizing", f"{options.format.resize_mode} frames labels with the ignore label", "name one")
    stores = {"train": (open_files(images), open_files(labels))}
    if val_images is not None and val_labels is not None:
        stores["val"] = (open_files(val_images), open_files(val_labels))
    if options.on_error == "stop":
        require_listed(store for both in stores.values() for store in both)
    pairs = {split: pair_up(*both) for split, both in stores.items()}
    if val_percent:
        stores["val"] = stores["train"]
        pairs["train"], pairs["val"] = set_aside(pairs["train"], val_percent, options.seed)
    if options.shuffle:
        pairs["train"] = shuffled_pairs(pairs["train"], options.seed)

    rules = Rules(len(classes) if classes else None, ignore, frozenset(options.allow))
    try:
        label_format = _detect_format(pairs["train"], stores["train"][1], colours, encoding, rules, options.on_error)
    except MissingColoursError as error:
        labels_of = [(stores[split][1], pair.label) for split in pairs for pair in pairs[split] if pair.label]
        raise explain_missing_colours(labels_of) if labels_of else error from error
    first = find_first_shape(pairs["train"], stores["train"][0], options.format)
    converters = {
        split: PairConverter(pairs[split], *stores[split], label_format, options.format, rules, first, same_size)
        for split in pairs
    }
    about = Description(
        name,
        channels=first[0] if first else 3,
        classes=list(classes) if classes else None,
        palette=[list(colour) for colour in fill_gaps(label_format.colours)] if label_format.colours else None,
        ignore_label=ignore,
        seed=options.seed,
        sources=[{"split": "train", "images": str(images), "labels": str(labels)}],
        options={
            **asdict(options.format),
            "encoding": label_format.encoding,
            "val_percent": float(val_percent),
            "allow": sorted(rules.allow),
            "same_size": same_size,
            "shuffle": options.shuffle,
        },
    )
    if val_images is not None:
        about.sources.append({"split": "val", "images": str(val_images), "labels": str(val_labels)})
    return plan_pairs(about, converters, options)


def set_aside(pairs: Sequence[FilePair], percent: float, seed: int) -> tuple[list[FilePair], list[FilePair]]:
    """The pairs that stay for training, and the percentage that is set aside for validation, both in their order.

    Only complete pairs are set aside, one at least; one stays.
    """
    complete = [pair.name for pair in pairs if pair.image and pair.label]
    count = min(max(round(len(complete) * percent / 100), 1), len(complete) - 1)
    names = set(shuffled(complete, seed + 1)[: max(count, 0)])
    return [pair for pair in pairs if pair.name not in names], [pair for pair in pairs if pair.name in names]


def shuffled_pairs(pairs: Iterable[FilePair], seed: int) -> list[FilePair]:
    """The pairs in an order that depends on their names and the seed alone."""
    by_name = {pair.name: pair for pair in pairs}
    return [by_name[name] for name in shuffled(by_name, seed)]


def _detect_format(
    pairs: Sequence[FilePair],
    store: Store,
    colours: Mapping[int, Colour] | None,
    encoding: Encoding | None,
    rules: Rules,
    on_error: str,
) -> LabelFormat:
    """The format of the first label that is an image; a lossy label before it is a fault that stops the build."""
    for pair in pairs:
        try:
            data, where = store.read(pair.label), store.locate(pair.label)
            check_lossless(data, where, rules, colours)
            return label_images.detect(data, where, colours, encoding)
        except Fault as fault:  # the build will come to this file, and stop there or skip it
            if fault.check == "lossy" and on_error == "stop":
                raise
    return LabelFormat(encoding or "palette", colours)
