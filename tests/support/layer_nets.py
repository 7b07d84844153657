"""Nets for the exports: one layer each, of types or settings that the random nets do not have; and a small FCN."""

from __future__ import annotations

from prototxts import STEPS, input_layer, layer, recurrent

IMAGE = input_layer("data", 2, 4, 6, 5)
HALVED = IMAGE + layer("Pooling", "data", "small mask", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", "pool")

LAYER_NETS = [
    IMAGE + layer("ReLU6", "data", "y"),
    IMAGE + layer("ReLU6", "data", "y", "relu6_param { negative_slope: 0.1 }"),
    IMAGE + layer("Permute", "data", "y", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    IMAGE + layer("ShuffleChannel", "data", "y", "shuffle_channel_param { group: 2 }"),
    IMAGE + layer("Interp", "data", "y", "interp_param { height: 11 width: 9 }"),
    IMAGE + layer("Interp", "data", "y", "interp_param { zoom_factor: 2 pad_beg: -1 pad_end: -2 }"),
    IMAGE + layer("Upsample", "data", "y", "upsample_param { scale: 3 }"),
    IMAGE + layer("BN", "data", "y", "bn_param { bn_mode: INFERENCE }"),
    IMAGE + layer("BN", "data", "y", "bn_param { bn_mode: LEARN }"),
    IMAGE + layer("BN", "data", "y", "bn_param { slope_filler { value: 1 } bias_filler { value: 0 } frozen: true }"),
    IMAGE + layer("Normalize", "data", "y", "norm_param { across_spatial: false }"),
    IMAGE + layer("Normalize", "data", "y", "norm_param { channel_shared: true }"),
    IMAGE + layer("DepthwiseConvolution", "data", "y", "convolution_param { num_output: 4 kernel_size: 3 }"),
    IMAGE + layer("Pooling", "data", "y", "pooling_param { kernel_size: 2 stride: 2 ceil_mode: false }"),
    HALVED + layer("Upsample", "small mask", "y", "upsample_param { scale: 2 upsample_h: 6 upsample_w: 5 }"),
    input_layer("f", 2, 4) + IMAGE + input_layer("z", 2, 4, 6, 5) + layer("Axpy", "f data z", "y"),
    IMAGE
    + layer("DummyData", "", "d", "dummy_data_param { data_filler { value: 2 } shape { dim: 2 dim: 4 dim: 6 dim: 5 } }")
    + layer("Eltwise", "data d", "y", "eltwise_param { operation: PROD }"),
    IMAGE + layer("Power", "data", "y", "power_param { power: 2 scale: 0.5 shift: 3 }"),
    IMAGE + layer("Exp", "data", "y", "exp_param { base: 2 scale: 0.5 shift: 1 }"),
    IMAGE + layer("Log", "data", "y", "log_param { base: 2 scale: 0 shift: 9 }"),
    IMAGE + layer("Threshold", "data", "y", "threshold_param { threshold: 0.5 }"),
    IMAGE + layer("BatchNorm", "data", "y", "batch_norm_param { use_global_stats: false }"),
    IMAGE + layer("MVN", "data", "y", "mvn_param { across_channels: true normalize_variance: false }"),
    IMAGE + layer("Slice", "data", "a b c", "slice_param { axis: 3 slice_point: 1 slice_point: 3 }"),
    input_layer("data", 2, 3) + layer("ArgMax", "data", "y", "argmax_param { top_k: 2 out_max_val: true }"),
    input_layer("data", 3) + layer("Embed", "data", "y", "embed_param { num_output: 2 input_dim: 4 }"),
    STEPS + recurrent("LSTM", "x cont"),
    STEPS + recurrent("RNN", "x cont"),
    STEPS + input_layer("static", 2, 4) + recurrent("LSTM", "x cont static"),
    STEPS + input_layer("static", 2, 4) + recurrent("RNN", "x cont static"),
    STEPS
    + input_layer("h", 1, 2, 5)
    + input_layer("c", 1, 2, 5)
    + recurrent("LSTM", "x cont h c", "l h1 c1", "expose_hidden: true"),
    input_layer("s", 2, 1) + IMAGE + layer("Filter", "data s", "y"),
    IMAGE + layer("Transpose", "data", "y", "transpose_param { dim: 0 dim: 3 dim: 2 dim: 1 }"),
    IMAGE + layer("Reverse", "data", "y", "reverse_param { axis: 2 }"),
    IMAGE + layer("SeLu", "data", "y"),
    IMAGE + layer("Mish", "data", "y"),
    IMAGE + input_layer("large", 2, 3, 9, 10) + layer("MergeCrop", "data large", "y"),
    IMAGE + input_layer("f", 2, 4) + layer("Scale", "data f", "y", "scale_param { axis: 0 bias_term: true }"),
    input_layer("data", 2, 8, 4, 6) + layer("Reorg", "data", "y", "reorg_param { stride: 2 }"),
    input_layer("data", 2, 8, 4, 6) + layer("Reorg", "data", "y", "reorg_param { stride: 2 reverse: true }"),
    IMAGE + layer("SeLu", "data", "y", "selu_param { lambda: 2 alpha: 0.5 }"),
    IMAGE + input_layer("other", 2, 4, 6, 5) + layer("Add", "data other", "y"),
    IMAGE + input_layer("mask", 2, 1, 6, 5) + layer("MaskPooling", "data mask", "y"),
    HALVED
    + layer("Unpooling", "small mask", "y", "unpooling_param { kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 5 }"),
    *(
        IMAGE + layer("Unpooling", "data", "y", f"unpooling_param {{ {inside} unpool_h: 13 unpool_w: 9 }}")
        for inside in (f"{pool} kernel_size: 3 stride: 2" for pool in ("", "unpool: AVE", "unpool: TILE"))
    ),
    *(
        IMAGE
        + input_layer("large", 2, 4, 9, 10)
        + layer("MergeCrop", "data large", "y", f"mergecrop_param {{ {flags} }}")
        for flags in ("forward: false operation: ADD", "forward: true forward: false", "forward: true backward: false")
    ),
    IMAGE + layer("Normalize", "data", "y norms", 'normalize_param { normalize_type: "L1" }'),
    IMAGE + layer("Normalize", "data", "y norms", 'normalize_param { normalize_type: "L2" }'),
    IMAGE + layer("BN", "data", "y mean variance", "bn_param { bn_mode: LEARN }"),
    IMAGE + layer("BatchNorm", "data", "y", "batch_norm_param { use_global_stats: false scale_bias: true }"),
    IMAGE + layer("BatchNorm", "data", "y", "batch_norm_param { scale_filler { value: 2 } }"),
    IMAGE + layer("Dropout", "data", "y", "dropout_param { scale_train: false dropout_ratio: 0.3 }"),
    IMAGE + layer("Pooling", "data", "y places", "pooling_param { kernel_size: 2 stride: 3 }"),
    IMAGE + layer("Pooling", "data", "y places", "pooling_param { kernel_size: 3 pad: 2 stride: 3 }"),
    IMAGE + layer("Pooling", "data", "y places", "pooling_param { global_pooling: true }"),
    IMAGE
    + layer(
        "Python",
        "data",
        "y",
        """python_param { module: "spatial_dropout" layer: "SpatialDropoutLayer"
        param_str: "{'phase': 'TEST', 'p': '0.1'}" }""",
    ),
    IMAGE
    + layer(
        "Python",
        "data",
        "y",
        """python_param { module: "joint_augmentation" layer: "JointAugmentation"
        param_str: '{"transforms": {"flip": 0.5}, "bottoms": [{"kind": "photo"}]}' }""",
    ),
    IMAGE + layer("BN", "data", "data", "bn_param { bn_mode: LEARN }") + layer("AbsVal", "data", "y"),
]

# What no export writes, each with what its refusal says: of what is drawn anew there is no equal result.
REFUSED_NETS = [
    (
        input_layer("data", 1, 1)
        + layer("DummyData", "", "d", 'dummy_data_param { data_filler { type: "gaussian" } shape { dim: 1 dim: 1 } }')
        + layer("Eltwise", "data d", "y"),
        "anew each time",
    ),
    (IMAGE + layer("Dropout", "data", "y", "dropout_param { sample_weights_test: true }"), "draws anew in each pass"),
    (
        IMAGE
        + layer(
            "Python",
            "data",
            "y",
            """python_param { module: "spatial_dropout" layer: "SpatialDropoutLayer"
            param_str: "{'phase': 'TRAIN', 'p': '0.1'}" }""",
        ),
        "draws anew in each pass",
    ),
]

FCN = (
    input_layer("data", 1, 3, 37, 41)
    + layer("Convolution", "data", "conv1", "convolution_param { num_output: 8 kernel_size: 3 pad: 20 }", "conv1")
    + layer("BatchNorm", "conv1", "conv1", "", "bn1")
    + layer("Scale", "conv1", "conv1", "scale_param { bias_term: true }", "scale1")
    + layer("ReLU", "conv1", "conv1", "", "relu1")
    + layer("Pooling", "conv1", "pool1", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", "pool1")
    + layer("Dropout", "pool1", "pool1", "", "drop1")
    + layer("Convolution", "pool1", "score_fr", "convolution_param { num_output: 4 kernel_size: 1 }", "score_fr")
    + layer("Deconvolution", "score_fr", "up", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 }", "up")
    + layer("Crop", "up data", "score", "crop_param { axis: 2 offset: 19 }", "score")
)
