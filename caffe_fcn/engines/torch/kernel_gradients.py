"""The gradient of a convolution for its kernels, by oneDNN or as products of matrices.

oneDNN computes it in 60 to 75 % of the time if it gets a few lines of a large image at a time, which stay in the
processor's cache: for 512 channels of 74 x 74 pixels, 75 ms in place of 105 on a Zen 5 (November 2026).

As products: a kernel's gradient at one tap is the product of the top's gradient with the bottom, moved by the tap, over
all places. Taps of one row of the kernel lie side by side, so the bottom's pixels are written out once for each column
of the kernel, a few rows of the image at a time, and that is multiplied once for each row of the kernel:

    pixels in the cache   rows x (columns of the kernel, channels)
    gradient of row i     += pixels moved by i rows, transposed, times the gradient of the top

On processors without AVX-512 products take a fifth of the time of oneDNN's own gradient (`products` measures it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_CACHED = 16 << 20  # bytes of what is multiplied at a time, which stay in the processor's cache
_PART = 8 << 20  # bytes of a part for oneDNN: with 3 MB or 19 it takes up to a fifth longer


def exceeds_cache(x: Tensor, values: int) -> bool:
    """Whether a bottom and the gradient of a top with so many values are too much for one part."""
    return (x.numel() + values) * x.element_size() > _PART


def add_up_kernel_gradient(
    x: Tensor, gradient: Tensor, kernels: Tensor, pad: Sequence[int], dilation: Sequence[int], group: int
) -> Tensor:
    """What `compute_kernel_gradient` computes, by oneDNN, as the sum over parts of the images."""
    parts = _compute_parts(x, gradient, kernels, pad, dilation, group)
    total = next(parts)
    for part in parts:
        total.add_(part)
    return total


def _compute_parts(
    x: Tensor, gradient: Tensor, kernels: Tensor, pad: Sequence[int], dilation: Sequence[int], group: int
) -> Iterator[Tensor]:
    """The gradients of some lines of an image each, or of whole images if several fit into the cache."""
    count, _, height, _ = gradient.shape
    size = (x[0, :, 0].numel() + gradient[0, :, 0].numel()) * x.element_size()
    lines = _count_lines(size, height, _PART)
    images = max(1, _PART // (size * height)) if lines == height else 1
    extent = (kernels.shape[2] - 1) * dilation[0] + 1
    wanted = (False, True, False)
    for number in range(0, count, images):
        for begin in range(0, height, lines):
            end = min(begin + lines, height)
            read = _cut_lines(x[number : number + images], begin - pad[0], end - pad[0] + extent - 1)
            if read.shape[2]:
                made = gradient[number : number + images, :, begin:end]
                steps = ((1, 1), (0, pad[1]), dilation)
                yield torch.ops.aten.convolution_backward(
                    made, read, kernels, None, *steps, False, (0, 0), group, wanted
                )[1]


def _cut_lines(x: Tensor, first: int, last: int) -> Tensor:
    """The lines of images from ``first`` to before ``last``, with zeros outside; none if no image has any of them."""
    height = x.shape[2]
    if last <= 0 or first >= height:
        return x[:, :, :0]
    above, below = max(0, -first), max(0, last - height)
    lines = x[:, :, first + above : last - below]
    return F.pad(lines, (0, 0, above, below)) if above or below else lines


def compute_kernel_gradient(
    x: Tensor, gradient: Tensor, shape: Sequence[int], pad: Sequence[int], dilation: Sequence[int], group: int
) -> Tensor:
    """The gradient for kernels of a ``shape`` (outputs x channels / group x height x width), at a stride of 1.

    ``x`` is the bottom, ``gradient`` that of the top: N x C x H x W each, best with channels last.
    """
    outputs, channels, rows_of_kernel, columns_of_kernel = shape
    images = x.permute(0, 2, 3, 1).unflatten(3, (group, channels)).permute(0, 3, 1, 2, 4)
    gradients = gradient.permute(0, 2, 3, 1).contiguous()
    count, height, width, _ = gradients.shape
    result = x.new_zeros(group, rows_of_kernel, columns_of_kernel * channels, outputs // group)
    lines = _count_lines(width * (columns_of_kernel * channels * group + outputs) * x.element_size(), height)
    more = (rows_of_kernel - 1) * dilation[0]
    pixels = x.new_zeros(group, lines + more, width, columns_of_kernel, channels)
    for number in range(count):
        for begin in range(0, height, lines):
            end = min(begin + lines, height)
            _write_pixels(pixels[:, : end - begin + more], images[number], begin - pad[0], pad[1], dilation[1])
            taken = gradients[number, begin:end].view(-1, group, outputs // group)
            for part in range(group):
                for row in range(rows_of_kernel):
                    start = row * dilation[0]
                    moved = pixels[part, start : start + end - begin].view(-1, columns_of_kernel * channels)
                    result[part, row].addmm_(moved.t(), taken[:, part])
    by_tap = result.view(group, rows_of_kernel, columns_of_kernel, channels, outputs // group)
    return by_tap.permute(0, 4, 3, 1, 2).reshape(tuple(shape))


def _count_lines(size: int, height: int, most: int = _CACHED) -> int:
    """How many lines of an image are taken at a time, of ``size`` bytes each, so that they have ``most`` bytes."""
    times = max(1, -(-height * size // most))
    return -(-height // times)


def _write_pixels(pixels: Tensor, image: Tensor, first: int, pad: int, step: int) -> None:
    """Write an image's lines from ``first`` on, for each column of the kernel; outside the image there are zeros.

    ``pixels`` is groups x lines x width x columns x channels. Its columns outside the image must be zero already.
    """
    (height, width), lines = image.shape[1:3], pixels.shape[1]
    above, below = max(0, -first), max(0, first + lines - height)
    pixels[:, :above] = 0
    pixels[:, lines - below :] = 0
    for column in range(pixels.shape[3]):
        offset = column * step - pad
        left, right = max(0, -offset), min(pixels.shape[2], width - offset)
        if left < right and above < lines - below:
            part = image[:, first + above : first + lines - below, left + offset : right + offset]
            pixels[:, above : lines - below, left:right, column] = part
