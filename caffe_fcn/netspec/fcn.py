"""The FCN family, a net on one screen: trunks, heads and skips put together.

`one_head` is the usual net. `bgrd` sees colour and depth as one image of four channels, `two_streams` gives
colour and HHA a trunk each and adds their scores, `two_heads` learns two labellings from one trunk.
"""

from __future__ import annotations

from caffe_fcn.netspec.data import image, inputs
from caffe_fcn.netspec.heads import learned, score_fr, upsampled
from caffe_fcn.netspec.plan import Plan
from caffe_fcn.netspec.spec import NetSpec
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P


def one_head(n: NetSpec, plan: Plan) -> None:
    """One image, one labelling."""
    inputs(n, plan)
    top = score_fr(n, plan, plan.features(n, image(n, plan)))
    learned(n, plan, upsampled(n, plan, top, n.data), "label")


def bgrd(n: NetSpec, plan: Plan) -> None:
    """Colour and depth, joined to one image (early fusion)."""
    inputs(n, plan)
    n.data = L.Concat(image(n, plan, "color"), n.depth)
    top = score_fr(n, plan, plan.features(n, n.data))
    learned(n, plan, upsampled(n, plan, top, n.data), "label")


def two_streams(n: NetSpec, plan: Plan) -> None:
    """Colour and HHA (disparity, height, angle), each with a trunk of its own, the scores averaged (late fusion)."""
    inputs(n, plan)
    for name in ("color", "hha"):
        score_fr(n, plan, plan.features(n, image(n, plan, name), suffix=name), name)
    n.score_fused = L.Eltwise(n.score_frcolor, n.score_frhha, operation=P.Eltwise.SUM, coeff=[0.5, 0.5])
    learned(n, plan, upsampled(n, plan, n.score_fused, n.color), "label")


def two_heads(n: NetSpec, plan: Plan) -> None:
    """Semantic and geometric classes, learned from the same features."""
    inputs(n, plan)
    features = plan.features(n, image(n, plan))
    for place, label in enumerate(("sem", "geo")):
        top = score_fr(n, plan, features, f"_{label}", place)
        learned(n, plan, upsampled(n, plan, top, n.data, f"_{label}", place), label, "_geo" if place else "")
