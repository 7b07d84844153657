"""What a net makes of an image: the numbers of every blob, and its channels made small enough to be shown.

    found = look("deploy.prototxt", "fcn.caffemodel", "photo.png", engine="torch")
    found.blobs["pool5"].statistics.zero_share, found.blobs["pool5"].dead

A layer that works in place writes over the blob that it reads, in every engine. What is told of a blob is what it has
at the end of the pass, after all of its ``makers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines, proto
from caffe_fcn.evaluation.net_inputs import find_image_inputs, find_only_size
from caffe_fcn.evaluation.pictures import add_inputs, find_pictures, read_all
from caffe_fcn.evaluation.predict import make_photo
from caffe_fcn.evaluation.preprocessing import GivenMean, read_model
from caffe_fcn.evaluation.resampling import resize_image
from caffe_fcn.files import PathLike
from caffe_fcn.inspection.filters import Filters, find_first_filters
from caffe_fcn.inspection.parameters import ParameterNumbers, inspect_weights
from caffe_fcn.inspection.sheets import MOST_PICTURES, Sheet, make_sheet
from caffe_fcn.inspection.statistics import Statistics, measure
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.progress import Progress, name_task
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights import open_weights

SHEET_BYTES = 9 << 20
"""What the pictures of all blobs may take together; in base64 and with the rest, a page stays below 20 MB."""

_MOST_SHEET_BYTES = 300_000
_MOST_PICTURES = 32_000  # of all blobs together: the ranges of each take room, too


@dataclass(frozen=True)
class BlobNumbers:
    """The numbers of a blob after a pass; ``makers`` are the layers that made it, those that work in place last.

    ``dead`` are the channels that are zero everywhere, ``constant`` those that have one other value everywhere; both
    are empty where a channel is one value. ``sheet`` shows the channels.
    """

    name: str
    shape: tuple[int, ...]
    makers: tuple[str, ...]
    statistics: Statistics
    dead: tuple[int, ...] = ()
    constant: tuple[int, ...] = ()
    sheet: Sheet | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON, without the pictures."""
        about = {"name": self.name, "shape": list(self.shape), "makers": list(self.makers)}
        return {**about, **self.statistics.to_json(), "dead": list(self.dead), "constant": list(self.constant)}


@dataclass(frozen=True)
class Look:
    """What there is to see in a net: its parameters, its first filters, and its blobs for an image.

    ``photo`` is the image (C x H x W, blue first) as the net got it, but for the mean. ``notes`` say which engine ran,
    and what was assumed.
    """

    net: str
    weights: str
    parameters: Sequence[ParameterNumbers]
    filters: Filters | None = None
    image: str = ""
    photo: NDArray[np.uint8] | None = None
    blobs: Mapping[str, BlobNumbers] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON, without the pictures."""
        return {
            "net": self.net,
            "weights": self.weights,
            "image": self.image or None,
            "notes": list(self.notes),
            "parameters": [each.to_json() for each in self.parameters],
            "blobs": [each.to_json() for each in self.blobs.values()],
        }


def look(
    net: PathLike,
    weights: PathLike,
    image: PathLike | None = None,
    *,
    engine: str = "auto",
    mean: GivenMean = None,
    scale: float | None = None,
    inputs: Mapping[str, PathLike] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Look:
    """Look into a net: at its weights alone, or also at what it makes of an image.

    ``image`` is a file, or the folder of a data set, whose first record is taken. ``mean`` and ``scale`` are as for
    `evaluation.predict`, ``inputs`` the files for further inputs of the net; ``options`` go to `engines.load`. Without
    an image no engine is needed. Raises what reading the files and running the net raise.
    """
    message, model = proto.read_net(net, allow_unknown=True, notes=[]), read_model(net)
    with open_weights(weights) as opened:
        parameters = list(inspect_weights(opened, name_task(progress, "reading weights")))
        filters = find_first_filters(message, opened, model)
    found = Look(Path(net).name, Path(weights).name, parameters, filters)
    if image is None:
        return found
    graph = Graph(select_phase(message, "deploy"))
    with engines.load(net, weights, engine, stages=["deploy"], blobs=list(graph.blobs), **options) as loaded:
        taken = find_image_inputs(loaded, net, message, model, mean, scale)
        (picture, *_) = add_inputs(find_pictures([str(image)])[:1], inputs or {}, taken, net)
        pixels, remark = _fit_size(read_all(picture, taken), loaded, message, taken[0].blob)
        values = {each.blob: each.preprocessing(pixels[each.blob])[None] for each in taken}
        made = loaded.forward(**values)
        notes = [loaded.note, *(each.preprocessing.note for each in taken), remark]
    blobs = _inspect_blobs(made, graph, progress)
    photo = make_photo(pixels[taken[0].blob], taken[0].order)
    kept = [note for note in dict.fromkeys(notes) if note]
    return Look(found.net, found.weights, parameters, filters, picture.where, photo, blobs, kept)


def _fit_size(
    pixels: dict[str, NDArray[Any]], engine: engines.Engine, net: NetParameter, blob: str
) -> tuple[dict[str, NDArray[Any]], str]:
    """Resize an image where the net takes one size only, since it has fully connected layers; say so in a note."""
    given, size = pixels[blob].shape[1:], find_only_size(engine, net, blob)
    if size is None or size == given:
        return pixels, ""
    resized = {name: resize_image(each, size) for name, each in pixels.items()}
    return resized, f"the image of {dims(given)} was resized to {dims(size)}, the only size that the net takes"


def _inspect_blobs(made: dict[str, NDArray[Any]], graph: Graph, progress: Progress | None) -> dict[str, BlobNumbers]:
    """Return the numbers of the blobs in the order of the net; each is let go before the next one."""
    makers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for top in node.tops:
            makers.setdefault(top.name, []).append(node.name)
    count = max(len(makers), 1)
    most, pictures = min(_MOST_SHEET_BYTES, SHEET_BYTES // count), min(MOST_PICTURES, max(4, _MOST_PICTURES // count))
    report = name_task(progress, "inspecting blobs")
    found = {}
    for number, (name, layers) in enumerate(makers.items(), 1):
        found[name] = inspect_blob(name, made.pop(name), layers, most, pictures)
        if report:
            report(number, len(makers))
    return found


def inspect_blob(
    name: str,
    values: NDArray[np.float32],
    makers: Sequence[str],
    most: int = _MOST_SHEET_BYTES,
    pictures: int = MOST_PICTURES,
) -> BlobNumbers:
    """Return the numbers of a blob, with a sheet of at most so many bytes and pictures."""
    channels = view_channels(values)
    dead: list[int] = []
    constant: list[int] = []
    if channels.shape[1] > 1 or channels.shape[2] > 1:
        for number, channel in enumerate(channels):
            first = channel.flat[0]
            if (channel == first).all():
                (constant if first else dead).append(number)
    statistics = measure(lambda: [values])
    sheet = make_sheet(channels, most, pictures)
    return BlobNumbers(name, values.shape, tuple(makers), statistics, tuple(dead), tuple(constant), sheet)


def view_channels(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a blob has for the first image as channels x height x width.

    Where the channels are single values, all of them are one channel, of one row.
    """
    first = values[0] if values.ndim > 1 else values
    if first.ndim == 3 and first.shape[1] * first.shape[2] > 1:
        return first
    if first.ndim == 2 and first.shape[0] > 1 and first.shape[1] > 1:
        return first[None]
    return first.reshape(1, 1, -1)
