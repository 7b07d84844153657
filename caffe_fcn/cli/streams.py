"""Standard input, output and error: made safe at the start, flushed at the end, whatever they are connected to."""

from __future__ import annotations

import io
import os
import sys

_STREAMS = (
    (0, "stdin", "r", os.O_WRONLY),
    (1, "stdout", "w", os.O_RDONLY),
    (2, "stderr", "w", os.O_WRONLY),
)


def open_streams() -> None:
    """Put something in the place of closed standard streams, so that no file that is opened later takes it.

    Reading from and writing to them fails, as in programs in C; only stderr takes what is written, and loses it.
    """
    for number, name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the terminal has not


def flush_stdout() -> None:
    """Write what stdout still holds; raise OSError if that fails, once nothing is left that Python would try again."""
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()
        raise


def _abandon_stdout() -> None:
    """Lose what stdout could not write: Python would try again when it exits, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
