"""How quickly a data set of 20,000 images opens in the workspace, beside one of 200.

    python benchmarks/workspace_data.py [FOLDER]

FOLDER is kept, so that a second run builds nothing. Prints the median time in milliseconds of each page, for both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

COUNTS = {"small": 200, "large": 20_000}
PAGES = {
    "list": "/datasets",
    "page": "/datasets/view/datasets/{name}",
    "last page": "/datasets/view/datasets/{name}?page=99999",
    "record": "/datasets/record/datasets/{name}?index=150",
    "picture": "/datasets/picture/datasets/{name}?split=train&index={turn}&what=overlay&side=160",
}
TURNS = 15


def main(folder: Path) -> None:
    """Build what is missing, serve it, and measure."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in COUNTS.items():
        output = folder / "datasets" / name
        if not (output / "dataset.json").exists():
            command = [sys.executable, "-m", "caffe_fcn", "data", "triangles", "--count", str(count), "-o", str(output)]
            subprocess.run(command, check=True)
    command = [sys.executable, "-m", "caffe_fcn", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            with httpx.Client(base_url=server.stdout.readline().strip(), timeout=60, trust_env=False) as client:
                measure(client)
        finally:
            server.terminate()


def measure(client: httpx.Client) -> None:
    """Print how long each page takes: the first time, and the median of those that follow.

    As people do, the list is opened first, and then a data set.
    """
    for page, address in PAGES.items():
        for name in COUNTS:
            times = []
            for turn in range(TURNS + 1):
                begun = time.perf_counter()
                client.get(address.format(name=name, turn=turn)).raise_for_status()
                times.append(1000 * (time.perf_counter() - begun))
            print(f"{page:10} {name:6} first {times[0]:7.1f} ms, then {statistics.median(times[1:]):7.1f} ms")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="workspace-data-")))
