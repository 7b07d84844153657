"""A solver's update of the weights: clip, divide, regularize, update, subtract; and the histories that it keeps.

Source: SGDSolver::ApplyUpdate in src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from caffe_fcn.engines.torch.parameters import Learnable, loaded
from caffe_fcn.engines.torch.training.rates import Schedule
from caffe_fcn.engines.torch.training.updates import Step, clip, regularize, rule_of
from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import SolverParameter
from caffe_fcn.weights import Tensor as Handle


class Optimizer:
    """Updates the parameters of a net from their gradients, as ``solver`` says.

    A parameter with lr_mult 0 stays as it is and gets no history; a snapshot has zeros in its place. (Caffe's histories
    of it gather what weight decay adds to a gradient of 0, which no weight ever feels.)
    Raises `EngineError` for a solver that makes no sense.
    """

    def __init__(self, solver: SolverParameter, learnable: Sequence[Learnable]) -> None:
        self.schedule = Schedule(solver)
        self._solver = solver
        self._learnable = learnable
        self._rule = rule_of(solver)
        self._histories: list[list[Tensor]] = [[] for _ in learnable]

    @torch.no_grad()
    def update(self, iteration: int, passes: int) -> float:
        """Update by the gradients that ``passes`` passes have summed up, and drop them; returns the learning rate."""
        rate = self.schedule.rate(iteration)
        pairs = zip(self._learnable, self._histories, strict=True)
        moving = [(each, history) for each, history in pairs if each.lr_mult or history]
        gradients = [_gradient(each.tensor) for each, _ in moving]
        clip(gradients, self._solver.clip_gradients)
        for (each, history), gradient in zip(moving, gradients, strict=True):
            if passes > 1:
                gradient.mul_(1 / passes)
            decay = self._solver.weight_decay * each.decay_mult
            regularize(gradient, each.tensor, decay, self._solver.regularization_type)
            if not history:
                history += self._zeros(each)
            step = Step(self._solver, rate * each.lr_mult, iteration)
            each.tensor.sub_(self._rule.update(gradient, history, step))
            each.tensor.grad = None
        return rate

    def histories(self) -> list[Tensor]:
        """All histories in Caffe's order: the first of each parameter, then the second of each."""
        pairs = zip(self._learnable, self._histories, strict=True)
        whole = [history or self._zeros(each) for each, history in pairs]
        return [history[number] for number in range(self._rule.histories) for history in whole]

    @torch.no_grad()
    def restore(self, histories: Sequence[Handle], where: object) -> None:
        """Take histories from a solver state at ``where``; raises `WeightsError` where they do not fit."""
        count, needed = len(self._learnable), len(self._learnable) * self._rule.histories
        if len(histories) != needed:
            what = f"holds {len(histories)} histories, and {self._solver.type} keeps {needed} for this net"
            raise WeightsError(where, what, "name a .solverstate of this net and type of solver")
        for index, each in enumerate(self._learnable):
            self._histories[index] = self._zeros(each)
            for history, handle in zip(self._histories[index], histories[index::count], strict=True):
                if handle.count != history.numel():
                    layer, number = each.owner
                    what = f"the history of layer '{layer}', parameter {number}, is {dims(handle.shape)}"
                    raise WeightsError(where, what, f"this net's is {dims(tuple(history.shape))}")
                history.copy_(loaded(handle, torch.empty(history.shape)))
            if not each.lr_mult and not any(map(torch.any, self._histories[index])):
                self._histories[index] = []

    def _zeros(self, each: Learnable) -> list[Tensor]:
        return [torch.zeros_like(each.tensor) for _ in range(self._rule.histories)]


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
