"""A function over many items by several threads, its results in order and few of them waiting.

Threads serve, not processes: decoding and compressing images runs outside of Python's lock, nothing has to
be copied between processes, and none is left over when the program is killed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 3  # chunks a worker may be ahead of the one that takes the results: enough to keep it busy


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, chunk: int = 1
) -> Iterator[Result]:
    """``map(function, items)`` by ``workers`` threads; an error is raised where its item's turn comes.

    A thread takes ``chunk`` items at a time: many where each is little work, which costs as much as handing it over.
    """
    if workers <= 1:
        yield from map(function, items)
        return

    from concurrent.futures import ThreadPoolExecutor

    def results(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + chunk]]

    waiting: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(0, len(items), chunk):
            waiting.append(pool.submit(results, start))
            if len(waiting) >= _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
