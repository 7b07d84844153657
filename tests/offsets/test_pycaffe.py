"""coord_map and crop, as pycaffe has them: one program, run by pycaffe and by us with only its imports changed."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

NET = """
def net(ks=3, stride=1, pad=0, pool=2, dstride=2, dpad=0, dilation=1):
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 1, 100, 100]))
    n.aux = L.Input(shape=dict(dim=[2, 1, 20, 20]))
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=ks, stride=stride, pad=pad, dilation=dilation)
    n.relu = L.ReLU(n.conv, in_place=True)
    n.pool = L.Pooling(n.relu, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=dstride * 2, stride=dstride, pad=dpad)
    return n
"""
CASES = {
    "deconv to data": "n = net(); a, b = n.deconv, n.data",
    "padded": "n = net(pad=1); a, b = n.deconv, n.data",
    "padded deconv": "n = net(dpad=1, pad=3); a, b = n.deconv, n.data",
    "the other way": "n = net(pad=1); a, b = n.data, n.deconv",
    "a blob to itself": "n = net(); a, b = n.conv, n.conv",
    "through a pointwise layer": "n = net(); a, b = n.relu, n.conv",
    "scaled": "n = net(ks=5, stride=2, pad=4); a, b = n.pool, n.data",
    "dilated": "n = net(dilation=3, pad=5); a, b = n.conv, n.data",
    "each axis its own": "n = net(ks=[3, 5], pad=[4, 9]); a, b = n.deconv, n.data",
    "three axes": "n = NetSpec(); n.data = L.Input(shape=dict(dim=[1, 3, 100, 100, 100])); "
    "n.conv = L.Convolution(n.data, num_output=10, kernel_size=[3, 3, 3], stride=[1, 1, 1], pad=[0, 1, 2]); "
    "n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=2, stride=2, pad=0); "
    "n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=4, stride=2, pad=0); "
    "a, b = n.deconv, n.data",
    "a skip": "n = net(pad=50); n.up = L.Deconvolution(n.pool, num_output=10, kernel_size=4, stride=2); "
    "n.side = L.Convolution(n.conv, num_output=10, kernel_size=1); a, b = n.side, n.up",
    "behind another crop": "n = net(pad=9); n.c = L.Crop(n.deconv, n.data, crop_param=dict(axis=2, offset=4)); "
    "a, b = n.c, n.data",
}
PYCAFFE = """
from caffe import NetSpec, layers as L, params as P
from caffe.coord_map import coord_map_from_to, crop
"""
OURS = """
from caffe_fcn import NetSpec, layers as L, params as P
from caffe_fcn.offsets import coord_map_from_to, crop
"""
ASK = """
def asked(a, b):
    axis, scale, shift = coord_map_from_to(a, b)
    try:
        cropped = crop(a, b).fn.params["crop_param"]
    except Exception:
        cropped = None
    return {
        "axis": axis,
        "scale": [float(each) for each in np.array(scale, ndmin=1)],
        "shift": [float(each) for each in np.array(shift, ndmin=1)],
        "crop": cropped and [cropped["axis"], [int(each) for each in np.array(cropped["offset"], ndmin=1)]],
    }
"""


@pytest.fixture(scope="module")
def answers(pycaffe: Callable[..., dict[str, np.ndarray]]) -> tuple[dict, dict]:
    """What pycaffe and we answer, for all cases."""
    program = NET + ASK + "answers = {}\n"
    for case, lines in CASES.items():
        program += lines + f"\nanswers[{case!r}] = asked(a, b)\n"
    theirs = pycaffe(PYCAFFE + program + "import json; outputs['answers'] = json.dumps(answers)")
    names: dict = {"np": np}
    exec(OURS + program, names)
    return json.loads(str(theirs["answers"])), names["answers"]


@pytest.mark.parametrize("case", CASES)
def test_the_map_and_the_crop_are_pycaffes(answers: tuple[dict, dict], case: str) -> None:
    theirs, ours = (answer[case] for answer in answers)
    assert ours["axis"] == theirs["axis"]
    for figure in ("scale", "shift"):
        assert np.array_equal(*np.broadcast_arrays(ours[figure], theirs[figure]))
    if theirs["axis"] is None:
        return  # pycaffe's crop stumbles over an axis that is None
    assert (ours["crop"] is None) == (theirs["crop"] is None)
    if theirs["crop"]:
        assert ours["crop"][0] == theirs["crop"][0]
        assert np.array_equal(*np.broadcast_arrays(ours["crop"][1], theirs["crop"][1]))
