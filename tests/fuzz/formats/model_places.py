"""Models as they are delivered: archives and folders of a net, its weights and its description."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import saved_weights
from fuzz.containers import damaged_npy, damaged_tar, gzipped, tar_of, zip_members, zip_of
from fuzz.formats.format import Files, Format, either, one_of_its_files
from fuzz.formats.pictures import SIZE, png
from fuzz.mutations import damaged
from google.protobuf import text_format

from caffe_fcn.evaluation.pictures import read_image
from caffe_fcn.interop.model_folders import open_model
from caffe_fcn.proto import NetParameter

_NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
_MODEL = {
    "inputs": [{"blob": "data", "channels": 3, "order": "planes", "mean": [1, 2, 3]}],
    "outputs": [{"blob": "score", "kind": "scores", "classes": ["road", "sky"]}],
}


@cache
def _bundle() -> Files:
    """The files of a bundle by name; of a job of DIGITS, without its description."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"score": [np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1)]}
        path = Path(folder, "snapshot_iter_5.caffemodel")
        saved_weights.save(path, text_format.Parse(_NET, NetParameter()), values)
        weights = path.read_bytes()
    texts = {"deploy.prototxt": _NET, "labels.txt": "road\nsky\n", "model.json": json.dumps(_MODEL)}
    return {**{name: text.encode() for name, text in texts.items()}, path.name: weights}


def _archives() -> list[Files]:
    photo = {"photo.png": png(1)}
    of_digits = {name: content for name, content in _bundle().items() if name != "model.json"}
    tars = [{"model.tar.gz": gzipped(tar_of(files)), **photo} for files in (_bundle(), of_digits)]
    return [*tars, {"model.tar.gz": zip_of(list(_bundle().items())), **photo}]  # the content tells what it is


def _damaged_archive(random: Random, data: bytes) -> bytes:
    if data.startswith(b"PK"):
        members = dict(zip_members(data))
        name = random.choice(sorted(members))
        members[name] = damaged(random, members[name])
        if random.random() < 0.3:
            members[random.choice(["../evil", "/evil", "a/b", "snapshot_iter_5.caffemodel.h5", "é\n"])] = b"x"
        return zip_of(list(members.items()), compress=random.random() < 0.5)
    return gzipped(damaged_tar(random, gzip.decompress(data)))


def _open_archive(inputs: Path) -> None:
    with open_model(inputs / "model.tar.gz"):
        pass


def _planes() -> list[Files]:
    made = []
    for array in (np.ones((3, *SIZE), np.float32), np.ones((3, *SIZE), np.float64)):
        out = io.BytesIO()
        np.save(out, array)
        made.append({"planes.npy": out.getvalue(), **{f"net/{name}": each for name, each in _bundle().items()}})
    return made


def _read_planes(inputs: Path) -> None:
    read_image(inputs / "planes.npy", 3, "planes")


FORMATS = [
    Format(
        "model archive",
        _archives,
        one_of_its_files(either((3, _damaged_archive), (1, damaged)), "model.tar.gz"),
        _open_archive,
        ("net show {i}/model.tar.gz", "weights info {i}/model.tar.gz --check"),
    ),
    Format(
        "planes",
        _planes,
        one_of_its_files(either((3, damaged_npy), (1, damaged)), "planes.npy"),
        _read_planes,
        ("infer {i}/net {i}/planes.npy -o {o}/out --engine torch",),
    ),
]
