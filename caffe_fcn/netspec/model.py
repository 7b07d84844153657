"""What ``model.json`` says of a net that is built: how its images are transformed, and what its outputs mean.

    describe_model("voc-fcn8s").inputs[0].mean          # B, G, R

All of it is for the net's deploy prototxt, and for the nets that learn its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffe_fcn.datasets.reference_layers.published_sets import SETS
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.net.graph import Graph
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.netspec.dataset_facts import resolve_design
from caffe_fcn.netspec.design import BuildPlan, NetDesign
from caffe_fcn.netspec.input_images import find_mean, find_order, find_top
from caffe_fcn.netspec.options import make_plan
from caffe_fcn.netspec.prototxts import build_net, resolve_padding
from caffe_fcn.proto import NetParameter


def describe_model(name: str | NetDesign, **options: Any) -> Model:
    """Describe the net that `netspec.build` makes of the same options; raises what `build` raises."""
    net, options = resolve_design(name, options)
    plan = make_plan(net, "deploy", resolve_padding(net, options))
    known = net.dataset.name in SETS or net.dataset.databases is not None
    inputs, outputs = list(_describe_inputs(plan)), list(_describe_outputs(plan, build_net(plan)))
    return Model(inputs, outputs, net.dataset.name if known else None)


def _describe_inputs(plan: BuildPlan) -> Iterator[Input]:
    """Each image as its data layer gives it; where the net subtracts the mean itself, as it is in the file."""
    dataset = plan.net.dataset
    for place, (blob, channels) in enumerate(dataset.images.items()):
        order, top = find_order(plan, blob, channels), find_top(plan, blob)
        usual = "images" if place == 0 else blob
        database = top.database if top is not None and top.database != usual else None
        logarithm = top is not None and top.kind == "depth"
        mean: tuple[float, ...] = (0.0,)
        scale = 1.0
        if not plan.subtracts_mean:
            mean, scale = find_mean(plan, blob), dataset.scale
        yield Input(blob, channels, order, list(mean), scale=scale, database=database, logarithm=logarithm)


def _describe_outputs(plan: BuildPlan, deploy: NetParameter) -> Iterator[Output]:
    """Each labelling's output: the last ones, since heads come after a backbone whose blobs may be read by nobody."""
    graph, dataset = Graph(deploy), plan.net.dataset
    read = {bottom.name for node in graph.nodes for bottom in node.bottoms}
    outputs = [top.name for node in graph.nodes for top in node.tops if top.name not in read]
    for labelling, blob in enumerate(outputs[-max(len(plan.classes), 1) :]):
        kind = _find_kind(plan, graph.blob(blob).maker.type)
        if kind == "grey":
            yield Output(blob, kind)
        else:
            names, palette = _find_names(plan, labelling), _find_palette(plan, labelling)
            yield Output(blob, kind, names, palette, None if dataset.classified else dataset.ignore_label)


def _find_kind(plan: BuildPlan, layer: str) -> str:
    if not plan.variant.takes_classes:
        return "grey"
    return "probabilities" if layer_type(layer).normalizes_scores else "scores"


def _find_names(plan: BuildPlan, labelling: int) -> list[str] | None:
    """The names of a labelling's classes, where there are as many as the net has."""
    names = plan.net.dataset.class_names
    return (
        list(names[labelling]) if labelling < len(names) and len(names[labelling]) == plan.classes[labelling] else None
    )


def _find_palette(plan: BuildPlan, labelling: int) -> list[list[int]] | None:
    """The colours of the first labelling's classes, where these are known."""
    dataset, count = plan.net.dataset, plan.classes[labelling]
    known = labelling == 0 and len(dataset.palette) >= count and _find_names(plan, labelling) is not None
    return [list(colour) for colour in dataset.palette[:count]] if known else None
