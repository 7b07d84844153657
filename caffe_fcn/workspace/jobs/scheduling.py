"""Which jobs begin now, of those that wait: what is free goes to who waits longest.

A job that does not fit keeps what is free for itself, so that smaller ones behind it do not pass it for ever. A job
that waits for a folder keeps nothing but the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from caffe_fcn.workspace.jobs.job import Job


@dataclass(frozen=True)
class Begin:
    """A job that begins now, on a GPU where it needs one."""

    job: Job
    gpu: int | None


@dataclass(frozen=True)
class Wait:
    """A job that waits, and the sentence that says for what."""

    job: Job
    why: str


def plan(waiting: Iterable[Job], running: Sequence[Job], cores: int, gpus: Sequence[int]) -> list[Begin | Wait]:
    """Return what becomes of the jobs that wait, which come oldest first, while ``running`` jobs run."""
    free = cores - sum(count_cores(job, cores) for job in running)
    free_gpus = [gpu for gpu in gpus if gpu not in {job.gpu for job in running}]
    takers = [job for job in running if job.task.makes]
    plans: list[Begin | Wait] = []
    kept: Job | None = None  # who waits for cores, for whom they are kept
    kept_gpu: Job | None = None
    for job in waiting:
        wanted = count_cores(job, cores)
        other = next((each for each in takers if share_folder(each.task.makes, job.task.makes)), None)
        if job.task.makes:
            takers.append(job)
        if other is not None:
            plans.append(Wait(job, f"waits for job {other.number}, which makes the same folder"))
        elif job.task.gpu and (kept_gpu or not free_gpus):
            plans.append(Wait(job, _explain_gpu(gpus, kept_gpu)))
            kept_gpu = kept_gpu or job
        elif kept or wanted > free:
            plans.append(Wait(job, _explain_cores(wanted, free, cores, kept)))
            kept = kept or job
        else:
            free -= wanted
            plans.append(Begin(job, free_gpus.pop(0) if job.task.gpu else None))
    return plans


def count_cores(job: Job, cores: int) -> int:
    """Return the cores that a job takes: what it asks for, but no more than there are."""
    return max(1, min(job.task.cores, cores))


def share_folder(one: str, other: str) -> bool:
    """Whether two jobs write to the same place, or one inside what the other makes."""
    if not one or not other:
        return False
    a, b = PurePosixPath(one), PurePosixPath(other)
    return a.is_relative_to(b) or b.is_relative_to(a)


def _explain_cores(wanted: int, free: int, cores: int, first: Job | None) -> str:
    if first is not None:
        return f"waits behind job {first.number} for cores"
    return f"waits for {wanted} of {cores} {'core' if cores == 1 else 'cores'}, {max(free, 0)} of which are free"


def _explain_gpu(gpus: Sequence[int], first: Job | None) -> str:
    if first is not None:
        return f"waits behind job {first.number} for a GPU"
    return "waits for the GPU" if len(gpus) == 1 else f"waits for one of {len(gpus)} GPUs"
