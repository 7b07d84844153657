"""Write docs/targets.md from the tables of targets."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn import files
from caffe_fcn.interop.targets.page import format_page

files.write_text(Path(__file__).resolve().parents[1] / "docs" / "targets.md", format_page())
