"""A net as steps: which layer runs on which blobs, and which blobs nobody reads afterwards.

    steps = program(graph, layers, kept)
    run(steps, live, kept)

The literal program has a step for each layer. Rewrites put quicker steps in the place of several:
`interpolation` and `frames`. What they compute is the same, to float32's last digits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from caffe_fcn.engines.torch.registry import Computes, Layer
from caffe_fcn.net.graph import Blob, Graph
from caffe_fcn.net.layer_types import is_loss


@dataclass(eq=False)
class Step:
    """``layer`` runs on ``bottoms`` and makes ``tops``.

    ``weights`` are the loss weights of its tops, if any; ``cut`` the bottoms that get no gradient from it. It may write
    over its bottom where it ``overwrites``, and after it nobody reads ``frees``.
    """

    layer: Computes
    bottoms: list[Blob]
    tops: list[Blob]
    weights: list[float] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    overwrites: bool = False
    frees: list[Blob] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Whether it has no say in losses and gradients but through its tops."""
        return not (any(self.weights) or self.cut)

    def run(self, live: dict[Blob, Tensor]) -> list[Tensor]:
        """Make the tops, put them among the ``live`` blobs, and free what nobody reads any more."""
        bottoms = [live[blob] for blob in self.bottoms]
        for index in self.cut:
            bottoms[index] = bottoms[index].detach()
        tops = self.layer.overwriting(bottoms) if self.overwrites else self.layer.forward(bottoms)
        live.update(zip(self.tops, tops, strict=False))
        for blob in self.frees:
            del live[blob]
        return tops


Rewrite: TypeAlias = Callable[[list[Step], Collection[Blob]], list[Step]]


def program(
    graph: Graph, layers: Mapping[str, Layer], kept: Collection[Blob], rewrites: Collection[Rewrite] = ()
) -> list[Step]:
    """The steps that make all ``kept`` blobs from those of the sources, which are kept too."""
    steps = []
    for node in graph.nodes:
        if node.bottoms:
            weights = list(node.layer.loss_weight) or [float(is_loss(node.type))]
            cut = [index for index, wanted in enumerate(node.layer.propagate_down) if not wanted]
            steps.append(Step(layers[node.name], node.bottoms, node.tops, weights, cut))
    _overwrite(steps, kept)
    for rewrite in rewrites:
        steps = rewrite(steps, kept)
    free(steps, kept)
    return steps


def free(steps: list[Step], kept: Collection[Blob]) -> None:
    """Let every step free what is read, or made, there for the last time."""
    seen = set(kept)
    for step in reversed(steps):
        step.frees = [blob for blob in dict.fromkeys((*step.bottoms, *step.tops)) if blob not in seen]
        seen.update(step.frees)


def _overwrite(steps: list[Step], kept: Collection[Blob]) -> None:
    """Let steps write over a bottom that is new memory and that nobody else reads."""
    read_by, fresh = readers(steps), set[Blob]()
    for step in steps:
        if isinstance(step.layer, Layer) and step.layer.fresh:
            fresh.update(step.tops)
        (bottom, *_) = step.bottoms
        alone = bottom in fresh and bottom not in kept and len(read_by[bottom]) == 1 and not step.cut
        step.overwrites = step.layer.in_place and alone


def readers(steps: list[Step]) -> dict[Blob, list[Step]]:
    """The steps that read each blob, one that reads it twice twice."""
    found: dict[Blob, list[Step]] = {}
    for step in steps:
        for blob in step.bottoms:
            found.setdefault(blob, []).append(step)
    return found
