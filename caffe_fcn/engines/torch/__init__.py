"""The embedded engine: nets run and trained in torch, with Caffe's arithmetic.

    net = Net("deploy.prototxt", weights="fcn.caffemodel")
    score = net.forward(data=image)["score"]

- `net`: `Net`, a prototxt with its parameters, ready to run
- `parameters`: Caffe's blobs of weights as tensors: their shapes, sharing, multipliers, files and fillers
- `registry`: `Layer` and the decorator `layer`, with which further layer types are added
- `layers`: the layer types of Caffe, a module for each family

Importing this package imports torch; it raises `MissingExtraError` where there is none.
"""

from __future__ import annotations

from caffe_fcn.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the torch engine", "torch") from error

from caffe_fcn.engines.torch import layers
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.parameters import Learnable
from caffe_fcn.engines.torch.registry import Layer, State, layer

__all__ = ["Layer", "Learnable", "Net", "State", "layer", "layers"]
