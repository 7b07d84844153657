"""Layers that multiply by a matrix, normalize, reduce or choose: InnerProduct, LRN, BatchNorm, Softmax, ArgMax, ..."""

from __future__ import annotations

from caffe_fcn.interop.torch_code.names import write_number
from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.interop.torch_code.pointwise import multiply
from caffe_fcn.net.layer_types.pointwise import keeps_means
from caffe_fcn.proto.schema import ReductionParameter
from caffe_fcn.weights.tensors import Tensor, from_array


def write_inner_product(place: Place) -> list[str]:
    """Linear, on the axes from ``axis`` made one."""
    axis = place.site.axis(place.param.axis)
    weights, *bias = place.params
    if place.param.transpose:
        weights = from_array(weights.load().T)
    outputs, inputs = weights.shape
    settings = [str(inputs), str(outputs), *["bias=False"] * (not bias)]
    module = place.add_module(
        f"nn.Linear({', '.join(settings)})", {"weight": weights, **({"bias": bias[0]} if bias else {})}
    )
    flat = place.bottom if axis == place.rank - 1 else f"{place.bottom}.flatten({axis})"
    return [f"{module}({flat})"]


def write_embed(place: Place) -> list[str]:
    """Rows of the weights by their numbers."""
    weights, *bias = place.params
    count, outputs = weights.shape
    rows = f"{place.add_module(f'nn.Embedding({count}, {outputs})', {'weight': weights})}({place.bottom}.long())"
    return [f"{rows} + {place.add_parameter(bias[0], bias[0].shape)}" if bias else rows]


def write_lrn(place: Place) -> list[str]:
    """Across channels as torch has it; within channels by an average of squares."""
    p = place.param
    alpha, beta, k = map(write_number, (p.alpha, p.beta, p.k))
    if p.norm_region == p.WITHIN_CHANNEL:
        return [place.call("normalize_within_channel", place.bottom, p.local_size, f"alpha={alpha}", f"beta={beta}")]
    module = place.add_module(f"nn.LocalResponseNorm({p.local_size}, alpha={alpha}, beta={beta}, k={k})")
    return [f"{module}({place.bottom})"]


def write_batch_norm(place: Place) -> list[str]:
    """The statistics as a mean and a variance; of the batch itself where the layer uses no global ones."""
    import numpy as np

    p = place.param
    total, squares, weight, *own = place.params
    eps = max(p.eps, _LEAST_EPS) if keeps_means(place.layer) else p.eps
    if p.HasField("use_global_stats") and not p.use_global_stats:
        return normalize_channels(place, eps, own)
    (divisor,) = np.asarray(weight.load(), np.float32).reshape(-1)
    scale = np.float32(0 if divisor == 0 else 1 / divisor)
    mean, variance = (from_array(np.asarray(each.load(), np.float32) * scale) for each in (total, squares))
    return normalize_channels(place, eps, own, [mean, variance])


_LEAST_EPS = 1e-5  # of NVIDIA's fork


def normalize_channels(place: Place, eps: float, own: list[Tensor], kept: list[Tensor] | None = None) -> list[str]:
    """BatchNorm with statistics that are kept, or those of the batch, and with a factor and a shift or without."""
    channels = place.params[0].count
    axes = max(place.rank - 2, 1)
    settings = [str(channels), f"eps={write_number(eps)}", *["affine=False"] * (not own)]
    if kept is None:
        settings.append("track_running_stats=False")
    named = zip(
        ("weight", "bias", "running_mean", "running_var"), [*(own or (None, None)), *(kept or ())], strict=False
    )
    arrays = {name: tensor.reshaped((channels,)) for name, tensor in named if tensor is not None}
    module = place.add_module(f"nn.BatchNorm{axes}d({', '.join(settings)})", arrays)
    return [f"{module}({place.bottom}[:, None])[:, 0]" if place.rank == 1 else f"{module}({place.bottom})"]


def write_mvn(place: Place) -> list[str]:
    """The mean subtracted, and divided by the deviation and eps."""
    p, x = place.param, place.bottom
    axes = tuple(range(1 if p.across_channels or place.rank < 2 else 2, place.rank))
    if not axes:  # each value is its own mean
        return [f"{x} - {x}"]
    if not p.normalize_variance:
        return [f"{x} - {x}.mean({axes}, keepdim=True)"]
    return [place.call("normalize", x, axes, f"eps={write_number(p.eps)}")]


def write_softmax(place: Place) -> list[str]:
    """Exponentials, divided by their sum over ``axis``."""
    return [f"torch.softmax({place.bottom}, dim={place.site.axis(place.param.axis)})"]


def write_reduction(place: Place) -> list[str]:
    """The sum, mean, ... over all axes from ``axis``, times ``coeff``."""
    reduce = _REDUCTIONS[ReductionParameter.ReductionOp.Name(place.param.operation)]
    flat = f"{place.bottom}.flatten({place.site.axis(place.param.axis)})"
    return [multiply(flat + reduce, place.param.coeff)]


_REDUCTIONS = {"SUM": ".sum(-1)", "ASUM": ".abs().sum(-1)", "SUMSQ": ".square().sum(-1)", "MEAN": ".mean(-1)"}


def write_argmax(place: Place) -> list[str]:
    """The positions of the largest values, and perhaps the values."""
    p = place.param
    if p.HasField("axis"):
        found = place.call("find_largest", place.bottom, f"count={p.top_k}", f"axis={place.site.axis(p.axis)}")
        return [f"{found}[{int(p.out_max_val)}]"]
    found = place.call("find_largest", f"{place.bottom}.flatten(1)", f"count={p.top_k}", "axis=1")
    both = f"torch.stack({found}, dim=1)" if p.out_max_val else f"{found}[0][:, None]"
    return [both + (f"[..., {', '.join(['None'] * (place.rank - 3))}]" if place.rank > 3 else "")]


WRITERS: dict[str, Writer] = {
    "ArgMax": write_argmax,
    "BatchNorm": write_batch_norm,
    "Embed": write_embed,
    "InnerProduct": write_inner_product,
    "LRN": write_lrn,
    "MVN": write_mvn,
    "Reduction": write_reduction,
    "Softmax": write_softmax,
}
