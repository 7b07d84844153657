"""The images that a net reads: what their channels are, and what is subtracted from them."""

from __future__ import annotations

from caffe_fcn.datasets.reference_layers.published_sets import TopFile
from caffe_fcn.netspec.design import BuildPlan


def find_order(plan: BuildPlan, blob: str, channels: int) -> str:
    """What the channels of an image blob are, as `model_json.Input` says it."""
    top = find_top(plan, blob)
    if top is not None and top.kind != "color":
        return "planes"
    return {1: "grey", 3: "BGR"}.get(channels, "planes")


def find_mean(plan: BuildPlan, blob: str) -> tuple[float, ...]:
    """The mean that the data layer subtracts: of Python layers their own, unless they take one."""
    if plan.data != "python":
        return plan.mean if blob == next(iter(plan.net.dataset.images)) else (0.0,)
    top = find_top(plan, blob)
    return plan.mean if top is None or "mean" in plan.net.dataset.readers[0][0].takes else top.mean


def find_top(plan: BuildPlan, blob: str) -> TopFile | None:
    """The file that the reference's layer makes an image blob of; None where the data set has no such layer."""
    dataset = plan.net.dataset
    return dataset.readers[0][0].tops.get(dataset.reads.get(blob, blob)) if dataset.readers else None
