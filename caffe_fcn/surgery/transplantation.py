"""A classifier's weights into another net, parameter by parameter, without Caffe.

    report = transplant("bvlc_alexnet.caffemodel", "voc-fcn-alexnet/deploy.prototxt", "fcn_alexnet.caffemodel")
    for each in report.parameters:
        print(each.layer, each.index, each.fate, each.reason)

Layers meet by name. Every parameter of the target has one fate (`report`): copied, reshaped (the same values under
another shape), or filled (as the target's prototxt says; an upscore layer gets its interpolation kernel). Parameters
of the weights that find no place are dropped. First everything is planned on handles (`transplant_plan`), then the
file is written in one pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from caffe_fcn.errors import WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import NetParameter
from caffe_fcn.surgery.donors import Donor, OpenDonor, infer_shapes, load_net
from caffe_fcn.surgery.report import COPIED, RESHAPED, Report
from caffe_fcn.surgery.transplant_plan import TransplantPlan
from caffe_fcn.weights.formats import save_weights
from caffe_fcn.weights.tensors import Shape


def transplant(
    weights: PathLike | Sequence[Donor],
    to_net: NetParameter | PathLike,
    output: PathLike,
    *,
    renames: Mapping[str, str] | None = None,
    suffix: str = "",
    from_net: NetParameter | PathLike | None = None,
    phase: str | None = None,
    size: tuple[int, int] | None = None,
    interpolate: Iterable[str] = (),
    strict: bool = False,
    sparse: bool = False,
    seed: int = 0,
    inputs: Mapping[str, Shape] | None = None,
) -> Report:
    """Write weights for ``to_net`` to ``output``, taken from ``weights`` wherever they fit.

    >>> import numpy as np
    >>> from caffe_fcn import NetSpec, layers as L
    >>> np.savez("classifier.npz", **{"fc/0": np.ones((2, 75), "f4"), "fc/1": np.zeros(2, "f4")})
    >>> n = NetSpec()
    >>> n.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    >>> n.fc = L.Convolution(n.data, num_output=2, kernel_size=5)
    >>> report = transplant("classifier.npz", n.to_proto(), "convolutional.caffemodel")
    >>> [(each.layer, each.index, each.shape, each.fate) for each in report.parameters]
    [('fc', 0, (2, 3, 5, 5), 'reshaped'), ('fc', 1, (2,), 'copied')]

    ``weights`` is a file (with ``renames``, ``suffix`` and ``from_net`` as in `Donor`) or several donors, of
    which the first that has a layer gives it. ``phase`` is the target's (default: deploy), ``size`` (H, W) its
    image size where its data layers do not tell it. The layers in ``interpolate`` get the interpolation kernel, even
    where the weights have values for them; a Deconvolution without values and without a filler always gets it.
    ``strict`` refuses to drop or to fill anything, ``sparse`` leaves out layers that get nothing from the weights,
    ``seed`` makes random fillers reproducible. ``inputs`` has the shapes of blobs that only code or data know.

    Raises `WeightsError` for a layer whose shape does not fit, and for weights that share no layer with
    the net; `NetError` for a net whose shapes cannot be inferred.
    """
    net = load_net(to_net)
    donors: Sequence[Donor]
    if isinstance(weights, (str, os.PathLike)):
        donors = [Donor(weights, renames or {}, suffix, net=from_net)]
    else:
        donors = weights
    opened = [OpenDonor(donor) for donor in donors]
    plan = TransplantPlan(infer_shapes(net, phase, size, to_net, inputs), opened, frozenset(interpolate), seed)
    report = Report(str(output), [*plan.parameters(sparse), *plan.find_dropped()])
    _check(report, donors, strict)
    save_weights(output, plan.layers(sparse), NetParameter(name=net.name).SerializeToString())
    return report


def _check(report: Report, donors: Sequence[Donor], strict: bool) -> None:
    """Raise `WeightsError` where nothing was taken over or, with ``strict``, where not everything was."""
    counts = report.counts()
    files = " and ".join(str(donor.weights) for donor in donors)
    if not counts[COPIED] + counts[RESHAPED]:
        raise WeightsError(files, "no layer has the name of a layer of the net", "map names: fc6=conv6")
    lost = [each for each in report.parameters if each.fate not in (COPIED, RESHAPED)]
    if strict and lost:
        first = f"layer '{lost[0].layer}', parameter {lost[0].index} is {lost[0].fate} ({lost[0].reason})"
        raise WeightsError(files, f"{first}, and {len(lost) - 1} more are not taken over", "run without `strict`")
