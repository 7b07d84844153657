"""The examples of rules as files: prototxts as they are written, weights and data sets from a few words.

A file ``weights`` has a line a parameter: ``LAYER SHAPE VALUE``, such as ``conv1 8x3x3x3 random``; its layers' types
come from the net. A file ``data`` has lines ``classes a b c``, ``ignore 255`` and, for each record,
``SPLIT VALUES [WORDS]``, such as ``train 0,1,2``.
"""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from PIL import Image
from saved_weights import save

from caffe_fcn.checks.rule import Example
from caffe_fcn.datasets.build.builder import measure_again
from caffe_fcn.datasets.records import opening
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import Datum, NetParameter
from caffe_fcn.weights.interpolation import make_kernel

SIDE = 8


def write(example: Example, folder: Path, mended: bool) -> dict[str, Any]:
    """Write the files of an example into a folder; returns the arguments of `checks.run`."""
    arguments: dict[str, Any] = dict(example.given)
    for name, text in example.texts(mended).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "data":
            arguments["data"] = path
            _write_dataset(path, text)
        elif name == "weights":
            arguments["weights"] = _write_weights(path.with_suffix(".caffemodel"), text)
        else:
            path.write_text(text)
            if name == "solver.prototxt":
                arguments["solver"] = path
            elif path.suffix == ".prototxt" and not {"net", "solver"} & arguments.keys():
                arguments["net"] = path
    if arguments.pop("swap", False) and not mended:
        arguments["net"], arguments["weights"] = arguments["weights"], arguments["net"]
    return arguments


def _write_dataset(folder: Path, text: str) -> None:
    folder.mkdir()
    about = Description("example")
    records: dict[str, list[tuple[list[int], dict[str, str]]]] = {}
    for line in text.splitlines():
        first, *words = line.split()
        if first == "classes":
            about.classes = words
        elif first == "ignore":
            about.ignore_label = int(words[0])
        elif first == "mean":
            about.mean = [float(word) for word in words]
        else:
            if words[0] == "none":
                records.setdefault(first, [])
                continue
            extras = dict(word.partition("=")[::2] for word in words[1:])
            records.setdefault(first, []).append(([int(value) for value in words[0].split(",")], extras))
    for split, pairs in records.items():
        _write_lmdb(folder / f"{split}_images", [_make_image(index, *pair) for index, pair in enumerate(pairs)])
        labels = [_make_label(*pair) for pair in pairs if "unlabelled" not in pair[1]]
        _write_lmdb(folder / f"{split}_labels", labels)
        databases = {"images": f"{split}_images", "labels": f"{split}_labels"}
        about.splits[split] = {"count": len(pairs), "databases": databases}
    mean = about.mean
    about.write(folder)
    with suppress(CaffeFcnError):  # a fault that a rule finds
        measure_again(folder, 1)
    if mean:
        about = opening.describe(folder) or about
        about.mean = mean
        about.write(folder)


def _make_image(index: int, values: list[int], extras: dict[str, str]) -> Datum:
    random = np.random.RandomState(int(extras.get("photo", index)))
    channels, side = int(extras.get("channels", 3)), int(extras.get("side", SIDE))
    pixels = random.randint(0, 256, (channels, side, side)).astype(np.uint8)
    if "colour" in extras:  # the mean of the channels, blue first
        pixels[:] = np.array([int(each) for each in extras["colour"].split("/")], np.uint8)[:, None, None]
    if "broken" in extras:
        return Datum(channels=3, height=side, width=side, data=pixels.tobytes()[:-9])
    return Datum(channels=channels, height=side, width=side, data=pixels.tobytes())


def _make_label(values: list[int], extras: dict[str, str]) -> Datum:
    """A label whose columns have the values in turn."""
    side = int(extras.get("label-side", extras.get("side", SIDE)))
    pixels = np.array(values, np.uint8)[np.arange(side) % len(values)][None, :].repeat(side, 0)
    if "jpeg" in extras or "png" in extras:
        file = BytesIO()
        picture = Image.fromarray(pixels)
        picture.save(file, "JPEG" if "jpeg" in extras else "PNG")
        return Datum(channels=1, height=side, width=side, data=file.getvalue(), encoded=True)
    if "rgb" in extras:
        return Datum(channels=3, height=side, width=side, data=pixels.tobytes() * 3)
    return Datum(channels=1, height=side, width=side, data=pixels.tobytes())


def _write_lmdb(folder: Path, records: list[Datum]) -> None:
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for index, record in enumerate(records):
            transaction.put(f"{index:08d}".encode(), record.SerializeToString())


def _write_weights(path: Path, text: str) -> Path:
    """A caffemodel, or an .npz where the values are of another type than float32."""
    values: dict[str, list[np.ndarray]] = {}
    for line in text.splitlines():
        layer, shape, value, *dtype = line.split()
        dims = tuple(int(side) for side in shape.split("x"))
        values.setdefault(layer, []).append(_make_values(dims, value).astype(dtype[0] if dtype else "float32"))
    if any(array.dtype != np.float32 for arrays in values.values() for array in arrays):
        path = path.with_suffix(".npz")
        np.savez(path, **{f"{name}/{i}": each for name, arrays in values.items() for i, each in enumerate(arrays)})
        return path
    net = NetParameter(layer=[{"name": name} for name in values])
    return save(path, net, values)


def _make_values(shape: tuple[int, ...], value: str) -> np.ndarray:
    if value == "random":
        return np.random.RandomState(1).normal(0, 0.1, shape)
    if value == "bilinear":
        kernel = np.zeros(shape)
        for channel in range(shape[0]):
            kernel[channel, channel % shape[1]] = make_kernel(shape[2])
        return kernel
    if value == "one-nan":
        values = np.ones(shape)
        values.flat[0] = np.nan
        return values
    return np.full(shape, float(value))
