#!/usr/bin/env python3
"""FCN-AlexNet for the 21 classes of PASCAL VOC (Shelhamer, Long and Darrell, 2017), layer by layer.

    python examples/fcn_alexnet.py [FOLDER]        writes FOLDER/{train,val,deploy}.prototxt (default: here)

It is `voc-fcn-alexnet` of the catalogue. With `caffe` in place of `caffe_fcn` in the imports, pycaffe makes the same
net.
"""

import sys
from pathlib import Path

from caffe_fcn import NetSpec
from caffe_fcn import layers as L
from caffe_fcn import params as P
from caffe_fcn.coord_map import crop

CLASSES = 21
MEAN = (104.00699, 116.66877, 122.67892)  # blue, green, red
WEIGHT_AND_BIAS = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
FROZEN = [{"lr_mult": 0}]
DATA_LAYERS = {  # the Python data layers of the reference, and where each finds its images
    "train": ("SBDDSegDataLayer", {"sbdd_dir": "../data/sbdd/dataset", "split": "train"}),
    "val": ("VOCSegDataLayer", {"voc_dir": "../data/pascal/VOC2011", "split": "seg11valid"}),
}


def conv_relu(bottom, num_output, kernel=3, stride=1, pad=1, group=1):
    conv = L.Convolution(bottom, num_output=num_output, kernel_size=kernel, stride=stride, pad=pad, group=group)
    return conv, L.ReLU(conv, in_place=True)


def max_pool(bottom):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2)


def lrn(bottom):
    return L.LRN(bottom, local_size=5, alpha=1e-4, beta=0.75)


def dropout(bottom):
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def fcn_alexnet(phase):
    n = NetSpec()
    deploy = phase == "deploy"
    if deploy:
        n.data = L.Input(name="input", shape={"dim": [1, 3, 500, 500]})
    else:
        layer, where = DATA_LAYERS[phase]
        param_str = str(dict(where, mean=MEAN, seed=1337))
        n.data, n.label = L.Python(module="voc_layers", layer=layer, ntop=2, param_str=param_str)

    # CaffeNet; the padding of 100 leaves room to crop the scores to images of any size
    n.conv1, n.relu1 = conv_relu(n.data, 96, kernel=11, stride=4, pad=100)
    n.pool1 = max_pool(n.relu1)
    n.norm1 = lrn(n.pool1)
    n.conv2, n.relu2 = conv_relu(n.norm1, 256, kernel=5, pad=2, group=2)
    n.pool2 = max_pool(n.relu2)
    n.norm2 = lrn(n.pool2)
    n.conv3, n.relu3 = conv_relu(n.norm2, 384)
    n.conv4, n.relu4 = conv_relu(n.relu3, 384, group=2)
    n.conv5, n.relu5 = conv_relu(n.relu4, 256, group=2)
    n.pool5 = max_pool(n.relu5)

    # its fully connected layers, as convolutions
    n.fc6, n.relu6 = conv_relu(n.pool5, 4096, kernel=6, pad=0)
    if not deploy:
        n.drop6 = dropout(n.relu6)
    n.fc7, n.relu7 = conv_relu(n.relu6 if deploy else n.drop6, 4096, kernel=1, pad=0)
    if not deploy:
        n.drop7 = dropout(n.relu7)

    # scores at stride 32, upsampled by a kernel that net surgery fills with bilinear interpolation
    top = n.relu7 if deploy else n.drop7
    n.score_fr = L.Convolution(top, num_output=CLASSES, kernel_size=1, pad=0, param=WEIGHT_AND_BIAS)
    upsampling = {"num_output": CLASSES, "kernel_size": 63, "stride": 32, "bias_term": False}
    n.upscore = L.Deconvolution(n.score_fr, convolution_param=upsampling, param=FROZEN)
    n.score = crop(n.upscore, n.data)
    if not deploy:
        n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param={"ignore_label": 255, "normalize": True})
    return n.to_proto()


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for phase in ("train", "val", "deploy"):
        (folder / f"{phase}.prototxt").write_text(str(fcn_alexnet(phase)))
