"""NYUDv2, SIFT Flow and PASCAL-Context, from the files that the reference's Python data layers read.

Besides images and labels these sets have more for each image: HHA and depth (NYUDv2), geometric labels (SIFT Flow).
These become further databases with as many records: ``train_hha``, ``train_depth``, ``train_geo``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from caffe_fcn import files
from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.file_pairs import checksum, shuffled
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.build.record_format import RecordFormat
from caffe_fcn.datasets.formats.voc import MatLabels
from caffe_fcn.datasets.records import datum, images, stores
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.reference_layers import decoders
from caffe_fcn.datasets.reference_layers.published_sets import LAYERS, SETS, DataLayer, TopFile
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.files import PathLike

_ALLOWED = ("one-class", "unlabelled")
"""Checks that find something in these sets, which is no fault there."""


def build(
    output: PathLike,
    name: str,
    folders: Mapping[str, PathLike],
    train: str | None = None,
    val: str | None = None,
    tops: Sequence[str] | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Build nyud, siftflow or pascalcontext from its ``folders``.

        published.build("set", "nyud", {"nyud_dir": "data/nyud"}, tops=["color", "depth", "label"])

    ``folders`` has a path for each folder that the data set's layer in `published_sets` names. ``tops`` are those of
    the layer that become databases (None: image and labels).

    Raises `Fault` for a record that cannot be trained on, `DatasetError` and `FileError`.
    """
    return plan(name, folders, train, val, tops, options).build(output)


def plan(
    name: str,
    folders: Mapping[str, PathLike],
    train: str | None = None,
    val: str | None = None,
    tops: Sequence[str] | None = None,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does: read the lists of images; raises as it does."""
    row, layer = SETS[name], LAYERS[name]
    chosen = {top: layer.tops[top] for top in tops or layer.usual_tops}
    allow = [*_ALLOWED, *options.allow]
    if options.format.size is not None and {"hha", "depth"} & chosen.keys():
        raise DatasetError(name, "hha and depth keep their size", "drop `size`")
    params = {key: str(folders[key]) for key in layer.folders}
    lists = {"train": train or row.splits[0], "val": val or row.splits[1]}
    names = {split: _read_names(layer, {**params, "split": listed}) for split, listed in lists.items()}
    both = set(names["train"]) & set(names["val"])
    if both:
        raise DatasetError("splits", f"{len(both)} images train and validate, {min(both)} first", "choose others")
    if options.shuffle:
        names["train"] = shuffled(names["train"], options.seed)
    table = _make_table(layer, params)
    rules = {top: Rules(len(known), row.ignore_label, frozenset(allow)) for top, known in row.classes.items()}
    databases = tuple(top.database for top in chosen.values())
    splits = [
        SplitSource(split, found, _Converter(found, params, table, chosen, options.format, rules), databases)
        for split, found in names.items()
    ]
    about = Description(
        name,
        classes=list(next(iter(row.classes.values()))),
        ignore_label=row.ignore_label,
        seed=options.seed,
        sources=[{"split": split, "list": listed, **params} for split, listed in lists.items()],
        options={**asdict(options.format), "allow": sorted(allow), "tops": list(chosen), "shuffle": options.shuffle},
    )
    return Plan(about, splits, options)


@dataclass(frozen=True)
class _Converter:
    """Converts image ``i`` and all that belongs to it to a record; ``rules`` are for the tops that are labels."""

    names: Sequence[str]
    params: Mapping[str, str]
    table: Any
    tops: Mapping[str, TopFile]
    format: RecordFormat
    rules: Mapping[str, Rules]

    def __call__(self, index: int) -> Record:
        values: dict[str, bytes] = {}
        allowed: tuple[str, ...] = ()
        sources: list[bytes] = []
        size: tuple[int, ...] | None = None
        for name, top in self.tops.items():
            path = top.path.format(name=self.names[index], **self.params)
            data = stores.read_file(path)
            sources.append(data)
            values[top.database], found, passed = self._convert(name, top, data, path)
            size = size or found
            if found != size:
                have, want = ("x".join(map(str, s)) for s in (found, size))
                raise Fault("size", path, f"is {have}, and its image {want} (height x width)", "pair what belongs")
            allowed += passed
        return Record(values, checksum(*sources), allowed)

    def _convert(
        self, name: str, top: TopFile, data: bytes, path: str
    ) -> tuple[bytes, tuple[int, ...], tuple[str, ...]]:
        """The record of a file, the height and width of what is in it, and the faults that were allowed."""
        if top.kind == "color":
            image = self.format.convert_image(data, path, Rules(allow=next(iter(self.rules.values())).allow))
            return image.record, image.size, image.allowed
        decode = decoders.DECODERS[top.decoder]
        if top.kind == "label":
            label, rules = MatLabels(decode, self.table)(data, path), self.rules[name]
            allowed = rules.enforce(rules.check_label(label, path))
            return self.format.convert_label(label, rules.ignore or 0), label.shape, allowed
        images.load(images.open_header(data, path), path)  # for its guards and its errors
        array = decode(io.BytesIO(data), None)
        if top.kind == "depth":
            return datum.pack_floats(np.log(array.astype(np.float32))[None]), array.shape, ()
        return datum.pack_raw(np.ascontiguousarray(array.transpose(2, 0, 1))), array.shape[:2], ()


def _read_names(layer: DataLayer, params: Mapping[str, str]) -> list[str]:
    path = layer.names.format(**params)
    names = decoders.parse_names(files.read_bytes(path).decode(errors="replace").splitlines())
    if not names:
        raise DatasetError(path, "lists no images", "one name a line")
    return names


def _make_table(layer: DataLayer, params: dict[str, str]) -> Any:
    """What labels are decoded with; raises `DatasetError` where the lists of class names don't fit each other."""
    if not layer.table:
        return None
    where = params[list(layer.folders)[-1]]
    try:
        with files.naming_errors(where):
            return decoders.TABLES[layer.table](params)
    except ValueError as error:
        raise DatasetError(where, f"its lists of class names don't fit: {error}", "fetch them again") from error
