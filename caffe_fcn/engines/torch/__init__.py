"""The torch engine: nets run and trained in torch, with Caffe's arithmetic.

    net = Net("deploy.prototxt", weights="fcn.caffemodel")
    score = net.forward(data=image)["score"]

- `net`: `Net`, a prototxt with its parameters, ready to run
- `parameters`: Caffe's parameters as tensors: weights files and fillers, sharing, multipliers
- `registry`: `TorchLayer`, the base class of layer types, and the decorator `layer` that adds one
- `layers`: the layer types of Caffe, one module for each family
- `program`, `rewrites`: the instructions that a forward pass runs, and how they become faster
- `recordings`, `transfers`: passes that a GPU replays, and copies that nothing waits for
- `precision`, `products`, `allocator`: how torch multiplies, by which library, and how the C library keeps memory
- `module`: `Net.as_module`, a net for training loops that are not Caffe's
- `forward`: `TorchEngine`, the engine behind `caffe_fcn.engines.load`
- `training`: solvers, and the processes that share one training (`caffe_fcn.engines.train`)

Importing this package imports torch; it raises `MissingExtraError` if torch is not installed.
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
from caffe_fcn.engines.torch.registry import State, TorchLayer, layer

__all__ = ["Learnable", "Net", "State", "TorchLayer", "layer", "layers"]
