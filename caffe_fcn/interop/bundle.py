"""Bundles: what is delivered of a trained net, in a folder or as one .tar.gz.

    bundle = write_bundle("roads/deploy.prototxt", "roads/snapshot/train_iter_4000.caffemodel", "roads.tar.gz")
    bundle.checksums["deploy.prototxt"]

| file | what it has |
|---|---|
| deploy.prototxt | the net from images to scores, or with `softmax` and `argmax` to probabilities and classes |
| snapshot_iter_N.caffemodel | its weights, of iteration N |
| model.json | what its images must be like, and what its outputs mean |
| labels.txt | the names of its classes, a line each, where they are known |
| mean.binaryproto | the mean to subtract as an image, where there is one to subtract |
| README.md | all of it for people: see `bundle_card` |
| info.json | the names of the files as NVIDIA DIGITS gives them, and their checksums |

These are the files of a model archive of DIGITS, so that what reads such archives reads bundles, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from caffe_fcn import files, proto
from caffe_fcn.description.model_json import Model
from caffe_fcn.engines.deploy_form import make_deploy_form
from caffe_fcn.errors import WeightsError, nearest
from caffe_fcn.evaluation.score_files import read_scores
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.bundle_card import Card
from caffe_fcn.interop.bundle_net import HALVES, DeliveredNet
from caffe_fcn.interop.bundle_output import CHECKSUMS, INFO_FILE, gather_files, hash_file, require_place
from caffe_fcn.interop.bundle_target import describe_misfit, fit_to_target
from caffe_fcn.interop.digits_job import LABELS_FILE, MEAN_FILE
from caffe_fcn.interop.net_description import describe_net_file
from caffe_fcn.interop.targets.misfits import Misfit
from caffe_fcn.interop.targets.table import find_target
from caffe_fcn.net.graph import Graph
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.net.shapes import infer
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import NetParameter, to_text
from caffe_fcn.weights import make_mean, open_weights, read_mean, save_weights, write_mean

CARD_FILE = "README.md"

_ITERATION = re.compile(r"_iter_(?P<iteration>[0-9]{1,18})\.caffemodel")


@dataclass(frozen=True)
class Bundle:
    """What `write_bundle` wrote to ``path``; ``checksums`` are the SHA-256 of its files by name.

    ``notes`` say what was changed in the net, and what is unknown. ``misfits`` is what the target does not take of it.
    """

    path: Path
    net: str
    weights: str
    checksums: Mapping[str, str]
    notes: Sequence[str] = ()
    misfits: Sequence[Misfit] = ()


@dataclass(frozen=True)
class Facts:
    """What the files of a net do not say of it: its ``name``, its ``scores`` by their names, and further facts.

    Without scores, those in ``scores.json`` beside the net are taken if they are of its weights. ``others`` are lines
    of the card, such as ``{"Licence": "CC BY 4.0", "Weights": "fine-tuned from vgg16"}``.
    """

    name: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)


def write_bundle(
    net: PathLike,
    weights: PathLike,
    output: PathLike,
    *,
    softmax: bool = False,
    argmax: bool = False,
    fold_normalization: bool = False,
    fold_mean: bool = False,
    half: str = "",
    size: tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    target: str | None = None,
    facts: Facts = Facts(),
    progress: TaskProgress | None = None,
) -> Bundle:
    """Write the bundle of a deploy net and its weights; ``model.json`` beside the net is read.

    ``output`` is a folder, or an archive if it ends in .tar.gz. ``softmax`` and ``argmax`` append such layers behind
    all scores. ``fold_normalization`` folds BatchNorm and Scale layers, ``fold_mean`` makes the net take raw pixels.
    ``half`` makes weights that float16 can hold: "rounded" keeps them as float32, for every Caffe; "stored" as
    float16, for NVIDIA's Caffe, OpenCV and this package, and not for BVLC's. ``size`` (H, W) is that of all images.
    ``mean`` takes the place of what ``model.json`` says. ``target`` is the program or device that is to take the net
    (see `caffe_fcn.interop.targets`): what does not fit it is rewritten where that computes the same
    (`bundle_target`), and what stays is in ``misfits`` of the result. ``progress`` is told of the megabytes in
    an archive.

    The bundle appears whole or not at all. Raises `FileError` for a folder that has other files,
    `WeightsError` for weights that are not this net's, `NetError` for a net that is no deploy net.
    """
    place, taker = Path(output), find_target(target) if target else None
    if half and half not in HALVES:
        raise WeightsError(f"`half` {half}", "no such form", nearest(half, HALVES) or f"one of {', '.join(HALVES)}")
    require_place(place)
    source = Path(net)
    deploy = make_deploy_form(net, weights)[0] or proto.read_net(net)
    model, notes = describe_net_file(source, deploy, mean)
    with open_weights(weights) as opened, gather_files(place, progress) as folder:
        made = DeliveredNet(deploy, opened, model)
        made.notes += notes
        scored = model.outputs
        if size is not None:
            made.set_size(size)
        if fold_normalization:
            made.fold_normalization()
        if fold_mean:
            made.fold_mean()
        if softmax:
            made.append_softmax()
        if argmax:
            made.append_argmax(scored)
        misfits = fit_to_target(made, taker) if taker else []
        made.notes += [describe_misfit(each, taker) for each in misfits if taker]
        made.note_forks()
        made.convert(half)
        if half == "stored":
            made.notes.append("float16 weights: NVIDIA's Caffe, OpenCV and caffe_fcn read them, BVLC's Caffe does not")
        found = _ITERATION.search(Path(weights).name)
        name = f"snapshot_iter_{found['iteration'] if found else 0}.caffemodel"
        named = Facts(
            facts.name or made.net.name or source.resolve().parent.name,
            facts.scores or read_scores(source.parent, Path(weights)),
            facts.others,
        )
        fixed = size is not None or taker is not None or _has_dense_layer(made.net)
        checksums = _write_files(folder, source.parent, made, name, named, fixed, half)
    return Bundle(place, DEPLOY_FILE, name, checksums, tuple(made.notes), tuple(misfits))


def _has_dense_layer(net: NetParameter) -> bool:
    """Whether a layer is fully connected, so that the net takes images of one size alone."""
    return any(layer_type(layer.type).kind is Kind.INNER_PRODUCT for layer in net.layer)


def _write_files(
    folder: Path, source: Path, made: DeliveredNet, weights: str, facts: Facts, fixed: bool, half: str
) -> dict[str, str]:
    """Write all files of a bundle; returns their checksums, with that of info.json."""
    head = NetParameter(name=made.net.name).SerializeToString()
    save_weights(folder / weights, made.layers, head)
    files.write_text(folder / DEPLOY_FILE, to_text(made.net))
    sizes = infer(made.net).blobs
    mean_file = _write_means(folder, source, made.model, sizes)
    made.model.write(folder)
    names = made.model.outputs[0].classes
    if names:
        files.write_text(folder / LABELS_FILE, "".join(f"{' '.join(name.split())}\n" for name in names))
    checksums = {path.name: hash_file(path) for path in sorted(folder.iterdir())}
    outputs = [blob.name for blob in Graph(made.net).outputs()]
    card = Card(
        *(facts.name, made.model, sizes, outputs, weights, mean_file, fixed, checksums),
        scores=facts.scores,
        facts=facts.others,
        notes=made.notes,
    )
    files.write_text(folder / CARD_FILE, card.write())
    checksums[CARD_FILE] = hash_file(folder / CARD_FILE)
    shape = sizes[made.model.inputs[0].blob]
    info = {
        "deploy file": DEPLOY_FILE,
        "framework": "caffe",
        "image dimensions": [*shape[2:], shape[1]],
        "image resize mode": "squash",
        "model file": DEPLOY_FILE,
        "name": facts.name,
        "snapshot file": weights,
        **({"labels file": LABELS_FILE} if names else {}),
        **({"mean file": mean_file} if mean_file else {}),
        **({"half": half} if half else {}),
        **({"scores": dict(facts.scores)} if facts.scores else {}),
        CHECKSUMS: checksums,
    }
    files.write_text(folder / INFO_FILE, json.dumps(info, indent=1, sort_keys=True) + "\n")
    return {**checksums, INFO_FILE: hash_file(folder / INFO_FILE)}


def _write_means(folder: Path, source: Path, model: Model, sizes: Mapping[str, Sequence[int]]) -> str | None:
    """Write the means that images are subtracted by; returns the name of the main input's."""
    for index, each in enumerate(model.inputs):
        name = MEAN_FILE if index == 0 else MEAN_FILE.replace(".", f"_{index + 1}.")
        if each.mean_file is not None:
            image = read_mean(source / each.mean_file)
            write_mean(folder / name, image)
            model.inputs[index] = replace(each, mean_file=name)
        elif any(each.mean or ()):
            numbers = list(each.mean or ()) * (each.channels if len(each.mean or ()) == 1 else 1)
            height, width = sizes[each.blob][2:]
            write_mean(folder / name, make_mean(numbers), (height, width))
    return MEAN_FILE if (folder / MEAN_FILE).exists() else None
