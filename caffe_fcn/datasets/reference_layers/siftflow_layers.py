"""The module that the reference's prototxts name: put this folder into PYTHONPATH."""

from pycaffe_layers import SIFTFlowSegDataLayer  # noqa: F401
