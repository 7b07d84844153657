"""What became of a job, judged by how its commands ended."""

from __future__ import annotations

import signal

from caffe_fcn.workspace.jobs.job import State

INTERRUPTED = 130
"""The exit status of a command of ours that a signal stopped."""

_FINDINGS = 1


def judge(status: int, is_last: bool, stops: int) -> State | None:
    """Return what a job is after a command ended with a status; None where the next command follows.

    ``stops`` is how often somebody asked to stop it. A command that ends as if it had been interrupted, though nobody
    asked, was ended by something else.
    """
    if status == 0:
        return State.DONE if is_last else State.STOPPED if stops else None
    if status < 0 or status == INTERRUPTED:
        return State.STOPPED if stops else State.LOST
    return State.FAILED


def is_output_whole(status: int) -> bool:
    """Whether what a command wrote to stdout is all of it: it is done, or it found something wrong, and said what."""
    return status in (0, _FINDINGS)


def describe_end(status: int, stops: int) -> str:
    """Say how a command ended that nothing else is known of."""
    if stops:
        return "killed on request" if stops > 1 else "stopped on request"
    if status == -signal.SIGKILL:
        return "was killed (SIGKILL): by somebody, or by the system for want of memory"
    if status < 0:
        return f"was ended by {_name_signal(-status)}"
    if status == INTERRUPTED:
        return "was interrupted by a signal"
    return f"ended with status {status}"


def _name_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
