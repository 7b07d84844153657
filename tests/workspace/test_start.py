"""What the server imports before the first page is asked for, which is the time that it takes to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {"PIL", "caffe", "google.protobuf", "h5py", "lmdb", "matplotlib", "numpy", "onnx", "scipy", "torch"}

CODE = """
import sys
from pathlib import Path
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.web import server

server.make_app(Settings(Path(sys.argv[1])))
print(*sys.modules, sep="\\n")
"""


def test_the_server_starts_without_what_only_some_pages_need(tmp_path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, check=True)
    imported = set(child.stdout.splitlines())
    assert {"starlette.applications", "uvicorn", "caffe_fcn.workspace.pages.runs"} <= imported
    assert not imported & HEAVY
