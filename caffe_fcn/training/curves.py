"""The figures of a training by name: loss, learning rate, and each output of the training net and of the test nets.

for curve in list_curves(history):
    curve.label, curve.points       # "test accuracy", [(0, 0.1), (500, 0.7)]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from caffe_fcn.engines.events import Outputs
from caffe_fcn.training.history import History

LOSS, RATE = "loss", "lr"
SCORED = 1 << 30


@dataclass(frozen=True)
class Curve:
    """The values of one figure over the iterations.

    ``net`` is the number of a test net, None in training, and `SCORED` for the scores of snapshots.
    """

    name: str
    label: str
    net: int | None = None
    points: list[tuple[int, float]] = field(default_factory=list)


def list_curves(history: History) -> list[Curve]:
    """Return the curves: the loss and the learning rate, the outputs of the training net and of each test net, scores.

    The only output of a training net is left out where it is the loss that was displayed.
    """
    loss, rate = Curve(LOSS, LOSS, None, history.losses()), Curve(RATE, RATE)
    rate.points.extend((step.iteration, step.lr) for step in history.steps if step.lr is not None)
    solver = [curve for curve in (loss, rate) if curve.points]
    outputs: dict[tuple[str, int | None], Curve] = {}
    for step in history.steps:
        _add_outputs(outputs, step.iteration, step.outputs, None, "train")
    if len(outputs) == 1 and next(iter(outputs.values())).points == loss.points:
        outputs.clear()
    nets = {test.net for test in history.tests}
    for test in history.tests:
        _add_outputs(outputs, test.iteration, test.outputs, test.net, f"test {test.net}" if len(nets) > 1 else "test")
    for score in history.scores:
        _add_outputs(outputs, score.iteration, tuple(score.measures.items()), SCORED, "scored")
    return [*solver, *sorted(outputs.values(), key=lambda curve: -1 if curve.net is None else curve.net)]


def _add_outputs(
    curves: dict[tuple[str, int | None], Curve], iteration: int, outputs: Outputs, net: int | None, label: str
) -> None:
    for name, value in number_repeats(outputs):
        curve = curves.setdefault((name, net), Curve(name, f"{label} {name}", net))
        curve.points.append((iteration, value))


def number_repeats(outputs: Outputs) -> Iterator[tuple[str, float]]:
    """Give each value of a blob that has several its number: ``iou[0]``."""
    counts = Counter(name for name, _ in outputs)
    seen: Counter[str] = Counter()
    for name, value in outputs:
        yield (f"{name}[{seen[name]}]" if counts[name] > 1 else name), value
        seen[name] += 1
