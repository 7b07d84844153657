"""Write docs/checks.md from the rules."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn import files
from caffe_fcn.checks.pages import format_all

files.write_text(Path(__file__).resolve().parents[1] / "docs" / "checks.md", format_all())
