"""How fast data sets are built: against `cp -r` where JPEGs are kept, with one and two threads, and the memory.

    python benchmarks/datasets.py [--images 2000] [--folder /tmp]

The photos are made here: 500 x 375 JPEGs of about 100 kB with paletted labels, as in PASCAL VOC. Every time is
the best of three runs of the command, interpreter start included, alternating with what it is compared to. A data
set is larger than memory as a rule, so it is the files on the disk that count; with all of them in memory, what
`cp` does is a copy by the kernel, and a Python program takes a multiple of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from caffe_fcn.datasets import palette

RUNS = 3
DISTINCT = 50


def main() -> None:
    """Print the figures, and fail where one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="pairs of image and label (default: 2000)")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        source = photos(Path(scratch) / "source", given.images)
        few, some = (photos(Path(scratch) / f"{part}", max(1, given.images // part)) for part in (10, 4))
        missed = [
            *keeping(source, Path(scratch)),
            *transcoding(few, Path(scratch)),
            *memory(some, source, Path(scratch)),
        ]
    for line in missed:
        print(f"missed: {line}")
    sys.exit(bool(missed))


def keeping(source: Path, scratch: Path) -> list[str]:
    """Original bytes: the time of `cp -r`, with the files on the disk and in memory; what checks cost on top."""

    def copy() -> None:
        subprocess.run(["cp", "-r", source, scratch / "copy"], check=True)

    def kept(*options: str) -> Callable[[], None]:
        return lambda: build(source, scratch / "set", "--images-as", "jpeg", *options)

    headers = kept("--checks", "headers", "--no-statistics")
    count = len(list((source / "images").iterdir()))
    print(f"{count} pairs, JPEGs kept:")
    ratios = []
    for where, evicted in (("on the disk", source), ("in memory", None)):
        copied, built = best(scratch, copy, headers, evicted=evicted)
        ratios.append(built / copied)
        print(f"  files {where}: cp -r {copied:.2f} s, LMDBs {built:.2f} s, {ratios[-1]:.2f} times")
    full, measured = best(scratch, kept("--no-statistics"), kept())
    print(f"  with every file decoded to be checked {full:.2f} s, and with the statistics {measured:.2f} s")
    return [f"keeping JPEGs takes {ratios[0]:.2f} times cp -r (target: 1.3)"] if ratios[0] > 1.3 else []


def transcoding(source: Path, scratch: Path) -> list[str]:
    """JPEGs into PNGs of one size, by one thread and by two."""

    def by(workers: int) -> Callable[[], None]:
        options = ("--images-as", "png", "--resize", "375x500", "--no-statistics", "--workers", str(workers))
        return lambda: build(source, scratch / "set", *options)

    one, two = best(scratch, by(1), by(2))
    count = len(list((source / "images").iterdir()))
    print(f"{count} pairs into PNGs: 1 thread {one:.2f} s, 2 threads {two:.2f} s: {one / two:.2f} times (target: 1.7)")
    return [f"two threads are {one / two:.2f} times one"] if one / two < 1.7 else []


def memory(few: Path, many: Path, scratch: Path) -> list[str]:
    """The peak of a small and of a four times larger data set, raw."""
    peaks = []
    for source in (few, many):
        script = (
            "import resource, sys; from caffe_fcn.cli import main\n"
            "try: main(sys.argv[1:])\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", script, *arguments(source, scratch / "set"), "--images-as", "raw"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
        shutil.rmtree(scratch / "set")
    print(f"peak memory, raw: {peaks[0]:.0f} MB, of four times as many {peaks[1]:.0f} MB")
    return [f"memory grows from {peaks[0]:.0f} to {peaks[1]:.0f} MB"] if peaks[1] > 1.25 * peaks[0] else []


def best(scratch: Path, *programs: Callable[[], None], evicted: Path | None = None) -> list[float]:
    """The shortest time of each program, taken in turns; ``evicted``: files that it has to read from the disk."""
    times = [float("inf")] * len(programs)
    for _ in range(RUNS):
        for place, program in enumerate(programs):
            subprocess.run(["sync"], check=True)  # nobody pays for what another left to be written
            if evicted:
                evict(evicted)
            began = time.perf_counter()
            program()
            times[place] = min(times[place], time.perf_counter() - began)
            for name in ("copy", "set"):
                shutil.rmtree(scratch / name, ignore_errors=True)
    return times


def evict(folder: Path) -> None:
    """Drop the files below a folder from the system's cache."""
    for path in folder.rglob("*.*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def arguments(source: Path, output: Path) -> list[str]:
    """Of the command that builds a data set from a source."""
    folders = ["--images", str(source / "images"), "--labels", str(source / "labels")]
    return ["data", "folder", *folders, "-o", str(output), "--quiet"]


def build(source: Path, output: Path, *options: str) -> None:
    """Run that command."""
    command = [sys.executable, "-m", "caffe_fcn", *arguments(source, output), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def photos(root: Path, count: int) -> Path:
    """``count`` photos and labels, of which some are the same."""
    random = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True)
    for number in range(min(count, DISTINCT)):
        blurred = Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).resize(
            (500, 375), Image.Resampling.BICUBIC
        )
        grain = random.normal(0, 12, (375, 500, 1))
        photo = np.clip(np.asarray(blurred) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(root / "images" / f"{number:06}.jpg", quality=90)
        areas = Image.fromarray(random.integers(0, 21, (6, 8), np.uint8), "P").resize(
            (500, 375), Image.Resampling.NEAREST
        )
        areas.putpalette([value for colour in palette.voc() for value in colour])
        areas.save(root / "labels" / f"{number:06}.png")
    for number in range(DISTINCT, count):
        for kind, ending in (("images", "jpg"), ("labels", "png")):
            shutil.copy(root / kind / f"{number % DISTINCT:06}.{ending}", root / kind / f"{number:06}.{ending}")
    return root


if __name__ == "__main__":
    main()
