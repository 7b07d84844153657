"""The queue: jobs wait until what they need is free, and run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.jobs.job import Job, State, Task
from caffe_fcn.workspace.settings import Settings


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: dict[int, Job] = {}
        self._ended = threading.Condition()

    def start(self) -> None:
        """Begin to run what waits."""

    def close(self) -> None:
        """Leave the jobs that run to themselves."""

    def submit(self, task: Task, resumes: int | None = None) -> Job:
        """Queue a task."""
        job = Job(len(self._jobs) + 1, task, State.RUNNING, time.time(), time.time(), resumes=resumes)
        self._jobs[job.number] = job
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return job

    def get(self, number: int) -> Job:
        """Return a job as it stands; raises `NotFoundError` where there is none."""
        try:
            return self._jobs[number]
        except KeyError:
            raise CaffeFcnError(f"job {number}", "is not known") from None

    def list(self, makes: str = "", most: int = 0) -> list[Job]:
        """Return the jobs, the newest first: those that make the folder ``makes``, at most ``most`` of them."""
        found = [job for job in self._jobs.values() if makes in ("", job.task.makes)]
        return found[::-1][: most or None]

    def wait(self, number: int, seconds: float) -> Job:
        """Return a job when it is over, or as it stands after ``seconds``."""
        with self._ended:
            self._ended.wait_for(lambda: self._jobs[number].state.is_over, seconds)
        return self._jobs[number]

    def _run(self, job: Job) -> None:
        message, status = "", 0
        for command in job.task.commands:
            program = [sys.executable, "-m", "caffe_fcn", *command]
            ended = subprocess.run(program, cwd=self._settings.root, capture_output=True, text=True)
            status, message = ended.returncode, (ended.stderr.strip().splitlines() or [""])[-1]
            if status:
                break
        with self._ended:
            state = State.FAILED if status else State.DONE
            self._jobs[job.number] = replace(job, state=state, status=status, message=message, ended=time.time())
            self._ended.notify_all()
