"""The module that the reference's prototxts name: put this folder into PYTHONPATH."""

from pycaffe_layers import SegDataLayer as NYUDSegDataLayer  # noqa: F401
