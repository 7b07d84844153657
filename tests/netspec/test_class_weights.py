"""Class frequencies of the data set reach the loss: the weights, the matrix, and what both engines make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import PyCaffe
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from caffe_fcn import netspec, proto
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import NetError
from caffe_fcn.netspec.class_weights import make_matrix, weigh_inversely
from caffe_fcn.proto import BlobProto, NetParameter

Cli = Callable[..., Any]
CLASSES = ["road", "roof", "tree", "nothing"]  # of which the last never occurs
CLASSIFIER = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 10 } }
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos of different sizes: road everywhere, roof in two of them, tree in one, and ignored pixels."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number, choices in enumerate(([0, 1, 255], [0, 2, 0], [0, 0, 1], [0], [0, 255])):
        size = (40 + number, 44)
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(folder / f"images/{number}.png")
        label = random.choice(choices, size).astype(np.uint8)
        Image.fromarray(label).save(folder / f"labels/{number}.png")
    (folder / "names.txt").write_text("\n".join(CLASSES))
    (folder / "classifier.prototxt").write_text(CLASSIFIER)
    return folder


@pytest.fixture
def build_set(cli: Cli, photos: Path, tmp_path: Path) -> Callable[..., Path]:
    def build(*more: object, percent: int = 0) -> Path:
        where = ["--images", photos / "images", "--labels", photos / "labels", "--classes", photos / "names.txt"]
        line = [*where, "--ignore", 255, "--val-percent", percent, "--allow", "one-class", *more]
        ran = cli("data", "folder", *line, "-o", tmp_path / "set")
        assert ran.status == 0, ran.err
        return tmp_path / "set"

    return build


def read_labels(photos: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((photos / "labels").iterdir())]


def weigh_by_median(labels: list[np.ndarray]) -> np.ndarray:
    """Eigen and Fergus: pixels of the class by the pixels of the images that have it; the median of that by that."""
    frequency = np.zeros(len(CLASSES))
    for label in range(len(CLASSES)):
        having = [each for each in labels if (each == label).any()]
        if having:
            frequency[label] = sum((each == label).sum() for each in having) / sum(each.size for each in having)
    median = np.median(frequency[frequency > 0])
    return np.array([median / each if each else 0 for each in frequency])


def weigh_by_inverse(labels: list[np.ndarray]) -> np.ndarray:
    pixels = np.bincount(np.concatenate([each.ravel() for each in labels]), minlength=256)[: len(CLASSES)]
    share = pixels / pixels.sum()
    return np.array([1 / ((share > 0).sum() * each) if each else 0 for each in share])


WEIGHTS = {"median": weigh_by_median, "infogain": weigh_by_inverse}


def read_matrix(path: Path) -> np.ndarray:
    blob = BlobProto.FromString(path.read_bytes())
    assert (blob.num, blob.channels) == (1, 1)
    return np.array(blob.data).reshape(blob.height, blob.width)


@pytest.mark.parametrize("balance", WEIGHTS)
def test_class_frequencies_reach_the_net(
    cli: Cli, build_set: Callable[..., Path], photos: Path, tmp_path: Path, balance: str
) -> None:
    line = ["--source", build_set(), "--balance", balance, "-o", tmp_path / "net"]
    ran = cli("net", "build", "voc-fcn32s", *line)
    assert ran.status == 0, ran.err
    weights = WEIGHTS[balance](read_labels(photos))
    np.testing.assert_allclose(read_matrix(tmp_path / "net/infogain.binaryproto"), np.diag(weights), rtol=1e-6)
    loss = proto.read_net(tmp_path / "net/train.prototxt").layer[-1]
    assert (loss.type, loss.infogain_loss_param.source) == ("InfogainLoss", "infogain.binaryproto")
    assert loss.loss_param.ignore_label == 255
    assert f"from 0 (nothing) to {weights.max():.3g} ({CLASSES[weights.argmax()]})" in ran.err
    assert ran.out.splitlines()[-1] == str(tmp_path / "net/infogain.binaryproto")


def test_a_data_set_that_was_not_measured_is_measured(
    cli: Cli, build_set: Callable[..., Path], photos: Path, tmp_path: Path
) -> None:
    data = build_set("--no-statistics")
    before = (data / "dataset.json").read_bytes()
    ran = cli("net", "build", "voc-fcn32s", "--source", data, "--loss", "infogain", "-o", tmp_path / "net")
    assert ran.status == 0, ran.err
    weights = weigh_by_median(read_labels(photos))
    np.testing.assert_allclose(read_matrix(tmp_path / "net/infogain.binaryproto"), np.diag(weights), rtol=1e-6)
    assert (data / "dataset.json").read_bytes() == before


FORWARD = """
net = caffe.Net('train.prototxt', caffe.TRAIN)
net.forward()
net.backward()
outputs.update({name: net.blobs[name].data for name in ('data', 'label', 'score', 'loss')})
outputs['gradient'] = net.params['score_fr'][1].diff
net.save('net.caffemodel')
"""


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("balance", WEIGHTS)
def test_both_engines_compute_the_closed_form(
    cli: Cli,
    build_set: Callable[..., Path],
    photos: Path,
    tmp_path: Path,
    pycaffe: PyCaffe,
    balance: str,
    normalize: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mean, or the sum, over the pixels that count of -w[y] log p[y]."""
    line = ["--source", build_set(), "--balance", balance, "-o", tmp_path / "net"]
    assert cli("net", "from-classifier", photos / "classifier.prototxt", *line).status == 0
    monkeypatch.chdir(tmp_path / "net")
    net = proto.read_net("train.prototxt")
    if not normalize:
        net.layer[-1].loss_param.normalization = net.layer[-1].loss_param.BATCH_SIZE
        proto.write(net, "train.prototxt")
    found = pycaffe(FORWARD, cwd=tmp_path / "net")
    weights = WEIGHTS[balance](read_labels(photos))
    score, label = found["score"][0].astype(np.float64), found["label"][0, 0].astype(int)
    logs = score - np.log(np.exp(score).sum(axis=0))
    counted = label != 255
    picked = np.take_along_axis(logs, np.where(counted, label, 0)[None], axis=0)[0]
    total = -(weights[np.where(counted, label, 0)] * picked)[counted].sum()
    expected = total / counted.sum() if normalize else total
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)

    torch = pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")
    from caffe_fcn.engines.torch.net import Net

    ours = Net(feed(net, found), "train", "net.caffemodel")
    ours.forward(**{name: torch.from_numpy(found[name]) for name in ("data", "label")})
    assert float(ours.loss().detach()) == pytest.approx(expected, rel=1e-5)
    ours.loss().backward()
    gradient = ours.params["score_fr"][1].grad.numpy()
    np.testing.assert_allclose(gradient, found["gradient"], rtol=1e-3, atol=1e-6 * np.abs(found["gradient"]).max())


def feed(net: NetParameter, blobs: dict[str, np.ndarray]) -> NetParameter:
    """The net with Input layers in place of its data layers."""
    for layer in net.layer:
        if layer.type == "Data":
            shape = blobs[layer.top[0]].shape
            layer.Clear()
            name = "data" if shape[1] == 3 else "label"
            proto.parse(f'name: "{name}" type: "Input" top: "{name}"', layer)
            layer.input_param.shape.add(dim=shape)
    return net


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_both_engines_train_and_score_with_weights_of_classes(
    cli: Cli,
    build_set: Callable[..., Path],
    photos: Path,
    tmp_path: Path,
    caffe_bin: Path,
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The matrix lies beside the nets: a run from another folder finds it, too."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    data, net = build_set(percent=40), tmp_path / "net"
    line = ["--source", data, "--balance", "median", "--epochs", 2, "--iter-size", 1, "-o", net]
    assert cli("net", "from-classifier", photos / "classifier.prototxt", *line).status == 0
    ran = cli("train", net / "solver.prototxt", "--engine", engine)
    assert ran.status == 0, ran.err
    weights = net / "snapshot/train_iter_6.caffemodel"  # 2 epochs of 3 images
    ran = cli("evaluate", net / "val.prototxt", weights, "--data", data, "--engine", engine, "--json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["pixel_accuracy"] >= 0


# Arithmetic


shares = st.lists(st.integers(0, 10**9), min_size=1, max_size=256).filter(any)


@given(pixels=shares)
def test_inverse_frequencies_have_the_mean_1_over_all_pixels(pixels: list[int]) -> None:
    frequencies = [each / sum(pixels) for each in pixels]
    weights = weigh_inversely(frequencies)
    mean = sum(share * weight for share, weight in zip(frequencies, weights, strict=True))
    assert mean == pytest.approx(1)
    products = [share * weight for share, weight in zip(frequencies, weights, strict=True) if share]
    assert max(products) == pytest.approx(min(products))  # every class that occurs counts as much
    assert all(weight == 0 for share, weight in zip(frequencies, weights, strict=True) if not share)


def test_the_matrix_is_diagonal() -> None:
    blob = make_matrix([1.0, 2.5])
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 1, 2, 2)
    assert list(blob.data) == [1, 0, 0, 2.5]


# What is refused


def about(**facts: Any) -> Description:
    split = {"count": 9, "databases": {"images": "train_images", "labels": "train_labels"}}
    measured = {"pixels": {}, "ignored_share": 0.0, "frequencies": [0.5, 0.5], "weights": [1.0, 1.0]}
    splits = {"train": {**split, "statistics": measured}}
    return Description("roads", **{"splits": splits, "classes": ["a", "b"], **facts})


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "voc-fcn8s: has no loss 'l2' (one of softmax, infogain)": ("voc-fcn8s", {"loss": "l2"}),
    "`balance`: cannot be 'mean' (did you mean median?)": ("voc-fcn8s", {"balance": "mean"}),
    "`balance`: nothing says how frequent the classes are": ("voc-fcn8s", {"balance": "median"}),
    "`balance`: roads does not say how frequent the classes are (give `source` a data set that ": (
        "voc-fcn8s",
        {"balance": "median", "dataset": about(splits={"train": {"databases": {"images": "i", "labels": "l"}}})},
    ),
    "`balance`: median weighs classes, and the loss softmax does not": (
        "voc-fcn8s",
        {"balance": "median", "loss": "softmax", "dataset": about()},
    ),
    "`balance`: the loss infogain has no weights without one": (
        "voc-fcn8s",
        {"balance": "none", "loss": "infogain", "dataset": about()},
    ),
    "`balance`: roads has the frequencies of 2 classes, and the net has 7": (
        "voc-fcn8s",
        {"balance": "median", "dataset": about(), "classes": 7},
    ),
    "`balance`: siftflow-fcn8s learns 2 labellings": ("siftflow-fcn8s", {"balance": "median"}),
    "`balance`: m2nist-cnn learns one class for an image": ("m2nist-cnn", {"balance": "median"}),
    "`balance`: triangles has no loss that weighs classes": ("triangles", {"balance": "median"}),
    "triangles: has no loss 'infogain' (one of l2, softmax, l1)": ("triangles", {"loss": "infogain"}),
}


@pytest.mark.parametrize("message", BAD)
def test_a_balance_that_does_not_apply_is_one_line(message: str, tmp_path: Path) -> None:
    name, options = BAD[message]
    with pytest.raises(NetError) as raised:
        netspec.write(name, tmp_path / "net", **options)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)
    assert not (tmp_path / "net").exists()


def test_no_balance_is_the_usual_loss() -> None:
    for options in ({}, {"balance": "none"}, {"loss": "softmax"}, {"balance": "none", "loss": "softmax"}):
        assert netspec.build("voc-fcn8s", "train", **options) == netspec.build("voc-fcn8s", "train")


def test_the_matrix_needs_the_folder(cli: Cli, tmp_path: Path) -> None:
    ran = cli("net", "build", "voc-fcn8s", "--phase", "train", "--balance", "median", "-o", tmp_path / "net.prototxt")
    assert ran.status == 2 and "the weights of the classes are a file beside the nets: leave out --phase" in ran.err
