"""Reading, running and writing at the same time: while a net runs on one image, the next is read and the last written.

A thread reads and others write, since decoding, compressing and waiting for a disk run outside of Python's global
lock. At most `AHEAD` items wait for the net, and as many for a writer, which bounds the memory.
Several writers help where a net takes less time than its pictures: on a GPU FCN-8s takes 2 to 10 ms, and the pictures
of a photo 30 to 60 ms.

A net gets one image at a time, unless a user asks for batches. A batch of four took this share of the time of four
images, on two cores of a Zen 5 (November 2026): 0.93 for voc-fcn-alexnet at 500 x 500, 1.02 for triangles at 320 x 320;
at 64 x 64 it took 0.32 and, for m2nist-fcn, 0.52. But there the last digits of the scores depend on how many images are
in a batch, and that on how many processes share them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Content = TypeVar("Content")
Output = TypeVar("Output")
Result = TypeVar("Result")

AHEAD = 2
"""How many items may be read and not run yet, and how many may be run and wait for a writer."""


def run_overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Content],
    run: Callable[[Item, Content], Output],
    write: Callable[[Item, Output], Result],
    writers: int = 1,
) -> Iterator[Result]:
    """Yield ``write(item, run(item, read(item)))`` of each item, in their order; ``run`` is called in this thread.

    ``writers`` threads write, each another item: with more than one, ``write`` must not depend on the order.
    An error is raised in its item's turn. What was run before it, or before an interruption, is still written.
    """
    source = iter(items)
    read_ahead: deque[tuple[Item, Future[Content]]] = deque()
    written: deque[Future[Result]] = deque()
    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(writers, "write")
    try:

        def read_on(count: int) -> None:
            read_ahead.extend((item, reader.submit(read, item)) for item in islice(source, count))

        read_on(AHEAD)
        while read_ahead:
            item, future = read_ahead.popleft()
            content = future.result()
            read_on(1)
            written.append(writer.submit(write, item, run(item, content)))
            del content, future  # which may be large
            if len(written) >= AHEAD + writers:
                yield written.popleft().result()
        while written:
            yield written.popleft().result()
    finally:
        reader.shutdown(cancel_futures=True)
        writer.shutdown()
