"""The program ``caffe-fcn``, and ``python -m caffe_fcn``.

A signal ends it without a word while nothing has begun, and after all is done; between the two `cli.main` sees to it.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from caffe_fcn.cli import main as run  # what it imports takes most of a short command's time

    run()


def _leave(signum: int, frame: object) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
