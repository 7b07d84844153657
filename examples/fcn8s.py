#!/usr/bin/env python3
"""FCN-8s for the 21 classes of PASCAL VOC (Shelhamer, Long and Darrell, 2017), layer by layer.

    python examples/fcn8s.py [FOLDER]        writes FOLDER/{train,val,deploy}.prototxt (default: here)

It is `voc-fcn8s` of the catalogue. With `caffe` in place of `caffe_fcn` in the imports, pycaffe makes the same net.
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


def conv_relu(bottom, num_output, kernel=3, pad=1):
    conv = L.Convolution(bottom, num_output=num_output, kernel_size=kernel, stride=1, pad=pad, param=WEIGHT_AND_BIAS)
    return conv, L.ReLU(conv, in_place=True)


def max_pool(bottom):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=2, stride=2)


def dropout(bottom):
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def score(bottom):
    return L.Convolution(bottom, num_output=CLASSES, kernel_size=1, pad=0, param=WEIGHT_AND_BIAS)


def upscore(bottom, kernel, stride):
    """Upsample the scores; net surgery fills the kernel with bilinear interpolation, which stays as it is."""
    convolution = {"num_output": CLASSES, "kernel_size": kernel, "stride": stride, "bias_term": False}
    return L.Deconvolution(bottom, convolution_param=convolution, param=FROZEN)


def fcn8s(phase):
    n = NetSpec()
    deploy = phase == "deploy"
    if deploy:
        n.data = L.Input(name="input", shape={"dim": [1, 3, 500, 500]})
    else:
        layer, where = DATA_LAYERS[phase]
        param_str = str(dict(where, mean=MEAN, seed=1337))
        n.data, n.label = L.Python(module="voc_layers", layer=layer, ntop=2, param_str=param_str)

    # VGG-16; the padding of 100 leaves room to crop the scores to images of any size
    n.conv1_1, n.relu1_1 = conv_relu(n.data, 64, pad=100)
    n.conv1_2, n.relu1_2 = conv_relu(n.relu1_1, 64)
    n.pool1 = max_pool(n.relu1_2)
    n.conv2_1, n.relu2_1 = conv_relu(n.pool1, 128)
    n.conv2_2, n.relu2_2 = conv_relu(n.relu2_1, 128)
    n.pool2 = max_pool(n.relu2_2)
    n.conv3_1, n.relu3_1 = conv_relu(n.pool2, 256)
    n.conv3_2, n.relu3_2 = conv_relu(n.relu3_1, 256)
    n.conv3_3, n.relu3_3 = conv_relu(n.relu3_2, 256)
    n.pool3 = max_pool(n.relu3_3)
    n.conv4_1, n.relu4_1 = conv_relu(n.pool3, 512)
    n.conv4_2, n.relu4_2 = conv_relu(n.relu4_1, 512)
    n.conv4_3, n.relu4_3 = conv_relu(n.relu4_2, 512)
    n.pool4 = max_pool(n.relu4_3)
    n.conv5_1, n.relu5_1 = conv_relu(n.pool4, 512)
    n.conv5_2, n.relu5_2 = conv_relu(n.relu5_1, 512)
    n.conv5_3, n.relu5_3 = conv_relu(n.relu5_2, 512)
    n.pool5 = max_pool(n.relu5_3)

    # its fully connected layers, as convolutions
    n.fc6, n.relu6 = conv_relu(n.pool5, 4096, kernel=7, pad=0)
    if not deploy:
        n.drop6 = dropout(n.relu6)
    n.fc7, n.relu7 = conv_relu(n.relu6 if deploy else n.drop6, 4096, kernel=1, pad=0)
    if not deploy:
        n.drop7 = dropout(n.relu7)

    # scores at stride 32, joined by those of pool4 at stride 16 and of pool3 at stride 8
    n.score_fr = score(n.relu7 if deploy else n.drop7)
    n.upscore2 = upscore(n.score_fr, kernel=4, stride=2)
    n.score_pool4 = score(n.pool4)
    n.score_pool4c = crop(n.score_pool4, n.upscore2)
    n.fuse_pool4 = L.Eltwise(n.upscore2, n.score_pool4c, operation=P.Eltwise.SUM)
    n.upscore_pool4 = upscore(n.fuse_pool4, kernel=4, stride=2)
    n.score_pool3 = score(n.pool3)
    n.score_pool3c = crop(n.score_pool3, n.upscore_pool4)
    n.fuse_pool3 = L.Eltwise(n.upscore_pool4, n.score_pool3c, operation=P.Eltwise.SUM)
    n.upscore8 = upscore(n.fuse_pool3, kernel=16, stride=8)
    n.score = crop(n.upscore8, n.data)
    if not deploy:
        n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param={"ignore_label": 255, "normalize": False})
    return n.to_proto()


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for phase in ("train", "val", "deploy"):
        (folder / f"{phase}.prototxt").write_text(str(fcn8s(phase)))
