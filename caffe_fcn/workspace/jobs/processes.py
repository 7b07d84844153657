"""What the system says of processes: when they started, which are whose children, and what they use."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process by its number and its ``start``, in the system's own ticks, which no later process of it shares."""

    pid: int
    start: str


@dataclass(frozen=True)
class Usage:
    """What a process uses: seconds of a core, of which ``waited`` are those of children that ended; bytes of memory."""

    parent: int
    start: str
    seconds: float
    waited: float
    memory: int


def read_usage(pid: int) -> Usage | None:
    """Return what a process uses; None where there is none, or the system does not say."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    words = text.rpartition(")")[2].split()  # the name before may have spaces and brackets
    if len(words) < 22 or words[0] in "ZX":
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    user, system, waited_user, waited_system = (int(each) / ticks for each in words[11:15])
    memory = int(words[21]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(int(words[1]), words[19], user + system, waited_user + waited_system, memory)


def identify(pid: int) -> Process | None:
    """Return a process that runs; None where there is none of that number."""
    usage = read_usage(pid)
    if usage is not None:
        return Process(pid, usage.start)
    if _PROC.joinpath("self").exists():
        return None
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return Process(pid, told.stdout.strip()) if told.stdout.strip() else None


def is_running(process: Process) -> bool:
    """Whether this very process runs, and no other one that has its number."""
    return identify(process.pid) == process


def send_signal(process: Process, number: signal.Signals) -> bool:
    """Send a signal to this very process; False where it has ended."""
    if not hasattr(os, "pidfd_open"):
        if not is_running(process):
            return False
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        return True
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        if not is_running(process):  # looked up after the handle was had, which then is this process's
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def list_descendants(pid: int) -> dict[int, Usage]:
    """Return the processes that a process started, and those that they started; {} where the system does not say."""
    children: dict[int, list[int]] = {}
    usages: dict[int, Usage] = {}
    with suppress(OSError):
        for entry in os.listdir(_PROC):  # noqa: PTH208 - only the names
            if entry.isdigit() and (usage := read_usage(int(entry))):
                usages[int(entry)] = usage
                children.setdefault(usage.parent, []).append(int(entry))
    found: dict[int, Usage] = {}
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found[child] = usages[child]
                waiting.append(child)
    return found


def identify_boot() -> str:
    """Return what names the time since the machine was started; "" where the system does not say."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def adopt_orphans() -> None:
    """Become the parent of the processes that our children leave behind, where the system can do that."""
    import ctypes

    set_child_subreaper = 36
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)
