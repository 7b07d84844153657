"""The statistics of SegNet's BN over a training set, by the net and the batches that it was trained with.

    found = measure_statistics("train.prototxt", "train_iter_40000.caffemodel")
    found.statistics["conv1_bn"].variance

The net runs forward once through the images of its data layers, as they are in training, crops and mirrors included,
but for dropout. Each BN normalizes by the batch, as it learned to. Its mean is the mean of the batches' means, its
variance the mean of the batches' unbiased variances: E[x] and Var[x] of Ioffe and Szegedy, Batch Normalization,
algorithm 2. compute_bn_statistics.py of alexgkendall/SegNet-Tutorial does the same, except that its factor m / (m - 1)
for m values is a division of whole numbers in Python 2, which gives 1, and that it runs n // b + n % b passes of b
images where ceil(n / b) are all of n.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from caffe_fcn import proto
from caffe_fcn.datasets.records import opening
from caffe_fcn.engines.arguments import require_weights
from caffe_fcn.engines.readers import Reader, open_data_layers
from caffe_fcn.engines.readers.augmentation import merge_sources
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.engines.torch.forward import choose_device
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.errors import DatasetError, NetError, WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.net.file_paths import find_paths
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.net.layer_types.pointwise import learns_by_batch
from caffe_fcn.net.shapes import infer_graph
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import TEST, LayerParameter, NetParameter, NetState
from caffe_fcn.proto.copying import copy_message, with_layers
from caffe_fcn.surgery.statistics import Statistics, find_learning_norms
from caffe_fcn.weights.formats import open_weights
from caffe_fcn.weights.layers import locate

_SPLIT = "train"
_SEED = 0  # of the training's random crops and mirrors


@dataclass(frozen=True)
class Measured:
    """The statistics of each BN in ``norms``, by its name, and how they were measured."""

    norms: list[LayerParameter]
    statistics: dict[str, Statistics]
    images: int
    passes: int


def measure_statistics(
    net: PathLike,
    weights: PathLike,
    data: PathLike | None = None,
    images: int | None = None,
    gpu: int | None = None,
    progress: TaskProgress | None = None,
) -> Measured:
    """Run the training net ``net`` through its training images, and measure what its BN layers read.

    ``data`` is a data set whose training part takes the place of the databases that the net names. ``images`` is how
    many are enough (default: all); there are as many passes as it takes to see each once, and the last one is filled
    up with the first images. ``progress`` is called with the passes done and all passes.

    Raises `NetError` where no BN of the net learns by the batch, or nothing in it reads images; `DatasetError` where
    ``data`` has no training part; `WeightsError` where the weights lack a layer, or are not finite; and what reading
    and running raise.
    """
    trained = select_phase(proto.read_net(net), "train")
    norms = find_learning_norms(trained)
    if not norms:
        raise NetError(net, "has no BN that learns by the statistics of the batch, as SegNet's does", _OTHER_NET)
    measuring = _make_measuring_net(trained)
    _locate_data(measuring, Path(net).parent, data)
    readers = open_data_layers(measuring, training=True, seed=_SEED)
    if not readers:
        raise NetError(net, "has no data layer", _OTHER_NET)
    measuring = merge_sources(measuring)
    first = _read_batch(readers, 0)
    shapes = {top: array.shape for top, array in first.items()}
    device = choose_device(gpu)
    running = Net(measuring, NetState(phase=TEST), require_weights(weights), inputs=shapes, device=device)
    _require_layers(running, weights)
    count = min(len(reader) for reader in readers.values())
    count = count if images is None else min(images, count)
    passes = -(-count // max(reader.size for reader in readers.values()))
    sums = _Sums(find_learning_norms(measuring))
    for number in range(passes):
        batch = _read_batch(readers, number) if number else first
        sums.add(running.graph, batch, running.forward(**batch))
        if progress:
            progress(number + 1, passes)
    return Measured(norms, sums.average(weights), count, passes)


_OTHER_NET = "name the net that was trained, such as train.prototxt"


class _Sums:
    """The sums of the batches' statistics, float64."""

    def __init__(self, norms: Sequence[LayerParameter]) -> None:
        self._norms = norms
        self._sums: dict[str, tuple[Array, Array]] = {}
        self._passes = 0

    def add(self, graph: Graph, batch: Mapping[str, Array], tops: Mapping[str, Tensor]) -> None:
        """Add the mean and the unbiased variance of a batch, as its BN layers made them."""
        blobs = infer_graph(graph, inputs={top: array.shape for top, array in batch.items()}).blobs
        for norm in self._norms:
            shape = blobs[norm.top[0]]
            count = math.prod(shape) // shape[1]
            if count == 1:
                what = "reads one value of each channel in a batch, which has no variance"
                raise NetError(f"layer '{norm.name}' (BN)", what, "take larger batches")
            mean, variance = (tops[top].flatten().double().cpu().numpy() for top in norm.top[1:])
            means, variances = self._sums.get(norm.name, (0.0, 0.0))
            self._sums[norm.name] = (means + mean, variances + variance * (count / (count - 1)))
        self._passes += 1

    def average(self, weights: PathLike) -> dict[str, Statistics]:
        """Return the means over the batches; raises `WeightsError` where they are not finite."""
        for name, sums in self._sums.items():
            if not all(np.isfinite(each).all() for each in sums):
                raise WeightsError(
                    locate(weights, name), "reads values that are not finite", "did the training diverge?"
                )
        return {name: Statistics(*(each / self._passes for each in sums)) for name, sums in self._sums.items()}


def _make_measuring_net(trained: NetParameter) -> NetParameter:
    """The net of the training phase up to its last BN, each of which makes the statistics of its batch, too."""
    net = copy_message(trained)
    for layer in net.layer:
        layer.ClearField("include")  # what is in the training phase stays in
        layer.ClearField("exclude")
    for norm in find_learning_norms(net):
        made = [norm.top[0], f"{norm.name}/mean", f"{norm.name}/variance"]
        norm.top.extend(made[len(norm.top) :])
    needed: set[int] = set()
    for node in reversed(Graph(net).nodes):
        if learns_by_batch(node.layer) or node.index in needed:
            needed |= {node.index, *(bottom.maker.index for bottom in node.bottoms)}
    return with_layers(net, (layer for index, layer in enumerate(net.layer) if index in needed))


def _locate_data(net: NetParameter, folder: Path, data: PathLike | None) -> None:
    """Let the data layers read the training part of ``data``, or else what lies here or in the net's ``folder``."""
    if data is None:
        for layer, (message, name), path in find_paths(net):
            if not Path(path).exists() and (folder / path).exists():
                setattr(getattr(layer, message), name, str(folder / path))
        return
    splits = opening.require_splits(data)
    if _SPLIT not in splits:
        raise DatasetError(data, f"has no part '{_SPLIT}', only {', '.join(splits)}", "name the set of the training")
    paths = [path for path in splits[_SPLIT] if path is not None]  # images, then labels
    databases = [layer for layer in net.layer if origin_of(layer) is Origin.DATABASE]
    if not 1 <= len(databases) <= len(paths):
        what = f"has {len(databases)} Data layers that its BN layers depend on, which `data` cannot replace"
        raise NetError("net", what, "leave `data` out: the net's own data are read")
    for layer, database in zip(databases, paths, strict=False):
        layer.data_param.source = str(database)


def _require_layers(net: Net, weights: PathLike) -> None:
    """Raise `WeightsError` for the first layer that has parameters, and none in the weights: they would be random."""
    with open_weights(weights) as opened:
        for name, params in net.params.items():
            if params:
                opened[net.layers[name].site.layer.name]


def _read_batch(readers: Mapping[str, Reader], number: int) -> dict[str, Array]:
    """The blobs that the data layers make."""
    return {
        top: array
        for reader in readers.values()
        for top, array in zip(reader.layer.top, reader.batch(number), strict=True)
    }
