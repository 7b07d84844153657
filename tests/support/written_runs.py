"""A run as it lies on the disk, written by hand, in which whatever can have a name has a hostile one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from caffe_fcn import netspec, proto
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.engines.events import MEASURES
from caffe_fcn.evaluation.scores import ConfusionMatrix

HOSTILE = """</script><img src=x onerror="window.broken=1">{{data}}'&amp;"""
NAMES = ["background", HOSTILE, "cat"]
LABEL = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [0, 2, 2, 1]], np.uint8)
SAID = np.array([[0, 0, 1, 1], [0, 1, 2, 1], [0, 0, 2, 1]], np.uint8)
LINES = [
    {"iteration": 0, "loss": 1.5, "lr": 0.01, "outputs": {"loss": 1.5}},
    {"iteration": 10, "test_net": 0, "outputs": {"accuracy": 0.5, HOSTILE: 0.25}},
    *(
        {"iteration": at, "scores": dict.fromkeys(MEASURES, value), "iu": [value]}
        for at, value in ((10, 0.5), (20, 0.25))
    ),
    {"iteration": 20, "loss": 0.5, "lr": 0.001, "outputs": {"loss": 0.5}},
]


def write_run(folder: Path) -> Path:
    """A run with a small net, figures, and scores of one image, as ``evaluate`` writes them."""
    (folder / "snapshot").mkdir(parents=True)
    net = netspec.build("m2nist-fcn", phase="deploy", classes=[3])
    net.name = net.layer[0].name = HOSTILE
    (folder / "deploy.prototxt").write_text(proto.to_text(net))
    (folder / "solver.prototxt").write_text('net: "train.prototxt"\nbase_lr: 0.01\n')
    Model([Input("data", 1, "grey", [127.0])], [Output("prob", "probabilities", NAMES)]).write(folder)
    (folder / "snapshot/train.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in LINES))
    confusion = ConfusionMatrix(3)
    confusion.add(LABEL, SAID, 255, "label")
    scores = confusion.scores()
    content = {
        "weights": "train_iter_20.caffemodel",
        "images": 1,
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_accuracy": scores.mean_accuracy,
        "mean_iu": scores.mean_iu,
        "frequency_weighted_iu": scores.frequency_weighted_iu,
        "per_class": [
            {"class": number, "name": name, "accuracy": scores.accuracy[number], "iu": scores.iu[number]}
            for number, name in enumerate(NAMES)
        ],
        "confusion": confusion.counts.tolist(),
        "per_image": [{"index": 0, "name": "a", "pixel_accuracy": 10 / 12, "mean_iu": 0.6}],
    }
    (folder / "scores.json").write_text(json.dumps(content))
    return folder
