"""The time in which a page of the workspace answers, while nobody and while a hundred listen to one live run.

    python benchmarks/workspace.py [--listeners 100]

A training of one weight runs by real Caffe as a job. Its page is asked for again and again, first alone, then while
the listeners get its events (server-sent events, all on the loopback, for at most a minute). Prints medians.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
# In the place of this file's own folder, where it would be taken for the package of the tests.
sys.path[:1] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/support")]

import decay  # noqa: E402
from workspace.server import Server, start_server  # noqa: E402

from caffe_fcn.workspace.jobs.job import Kind, Task  # noqa: E402
from caffe_fcn.workspace.jobs.store import FILE, Store  # noqa: E402

MOST_LISTENERS, MOST_SECONDS = 200, 60


async def listen(client: httpx.AsyncClient, address: str, heard: list[int], index: int) -> None:
    async with client.stream("GET", address) as answer:
        async for piece in answer.aiter_bytes():
            heard[index] += piece.count(b"event: part")


async def measure(client: httpx.AsyncClient, address: str, times: int) -> list[float]:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        answer = await client.get(address)
        taken.append(1000 * (time.perf_counter() - begin))
        answer.raise_for_status()
        await asyncio.sleep(0.03)
    return taken


async def compare(server: Server, listeners: int, times: int) -> None:
    limits = httpx.Limits(max_connections=listeners + 2, max_keepalive_connections=listeners + 2)
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=MOST_SECONDS, trust_env=False, limits=limits) as many,
        httpx.AsyncClient(base_url=server.url, timeout=MOST_SECONDS, trust_env=False) as one,
    ):
        await measure(one, "/jobs/1", 10)
        alone = {address: await measure(one, address, times) for address in ("/jobs/1", "/jobs", "/")}
        heard = [0] * listeners
        tasks = [asyncio.create_task(listen(many, "/jobs/1/live", heard, index)) for index in range(listeners)]
        await asyncio.sleep(2)
        before = time.perf_counter()
        begun = sum(heard)
        with_them = {address: await measure(one, address, times) for address in alone}
        events = (sum(heard) - begun) / (time.perf_counter() - before)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert min(heard) > 1, "a listener heard nothing"
    for address, taken in with_them.items():
        quiet, busy = statistics.median(alone[address]), statistics.median(taken)
        print(
            f"{address:9} alone {quiet:6.1f} ms   with {listeners} listeners {busy:6.1f} ms   {busy / quiet:.2f} times"
        )
    print(f"events    {events:.0f} a second to all listeners")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--times", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="caffe-fcn-bench-") as place:
        root = Path(place) / "work"
        (root / ".caffe-fcn").mkdir(parents=True)
        (root / "run").mkdir()
        decay.write(root / "run", max_iter=100_000_000, base_lr=1e-7, display=50_000)
        store = Store(root / ".caffe-fcn" / FILE)
        task = Task("Train", Kind.TRAIN, (("train", "run/solver.prototxt", "--engine", "caffe"),), makes="run")
        store.add(task, time.time())
        store.close()
        server = start_server(root)
        try:
            end = time.monotonic() + MOST_SECONDS
            while not server.client.get("/api/jobs/1").json()["progress"] and time.monotonic() < end:
                time.sleep(0.2)
            asyncio.run(
                asyncio.wait_for(compare(server, min(options.listeners, MOST_LISTENERS), options.times), MOST_SECONDS)
            )
        finally:
            for _ in range(2):
                server.post("/api/jobs/1/stop")
            server.client.get("/api/jobs/1?wait=10")
            server.close()


if __name__ == "__main__":
    main()
