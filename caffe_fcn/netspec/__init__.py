"""Nets as Python: pycaffe's NetSpec, and the catalogue of the FCN family that is written with it."""

from caffe_fcn.netspec.building import build, catalogue, files, solver, write
from caffe_fcn.netspec.convolutionize import convolutionize
from caffe_fcn.netspec.from_classifier.conversion import from_classifier
from caffe_fcn.netspec.spec import Function, NetSpec, Top, layers, params, to_proto

__all__ = [
    "Function",
    "NetSpec",
    "Top",
    "build",
    "catalogue",
    "convolutionize",
    "files",
    "from_classifier",
    "layers",
    "params",
    "solver",
    "to_proto",
    "write",
]
