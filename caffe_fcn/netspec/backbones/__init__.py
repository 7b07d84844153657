"""Backbones: image classifiers as convolutions, from the image to the features that an FCN head scores.

Each function adds a classifier's layers under the names of its published prototxt, so that its weights fit by name, and
returns the Top of the features. The fully connected layers fc6 and fc7 are convolutions here. The first convolution has
the padding ``pad``; with ``training`` there is dropout. Batch normalization keeps the classifier's statistics, because
an FCN learns from one image at a time.

- `plain`: VGG-16, AlexNet, GoogLeNet, SqueezeNet
- `normalized`: VGG-16 with batch normalization, MobileNet v1 and v2, DenseNet-121
- `residual`: ResNet-50 and ResNet-101
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from caffe_fcn.netspec.backbones.normalized import add_densenet121, add_mobilenet_v1, add_mobilenet_v2, add_vgg16_bn
from caffe_fcn.netspec.backbones.plain import add_caffenet, add_googlenet, add_squeezenet, add_vgg16
from caffe_fcn.netspec.backbones.residual import add_resnet
from caffe_fcn.netspec.design import Backbone

VGG16 = Backbone("VGG-16", add_vgg16, pad=100, weights="vgg16")
VGG16_BGRD = replace(VGG16, add_layers=partial(add_vgg16, first="conv1_1_bgrd"))
VGG16_BN = Backbone("VGG-16 with batch normalization", add_vgg16_bn, pad=100)
CAFFENET = Backbone("AlexNet", add_caffenet, pad=100, weights="caffenet")
GOOGLENET = Backbone("GoogLeNet", add_googlenet, pad=3, weights="googlenet")
SQUEEZENET = Backbone("SqueezeNet", add_squeezenet, pad=8, stride=16, skips={8: "pool3"})
RESNET50 = Backbone("ResNet-50", partial(add_resnet, depth=50), pad=3, skips={16: "res4f_relu", 8: "res3d_relu"})
RESNET101 = Backbone("ResNet-101", partial(add_resnet, depth=101), pad=3, skips={16: "res4b22_relu", 8: "res3b3_relu"})
MOBILENET_V1 = Backbone("MobileNet v1", add_mobilenet_v1, pad=1, skips={16: "relu5_5/sep", 8: "relu4_1/sep"})
MOBILENET_V2 = Backbone("MobileNet v2", add_mobilenet_v2, pad=1, skips={16: "block_5_2", 8: "block_4_6"})
DENSENET121 = Backbone("DenseNet-121", add_densenet121, pad=3, skips={16: "pool3", 8: "pool2"})
