"""A Caffe net as a torch module, for training loops that are not Caffe's.

module = Net("train.prototxt", "train", weights="vgg16.caffemodel").as_module()
optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)
for image, label in batches:
    optimizer.zero_grad()
    module(data=image, label=label)
    module.loss().backward()
    optimizer.step()
module.save("fcn.caffemodel")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from caffe_fcn.errors import NetError
from caffe_fcn.files import PathLike

if TYPE_CHECKING:
    from caffe_fcn.engines.torch.net import Net


class NetModule(torch.nn.Module):
    """The net and its module share all parameters, which are named ``LAYER/INDEX`` as in weights files.

    What the net does not learn (lr_mult 0, statistics of BatchNorm) is a buffer. Learning rates and decay of the
    prototxt are not applied: the optimizer decides. Device and phase are the net's: `train`, `eval` and `to` change
    neither the layers that take part nor where they run. Raises `NetError` for a net that keeps no gradients.
    """

    def __init__(self, net: Net) -> None:
        super().__init__()
        if not net.differentiable:
            mend = 'make it with phase "train", or differentiable=True'
            raise NetError(net.graph.net.name or "net", "keeps no gradients", mend)
        self.net = net
        for each in net.make_parameters():
            layer, index = each.owner
            name = f"{layer}/{index}".replace(".", "_")  # torch takes no dots in names
            if isinstance(each.tensor, torch.nn.Parameter):
                self.register_parameter(name, each.tensor)
            else:
                self.register_buffer(name, each.tensor)

    def forward(self, *wanted: str, **inputs: Any) -> dict[str, Tensor]:
        """Run the net once: see `Net.forward`."""
        return self.net.forward(*wanted, **inputs)

    def loss(self) -> Tensor:
        """The loss of the last run: the sum of all tops, each times its loss_weight."""
        return self.net.loss()

    def save(self, path: PathLike) -> None:
        """Write the weights in the format that the suffix names; raises `FileError`."""
        from caffe_fcn.engines.torch.training.snapshots import save

        save(self.net, Path(path))
