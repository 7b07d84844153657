"""Nets as Python: pycaffe's NetSpec, and the nets of the FCN family built with it."""

from caffe_fcn.netspec.spec import Function, NetSpec, Top, layers, params, to_proto

__all__ = ["Function", "NetSpec", "Top", "layers", "params", "to_proto"]
