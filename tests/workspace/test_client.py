"""The client of docs/workspace.md runs as it stands, on less data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from command import ROOT
from workspace.server import serving

TOKEN = "of the tests"


def read_client() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/workspace.md").read_text(), re.DOTALL)
    return str(found)


def test_the_client_has_some_twenty_lines_and_needs_nothing_installed() -> None:
    code = read_client()
    assert len([line for line in code.splitlines() if line.strip()]) <= 22
    modules = re.findall(r"^import ([\w.]+)$", code, re.MULTILINE)
    assert modules and all(each.split(".")[0] in sys.stdlib_module_names for each in modules)


def test_the_client_runs_as_it_stands(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    with serving(root, "--token", TOKEN) as server:
        code = read_client()
        for shown, given in (('"http://127.0.0.1:8000", ""', f'"{server.url}", "{TOKEN}"'), ("count=2000", "count=24")):
            assert code.count(shown) == 1
            code = code.replace(shown, given)
        ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr
        answer = server.client.get(ran.stdout.strip(), headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
    assert (root / "runs/shapes/snapshot").is_dir()
    assert next((root / "tests").glob("*/predicted/grid.png")).is_file()
