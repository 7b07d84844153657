"""Which of the jobs that wait begin: what is free, in the order in which they came."""

from __future__ import annotations

from caffe_fcn.workspace.jobs.job import Job, Kind, State, Task
from caffe_fcn.workspace.jobs.scheduling import Begin, plan, share_folder


def make(number: int, makes: str = "", cores: int = 1, gpu: bool = False, on: int | None = None) -> Job:
    task = Task(f"t{number}", Kind.TRAIN, (("train", "s"),), makes=makes, cores=cores, gpu=gpu)
    return Job(number, task, State.WAITING, float(number), gpu=on)


def begin(waiting: list[Job], running: list[Job], cores: int = 4, gpus: tuple[int, ...] = ()) -> list[int]:
    """The numbers of the jobs that begin."""
    return [each.job.number for each in plan(waiting, running, cores, gpus) if isinstance(each, Begin)]


def reasons(waiting: list[Job], running: list[Job], cores: int = 4, gpus: tuple[int, ...] = ()) -> dict[int, str]:
    return {e.job.number: e.why for e in plan(waiting, running, cores, gpus) if not isinstance(e, Begin)}


def test_as_many_begin_as_there_are_cores() -> None:
    jobs = [make(n) for n in range(1, 7)]
    assert begin(jobs, []) == [1, 2, 3, 4]
    assert begin(jobs, [make(9, cores=3)]) == [1]


def test_a_large_job_is_not_passed_for_ever_by_small_ones() -> None:
    large, small = make(1, cores=4), make(2)
    assert begin([large, small], [make(9)]) == []
    assert "4 of 4 cores, 3 of which" in reasons([large, small], [make(9)])[1]
    assert reasons([large, small], [make(9)])[2] == "waits behind job 1 for cores"
    assert begin([large, small], []) == [1]


def test_a_job_that_wants_more_cores_than_there_are_gets_all() -> None:
    assert begin([make(1, cores=64)], [], cores=2) == [1]


def test_each_gpu_has_one_job() -> None:
    jobs = [make(n, gpu=True) for n in range(1, 4)]
    plans = plan(jobs, [make(9, gpu=True, on=1)], 8, (0, 1, 2))
    assert [(each.job.number, each.gpu) for each in plans if isinstance(each, Begin)] == [(1, 0), (2, 2)]
    assert reasons(jobs, [], gpus=(0,))[2] == "waits for the GPU"


def test_a_job_that_waits_for_a_gpu_does_not_keep_cores() -> None:
    assert begin([make(1, gpu=True), make(2)], [make(9, gpu=True, on=0)], gpus=(0,)) == [2]


def test_two_jobs_never_make_the_same_folder_at_once_and_keep_their_order() -> None:
    jobs = [make(1, "runs/a"), make(2, "runs/a"), make(3, "runs/b")]
    assert begin(jobs, []) == [1, 3]
    assert reasons(jobs, [])[2] == "waits for job 1, which makes the same folder"
    assert begin([make(2, "runs/a/snapshot")], [make(1, "runs/a")]) == []
    assert share_folder("runs/a", "runs/ab") is False
