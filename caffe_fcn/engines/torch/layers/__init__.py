"""Caffe's layer types, one torch class each; importing this package registers them all.

- `convolution`: Convolution, Deconvolution, InnerProduct, Embed, Im2col
- `pooling`: Pooling, SPP
- `neurons`: functions of single values: ReLU, Sigmoid, Dropout, Power, ...
- `batch_norm`: BatchNorm, BN; `normalization`: LRN, MVN, Softmax
- `arithmetic`: Eltwise, Scale, Bias, Reduction
- `shaping`: Concat, Slice, Crop, Reshape, Flatten, Tile, ...
- `resampling`: Interp, Upsample, Unpooling
- `recurrent`: LSTM, RNN
- `regions`: of detectors: ROIPooling, PSROIPooling, ROIAlign; `detections`: PriorBox, DetectionOutput, Proposal, ...
- `losses`, `measures`: SoftmaxWithLoss, EuclideanLoss, ...; Accuracy, ArgMax
- `sources`: DummyData, Parameter; `augmentation`: Python, for the layer of joint augmentation alone
"""

from __future__ import annotations

import caffe_fcn.engines.torch.layers.arithmetic
import caffe_fcn.engines.torch.layers.augmentation
import caffe_fcn.engines.torch.layers.batch_norm
import caffe_fcn.engines.torch.layers.box_losses
import caffe_fcn.engines.torch.layers.convolution
import caffe_fcn.engines.torch.layers.detections
import caffe_fcn.engines.torch.layers.losses
import caffe_fcn.engines.torch.layers.measures
import caffe_fcn.engines.torch.layers.neurons
import caffe_fcn.engines.torch.layers.normalization
import caffe_fcn.engines.torch.layers.pooling
import caffe_fcn.engines.torch.layers.recurrent
import caffe_fcn.engines.torch.layers.regions
import caffe_fcn.engines.torch.layers.resampling
import caffe_fcn.engines.torch.layers.shaping
import caffe_fcn.engines.torch.layers.sources  # noqa: F401
