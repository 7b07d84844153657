"""Weights for training from scratch: what the fillers of a net make, and interpolating upscore layers.

    fill("fcn8s/deploy.prototxt", "start.caffemodel")

The nets of the reference expect a classifier's weights and have no fillers for its layers: in Caffe these would start
at zero, and a net of zeros learns nothing. Its score layers do start at zero, as in the reference: so the first loss is
that of a guess, however large the features are.
"""

from __future__ import annotations

from collections.abc import Mapping

from caffe_fcn.files import PathLike
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.proto import NetParameter
from caffe_fcn.surgery.donors import infer_shapes, load_net
from caffe_fcn.surgery.report import Report
from caffe_fcn.surgery.transplant_plan import TransplantPlan
from caffe_fcn.weights.formats import save_weights
from caffe_fcn.weights.tensors import Shape

FILLER = "msra"
"""The filler of layers that have none: made for ReLUs, which all of these nets have (He et al., 2015)."""

_SCORE = "score"  # what the names of the heads' layers begin with (see `netspec.heads`)


def fill(
    net: NetParameter | PathLike,
    output: PathLike,
    *,
    filler: str = FILLER,
    seed: int = 0,
    inputs: Mapping[str, Shape] | None = None,
) -> Report:
    """Write weights for ``net`` that nothing was learned in; ``filler`` is that of layers without one.

    Without a filler, a Deconvolution interpolates, and a layer whose name begins with "score" is zero. ``inputs`` has
    the shapes of blobs that only code or data know.
    Raises `NetError` for a net whose shapes cannot be inferred.

    >>> from caffe_fcn import NetSpec, layers as L
    >>> n = NetSpec()
    >>> n.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    >>> n.conv = L.Convolution(n.data, num_output=2, kernel_size=3)
    >>> [each.reason for each in fill(n.to_proto(), "start.caffemodel").parameters]
    ['filler msra', 'filler constant 0']
    """
    loaded = load_net(net)
    filled = NetParameter()
    filled.CopyFrom(loaded)
    for layer in filled.layer:
        if layer.name.startswith(_SCORE):
            continue
        kind = layer_type(layer.type).kind
        if kind is Kind.CONVOLUTION and not layer.convolution_param.HasField("weight_filler"):
            layer.convolution_param.weight_filler.type = filler
        elif kind is Kind.INNER_PRODUCT and not layer.inner_product_param.HasField("weight_filler"):
            layer.inner_product_param.weight_filler.type = filler
    plan = TransplantPlan(infer_shapes(filled, None, None, net, inputs), [], frozenset(), seed)
    report = Report(str(output), list(plan.parameters(sparse=False)))
    save_weights(output, plan.layers(sparse=False), NetParameter(name=loaded.name).SerializeToString())
    return report
