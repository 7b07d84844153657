"""The module that the reference's prototxts name: put this folder into PYTHONPATH."""

from pycaffe_layers import SegDataLayer as SBDDSegDataLayer  # noqa: F401
from pycaffe_layers import SegDataLayer as VOCSegDataLayer  # noqa: F401
