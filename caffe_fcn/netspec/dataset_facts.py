"""A design for the data set at hand: what ``dataset.json`` says takes the place of what the catalogue says.

    net, options = resolve_design("voc-fcn8s", {"dataset": dataset_json.read(Path("roads"))})

The nets then read the databases of this data set, learn its classes, subtract its mean and pass over its ignored
label, and a deploy net has the size of its images where all have the same; without a validation part there is no net
that validates. Options that are given overrule all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import NetError
from caffe_fcn.netspec.catalogue import find_design
from caffe_fcn.netspec.design import DataSet, NetDesign


def resolve_design(name: str | NetDesign, options: Mapping[str, Any]) -> tuple[NetDesign, dict[str, Any]]:
    """Return the design of this name for the option ``dataset``, if there is one, and the other options.

    Raises `NetError` for a name that does not exist, and for a data set without a database that the net reads.
    """
    net, others = find_design(name), dict(options)
    about = others.pop("dataset", None)
    if about is None:
        return net, others
    if others.get("classes") is None and about.classes and net.takes_classes:
        others["classes"] = len(about.classes)
    return _fit_design(net, about), others


def list_notes(name: str | NetDesign, about: Description) -> list[str]:
    """What somebody should know who builds this net for this data set."""
    if not about.splits:
        return []
    net, notes = find_design(name), []
    if find_splits(about)[1] is None:
        notes.append(f"{about.name} has no validation part: there is no net for it, and the solver does not test")
    if _find_mean(net.dataset, about) is None:
        mean = ", ".join(f"{value:g}" for value in net.dataset.mean)
        notes.append(f"{about.name} says no mean: {mean} is assumed")
    channels = next(iter(net.dataset.images.values()))
    if len(net.dataset.images) == 1 and channels != about.channels:
        notes.append(f"images of {about.name} have {about.channels} channel(s), {net.name} is usually for {channels}")
    return notes


def _fit_design(net: NetDesign, about: Description) -> NetDesign:
    usual = net.dataset
    images = {next(iter(usual.images)): about.channels} if about.splits and len(usual.images) == 1 else usual.images
    same = images == usual.images
    mean = _find_mean(usual, about) or (usual.mean if same else (0.0,))
    names = (tuple(about.classes),) if about.classes else usual.class_names[:1]
    dataset = replace(
        usual,
        name=about.name,
        images=images,
        class_counts=(len(names[0]), *usual.class_counts[1:]) if about.classes else usual.class_counts,
        class_names=(*names, *usual.class_names[1:]),
        palette=tuple((r, g, b) for r, g, b in about.palette or ()) if about.classes else usual.palette,
        ignore_label=about.ignore_label,
        size=_find_size(about) or usual.size,
        mean=mean,
        readers=(),
        databases=_find_databases(net, about),
        counts=_find_counts(about),
        frequencies=_find_class_figures(about, "frequencies"),
        median_weights=_find_class_figures(about, "weights"),
    )
    return replace(net, dataset=dataset, data="lmdb")


def _find_mean(usual: DataSet, about: Description) -> tuple[float, ...] | None:
    """The data set's mean; that of the catalogue where it belongs to a scale, by which pixels get a fixed range."""
    if usual.scale != 1:
        return usual.mean
    return tuple(about.mean) if about.mean and len(about.mean) in (1, about.channels) else None


def _find_size(about: Description) -> tuple[int, int] | None:
    """H x W of the images, where all that were measured have the same."""
    measured = [split["statistics"] for split in about.splits.values() if split.get("statistics")]
    sizes = {tuple(size[:2]) for each in measured for size in each.get("sizes", [])}
    if len(sizes) != 1 or any(each.get("distinct_sizes", 1) != 1 for each in measured):
        return None
    height, width = next(iter(sizes))
    return (height, width) if height and width else None


def find_splits(about: Description) -> tuple[str, str | None]:
    """The splits to train and to validate on, by their names or else by their order."""
    train = "train" if "train" in about.splits else next(iter(about.splits))
    others = [name for name in about.splits if name != train]
    return train, "val" if "val" in others else next(iter(others), None)


def _find_class_figures(about: Description, name: str) -> tuple[float, ...]:
    """The figure of each class in the statistics of the training part; nothing where it was not measured."""
    measured = about.splits[find_splits(about)[0]].get("statistics") if about.splits else None
    return tuple((measured or {}).get(name, ()))


def _find_counts(about: Description) -> tuple[int | None, int | None] | None:
    """How many images the parts have; None where nothing says so, and 0 for a validation part that does not exist."""
    if not about.splits:
        return None
    train, val = find_splits(about)
    return about.splits[train].get("count"), about.splits[val].get("count") if val else 0


def _find_databases(net: NetDesign, about: Description) -> dict[str, dict[str, str]]:
    """For each phase the database of every blob, as a path inside the data set's folder."""
    if not about.splits:
        return {}
    train, val = find_splits(about)
    tops = list(net.dataset.images) if net.dataset.classified else net.dataset.tops
    found: dict[str, dict[str, str]] = {}
    for phase, split in (("train", train), ("val", val)):
        if split is None:
            continue
        databases = about.splits[split]["databases"]
        for top in tops:
            kind = _find_kind(net.dataset, top)
            if kind not in databases:
                what = f"reads a database of '{kind}', and {about.name} has {', '.join(databases)}"
                raise NetError(net.name, what, "build the data set with it, or take another net")
            found.setdefault(phase, {})[top] = databases[kind]
    return found


def _find_kind(dataset: DataSet, top: str) -> str:
    """What a build of a data set calls the database of a blob."""
    name = dataset.reads.get(top, top)
    published = dataset.readers[0][0].tops if dataset.readers else {}
    if name in published:
        return published[name].database
    return "images" if top == next(iter(dataset.images)) else "labels" if top == dataset.labels[0] else top
