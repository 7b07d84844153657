"""SIGINT and SIGTERM as KeyboardInterrupt, which passes through every `finally`, so that temporary files are removed.

An exception can be lost: if the signal comes while Python runs a destructor, or a callback of the garbage collector
or the import system, Python prints the exception and goes on. Such a signal is sent once more, a little later.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LATER = 0.02  # seconds, by which the callback has ended
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first SIGINT or SIGTERM inside the block; a second one gets the old handler.

    A signal that is ignored (under nohup, or for a job in the background) stays ignored.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    hook_before = sys.unraisablehook
    received = signal.SIGTERM

    def arm() -> None:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, interrupt)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupt(signum: int, frame: object) -> None:
        nonlocal received
        received = signal.Signals(signum)
        restore()
        raise KeyboardInterrupt

    def hook(lost: Any) -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            hook_before(lost)
            return
        import threading

        arm()
        main = threading.main_thread().ident or 0
        threading.Timer(_LATER, signal.pthread_kill, (main, received)).start()  # this also ends a wait

    sys.unraisablehook = hook
    try:
        arm()
        yield
    finally:
        restore()
        sys.unraisablehook = hook_before
