"""Live parts of pages: one renderer for all who look, who hear of what has changed, and of nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from caffe_fcn.workspace.web.live import End, Hub


def listen(hub: Hub, render: Callable[[], str | End], topic: str = "t", csrf: str = "mine") -> AsyncIterator[bytes]:
    return hub.listen(topic, render, 0.01, csrf)


async def read(events: AsyncIterator[bytes], count: int) -> list[bytes]:
    """The next events, without the first line on when to connect again."""
    found: list[bytes] = []
    async for event in events:
        if not event.startswith(b"retry:"):
            found.append(event)
        if len(found) == count:
            break
    return found


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_all_listeners_hear_of_each_change_once_and_one_renderer_serves_them() -> None:
    texts = iter(["a", "a", "a", "b\nc", "b\nc"])
    threads = set()

    def render() -> str | End:
        threads.add(threading.get_ident())
        text = next(texts, None)
        return End("/there") if text is None else text

    async def test() -> None:
        hub = Hub()
        heard = await asyncio.gather(*(read(listen(hub, render), 3) for _ in range(50)))
        wanted = [b"event: part\ndata: a\n\n", b"event: part\ndata: b\ndata: c\n\n", b"event: end\ndata: /there\n\n"]
        assert all(each == wanted for each in heard)
        assert threading.get_ident() not in threads

    run(test())


def test_each_listener_gets_the_token_of_its_own_session() -> None:
    async def test() -> None:
        hub = Hub()
        first = listen(hub, lambda: "<form action='/x?csrf=aaaa'>", csrf="aaaa")
        assert b"csrf=aaaa" in (await read(first, 1))[0]
        other = (await read(listen(hub, lambda: "not called", csrf="bbbb"), 1))[0]
        assert b"csrf=bbbb" in other and b"aaaa" not in other

    run(test())


def test_nothing_renders_when_the_last_listener_has_left() -> None:
    calls = 0

    def render() -> str:
        nonlocal calls
        calls += 1
        return str(calls)

    async def test() -> None:
        hub = Hub()
        events = listen(hub, render)
        await read(events, 3)
        await events.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        before = calls
        await asyncio.sleep(0.1)
        assert (calls, hub.count) == (before, 0)
        assert await read(listen(hub, render), 1)  # who comes later is served anew

    run(test())


def test_a_listener_that_reads_slowly_gets_the_newest_and_holds_up_nobody() -> None:
    numbers = iter(range(1000))

    async def test() -> None:
        hub = Hub()
        slow, quick = (listen(hub, lambda: str(next(numbers))) for _ in range(2))
        first = int((await read(slow, 1))[0].split()[-1])
        seen = [int(each.split()[-1]) for each in await read(quick, 20)]
        assert int((await read(slow, 1))[0].split()[-1]) >= seen[-1] > first + 10

    run(test())


def test_the_end_of_the_server_ends_the_stream_without_an_end_of_the_topic() -> None:
    async def test() -> None:
        hub = Hub()
        events = listen(hub, lambda: "a")
        await read(events, 1)
        hub.close()
        assert [each async for each in events] == []

    run(test())


def test_a_renderer_that_fails_ends_only_its_own_topic() -> None:
    async def test() -> None:
        hub = Hub()
        assert [each async for each in listen(hub, lambda: str(1 / 0), "broken")][1:] == []
        assert await read(listen(hub, lambda: "a", "whole"), 1)

    run(test())
