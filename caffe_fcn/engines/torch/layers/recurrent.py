"""Recurrent layers, unrolled over the first axis as in Caffe (src/caffe/layers/recurrent_layer.cpp)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, TorchLayer, UnrecordedLayer, layer
from caffe_fcn.net.layer_types import Site


class _Recurrent(UnrecordedLayer):
    """Reads a sequence (T x N x ...), ``cont`` (T x N), and perhaps a static blob (N x ...), which every step reads.

    ``cont`` is 0 where a sequence begins: the state is then reset. A forward pass begins with the states at the end of
    the last one. With ``expose_hidden`` its last bottoms are the states that it begins with, and its last tops those
    that it ends with. No gradient flows from one pass to the one before.
    """

    states: ClassVar[int]  # how many blobs a state has

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self._memory = [torch.zeros(0) for _ in range(self.states)]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, cont = bottoms[0], bottoms[1].detach()
        if len(x) != self.site.shapes[0][0]:
            self.site.fail(f"was made for {self.site.shapes[0][0]} steps and gets {len(x)}", "keep their number")
        exposed = bool(self.param.expose_hidden)
        initial = [blob.detach() for blob in bottoms[-self.states :]] if exposed else self._recall(x)
        inputs = F.linear(x.flatten(2), *self.params[:2])
        if len(bottoms) > 2 + exposed * self.states:
            inputs = inputs + F.linear(bottoms[2].flatten(1), self.params[2])
        outputs, final = self.unroll(inputs, cont[..., None], [blob[0] for blob in initial])
        final = [blob.detach()[None] for blob in final]
        if exposed:
            return [outputs, *final]
        self._remember(final)
        return [outputs]

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The outputs of all steps and the final states, from transformed inputs and the initial states."""
        raise NotImplementedError

    def _recall(self, x: Tensor) -> list[Tensor]:
        """The states to begin with. Like a Blob of Caffe, the memory keeps its values until it must grow."""
        shape = (1, x.shape[1], self.param.num_output)
        count = shape[1] * shape[2]
        self._memory = [
            flat if len(flat) >= count else torch.zeros(count, dtype=x.dtype, device=x.device) for flat in self._memory
        ]
        return [flat[:count].view(shape) for flat in self._memory]

    def _remember(self, states: list[Tensor]) -> None:
        """Store the states as copies, because memory that a gradient needs must not change."""
        self._memory = [
            torch.cat((state.flatten().to(flat.dtype), flat[state.numel() :]))
            for flat, state in zip(self._memory, states, strict=True)
        ]


@layer("LSTM")
class LSTM(_Recurrent):
    """Its weights are: input to gates, their bias, perhaps static input to gates, and last output to gates."""

    states = 2  # the last output, and the cell

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        hidden, cell = states
        outputs = []
        for step, continues in zip(inputs, cont, strict=True):
            gates = step + F.linear(hidden * continues, self.params[-1])
            cell, hidden = _step_lstm(cell, gates, continues)
            outputs.append(hidden)
        return torch.stack(outputs), [hidden, cell]


@layer("LSTMUnit")
class LSTMUnit(TorchLayer):
    """One step of an LSTM: the next cell and output, from the cell, the gates and ``cont``."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        cell, gates, cont = bottoms
        return list(_step_lstm(cell, gates, cont.detach()[..., None]))


def _step_lstm(cell: Tensor, gates: Tensor, continues: Tensor) -> tuple[Tensor, Tensor]:
    """The next cell and output; the gates are input, forget, output, and the new values."""
    input_gate, forget, output_gate, new = gates.chunk(4, -1)
    kept: Tensor = _ForgetGate.apply(forget, continues)
    cell = kept * cell + input_gate.sigmoid() * new.tanh()
    return cell, output_gate.sigmoid() * cell.tanh()


class _ForgetGate(torch.autograd.Function):
    """``cont`` times the sigmoid. Caffe computes the gradient as if the product f were a sigmoid: f (1 - f)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, continues: Tensor) -> Tensor:
        kept = torch.where(continues == 0, 0, continues * x.sigmoid())
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return gradient * kept * (1 - kept), None


@layer("RNN")
class RNN(_Recurrent):
    """Its weights are: input to state, bias, perhaps static input to state, state to state, state to output, bias."""

    states = 1

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        (hidden,) = states
        hidden_states = []
        for step, continues in zip(inputs, cont, strict=True):
            hidden = (step + F.linear(hidden * continues, self.params[-3])).tanh()
            hidden_states.append(hidden)
        return F.linear(torch.stack(hidden_states), *self.params[-2:]).tanh(), [hidden]
