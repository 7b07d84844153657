"""Interruptions that are heeded wherever they come.

An interruption is an exception, raised between two steps of whatever runs. Where that is a destructor, or a callback
that the garbage collector or the import system runs, Python prints the exception and goes on: the signal is lost.
Such an interruption is raised once more, a little later.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

_LATER = 0.02  # seconds, so that the callback is done


def heed_interruptions() -> None:
    """Have SIGTERM raise KeyboardInterrupt, as SIGINT does, and neither be lost."""
    signal.signal(signal.SIGTERM, _terminated)
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)


class _Hook:
    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(self, passed_over: Any) -> None:
        if not isinstance(passed_over.exc_value, KeyboardInterrupt):
            self._before(passed_over)
            return
        import threading

        main = threading.main_thread().ident
        threading.Timer(_LATER, signal.pthread_kill, (main, signal.SIGTERM)).start()  # which ends a wait, too


def _terminated(signum: int, frame: object) -> None:
    raise KeyboardInterrupt  # unwinds through every `finally`, so that temporaries go
