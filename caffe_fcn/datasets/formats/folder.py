"""A folder of images and a folder of labels, paired by their names without extensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from posixpath import splitext

from caffe_fcn.datasets.build.building import PLAINLY, Way
from caffe_fcn.datasets.build.forms import Form
from caffe_fcn.datasets.build.pairs import Pair, PairMaker, build_pairs, first_shape, shuffled
from caffe_fcn.datasets.records import labels as label_images
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.labels import Encoding, LabelFormat
from caffe_fcn.datasets.records.palette import Colour, fill_gaps
from caffe_fcn.datasets.records.source_files import Folder, Store
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.files import PathLike

_EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".gif", ".webp"}


def build(
    output: PathLike,
    images: PathLike,
    labels: PathLike,
    val_images: PathLike | None = None,
    val_labels: PathLike | None = None,
    val_percent: float = 0,
    classes: Sequence[str] | None = None,
    colours: Mapping[int, Colour] | None = None,
    encoding: Encoding | None = None,
    form: Form = Form(),  # noqa: B008 - it is frozen
    ignore: int | None = 255,
    allow: Iterable[str] = (),
    same_size: bool = False,
    shuffle: bool = True,
    seed: int = 1337,
    way: Way = PLAINLY,
    name: str = "folder",
) -> Description:
    """Build a data set from folders of images and labels.

    The validation set comes from its own folders, or is ``val_percent`` of the pairs. ``encoding`` says how
    labels encode classes (None: as the first one does), ``colours`` are those of their values. The training set
    is shuffled by ``seed``, which also chooses the validation set.
    ``name`` is what the description calls the data set.

    Raises `Fault` for a pair that cannot be trained on, `DatasetError` and `FileError`.
    """
    if (val_images is None) != (val_labels is None):
        raise DatasetError("validation", "needs both an image folder and a label folder", "name the other one too")
    if val_images is not None and val_percent:
        raise DatasetError("validation", "comes from folders or is a percentage, not both", "name one of the two")
    if ignore is None and form.size and form.resize_mode in ("fill", "half-crop"):
        raise DatasetError("resizing", f"{form.resize_mode} frames labels with the ignore label", "name one")
    stores = {"train": (Folder(images), Folder(labels))}
    if val_images is not None and val_labels is not None:
        stores["val"] = (Folder(val_images), Folder(val_labels))
    pairs = {split: pair_up(*both) for split, both in stores.items()}
    if val_percent:
        stores["val"] = stores["train"]
        pairs["train"], pairs["val"] = set_aside(pairs["train"], val_percent, seed)
    if shuffle:
        pairs["train"] = in_order_of(shuffled((pair.name for pair in pairs["train"]), seed), pairs["train"])

    coding = _detect(pairs["train"], stores["train"][1], colours, encoding)
    rules = Rules(len(classes) if classes else None, ignore, frozenset(allow))
    like = first_shape(pairs["train"], stores["train"][0], form)
    makers = {split: PairMaker(pairs[split], *stores[split], coding, form, rules, like, same_size) for split in pairs}
    about = Description(
        name,
        channels=like[0] if like else 3,
        classes=list(classes) if classes else None,
        palette=[list(colour) for colour in fill_gaps(coding.colours)] if coding.colours else None,
        ignore_label=ignore,
        seed=seed,
        sources=[{"split": "train", "images": str(images), "labels": str(labels)}],
        options={
            **asdict(form),
            "encoding": coding.encoding,
            "val_percent": float(val_percent),
            "allow": sorted(rules.allow),
            "same_size": same_size,
            "shuffle": shuffle,
        },
    )
    if val_images is not None:
        about.sources.append({"split": "val", "images": str(val_images), "labels": str(val_labels)})
    return build_pairs(output, about, makers, way)


def pair_up(images: Store, labels: Store) -> list[Pair]:
    """The pairs in two stores, in the order of their names; what has no other half is a pair with a hole.

    Raises `Fault` where two files of one store have the same name before the extension.
    """
    image_of, label_of = (_by_stem(store) for store in (images, labels))
    if not image_of:
        raise DatasetError(images.locate(""), "holds no images", f"of {', '.join(sorted(_EXTENSIONS))}")
    stems = sorted(image_of.keys() | label_of.keys())
    return [Pair(stem, image_of.get(stem, ""), label_of.get(stem, "")) for stem in stems]


def set_aside(pairs: Sequence[Pair], percent: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """The pairs that stay, and those of the percentage that is set aside, both in their order."""
    chosen = shuffled((pair.name for pair in pairs), seed + 1)[: round(len(pairs) * percent / 100)]
    names = set(chosen)
    return [pair for pair in pairs if pair.name not in names], [pair for pair in pairs if pair.name in names]


def in_order_of(names: Iterable[str], pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs in the order of ``names``."""
    by_name = {pair.name: pair for pair in pairs}
    return [by_name[name] for name in names]


def _by_stem(store: Store) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in store.names():
        stem, extension = splitext(name)
        if extension.lower() not in _EXTENSIONS:
            continue
        if stem in found:
            raise Fault("pair", store.locate(name), f"has the name of {store.locate(found[stem])}", "remove one")
        found[stem] = name
    return found


def _detect(
    pairs: Sequence[Pair], store: Store, colours: Mapping[int, Colour] | None, encoding: Encoding | None
) -> LabelFormat:
    """The encoding of the first label that is one."""
    for pair in pairs:
        try:
            return label_images.detect(store.read(pair.label), store.locate(pair.label), colours, encoding)
        except Fault:  # the build will come to it, and stop there or skip it
            continue
    return LabelFormat(encoding or "palette", colours)
