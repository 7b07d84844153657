"""Jobs and model archives of NVIDIA DIGITS 6, made by their documented layout.

A segmentation data set job has train_db and val_db, each with the LMDBs features and labels, and a mean image of the
first (digits/tools/create_generic_db.py). A model job has the prototxts that CaffeTrainTask writes, with absolute
paths of the machine on which it ran, and snapshots (digits/model/tasks/caffe_train.py). What people download has both,
flat, and info.json (digits/model/views.py).
"""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from caffe_worker import CaffeWorker
from PIL import Image

from caffe_fcn.proto import BlobProto, Datum

DATA_ID, MODEL_ID = "20160809-103957-6d37", "20160809-112414-0296"
ELSEWHERE = "/home/greg/ws/digits/digits/jobs"
"""The folder of jobs on the machine that trained the net."""

CLASSES = ["road", "sky", "tree"]
SIZE = (6, 8)
COUNTS = {"train_db": 5, "val_db": 2}

HIDDEN = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
        convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
"""
LOSS = """
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
        loss_param { ignore_label: 255 } }
"""
DEPLOY = f'input: "data"\ninput_shape {{ dim: 1 dim: 3 dim: {SIZE[0]} dim: {SIZE[1]} }}\n{HIDDEN}'
SOLVER = """net: "train_val.prototxt"
test_iter: 2
test_interval: 5
base_lr: 0.0001
display: 1
max_iter: 10
lr_policy: "fixed"
momentum: 0.9
weight_decay: 1e-06
snapshot: 5
snapshot_prefix: "snapshot"
solver_mode: GPU
solver_type: SGD
"""


def make_train_val(mean: str) -> str:
    """The net with its data layers; ``mean`` is the content of the images' transform_param."""

    def layer(phase: str, stage: str, top: str, kind: str) -> str:
        transform = f"transform_param {{ {mean} }}" if top == "data" and mean else ""
        return (
            f'layer {{ name: "{top}" type: "Data" top: "{top}" include {{ phase: {phase} }} {transform}\n'
            f'  data_param {{ source: "{ELSEWHERE}/{DATA_ID}/{stage}/{kind}" batch_size: 1 backend: LMDB }} }}\n'
        )

    phases = (("TRAIN", "train_db"), ("TEST", "val_db"))
    kinds = (("data", "features"), ("label", "labels"))
    layers = [layer(phase, stage, top, kind) for phase, stage in phases for top, kind in kinds]
    return "".join(layers) + HIDDEN + LOSS


MEANS = {
    "image": f'mean_file: "{ELSEWHERE}/{DATA_ID}/train_db/mean.binaryproto"',
    "pixel": "mean_value: 104 mean_value: 117.5 mean_value: 123",
    "none": "",
}
"""What DIGITS writes for each kind of mean subtraction."""


def draw_pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Image ``number``, H x W x 3 (R, G, B), and its label, H x W."""
    random = np.random.RandomState(number)
    image = random.randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    label = random.randint(0, len(CLASSES), SIZE).astype(np.uint8)
    label[0, 0] = 255
    return image, label


def make_data_job(jobs: Path) -> Path:
    """Write the data set job; returns its folder."""
    folder = jobs / DATA_ID
    first = 0
    for stage, count in COUNTS.items():
        images, labels = zip(*(draw_pair(first + number) for number in range(count)), strict=True)
        first += count
        _write_database(folder / stage / "features", [_encode_png(image) for image in images])
        _write_database(folder / stage / "labels", [_encode_png(label) for label in labels])
        mean = np.around(np.mean(images, axis=0)).astype(np.uint8).transpose(2, 0, 1)[::-1]
        blob = BlobProto(num=1, channels=3, height=SIZE[0], width=SIZE[1], data=mean.astype(float).ravel())
        (folder / stage / "mean.binaryproto").write_bytes(blob.SerializeToString())
        (folder / f"create_{stage}_db.log").write_text(f"Found {count} entries for stage {stage}\n")
    (folder / "status.pickle").write_bytes(pickle.dumps(Detonator()))
    return folder


def make_classification_job(jobs: Path, classes: int) -> Path:
    """Write a data set job of images with one class each; DIGITS lists the files, and shuffles the records."""
    folder = jobs / DATA_ID
    images = [draw_pair(number)[0] for number in range(3)]
    records = [Datum.FromString(_encode_png(image)) for image in images]
    for number, record in enumerate(records):
        record.label = number % classes
    _write_database(folder / "train_db", [bytes(record.SerializeToString()) for record in records])
    _write_database(folder / "val_db", [bytes(records[0].SerializeToString())])
    mean = np.around(np.mean(images, axis=0)).transpose(2, 0, 1)[::-1]
    blob = BlobProto(num=1, channels=3, height=SIZE[0], width=SIZE[1], data=mean.ravel())
    (folder / "mean.binaryproto").write_bytes(blob.SerializeToString())
    (folder / "labels.txt").write_text("".join(f"class {number}\n" for number in range(classes)))
    (folder / "train.txt").write_text("".join(f"/images/{number}.png {number}\n" for number in (2, 0, 1)))
    (folder / "val.txt").write_text("/images/0.png 0\n")
    return folder


def read_mean_image(data_job: Path) -> np.ndarray:
    """The mean image of the training set, 3 x H x W (B, G, R), as protobuf reads it."""
    blob = BlobProto.FromString((data_job / "train_db/mean.binaryproto").read_bytes())
    return np.array(blob.data, np.float32).reshape(3, *SIZE)


def make_model_job(jobs: Path, caffe: CaffeWorker, mean: str = "image") -> Path:
    """Write the model job, its snapshots by real Caffe; returns its folder."""
    folder = jobs / MODEL_ID
    folder.mkdir(parents=True)
    texts = {"deploy": DEPLOY, "train_val": make_train_val(MEANS[mean]), "original": HIDDEN + LOSS, "solver": SOLVER}
    for name, text in texts.items():
        (folder / f"{name}.prototxt").write_text(text)
    image = np.zeros((1, 3, *SIZE), np.float32)
    assert caffe.run(DEPLOY, {"data": image}, save=folder / "snapshot_iter_10.caffemodel")
    (folder / "snapshot_iter_5.caffemodel").write_bytes(b"an earlier one, which nobody should read")
    (folder / "snapshot_iter_10.solverstate").write_bytes(b"\x08\x0a")
    (folder / "caffe_output.log").write_text("I0809 11:24:15 1 caffe.cpp:185] Using GPUs 0\n")
    (folder / "status.pickle").write_bytes(pickle.dumps(Detonator()))
    return folder


def make_info() -> dict[str, Any]:
    """info.json as DIGITS 6 writes it for a job of Caffe."""
    return {
        "caffe flavor": "NVIDIA",
        "caffe version": "0.15.13",
        "creation time": "2016-08-09 11:24:14.853354",
        "dataset_id": DATA_ID,
        "deploy file": "deploy.prototxt",
        "digits version": "6.0.0",
        "framework": "caffe",
        "id": MODEL_ID,
        "image dimensions": [*SIZE, 3],
        "job id": MODEL_ID,
        "mean file": "mean.binaryproto",
        "model file": "original.prototxt",
        "name": "roads",
        "snapshot file": "snapshot_iter_10.caffemodel",
        "solver file": "solver.prototxt",
        "status": "Done",
        "train_val file": "train_val.prototxt",
        "username": "greg",
    }


def list_downloads(model_job: Path, data_job: Path) -> dict[str, bytes]:
    """The files of an archive by name, in DIGITS's order: info.json is the last one."""
    names = ["solver.prototxt", "train_val.prototxt", "deploy.prototxt", "original.prototxt"]
    found = {name: (model_job / name).read_bytes() for name in names}
    found["labels.txt"] = "".join(f"{name}\n" for name in CLASSES).encode()
    found["mean.binaryproto"] = (data_job / "train_db/mean.binaryproto").read_bytes()
    found["snapshot_iter_10.caffemodel"] = (model_job / "snapshot_iter_10.caffemodel").read_bytes()
    found["info.json"] = json.dumps(make_info(), sort_keys=True, indent=4).encode()
    return found


def write_archive(path: Path, contents: dict[str, bytes]) -> Path:
    """Write an archive of the kind that the suffix of ``path`` names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        return path
    compression = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2"}.get(path.suffix, "")
    with tarfile.open(path, f"w:{compression}") as tar:  # type: ignore[call-overload]
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


class Detonator:
    """What must not be unpickled: it ends the program that does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('status.pickle was unpickled')",)


def _encode_png(pixels: np.ndarray) -> bytes:
    """A Datum with a PNG, as DIGITS encodes images and labels."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    record = Datum(height=height, width=width, channels=channels, label=0, data=out.getvalue(), encoded=True)
    return bytes(record.SerializeToString())


def _write_database(folder: Path, records: list[bytes]) -> None:
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(f"{number:09d}".encode(), record)
