#!/usr/bin/env python3
"""Write BVLC's AlexNet as a prototxt, and a solver that only initializes it.

    scripts/alexnet.py FOLDER            writes FOLDER/alexnet.prototxt and FOLDER/solver.prototxt

Training with this solver stops before the first iteration and saves the weights that the fillers have made,
FOLDER/alexnet_iter_0.caffemodel. They stand in for the published weights where nothing can be fetched. Layer names and
shapes are those of models/bvlc_alexnet.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from caffe_fcn import NetSpec, proto
from caffe_fcn import layers as L
from caffe_fcn import params as P


def alexnet() -> proto.NetParameter:
    """The classifier in deploy form, with fillers."""

    def conv(bottom, outputs, kernel, **more):
        filler = {"type": "gaussian", "std": 0.01}
        top = L.Convolution(bottom, num_output=outputs, kernel_size=kernel, weight_filler=filler, **more)
        return top, L.ReLU(top, in_place=True)

    def dense(bottom, outputs):
        return L.InnerProduct(bottom, num_output=outputs, weight_filler={"type": "gaussian", "std": 0.005})

    def pool(bottom):
        return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2)

    def norm(bottom):
        return L.LRN(bottom, local_size=5, alpha=1e-4, beta=0.75)

    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 227, 227]})
    n.conv1, n.relu1 = conv(n.data, 96, 11, stride=4)
    n.norm1 = norm(n.relu1)
    n.pool1 = pool(n.norm1)
    n.conv2, n.relu2 = conv(n.pool1, 256, 5, pad=2, group=2)
    n.norm2 = norm(n.relu2)
    n.pool2 = pool(n.norm2)
    n.conv3, n.relu3 = conv(n.pool2, 384, 3, pad=1)
    n.conv4, n.relu4 = conv(n.relu3, 384, 3, pad=1, group=2)
    n.conv5, n.relu5 = conv(n.relu4, 256, 3, pad=1, group=2)
    n.pool5 = pool(n.relu5)
    n.fc6 = dense(n.pool5, 4096)
    n.relu6 = L.ReLU(n.fc6, in_place=True)
    n.fc7 = dense(n.relu6, 4096)
    n.relu7 = L.ReLU(n.fc7, in_place=True)
    n.fc8 = dense(n.relu7, 1000)
    n.prob = L.Softmax(n.fc8)
    return n.to_proto()


if len(sys.argv) != 2:
    sys.exit(__doc__)
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
proto.write(alexnet(), folder / "alexnet.prototxt")
solver = proto.SolverParameter(
    net="alexnet.prototxt", base_lr=0, lr_policy="fixed", max_iter=0, snapshot_prefix="alexnet"
)
solver.solver_mode = proto.SolverParameter.CPU
proto.write(solver, folder / "solver.prototxt")
