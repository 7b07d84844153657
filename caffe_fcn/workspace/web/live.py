"""Parts of a page that are renewed while one looks: server-sent events, rendered once for all who look.

    def send_live(request: Request) -> Response:
        def render() -> str | live.End:
            job = find_workspace(request).jobs.get(3)
            return live.End("/runs") if job.state.is_over else render_fragment(request, "job_part.html", job=job)

        return live.stream(request, "job 3", render)

Everybody who looks at a *topic* hears of the same markup: it is rendered in one thread for all of them, by the function
that came first, and sent where it has changed. A listener that reads slowly gets what is newest when it is ready for
it, and holds up nobody. Two topics differ wherever what they render differs, so that a topic has in its name whatever
the function takes from the request; only the token of the forms is put in for each listener.

`stream` is called in the event loop or in a thread; ``render`` always runs in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from caffe_fcn.errors import CaffeFcnError

HEARTBEAT = 15.0
"""Seconds after which a listener without news gets a comment, so that proxies keep the connection."""

MOST_LISTENERS = 1000
_RENDERERS = 2  # threads, so that pages have the rest
_RETRY = 2000  # milliseconds until a browser connects again
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class End:
    """What a renderer returns where nothing more comes: the browser goes to ``address``, or stays where it is ""."""

    address: str = ""


def stream(request: Request, topic: str, render: Callable[[], str | End], seconds: float = 1.0) -> Response:
    """Answer with the events of a topic: "part" with the markup whenever it has changed, and "end".

    ``render`` is called every ``seconds`` while somebody listens. After a `CaffeFcnError` the topic ends.
    """
    hub = find_hub(request)
    if hub.is_closed or hub.count >= MOST_LISTENERS:
        return PlainTextResponse("the server ends, or too many pages are open\n", 503)
    listener = hub.listen(topic, render, seconds, request.state.csrf)
    return StreamingResponse(listener, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def find_hub(request: Request) -> Hub:
    """Return the hub of the server that got a request."""
    hub: Hub = request.app.state.live
    return hub


@dataclass
class _Topic:
    render: Callable[[], str | End]
    seconds: float
    csrf: str
    """The token that the markup has in it, which stands for each listener's own."""
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    markup: str | None = None
    version: int = 0
    end: End | None = None
    is_over: bool = False
    """Whether nothing renders it any more."""
    listeners: int = 0
    task: asyncio.Task[None] | None = None


class Hub:
    """All topics that somebody listens to. Belongs to one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._topics: dict[str, _Topic] = {}
        self.is_closed = False
        self._limiter: CapacityLimiter | None = None

    def close(self) -> None:
        """End the streams of all listeners, whose browsers connect again; called in the event loop."""
        self.is_closed = True
        for topic in list(self._topics.values()):
            if topic.task:
                topic.task.cancel()

    async def listen(
        self, name: str, render: Callable[[], str | End], seconds: float, csrf: str
    ) -> AsyncIterator[bytes]:
        """Yield the events of a topic until it ends, the server does, or the listener leaves."""
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic(render, seconds, csrf)
            topic.task = asyncio.create_task(self._run(name, topic))
        topic.listeners += 1
        self.count += 1
        try:
            yield f"retry: {_RETRY}\n\n".encode()
            seen = 0
            while True:
                if not await _wait_for_news(topic, seen):
                    yield b":\n\n"
                elif topic.version > seen and topic.markup is not None:
                    seen = topic.version
                    yield _format("part", topic.markup.replace(topic.csrf, csrf))
                elif topic.end is not None:
                    yield _format("end", topic.end.address)
                    return
                else:  # the server ends, or the renderer failed: the browser connects again
                    return
        finally:
            topic.listeners -= 1
            self.count -= 1
            if topic.listeners == 0:
                self._forget(name, topic)
                if topic.task:
                    topic.task.cancel()

    async def _run(self, name: str, topic: _Topic) -> None:
        """Render a topic until it ends, or nobody listens."""
        self._limiter = self._limiter or CapacityLimiter(_RENDERERS)
        try:
            while True:
                made = await to_thread.run_sync(topic.render, limiter=self._limiter)
                if isinstance(made, End):
                    topic.end = made
                    return
                if made != topic.markup:
                    topic.markup, topic.version = made, topic.version + 1
                    async with topic.news:
                        topic.news.notify_all()
                await asyncio.sleep(topic.seconds)
        except CaffeFcnError as error:  # what it shows is gone, or cannot be read
            _LOG.warning("%s: %s", name, error)
            topic.end = End()
        finally:  # asyncio logs what else may have been raised
            self._forget(name, topic)
            topic.is_over = True
            async with topic.news:
                topic.news.notify_all()

    def _forget(self, name: str, topic: _Topic) -> None:
        """Take a topic from those that one can join."""
        if self._topics.get(name) is topic:
            del self._topics[name]


async def _wait_for_news(topic: _Topic, seen: int) -> bool:
    """Wait until a topic has something newer than ``seen``, or is over; False where nothing came for a while."""

    async def wait() -> None:
        async with topic.news:
            await topic.news.wait_for(lambda: topic.version > seen or topic.is_over)

    try:
        await asyncio.wait_for(wait(), HEARTBEAT)
    except asyncio.TimeoutError:
        return False
    return True


def _format(event: str, data: str) -> bytes:
    """Format an event; each line of ``data`` is a line of its own, whatever ends it."""
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "".join([f"event: {event}\n", *(f"data: {line}\n" for line in lines), "\n"]).encode()
