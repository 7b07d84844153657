"""Our shapes against real Caffe's: reference nets at two sizes, random nets, and every fixed-rule type."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
import reference
from caffe_worker import CaffeWorker
from catalogue_nets import IN_BVLCS, OF_ONE_SIZE, fit_size, mark_long
from hypothesis import HealthCheck, given, settings
from prototxts import input_layer, layer
from random_nets import nets

from caffe_fcn import netspec, proto
from caffe_fcn.errors import NetError
from caffe_fcn.net import shapes


def ours(text: str, **options: object) -> dict[str, dict]:
    net = proto.NetParameter()
    proto.parse(text, net)
    found = shapes.infer(net, **options)
    return {
        "blobs": {name: list(shape) for name, shape in found.blobs.items()},
        "params": {name: [list(p) for p in params] for name, params in found.params.items() if params},
    }


def without_splits(answer: dict) -> dict:
    """Caffe's answer without the Split layers that it inserts by itself."""
    return {**answer, "blobs": {k: v for k, v in answer["blobs"].items() if "_split_" not in k}}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=nets())
def test_random_nets_have_the_shapes_that_real_caffe_gives_them(caffe: CaffeWorker, text: str) -> None:
    answer = caffe.ask("shapes", text)
    assert answer is not None, f"Caffe refuses what we accept:\n{text}"
    assert ours(text) == without_splits(answer)


X = input_layer("x", 2, 4, 6, 8)


def sharers(first: str, second: str, kernel: str = "kernel_size: 2") -> str:
    """Two convolutions, each with what its first param has besides the name that they share."""
    return X + "".join(
        layer("Convolution", "x", top, f'param {{ name: "w" {param} }} convolution_param {{ {inside} }}').replace(
            'name: "Convolution"', f'name: "{top}"'
        )
        for top, param, inside in (
            ("a", first, "num_output: 3 kernel_size: 2"),
            ("b", second, f"num_output: 3 {kernel}"),
        )
    )


SHARED = {
    "a shared param": sharers("", ""),
    "a shared param of equal count": sharers("", "share_mode: PERMISSIVE", "kernel_h: 1 kernel_w: 4"),
    "a shared param whose first layer alone sets a rate": sharers("lr_mult: 2", ""),
    "a shared param whose second layer alone sets a rate": sharers("", "lr_mult: 2 decay_mult: 3"),
    "a shared param with equal rates": sharers("lr_mult: 2", "lr_mult: 2 decay_mult: 0"),
}
UNSHARED = {
    "a shared param of another shape": sharers("share_mode: PERMISSIVE", "", "kernel_h: 1 kernel_w: 4"),
    "a shared param of another count": sharers("", "share_mode: PERMISSIVE", "kernel_size: 3"),
    "a shared param with another lr_mult": sharers("lr_mult: 2", "lr_mult: 1"),
    "a shared param with another decay_mult": sharers("decay_mult: 0", "decay_mult: 1"),
}

CASES = {
    "slice in equal parts": X + layer("Slice", "x", "a b"),
    "slice at points": X + layer("Slice", "x", "a b c", "slice_param { axis: 3 slice_point: 1 slice_point: 5 }"),
    "slice_dim of old": X + layer("Slice", "x", "a b", "slice_param { slice_dim: 2 slice_point: 2 }"),
    "concat_dim of old": X
    + input_layer("y", 2, 4, 1, 8)
    + layer("Concat", "x y", "z", "concat_param { concat_dim: 2 }"),
    "max pooling with its mask": X + layer("Pooling", "x", "p mask", "pooling_param { kernel_size: 2 }"),
    "convolution of several bottoms": X
    + input_layer("y", 2, 4, 6, 8)
    + layer("Convolution", "x y", "cx cy", "convolution_param { num_output: 3 kernel_size: 3 }"),
    "convolution from axis 2": input_layer("v", 2, 3, 4, 7)
    + layer("Convolution", "v", "c", "convolution_param { axis: 2 num_output: 5 kernel_size: 3 }"),
    "scale by a second bottom": X
    + input_layer("g", 2, 4)
    + layer("Scale", "x g", "s", "scale_param { axis: 0 bias_term: true }"),
    "accuracy per class": X + input_layer("label", 2, 1, 6, 8) + layer("Accuracy", "x label", "a per_class"),
    "euclidean": X + input_layer("y", 2, 4, 6, 8) + layer("EuclideanLoss", "x y", "l"),
    "sigmoid cross entropy": X + input_layer("y", 2, 4, 6, 8) + layer("SigmoidCrossEntropyLoss", "x y", "l"),
    "hinge": input_layer("x", 3, 4) + input_layer("y", 3) + layer("HingeLoss", "x y", "l"),
    "contrastive": input_layer("x", 3, 4)
    + input_layer("y", 3, 4)
    + input_layer("s", 3)
    + layer("ContrastiveLoss", "x y s", "l"),
    "embed": input_layer("x", 3, 2) + layer("Embed", "x", "e", "embed_param { num_output: 5 input_dim: 7 }"),
    "batch reindex": X + input_layer("i", 5) + layer("BatchReindex", "x i", "b"),
    "parameter": layer("Parameter", "", "p", "parameter_param { shape { dim: 2 dim: 5 } }"),
    "dummy data": layer("DummyData", "", "a b", "dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 4 } }"),
    "dummy data of old": layer(
        "DummyData", "", "a b", "dummy_data_param { num: [1, 2] channels: [3, 6] height: [4, 7] width: [5, 8] }"
    ),
    "memory data": layer("MemoryData", "", "a b", "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }"),
    "lstm": input_layer("x", 4, 2, 3)
    + input_layer("cont", 4, 2)
    + layer("LSTM", "x cont", "l", "recurrent_param { num_output: 5 }"),
    "lstm with a static input": input_layer("x", 4, 2, 3)
    + input_layer("cont", 4, 2)
    + input_layer("static", 2, 6)
    + layer("LSTM", "x cont static", "l", "recurrent_param { num_output: 5 }"),
    "rnn": input_layer("x", 4, 2, 3)
    + input_layer("cont", 4, 2)
    + layer("RNN", "x cont", "l", "recurrent_param { num_output: 5 }"),
    "lstm that shows its state": input_layer("x", 4, 2, 3)
    + input_layer("cont", 4, 2)
    + input_layer("h0", 1, 2, 5)
    + input_layer("c0", 1, 2, 5)
    + layer("LSTM", "x cont h0 c0", "l hT cT", "recurrent_param { num_output: 5 expose_hidden: true }"),
    "clip and swish": X + layer("Clip", "x", "c", "clip_param { min: 0 max: 1 }") + layer("Swish", "c", "w"),
    "split": X + layer("Split", "x", "a b"),
    "filter": X + input_layer("k", 2) + layer("Filter", "x k", "f"),
    "reduction to a scalar": X + layer("Reduction", "x", "r"),
    **SHARED,
    "argmax of vectors": input_layer("x", 3, 7) + layer("ArgMax", "x", "a", "argmax_param { top_k: 2 }"),
}


@pytest.mark.parametrize("case", CASES)
def test_layer_types_make_what_real_caffe_makes(caffe: CaffeWorker, case: str) -> None:
    answer = caffe.ask("shapes", CASES[case])
    assert answer is not None, "Caffe refuses this net"
    assert ours(CASES[case]) == without_splits(answer)


RECURRENT = input_layer("x", 4, 2, 3) + input_layer("cont", 4, 2)
REFUSED = {
    "group does not divide": X
    + layer("Convolution", "x", "c", "convolution_param { num_output: 3 kernel_size: 1 group: 3 }"),
    "sum of different shapes": X + input_layer("y", 2, 4, 6, 7) + layer("Eltwise", "x y", "e"),
    "crop larger than its input": X
    + input_layer("y", 2, 4, 9, 9)
    + layer("Crop", "x y", "c", "crop_param { axis: 2 }"),
    "crop beyond the edge": X
    + input_layer("y", 2, 4, 4, 4)
    + layer("Crop", "x y", "c", "crop_param { axis: 2 offset: 3 }"),
    "labels that do not fit": X + input_layer("label", 2, 1, 6, 7) + layer("SoftmaxWithLoss", "x label", "l"),
    "reshape that loses values": X + layer("Reshape", "x", "r", "reshape_param { shape { dim: 5 } }"),
    "padding as large as the kernel": X + layer("Pooling", "x", "p", "pooling_param { kernel_size: 2 pad: 2 }"),
    "lstm of values without an axis of their own": RECURRENT.replace("dim: 4 dim: 2 dim: 3", "dim: 4 dim: 2")
    + layer("LSTM", "x cont", "l", "recurrent_param { num_output: 5 }"),
    "lstm without outputs": RECURRENT + layer("LSTM", "x cont", "l"),
    "lstm whose static input has other streams": RECURRENT
    + input_layer("static", 3, 6)
    + layer("LSTM", "x cont static", "l", "recurrent_param { num_output: 5 }"),
    "lstm that shows more than it has": RECURRENT
    + layer("LSTM", "x cont", "l h c", "recurrent_param { num_output: 5 }"),
    "rnn whose state has another size": RECURRENT
    + input_layer("h0", 1, 2, 4)
    + layer("RNN", "x cont h0", "l h", "recurrent_param { num_output: 5 expose_hidden: true }"),
    "lstm unit with too few gates": input_layer("c", 1, 2, 3)
    + input_layer("g", 1, 2, 9)
    + input_layer("cont", 1, 2)
    + layer("LSTMUnit", "c g cont", "d h"),
    "filter by more values than images": X + input_layer("k", 3) + layer("Filter", "x k", "f"),
    "filter by several values an image": X + input_layer("k", 2, 2) + layer("Filter", "x k", "f"),
    "filter that makes too much": X + input_layer("k", 2) + layer("Filter", "x k", "f g"),
    "a blob that nobody makes": layer("ReLU", "x", "r"),
    "a blob made twice": X + layer("TanH", "x", "y") + layer("AbsVal", "x", "y"),
    "an unknown type": X + layer("Relu", "x", "r"),
    "a missing bottom": X + layer("Crop", "x", "e"),
    "one loss weight for two tops": X
    + input_layer("label", 2, 1, 6, 8)
    + layer("SoftmaxWithLoss", "x label", "loss prob"),
    "a missing kernel": X + layer("Pooling", "x", "p"),
    "a blob of more values than an int counts": X
    + layer("Deconvolution", "x", "d", "convolution_param { num_output: 3 kernel_size: 1 stride: 20000 }"),
    "a parameter of more values than an int counts": input_layer("x", 1, 100, 30000, 1)
    + layer("InnerProduct", "x", "fc", "inner_product_param { num_output: 1000 }"),
    "a stride beyond an int": X
    + layer("Convolution", "x", "c", "convolution_param { num_output: 3 kernel_size: 1 stride: 2147483648 }"),
    "a kernel beyond an int": X
    + layer("Convolution", "x", "c", "convolution_param { num_output: 3 kernel_size: 4294967295 }"),
    "an axis of negative length": layer("Input", "", "x", "input_param { shape { dim: 2 dim: -3 } }"),
    "more axes than a blob has": layer("Input", "", "x", f"input_param {{ shape {{ dim: {[1] * 33} }} }}"),
    **UNSHARED,
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_real_caffe_refuses_is_refused_by_name(caffe_bin: Path, case: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(REFUSED[case])
    done = subprocess.run([caffe_bin, "time", "-model", path, "-iterations", "1"], capture_output=True, text=True)
    assert done.returncode == -signal.SIGABRT, "Caffe accepts what this test says it refuses"
    with pytest.raises(NetError, match="layer '"):
        ours(REFUSED[case])


@pytest.mark.parametrize("name", ["bvlc_alexnet", "bvlc_googlenet", "bvlc_reference_caffenet"])
def test_classifiers_of_the_zoo_at_two_sizes(caffe: CaffeWorker, name: str) -> None:
    text = proto.to_text(reference.net(name, "deploy"))
    size = 227 if "googlenet" not in name else 224
    for batch in (1, 2):
        shape = (batch, 3, size, size)
        answer = caffe.ask("shapes", text, reshape={"data": shape})
        assert ours(text, inputs={"data": shape}) == without_splits(answer)


@pytest.mark.parametrize("name", mark_long([name for name in IN_BVLCS if name not in OF_ONE_SIZE]))
def test_every_net_of_the_catalogue_at_two_sizes(caffe: CaffeWorker, name: str) -> None:
    net = netspec.build(name, phase="deploy")
    inputs = {blob: shape for blob, shape in shapes.infer(net).blobs.items() if blob in net.layer[0].top}
    fixed = name == "m2nist-cnn"  # a classifier has the size of its first InnerProduct
    sizes = [(28, 28)] if fixed else [fit_size(name, 97, 130), fit_size(name, 320, 256)]
    for height, width in sizes:
        given = {blob: (*shape[:2], height, width) for blob, shape in inputs.items()}
        answer = caffe.ask("shapes", str(net), reshape=given)
        assert answer is not None
        assert ours(str(net), size=(height, width)) == without_splits(answer)
