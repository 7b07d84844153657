"""The queue: jobs wait until what they need is free, and run as processes of their own.

    jobs = Jobs(settings)
    jobs.start()
    job = jobs.submit(Task("Draw triangles", Kind.DATA, (("data", "triangles", "-o", "data/t"),), makes="data/t"))
    jobs.wait(job.number, 2).state

What a job has to do is in the database (`store`); what runs is found out from the folder of the job (`folder`), in
which its keeper (`keeper`) writes. A server that begins anew therefore finds what runs, what ended meanwhile, and what
was to begin. A job that was to begin, and of which nobody knows whether it did, is given to a keeper once more: only
one of them can take it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from caffe_fcn.engines.processes import find_python_path
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.jobs import folder as folders
from caffe_fcn.workspace.jobs import processes, resuming
from caffe_fcn.workspace.jobs.endings import describe_end, is_output_whole, judge
from caffe_fcn.workspace.jobs.gpus import find_gpus
from caffe_fcn.workspace.jobs.job import Job, Kind, Resources, State, Task
from caffe_fcn.workspace.jobs.log import Log, find_end, read_last_line
from caffe_fcn.workspace.jobs.scheduling import Begin, count_cores, plan
from caffe_fcn.workspace.jobs.store import FILE, Store
from caffe_fcn.workspace.settings import Settings

FOLDER = "jobs"

_RUNNING = (State.RUNNING, State.STOPPING)
_LOOK = {True: 0.05, False: 0.3}  # seconds between two looks, where somebody waits for a job to end, and else
_REST = 5.0  # where nothing runs
_MOST_LOGS = 32

_PROGRAM = "import sys; sys.path[:] = filter(None, sys.path); from caffe_fcn.__main__ import main; main()"
"""Runs a command, and imports nothing from the folder that it runs in, whose files may be anybody's."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class UnknownJobError(CaffeFcnError):
    """There is no job of that number."""


class Jobs:
    """The jobs of a workspace. Any thread may use it; only one process of a workspace may."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.own / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._store = Store(settings.own / FILE, least=_find_greatest(self._folder))
        self._lock = threading.RLock()  # around what moves a job from waiting to anything else
        self._ended = threading.Condition()
        self._wake = threading.Event()
        self._closing = False
        self._waiters = 0
        self._thread: threading.Thread | None = None
        self._keepers: dict[int, subprocess.Popen[bytes]] = {}
        self._reasons: dict[int, str] = {}
        self._logs: OrderedDict[int, Log] = OrderedDict()
        self._gpus: dict[int, str] = {number: f"GPU {number}" for number in settings.gpus}
        self._gpus_known = threading.Event()

    def start(self) -> None:
        """Begin to run what waits, and find what runs."""
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the jobs that run to themselves."""
        self._closing = True
        self._wake.set()
        if self._thread:
            self._thread.join(10)
        self._store.close()

    @property
    def gpus(self) -> dict[int, str]:
        """The numbers and the names of the GPUs that jobs take."""
        self._gpus_known.wait(20)
        return self._gpus

    def submit(self, task: Task, resumes: int | None = None) -> Job:
        """Queue a task.

        Raises `CaffeFcnError` where it has no command, needs a GPU that is not there, or writes outside the workspace.
        """
        if not task.commands or len(task.outputs) not in (0, len(task.commands)):
            raise CaffeFcnError(task.title, "has no command, or not one output for each")
        if task.gpu and not self.gpus:
            raise CaffeFcnError(task.title, "needs a GPU, and this machine has none", "run it on the cores")
        outputs = tuple(self._name_inside(output) for output in task.outputs)
        task = replace(task, makes=self._name_inside(task.makes), outputs=outputs)
        number = self._store.add(task, time.time(), resumes)
        self._wake.set()
        return self.get(number)

    def get(self, number: int) -> Job:
        """Return a job as it stands; raises `UnknownJobError` where there is none."""
        job = self._store.read(number)
        if job is None:
            raise UnknownJobError(f"job {number}", "is not known", "see the list of jobs")
        return self._complete(job)

    def list(
        self, makes: str = "", most: int = 0, skip: int = 0, states: Iterable[State] = (), kind: Kind | None = None
    ) -> list[Job]:
        """Return the jobs, the newest first: those that make ``makes``, in one of ``states``, of a ``kind``.

        ``most`` of them at most, where it is given, without the first ``skip``.
        """
        return [self._complete(job) for job in self._store.select(makes, tuple(states), kind, most, skip)]

    def count(self, makes: str = "", states: Iterable[State] = (), kind: Kind | None = None) -> int:
        """Return how many jobs there are of which the same is true."""
        return self._store.count(makes, tuple(states), kind)

    def wait(self, number: int, seconds: float) -> Job:
        """Return a job when it is over, or as it stands after ``seconds``."""
        with self._ended:
            self._waiters += 1
            self._wake.set()
            self._ended.wait_for(lambda: self.get(number).state.is_over, seconds)
            self._waiters -= 1
        return self.get(number)

    def stop(self, number: int) -> Job:
        """Stop a job: one that waits does not begin, one that runs is interrupted, and killed the second time."""
        with self._lock:
            job = self.get(number)
            if job.state is State.WAITING:
                self._end(number, State.STOPPED, "stopped before it began", None, None)
            elif not job.state.is_over:
                stops = folders.ask_to_stop(self._find_folder(number))
                self._store.change(number, state=State.STOPPING)
                self._signal_orphan(number, stops)
        self._wake.set()
        return self.get(number)

    def resume(self, number: int) -> Job:
        """Go on with a job that did not come to its end; asked twice, return the job that goes on with it.

        Raises `CaffeFcnError` where it is done, or not over yet.
        """
        with self._lock:
            job = self.get(number)
            if not job.state.is_over or job.state is State.DONE:
                raise CaffeFcnError(
                    f"job {number}", f"is {job.state.value}", "only what was ended before its end goes on"
                )
            later = self._store.find_continuation(number)
            if later and (not later.state.is_over or later.state is State.DONE):
                return self._complete(later)
            task = job.task if job.started is None else resuming.resume(job.task, job.step)
            return self.submit(task, resumes=number)

    def run_again(self, number: int) -> Job:
        """Queue what a job had to do once more, from its beginning."""
        return self.submit(self.get(number).task)

    def read_log(self, number: int) -> Log:
        """Return what the commands of a job wrote to stderr, as it stands; its lines are for people."""
        with self._lock:
            log = self._logs.setdefault(number, Log(self._find_folder(number) / folders.LOG))
            self._logs.move_to_end(number)
            if len(self._logs) > _MOST_LOGS:
                self._logs.popitem(last=False)
            log.update()
            return replace(log, lines=log.lines.copy(), tasks=dict(log.tasks), steps=[*log.steps])

    def _name_inside(self, name: str) -> str:
        """Return a path of the workspace as it is written there; raises `FileError` where it leads outside."""
        return places.name_relative(self._settings, places.resolve(self._settings, name)) if name else ""

    def _find_folder(self, number: int) -> Path:
        return self._folder / str(number)

    def _complete(self, job: Job) -> Job:
        """Add what the row does not have: why a job waits, how far it is."""
        if job.state is State.WAITING:
            return replace(job, message=self._reasons.get(job.number, "waits for its turn"))
        if job.state not in _RUNNING:
            return job
        now = folders.read(self._find_folder(job.number), folders.NOW) or {}
        resources = _read_resources(now.get("resources"))
        step = int(now.get("step", 0))
        return replace(job, step=step, resources=resources, progress=self.read_log(job.number).progress)

    def _run(self) -> None:
        if not self._gpus:
            self._gpus = find_gpus()
        self._gpus_known.set()
        while not self._closing:
            running = self._look()
            self._begin()
            self._wake.wait(_LOOK[self._waiters > 0] if running or self._keepers else _REST)
            self._wake.clear()

    def _look(self) -> bool:
        """Find out what became of the jobs that run; return whether any still does."""
        for number, keeper in list(self._keepers.items()):
            if keeper.poll() is not None and folders.is_claimed(self._find_folder(number)):
                del self._keepers[number]
        running = self._store.select(states=_RUNNING)
        for job in running:
            self._look_at(job)
        return bool(running)

    def _look_at(self, job: Job) -> None:
        folder = self._find_folder(job.number)
        # In this order: a claim is made under the lock, and the end is written under it.
        is_claimed = folders.is_claimed(folder)
        is_locked = folders.is_locked(folder)
        end = folders.read(folder, folders.END)
        if end is not None:
            self._take_end(job.number, end)
        elif is_locked:
            return
        elif is_claimed:
            self._take_end(job.number, self._judge_orphan(job, folder))
        elif job.number not in self._keepers:  # a server ended between its row and its keeper
            self._start_keeper(job)
        elif self._keepers[job.number].poll() is not None:
            said = read_last_line(folder / folders.KEEPER_LOG) or "its keeper ended"
            self._end(job.number, State.FAILED, f"could not begin: {said}", None, None)
            del self._keepers[job.number]

    def _judge_orphan(self, job: Job, folder: Path) -> dict[str, Any]:
        """Return the end of a job whose keeper is gone, by what its command left."""
        now = folders.read(folder, folders.NOW) or {}
        step = int(now.get("step", 0))
        statuses = [int(each) for each in now.get("statuses", ())]
        status = find_end(folder / folders.LOG, int(now.get("log", 0))) if now else None
        state, message = State.LOST, _explain_loss(folder)
        if status is not None:
            statuses.append(status)
            output = job.task.outputs[step] if job.task.outputs else ""
            stops = folders.count_stops(folder)
            judged = judge(status, step + 1 == len(job.task.commands), stops)
            state = judged or State.LOST
            message = "" if judged is State.DONE else describe_end(status, stops)
            if judged is None:
                message = f"its keeper was killed after command {step + 1} of {len(job.task.commands)}"
            if judged is State.FAILED:
                message = read_last_line(folder / folders.LOG, int(now["log"])) or message
            if output and is_output_whole(status):
                with suppress(CaffeFcnError, OSError):
                    folders.deliver(folder, self._settings.root / output)
        about = {"state": state.value, "message": message, "time": time.time()}
        content = {**about, "statuses": statuses, "resources": now.get("resources")}
        with suppress(CaffeFcnError):
            folders.write(folder, folders.END, content)
        return content

    def _take_end(self, number: int, end: dict[str, Any]) -> None:
        statuses = end.get("statuses") or []
        self._end(
            number,
            State(end["state"]),
            str(end.get("message", "")),
            statuses[-1] if statuses else None,
            _read_resources(end.get("resources")),
            ended=float(end["time"]),
            step=max(0, len(statuses) - 1),
        )

    def _end(
        self,
        number: int,
        state: State,
        message: str,
        status: int | None,
        resources: Resources | None,
        ended: float | None = None,
        step: int = 0,
    ) -> None:
        with self._ended:
            self._store.change(
                number,
                state=state,
                message=message,
                status=status,
                resources=resources,
                ended=ended or time.time(),
                step=step,
            )
            self._reasons.pop(number, None)
            self._ended.notify_all()

    def _begin(self) -> None:
        """Start the jobs whose turn it is."""
        with self._lock:
            waiting = self._store.select(states=(State.WAITING,), oldest_first=True)
            if not waiting:
                return
            running = self._store.select(states=_RUNNING)
            reasons = {}
            for each in plan(waiting, running, self._settings.cores, tuple(self._gpus)):
                if isinstance(each, Begin):
                    # First the row, then the keeper: what was to begin is found again, and begun.
                    self._store.change(each.job.number, state=State.RUNNING, started=time.time(), gpu=each.gpu)
                    self._start_keeper(replace(each.job, gpu=each.gpu))
                else:
                    reasons[each.job.number] = each.why
            self._reasons = reasons

    def _start_keeper(self, job: Job) -> None:
        folder = self._find_folder(job.number)
        try:
            folder.mkdir(exist_ok=True)
            folders.write(folder, folders.ORDER, self._make_order(job))
            with (folder / folders.KEEPER_LOG).open("ab") as log:
                self._keepers[job.number] = subprocess.Popen(
                    [sys.executable, "-m", "caffe_fcn.workspace.jobs.keeper", str(folder.resolve())],
                    cwd=folder,  # not the workspace, from whose files Python would import
                    env={**os.environ, "PYTHONPATH": _find_python_path()},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except (OSError, CaffeFcnError) as error:
            self._end(job.number, State.FAILED, f"could not begin: {error}", None, None)

    def _make_order(self, job: Job) -> dict[str, Any]:
        commands = job.task.commands
        if job.gpu is not None:
            commands = tuple(resuming.use_gpu(command, job.gpu) for command in commands)
        cores = str(count_cores(job, self._settings.cores))
        environment = {
            **{name: cores for name in _THREADS if name not in os.environ},
            "PYTHONPATH": _find_python_path(),
            "PYTHONSAFEPATH": "1",  # also for what commands start, in folders that may be anybody's
            "CAFFE_FCN_PROGRESS": "json",
        }
        return {
            "root": str(self._settings.root.resolve()),
            "program": [sys.executable, "-c", _PROGRAM],
            "commands": commands,
            "outputs": job.task.outputs or ("",) * len(commands),
            "environment": environment,
            "gpu": job.gpu,
        }

    def _signal_orphan(self, number: int, stops: int) -> None:
        """Interrupt a command whose keeper is gone, or kill it the second time."""
        folder = self._find_folder(number)
        claim, now = folders.read(folder, folders.CLAIM), folders.read(folder, folders.NOW)
        if claim and now and not processes.is_running(processes.Process(claim["pid"], claim["start"])):
            command = processes.Process(now["pid"], now["start"])
            processes.send_signal(command, signal.SIGKILL if stops > 1 else signal.SIGINT)


def _find_python_path() -> str:
    """Return the PYTHONPATH of jobs, in which no path depends on the folder that they run in."""
    return os.pathsep.join(os.path.abspath(each) for each in find_python_path().split(os.pathsep) if each)  # noqa: PTH100


def _find_greatest(folder: Path) -> int:
    """Return the greatest number that a folder of a job has, which no new job gets."""
    return max((int(each.name) for each in folder.iterdir() if each.name.isdecimal()), default=0)


def _explain_loss(folder: Path) -> str:
    boot = (folders.read(folder, folders.CLAIM) or {}).get("boot", "")
    if boot and boot != processes.identify_boot():
        return "the machine went off while it ran"
    return "was killed while it ran"


def _read_resources(content: Any) -> Resources | None:
    return Resources(**content) if isinstance(content, dict) else None
