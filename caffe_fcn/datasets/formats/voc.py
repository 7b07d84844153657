"""PASCAL VOC 2007 to 2012, from its folder or its tar as it was published, with SBDD's further labels.

With SBDD, training images and labels are SBDD's, and validation is seg11valid: those of VOC 2011's validation
images that SBDD does not train on. Without it, the splits are VOC's own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.build.builder import Plan
from caffe_fcn.datasets.build.file_pairs import (
    FilePair,
    LabelReader,
    PairConverter,
    find_first_shape,
    plan_pairs,
)
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats.folder import shuffled_pairs
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.labels import LabelFormat
from caffe_fcn.datasets.records.stores import Folder, Store, open_store
from caffe_fcn.datasets.reference_layers import decoders
from caffe_fcn.datasets.reference_layers.published_sets import LAYERS, SETS
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError, nearest
from caffe_fcn.files import PathLike

SEG11VALID = "seg11valid"

_VOC = SETS["voc"]
_SPLITS = LAYERS["voc"].names.removeprefix("{voc_dir}/").removesuffix("{split}.txt")
"""Where a VOC has its lists."""


def build(
    output: PathLike,
    path: PathLike,
    sbdd: PathLike | None = None,
    year: int | None = None,
    train: str = "train",
    val: str | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Build from VOC at ``path``, a folder or a tar; ``year`` chooses where there are several.

    ``sbdd`` is SBDD's folder ``dataset``, or what holds it. ``train`` and ``val`` are splits by name, or files that
    list images; without ``val`` the split is "val", or with SBDD seg11valid.

    Raises `Fault` for a pair that cannot be trained on, `DatasetError` and `FileError`.
    """
    return plan(path, sbdd, year, train, val, options).build(output)


def plan(
    path: PathLike,
    sbdd: PathLike | None = None,
    year: int | None = None,
    train: str = "train",
    val: str | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does: find the images of both splits; raises as it does."""
    source = _VocSource(open_store(path), year)
    val = val or (SEG11VALID if sbdd is not None else "val")
    rules = Rules(len(_VOC.classes["label"]), _VOC.ignore_label, frozenset(options.allow))
    parts = {"train": _SbddSource(sbdd) if sbdd is not None else source, "val": source}
    pairs = {split: parts[split].list_pairs(name) for split, name in (("train", train), ("val", val))}
    _check_apart(pairs["train"], pairs["val"], sbdd is not None)
    if options.shuffle:
        pairs["train"] = shuffled_pairs(pairs["train"], options.seed)
    first = find_first_shape(pairs["train"], parts["train"].store, options.format)
    converters = {
        split: PairConverter(pairs[split], part.store, part.store, part.labels, options.format, rules, first)
        for split, part in parts.items()
    }
    about = Description(
        "voc",
        channels=first[0] if first else 3,
        classes=list(_VOC.classes["label"]),
        palette=[list(colour) for colour in _VOC.palette],
        ignore_label=_VOC.ignore_label,
        seed=options.seed,
        sources=[{"split": split, "path": parts[split].where, "list": name} for split, name in
                 (("train", train), ("val", val))],
        options={**asdict(options.format), "allow": sorted(rules.allow), "shuffle": options.shuffle},
    )  # fmt: skip
    return plan_pairs(about, converters, options)


class _VocSource:
    """The images and labels of a VOC in a store, in whatever folder of the store they lie."""

    labels = LabelFormat("palette", dict(enumerate(_VOC.palette)))

    def __init__(self, store: Store, year: int | None) -> None:
        self.store = store
        self.root = _find_root(store, year)
        self.where = store.locate(self.root)

    def list_pairs(self, split: str) -> list[FilePair]:
        return _locate_pairs("voc", self._read_split(split), voc_dir=self.root.rstrip("/"))

    def _read_split(self, split: str) -> list[str]:
        listed = f"{self.root}{_SPLITS}{split}.txt"
        known = self.store.names()
        if listed in known:
            return _parse_list(self.store.read(listed), self.store.locate(listed))
        if split == SEG11VALID:
            return _parse_list(Path(__file__).with_name(f"{SEG11VALID}.txt").read_bytes(), SEG11VALID)
        return _read_list(split, self.store.locate(f"{self.root}{_SPLITS}"), _list_splits(known, self.root))


class _SbddSource:
    """The images of SBDD, and its labels in MATLAB's format."""

    def __init__(self, folder: PathLike) -> None:
        inner = Path(folder) / "dataset"
        self.store = Folder(inner if inner.is_dir() else folder)
        self.where = str(self.store.root)
        self.labels: LabelReader = MatLabels(decoders.sbdd_label)

    def list_pairs(self, split: str) -> list[FilePair]:
        if (self.store.root / f"{split}.txt").is_file():
            names = _parse_list(self.store.read(f"{split}.txt"), self.store.locate(f"{split}.txt"))
        else:
            names = _read_list(split, self.where, [path.stem for path in self.store.root.glob("*.txt")])
        return _locate_pairs("sbdd", names, sbdd_dir="")


def _locate_pairs(set_name: str, names: Iterable[str], **folders: str) -> list[FilePair]:
    """The pairs of a data set in a store, as its row in the table says; ``folders`` are paths in that store."""
    image, label = (LAYERS[set_name].tops[top].path for top in ("data", "label"))

    def locate(path: str, name: str) -> str:
        return path.format(name=name, **folders).lstrip("/")

    return [FilePair(name, locate(image, name), locate(label, name)) for name in names]


@dataclass(frozen=True)
class MatLabels:
    """Reads labels of MATLAB files by one of the functions of `decoders`."""

    decode: decoders.Decoder
    table: object = None

    def __call__(self, data: bytes, where: str) -> NDArray[np.uint8]:
        try:
            label = np.asarray(self.decode(io.BytesIO(data), self.table))
        except ValueError as error:
            raise Fault("broken", where, f"is not a label of this data set: {error}", "fetch it again") from error
        if label.ndim != 2 or label.dtype != np.uint8:
            raise Fault("broken", where, f"holds {label.dtype} of shape {label.shape}, no label", "fetch it again")
        return label


def _find_root(store: Store, year: int | None) -> str:
    """The folder of the store, with a slash, that holds ImageSets, JPEGImages and SegmentationClass."""
    pattern = re.compile(rf"(.*/|){re.escape(_SPLITS)}[^/]+\.txt")
    roots = sorted({match[1] for match in map(pattern.fullmatch, store.names()) if match})
    chosen = [root for root in roots if year is None or root.rstrip("/").endswith(f"VOC{year}")]
    if len(chosen) == 1:
        return chosen[0]
    if not roots:
        raise DatasetError(store.locate(""), f"holds no VOC: there is no {_SPLITS}", "name VOCdevkit, or the tar")
    found = ", ".join(root.rstrip("/") or "." for root in roots)
    raise DatasetError(store.locate(""), f"holds {found}", "choose one with the year")


def _list_splits(names: Iterable[str], root: str) -> list[str]:
    start = f"{root}{_SPLITS}"
    return [name[len(start) : -len(".txt")] for name in names if name.startswith(start) and name.endswith(".txt")]


def _read_list(path: str, where: str, known: Sequence[str]) -> list[str]:
    """The names in a file of the user; raises `DatasetError` where ``path`` is neither a split nor a file."""
    if not Path(path).is_file():
        mend = nearest(path, known) or f"it has {', '.join(known)}; or name a file that lists images"
        raise DatasetError(where, f"has no split {path!r}", mend)
    return _parse_list(files.read_bytes(path), path)


def _parse_list(data: bytes, where: str) -> list[str]:
    names = decoders.parse_names(data.decode(errors="replace").splitlines())
    strange = [name for name in names if "/" in name or name.startswith(".")]
    if not names or strange:
        what = f"lists {strange[0]!r}, which is not the name of an image" if strange else "lists no images"
        raise DatasetError(where, what, "one name a line, without folder or extension")
    if len(set(names)) < len(names):
        raise DatasetError(where, "lists an image twice", "one name a line")
    return names


def _check_apart(train: Iterable[FilePair], val: Iterable[FilePair], sbdd: bool) -> None:
    both = sorted({pair.name for pair in train} & {pair.name for pair in val})
    if both:
        mend = f"`val` {SEG11VALID}" if sbdd else "choose splits that are apart"
        raise DatasetError("splits", f"{len(both)} images train and validate, {both[0]} first", mend)
