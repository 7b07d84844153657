"""The module that the reference's prototxts name: put this folder into PYTHONPATH."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from pycaffe_layers import NYUDSegDataLayer  # noqa: F401
