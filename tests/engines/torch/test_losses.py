"""Loss layers and Accuracy take the shapes that real Caffe takes, refuse the others, and have its losses and gradients.

Real Caffe aborts at what it refuses: each net runs in a fork of one pycaffe.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from prototxts import input_layer, layer

from caffe_fcn import proto
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.shapes import infer

torch = pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")

from caffe_fcn.engines.torch.net import Net  # noqa: E402 - needs torch

Shape = tuple[int, ...]

IN_FORKS = """
import os
root = str(inputs['root'])
for i in range(int(inputs['count'])):
    child = os.fork()
    if child:
        outputs['%d' % i] = np.array(os.waitpid(child, 0)[1])
        continue
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    net = caffe.Net('%s/%d.prototxt' % (root, i), caffe.TEST)
    for name, array in np.load('%s/%d.npz' % (root, i)).items():
        net.blobs[name].data[...] = array
    net.forward()
    net.backward()
    np.savez('%s/%d.made.npz' % (root, i), loss=net.blobs['loss'].data, x=net.blobs['x'].diff)
    os._exit(0)
"""

SCORES: list[Shape] = [(2, 3, 4, 5), (2, 3, 2, 2), (2, 3), (2,), (2, 3, 1, 1), (2, 3, 2, 1, 2)]
LABELS: list[Shape] = [
    (2,),
    (2, 1),
    (2, 1, 1, 1),
    (2, 3),
    (2, 3, 5),
    (2, 4, 5),
    (2, 1, 4, 5),
    (2, 1, 2, 2),
    (40,),
    (1, 2),
]
NORMS = ["", *(f"normalization: {mode}" for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")), "normalize: false"]
WHOLE = {"ContrastiveLoss": "z", "EuclideanLoss": ""}  # which bottom has labels: of others the second


class Case:
    """A net of one layer, and the values of its bottoms."""

    def __init__(self, kind: str, shapes: list[Shape], inside: str = "", classes: int = 2, tops: str = "loss") -> None:
        self.kind, self.shapes, self.inside, self.classes, self.tops = kind, shapes, inside, classes, tops

    def __str__(self) -> str:
        return f"{self.kind} {' '.join(map(str, self.shapes))} {self.inside}"

    @property
    def names(self) -> list[str]:
        return ["x", "y", "z", "w"][: len(self.shapes)]

    def text(self) -> str:
        inputs = [
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
            f"{' '.join(f'dim: {size}' for size in shape)} }} }} }}"
            for name, shape in zip(self.names, self.shapes, strict=True)
        ]
        inputs[0] = inputs[0].replace('"x"', '"raw"')
        learns = 'layer { name: "x" type: "Scale" bottom: "raw" top: "x" scale_param { axis: 0 num_axes: 0 } }'  # by 1
        bottoms = " ".join(f'bottom: "{name}"' for name in self.names)
        tops = " ".join(f'top: "{top}"' for top in self.tops.split())
        last = f'layer {{ name: "loss" type: "{self.kind}" {bottoms} {tops} {self.inside} }}'
        return "\n".join([*inputs, learns, last])

    def values(self) -> dict[str, np.ndarray]:
        random = np.random.RandomState(len(str(self)))
        made = {name: random.normal(size=shape) for name, shape in zip(self.names, self.shapes, strict=True)}
        if self.kind == "MultinomialLogisticLoss":
            made["x"] = np.abs(made["x"]) + 0.1
        labels = WHOLE.get(self.kind, "y")
        if labels in made:
            made[labels] = random.randint(0, min(self.classes, math.prod(self.shapes[0][1:])), made[labels].shape)
        made["raw"] = made.pop("x")
        return {name: array.astype(np.float32) for name, array in made.items()}


def both(kind: str, inside: str = "") -> list[Case]:
    return [Case(kind, [scores, labels], inside) for scores, labels in itertools.product(SCORES, LABELS)]


def by_axis(kind: str, param: str, axes: tuple[int, ...] = (1, 2, -1, 0, 4)) -> list[Case]:
    pairs = [
        ((2, 3, 4, 5), (2, 3, 5)),
        ((2, 3, 4, 5), (2, 1, 4, 5)),
        ((2, 3, 4, 5), (2, 30)),
        ((2, 3), (2,)),
        ((2,), (2,)),
    ]
    return [Case(kind, [*pair], f"{param} {{ axis: {axis} }}") for pair in pairs for axis in axes]


def infogain() -> list[Case]:
    made = [
        Case("InfogainLoss", [*shapes], f"infogain_loss_param {{ axis: {axis} }}")
        for shapes in (
            ((2, 3, 4, 5), (2, 3, 5), (1, 1, 4, 4)),
            ((2, 3, 4, 5), (2, 3, 5), (16,)),
            ((2, 3, 4, 5), (2, 4, 5), (3, 3)),
            ((2, 3, 4, 5), (2, 3, 4), (1, 1, 5, 5)),
            ((2, 3, 4, 5), (6, 5), (4, 4)),
            ((2, 3), (2, 1), (3, 3)),
        )
        for axis in (1, 2, -1)
    ]
    fits: list[Shape] = [(2, 3, 4, 5), (2, 3, 5), (4, 4)]
    two = "infogain_loss_param { axis: 2 }"
    made += [Case("InfogainLoss", fits, f"{two} loss_param {{ ignore_label: 1 {norm} }}") for norm in NORMS]
    made += [Case("InfogainLoss", fits[:2], two), Case("InfogainLoss", fits, two, tops="loss p")]
    return made


def normalized(kind: str, shapes: list[Shape]) -> list[Case]:
    return [
        Case(kind, shapes, f"loss_param {{ {ignored} {norm} }}", classes)
        for norm in NORMS
        for ignored, classes in (("", 2), ("ignore_label: 1", 2), ("ignore_label: 0", 1))
    ]


def contrastive() -> list[Case]:
    shapes: list[list[Shape]] = [
        [(4, 3), (4, 3), (4,)],
        [(4, 3, 1, 1), (4, 3), (4, 1, 1, 1)],
        [(4,), (4, 1), (4, 1)],
        [(4, 3), (4, 3), (4, 3)],
        [(4, 3, 2), (4, 3, 2), (4,)],
        [(4, 3), (3, 4), (4,)],
        [(4, 3), (4, 2), (4,)],
        [(4, 3, 1, 1, 1), (4, 3), (4,)],
    ]
    legacy = "contrastive_loss_param { margin: 3 legacy_version: true }"
    return [Case("ContrastiveLoss", each, inside) for each in shapes for inside in ("", legacy)]


CASES = [
    *both("HingeLoss"),
    *both("HingeLoss", "hinge_loss_param { norm: L2 }")[::7],
    *both("MultinomialLogisticLoss"),
    *both("SoftmaxWithLoss")[::2],
    *both("Accuracy")[1::3],
    *both("Accuracy", "accuracy_param { top_k: 3 }")[::5],
    Case("Accuracy", [(2, 3, 4, 5), (2, 4, 5)], "accuracy_param { top_k: 4 }"),
    *by_axis("SoftmaxWithLoss", "softmax_param"),
    *by_axis("Accuracy", "accuracy_param"),
    *infogain(),
    *normalized("SoftmaxWithLoss", [(2, 3, 4, 5), (2, 4, 5)]),
    *normalized("SigmoidCrossEntropyLoss", [(2, 3, 2), (2, 6)]),
    *[Case(kind, [x, y]) for kind in ("EuclideanLoss", "SigmoidCrossEntropyLoss") for x in SCORES for y in SCORES][::2],
    *(Case(kind, [(2, 6), (3, 4)]) for kind in ("EuclideanLoss", "SigmoidCrossEntropyLoss")),
    *contrastive(),
]


def run(case: Case) -> tuple[np.ndarray, np.ndarray] | None:
    """The loss and its gradient, or None where the net is refused."""
    net = proto.NetParameter()
    proto.parse(case.text(), net)
    try:
        found = infer(net)
    except CaffeFcnError:
        return None
    values = {name: torch.from_numpy(array) for name, array in case.values().items()}
    values["raw"].requires_grad_()
    engine = Net(net, proto.NetState(phase=proto.TEST), differentiable=True)
    loss = engine.forward(**values)["loss"]
    assert found.blobs["loss"] == tuple(loss.shape)
    if loss.requires_grad:
        loss.sum().backward()
    gradient = values["raw"].grad
    return loss.detach().numpy(), np.zeros(case.shapes[0]) if gradient is None else gradient.numpy()


@pytest.mark.caffe
def test_losses_take_what_caffe_takes_with_its_gradients(
    tmp_path: Path, pycaffe: Callable[..., dict[str, np.ndarray]]
) -> None:
    for number, case in enumerate(CASES):
        (tmp_path / f"{number}.prototxt").write_text(case.text())
        np.savez(tmp_path / f"{number}.npz", **case.values())
    statuses = pycaffe(IN_FORKS, root=tmp_path, count=len(CASES))
    taken, wrong = 0, []
    for number, case in enumerate(CASES):
        ours = run(case)
        if (ours is not None) != (statuses[str(number)] == 0):
            wrong.append(f"{case}: {'taken' if ours else 'refused'} here only")
        elif ours is not None:
            taken += 1
            with np.load(tmp_path / f"{number}.made.npz") as theirs:
                same = np.allclose(ours[0], theirs["loss"], rtol=1e-5, atol=1e-6)
                if case.kind != "Accuracy":
                    same = same and np.allclose(ours[1], theirs["x"], rtol=1e-4, atol=1e-6)
            if not same:
                wrong.append(f"{case}: another loss or gradient")
    assert not wrong, "\n".join(wrong)
    assert len(CASES) // 5 < taken < len(CASES) * 4 // 5  # both kinds are here


def test_a_matrix_in_a_file_for_other_classes(tmp_path: Path) -> None:
    path = tmp_path / "infogain.binaryproto"
    path.write_bytes(proto.BlobProto(num=1, channels=1, height=2, width=2, data=[1, 0, 0, 1]).SerializeToString())
    inside = f'infogain_loss_param {{ source: "{path}" }}'
    net = proto.NetParameter()
    proto.parse(
        input_layer("x", 1, 3, 2, 2)
        + input_layer("label", 1, 1, 2, 2)
        + layer("InfogainLoss", "x label", "loss", inside),
        net,
    )
    engine = Net(net, "train")
    with pytest.raises(CaffeFcnError, match=r"infogain.binaryproto with 4 values \(it needs 3 x 3 of them\)"):
        engine.forward(x=torch.zeros(1, 3, 2, 2), label=torch.zeros(1, 1, 2, 2))
    path.unlink()
    with pytest.raises(CaffeFcnError, match=r"infogain\.binaryproto: no such file"):
        engine.forward(x=torch.zeros(1, 3, 2, 2), label=torch.zeros(1, 1, 2, 2))


def test_the_l1_loss_of_nvidias_caffe() -> None:
    a, b = np.random.RandomState(0).normal(size=(2, 4, 3, 5, 6))
    loss, gradient = compute_paired_loss("L1Loss", a, b)
    np.testing.assert_allclose(loss, np.abs(a - b).sum() / 4, rtol=1e-6)
    np.testing.assert_allclose(gradient, np.sign(a - b) / 4, rtol=1e-6)


def test_the_smooth_l1_loss_of_fast_rcnn() -> None:
    """Its formula, with a weight for each difference and one for each loss."""
    a, b, inside, outside = np.random.RandomState(0).normal(0, 2, size=(4, 4, 8, 1, 1))
    loss, gradient = compute_paired_loss("SmoothL1Loss", a, b, inside, outside)
    difference = inside * (a - b)
    is_small = np.abs(difference) < 1
    losses = np.where(is_small, difference**2 / 2, np.abs(difference) - 0.5)
    slopes = np.where(is_small, difference, np.sign(difference))
    assert is_small.any()
    assert not is_small.all()
    np.testing.assert_allclose(loss, (outside * losses).sum() / 4, rtol=1e-6)
    np.testing.assert_allclose(gradient, outside * slopes * inside / 4, rtol=1e-5, atol=1e-7)


def compute_paired_loss(kind: str, *arrays: np.ndarray) -> tuple[float, np.ndarray]:
    """A loss of blobs of one shape, and the gradient of the first; in float64."""
    names = [f"x{index}" for index in range(len(arrays))]
    text = "".join(input_layer(name, *array.shape) for name, array in zip(names, arrays, strict=True))
    net = proto.NetParameter()
    proto.parse(text + layer(kind, " ".join(names), "loss"), net)
    engine = Net(net, "train", dtype=torch.float64)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in zip(names, arrays, strict=True)}
    engine.forward(**tensors)
    engine.loss().backward()
    return float(engine.loss().detach()), tensors["x0"].grad.numpy()
