"""Solvers that fit: what no option says comes from the data set and the net, and comments say from which."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from caffe_worker import PyCaffe
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from caffe_fcn import datasets, netspec, proto
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import NetError
from caffe_fcn.netspec.learning_rates import LR_POLICIES
from caffe_fcn.netspec.optimizers import OPTIMIZERS
from caffe_fcn.proto import SolverParameter

Cli = Callable[..., Any]


def about(train: int | None = 1112, val: int | None = 123, **facts: Any) -> Description:
    """A data set of so many images; without a validation part where ``val`` is None."""
    counts = {"train": train} if val is None else {"train": train, "val": val}
    splits: dict[str, dict[str, Any]] = {
        name: {"databases": {"images": f"{name}_images", "labels": f"{name}_labels"}} for name in counts
    }
    for name, count in counts.items():
        if count is not None:
            splits[name]["count"] = count
    return Description("roads", splits=splits, **facts)


# The failures of a new user


def test_a_data_set_of_2_validation_images_is_not_tested_736_times() -> None:
    solver = netspec.solver("voc-fcn8s-atonce", dataset=about(18, 2))
    assert (list(solver.test_iter), solver.test_interval) == ([2], 18)


def test_the_rate_of_voc_fcn8s_is_not_kept_without_a_word(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    about().write(tmp_path / "set")
    ran = cli("net", "build", "voc-fcn8s", "--source", tmp_path / "set", "-o", tmp_path / "net")
    assert ran.status == 0
    assert (
        "note: the learning rate of voc-fcn8s, 1e-14, is for going on from the trained weights of voc-fcn16s" in ran.err
    )
    assert "train voc-fcn8s-atonce" in ran.err
    for more in (["--base-lr", "1e-10"], ["--optimizer", "Adam"]):
        ran = cli("net", "build", "voc-fcn8s", "--source", tmp_path / "set", *more, "-o", tmp_path / "net")
        assert "going on" not in ran.err
    ran = cli("net", "build", "siftflow-fcn16s", "--epochs", "3", "-o", tmp_path / "net")
    assert "trained weights of siftflow-fcn32s: train that one first" in ran.err
    assert "going on" not in cli("net", "build", "voc-fcn8s", "-o", tmp_path / "net").err


# Lengths


def test_twenty_epochs() -> None:
    solver = netspec.solver("voc-fcn8s-atonce", dataset=about(), epochs=20)
    assert (solver.max_iter, solver.test_interval) == (20 * 1112, 1112)


@pytest.mark.parametrize(("batch", "iter_size", "iterations"), [(1, 4, 278), (4, 1, 278), (2, 2, 278), (1, 1112, 1)])
def test_an_iteration_sees_batch_times_iter_size_images(batch: int, iter_size: int, iterations: int) -> None:
    solver = netspec.solver("voc-fcn32s", dataset=about(), batch=batch, iter_size=iter_size, epochs=3)
    assert (solver.max_iter, solver.test_interval) == (3 * iterations, iterations)
    assert list(solver.test_iter) == [math.ceil(123 / batch)]


def test_half_an_epoch_between_tests() -> None:
    solver = netspec.solver("voc-fcn32s", dataset=about(), epochs=2, val_every=0.5)
    assert (solver.max_iter, solver.test_interval) == (2224, 556)


numbers = st.integers(1, 100_000)
epochs = st.one_of(st.integers(1, 300).map(Fraction), st.fractions(Fraction(1, 100), 300, max_denominator=100))


@given(train=numbers, val=numbers, batch=st.integers(1, 64), iter_size=st.integers(1, 64), length=epochs, every=epochs)
def test_the_arithmetic_of_epochs(
    train: int, val: int, batch: int, iter_size: int, length: Fraction, every: Fraction
) -> None:
    """Counted in images: each is seen as often as was asked, tests lie as far apart, and each tests on all images."""
    asked = {"epochs": length, "val_every": every, "iter_size": iter_size, "batch": batch}
    solver = netspec.solver("voc-fcn32s", dataset=about(train, val), **asked)
    update = batch * iter_size
    seen, apart = solver.max_iter * update, solver.test_interval * update
    assert seen >= length * train
    assert seen - apart < length * train
    assert min(every, length) * train <= apart < min(every, length) * train + update
    assert 0 <= solver.test_iter[0] * batch - val < batch
    if solver.snapshot >= solver.test_interval:
        assert solver.snapshot % solver.test_interval == 0 and solver.max_iter / solver.snapshot <= 16
    else:  # an epoch of many iterations, after whose usual number the reference has a snapshot, too
        parts = math.ceil(solver.test_interval / solver.snapshot)
        assert solver.snapshot >= 4000 and 0 <= parts * solver.snapshot - solver.test_interval < parts
    if (length / every).denominator == 1:
        assert solver.max_iter % solver.test_interval == 0
    else:
        assert seen - length * train < update


@given(train=numbers, batch=st.integers(1, 64))
def test_without_options_a_training_is_of_a_sensible_length(train: int, batch: int) -> None:
    """30 epochs, but no more iterations than the reference's own solver, and no fewer than a thousand or so."""
    solver = netspec.solver("voc-fcn32s", dataset=about(train), batch=batch)
    epoch = math.ceil(train / batch)
    assert 1000 <= solver.max_iter <= max(100_000, 1000 + epoch)
    assert solver.max_iter >= min(30 * train / batch, 100_000 - solver.test_interval)
    assert (solver.max_iter % solver.test_interval == 0 and solver.test_interval >= train / batch) or (
        solver.test_interval == solver.max_iter
    )
    assert solver.max_iter / solver.test_interval <= 101
    assert solver.max_iter / solver.snapshot <= 30  # the reference has 25


def test_a_net_that_was_published_with_its_epochs_keeps_them() -> None:
    assert netspec.solver("m2nist-fcn", dataset=about(4000, 1000)).max_iter == 200 * 1000
    assert netspec.solver("digits-fcn8s", dataset=about(2000, 10)).max_iter == 10 * 2000


def test_a_short_training_still_logs() -> None:
    solver = netspec.solver("voc-fcn32s", dataset=about(50, 5), epochs=1)
    assert (solver.max_iter, solver.display) == (50, 5)


def test_snapshots_come_after_tests_and_about_ten_times() -> None:
    solver = netspec.solver("siftflow-fcn32s", epochs=50)
    assert (solver.snapshot, solver.snapshot_prefix) == (5 * 2488, "snapshot/train")


def test_a_long_epoch_has_several_snapshots() -> None:
    solver = netspec.solver("voc-fcn32s", dataset=about(50_000, 5000))
    assert (solver.max_iter, solver.test_interval, solver.snapshot) == (100_000, 50_000, 10_000)


def test_a_small_data_set_has_a_smaller_iter_size() -> None:
    """FCN-AlexNet makes one update of 20 images; fifty photos would make two updates an epoch."""
    sizes = {count: netspec.solver("voc-fcn-alexnet", dataset=about(count)).iter_size for count in (50, 400, 1112)}
    assert sizes == {50: 1, 400: 8, 1112: 20}
    assert netspec.solver("voc-fcn-alexnet", dataset=about(50), iter_size=20).iter_size == 20
    assert netspec.solver("voc-fcn-alexnet").iter_size == 20


def test_triangles_still_train_in_minutes() -> None:
    solver = netspec.solver("triangles", dataset=about(9000, 1000))
    assert (solver.max_iter, solver.test_interval, solver.snapshot) == (600, 300, 300)


def test_the_published_data_set_of_a_net_has_known_counts() -> None:
    """SBDD's 8498 training images; the data set of another folder is unknown until it is there."""
    assert netspec.solver("voc-fcn32s", epochs=1).max_iter == 8498
    assert netspec.solver("voc-fcn32s", epochs=1, source="../data").max_iter == 8498
    with pytest.raises(NetError, match="`epochs`: nothing says how many images an epoch has"):
        netspec.solver("voc-fcn32s", epochs=1, source="roads", data="lmdb")


def test_an_fcn_of_a_classifier_has_no_data_set_of_its_own() -> None:
    """Its usual solver is that of voc-fcn-alexnet, whose counts say nothing of its data."""
    classifier = proto.NetParameter()
    proto.parse(CLASSIFIER, classifier)
    design = netspec.from_classifier(classifier, 2)
    with pytest.raises(NetError, match="`epochs`: nothing says how many images"):
        netspec.solver(design, epochs=3)
    solver = netspec.solver(design, base_lr=1e-3)
    assert (solver.base_lr, solver.max_iter, solver.iter_size) == (pytest.approx(1e-3), 100_000, 20)
    assert netspec.solver(design, dataset=about(), epochs=3).max_iter == 3 * 56  # of 20 images


def test_without_validation_part_only_the_length_is_fitted() -> None:
    solver = netspec.solver("voc-fcn32s", dataset=about(val=None), epochs=2)
    assert solver.max_iter == 2224 and not solver.test_interval and not solver.test_iter
    with pytest.raises(NetError, match="`val_every`: roads has no validation part"):
        netspec.solver("voc-fcn32s", dataset=about(val=None), val_every=1)


# Rates


def rates(solver: SolverParameter) -> dict[str, float]:
    wanted = ("base_lr", "momentum", "momentum2", "rms_decay", "delta")
    return {name: round(getattr(solver, name), 16) for name in wanted if solver.HasField(name)}


def test_the_rate_is_for_the_loss_of_the_net() -> None:
    """Shelhamer et al. sum the loss over the pixels, and FCN-AlexNet averages it."""
    summed = rates(netspec.solver("voc-fcn32s", dataset=about()))
    averaged = rates(netspec.solver("voc-fcn-alexnet", dataset=about()))
    assert summed == pytest.approx({"base_lr": 1e-10, "momentum": 0.99})
    assert averaged == pytest.approx({"base_lr": 1e-4, "momentum": 0.9})
    nesterov = [rates(netspec.solver(name, optimizer="Nesterov")) for name in ("voc-fcn32s", "voc-fcn-alexnet")]
    assert nesterov == [pytest.approx(summed), pytest.approx(averaged)]
    sgd = rates(netspec.solver("m2nist-fcn", optimizer="SGD"))
    assert sgd == pytest.approx(averaged)


def test_another_optimizer_leaves_nothing_of_the_old_one() -> None:
    assert rates(netspec.solver("voc-fcn8s", optimizer="RMSProp")) == pytest.approx(
        {"base_lr": 1e-4, "rms_decay": 0.99}
    )
    assert set(rates(netspec.solver("m2nist-fcn", optimizer="AdaGrad"))) == {"base_lr"}


def test_the_optimizer_that_a_net_has_keeps_its_rates() -> None:
    assert rates(netspec.solver("m2nist-fcn", optimizer="Adam")) == rates(netspec.solver("m2nist-fcn"))
    assert rates(netspec.solver("voc-fcn8s", optimizer="SGD")) == rates(netspec.solver("voc-fcn8s"))


def test_options_overrule_the_table() -> None:
    solver = netspec.solver("voc-fcn8s", optimizer="Adam", base_lr=3e-5, momentum=0.8, iter_size=7)
    assert rates(solver) == pytest.approx({"base_lr": 3e-5, "momentum": 0.8, "momentum2": 0.999})
    assert solver.iter_size == 7


def test_policies_have_figures_for_the_length_of_the_training() -> None:
    def solver(policy: str) -> SolverParameter:
        return netspec.solver("voc-fcn32s", dataset=about(100, 10), epochs=100, lr_policy=policy)

    step, steps, poly = solver("step"), solver("multistep"), solver("poly")
    assert (step.stepsize, step.gamma) == (3300, pytest.approx(0.1))  # DIGITS: 33 %, 0.1
    assert (list(steps.stepvalue), steps.gamma) == ([5000, 8500], 0.5)  # DIGITS: 50 and 85 %, 0.5
    assert poly.power == pytest.approx(0.9)  # DeepLab
    assert solver("fixed").lr_policy == "fixed"


# Comments


def test_every_field_says_where_its_value_comes_from(tmp_path: Path) -> None:
    given = {"dataset": about(), "epochs": 20, "lr_policy": "step", "momentum": 0.95}
    netspec.write("voc-fcn8s-atonce", tmp_path, source="roads", **given)
    lines = (tmp_path / "solver.prototxt").read_text().splitlines()
    origin = {line.split(":")[0]: line.partition("  # ")[2] for line in lines}
    assert all(origin.values()), lines
    assert origin["test_iter"] == "123 validation images / batch 1"
    assert origin["test_interval"] == "1 epoch: 1112 images / batch 1"
    assert origin["max_iter"] == "20 epochs (as given) of 1112 iterations"
    assert origin["base_lr"] == "the reference's voc-fcn8s-atonce solver"
    assert origin["momentum"] == "as given"
    assert proto.read_solver(tmp_path / "solver.prototxt") == netspec.solver("voc-fcn8s-atonce", **given)


def test_a_rate_that_goes_on_from_another_net_says_so() -> None:
    origin = netspec.explain_solver("voc-fcn8s", dataset=about())["base_lr"]
    assert origin == "the reference's voc-fcn8s solver, which goes on from voc-fcn16s"


def test_the_solvers_of_the_reference_say_so_once(tmp_path: Path) -> None:
    netspec.write("voc-fcn16s", tmp_path)
    text = (tmp_path / "solver.prototxt").read_text()
    assert text == "# the reference's voc-fcn16s solver\n" + proto.to_text(netspec.solver("voc-fcn16s"))


def test_a_name_in_a_comment_stays_there(tmp_path: Path) -> None:
    """A data set's name is somebody else's text: it must not end the comment's line."""
    name = "x\nbase_lr: 7\r\N{LINE SEPARATOR}\x00"
    text = proto.to_text(SolverParameter(base_lr=1, max_iter=3), {"base_lr": name})
    solver = SolverParameter()
    proto.parse(text, solver)
    assert solver == SolverParameter(base_lr=1, max_iter=3)


# What is refused

BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "`epochs`: cannot be 0 (it takes a number above 0": ("voc-fcn32s", {"epochs": 0}),
    "`epochs`: cannot be -1": ("voc-fcn32s", {"epochs": -1}),
    "`epochs`: cannot be nan (it takes a number)": ("voc-fcn32s", {"epochs": math.nan}),
    "`epochs`: cannot be inf": ("voc-fcn32s", {"epochs": math.inf}),
    "`epochs`: cannot be '3'": ("voc-fcn32s", {"epochs": "3"}),
    "`epochs`: cannot be True": ("voc-fcn32s", {"epochs": True}),
    "`epochs`: are 8498000000 iterations, more than Caffe can count": ("voc-fcn32s", {"epochs": 1_000_000}),
    "`base_lr`: cannot be -0.1": ("voc-fcn32s", {"base_lr": -0.1}),
    "`base_lr`: cannot be 0": ("voc-fcn32s", {"base_lr": 0}),
    "`base_lr`: cannot be 1e-60": ("voc-fcn32s", {"base_lr": 1e-60}),  # 0 in single precision
    "`base_lr`: cannot be 1e+60": ("voc-fcn32s", {"base_lr": 1e60}),
    "`momentum`: cannot be 1.0 (it is at least 0 and below 1": ("voc-fcn32s", {"momentum": 1.0}),
    "`momentum`: cannot be 0.999999999": ("voc-fcn32s", {"momentum": 0.999999999}),  # 1 in single precision
    "`momentum`: cannot be -0.1": ("voc-fcn32s", {"momentum": -0.1}),
    "`iter_size`: cannot be 0": ("voc-fcn32s", {"iter_size": 0}),
    "`iter_size`: cannot be 1.5": ("voc-fcn32s", {"iter_size": 1.5}),
    "`val_every`: cannot be 0": ("voc-fcn32s", {"val_every": 0}),
    "`lr_policy`: cannot be 'stop' (did you mean step?)": ("voc-fcn32s", {"lr_policy": "stop"}),
    "`optimizer`: cannot be 'adam' (did you mean Adam?)": ("voc-fcn32s", {"optimizer": "adam"}),
    "`momentum`: RMSProp has none (leave it out, or take SGD, ": (
        "voc-fcn32s",
        {"optimizer": "RMSProp", "momentum": 0.9},
    ),
    "triangles: has no known rate for SGD and grey values (give `base_lr`)": ("triangles", {"optimizer": "SGD"}),
}


@pytest.mark.parametrize("message", BAD)
def test_wrong_values_are_one_line(message: str, tmp_path: Path) -> None:
    name, options = BAD[message]
    with pytest.raises(NetError) as raised:
        netspec.write(name, tmp_path / "net", **options)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)
    assert not (tmp_path / "net").exists()


def test_the_command_line_names_its_options(cli: Cli, tmp_path: Path) -> None:
    def fail(*more: object) -> str:
        ran = cli("net", "build", "voc-fcn32s", *more, "-o", tmp_path / "net")
        assert (ran.status, ran.out) == (2, "")
        return str(ran.err.splitlines()[-1])

    assert fail("--base-lr", "-1").startswith("error: --base-lr: cannot be -1.0")
    assert fail("--val-every", "0").startswith("error: --val-every: cannot be 0.0")
    assert "give --source a data set that is there" in fail("--epochs", 3, "--source", "nowhere", "--data", "lmdb")
    assert "--epochs is for the solver: leave out --phase" in fail("--epochs", 3, "--phase", "train")
    assert not (tmp_path / "net").exists()


# Real Caffe

CLASSIFIER = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 10 } }
"""

READ = """
import glob
import json
from caffe.proto import caffe_pb2
from google.protobuf import text_format
for path in sorted(glob.glob(str(inputs['folder']) + '/*.prototxt')):
    solver = text_format.Parse(open(path).read(), caffe_pb2.SolverParameter())
    name = path.split('/')[-1]
    outputs[name] = np.frombuffer(solver.SerializeToString(), np.uint8)
"""


@pytest.mark.caffe
def test_real_caffe_reads_every_solver_with_its_comments(pycaffe: PyCaffe, tmp_path: Path) -> None:
    """By its own protobuf; the values are those without the comments."""
    ours: dict[str, SolverParameter] = {}
    for name, net in netspec.catalogue().items():
        fits = (
            len(net.dataset.tops) == 2 and not net.dataset.reads
        )  # the others read databases that this data set does not have
        asked: dict[str, Any] = {"epochs": 3, "lr_policy": "multistep", **({"dataset": about()} if fits else {})}
        for options in ({}, asked):
            file = f"{name}-{len(options)}.prototxt"
            ours[file] = netspec.solver(name, **options)
            text = proto.to_text(ours[file], netspec.explain_solver(name, **options))
            assert "# " in text
            (tmp_path / file).write_text(text)
    found = pycaffe(READ, folder=tmp_path)
    assert {file: SolverParameter.FromString(found[file].tobytes()) for file in ours} == ours


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of a bright half, which is class 1, as a data set."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for number in range(4):
        label = np.zeros((40, 40), np.uint8)
        label[:, : 10 + 5 * number] = 1
        pixels = np.stack([200 * label + 20] * 3, axis=2)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
        Image.fromarray(label).save(folder / f"labels/{number}.png")
    (folder / "names.txt").write_text("dark\nbright\n")
    (folder / "classifier.prototxt").write_text(CLASSIFIER)
    datasets.folder.build(
        folder / "set", folder / "images", folder / "labels", classes=["dark", "bright"], val_percent=25
    )
    return folder


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_in_both_engines(
    cli: Cli,
    pictures: Path,
    tmp_path: Path,
    caffe_bin: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    engine: str,
) -> None:
    """Four epochs of three images, and after each a test, the last by the final weights."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    policies = list(LR_POLICIES)
    policy = policies[list(OPTIMIZERS).index(optimizer) % len(policies)]
    line = ["--source", pictures / "set", "--optimizer", optimizer, "--lr-policy", policy, "--epochs", 4]
    line += ["--iter-size", 1, "-o", tmp_path / "net"]
    ran = cli("net", "from-classifier", pictures / "classifier.prototxt", *line)
    assert ran.status == 0, ran.err
    ran = cli("train", tmp_path / "net/solver.prototxt", "--engine", engine)
    assert ran.status == 0, ran.err
    assert (tmp_path / "net/snapshot/train_iter_12.caffemodel").exists()
    log = (tmp_path / "net/snapshot/train.log").read_text()
    assert re.findall(r"Iteration (\d+), Testing net", log) == ["3", "6", "9", "12"]
