"""Apply a function to many items by several threads, with the results in order.

Threads are enough, since decoding and compressing images runs outside of Python's global lock. Unlike processes they
need no copies of their data, and none survives when the program is killed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 3  # chunks for each thread that wait, done or not, so that it is always busy


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, chunk: int = 1
) -> Iterator[Result]:
    """Yield ``map(function, items)``, computed by ``workers`` threads; an error is raised in its item's turn.

    A thread takes ``chunk`` items at a time; choose many where the work on an item is as cheap as handing it over.
    """
    if workers <= 1 or len(items) <= chunk:
        yield from map(function, items)
        return

    from concurrent.futures import ThreadPoolExecutor

    def compute(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + chunk]]

    waiting: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(0, len(items), chunk):
            waiting.append(pool.submit(compute, start))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
