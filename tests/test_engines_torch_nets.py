"""Whole nets in the torch engine against real Caffe: random ones, the catalogue's and the reference's."""

from __future__ import annotations

from caffe_worker import CaffeWorker
from hypothesis import HealthCheck, assume, given, settings
from random_nets import nets
from torch_judge import assert_as_caffe, parsed, random_inputs

from caffe_fcn.layer_types import pooling_windows
from caffe_fcn.shapes import infer

random_ones = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@random_ones
@given(text=nets())
def test_random_nets_make_the_blobs_and_gradients_of_real_caffe(caffe: CaffeWorker, text: str) -> None:
    assume(not has_empty_windows(text))
    assert_as_caffe(caffe, "force_backward: true\n" + text, random_inputs(text), backward="ArgMax" not in text)


@random_ones
@given(text=nets())
def test_random_nets_train_as_in_real_caffe(caffe: CaffeWorker, text: str) -> None:
    assume(not has_empty_windows(text))
    assume("Dropout" not in text and "ArgMax" not in text)
    assert_as_caffe(caffe, "force_backward: true\n" + text, random_inputs(text), "TRAIN")


def has_empty_windows(text: str) -> bool:
    """Whether a pooling's last window lies beyond the image, where Caffe writes to memory that is not its own."""
    found = infer(parsed(text))
    return any(
        (pooled - 1) * window.stride >= size + window.pad
        for node in found.graph.nodes
        if node.type == "Pooling"
        for window, size, pooled in zip(
            pooling_windows(node.layer),
            found.blobs[node.bottoms[0].name][2:],
            found.blobs[node.tops[0].name][2:],
            strict=False,
        )
    )
