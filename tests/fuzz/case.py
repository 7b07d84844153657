"""One case: a sound input, damaged, and all that reads it watched.

Badly handled is: an exception that is no `CaffeFcnError`; a command whose status is not 0, 1 or 2, or that does not say
in one line why it refuses; a control character for the terminal; memory above `MOST_MEMORY`; an input that is changed;
an output or temporary that stays behind where a command refuses; an accepted value that comes out as another. Death
by a signal and hanging are seen from outside (`harness`).
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.formats.format import Files, Format, ValueChanged, plant, tree

from caffe_fcn.cli import main
from caffe_fcn.errors import CaffeFcnError

MOST_MEMORY = 1 << 30
"""A process that has imported all that there is takes a third of it."""

REFUSED, PAST, COMPLETED = "refused by the parser", "past the parser", "completed"

_TEMPORARY = re.compile(r"\.caffe-fcn-tmp-|\.building")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x9b]")
COMMANDS = 2
"""How many of the commands that read a format a case draws."""


@dataclass
class Outcome:
    """How far an input came, and what was badly handled, as (what, details)."""

    depth: str = REFUSED
    findings: list[tuple[str, str]] = field(default_factory=list)

    def found(self, what: str, details: object = "") -> None:
        """Add a finding."""
        self.findings.append((what, str(details)))


def draw(form: Format, seed: int, number: int) -> tuple[Random, Files]:
    """The input of a case, and the random numbers that go on from it."""
    random = Random(f"{seed}:{form.name}:{number}")
    files = dict(random.choice(form.seeds()))
    files = form.damage(random, files)
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        with contextlib.suppress(Exception):  # a library may not take apart what is damaged already
            files = form.damage(random, files)
    return random, files


def run(form: Format, files: Files, random: Random, scratch: Path, most: int = COMMANDS) -> Outcome:
    """Give the input to what reads it, ``most`` of the commands, in the folder ``scratch``."""
    outcome = Outcome()
    inputs, outputs, here = (scratch / name for name in ("in", "out", "cwd"))
    for folder in (inputs, outputs, here):
        folder.mkdir(parents=True)
    plant(files, inputs)
    os.chdir(here)
    _forget_peak()
    if _parses(form, inputs, outcome):
        outcome.depth = PAST
    commands = random.sample(form.commands, min(most, len(form.commands)))
    statuses = [_command(line, inputs, outputs, random, outcome) for line in commands]
    if outcome.depth == PAST and all(status in (0, 1) for status in statuses):
        outcome.depth = COMPLETED
    for check in form.checks:
        _empty(outputs)
        with _watched(getattr(check, "__name__", "check"), outcome):
            check(inputs, outputs)
    if tree(inputs) != files:
        outcome.found("input changed", _difference(files, tree(inputs)))
    if left := sorted(here.iterdir()):
        outcome.found("left behind in the working directory", [path.name for path in left])
    gc.collect()  # a file of the next case may get the number of one that is still open
    gc.freeze()  # what lives on, modules above all, need not be looked through each time
    if (peak := _peak()) > MOST_MEMORY:
        outcome.found("memory", f"{peak >> 20} MiB")
    return outcome


def _parses(form: Format, inputs: Path, outcome: Outcome) -> bool:
    before = len(outcome.findings)
    with _watched("parse", outcome) as refused:
        form.parse(inputs)
    return not refused and len(outcome.findings) == before


@contextlib.contextmanager
def _watched(name: str, outcome: Outcome) -> Iterator[list[CaffeFcnError]]:
    refused: list[CaffeFcnError] = []
    try:
        yield refused
    except CaffeFcnError as error:
        refused.append(error)
        if "\n" in str(error):
            outcome.found(f"{name}: an error that is not one line to print", repr(str(error)))
    except ValueChanged as error:
        outcome.found(f"{name}: value changed", error)
    except Exception:
        outcome.found(f"{name}: traceback", traceback.format_exc())


def _command(line: str, inputs: Path, outputs: Path, random: Random, outcome: Outcome) -> int:
    _empty(outputs)
    copied = outputs / "copy"
    if "{c}" in line:
        shutil.copytree(inputs, copied)
    arguments = [part.format(i=inputs, o=outputs, c=copied) for part in line.split()]
    if random.random() < 0.5:  # what stood there before must stay if the command refuses
        for target in (Path(each) for each in arguments if each.startswith(f"{outputs}/") and Path(each).suffix):
            if target.parent == outputs:
                target.write_bytes(b"old")
    before = tree(outputs)
    status, out, err = _called(arguments, line, outcome)
    after = tree(outputs)
    _judge(line, status, out, err, outcome)
    if status != 2:
        if left := [name for name in after if _TEMPORARY.search(name)]:
            outcome.found(f"{line}: left behind", left)
    elif before != after or (not before and any(outputs.iterdir())):
        difference = _difference(before, after) or [path.name for path in outputs.iterdir()]
        outcome.found(f"{line}: left behind by a command that refused", difference)
    return status


def _called(arguments: list[str], line: str, outcome: Outcome) -> tuple[int, str, str]:
    """A command in this process: its exit status and what it printed; -1 for an exception that got out."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    status = -1
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        main(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        outcome.found(f"{line}: traceback", traceback.format_exc())
    finally:
        sys.stdout, sys.stderr = kept
    texts = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err))  # type: ignore[attr-defined]
    return status, *texts


def _judge(line: str, status: int, out: str, err: str, outcome: Outcome) -> None:
    if status not in (-1, 0, 1, 2):
        outcome.found(f"{line}: status {status}", err)
    if "Traceback" in err:
        outcome.found(f"{line}: traceback", err)
    errors = [each for each in err.splitlines() if each.startswith("error: ")]
    if status == 2 and (len(errors) != 1 or err.splitlines()[-1] != errors[0]):
        outcome.found(f"{line}: not one line that says why", err)
    if status in (0, 1) and errors:
        outcome.found(f"{line}: an error with status {status}", err)
    for name, text in (("stdout", out), ("stderr", err)):
        if match := _CONTROL.search(text):
            place = match.start()
            outcome.found(f"{line}: a control character on {name}", repr(text[max(0, place - 80) : place + 20]))


def _difference(before: Files, after: Files) -> list[str]:
    return sorted(
        name for name in {*before, *after} if _digest(before.get(name)) != _digest(after.get(name))
    )  # fmt: skip


def _digest(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _forget_peak() -> None:
    """Begin anew with the largest resident size (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0
