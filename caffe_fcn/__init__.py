"""Caffe classifiers into fully convolutional networks (FCNs) for semantic segmentation, with or without Caffe.

    from caffe_fcn import NetSpec, layers as L, params as P      # the spelling of pycaffe's
    from caffe_fcn import netspec, offsets, surgery

Each name is imported when it is first used. In a notebook nets, tables, runs and predictions show themselves.
"""

from __future__ import annotations

import lazy_loader

from caffe_fcn.reports.notebook import register_formats

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_formats()
