"""Layer types are added by a class and a row; docs/adding-a-layer.md quotes the files that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from command import ROOT
from prototxts import input_layer, layer
from torch_judge import parse_net, torch

from caffe_fcn.engines.torch import Net, TorchLayer, layers, registry
from caffe_fcn.engines.torch import layer as register
from caffe_fcn.errors import NetError
from caffe_fcn.net.layer_types import LAYER_TYPES, LayerType, Shape, Site


@pytest.fixture
def doubling() -> Iterator[None]:
    """A layer type that Caffe does not have: it makes a second copy of each image."""

    def double_batch(site: Site) -> list[Shape]:
        return [(2 * site.shapes[0][0], *site.shapes[0][1:])]

    @register("Doubling", LayerType(double_batch))
    class Doubling(TorchLayer):
        def forward(self, bottoms: list[torch.Tensor]) -> list[torch.Tensor]:
            return [torch.cat([bottoms[0]] * 2)]

    yield
    del registry._CLASSES["Doubling"], LAYER_TYPES["Doubling"]


def test_a_type_that_caffe_does_not_have_runs_and_learns(doubling: None) -> None:
    text = input_layer("x", 2, 3, 4, 4) + layer("Doubling", "x", "y") + layer("ReLU", "y", "z")
    net = Net(parse_net(text), "train")
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    z = net.forward(x=x)["z"]
    expected = np.maximum(x.detach().numpy(), 0)
    np.testing.assert_array_equal(z.detach().numpy(), np.concatenate([expected, expected]))
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * (expected > 0))


def test_a_type_without_a_class_is_refused_before_anything_runs() -> None:
    text = input_layer("x", 2, 3) + input_layer("y", 2) + layer("HDF5Output", "x y", "")
    with pytest.raises(NetError, match=r"layer 'HDF5Output' \(HDF5Output\): the torch engine does not compute this"):
        Net(parse_net(text))


def test_every_class_has_a_row() -> None:
    assert layers.__doc__
    assert registry._CLASSES.keys() <= LAYER_TYPES.keys()


def test_the_page_on_layer_types_quotes_the_files_that_it_names() -> None:
    page = (ROOT / "docs/adding-a-layer.md").read_text()
    quotes = re.findall(r"```\w+\n(.*?)```", page, re.DOTALL)
    paths = re.findall(r"`(caffe_fcn/[\w/]+\.(?:py|proto))`", page)
    sources = [(ROOT / path).read_text() for path in paths]
    assert len(quotes) == 4
    for quote in quotes:
        assert any(quote in source for source in sources), quote
