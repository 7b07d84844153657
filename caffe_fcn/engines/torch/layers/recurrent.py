"""Recurrent layers, unrolled over the first axis as Caffe unrolls them (src/caffe/layers/recurrent_layer.cpp)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, State, layer
from caffe_fcn.net.layer_types import Site


class _Recurrent(Layer):
    """Reads steps (T x N x ...), then ``cont`` (T x N), then perhaps a blob (N x ...) that every step reads as well.

    ``cont`` is 0 where a sequence begins; what came before is then forgotten. A pass goes on with the states that
    the last one ended with. With ``expose_hidden`` it begins with those of its last bottoms instead, and makes those
    that it ends with its last tops. No gradient goes through states from pass to pass.
    """

    states: ClassVar[int]

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self._memory = [torch.zeros(0) for _ in range(self.states)]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, cont = bottoms[0], bottoms[1].detach()
        if len(x) != self.site.shapes[0][0]:
            self.site.fail(f"was made for {self.site.shapes[0][0]} steps and gets {len(x)}", "keep their number")
        exposed = bool(self.param.expose_hidden)
        begun = [blob.detach() for blob in bottoms[-self.states :]] if exposed else self._recall(x)
        inputs = F.linear(x.flatten(2), *self.params[:2])
        if len(bottoms) > 2 + exposed * self.states:
            inputs = inputs + F.linear(bottoms[2].flatten(1), self.params[2])
        outputs, ended = self.unroll(inputs, cont[..., None], [blob[0] for blob in begun])
        ended = [blob.detach()[None] for blob in ended]
        if exposed:
            return [outputs, *ended]
        self._remember(ended)
        return [outputs]

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """All outputs, and the states behind the last step, of transformed inputs and the states before the first."""
        raise NotImplementedError

    def _recall(self, x: Tensor) -> list[Tensor]:
        """The states to begin with. As in a Blob of Caffe's, values stay until more are asked for than ever before."""
        shape = (1, x.shape[1], self.param.num_output)
        count = shape[1] * shape[2]
        self._memory = [
            flat if len(flat) >= count else torch.zeros(count, dtype=x.dtype, device=x.device) for flat in self._memory
        ]
        return [flat[:count].view(shape) for flat in self._memory]

    def _remember(self, states: list[Tensor]) -> None:
        """Copies, since the memory that gradients need must not change."""
        self._memory = [
            torch.cat((state.flatten().to(flat.dtype), flat[state.numel() :]))
            for flat, state in zip(self._memory, states, strict=True)
        ]


@layer("LSTM")
class LSTM(_Recurrent):
    """Parameters: inputs to gates, their bias, perhaps the static input to gates, the last output to gates."""

    states = 2  # the last output, and the cell

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        hidden, cell = states
        outputs = []
        for step, going in zip(inputs, cont, strict=True):
            gates = step + F.linear(hidden * going, self.params[-1])
            cell, hidden = _lstm_unit(cell, gates, going)
            outputs.append(hidden)
        return torch.stack(outputs), [hidden, cell]


@layer("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM: of the cell, the gates and ``cont`` the next cell and output."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        cell, gates, cont = bottoms
        return list(_lstm_unit(cell, gates, cont.detach()[..., None]))


def _lstm_unit(cell: Tensor, gates: Tensor, going: Tensor) -> tuple[Tensor, Tensor]:
    """The next cell and output; the gates are those of input, forgetting, output, and the new values."""
    let_in, forget, let_out, new = gates.chunk(4, -1)
    kept: Tensor = _Forget.apply(forget, going)
    cell = kept * cell + let_in.sigmoid() * new.tanh()
    return cell, let_out.sigmoid() * cell.tanh()


class _Forget(torch.autograd.Function):
    """``cont`` times the sigmoid; for its gradient Caffe takes the product f for a sigmoid: f (1 - f)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, going: Tensor) -> Tensor:
        kept = torch.where(going == 0, 0, going * x.sigmoid())
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return gradient * kept * (1 - kept), None


@layer("RNN")
class RNN(_Recurrent):
    """Parameters: inputs to state, its bias, perhaps the static input to state; state to state, to output, its bias."""

    states = 1

    def unroll(self, inputs: Tensor, cont: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        (hidden,) = states
        passed_on = []
        for step, going in zip(inputs, cont, strict=True):
            hidden = (step + F.linear(hidden * going, self.params[-3])).tanh()
            passed_on.append(hidden)
        return F.linear(torch.stack(passed_on), *self.params[-2:]).tanh(), [hidden]
