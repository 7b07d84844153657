"""What Caffe computes and torch has no module for. A generated file has those of these that its net needs, as text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Scale(nn.Module):
    """The product with a factor, and perhaps a shift: one for each channel, or in another shape that broadcasts."""

    def __init__(self, *shape: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.weight
        return y if self.bias is None else y + self.bias


class Bias(nn.Module):
    """The sum with a shift: one for each channel, or in another shape that broadcasts."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def find_edges(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], round_up: bool
) -> list[int]:
    """How far Caffe's windows reach beyond an image: left, right, top, bottom.

    Windows are counted up, so that the last one may reach beyond image and padding. Where there is padding, a last
    window that begins behind it is dropped.
    """
    edges = []
    for axis in (1, 0):
        size, reach = x.shape[axis + 2], x.shape[axis + 2] + 2 * pad[axis] - kernel[axis]
        last = (reach + (stride[axis] - 1) * round_up) // stride[axis]
        if any(pad):
            last = min(last, (size + pad[axis] - 1) // stride[axis])
        edges += [pad[axis], last * stride[axis] + kernel[axis] - pad[axis] - size]
    return edges


def max_pool(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], round_up: bool = True
) -> Tensor:
    """The maximum of those pixels of each of Caffe's windows that are in the image."""
    edges = find_edges(x, kernel, stride, pad, round_up)
    return F.max_pool2d(F.pad(x, edges, value=torch.finfo(x.dtype).min), kernel, stride)


def average_pool(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], round_up: bool = True
) -> Tensor:
    """The sum of each of Caffe's windows, divided by the number of its pixels that are in the image or its padding."""
    padded = F.pad(x, find_edges(x, kernel, stride, pad, round_up))
    sums = F.avg_pool2d(padded, kernel, stride, divisor_override=1)
    counts = []
    for axis in (0, 1):
        starts = torch.arange(sums.shape[axis + 2], device=x.device) * stride[axis] - pad[axis]
        counts.append((starts + kernel[axis]).clamp(max=x.shape[axis + 2] + pad[axis]) - starts)
    return sums / (counts[0][:, None] * counts[1])


def pool_pyramid(x: Tensor, height: int, average: bool) -> Tensor:
    """Poolings with 1, 2, 4, ... windows on each axis, as one vector (SPP)."""
    levels = []
    for bins in [2**level for level in range(height)]:
        kernel = tuple(-(-size // bins) for size in x.shape[2:])
        pad = tuple((k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:], strict=True))
        levels.append((average_pool if average else max_pool)(x, kernel, kernel, pad))
    return torch.cat([level.flatten(1) for level in levels], 1) if height > 1 else levels[0]


def write_windows(
    x: Tensor, kernel: tuple[int, int], dilation: tuple[int, int], pad: tuple[int, int], stride: tuple[int, int]
) -> Tensor:
    """Each window as a column: channels * taps x rows x columns (Im2col)."""
    columns = F.unfold(x, kernel, dilation, pad, stride)
    reach = x.shape[2] + 2 * pad[0] - dilation[0] * (kernel[0] - 1) - 1
    return columns.reshape(*columns.shape[:2], reach // stride[0] + 1, -1)


def crop(x: Tensor, reference: Tensor, axis: int, offsets: Sequence[int]) -> Tensor:
    """The part of x at ``offsets`` that has the size of the reference, along the axes from ``axis`` on."""
    part = [slice(None)] * axis
    part += [slice(offset, offset + size) for offset, size in zip(offsets, reference.shape[axis:], strict=True)]
    return x[tuple(part)]


def normalize(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """The mean over ``axes`` subtracted, and divided by the deviation and eps (MVN)."""
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + eps)


def divide_by_norm(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """Divided by the root of the sum of squares over ``axes`` (Normalize)."""
    return x * (x.square().sum(axes, keepdim=True) + eps).rsqrt()


def normalize_within_channel(x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
    """Divided by a power of the mean of the squares nearby in the channel (LRN, WITHIN_CHANNEL)."""
    return x * (1 + alpha * F.avg_pool2d(x.square(), size, 1, size // 2)) ** -beta


def find_largest(x: Tensor, count: int, axis: int) -> tuple[Tensor, Tensor]:
    """The places of the largest values along an axis, and the values; of equal ones the last comes first."""
    values, order = x.flip(axis).sort(dim=axis, descending=True, stable=True)
    places = x.shape[axis] - 1 - order.narrow(axis, 0, count)
    return places.to(x.dtype), values.narrow(axis, 0, count)


def scale_nearest(x: Tensor, size: Sequence[int]) -> Tensor:
    """An image of another size, in which each place takes the value at its share of the way (Upsample)."""
    rows, columns = (
        torch.arange(made, device=x.device) * given // made for made, given in zip(size, x.shape[2:], strict=True)
    )
    return x[:, :, rows][:, :, :, columns]


def unpool(x: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Images of zeros with each value where the mask says; of several at one place the last one stays (Upsample)."""
    places = mask.flatten(2).long()
    order = torch.arange(places.shape[2], device=x.device).expand_as(places)
    last = torch.full((*x.shape[:2], size[0] * size[1]), -1, device=x.device).scatter_reduce(2, places, order, "amax")
    placed = x.flatten(2).gather(2, last.clamp(min=0)) * (last >= 0)
    return placed.reshape(*x.shape[:2], *size)


def crop_middle(x: Tensor, reference: Tensor) -> Tensor:
    """The middle of an image, as large as the reference (MergeCrop)."""
    for axis in range(2, x.dim()):
        size = reference.shape[axis]
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


def step_lstm(cell: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
    """The next cell and output; the gates are input, forget, output, and the new values (LSTMUnit)."""
    read, keep, give, new = gates.chunk(4, -1)
    cell = cont * keep.sigmoid() * cell + read.sigmoid() * new.tanh()
    return cell, give.sigmoid() * cell.tanh()


class LSTM(nn.Module):
    """Reads steps x images x values; ``cont`` is 0 where a sequence begins. Without states it begins with zeros."""

    def __init__(self, inputs: int, outputs: int, static: int = 0) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, 4 * outputs)
        self.static = nn.Linear(static, 4 * outputs, bias=False) if static else None
        self.hidden = nn.Linear(outputs, 4 * outputs, bias=False)

    def forward(
        self, x: Tensor, cont: Tensor, static: Tensor | None = None, states: Sequence[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        inputs = self.input(x.flatten(2))
        if self.static is not None and static is not None:
            inputs = inputs + self.static(static.flatten(1))
        hidden, cell = [state[0] for state in states] or [x.new_zeros(x.shape[1], self.hidden.in_features)] * 2
        outputs = []
        for step, goes_on in zip(inputs, cont[..., None], strict=True):
            cell, hidden = step_lstm(cell, step + self.hidden(hidden * goes_on), goes_on)
            outputs.append(hidden)
        return torch.stack(outputs), hidden[None], cell[None]


class RNN(nn.Module):
    """Reads steps x images x values; ``cont`` is 0 where a sequence begins. Without states it begins with zeros."""

    def __init__(self, inputs: int, outputs: int, static: int = 0) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, outputs)
        self.static = nn.Linear(static, outputs, bias=False) if static else None
        self.hidden = nn.Linear(outputs, outputs, bias=False)
        self.output = nn.Linear(outputs, outputs)

    def forward(
        self, x: Tensor, cont: Tensor, static: Tensor | None = None, states: Sequence[Tensor] = ()
    ) -> tuple[Tensor, ...]:
        inputs = self.input(x.flatten(2))
        if self.static is not None and static is not None:
            inputs = inputs + self.static(static.flatten(1))
        hidden = states[0][0] if states else x.new_zeros(x.shape[1], self.hidden.in_features)
        outputs = []
        for step, goes_on in zip(inputs, cont[..., None], strict=True):
            hidden = torch.tanh(step + self.hidden(hidden * goes_on))
            outputs.append(torch.tanh(self.output(hidden)))
        return torch.stack(outputs), hidden[None]
