"""Reading, running and writing at the same time: in order, bounded, and over at once where it is interrupted."""

from __future__ import annotations

import threading
import time

import pytest

from caffe_fcn.evaluation.pipeline import AHEAD, run_overlapped


@pytest.mark.parametrize("writers", [1, 3])
def test_results_come_in_order_and_no_more_than_a_few_are_held(writers: int) -> None:
    held: list[int] = []
    most = 0

    def read(item: int) -> int:
        nonlocal most
        held.append(item)
        most = max(most, len(held))
        return item

    def write(item: int, output: int) -> int:
        time.sleep(0.002)
        held.remove(item)
        return output

    found = [*run_overlapped(range(40), read, lambda item, content: content * 10, write, writers)]
    assert found == [item * 10 for item in range(40)]
    assert 2 < most <= 2 * AHEAD + 2 + writers


def test_the_three_work_at_the_same_time() -> None:
    """The first write, the second run and the third read wait for each other: one by one they would wait for ever."""
    meeting = threading.Barrier(3, timeout=20)

    def wait_at(number: int, item: int) -> int:
        if item == number:
            meeting.wait()
        return item

    found = run_overlapped(
        range(4),
        lambda item: wait_at(2, item),
        lambda item, content: wait_at(1, item),
        lambda item, output: wait_at(0, item),
    )
    assert [*found] == [0, 1, 2, 3]


def test_writers_work_at_the_same_time_and_results_stay_in_order() -> None:
    """The first three writes wait for each other, and the first one for the end of the others."""
    meeting = threading.Barrier(3, timeout=20)
    ended = threading.Semaphore(0)

    def write(item: int, output: int) -> int:
        if item < 3:
            meeting.wait()
        if item == 0:
            assert ended.acquire(timeout=20) and ended.acquire(timeout=20)
        ended.release()
        return output

    found = run_overlapped(range(9), lambda item: item, lambda item, content: content, write, writers=3)
    assert [*found] == [*range(9)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_the_threads_and_leaves_what_was_run_written(error: type[BaseException]) -> None:
    written: list[int] = []

    def run(item: int, content: int) -> int:
        if item == 5:
            raise error
        return content

    with pytest.raises(error):
        list(run_overlapped(range(100), lambda item: item, run, lambda item, output: written.append(item)))
    assert written == [0, 1, 2, 3, 4]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("read", "write"))]


def test_an_error_of_reading_is_raised_in_its_turn() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise OSError
        return item

    seen: list[int] = []
    with pytest.raises(OSError):
        list(run_overlapped(range(9), read, lambda item, content: seen.append(content), lambda *_: 0))
    assert seen == [0, 1, 2]
