"""Small nets of forks, trained, scored and run by the torch engine; what real Caffe says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import Ran
from PIL import Image
from prototxts import input_layer, layer

from caffe_fcn import proto
from caffe_fcn.engines import events
from caffe_fcn.engines.log import read_events
from caffe_fcn.weights import open_weights

SIZE = 25


def convolution(name: str, bottom: str, outputs: int, more: str = "kernel_size: 3 pad: 1") -> str:
    settings = f'convolution_param {{ num_output: {outputs} {more} weight_filler {{ type: "msra" }} }}'
    return layer("Convolution", bottom, name, settings, name)


def normalized(name: str, bottom: str, bn: str, more: str = "kernel_size: 3 pad: 1") -> str:
    """A convolution, BN and ReLU."""
    block = convolution(name, bottom, 8, more) + layer("BN", name, name, f"bn_param {{ {bn} }}", f"{name}_bn")
    return block + layer("ReLU", name, name, "", f"{name}_relu")


SEGNETS = "scale_filler { value: 1 } shift_filler { value: 0.001 }"
PSPNETS = "slope_filler { value: 1 } momentum: 0.8"

# Badrinarayanan et al., SegNet: what a pooling found is put back by its mask
SEGNET = (
    normalized("conv1", "data", SEGNETS)
    + layer("Pooling", "conv1", "pool1 mask1", "pooling_param { kernel_size: 2 stride: 2 }", "pool1")
    + normalized("conv2", "pool1", SEGNETS)
    + layer("Upsample", "conv2 mask1", "up1", f"upsample_param {{ upsample_h: {SIZE} upsample_w: {SIZE} }}", "up1")
    + convolution("score", "up1", 3)
)
# Zhao et al., PSPNet: means of large parts of an image beside its features
PSPNET = (
    normalized("conv1", "data", PSPNETS, "kernel_size: 3 stride: 2 pad: 1 bias_term: false")
    + layer("Pooling", "conv1", "pool", "pooling_param { pool: AVE kernel_size: 7 stride: 6 }", "pool")
    + convolution("conv_pool", "pool", 4, "kernel_size: 1")
    + layer("Interp", "conv_pool", "whole", "interp_param { height: 13 width: 13 }", "whole")
    + layer("Concat", "conv1 whole", "both")
    + convolution("small", "both", 3, "kernel_size: 3 pad: 2 dilation: 2")
    + layer("Interp", "small", "score", "interp_param { zoom_factor: 2 }", "score")
)


def segnets_data(part: str, phase: str) -> str:
    return layer(
        "DenseImageData",
        "",
        "data label",
        f'dense_image_data_param {{ source: "{part}.txt" batch_size: 4 shuffle: {str(phase == "TRAIN").lower()} }}'
        f" transform_param {{ mean_value: 110 scale: 0.0078125 }} include {{ phase: {phase} }}",
        "data",
    )


def pspnets_data(part: str, phase: str) -> str:
    listed = f'source: "{part}.txt" batch_size: 4 label_type: PIXEL shuffle: {str(phase == "TRAIN").lower()}'
    rules = f"mean_value: 110 scale: 0.0078125 mirror: {str(phase == 'TRAIN').lower()} crop_size: {SIZE}"
    settings = f"image_data_param {{ {listed} }} transform_param {{ {rules} }} include {{ phase: {phase} }}"
    return layer("ImageSegData", "", "data label size", settings, "data")


WEIGHTED = "loss_param { weight_by_label_freqs: true class_weighting: 0.6 class_weighting: 1.2 class_weighting: 1.2 }"
MEASURED = "include { phase: TEST }"
NETS = {
    "segnet": (segnets_data, "", SEGNET, WEIGHTED, layer("Accuracy", "score label", "accuracy", MEASURED)),
    "pspnet": (
        pspnets_data,
        layer("Silence", "size", ""),
        PSPNET,
        "loss_param { ignore_label: 255 }",
        layer("SegAccuracy", "score label", "accuracy", f"seg_accuracy_param {{ ignore_label: 255 }} {MEASURED}"),
    ),
}
SOLVER = """test_iter: 2 test_interval: 40 base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 max_iter: 40 random_seed: 1
    solver_mode: CPU snapshot_prefix: "snap" """


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of two squares on grey, and their labels, as folders and as lists."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    colours = np.array([[90, 90, 90], [220, 60, 40], [40, 80, 230]])
    for part, count in (("train", 16), ("val", 8)):
        lines = ""
        for folder in ("images", "labels"):
            Path(part, folder).mkdir(parents=True)
        for index in range(count):
            label = np.zeros((SIZE, SIZE), np.uint8)
            for value in (1, 2):
                top, left = random.integers(0, 15, 2)
                label[top : top + 9, left : left + 9] = value
            image = colours[label] + random.integers(-25, 25, (SIZE, SIZE, 3))
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(f"{part}/images/{index}.png")
            Image.fromarray(label).save(f"{part}/labels/{index}.png")
            lines += f"{part}/images/{index}.png {part}/labels/{index}.png\n"
        Path(f"{part}.txt").write_text(lines)
    return tmp_path


@pytest.mark.parametrize("name", NETS)
def test_a_forks_net_is_trained_scored_and_run(photos: Path, cli: Callable[..., Ran], name: str) -> None:
    make_data, before, net, loss, measure = NETS[name]
    data = make_data("train", "TRAIN") + make_data("val", "TEST") + before
    Path("net.prototxt").write_text(data + net + layer("SoftmaxWithLoss", "score label", "loss", loss) + measure)
    Path("solver.prototxt").write_text(f'net: "net.prototxt" {SOLVER}')
    ran = cli("train", "solver.prototxt")  # no engine is named, and BVLC's Caffe is installed
    assert ran.status == 0, ran.err
    assert "is of a fork of Caffe" in ran.err
    with Path("snap.log").open() as log:
        tests = [event for event in read_events(log) if isinstance(event, events.Test)]
    first, last = (next(value for name, value in event.outputs if name == "accuracy") for event in tests)
    assert first < 0.8
    assert last > 0.85
    assert_statistics(name)

    Path("deploy.prototxt").write_text(
        input_layer("image", 1, 3, SIZE, SIZE)
        + layer("Power", "image", "data", "power_param { scale: 0.0078125 }")
        + net
    )
    parts = (("", "train"), ("val-", "val"))
    folders = [f"--{kind}{each}={part}/{each}" for kind, part in parts for each in ("images", "labels")]
    assert cli("data", "folder", *folders, "--classes", 3, "-o", "set").status == 0
    command = ("deploy.prototxt", "snap_iter_40.caffemodel")
    ran = cli("evaluate", *command, "--data", "set", "--mean", "110,110,110", "--json")
    assert ran.status == 0, ran.err
    scored = json.loads(ran.out)
    assert cli("infer", *command, "val/images", "--mean", "110,110,110", "-o", "out").status == 0
    counts = np.zeros((3, 3))
    for index in range(8):
        label, predicted = (np.asarray(Image.open(f"{folder}/{index}.png")) for folder in ("val/labels", "out"))
        np.add.at(counts, (label.ravel(), predicted.ravel()), 1)
    hits = np.diag(counts)
    assert scored["mean_iu"] == pytest.approx((hits / (counts.sum(0) + counts.sum(1) - hits)).mean(), rel=1e-6)
    assert scored["mean_iu"] > 0.7


def assert_statistics(name: str) -> None:
    """What PSPNet's BN keeps came near to the batches' statistics; SegNet's keeps none."""
    with open_weights("snap_iter_40.caffemodel") as weights:
        tensors = [tensor.array() for tensor in weights["conv1_bn"]]
    assert len(tensors) == (4 if name == "pspnet" else 2)
    if name == "pspnet":
        assert (tensors[3] > 0).all()
        assert np.abs(tensors[2]).max() > 0.01


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            layer("Interp", "data", "y", "interp_param { zoom_factor: 2 }", "up"),
            r"net\.prototxt:\d+:\d+, layer 'up' \(Interp\): .*no field named \"interp_param\".*upgrade --to bvlc",
        ),
        (
            layer("Axpy", "s data data", "y", "", "join"),
            r"layer 'join': .*Unknown layer type: Axpy .*upgrade --to bvlc",
        ),
        (
            layer("Unpooling", "data", "y", "unpooling_param { unpool_size: 4 kernel_size: 2 }", "up"),
            r"layer 'up' \(Unpooling\): .*\(take --engine torch, or the fork",
        ),
    ],
)
def test_real_caffe_names_the_layer_and_the_way(
    photos: Path, cli: Callable[..., Ran], settings: str, said: str
) -> None:
    Path("net.prototxt").write_text(input_layer("data", 1, 3, 2, 2) + input_layer("s", 1, 3, 1, 1) + settings)
    Path("w.caffemodel").write_bytes(proto.NetParameter(name="none").SerializeToString())
    ran = cli("infer", "net.prototxt", "w.caffemodel", "val/images/0.png", "-o", "out", "--engine", "caffe")
    assert ran.status == 2
    assert ran.err.count("error:") == 1
    assert re.search(said, ran.err), ran.err
