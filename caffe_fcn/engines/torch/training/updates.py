"""How solvers turn gradients into updates: each type of solver is one small function.

A function gets the gradient, which it may overwrite, the histories of the parameter, which it brings up to date,
and a `Step`; it returns what is to be subtracted from the parameter. The order of operations is that of
src/caffe/solvers, so that weights go the same way in single precision.

| type | after |
|---|---|
| SGD | classical momentum |
| Nesterov | Nesterov 1983, as in Sutskever et al. 2013 |
| AdaGrad | Duchi et al. 2011 |
| RMSProp | Tieleman and Hinton 2012 |
| AdaDelta | Zeiler 2012 |
| Adam | Kingma and Ba 2014 |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from caffe_fcn.errors import EngineError, nearest
from caffe_fcn.proto import SolverParameter


@dataclass(frozen=True)
class Step:
    """One update of one parameter: its learning rate (lr_mult included), and the number of the iteration from 0."""

    solver: SolverParameter
    rate: float
    iteration: int


def _sgd(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    return history[0].mul_(step.solver.momentum).add_(gradient, alpha=step.rate)


def _nesterov(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    """Step back from where the momentum led, then over to where it leads now."""
    momentum = step.solver.momentum
    before = history[0].clone()
    return (_sgd(gradient, history, step) * (1 + momentum)).sub_(before, alpha=momentum)


def _adagrad(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    history[0].add_(gradient.square())
    return gradient.div_(history[0].sqrt().add_(step.solver.delta)).mul_(step.rate)


def _rmsprop(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    _blend(history[0], gradient.square(), step.solver.rms_decay)
    return gradient.div_(history[0].sqrt().add_(step.solver.delta)).mul_(step.rate)


def _adadelta(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    squares, updates = history
    _blend(squares, gradient.square(), step.solver.momentum)
    ratio = (updates + step.solver.delta).div_(squares + step.solver.delta)
    update = gradient.mul_(ratio.sqrt_())
    _blend(updates, update.square(), step.solver.momentum)
    return update.mul_(step.rate)


def _adam(gradient: Tensor, history: list[Tensor], step: Step) -> Tensor:
    mean, variance = history
    beta1, beta2, time = step.solver.momentum, step.solver.momentum2, step.iteration + 1
    _blend(mean, gradient, beta1)
    _blend(variance, gradient.square_(), beta2)
    correction = math.sqrt(1 - beta2**time) / (1 - beta1**time)
    return (mean / variance.sqrt().add_(step.solver.delta)).mul_(step.rate * correction)


def _blend(average: Tensor, value: Tensor, kept: float) -> None:
    """A running average that keeps a share of what it was."""
    average.mul_(kept).add_(value, alpha=1 - kept)


@dataclass(frozen=True)
class Rule:
    """A type of solver: its function, how many histories a parameter has, and whether it knows momentum."""

    update: Callable[[Tensor, list[Tensor], Step], Tensor]
    histories: int = 1
    momentum: bool = True


_RULES = {
    "AdaDelta": Rule(_adadelta, histories=2),
    "AdaGrad": Rule(_adagrad, momentum=False),
    "Adam": Rule(_adam, histories=2),
    "Nesterov": Rule(_nesterov),
    "RMSProp": Rule(_rmsprop, momentum=False),
    "SGD": Rule(_sgd),
}


def rule_of(solver: SolverParameter) -> Rule:
    """The rule of a solver's type; raises `EngineError` for a type or figures that Caffe refuses."""
    if solver.type not in _RULES:
        mend = nearest(solver.type, _RULES) or f"one of {', '.join(_RULES)}"
        raise EngineError("solver", f"there is no solver of type {solver.type!r}", mend)
    rule = _RULES[solver.type]
    if solver.momentum and not rule.momentum:
        raise EngineError("solver", f"{solver.type} has no momentum", "leave momentum out")
    if solver.type == "RMSProp" and not 0 <= solver.rms_decay < 1:
        raise EngineError("solver", f"rms_decay {solver.rms_decay:g}", "it is at least 0 and below 1")
    if solver.weight_decay and solver.regularization_type not in _PENALTIES:
        known = ", ".join(_PENALTIES)
        raise EngineError("solver", f"there is no regularization_type {solver.regularization_type!r}", f"{known} are")
    return rule


def clip(gradients: Iterable[Tensor], most: float) -> None:
    """Scale all gradients down so that their common norm is at most ``most``; below 0 there is no limit."""
    if most < 0:
        return
    gradients = list(gradients)
    norm = float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())
    if norm > most:
        for gradient in gradients:
            gradient.mul_(most / norm)


def regularize(gradient: Tensor, parameter: Tensor, decay: float, kind: str) -> None:
    """Add the gradient of the penalty on the weights; ``decay`` is weight_decay times the parameter's decay_mult."""
    if decay:
        gradient.add_(_PENALTIES[kind](parameter), alpha=decay)


_PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "L1": lambda weights: weights.sign(),
    "L2": lambda weights: weights,
}
