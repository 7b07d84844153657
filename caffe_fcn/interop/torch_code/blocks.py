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


def max_pool_places(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...], round_up: bool = True
) -> tuple[Tensor, Tensor]:
    """The maximum of each of Caffe's windows, and its place in the image, row by row; -1 for an empty window."""
    edges, lowest = find_edges(x, kernel, stride, pad, round_up), torch.finfo(x.dtype).min
    padded = F.pad(x, edges, value=lowest)
    y, places = F.max_pool2d(padded, kernel, stride, return_indices=True)
    inside = (places // padded.shape[3] - edges[2]) * x.shape[3] + places % padded.shape[3] - edges[0]
    return y, torch.where(y > lowest, inside, -1).to(x.dtype)


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


def divide_by_own_norm(x: Tensor, absolute: bool) -> tuple[Tensor, Tensor]:
    """Divided by the norm of each place's channels, and the norm (NormFace's Normalize)."""
    sums = (x.abs() if absolute else x.square()).sum(1, keepdim=True) + 1e-6
    norm = sums if absolute else sums.sqrt()
    return x / norm, norm


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


def unpool_to_starts(x: Tensor, stride: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Images of zeros with each value at the first place of its window, inside of the image (Unpooling)."""
    rows, columns = (
        (torch.arange(count, device=x.device) * step).clamp(max=made - 1)
        for count, step, made in zip(x.shape[2:], stride, size, strict=True)
    )
    return unpool(x, (rows[:, None] * size[1] + columns).expand(x.shape), size)


def spread(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], size: tuple[int, int], share: bool) -> Tensor:
    """Images with each value at all places of its window, whole or divided by their number (Unpooling)."""
    covers = []
    for axis in (0, 1):
        starts = torch.arange(x.shape[axis + 2], device=x.device) * stride[axis]
        places = torch.arange(size[axis], device=x.device)[:, None]
        covers.append(((places >= starts) & (places < starts + kernel[axis])).to(x.dtype))
    rows, columns = covers
    if share:
        x = x / (rows.sum(0)[:, None] * columns.sum(0)).clamp(min=1)
    return rows @ x @ columns.T


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


def make_priors(
    x: Tensor,
    image: Tensor,
    sizes: Sequence[tuple[float, float]],
    variances: Sequence[float],
    offset: float,
    clip: bool,
    side: tuple[float, float] | None = None,
    step: tuple[float, float] | None = None,
) -> Tensor:
    """Boxes of each width and height at every place of x, as shares of the image; and their variances (PriorBox)."""
    height, width = side or image.shape[2:]
    rows, columns = (
        (torch.arange(count, dtype=torch.float64, device=x.device) + offset) * between
        for count, between in zip(x.shape[2:], step or (height / x.shape[2], width / x.shape[3]), strict=True)
    )
    centres = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), 2).repeat(1, 1, 2)[:, :, None]
    corners = torch.tensor([(-w / 2, -h / 2, w / 2, h / 2) for w, h in sizes]).to(centres)
    boxes = (centres + corners) / torch.tensor([width, height, width, height]).to(centres)
    boxes = boxes.clamp(0, 1) if clip else boxes
    spread = torch.tensor(variances).to(centres).expand(boxes.shape)
    return torch.stack([boxes.flatten(), spread.flatten()])[None].to(x.dtype)


def decode_boxes(priors: Tensor, offsets: Tensor, code: str) -> Tensor:
    """The boxes at offsets from prior boxes."""
    if code == "CORNER":
        return priors + offsets
    size = priors[..., 2:] - priors[..., :2]
    if code == "CORNER_SIZE":
        return priors + offsets * torch.cat([size, size], -1)
    centre = (priors[..., :2] + priors[..., 2:]) / 2 + offsets[..., :2] * size
    half = offsets[..., 2:].exp() * size / 2
    return torch.cat([centre - half, centre + half], -1)


def suppress(boxes: Tensor, threshold: float, eta: float = 1.0, most: int | None = None) -> list[int]:
    """Which of boxes, the best first, overlap no better one that is kept by more than a threshold.

    ``eta`` below 1 lowers a threshold above 0.5 by this factor with each box that is kept.
    """
    kept: list[int] = []
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    closest = torch.zeros_like(areas)
    for index, box in enumerate(boxes):
        if closest[index] > threshold:
            continue
        kept.append(index)
        if len(kept) == most:
            break
        low, high = torch.maximum(boxes[:, :2], box[:2]), torch.minimum(boxes[:, 2:], box[2:])
        common = (high - low).clamp(min=0).prod(1)
        share = torch.where(common > 0, common / (areas + areas[index] - common), 0)
        closest = torch.maximum(closest, share)
        if eta < 1 and threshold > 0.5:
            threshold *= eta
    return kept


def list_detections(rows: Tensor, images: int) -> Tensor:
    """The blob of rows of image, class, score, box; where there is none, a row of -1 for each image."""
    if not len(rows):
        rows = rows.new_full((images, 7), -1.0)
        rows[:, 0] = torch.arange(images)
    return rows[None, None]


class DetectionOutput(nn.Module):
    """Decodes offsets from prior boxes, and keeps the best boxes of each class: rows of image, class, score, box."""

    def __init__(
        self,
        classes: int,
        code: str,
        nms: float,
        eta: float = 1.0,
        top_k: int | None = None,
        keep: int | None = None,
        threshold: float = float("-inf"),
        background: int = 0,
        objectness: float = 0.0,
        share_location: bool = True,
        variance_in_target: bool = False,
    ) -> None:
        super().__init__()
        self.classes, self.code, self.background = classes, code, background
        self.nms, self.eta, self.top_k, self.keep, self.threshold = nms, eta, top_k, keep, threshold
        self.objectness, self.kinds = objectness, 1 if share_location else classes
        self.variance_in_target = variance_in_target

    def forward(
        self,
        offsets: Tensor,
        scores: Tensor,
        priors: Tensor,
        likely: Tensor | None = None,
        moves: Tensor | None = None,
    ) -> Tensor:
        images = len(scores)
        places, variances = priors.reshape(2, -1, 4)
        variances = torch.ones_like(variances) if self.variance_in_target else variances
        scores = scores.reshape(images, len(places), -1)
        if likely is not None:  # whether there is anything at all
            scores = scores * (likely.reshape(images, -1, 2)[..., 1:] >= self.objectness)
        if moves is not None:
            places = decode_boxes(places, moves.reshape(images, -1, 4) * variances, self.code)
        offsets = offsets.reshape(images, -1, self.kinds, 4) * variances[:, None]
        boxes = decode_boxes(places[..., None, :], offsets, self.code)
        rows = [self.choose(image, *own) for image, own in enumerate(zip(boxes, scores, strict=True))]
        return list_detections(torch.cat(rows), images)

    def choose(self, image: int, boxes: Tensor, scores: Tensor) -> Tensor:
        found = []
        for label in range(self.classes):
            if label != self.background:
                own = boxes[:, min(label, self.kinds - 1)]
                values, order = scores[:, label].sort(descending=True, stable=True)
                order = order[values > self.threshold][: self.top_k]
                kept = order[suppress(own[order], self.nms, self.eta)]
                numbers = own.new_tensor([image, label]).expand(len(kept), 2)
                found.append(torch.cat([numbers, scores[kept, label, None], own[kept]], 1))
        rows = torch.cat(found)
        best = rows[:, 2].argsort(descending=True, stable=True)[: self.keep]
        return rows[best.sort().values]


class YoloDetectionOutput(nn.Module):
    """The likely boxes of all cells, of which overlapping ones are left out; they count as those of the first image.

    The anchors of each blob are width and height; of a blob's scale of them a cell has one side. A box counts once
    with its best class (``softmax``), or for each likely class.
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[tuple[float, float]]],
        scales: Sequence[float],
        threshold: float,
        nms: float,
        softmax: bool,
    ) -> None:
        super().__init__()
        self.anchors, self.scales, self.softmax = anchors, scales, softmax
        self.threshold, self.nms = threshold, nms

    def forward(self, *blobs: Tensor) -> Tensor:
        parts = [self.find_boxes(*each) for each in zip(blobs, self.anchors, self.scales, strict=True)]
        boxes, labels, scores = (torch.cat(each) for each in zip(*parts, strict=True))
        scores, order = scores.sort(descending=True, stable=True)
        centre, size = boxes[order].chunk(2, 1)
        corners = torch.cat([centre - size / 2, centre + size / 2], 1)
        below = torch.nextafter(scores.new_tensor(self.nms), scores.new_tensor(0.0))  # a box at it is left out
        numbers = torch.stack([torch.zeros_like(scores), labels[order] + 1, scores], 1)
        rows = torch.cat([numbers, corners], 1)
        return list_detections(rows[suppress(corners, below.item())], len(blobs[0]))

    def find_boxes(
        self, x: Tensor, anchors: Sequence[tuple[float, float]], scale: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        side = x.shape[2]
        cells = x.reshape(len(x), len(anchors), -1, side, side).permute(0, 3, 4, 1, 2)
        steps = torch.arange(side, device=x.device)
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), 2)[:, :, None]
        centre = (cells[..., :2].sigmoid() + grid) / side
        size = cells[..., 2:4].exp() * x.new_tensor(anchors) / (side * scale)
        shares = cells[..., 5:].softmax(-1) if self.softmax else cells[..., 5:].sigmoid()
        scores = cells[..., 4:5].sigmoid() * shares
        if self.softmax:
            best = cells[..., 5:].argmax(-1, keepdim=True)
            likely = scores.gather(-1, best) >= self.threshold
            marks = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, likely)
        else:
            marks = scores > self.threshold
        *places, labels = marks.nonzero(as_tuple=True)
        return torch.cat([centre, size], -1)[tuple(places)], labels, scores[marks]


class Proposal(nn.Module):
    """The best boxes around anchors, as rows of image and corners; and their scores."""

    def __init__(
        self,
        anchors: Sequence[tuple[float, float, float, float]],
        stride: int,
        min_size: float,
        nms: float,
        before: int,
        after: int,
    ) -> None:
        super().__init__()
        self.anchors, self.stride, self.min_size = anchors, stride, min_size
        self.nms, self.before, self.after = nms, before, after

    def forward(self, scores: Tensor, offsets: Tensor, info: Tensor) -> tuple[Tensor, Tensor]:
        count, _, rows, columns = scores.shape
        y, x = (torch.arange(size, device=scores.device) * self.stride for size in (rows, columns))
        shifts = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2).repeat(1, 1, 2)[:, :, None]
        edge = scores.new_tensor([0, 0, 1, 1])  # the last row and column of pixels count
        anchors = (shifts + scores.new_tensor(self.anchors)).reshape(-1, 4) + edge
        boxes = decode_boxes(anchors, offsets.permute(0, 2, 3, 1).reshape(count, -1, 4), "CENTER_SIZE")
        height, width, *scales = info.flatten()[:4]
        boxes = torch.minimum(boxes.clamp(min=0), torch.stack([width, height, width, height]) - 1)
        least = self.min_size * (torch.stack([scales[-1], scales[0]]) if scales else torch.ones_like(info[:1]))
        large = (boxes[..., 2:] - boxes[..., :2] + 1 >= least).all(-1)
        likely = scores[:, len(self.anchors) :].permute(0, 2, 3, 1).flatten(1) * large
        regions, found = [], []
        for image, (own, values) in enumerate(zip(boxes, likely, strict=True)):
            order = values.argsort(descending=True, stable=True)[: self.before]
            kept = order[suppress(own[order] + edge, self.nms, most=self.after)]
            regions.append(F.pad(own[kept], (1, 0), value=image))
            found.append(values[kept, None])
        return torch.cat(regions), torch.cat(found)


def round_away(x: Tensor) -> Tensor:
    """The nearest whole number; of two the one farther from zero."""
    whole = x.abs().floor()
    return x.sign() * (whole + (x.abs() - whole >= 0.5))


def pool_regions(x: Tensor, regions: Tensor, size: tuple[int, int], scale: float) -> Tensor:
    """The maximum of each bin of regions (image, x1, y1, x2, y2), and zero where a bin is empty (ROIPooling).

    Tables have the maxima of 1, 2, 4, ... rows and columns from each place on. A bin is covered by four such blocks.
    """
    corners = round_away(regions[:, 1:] * scale)
    begins, ends, levels, table = [], [], [], x[None]
    for axis in (0, 1):
        begin, end = corners[:, 1 - axis, None], corners[:, 3 - axis, None]
        index, step = torch.arange(size[axis], device=x.device), (end - begin + 1).clamp(min=1) / size[axis]
        extent = x.shape[axis + 2]
        begins.append((begin + (index * step).floor()).clamp(0, extent).long())
        ends.append((begin + ((index + 1) * step).ceil()).clamp(0, extent).long())
        reaches = [2**level for level in range(extent.bit_length() - 1)]
        levels.append(sum(((ends[axis] - begins[axis]) >= 2 * reach).long() for reach in reaches) + 0 * begins[axis])
        blocks = [table]
        for reach in reaches:
            blocks.append(torch.maximum(blocks[-1], blocks[-1].roll(-reach, axis - 2)))
        table = torch.stack(blocks)
    images = regions[:, 0].long()[:, None, None]
    sides = []
    for axis, whole in ((0, (..., None)), (1, (slice(None), None))):
        last = (ends[axis] - 2 ** levels[axis]).clamp(min=0)
        first = begins[axis].clamp(max=x.shape[axis + 2] - 1)
        sides.append([(levels[axis][whole], start[whole]) for start in (first, last)])
    found = [
        table[column_level, row_level, 0, images, :, row, column]
        for row_level, row in sides[0]
        for column_level, column in sides[1]
    ]
    full = (ends[0] > begins[0])[..., None] & (ends[1] > begins[1])[:, None]
    return torch.where(full[..., None], torch.stack(found).amax(0), 0).permute(0, 3, 1, 2)


def average_bins(starts: Tensor, sizes: Tensor, bins: int, extent: int) -> Tensor:
    """Weights (regions x bins x extent) with which a product averages over bins; zeros for an empty one."""
    index, step = torch.arange(bins, device=starts.device), (sizes / bins)[:, None]
    begins = (index * step + starts[:, None]).floor().clamp(0, extent)[..., None]
    ends = ((index + 1) * step + starts[:, None]).ceil().clamp(0, extent)[..., None]
    places = torch.arange(extent, device=starts.device)
    return ((places >= begins) & (places < ends)) / (ends - begins).clamp(min=1)


def average_regions(x: Tensor, regions: Tensor, outputs: int, group: int, scale: float) -> Tensor:
    """The average of each bin of regions over channels of the bin's own (PSROIPooling)."""
    corners = round_away(regions[:, 1:])
    low, high = corners[:, :2] * scale, (corners[:, 2:] + 1) * scale
    rows, columns = (
        average_bins(low[:, axis], (high - low)[:, axis].clamp(min=0.1), group, x.shape[3 - axis]) for axis in (1, 0)
    )
    own = (regions[:, :1] == torch.arange(len(x), device=x.device)).to(x.dtype)
    parts = x.reshape(len(x), outputs, group, group, *x.shape[2:])
    return torch.einsum("rih,rn,rjw,ndijhw->rdij", rows, own, columns, parts)


def sample_bins(starts: Tensor, sizes: Tensor, bins: int, extent: int, samples: int) -> Tensor:
    """Weights (regions x bins x extent) with which a product averages over bilinear samples of bins.

    A sample more than one place outside the feature map counts as zero, a nearer one as the border.
    """
    step = (sizes / bins)[:, None, None]
    counts = torch.full_like(step, samples) if samples else step.ceil()
    begins = starts[:, None, None] + torch.arange(bins, device=starts.device)[:, None] * step
    most = samples or 2 * extent + 4  # which lie in the map: two of them are at least half a place apart
    first = torch.zeros_like(begins) if samples else ((-1 - begins) * counts / step - 1).floor().clamp(min=0)
    index = first + torch.arange(most, device=starts.device)
    places = begins + (index + 0.5) * step / counts
    counted = (index < counts) & (places >= -1) & (places <= extent)
    places = places.clamp(0, extent - 1)[..., None]
    near = (1 - (places - torch.arange(extent, device=starts.device)).abs()).clamp(min=0)
    return (near * counted[..., None]).sum(2) / counts


def align_regions(x: Tensor, regions: Tensor, size: tuple[int, int], scale: float, samples: int) -> Tensor:
    """The average of bilinear samples in each bin of regions (ROIAlign)."""
    corners = regions[:, 1:] * scale
    sides = (corners[:, 2:] - corners[:, :2]).clamp(min=1)
    rows, columns = (
        sample_bins(corners[:, axis], sides[:, axis], size[1 - axis], x.shape[3 - axis], samples) for axis in (1, 0)
    )
    own = (regions[:, :1] == torch.arange(len(x), device=x.device)).to(x.dtype)
    return torch.einsum("rih,rn,rjw,nchw->rcij", rows, own, columns, x)
