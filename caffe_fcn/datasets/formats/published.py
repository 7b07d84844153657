"""NYUDv2, SIFT Flow and PASCAL-Context, in the layouts that the reference's Python data layers read.

Besides images and labels these sets have more for each name: HHA and depth (NYUDv2), geometric labels (SIFT
Flow). They become further databases in step with the others: ``train_hha``, ``train_depth``, ``train_geo``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from caffe_fcn import files
from caffe_fcn.datasets.build import building
from caffe_fcn.datasets.build.building import PLAINLY, Split, Way
from caffe_fcn.datasets.build.forms import Form
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.pairs import checksum, shuffled
from caffe_fcn.datasets.formats.voc import MatLabels
from caffe_fcn.datasets.records import classes, datum, images, source_files
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.reference_layers import layouts
from caffe_fcn.datasets.reference_layers.layouts import Layout
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.files import PathLike

IGNORE = 255
ALLOWED = ("one-class", "unlabelled")
"""What these sets hold here and there."""


class _Set(NamedTuple):
    """What a published data set is: top -> database, the classes of each label, its splits."""

    kinds: Mapping[str, str]
    classes: Mapping[str, tuple[str, ...]]
    train: str
    val: str


SETS = {
    "nyud": _Set(
        {"color": "images", "label": "labels", "hha": "hha", "depth": "depth"},
        {"labels": classes.NYUD},
        "trainval",
        "test",
    ),
    "siftflow": _Set(
        {"data": "images", "sem": "labels", "geo": "geo"},
        {"labels": classes.SIFT_FLOW, "geo": classes.SIFT_FLOW_GEOMETRIC},
        "trainval",
        "test",
    ),
    "pascalcontext": _Set(
        {"data": "images", "label": "labels"},
        {"labels": classes.PASCAL_CONTEXT},
        "train",
        "val",
    ),
}


def build(
    output: PathLike,
    name: str,
    folders: Mapping[str, PathLike],
    train: str | None = None,
    val: str | None = None,
    tops: Sequence[str] | None = None,
    form: Form = Form(),  # noqa: B008 - it is frozen
    allow: Iterable[str] = ALLOWED,
    shuffle: bool = True,
    seed: int = 1337,
    way: Way = PLAINLY,
) -> Description:
    """Build nyud, siftflow or pascalcontext from its ``folders`` (of pascalcontext voc_dir and context_dir).

    ``tops`` are those of the reference's layer that become databases (None: image and labels). Raises `Fault`
    for a record that cannot be trained on, `DatasetError` and `FileError`.
    """
    published, layout = SETS[name], layouts.LAYOUTS[name]
    wanted = list(tops) if tops else [top for top, kind in published.kinds.items() if kind not in ("hha", "depth")]
    if form.size is not None and {"hha", "depth"} & set(wanted):
        raise DatasetError(name, "hha and depth keep their size", "drop --resize")
    params = {key: str(folders[key]) for key in layout.folders}
    lists = {"train": train or published.train, "val": val or published.val}
    names = {split: _names(layout, {**params, "split": listed}) for split, listed in lists.items()}
    both = set(names["train"]) & set(names["val"])
    if both:
        raise DatasetError("splits", f"{len(both)} images train and validate, {min(both)} first", "choose others")
    if shuffle:
        names["train"] = shuffled(names["train"], seed)
    table = _table(layout, params)
    rules = {kind: Rules(len(known), IGNORE, frozenset(allow)) for kind, known in published.classes.items()}
    kinds = {top: published.kinds[top] for top in wanted}
    splits = [
        Split(split, found, _Maker(found, layout, params, table, kinds, form, rules), tuple(kinds.values()))
        for split, found in names.items()
    ]
    about = Description(
        name,
        classes=list(published.classes["labels"]),
        ignore_label=IGNORE,
        seed=seed,
        sources=[{"split": split, "list": listed, **params} for split, listed in lists.items()],
        options={**asdict(form), "allow": sorted(allow), "tops": wanted, "shuffle": shuffle},
    )
    return building.build(output, splits, about, way)


@dataclass(frozen=True)
class _Maker:
    """Makes name ``i`` a record of all the tops that are wanted."""

    names: Sequence[str]
    layout: Layout
    params: Mapping[str, str]
    table: Any
    kinds: Mapping[str, str]
    form: Form
    rules: Mapping[str, Rules]

    def __call__(self, index: int) -> Record:
        values: dict[str, bytes] = {}
        allowed: tuple[str, ...] = ()
        sources: list[bytes] = []
        size: tuple[int, ...] | None = None
        for top, kind in self.kinds.items():
            path = self.layout.tops[top].path.format(name=self.names[index], **self.params)
            data = source_files.read_file(path)
            sources.append(data)
            values[kind], found, passed = self._record(top, kind, data, path)
            size = size or found
            if found != size:
                have, want = ("x".join(map(str, s)) for s in (found, size))
                raise Fault("size", path, f"is {have}, and its image {want} (height x width)", "pair what belongs")
            allowed += passed
        return Record(values, checksum(*sources), allowed)

    def _record(self, top: str, kind: str, data: bytes, path: str) -> tuple[bytes, tuple[int, ...], tuple[str, ...]]:
        what = self.layout.tops[top].kind
        if what == "color":
            image = self.form.image(data, path, Rules(allow=next(iter(self.rules.values())).allow))
            return image.record, image.size, image.allowed
        if what == "label":
            label = MatLabels(self.layout.tops[top].decode, self.table)(data, path)
            allowed = self.rules[kind].enforce(self.rules[kind].check_label(label, path))
            return self.form.label(label, IGNORE), label.shape, allowed
        array = _decoded(self.layout.tops[top].decode, data, path)
        if what == "depth":
            return datum.pack_floats(np.log(array.astype(np.float32))[None]), array.shape, ()
        return datum.pack_raw(np.ascontiguousarray(array.transpose(2, 0, 1))), array.shape[:2], ()


def _names(layout: Layout, params: Mapping[str, str]) -> list[str]:
    path = layout.names.format(**params)
    names = layouts.split_names(files.read_bytes(path).decode(errors="replace").splitlines())
    if not names:
        raise DatasetError(path, "lists no images", "one name a line")
    return names


def _table(layout: Layout, params: dict[str, str]) -> Any:
    """What labels are decoded with; raises `DatasetError` where the lists of names don't fit each other."""
    if layout.table is None:
        return None
    where = params[layout.folders[-1]]
    try:
        with files.naming_errors(where):
            return layout.table(params)
    except ValueError as error:
        raise DatasetError(where, f"its lists of class names don't fit: {error}", "fetch them again") from error


def _decoded(decode: layouts.Decode, data: bytes, where: str) -> Any:
    images.load(images.open_header(data, where), where)  # for its guards and its errors
    return decode(io.BytesIO(data), None)
