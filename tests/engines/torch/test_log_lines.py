"""The torch engine's lines are read back as the events that they tell of, with speed and memory."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.events import Event, Snapshot, Step
from caffe_fcn.engines.events import Test as NetTest
from caffe_fcn.engines.log import read_events
from caffe_fcn.engines.torch.training.log_lines import describe_event, format_line

EVENTS: list[Event] = [
    NetTest(0, 1, (("accuracy", 0.5), ("loss", 2.0))),
    Step(0, 2.5, 0.01, (("loss", 2.5),)),
    Snapshot("train_iter_5.solverstate"),
    Step(20, 1.25, 0.01, (("loss", 1.5),), speed=12.5, gpu_memory=1 << 30),
    Step(40, 1.0, None, (), speed=1e-5),
]


def test_lines_are_read_back() -> None:
    lines = [format_line(message) for event in EVENTS for message in describe_event(event)]
    found = list(read_events(lines))
    assert found == EVENTS
    figures = [(step.speed, step.gpu_memory) for step in found if isinstance(step, Step)]
    assert figures == [(None, None), (12.5, 1 << 30), (1e-5, None)]
