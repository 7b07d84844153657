"""Caffe's layer types, a module for each family; importing this package registers them all."""

from __future__ import annotations

import caffe_fcn.engines.torch.layers.arithmetic
import caffe_fcn.engines.torch.layers.convolution
import caffe_fcn.engines.torch.layers.losses
import caffe_fcn.engines.torch.layers.measures
import caffe_fcn.engines.torch.layers.neurons
import caffe_fcn.engines.torch.layers.normalization
import caffe_fcn.engines.torch.layers.pooling
import caffe_fcn.engines.torch.layers.recurrent
import caffe_fcn.engines.torch.layers.shaping
import caffe_fcn.engines.torch.layers.sources  # noqa: F401
