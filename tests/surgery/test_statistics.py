"""The training set's statistics in SegNet's BN.

Who judges: a transcription of bn_layer.cpp of alexgkendall/caffe-segnet (LEARN: the batch's mean and variance, eps
1e-9) and of algorithm 2 of Ioffe and Szegedy, Batch Normalization (the mean of the batches' means, and of their
unbiased variances), in float64; and real Caffe, which runs what `net upgrade` makes of the result.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import plain_layers
import pytest
from command import Ran
from plain_layers import Array
from prototxts import input_layer, layer
from saved_weights import load, save
from tiny_photos import write_photos

from caffe_fcn import engines, proto
from caffe_fcn.cli.printing import Verbosity
from caffe_fcn.datasets.records import opening
from caffe_fcn.evaluation.validation import open_validation
from caffe_fcn.proto import LayerParameter, NetParameter

Cli = Callable[..., Ran]
Values = dict[str, list[np.ndarray]]
SIZE, BATCH, MEAN, SCALE = 16, 4, 120, 0.001
FOLD = ["surgery", "fold-statistics", "--net", "train.prototxt"]


def convolution(name: str, bottom: str, outputs: int) -> str:
    settings = f'num_output: {outputs} kernel_size: 3 pad: 1 weight_filler {{ type: "msra" }}'
    return layer("Convolution", bottom, name, f"convolution_param {{ {settings} }}", name)


def normalized(name: str, bottom: str, mode: str) -> str:
    filled = f"bn_mode: {mode} scale_filler {{ value: 1 }} shift_filler {{ value: 0.001 }}"
    bn = layer("BN", name, name, f"bn_param {{ {filled} }}", f"{name}_bn")
    return convolution(name, bottom, 8) + bn + layer("ReLU", name, name, "", f"{name}_relu")


def segnet(mode: str) -> str:
    """SegNet with one pooling, whose mask unpools."""
    return (
        normalized("conv1", "data", mode)
        + layer("Pooling", "conv1", "pool1 mask1", "pooling_param { kernel_size: 2 stride: 2 }", "pool1")
        + normalized("conv2", "pool1", mode)
        + layer("Upsample", "conv2 mask1", "up1", "upsample_param { scale: 2 }", "up1")
        + normalized("conv3", "up1", mode)
        + convolution("score", "conv3", 3)
    )


def data(part: str) -> str:
    transform = f"transform_param {{ mean_value: {MEAN} scale: {SCALE} }}"
    images, labels = (f'data_param {{ source: "set/{part}_{each}" batch_size: {BATCH} backend: LMDB }}' for each in
                      ("images", "labels"))  # fmt: skip
    return layer("Data", "", "data", images + transform, "data") + layer("Data", "", "label", labels, "label")


LOSS = layer("SoftmaxWithLoss", "score label", "loss", "", "loss")
DROPOUT = layer("Dropout", "conv3", "conv3", "dropout_param { dropout_ratio: 0.2 }", "drop")
SCORE = convolution("score", "conv3", 3)
TRAIN = data("train") + segnet("LEARN").replace(SCORE, DROPOUT + SCORE)
FILES = {
    "train.prototxt": TRAIN + LOSS,
    "val.prototxt": data("val") + segnet("LEARN") + LOSS,
    "deploy.prototxt": input_layer("data", 1, 1, SIZE, SIZE) + segnet("INFERENCE"),
    "solver.prototxt": """train_net: "train.prototxt" test_net: "val.prototxt" test_iter: 1 test_interval: 1000
        base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 max_iter: 25 random_seed: 1 solver_mode: CPU
        snapshot_prefix: "snapshot/train" """,
    "model.json": json.dumps(
        {
            "version": 1,
            "inputs": [{"blob": "data", "channels": 1, "order": "grey", "mean": [MEAN], "scale": SCALE}],
            "outputs": [{"blob": "score", "kind": "scores", "classes": ["none", "dark", "bright"]}],
        }
    ),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Path:
    """A run that is not trained yet, and a data set of 18 images to train on and 2 others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Verbosity, "quiet", False)
    write_photos(tmp_path, size=SIZE)
    assert cli("data", "folder", "--images", "photos", "--labels", "labels", "--classes", 3, "-o", "set").status == 0
    Path("snapshot").mkdir()
    for name, text in FILES.items():
        Path(name).write_text(text)
    return tmp_path


def random_values(net: NetParameter) -> Values:
    random = np.random.default_rng(3)
    values: Values = {}
    reads = 1
    for each in net.layer:
        if each.type == "Convolution":
            outputs = each.convolution_param.num_output
            values[each.name] = [random.normal(0, 0.3, (outputs, reads, 3, 3)), random.normal(0, 1, outputs)]
            reads = outputs
        elif each.type == "BN":
            values[each.name] = [random.uniform(0.5, 2, (1, reads, 1, 1)), random.normal(0, 1, (1, reads, 1, 1))]
    return {name: [array.astype("f4") for array in arrays] for name, arrays in values.items()}


def read_images(count: int) -> Array:
    """The first images of the training part, over again behind the last one, as the data layer gives them."""
    pairs = opening.open("set", "train")
    return np.stack([(pairs.image(number % len(pairs)) - float(MEAN)) * SCALE for number in range(count)])


class Learning:
    """BN in its mode LEARN, which keeps the statistics of its batches here."""

    def __init__(self) -> None:
        self.means: dict[str, list[Array]] = {}
        self.variances: dict[str, list[Array]] = {}

    def __call__(self, norm: LayerParameter, bottoms: list[Array], params: list[Array]) -> list[Array]:
        (x,), (scale, shift) = bottoms, (each.reshape(1, -1, 1, 1) for each in params)
        mean = x.mean((0, 2, 3), keepdims=True)
        variance = ((x - mean) ** 2).mean((0, 2, 3), keepdims=True)
        count = x.size // x.shape[1]
        self.means.setdefault(norm.name, []).append(mean)
        self.variances.setdefault(norm.name, []).append(variance * count / (count - 1))
        return [(x - mean) / np.sqrt(variance + 1e-9) * scale + shift]


def fold(values: Values, net: NetParameter, images: Array) -> Values:
    """What the weights become, by the formulas."""
    learning = Learning()
    for first in range(0, len(images), BATCH):
        plain_layers.run_net(net, values, {"data": images[first : first + BATCH]}, learning)
    folded = dict(values)
    for name in learning.means:
        scale, shift = (each.astype(float) for each in values[name])
        mean, variance = (sum(each[name]) / len(each[name]) for each in (learning.means, learning.variances))
        factor = scale / np.sqrt(variance + 1e-9)
        folded[name] = [factor, shift - mean * factor]
    return folded


def parse(text: str) -> NetParameter:
    net = NetParameter()
    proto.parse(text, net, "test")
    return net


def assert_close(ours: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize(("given", "passes"), [([], 5), (["--images", 6], 2), (["--data", "set"], 5)])
def test_scale_and_shift_are_those_of_the_formulas(place: Path, cli: Cli, given: list[object], passes: int) -> None:
    """18 images in batches of 4 are 5 passes, the last of which begins again; dropout does not count."""
    net = parse(segnet("LEARN"))
    values = random_values(net)
    save(place / "trained.caffemodel", parse(TRAIN), values)
    if given == ["--data", "set"]:
        Path("train.prototxt").write_text(FILES["train.prototxt"].replace('"set/train', '"elsewhere/train'))
    ran = cli(*FOLD, "--weights", "trained.caffemodel", *given, "-o", "folded.caffemodel")
    assert ran.status == 0, ran.err
    found, expected = load(place / "folded.caffemodel"), fold(values, net, read_images(BATCH * passes))
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        for ours, theirs in zip(found[name], arrays, strict=True):
            assert_close(ours, theirs)
    image = read_images(1)
    with engines.load("deploy.prototxt", "folded.caffemodel", "torch") as engine:
        score = engine.forward(data=image.astype("f4"))["score"]
    assert_close(score, plain_layers.run_net(parse(segnet("INFERENCE")), expected, {"data": image}))
    again = cli(*FOLD, "--weights", "folded.caffemodel", *given, "-o", "twice.caffemodel")
    assert again.status == 2 and "layer 'conv1_bn': is in the mode INFERENCE" in again.err
    assert not Path("twice.caffemodel").exists()


def compute_mean_iu(score: Array, labels: Array) -> float:
    """Long et al., Fully convolutional networks, section 5."""
    best = score.argmax(1)
    return float(np.mean([((best == c) & (labels == c)).sum() / ((best == c) | (labels == c)).sum() for c in range(3)]))


def test_a_trained_net_scores_as_it_learned_only_with_the_statistics(place: Path, cli: Cli) -> None:
    """The commands that `train` prints as the next ones do it, for the run as well."""
    ran = cli("train", "solver.prototxt", "--engine", "torch")
    assert ran.status == 0, ran.err
    lines = [line.partition(": caffe-fcn ")[2] for line in ran.err.splitlines() if re.match("next: |then: ", line)]
    surgery, evaluate, _ = (shlex.split(line) for line in lines)
    assert surgery[:2] == ["surgery", "fold-statistics"] and evaluate[0] == "evaluate"
    assert cli(*surgery).status == 0
    assert cli(*evaluate).status == 0

    trained = Path("snapshot/train_iter_25.caffemodel")
    pairs = opening.open("set", "train")
    labels = np.stack([pairs.label(number)[0] for number in range(len(pairs))])
    whole = plain_layers.run_net(parse(segnet("LEARN")), load(trained), {"data": read_images(len(pairs))}, Learning())
    on_train = ["--data", "set", "--split", "train", "--json", "--engine", "torch"]
    nets: list[list[object]] = [["."], ["deploy.prototxt", trained]]
    scores = [json.loads(cli("evaluate", *each, *on_train).out)["mean_iu"] for each in nets]
    assert abs(scores[0] - compute_mean_iu(whole, labels)) < 0.03
    assert scores[1] < scores[0] - 0.2


def test_snapshots_are_scored_in_the_net_that_takes_them_as_they_are(place: Path) -> None:
    assert open_validation("solver.prototxt").net == Path("val.prototxt")


@pytest.mark.caffe
def test_without_masks_real_caffe_runs_the_result(place: Path, cli: Cli, caffe_bin: Path) -> None:
    modes = ("LEARN", "INFERENCE")
    layers = {mode: normalized("conv1", "data", mode) + convolution("score", "conv1", 3) for mode in modes}
    Path("train.prototxt").write_text(data("train") + layers["LEARN"] + LOSS)
    Path("deploy.prototxt").write_text(input_layer("data", 1, 1, SIZE, SIZE) + layers["INFERENCE"])
    net = parse(layers["LEARN"])
    values = random_values(net)
    save(place / "trained.caffemodel", net, values)
    assert cli(*FOLD, "--weights", "trained.caffemodel", "-o", "folded.caffemodel").status == 0
    image = read_images(1)
    expected = plain_layers.run_net(parse(layers["INFERENCE"]), fold(values, net, read_images(20)), {"data": image})
    bvlc = ["net", "upgrade", "deploy.prototxt", "--to", "bvlc", "-o", "bvlc.prototxt"]
    assert cli(*bvlc, "--weights", "folded.caffemodel", "--weights-output", "bvlc.caffemodel").status == 0
    alone = ["surgery", "fold", "--net", "bvlc.prototxt", "--weights", "bvlc.caffemodel"]
    assert cli(*alone, "--net-output", "alone.prototxt", "-o", "alone.caffemodel").status == 0
    assert "Scale" not in Path("alone.prototxt").read_text()
    with engines.load("alone.prototxt", "alone.caffemodel", "caffe", caffe=caffe_bin) as engine:
        assert_close(engine.forward(data=image.astype("f4"))["score"], expected)


def test_check_finds_a_deployed_net_that_learns(place: Path, cli: Cli) -> None:
    def find_layers() -> list[str]:
        ran = cli("check", "deploy.prototxt", "--select", "FCN142", "--json")
        return [each["layer"] for each in json.loads(ran.out)["findings"]]

    assert find_layers() == []
    Path("deploy.prototxt").write_text(FILES["deploy.prototxt"].replace("INFERENCE", "LEARN"))
    assert find_layers() == ["conv1_bn", "conv2_bn", "conv3_bn"]


def write_for_other_size(place: Path) -> None:
    Path("train.prototxt").write_text(FILES["train.prototxt"].replace("scale: 2", "upsample_h: 8 upsample_w: 8"))


def write_without_data(place: Path) -> None:
    Path("train.prototxt").write_text(FILES["deploy.prototxt"].replace("INFERENCE", "LEARN"))


def write_only_validation(place: Path) -> None:
    for name in ("images", "labels"):
        Path(f"set/val_{name}").rename(place / f"other/val_{name}")


def lose_a_layer(place: Path) -> None:
    values = random_values(parse(segnet("LEARN")))
    del values["conv2"]
    save(place / "trained.caffemodel", parse(TRAIN), values)


def share_a_shift(place: Path) -> None:
    shared = 'name: "conv1_bn" param { name: "shared" }'
    Path("train.prototxt").write_text(FILES["train.prototxt"].replace('name: "conv1_bn"', shared))


def make_infinite(place: Path) -> None:
    values = random_values(parse(segnet("LEARN")))
    values["conv1"][1][:] = np.inf
    save(place / "trained.caffemodel", parse(TRAIN), values)


@pytest.mark.parametrize(
    ("spoil", "given", "error"),
    [
        (None, ["--net", "deploy.prototxt"], "deploy.prototxt: has no BN that learns by the statistics of the batch"),
        (write_without_data, [], "train.prototxt: has no data layer"),
        (write_for_other_size, [], "layer 'up1' (Upsample)"),
        (write_only_validation, ["--data", "other"], "other: has no part 'train', only val"),
        (None, ["--data", "photos"], "photos: holds no data set"),
        (lose_a_layer, [], "trained.caffemodel: has no parameters of a layer 'conv2'"),
        (share_a_shift, [], "layer 'conv1_bn' (BN): shares parameters"),
        (make_infinite, [], "trained.caffemodel, layer 'conv1_bn': reads values that are not finite"),
        (None, ["--gpu", "77"], "error: --gpu: "),
    ],
)
def test_what_cannot_be_measured(
    place: Path, cli: Cli, spoil: Callable[[Path], object] | None, given: list[object], error: str
) -> None:
    Path("other").mkdir()
    save(place / "trained.caffemodel", parse(TRAIN), random_values(parse(segnet("LEARN"))))
    if spoil:
        spoil(place)
    ran = cli(*FOLD, *given, "--weights", "trained.caffemodel", "-o", "folded.caffemodel")
    assert ran.status == 2 and error in ran.err and "Traceback" not in ran.err, ran.err
    assert not Path("folded.caffemodel").exists()


@pytest.mark.long
def test_fit_scores_and_delivers_weights_with_the_statistics(
    place: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("elsewhere").mkdir()  # where no net has the names of this one's
    monkeypatch.chdir("elsewhere")
    given = ["--data", "../set", "--net", "segnet-basic", "--weights", "none", "--epochs", 0.5, "--engine", "torch"]
    ran = cli("fit", *given, "-o", "run")
    assert ran.status == 0, ran.err
    (line,) = re.findall(r"^\[5/7\] statistics: caffe-fcn (.*)$", ran.err, re.MULTILINE)
    ran = cli(*shlex.split(line)[:-1], "alone.caffemodel")
    assert ran.status == 0, ran.err
    alone, delivered = load(Path("alone.caffemodel")), load(next(Path("run/bundle").glob("*.caffemodel")))
    assert np.array_equal(alone["conv1_bn"][0], delivered["conv1_bn"][0])
