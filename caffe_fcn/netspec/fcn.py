"""The FCN family: a backbone, a head with its skips and a loss, put together in four ways.

`add_fcn` makes the usual net. `add_bgrd_fcn` reads colour and depth as one image of four channels,
`add_two_stream_fcn` has one backbone for colour and one for HHA and averages their scores, `add_two_head_fcn` learns
two labellings from one backbone.

For ``voc-fcn8s``, `add_fcn` adds these layers; examples/fcn8s.py writes them all out:

    n.data, n.label = L.Python(...)                              # add_inputs
    n.conv1_1, n.relu1_1 = conv_relu(n.data, 64, pad=100)        # plan.add_backbone: VGG-16 as convolutions
    ...
    n.fc7, n.relu7 = conv_relu(n.drop6, 4096, 1, pad=0)
    n.drop7 = dropout(n.relu7)
    n.score_fr = score(n.drop7, 21)                              # add_score_fr
    n.upscore2 = upscore(n.score_fr, 21, kernel=4, stride=2)     # upsample_scores: the skip at stride 16
    n.score_pool4 = score(n.pool4, 21)
    n.score_pool4c = crop(n.score_pool4, n.upscore2)
    n.fuse_pool4 = L.Eltwise(n.upscore2, n.score_pool4c)
    n.upscore_pool4 = upscore(n.fuse_pool4, 21, 4, 2)            # ... the skip at stride 8
    n.score_pool3 = score(n.pool3, 21)
    n.score_pool3c = crop(n.score_pool3, n.upscore_pool4)
    n.fuse_pool3 = L.Eltwise(n.upscore_pool4, n.score_pool3c)
    n.upscore8 = upscore(n.fuse_pool3, 21, 16, 8)                # ... up to the image
    n.score = crop(n.upscore8, n.data)
    n.loss = L.SoftmaxWithLoss(n.score, n.label, ...)            # add_loss
"""

from __future__ import annotations

from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.netspec.heads import add_loss, add_score_fr, upsample_scores
from caffe_fcn.netspec.spec import NetSpec
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P


def add_fcn(n: NetSpec, plan: BuildPlan) -> None:
    """One image and one labelling."""
    add_inputs(n, plan)
    top = add_score_fr(n, plan, plan.add_backbone(n, preprocess_image(n, plan)))
    add_loss(n, plan, upsample_scores(n, plan, top, n.data), "label")


def add_bgrd_fcn(n: NetSpec, plan: BuildPlan) -> None:
    """Colour and depth as one image (early fusion)."""
    add_inputs(n, plan)
    n.data = L.Concat(preprocess_image(n, plan, "color"), n.depth)
    top = add_score_fr(n, plan, plan.add_backbone(n, n.data))
    add_loss(n, plan, upsample_scores(n, plan, top, n.data), "label")


def add_two_stream_fcn(n: NetSpec, plan: BuildPlan) -> None:
    """Colour and HHA (disparity, height, angle), a backbone for each, and the average of their scores (late fusion)."""
    add_inputs(n, plan)
    for name in ("color", "hha"):
        add_score_fr(n, plan, plan.add_backbone(n, preprocess_image(n, plan, name), suffix=name), name)
    n.score_fused = L.Eltwise(n.score_frcolor, n.score_frhha, operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
    add_loss(n, plan, upsample_scores(n, plan, n.score_fused, n.color), "label")


def add_two_head_fcn(n: NetSpec, plan: BuildPlan) -> None:
    """Semantic and geometric classes, learned from the same features."""
    add_inputs(n, plan)
    features = plan.add_backbone(n, preprocess_image(n, plan))
    for labelling, label in enumerate(("sem", "geo")):
        top = add_score_fr(n, plan, features, f"_{label}", labelling)
        add_loss(
            n, plan, upsample_scores(n, plan, top, n.data, f"_{label}", labelling), label, "_geo" if labelling else ""
        )
