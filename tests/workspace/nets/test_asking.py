"""However a text is made, its answer is bounded in time and memory, and the next one is answered."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from caffe_fcn.workspace.nets import asking
from caffe_fcn.workspace.nets.asking import BusyError, Workers
from caffe_fcn.workspace.nets.question import Question

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }\n'


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    opened = Workers(count=1)
    yield opened
    opened.close()


def chain(count: int) -> str:
    return INPUT + "".join(
        f'layer {{ name: "{i}" type: "Convolution" bottom: "{i - 1 if i else "data"}" top: "{i}" '
        f"convolution_param {{ num_output: 4 kernel_size: 1 }} }}\n"
        for i in range(count)
    )


HOSTILE = {
    "layers of a megabyte": chain(9000),
    "unknown fields of a megabyte": "a{b:1}" * 150_000,
    "empty layers of a megabyte": "layer{}" * 140_000,
}


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE["layers of a megabyte"],
        pytest.param(HOSTILE["unknown fields of a megabyte"], marks=pytest.mark.long),
        pytest.param(HOSTILE["empty layers of a megabyte"], marks=pytest.mark.long),
    ],
    ids=HOSTILE,
)
def test_a_text_that_takes_too_long_is_given_up(workers: Workers, text: str) -> None:
    before = os.times().children_user
    answer = workers.ask(Question(text=text), seconds=0.5)
    assert "more than 0.5 seconds" in answer["late"]
    workers.close()  # which waits for the process, so that its time counts
    assert os.times().children_user - before < 6
    assert workers.ask(Question(text=INPUT))["layers"]["rows"][0]["shapes"] == ["1x3x9x9"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("layer{" * 100_000, "nested deeper"),
        (
            "layer { input_param { shape {" + " dim: 1000000000" * 1000 + " } } }",
            "no known Caffe has such a layer type",
        ),
        (
            'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 1000000000 dim: 1000000000 '
            "dim: 1000000000 } } }",
            "1000000000",
        ),
        (
            'layer { name: "d" type: "Input" top: "d" input_param { shape {' + " dim: 1000000000" * 40 + " } } }",
            "32 at most",
        ),
        (
            INPUT + 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
            "convolution_param { num_output: 2147483647 kernel_size: 1 } }",
            "2147483647",
        ),
    ],
    ids=["nested", "no type", "huge image", "forty axes", "huge layer"],
)
def test_huge_figures_are_numbers_and_nothing_else(workers: Workers, text: str, said: str) -> None:
    answer = workers.ask(Question(text=text))
    assert "late" not in answer and said in str(answer)


def test_others_are_refused_while_too_many_wait(workers: Workers) -> None:
    few = Workers(count=1, most_waiting=0)
    slow = Thread(target=few.ask, args=(Question(text=HOSTILE["layers of a megabyte"]), 1.0))
    slow.start()
    end = time.monotonic() + 10
    while few._free and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(BusyError):
        few.ask(Question(text=INPUT))
    slow.join()
    few.close()


def test_a_worker_that_was_killed_is_replaced(workers: Workers) -> None:
    workers.ask(Question(text=INPUT))
    [worker] = workers._free
    assert worker is not None
    os.kill(worker._process.pid, 9)
    assert "layers" in workers.ask(Question(text=INPUT)) or "layers" in workers.ask(Question(text=INPUT))


def test_a_net_of_the_catalogue_is_looked_at_once(workers: Workers) -> None:
    first = workers.ask(Question(design="triangles", parts=("offsets",)))
    assert workers.ask(Question(design="triangles", parts=("offsets",))) is first
    assert asking.SECONDS > 0
