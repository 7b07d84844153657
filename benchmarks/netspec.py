"""A prototxt from nothing, as a whole process: ``net build voc-fcn8s --phase train`` against real pycaffe's NetSpec.

    python benchmarks/netspec.py [RUNS]

Both write the same net; runs alternate, and the least of each counts. Prints seconds and their ratio, ours to
pycaffe's. Needs real Caffe (scripts/install_caffe.sh).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from caffe_fcn import proto
from caffe_fcn.engines.caffe import find
from caffe_fcn.net import diff

PYCAFFE = """
import sys
import caffe
from caffe import layers as L, params as P
from caffe.coord_map import crop

LEARNED = [dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)]

def conv_relu(bottom, width, kernel=3, pad=1):
    conv = L.Convolution(bottom, num_output=width, kernel_size=kernel, pad=pad, param=LEARNED)
    return conv, L.ReLU(conv, in_place=True)

def score(bottom):
    return L.Convolution(bottom, num_output=21, kernel_size=1, param=LEARNED)

def upscore(bottom, kernel, stride):
    return L.Deconvolution(bottom, param=[dict(lr_mult=0)], convolution_param=dict(
        num_output=21, kernel_size=kernel, stride=stride, bias_term=False))

n = caffe.NetSpec()
n.data, n.label = L.Python(ntop=2, module="voc_layers", layer="SBDDSegDataLayer", param_str=str(dict(
    sbdd_dir="../data/sbdd/dataset", split="train", mean=(104.00699, 116.66877, 122.67892), seed=1337)))
top = n.data
for block, (depth, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
    for i in range(1, depth + 1):
        name = "%d_%d" % (block, i)
        n["conv" + name], n["relu" + name] = conv_relu(top, width, pad=100 if name == "1_1" else 1)
        top = n["relu" + name]
    top = n["pool%d" % block] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
n.fc6, n.relu6 = conv_relu(top, 4096, 7, 0)
n.drop6 = L.Dropout(n.relu6, dropout_ratio=0.5, in_place=True)
n.fc7, n.relu7 = conv_relu(n.drop6, 4096, 1, 0)
n.drop7 = L.Dropout(n.relu7, dropout_ratio=0.5, in_place=True)
n.score_fr = score(n.drop7)
n.upscore2 = upscore(n.score_fr, 4, 2)
n.score_pool4 = score(n.pool4)
n.score_pool4c = crop(n.score_pool4, n.upscore2)
n.fuse_pool4 = L.Eltwise(n.upscore2, n.score_pool4c, operation=P.Eltwise.SUM)
n.upscore_pool4 = upscore(n.fuse_pool4, 4, 2)
n.score_pool3 = score(n.pool3)
n.score_pool3c = crop(n.score_pool3, n.upscore_pool4)
n.fuse_pool3 = L.Eltwise(n.upscore_pool4, n.score_pool3c, operation=P.Eltwise.SUM)
n.upscore8 = upscore(n.fuse_pool3, 16, 8)
n.score = crop(n.upscore8, n.data)
n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param=dict(normalize=False, ignore_label=255))
with open(sys.argv[1], "w") as f:
    f.write(str(n.to_proto()))
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    script = folder / "fcn8s.py"
    script.write_text(PYCAFFE)
    theirs, ours = folder / "pycaffe.prototxt", folder / "ours.prototxt"
    pycaffe = [*find().python, str(script), str(theirs)]
    build = [sys.executable, "-m", "caffe_fcn", "net", "build", "voc-fcn8s", "--phase", "train", "-o", str(ours)]
    runs = [(seconds(pycaffe), seconds(build)) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 7)]
    assert diff.differences(proto.read_net(ours), proto.read_net(theirs)) == []

their_time, our_time = (min(column) for column in zip(*runs, strict=True))
print(f"pycaffe {their_time:.3f} s, caffe-fcn {our_time:.3f} s, ratio {our_time / their_time:.2f}")
