"""The keeper of a job: a process that runs its commands and writes down what becomes of them.

    python -m caffe_fcn.workspace.jobs.keeper .caffe-fcn/jobs/7

It has a session of its own and outlives the server. What it writes is in the job's folder (see `folder`). It takes the
job once: a second keeper of the same folder ends without doing anything.

A command gets the lock, too: where the keeper is killed, the command goes on, and who looks still sees that it runs.
What a command leaves behind, such as the processes of a training that was killed, is ended with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.jobs import folder as folders
from caffe_fcn.workspace.jobs import processes
from caffe_fcn.workspace.jobs.endings import describe_end, is_output_whole, judge
from caffe_fcn.workspace.jobs.job import State
from caffe_fcn.workspace.jobs.log import read_last_line
from caffe_fcn.workspace.jobs.usage import Meter

_LOOK = 0.1  # seconds between two looks at whether somebody asked to stop
_SAMPLE = 1.0  # seconds between two measurements


def main(arguments: list[str]) -> int:
    """Keep the job of a folder; returns an exit status."""
    keep(Path(arguments[0]).absolute())
    return 0


def keep(folder: Path) -> None:
    """Run the commands of a job, unless that was done before."""
    order = folders.read(folder, folders.ORDER)
    lock = folders.take_lock(folder) if order else None
    if order is None or lock is None:
        return
    own = processes.identify(os.getpid())
    about = {"pid": os.getpid(), "start": own.start if own else "", "boot": processes.identify_boot()}
    if folders.claim(folder, {**about, "time": time.time()}):
        processes.adopt_orphans()
        _Keeper(folder, order, lock).run()


class _Keeper:
    def __init__(self, folder: Path, order: dict[str, Any], lock: int) -> None:
        self._folder = folder
        self._root = Path(order["root"])
        self._order = order
        self._lock = lock
        self._signals = 0
        self._sent = 0
        self._meter = Meter(gpu=order["gpu"] is not None)
        self._statuses: list[int] = []
        # A handler of ours is not inherited by commands, as an ignored signal would be that a shell put in the
        # background.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)
        signal.signal(signal.SIGHUP, lambda *_: None)

    def run(self) -> None:
        """Run all commands, and write the end."""
        state, message = State.DONE, ""
        for step in range(len(self._order["commands"])):
            ended = self._run_step(step)
            if ended is not None:
                state, message = ended
                break
        content = {"state": state.value, "message": message, "time": time.time(), "statuses": self._statuses}
        resources = self._meter.describe()
        folders.write(self._folder, folders.END, {**content, "resources": resources})

    def _run_step(self, step: int) -> tuple[State, str] | None:
        """Run a command; return what the job then is, and the line that says why, or None where it goes on."""
        if stops := self._count_stops():
            return (State.STOPPED, describe_end(0, stops)) if self._was_asked() else (State.LOST, describe_end(130, 0))
        log = self._folder / folders.LOG
        begin = log.stat().st_size if log.exists() else 0
        output = self._order["outputs"][step]
        try:
            status = self._wait(self._start(step, output), step, begin)
        except OSError as error:
            return State.FAILED, f"cannot be run: {(error.strerror or str(error)).lower()}"
        self._statuses.append(status)
        stops = self._count_stops()
        if output and is_output_whole(status):
            try:
                folders.deliver(self._folder, self._root / output)
            except CaffeFcnError as error:
                return State.FAILED, str(error)
        state = judge(status, step + 1 == len(self._order["commands"]), stops if self._was_asked() else 0)
        if state is None or state is State.DONE:
            return (state, "") if state else None
        said = read_last_line(log, begin) if state is State.FAILED else ""
        return state, said or describe_end(status, stops if self._was_asked() else 0)

    def _start(self, step: int, output: str) -> subprocess.Popen[bytes]:
        command = [*self._order["program"], *self._order["commands"][step]]
        with self._open(folders.OUTPUT if output else folders.STDOUT, "wb" if output else "ab") as stdout:
            with self._open(folders.LOG, "ab") as stderr:
                return subprocess.Popen(
                    command,
                    cwd=self._root,
                    env={**os.environ, **self._order["environment"]},
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                    pass_fds=(self._lock,),
                )

    def _open(self, name: str, mode: str) -> IO[Any]:
        return (self._folder / name).open(mode)

    def _wait(self, process: subprocess.Popen[bytes], step: int, begin: int) -> int:
        """Wait for a command, and pass on what is asked meanwhile; return its exit status."""
        known = processes.identify(process.pid)
        about = {"step": step, "pid": process.pid, "start": known.start if known else "", "log": begin}
        self._sent = 0
        sampled = 0.0
        while True:
            if time.monotonic() - sampled >= _SAMPLE:
                sampled = time.monotonic()
                self._meter.measure(os.getpid())
                self._write_now(about)
            try:
                process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                self._pass_on(process)
        self._meter.end(os.getpid())
        self._end_leftovers()
        return process.returncode

    def _write_now(self, about: dict[str, Any]) -> None:
        content = {**about, "statuses": self._statuses, "resources": self._meter.describe()}
        with suppress(CaffeFcnError):  # a full disk, of which the command itself will speak
            folders.write(self._folder, folders.NOW, content, wait=False)

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """Interrupt the command where somebody asked to stop, and kill it where that was asked again."""
        stops = self._count_stops()
        while self._sent < min(stops, 2):
            self._sent += 1
            if self._sent == 2:
                process.kill()
            else:
                process.send_signal(signal.SIGINT)

    def _count_stops(self) -> int:
        return folders.count_stops(self._folder) + self._signals

    def _was_asked(self) -> bool:
        """Whether somebody asked the server to stop the job; a signal to the keeper is no such thing."""
        return folders.count_stops(self._folder) > 0

    def _hear(self, *_: object) -> None:
        self._signals += 1

    def _end_leftovers(self) -> None:
        """End the processes that the command left behind."""
        for pid, usage in processes.list_descendants(os.getpid()).items():
            processes.send_signal(processes.Process(pid, usage.start), signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
