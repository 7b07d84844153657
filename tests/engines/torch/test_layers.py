"""What the torch engine computes, layer type by layer type, against real Caffe: blobs, gradients, statistics."""

from __future__ import annotations

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from prototxts import STEPS, input_layer, layer, recurrent
from torch_judge import assert_as_caffe, make_random_inputs, torch

from caffe_fcn.engines.torch.layers.convolution import TurnedConvolution

pytestmark = pytest.mark.numerics


X = input_layer("x", 2, 6, 7, 9)
Y = input_layer("y", 2, 6, 7, 9)
LABEL = input_layer("label", 2, 1, 7, 9)
LABELS = input_layer("label", 2, 6, 7, 9)
VECTORS = input_layer("x", 5, 8)
ONE_LABEL = input_layer("label", 5)


SHARED = 'param { name: "w" share_mode: PERMISSIVE } inner_product_param { num_output: 4 bias_term: false'


def pooling(inside: str, tops: str = "p") -> str:
    return X + layer("Pooling", "x", tops, f"pooling_param {{ {inside} }}")


def convolution(kind: str, inside: str, bottom: str = X) -> str:
    return bottom + layer(kind, "x", "c", f"convolution_param {{ {inside} }}")


STATIC = input_layer("static", 2, 3, 2)
H0 = input_layer("h0", 1, 2, 5)
C0 = input_layer("c0", 1, 2, 5)


def softmax_loss(inside: str) -> str:
    return X + LABEL + layer("SoftmaxWithLoss", "x label", "loss", inside)


WITH_GRADIENTS = {
    "convolution": convolution("Convolution", "num_output: 4 kernel_size: 3 pad: 1"),
    "convolution, strided": convolution("Convolution", "num_output: 4 kernel_h: 2 kernel_w: 3 stride: 2 pad_w: 2"),
    "convolution, dilated in groups": convolution(
        "Convolution", "num_output: 4 group: 2 kernel_size: 3 dilation: 2 pad: 2 bias_term: false"
    ),
    "convolution over one axis": convolution("Convolution", "num_output: 4 kernel_size: 3", input_layer("x", 2, 3, 9)),
    "convolution over three axes": convolution(
        "Convolution", "num_output: 4 kernel_size: 3 stride: 2", input_layer("x", 2, 3, 6, 7, 8)
    ),
    "convolution from axis 2": convolution(
        "Convolution", "axis: 2 num_output: 5 kernel_size: 3", input_layer("v", 2, 3, 4, 7).replace('"v"', '"x"')
    ),
    "convolution of two bottoms": X
    + Y
    + layer("Convolution", "x y", "cx cy", "convolution_param { num_output: 3 kernel_size: 3 }"),
    "deconvolution": convolution("Deconvolution", "num_output: 4 kernel_size: 4 stride: 2 pad: 1"),
    "deconvolution in groups": convolution("Deconvolution", "num_output: 6 group: 6 kernel_size: 4 stride: 2"),
    "deconvolution, dilated": convolution("Deconvolution", "num_output: 2 kernel_size: 3 dilation: 2 stride: 3"),
    "inner product": X + layer("InnerProduct", "x", "f", "inner_product_param { num_output: 5 }"),
    "inner product from axis 2, transposed": X
    + layer("InnerProduct", "x", "f", "inner_product_param { num_output: 5 axis: -2 transpose: true }"),
    "pooling of maxima": pooling("kernel_size: 3 stride: 2"),
    "pooling of maxima with their places": pooling("kernel_size: 3 stride: 2", "p mask"),
    "pooling of maxima, padded more than half": pooling("kernel_size: 3 pad: 2 stride: 2", "p mask"),
    "pooling of maxima, rounded down": pooling("kernel_size: 2 stride: 2 round_mode: FLOOR"),
    "pooling of averages that run out": pooling("pool: AVE kernel_size: 3 stride: 2"),
    "pooling of averages, padded": pooling("pool: AVE kernel_h: 3 kernel_w: 4 pad: 2 stride: 3"),
    "pooling of all": pooling("pool: AVE global_pooling: true"),
    "pooling of all, maxima": pooling("global_pooling: true"),
    "lrn": X + layer("LRN", "x", "n", "lrn_param { local_size: 5 alpha: 0.5 beta: 0.75 k: 2 }"),
    "lrn within channels": X
    + layer("LRN", "x", "n", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 norm_region: WITHIN_CHANNEL }"),
    "batch norm by statistics": X + layer("BatchNorm", "x", "n", "batch_norm_param { use_global_stats: true }"),
    "batch norm by batches": X + layer("BatchNorm", "x", "n", "batch_norm_param { use_global_stats: false eps: 0.01 }"),
    "batch norm of vectors": VECTORS + layer("BatchNorm", "x", "n", "batch_norm_param { use_global_stats: false }"),
    "scale": X + layer("Scale", "x", "s"),
    "scale and bias over two axes": X + layer("Scale", "x", "s", "scale_param { axis: 1 num_axes: 2 bias_term: true }"),
    "scale by one value": X + layer("Scale", "x", "s", "scale_param { num_axes: 0 bias_term: true }"),
    "scale by a blob": X
    + input_layer("g", 2, 6)
    + layer("Scale", "x g", "s", "scale_param { axis: 0 bias_term: true }"),
    "bias": X + layer("Bias", "x", "s", "bias_param { axis: 2 }"),
    "bias by a blob": X + input_layer("g", 7, 9) + layer("Bias", "x g", "s", "bias_param { axis: -2 }"),
    "mvn": X + layer("MVN", "x", "n"),
    "mvn across channels": X + layer("MVN", "x", "n", "mvn_param { across_channels: true eps: 0.1 }"),
    "mvn of means alone": X + layer("MVN", "x", "n", "mvn_param { normalize_variance: false }"),
    "softmax": X + layer("Softmax", "x", "p"),
    "softmax over the last axis": X + layer("Softmax", "x", "p", "softmax_param { axis: -1 }"),
    "relu": X + layer("ReLU", "x", "r"),
    "relu that leaks": X + layer("ReLU", "x", "r", "relu_param { negative_slope: 0.1 }"),
    "prelu": X + layer("PReLU", "x", "r"),
    "prelu with one slope": X + layer("PReLU", "x", "r", "prelu_param { channel_shared: true }"),
    "elu": X + layer("ELU", "x", "r", "elu_param { alpha: 0.7 }"),
    "sigmoid": X + layer("Sigmoid", "x", "r"),
    "tanh": X + layer("TanH", "x", "r"),
    "absolute value": X + layer("AbsVal", "x", "r"),
    "power": X + layer("Power", "x", "r", "power_param { power: 2 scale: -0.5 shift: 3 }"),
    "power of one": X + layer("Power", "x", "r", "power_param { scale: 0.1 shift: -116 }"),
    "power of zero": X + layer("Power", "x", "r", "power_param { power: 0 }"),
    "exponential": X + layer("Exp", "x", "r"),
    "exponential of base 2": X + layer("Exp", "x", "r", "exp_param { base: 2 scale: 0.5 shift: 1 }"),
    "logarithm": X + layer("Log", "x", "r", "log_param { base: 10 scale: 0.1 shift: 5 }"),
    "bnll": X + layer("BNLL", "x", "r"),
    "swish": X + layer("Swish", "x", "r", "swish_param { beta: 1.5 }"),
    "clip": X + layer("Clip", "x", "r", "clip_param { min: -0.5 max: 1 }"),
    "dropout at rest": X + layer("Dropout", "x", "r", "dropout_param { dropout_ratio: 0.3 }"),
    "sum with weights": X + Y + layer("Eltwise", "x y", "e", "eltwise_param { coeff: 0.5 coeff: -2 }"),
    "product": X + Y + layer("Eltwise", "x y x", "e", "eltwise_param { operation: PROD }"),
    "maximum with a tie": X
    + Y
    + layer("Eltwise", "x y", "a", "eltwise_param { operation: MAX }", "first")
    + layer("Eltwise", "a x", "b", "eltwise_param { operation: MAX }", "second"),
    "concat": X + Y + layer("Concat", "x y", "c"),
    "concat by its old name": X + Y + layer("Concat", "x y", "c", "concat_param { concat_dim: 2 }"),
    "slice": X + layer("Slice", "x", "a b"),
    "slice at points": X + layer("Slice", "x", "a b c", "slice_param { axis: 3 slice_point: 1 slice_point: 5 }"),
    "split": X + layer("Split", "x", "a b"),
    "crop": X + input_layer("z", 2, 6, 4, 5) + layer("Crop", "x z", "c", "crop_param { axis: 2 offset: 2 }"),
    "crop at two offsets": X
    + input_layer("z", 2, 6, 4, 5)
    + layer("Crop", "x z", "c", "crop_param { axis: -2 offset: 3 offset: 1 }"),
    "flatten": X + layer("Flatten", "x", "f", "flatten_param { axis: 2 }"),
    "reshape": X + layer("Reshape", "x", "f", "reshape_param { shape { dim: -1 dim: 21 } axis: 1 num_axes: 2 }"),
    "tile": X + layer("Tile", "x", "t", "tile_param { axis: 1 tiles: 3 }"),
    "sum of all": X + layer("Reduction", "x", "r"),
    "sum of absolute values": X + layer("Reduction", "x", "r", "reduction_param { operation: ASUM axis: 1 coeff: 2 }"),
    "sum of squares": X + layer("Reduction", "x", "r", "reduction_param { operation: SUMSQ axis: -1 }"),
    "mean": X + layer("Reduction", "x", "r", "reduction_param { operation: MEAN axis: 2 }"),
    "im2col": X + layer("Im2col", "x", "i", "convolution_param { kernel_size: 2 stride: 2 pad: 1 }"),
    "spatial pyramid": X + layer("SPP", "x", "s", "spp_param { pyramid_height: 3 }"),
    "parameter": X + layer("Parameter", "", "w", "parameter_param { shape { dim: 6 } }") + layer("Scale", "x w", "s"),
    "in place": X
    + layer("Power", "x", "a", "power_param { scale: 2 }")
    + layer("ReLU", "a", "a")
    + layer("Dropout", "a", "a")
    + layer("TanH", "a", "b"),
    "shared parameters": X
    + layer(
        "Convolution", "x", "a", 'param { name: "w" } convolution_param { num_output: 6 kernel_size: 3 pad: 1 }', "one"
    )
    + layer(
        "Convolution", "a", "b", 'param { name: "w" } convolution_param { num_output: 6 kernel_size: 3 pad: 1 }', "two"
    ),
    "shared parameters in two shapes": VECTORS
    + layer("InnerProduct", "x", "a", f"{SHARED} }}", "one")
    + layer("InnerProduct", "x", "b", f"{SHARED} transpose: true }}", "two"),
    "lstm": STEPS + recurrent("LSTM", "x cont"),
    "lstm of images, in one step": input_layer("x", 1, 2, 3, 2)
    + input_layer("cont", 1, 2)
    + recurrent("LSTM", "x cont", more="debug_info: true"),
    "lstm with a static input": STEPS + STATIC + recurrent("LSTM", "x cont static"),
    "lstm that shows its states": STEPS + H0 + C0 + recurrent("LSTM", "x cont h0 c0", "l h c", "expose_hidden: true"),
    "lstm with all of it": STEPS
    + STATIC
    + H0
    + C0
    + recurrent("LSTM", "x cont static h0 c0", "l h c", "expose_hidden: true"),
    "lstm unit": C0
    + input_layer("gates", 1, 2, 20)
    + input_layer("cont", 1, 2)
    + layer("LSTMUnit", "c0 gates cont", "c h"),
    "rnn": STEPS + recurrent("RNN", "x cont"),
    "rnn with a static input": STEPS + STATIC + recurrent("RNN", "x cont static"),
    "rnn that shows its state": STEPS + H0 + recurrent("RNN", "x cont h0", "l h", "expose_hidden: true"),
    "filter": VECTORS
    + input_layer("y", 5, 3)
    + input_layer("chosen", 5, 1)
    + layer("InnerProduct", "x", "f", "inner_product_param { num_output: 3 }")
    + layer("Filter", "f chosen", "few")
    + layer("Filter", "y chosen", "others", name="other")
    + layer("EuclideanLoss", "few others", "loss"),
    "a branch that gives no gradient back": X
    + layer("Scale", "x", "s")
    + layer("TanH", "s", "t")
    + layer("Eltwise", "t s", "e", "propagate_down: false propagate_down: true loss_weight: 1"),
}
LOSSES = {
    "softmax loss": softmax_loss("loss_param { ignore_label: 2 }"),
    "softmax loss by all": softmax_loss("loss_param { ignore_label: 2 normalization: FULL }"),
    "softmax loss by images": softmax_loss("loss_param { ignore_label: 2 normalization: BATCH_SIZE }"),
    "softmax loss, not divided": softmax_loss("loss_param { normalization: NONE }"),
    "softmax loss of old, not normalized": softmax_loss("loss_param { ignore_label: 2 normalize: false }"),
    "softmax loss of old, normalized": softmax_loss("loss_param { ignore_label: 2 normalize: true }"),
    "softmax loss with a weight": softmax_loss("loss_weight: 0.25"),
    "softmax loss over the last axis": input_layer("x", 2, 7, 9, 6)
    + LABEL
    + layer("SoftmaxWithLoss", "x label", "loss", "softmax_param { axis: -1 }"),
    "infogain": input_layer("x", 5, 6)
    + ONE_LABEL
    + input_layer("h", 1, 1, 6, 6)
    + layer("Scale", "x", "s")
    + layer("InfogainLoss", "s label h", "loss"),
    "multinomial": input_layer("x", 5, 6)
    + ONE_LABEL
    + layer("Softmax", "x", "p")
    + layer("MultinomialLogisticLoss", "p label", "loss"),
    "sigmoid cross entropy": X + LABELS + layer("SigmoidCrossEntropyLoss", "x label", "loss"),
    **{
        f"sigmoid cross entropy, {inside}": X + LABELS + layer("SigmoidCrossEntropyLoss", "x label", "loss", inside)
        for inside in (
            "loss_param { ignore_label: 1 normalization: VALID }",
            "loss_param { normalization: FULL }",
            "loss_param { ignore_label: 1 normalize: true }",
        )
    },
    "euclidean": X + Y + layer("EuclideanLoss", "x y", "loss"),
    "hinge": input_layer("x", 5, 6) + ONE_LABEL + layer("HingeLoss", "x label", "loss"),
    "hinge, squared": input_layer("x", 5, 6)
    + ONE_LABEL
    + layer("HingeLoss", "x label", "loss", "hinge_loss_param { norm: L2 }"),
    "contrastive": VECTORS
    + input_layer("y", 5, 8)
    + input_layer("label", 5)
    + layer("ContrastiveLoss", "x y label", "loss", "contrastive_loss_param { margin: 4 }"),
    "contrastive of old": VECTORS
    + input_layer("y", 5, 8)
    + input_layer("label", 5)
    + layer("ContrastiveLoss", "x y label", "loss", "contrastive_loss_param { margin: 20 legacy_version: true }"),
    "two losses": X
    + LABEL
    + Y
    + layer("SoftmaxWithLoss", "x label", "a", "loss_weight: 0.5")
    + layer("EuclideanLoss", "x y", "b"),
    "a loss of any layer": X + layer("Reduction", "x", "r", "reduction_param { axis: 1 } loss_weight: 3"),
}
MEASURES = {
    "accuracy": X + LABEL + layer("Accuracy", "x label", "a"),
    "accuracy of the best two, with a label to ignore": X
    + LABEL
    + layer("Accuracy", "x label", "a", "accuracy_param { top_k: 2 ignore_label: 3 }"),
    "accuracy per class": X + LABEL + layer("Accuracy", "x label", "a each", "accuracy_param { ignore_label: 3 }"),
    "accuracy with ties": X
    + LABEL
    + layer("Power", "x", "zero", "power_param { scale: 0 }")
    + layer("Accuracy", "zero label", "a"),
    "argmax": X + layer("ArgMax", "x", "m"),
    "argmax over channels": X + layer("ArgMax", "x", "m", "argmax_param { axis: 1 }"),
    "argmax with values": X + layer("ArgMax", "x", "m", "argmax_param { out_max_val: true top_k: 3 }"),
    "the two largest values": X + layer("ArgMax", "x", "m", "argmax_param { axis: -1 out_max_val: true top_k: 2 }"),
    "argmax with ties": X
    + layer("Threshold", "x", "t")
    + layer("ArgMax", "t", "m", "argmax_param { axis: 1 top_k: 4 }"),
    "threshold": X + layer("Threshold", "x", "t", "threshold_param { threshold: 0.3 }"),
    "embed": input_layer("label", 3, 2) + layer("Embed", "label", "e", "embed_param { num_output: 5 input_dim: 7 }"),
    "batch reindex": X + input_layer("label", 5) + layer("BatchReindex", "x label", "b"),
    "filter of several": X
    + VECTORS.replace('"x"', '"y"').replace("dim: 5", "dim: 2")
    + input_layer("chosen", 2)
    + layer("Filter", "x y chosen", "f g"),
    "filter that lets nothing through": X
    + input_layer("chosen", 2)
    + layer("Filter", "x chosen", "f")
    + layer("Threshold", "chosen", "t", "threshold_param { threshold: 9 }")
    + layer("Filter", "x t", "none", name="no")
    + layer("TanH", "none", "n"),
    "silence": X + layer("Silence", "x", ""),
    "dummy data": layer(
        "DummyData", "", "a b", "dummy_data_param { shape { dim: 2 dim: 3 } data_filler { value: 4 } }"
    ),
}


def inputs_of(text: str) -> dict[str, np.ndarray]:
    """Random values, and labels 0 to 5, or 0 and 1 where they are no classes."""
    inputs = make_random_inputs(text)
    if "label" in inputs:
        most = 2 if any(kind in text for kind in ("BatchReindex", "ContrastiveLoss", "Sigmoid")) else 6
        inputs["label"] = np.random.RandomState(2).randint(0, most, inputs["label"].shape).astype(np.float32)
    for name, values in (("cont", (0.5, 1, 0, 1, 1, -2, 1, 0)), ("chosen", (0, -2, 1, 0, 1))):
        if name in inputs:
            inputs[name] = np.resize(np.array(values, np.float32), inputs[name].shape)
    return inputs


# Overruled by force, dead of it, or would be asked for a gradient of what chooses
NOT_FORCED = ("propagate_down", "InfogainLoss", "Filter")


@pytest.mark.parametrize("case", WITH_GRADIENTS | LOSSES)
def test_blobs_and_gradients_are_those_of_real_caffe(caffe: CaffeWorker, case: str) -> None:
    text = (WITH_GRADIENTS | LOSSES)[case]
    forced = not any(word in text for word in NOT_FORCED)
    text = f"force_backward: {str(forced).lower()}\n{text}"
    undefined = ("grad/cont",) if forced else ("grad/x", "grad/y", "grad/h", "grad/label", "grad/chosen")
    assert_as_caffe(caffe, text, inputs_of(text), but=undefined)


@pytest.mark.parametrize("case", MEASURES)
def test_blobs_without_gradients_are_those_of_real_caffe(caffe: CaffeWorker, case: str) -> None:
    assert_as_caffe(caffe, MEASURES[case], inputs_of(MEASURES[case]), backward=False)


def test_the_gradients_of_a_turned_convolution_are_those_of_finite_differences() -> None:
    """A GPU computes with it; see `Convolution`."""
    random = torch.Generator().manual_seed(0)
    x, weights, bias = (
        torch.randn(shape, dtype=torch.float64, generator=random, requires_grad=True)
        for shape in ((2, 3, 6, 5), (4, 3, 3, 2), (4,))
    )
    assert torch.autograd.gradcheck(lambda *each: TurnedConvolution.apply(*each, (1, 0)), (x, weights, bias))
    assert torch.autograd.gradcheck(lambda *each: TurnedConvolution.apply(*each, None, (2, 1)), (x, weights))
