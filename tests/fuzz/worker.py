"""The child process that runs cases: ``SEED:FORMAT:NUMBER`` a line in, its outcome as a line of JSON out.

    python -m fuzz.worker TABLE SCRATCH

TABLE is the module whose ``FORMATS`` tells the formats. Memory and the size of files are limited, as a file that
declares more than it has must not take the machine with it.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import warnings
from pathlib import Path
from random import Random
from typing import Any

from fuzz import case, regressions

_MOST_DATA = 3 << 30
_LARGEST_FILE = 256 << 20


def main() -> None:
    """Serve until the input ends."""
    table, scratch = importlib.import_module(sys.argv[1]).FORMATS, Path(sys.argv[2]).resolve()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)  # what C libraries print
    faulthandler.enable()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_DATA, _MOST_DATA))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    warnings.simplefilter("ignore")
    here = Path.cwd()
    answers.write("ready\n")
    for line in sys.stdin:
        shutil.rmtree(scratch, ignore_errors=True)
        outcome = _outcome(table, line.strip(), scratch)
        os.chdir(here)
        answers.write(json.dumps({"depth": outcome.depth, "findings": outcome.findings}) + "\n")
    shutil.rmtree(scratch, ignore_errors=True)


def _outcome(table: dict[str, Any], name: str, scratch: Path) -> case.Outcome:
    seed, form, number = name.split(":")
    if seed == regressions.SEED:
        files = regressions.files(form, int(number))
        return case.run(table[form], files, Random(number), scratch, most=len(table[form].commands))
    random, files = case.draw(table[form], int(seed), int(number))
    return case.run(table[form], files, random, scratch)


if __name__ == "__main__":
    main()
