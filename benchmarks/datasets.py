"""How fast data sets are built: against `cp -r` where JPEGs are kept, with one and two threads, and the memory.

    python benchmarks/datasets.py [--images 10000] [--folder /tmp]

The photos are made here: 500 x 375 JPEGs of about 100 kB with paletted labels, as in PASCAL VOC, and about as many
as its segmentation set has with SBDD's labels. Every time is the best of three runs of the command, interpreter
start included, alternating with what it is compared to. A data set is larger than memory as a rule, so it is the
files on the disk that count; with all of them in memory, what `cp` does is a copy by the kernel. `cp` leaves its
copy to be written later; our databases are on the disk when the command ends. Prints Markdown tables. With 10,000
pairs it needs 15 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from caffe_fcn.datasets.records import palette

RUNS = 3
DISTINCT = 50
TRANSCODED = 400
MEASURED = 400, 1600
"""How many are made PNGs, and how many are stored raw to see the memory, or decoded to be checked."""


def main() -> None:
    """Print the figures, and fail where one misses its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000, help="pairs of image and label (default: 10000)")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        scratch = Path(folder)
        build(photos(scratch / "first", 1), scratch / "set")  # compiles what is imported
        shutil.rmtree(scratch / "set")
        missed = [
            *keeping(photos(scratch / "kept", given.images), scratch),
            *checking(photos(scratch / "checked", MEASURED[0]), scratch),
            *transcoding(photos(scratch / "transcoded", TRANSCODED), scratch),
            *memory([photos(scratch / f"measured-{count}", count) for count in MEASURED], scratch),
        ]
    for line in missed:
        print(f"missed: {line}")
    sys.exit(bool(missed))


def keeping(source: Path, scratch: Path) -> list[str]:
    """Original bytes: the time of `cp -r`, with the files on the disk and in memory.

    Nothing is removed until all is timed: ext4 keeps new files away from where some were just removed, and making
    them takes it several times as long then.
    """
    times = {where: [float("inf")] * 3 for where in ("on the disk", "in memory")}
    for run in range(RUNS):
        for where, least in times.items():
            prepare = evict if where == "on the disk" else read
            copy, built = (scratch / "outputs" / f"{name}-{where}-{run}" for name in ("copy", "set"))
            copy.parent.mkdir(exist_ok=True)
            prepare(source)
            began = time.perf_counter()
            subprocess.run(["cp", "-r", source, copy], check=True)
            copied = time.perf_counter() - began
            subprocess.run(["sync", "-f", copy], check=True)
            waited = time.perf_counter() - began
            prepare(source)
            began = time.perf_counter()
            build(source, built, "--images-as", "jpeg", "--checks", "headers", "--no-statistics")
            figures = copied, waited, time.perf_counter() - began
            times[where] = [min(pair) for pair in zip(least, figures, strict=True)]
    shutil.rmtree(scratch / "outputs")
    print(f"{len(list((source / 'images').iterdir()))} pairs, JPEGs kept\n")
    print("| files | `cp -r` | `cp -r`, and wait for the disk | LMDBs | to `cp -r` |")
    print("|---|---|---|---|---|")
    for where, (copied, waited, made) in times.items():
        print(f"| {where} | {copied:.2f} s | {waited:.2f} s | {made:.2f} s | {made / copied:.2f} |", flush=True)
    copied, _, made = times["on the disk"]
    return [f"keeping JPEGs takes {made / copied:.2f} times cp -r (target: 1.3)"] if made > 1.3 * copied else []


def checking(source: Path, scratch: Path) -> list[str]:
    """What checks and statistics cost where JPEGs are kept."""

    def kept(*options: str) -> Callable[[], None]:
        return lambda: build(source, scratch / "set", "--images-as", "jpeg", *options)

    programs = (kept("--checks", "headers", "--no-statistics"), kept("--no-statistics"), kept())
    headers, full, measured = best(scratch, *programs)
    print(
        f"\n{MEASURED[0]} pairs, JPEGs kept: {headers:.2f} s with their headers checked, {full:.2f} s with every file"
    )
    print(f"decoded to be checked, {measured:.2f} s with the statistics besides.")
    return []


def transcoding(source: Path, scratch: Path) -> list[str]:
    """JPEGs into PNGs of one size, by one thread and by two."""

    def by(workers: int) -> Callable[[], None]:
        options = ("--images-as", "png", "--resize", "375x500", "--no-statistics", "--workers", str(workers))
        return lambda: build(source, scratch / "set", *options)

    one, two = best(scratch, by(1), by(2))
    print(f"\n{TRANSCODED} pairs into PNGs: 1 thread {one:.2f} s, 2 threads {two:.2f} s: {one / two:.2f} times.")
    alone, together = best(scratch, lambda: compress(1), lambda: compress(2))
    print(
        f"Two processes that only compress get {2 * alone / together:.2f} times as much done as one, on this machine."
    )
    return [f"two threads are {one / two:.2f} times one (target: 1.7)"] if one / two < 1.7 else []


def compress(processes: int) -> None:
    """As many processes at a time, each compressing the same amount."""
    script = (
        "import random, zlib\ndata = random.Random(0).randbytes(1 << 20)\nfor _ in range(60): zlib.compress(data, 3)"
    )
    running = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(processes)]
    if any(each.wait() for each in running):
        sys.exit("failed")


def memory(sources: Iterable[Path], scratch: Path) -> list[str]:
    """The peak of a small and of a four times larger data set, raw."""
    peaks = []
    for source in sources:
        script = (
            "import resource, sys; from caffe_fcn.cli import main\n"
            "try: main(sys.argv[1:])\n"
            "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        command = [sys.executable, "-c", script, *arguments(source, scratch / "set"), "--images-as", "raw"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
        shutil.rmtree(scratch / "set")
    print(f"Peak memory, raw: {peaks[0]:.0f} MB, of four times as many {peaks[1]:.0f} MB.")
    return [f"memory grows from {peaks[0]:.0f} to {peaks[1]:.0f} MB"] if peaks[1] > 1.25 * peaks[0] else []


def best(scratch: Path, *programs: Callable[[], None]) -> list[float]:
    """The shortest time of each program, taken in turns."""
    times = [float("inf")] * len(programs)
    for _ in range(RUNS):
        for place, program in enumerate(programs):
            subprocess.run(["sync"], check=True)  # nobody pays for what another left to be written
            began = time.perf_counter()
            program()
            times[place] = min(times[place], time.perf_counter() - began)
            shutil.rmtree(scratch / "set", ignore_errors=True)  # some programs make none
    return times


def evict(folder: Path) -> None:
    """Have the files below a folder on the disk, and not in the system's cache."""
    subprocess.run(["sync"], check=True)
    for path in folder.rglob("*.*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(folder: Path) -> None:
    """Have the files below a folder in the system's cache, and nothing else left to be written."""
    subprocess.run(["sync"], check=True)
    for path in folder.rglob("*.*"):
        path.read_bytes()


def arguments(source: Path, output: Path) -> list[str]:
    """Of the command that builds a data set from a source."""
    folders = ["--images", str(source / "images"), "--labels", str(source / "labels")]
    return ["data", "folder", *folders, "--val-percent", "0", "-o", str(output), "--quiet"]


def build(source: Path, output: Path, *options: str) -> None:
    """Run that command."""
    command = [sys.executable, "-m", "caffe_fcn", *arguments(source, output), *options]
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as an installed package is
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=compiled)


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
        areas.putpalette([value for colour in palette.make_voc_palette() for value in colour])
        areas.save(root / "labels" / f"{number:06}.png")
    for number in range(DISTINCT, count):
        for kind, ending in (("images", "jpg"), ("labels", "png")):
            shutil.copy(root / kind / f"{number % DISTINCT:06}.{ending}", root / kind / f"{number:06}.{ending}")
    return root


if __name__ == "__main__":
    main()
