"""The update rules of Caffe's solver types: one function each, from a gradient to what is subtracted from the weights.

A function takes the gradient, which it may overwrite, the histories of the parameter, which it updates, and the
`Hyperparameters`. It computes in the order of src/caffe/solvers, so that the weights are the same in single precision.

| type | source |
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

from caffe_fcn.errors import EngineError
from caffe_fcn.proto import SolverParameter
from caffe_fcn.proto.solver_facts import count_histories, find_type_mistakes


@dataclass(frozen=True)
class Hyperparameters:
    """The figures for one update of one parameter.

    ``rate`` is the learning rate times the parameter's lr_mult, ``iteration`` is counted from 0.
    """

    solver: SolverParameter
    rate: float
    iteration: int


def _sgd(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    return history[0].mul_(figures.solver.momentum).add_(gradient, alpha=figures.rate)


def _nesterov(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    """Take back the last step along the momentum, then go a step along the new one."""
    momentum = figures.solver.momentum
    before = history[0].clone()
    return (_sgd(gradient, history, figures) * (1 + momentum)).sub_(before, alpha=momentum)


def _adagrad(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    history[0].add_(gradient.square())
    return gradient.div_(history[0].sqrt().add_(figures.solver.delta)).mul_(figures.rate)


def _rmsprop(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    _blend(history[0], gradient.square(), figures.solver.rms_decay)
    return gradient.div_(history[0].sqrt().add_(figures.solver.delta)).mul_(figures.rate)


def _adadelta(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    squares, updates = history
    _blend(squares, gradient.square(), figures.solver.momentum)
    ratio = (updates + figures.solver.delta).div_(squares + figures.solver.delta)
    update = gradient.mul_(ratio.sqrt_())
    _blend(updates, update.square(), figures.solver.momentum)
    return update.mul_(figures.rate)


def _adam(gradient: Tensor, history: list[Tensor], figures: Hyperparameters) -> Tensor:
    mean, variance = history
    beta1, beta2, time = figures.solver.momentum, figures.solver.momentum2, figures.iteration + 1
    _blend(mean, gradient, beta1)
    _blend(variance, gradient.square_(), beta2)
    correction = math.sqrt(1 - beta2**time) / (1 - beta1**time)
    return (mean / variance.sqrt().add_(figures.solver.delta)).mul_(figures.rate * correction)


def _blend(average: Tensor, value: Tensor, kept: float) -> None:
    """Update a running average, which keeps the share ``kept`` of its value."""
    average.mul_(kept).add_(value, alpha=1 - kept)


@dataclass(frozen=True)
class UpdateRule:
    """A type of solver: its function, and how many histories a parameter has."""

    update: Callable[[Tensor, list[Tensor], Hyperparameters], Tensor]
    histories: int


_UPDATES = {
    "AdaDelta": _adadelta,
    "AdaGrad": _adagrad,
    "Adam": _adam,
    "Nesterov": _nesterov,
    "RMSProp": _rmsprop,
    "SGD": _sgd,
}


def find_rule(solver: SolverParameter) -> UpdateRule:
    """The rule of a solver; raises `EngineError` for an unknown type, and for figures that Caffe refuses."""
    for mistake in find_type_mistakes(solver):
        raise EngineError("solver", mistake.what, mistake.mend)
    if solver.weight_decay and solver.regularization_type not in _PENALTIES:
        known = ", ".join(_PENALTIES)
        raise EngineError("solver", f"there is no regularization_type {solver.regularization_type!r}", f"{known} are")
    return UpdateRule(_UPDATES[solver.type], count_histories(solver))


def clip_gradients(gradients: Iterable[Tensor], most: float) -> None:
    """Scale all gradients down so that their common norm is at most ``most``; a negative one is no limit."""
    if most < 0:
        return
    gradients = list(gradients)
    norm = float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())
    if norm > most:
        for gradient in gradients:
            gradient.mul_(most / norm)


def add_weight_decay(gradient: Tensor, parameter: Tensor, decay: float, kind: str) -> None:
    """Add the gradient of the penalty on large weights; ``decay`` is weight_decay times the parameter's decay_mult."""
    if decay:
        gradient.add_(_PENALTIES[kind](parameter), alpha=decay)


_PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "L1": lambda weights: weights.sign(),
    "L2": lambda weights: weights,
}
