"""Several processes that share the images: on this machine, or those that torchrun started.

    first, second = run_shares(count_share, task, nproc=2, total=500)

Image number i belongs to process i mod N. On this machine each process is ``python -m caffe_fcn.evaluation.worker``,
which gets its task as JSON and answers in lines of JSON; under torchrun each process does its own share and the results
are exchanged by torch.distributed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any, cast

from caffe_fcn.engines.processes import count_cores, find_python_path, started_by_torchrun
from caffe_fcn.errors import CaffeFcnError, EngineError
from caffe_fcn.progress import TaskProgress

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_WORKER = "caffe_fcn.evaluation.worker"
_GRACE = 10  # seconds that a process has to end


@dataclass(frozen=True)
class Share:
    """The images of process number ``rank`` of ``count``."""

    rank: int
    count: int

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that reports."""
        return self.rank == 0

    def select(self, total: int) -> range:
        """Return the numbers of its images, of ``total``."""
        return range(self.rank, total, self.count)


ALONE = Share(0, 1)

ShareTask = Callable[[Mapping[str, Any], Share, Any], Any]
"""A function of a task (JSON), a share, and a callback for what is to be reported; it returns JSON."""


@dataclass(frozen=True)
class Group:
    """The processes that torchrun started, as one of them sees it.

    ``gather`` returns what all processes gave it, by their numbers; all must call it.
    """

    share: Share
    gather: Callable[[Any], list[Any]]


def find_count(nproc: int | None) -> int:
    """Return how many processes share the work; raises `EngineError` where both ``nproc`` and torchrun say it."""
    if nproc and started_by_torchrun():
        raise EngineError("`nproc`", "torchrun says how many processes there are", "leave `nproc` out")
    return int(os.environ["WORLD_SIZE"]) if started_by_torchrun() else nproc or 1


def find_rank() -> int:
    """Return the number of this process among those that torchrun started; 0 where it started none."""
    return int(os.environ["RANK"]) if started_by_torchrun() else 0


@contextmanager
def join_torchrun() -> Iterator[Group]:
    """Connect to the other processes that torchrun started; raises `EngineError` where one is gone."""
    from caffe_fcn.engines.torch.training.distributed import exchange_results

    with exchange_results() as (rank, count, gather):
        yield Group(Share(rank, count), gather)


def run_shares(
    function: ShareTask, task: Mapping[str, Any], nproc: int, total: int, progress: TaskProgress | None = None
) -> list[Any]:
    """Run ``function`` in ``nproc`` processes; returns their results.

    What a process reports is how many images it has done, and how many there are for it; ``progress`` gets the sum.
    Raises the error of the process that fails first.
    """
    results: list[Any] = [None] * nproc
    done = [0] * nproc
    for rank, kind, content in follow_shares(function, task, nproc):
        if kind == "result":
            results[rank] = content
        else:
            done[rank] = content[0]
            if progress:
                progress(sum(done), total)
    return results


def follow_shares(function: ShareTask, task: Mapping[str, Any], nproc: int) -> Iterator[tuple[int, str, Any]]:
    """Yield what the processes say as they say it: rank, "report" or "result", and the content.

    They are ended where the caller stops early, or one of them fails; its error is raised.
    """
    said: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
    with ExitStack() as stack:
        processes = [stack.enter_context(_start_worker(function, task, Share(rank, nproc))) for rank in range(nproc)]
        for rank, (process, _) in enumerate(processes):
            Thread(target=_listen, args=(rank, process.stdout, said), daemon=True).start()
        running = {*range(nproc)}
        while running:
            rank, line = said.get()
            if not line:
                if rank in running:
                    raise _explain_death(rank, *processes[rank])
                continue
            message = json.loads(line)
            if message["kind"] == "error":
                raise CaffeFcnError(*message["content"])
            if message["kind"] == "result":
                running.remove(rank)
            yield rank, message["kind"], message["content"]


@contextmanager
def _start_worker(
    function: ShareTask, task: Mapping[str, Any], share: Share
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start the process of a share, and end it if it outlives the block; it removes what it has half written.

    Its stderr goes to a file. It has a session of its own, so that a terminal's Ctrl-C reaches it through us alone.
    """
    threads = str(max(1, count_cores() // share.count))
    environment = {**dict.fromkeys(_THREADS, threads), **os.environ, "PYTHONPATH": find_python_path()}
    name = f"{function.__module__}:{function.__name__}"
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", _WORKER, name, str(share.rank), str(share.count)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            to_process = cast(IO[bytes], process.stdin)
            try:
                to_process.write(json.dumps(task).encode())
                to_process.close()
            except BrokenPipeError:  # it died, which is noticed by its silence
                pass
            yield process, errors
        finally:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listen(rank: int, source: IO[bytes], said: SimpleQueue[tuple[int, bytes]]) -> None:
    """Pass on what a process says, and then that it is silent."""
    with source:
        for line in source:
            said.put((rank, line))
    said.put((rank, b""))


def _explain_death(rank: int, process: subprocess.Popen[bytes], errors: IO[bytes]) -> EngineError:
    status = process.wait()
    errors.seek(0)
    last = (errors.read().decode(errors="replace").strip().splitlines() or [f"status {status}"])[-1]
    why, mend = ("it was killed", "is memory short?") if status < 0 else (last, "")
    return EngineError(f"process {rank}", f"died: {why}", mend)


def import_task(name: str) -> ShareTask:
    """Return the function that ``name`` (MODULE:FUNCTION) stands for."""
    from importlib import import_module

    module, _, function = name.partition(":")
    found: ShareTask = getattr(import_module(module), function)
    return found
