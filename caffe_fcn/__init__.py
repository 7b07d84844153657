"""Caffe classifiers into fully convolutional networks (FCNs) for semantic segmentation, with or without Caffe.

    from caffe_fcn import NetSpec, layers as L, params as P      # the spelling of pycaffe's
    from caffe_fcn import netspec, offsets, surgery

Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_fcn import netspec, offsets, proto, surgery
    from caffe_fcn import offsets as coord_map
    from caffe_fcn.netspec.spec import NetSpec, layers, params, to_proto
    from caffe_fcn.proto import TEST, TRAIN

__all__ = [
    "TEST",
    "TRAIN",
    "NetSpec",
    "coord_map",
    "layers",
    "netspec",
    "offsets",
    "params",
    "proto",
    "surgery",
    "to_proto",
]

# name -> the module that has it; no attribute means the module itself
_LAZY = {
    "NetSpec": ("netspec.spec", "NetSpec"),
    "TEST": ("proto", "TEST"),
    "TRAIN": ("proto", "TRAIN"),
    "coord_map": ("offsets", ""),  # pycaffe's name for it
    "layers": ("netspec.spec", "layers"),
    "netspec": ("netspec", ""),
    "offsets": ("offsets", ""),
    "params": ("netspec.spec", "params"),
    "proto": ("proto", ""),
    "surgery": ("surgery", ""),
    "to_proto": ("netspec.spec", "to_proto"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'caffe_fcn' has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = importlib.import_module(f"caffe_fcn.{module_name}")
    return getattr(module, attribute) if attribute else module


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
