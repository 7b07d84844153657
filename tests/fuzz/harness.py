"""Runs cases in child processes, watches over them, and counts what came of them.

A child that dies or hangs takes its case with it: that is a finding, and a new child goes on. A case that seems to
hang is tried once more by itself, as the machine may have been busy.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from json import loads
from pathlib import Path

from fuzz.case import COMPLETED, PAST, REFUSED

TESTS = Path(__file__).resolve().parent.parent
LONGEST = 20.0
"""Seconds after which a case hangs."""

_CASES_A_CHILD = 1000  # then a new one starts, so that what a case leaves in a process does not add up
_SLOW_START = 60.0  # of a new child, which imports all that reads formats


@dataclass(frozen=True)
class Finding:
    """Something badly handled: which case, what, and the details."""

    case: str
    what: str
    details: str = ""


@dataclass
class Report:
    """How far the cases of each format came, and the findings."""

    depths: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, case: str, depth: str, findings: Sequence[Finding]) -> None:
        """Count one case."""
        self.depths.setdefault(case.split(":")[1], Counter())[depth] += 1
        self.findings += findings

    @property
    def total(self) -> Counter[str]:
        """The cases of all formats."""
        return sum(self.depths.values(), Counter())

    @property
    def share_past(self) -> float:
        """The share of cases that got past their parser."""
        return _share_past(self.total)

    def table(self) -> str:
        """Counts by format."""
        bad = Counter(finding.case.split(":")[1] for finding in _one_a_case(self.findings))
        rows = [["format", "cases", REFUSED, PAST, COMPLETED, "past, %", "badly handled"]]
        for name, depths in [*sorted(self.depths.items()), ("all", self.total)]:
            counts = [depths[depth] for depth in (REFUSED, PAST, COMPLETED)]
            found = sum(bad.values()) if name == "all" else bad[name]
            rows.append([name, *map(str, [sum(counts), *counts]), f"{100 * _share_past(depths):.0f}", str(found)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(text.rjust(width) if place else text.ljust(width) for place, (text, width) in enumerate(
                zip(row, widths, strict=True))).rstrip()
            for row in rows
        )  # fmt: skip


def _share_past(depths: Counter[str]) -> float:
    return (depths[PAST] + depths[COMPLETED]) / max(1, sum(depths.values()))


def _one_a_case(findings: Iterable[Finding]) -> list[Finding]:
    return list({finding.case: finding for finding in findings}.values())


def cases(formats: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """So many cases, each format in turn."""
    for number in range(count):
        yield f"{seed}:{formats[number % len(formats)]}:{number // len(formats)}"


def run(
    names: Iterable[str],
    table: str = "fuzz.formats",
    children: int = 2,
    longest: float = LONGEST,
    told: Callable[[Report], None] | None = None,
) -> Report:
    """Run the cases of these names; ``told`` hears of each one."""
    report, waiting, turn = Report(), iter(list(names)), threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with _Child(table, longest) as child:
                while True:
                    with turn:
                        name = next(waiting, None)
                    if name is None:
                        return
                    depth, findings = child.run(name)
                    with turn:
                        report.add(name, depth, findings)
                        if told:
                            told(report)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(children)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError("the harness itself failed") from failures[0]
    report.findings.sort(key=lambda finding: finding.case)
    return report


class _Child:
    """A worker process, started anew where a case killed it."""

    def __init__(self, table: str, longest: float) -> None:
        self._table = table
        self._longest = longest
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        self._process: subprocess.Popen[str] | None = None
        self._done = 0

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, name: str, again: bool = True) -> tuple[str, list[Finding]]:
        """How far a case came, and its findings."""
        if self._done >= _CASES_A_CHILD:
            self._stop()
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self._longest)
        if not ready:
            self._kill()
            if again:
                return self.run(name, again=False)
            return REFUSED, [Finding(name, f"hangs for more than {self._longest:g} s", self._log())]
        line = process.stdout.readline()
        if not line:
            status = process.wait()
            self._process = None
            what = f"death by {signal.Signals(-status).name}" if status < 0 else f"the worker ended with {status}"
            return REFUSED, [Finding(name, what, self._log())]
        self._done += 1
        answer = loads(line)
        return answer["depth"], [Finding(name, *found) for found in answer["findings"]]

    def _start(self) -> subprocess.Popen[str]:
        self._done = 0
        paths = [str(TESTS), str(TESTS / "support"), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONHASHSEED": "0"}
        environment |= {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "TERM": "dumb", "PYTHONDONTWRITEBYTECODE": "1"}
        with (self._folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "fuzz.worker", self._table, str(self._folder / "case")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                cwd=self._folder, env=environment,
            )  # fmt: skip
        assert process.stdout
        ready, _, _ = select.select([process.stdout], [], [], _SLOW_START)
        if not ready or process.stdout.readline() != "ready\n":
            process.kill()
            process.wait()
            raise RuntimeError(f"a worker does not start: {self._log()}")
        return process

    def _kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGABRT)  # faulthandler writes where it hung
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _stop(self) -> None:
        if self._process is not None:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]
