"""Whole nets in the torch engine against real Caffe: random ones, the catalogue's and the reference's."""

from __future__ import annotations

import pytest
import reference
from caffe_worker import CaffeWorker
from catalogue_nets import IN_BVLCS, mark_long, shrink_training_net
from hypothesis import HealthCheck, assume, given, settings
from random_nets import has_empty_windows, nets
from small_nets import make_inputs, shrink_net
from torch_judge import assert_as_caffe, make_random_inputs

from caffe_fcn import proto
from caffe_fcn.netspec import build

pytestmark = pytest.mark.numerics

random_ones = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@random_ones
@given(text=nets())
def test_random_nets_make_the_blobs_and_gradients_of_real_caffe(caffe: CaffeWorker, text: str) -> None:
    assume(not has_empty_windows(text))
    assert_as_caffe(caffe, "force_backward: true\n" + text, make_random_inputs(text), backward="ArgMax" not in text)


@random_ones
@given(text=nets())
def test_random_nets_train_as_in_real_caffe(caffe: CaffeWorker, text: str) -> None:
    assume(not has_empty_windows(text))
    assume("Dropout" not in text and "ArgMax" not in text)
    assert_as_caffe(caffe, "force_backward: true\n" + text, make_random_inputs(text), "TRAIN")


@pytest.mark.parametrize("name", mark_long(IN_BVLCS))
def test_every_net_of_the_catalogue_computes_and_learns_as_in_real_caffe(caffe: CaffeWorker, name: str) -> None:
    judge(caffe, shrink_training_net(name))


def test_fcn_alexnet_learns_as_in_real_caffe(caffe: CaffeWorker) -> None:
    """With all its convolutions, and a sixteenth of fc6 and fc7."""
    judge(caffe, shrink_net(build("voc-fcn-alexnet", "train"), "train", wide=1000))


REFERENCE = [
    ("bvlc_alexnet/deploy", {"data": (2, 3, 227, 227)}),
    ("bvlc_alexnet/train_val", {"data": (2, 3, 227, 227), "label": (2,)}),
    ("bvlc_googlenet/deploy", {"data": (2, 3, 224, 224)}),
    ("bvlc_reference_caffenet/deploy", {"data": (2, 3, 227, 227)}),
    ("bvlc_reference_caffenet/train_val", {"data": (2, 3, 227, 227), "label": (2,)}),
    ("voc-fcn-alexnet/train", None),
    ("voc-fcn16s/train", None),
    ("voc-fcn32s/val", None),
    ("voc-fcn8s/deploy", None),
    ("voc-fcn8s/train", None),
    ("voc-fcn8s-atonce/train", None),
]


@pytest.mark.parametrize(("name", "inputs"), REFERENCE)
def test_nets_of_the_reference_compute_and_learn_as_in_real_caffe(
    caffe: CaffeWorker, name: str, inputs: dict[str, tuple[int, ...]] | None
) -> None:
    phase = "train" if "train" in name else "val" if "val" in name else "deploy"
    judge(caffe, shrink_net(reference.net(*name.split("/")), phase, inputs))


def judge(caffe: CaffeWorker, net: proto.NetParameter) -> None:
    inputs = make_inputs(net)
    learns = any(layer.type.endswith("Loss") for layer in net.layer)
    # gradients of images and labels are asked for by nobody
    assert_as_caffe(caffe, proto.to_text(net), inputs, backward=learns, but={f"grad/{name}" for name in inputs})
