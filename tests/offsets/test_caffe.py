"""Offsets against real Caffe: where an impulse comes out is where the coordinate map says."""

from __future__ import annotations

from fractions import Fraction

from caffe_worker import CaffeWorker
from hypothesis import HealthCheck, given, settings
from random_nets import PERIOD, image_nets

from caffe_fcn import offsets, proto


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=image_nets())
def test_impulses_pushed_through_real_caffe_come_out_where_the_map_says(caffe: CaffeWorker, text: str) -> None:
    """With box kernels a net is symmetric about its coordinate map, so that over one period of strides the
    mean displacement of an impulse is the shift, exactly but for rounding."""
    net = proto.NetParameter()
    proto.parse(text, net)
    maps = offsets.coord_map_between(net, "data", "up").maps
    for axis, axis_map in enumerate(maps):
        places = [[n, 0, 4 * PERIOD + n * (axis == 0), 5 * PERIOD + n * (axis == 1)] for n in range(PERIOD)]
        answer = caffe.ask("impulses", text, into="data", out="up", at=places)
        moved = sum(m[1 + axis] - m[0] * place[2 + axis] for m, place in zip(answer, places, strict=True))
        assert axis_map.scale == 1
        assert abs(moved / sum(m[0] for m in answer) - axis_map.shift) < Fraction(1, 1000)
