"""The module that the reference's prototxts name: put this folder into PYTHONPATH."""

from pycaffe_layers import SegDataLayer as SIFTFlowSegDataLayer  # noqa: F401
