"""A net as a torch module, trained by torch's own optimizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from prototxts import input_layer, layer

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net
from caffe_fcn.errors import NetError

TEXT = (
    input_layer("data", 8, 2, 5, 5)
    + input_layer("label", 8)
    + layer(
        "Convolution",
        "data",
        "a",
        'param { name: "w" } param { lr_mult: 0 } convolution_param { num_output: 3 '
        'kernel_size: 3 weight_filler { type: "xavier" } }',
        "a.one",
    )
    + layer("Convolution", "data", "b", 'param { name: "w" } convolution_param { num_output: 3 kernel_size: 3 }', "b")
    + layer("Eltwise", "a b", "sum")
    + layer("BatchNorm", "sum", "normal")
    + layer(
        "InnerProduct",
        "normal",
        "score",
        'inner_product_param { num_output: 2 weight_filler { type: "xavier" } }',
        "fc",
    )
    + layer("SoftmaxWithLoss", "score label", "loss")
)


def make_net(**options: object) -> Net:
    message = proto.NetParameter()
    proto.parse(TEXT, message)
    return Net(message, "train", **options)


def make_batch(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, 8)
    return {
        "data": (random.normal(0, 1, (8, 2, 5, 5)) + label[:, None, None, None]).astype("f"),
        "label": label.astype("f"),
    }


def test_parameters_are_those_that_the_net_learns_each_once() -> None:
    module = make_net().as_module()
    assert {name: tuple(each.shape) for name, each in module.named_parameters()} == {
        "a_one/0": (3, 2, 3, 3),
        "b/1": (3,),
        "fc/0": (2, 27),
        "fc/1": (2,),
    }
    assert set(dict(module.named_buffers())) == {"a_one/1", "BatchNorm/0", "BatchNorm/1", "BatchNorm/2"}


def test_torchs_sgd_takes_the_step_that_the_gradients_say() -> None:
    plain, module = make_net(), make_net().as_module()
    before = {name: each.detach().clone() for name, each in module.named_parameters()}
    plain.compute_gradients(**make_batch(0))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    module(**make_batch(0))
    module.loss().backward()
    optimizer.step()
    for each in plain.learnable:
        name = "{}/{}".format(*each.owner).replace(".", "_")
        if name in before:
            torch.testing.assert_close(module.get_parameter(name).detach(), before[name] - 0.5 * each.tensor.grad)


def test_another_optimizer_trains_it_and_caffes_formats_keep_it(tmp_path: Path) -> None:
    module = make_net().as_module()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        module(**make_batch(step))
        module.loss().backward()
        optimizer.step()
        losses.append(module.loss().item())
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    module.save(tmp_path / "trained.caffemodel")
    torch.save(module.state_dict(), tmp_path / "trained.pth")
    batch = make_batch(100)
    expected = module(**batch)["loss"].item()
    other = make_net(weights=tmp_path / "trained.caffemodel")
    assert other.forward(**batch)["loss"].item() == expected
    restored = make_net().as_module()
    restored.load_state_dict(torch.load(tmp_path / "trained.pth", weights_only=True))
    assert restored(**batch)["loss"].item() == expected


def test_a_net_without_gradients_is_refused() -> None:
    with pytest.raises(NetError, match="keeps no gradients"):
        make_net(differentiable=False).as_module()
