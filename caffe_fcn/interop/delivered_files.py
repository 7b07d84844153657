"""Opening a net and its weights to deliver them in another form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from caffe_fcn import proto
from caffe_fcn.engines.deploy_form import make_deploy_form
from caffe_fcn.files import PathLike
from caffe_fcn.interop.bundle_net import DeliveredNet
from caffe_fcn.interop.net_description import describe_net_file
from caffe_fcn.weights import open_weights


@contextmanager
def open_delivered(
    net: PathLike, weights: PathLike, size: tuple[int, int] | None = None, mean: Sequence[float] | None = None
) -> Iterator[DeliveredNet]:
    """Open the deploy form of a net with its weights, as ``model.json`` beside it describes it, with all its outputs.

    ``size`` (H, W) is that of the images, by default the net's; ``mean`` takes the place of the described one. Raises
    what `DeliveredNet` raises.
    """
    deploy = make_deploy_form(net, weights)[0] or proto.read_net(net)
    model, notes = describe_net_file(Path(net), deploy, mean, all_outputs=True)
    with open_weights(weights) as opened:
        delivered = DeliveredNet(deploy, opened, model)
        delivered.notes += notes
        if size is not None:
            delivered.set_size(size)
        yield delivered
