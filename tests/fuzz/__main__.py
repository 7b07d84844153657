"""``scripts/fuzz.sh``: many cases, a table of what came of them, and every finding with the way to see it again.

    scripts/fuzz.sh N SEED [--format NAME ...] [--jobs N] [--save DIR]
    scripts/fuzz.sh --case SEED:FORMAT:NUMBER

Exit status 1 where something was badly handled.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fuzz import harness
from fuzz.case import draw
from fuzz.formats import FORMATS
from fuzz.formats.format import plant


def main() -> int:
    """Run, print, save the inputs of findings."""
    given = _arguments()
    if given.case:
        names = [given.case]
    else:
        names = list(harness.cases(given.format or list(FORMATS), given.count, given.seed))
    began = time.monotonic()
    report = harness.run(names, children=min(given.jobs, len(names)), told=_progress)
    print(report.table())
    print(f"{time.monotonic() - began:.0f} s, {100 * report.share_past:.0f} % got past their parsers")
    folder = given.save or Path(tempfile.gettempdir()) / "caffe-fcn-fuzz"
    for finding in report.findings:
        _tell(finding, folder, full=bool(given.case))
    return 1 if report.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/fuzz.sh", description="Damaged inputs of every format, many of them.")
    parser.add_argument("count", type=int, nargs="?", default=2000, help="how many cases")
    parser.add_argument("seed", type=int, nargs="?", default=1, help="other seeds give other cases")
    parser.add_argument("--format", action="append", choices=sorted(FORMATS), help="only this one; repeatable")
    parser.add_argument("--case", metavar="SEED:FORMAT:NUMBER", help="one case again, told at length")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--save", type=Path, metavar="DIR", help="where inputs of findings go")
    return parser.parse_args()


def _progress(report: harness.Report) -> None:
    done = sum(report.total.values())
    if sys.stderr.isatty() and done % 20 == 0:
        print(f"\r{done} cases, {len(report.findings)} findings", end="", file=sys.stderr)


def _tell(finding: harness.Finding, folder: Path, full: bool) -> None:
    seed, form, number = finding.case.split(":")
    saved = folder / finding.case.replace(" ", "-").replace(":", "_")
    if seed.lstrip("-").isdigit() and not saved.exists():
        plant(draw(FORMATS[form], int(seed), int(number))[1], saved)
    lines = finding.details.strip().splitlines() or [""]
    print(f"\n{finding.case}: {finding.what}\n  input in {saved}; again: scripts/fuzz.sh --case '{finding.case}'")
    for line in lines if full else lines[-2:]:
        print(f"  {line[:300]}")


if __name__ == "__main__":
    sys.exit(main())
