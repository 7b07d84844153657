"""Updates the weights from their gradients: clip, divide, add weight decay, apply the rule, subtract.

Source: SGDSolver::ApplyUpdate in src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from caffe_fcn.engines.torch.parameters import Learnable, load_into
from caffe_fcn.engines.torch.training.learning_rates import Schedule
from caffe_fcn.engines.torch.training.update_rules import Hyperparameters, add_weight_decay, clip_gradients, find_rule
from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import SolverParameter
from caffe_fcn.weights import Tensor as Handle

_PIECE = 1 << 19  # values


class Optimizer:
    """Updates the parameters of a net as ``solver`` says, and keeps the histories (momentum, ...) for that.

    A parameter with lr_mult 0 does not change and has no history; snapshots have zeros instead. (Caffe collects weight
    decay in the history of such a parameter, which never reaches a weight.)
    Raises `EngineError` for a solver type, a policy or figures that Caffe refuses.
    """

    def __init__(self, solver: SolverParameter, learnable: Sequence[Learnable]) -> None:
        self.schedule = Schedule(solver)
        self._solver = solver
        self._learnable = learnable
        self._rule = find_rule(solver)
        self._histories: list[list[Tensor]] = [[] for _ in learnable]

    @torch.no_grad()
    def update(self, iteration: int, passes: int) -> float:
        """Update the parameters by gradients that are sums over so many passes, and clear them; returns the rate."""
        rate = self.schedule.compute_rate(iteration)
        pairs = zip(self._learnable, self._histories, strict=True)
        updated = [(each, history) for each, history in pairs if each.lr_mult or history]
        gradients = [_find_gradient(each.tensor) for each, _ in updated]
        clip_gradients(gradients, self._solver.clip_gradients)
        for (each, history), gradient in zip(updated, gradients, strict=True):
            decay = self._solver.weight_decay * each.decay_mult
            if not history:
                history += self._make_zeros(each)
            figures = Hyperparameters(self._solver, rate * each.lr_mult, iteration)
            for tensor, change, *past in _cut(each.tensor, gradient, *history):
                if passes > 1:
                    change.mul_(1 / passes)
                add_weight_decay(change, tensor, decay, self._solver.regularization_type)
                tensor.sub_(self._rule.update(change, past, figures))
            each.tensor.grad = None
        return rate

    def histories(self) -> list[Tensor]:
        """All histories in Caffe's order: the first one of each parameter, then the second one of each."""
        pairs = zip(self._learnable, self._histories, strict=True)
        whole = [history or self._make_zeros(each) for each, history in pairs]
        return [history[number] for number in range(self._rule.histories) for history in whole]

    @torch.no_grad()
    def restore(self, histories: Sequence[Handle], where: object) -> None:
        """Copy the histories of the solver state at ``where``; raises `WeightsError` if they do not fit."""
        count, needed = len(self._learnable), len(self._learnable) * self._rule.histories
        if len(histories) != needed:
            what = f"holds {len(histories)} histories, and {self._solver.type} keeps {needed} for this net"
            raise WeightsError(where, what, "name a .solverstate of this net and type of solver")
        for index, each in enumerate(self._learnable):
            self._histories[index] = self._make_zeros(each)
            for history, handle in zip(self._histories[index], histories[index::count], strict=True):
                if handle.count != history.numel():
                    layer, number = each.owner
                    what = f"the history of layer '{layer}', parameter {number}, is {dims(handle.shape)}"
                    raise WeightsError(where, what, f"this net's is {dims(tuple(history.shape))}")
                history.copy_(load_into(torch.empty(history.shape), handle))
            if not each.lr_mult and not any(map(torch.any, self._histories[index])):
                self._histories[index] = []

    def _make_zeros(self, each: Learnable) -> list[Tensor]:
        return [torch.zeros_like(each.tensor) for _ in range(self._rule.histories)]


def _cut(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Pieces of tensors of one shape, which a processor's cache holds while they are read and written several times."""
    if tensors[0].device.type != "cpu" or not all(tensor.is_contiguous() for tensor in tensors):
        return iter([tensors])
    return zip(*(tensor.view(-1).split(_PIECE) for tensor in tensors), strict=True)


def _find_gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
