"""What the processes of a job use, measured now and then."""

from __future__ import annotations

import resource
import subprocess
import time
from typing import Any

from caffe_fcn.workspace.jobs.processes import list_descendants

_GPU_EVERY = 10.0  # seconds: nvidia-smi takes up to one itself
_NVIDIA_SMI = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]


class Meter:
    """Adds up what the descendants of a process use; what those used that have ended is kept."""

    def __init__(self, gpu: bool) -> None:
        self._seconds = 0.0
        self._memory: int | None = None
        self._peak: int | None = None
        self._gpu: int | None = None
        self._asks_gpu = gpu
        self._asked = float("-inf")

    def measure(self, pid: int) -> None:
        """Measure what the processes below ``pid`` use now."""
        found = list_descendants(pid)
        if found:
            running = sum(each.seconds + each.waited for each in found.values())
            self._seconds = max(self._seconds, _read_ended_seconds() + running)
            self._memory = sum(each.memory for each in found.values())
            self._peak = max(self._peak or 0, self._memory)
        if self._asks_gpu and time.monotonic() - self._asked >= _GPU_EVERY:
            self._asked = time.monotonic()
            memory = _read_gpu_memory(set(found))
            self._gpu = self._gpu if memory is None else max(self._gpu or 0, memory)

    def end(self, pid: int) -> None:
        """Take note of the end of a child, whose figures the system then has."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._seconds = max(self._seconds, ended.ru_utime + ended.ru_stime)
        self._peak = max(self._peak or 0, 1024 * ended.ru_maxrss)
        self._memory = None

    def describe(self) -> dict[str, Any]:
        """Return the figures so far, by the names of `Resources`."""
        return {
            "cpu_seconds": round(self._seconds, 2),
            "memory": self._memory,
            "peak_memory": self._peak,
            "gpu_memory": self._gpu,
        }


def _read_ended_seconds() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _read_gpu_memory(pids: set[int]) -> int | None:
    """Return the bytes that these processes occupy on GPUs; None where nothing says so."""
    try:
        told = subprocess.run(_NVIDIA_SMI, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    total = 0
    for line in told.stdout.splitlines():
        pid, _, memory = line.partition(",")
        if pid.strip().isdigit() and int(pid) in pids and memory.strip().isdigit():
            total += int(memory) << 20
    return total or None
