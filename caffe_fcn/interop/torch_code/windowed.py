"""Layers that slide a window: Convolution, Deconvolution, Pooling, SPP, Im2col."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.interop.torch_code.names import write_sizes
from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.layer_types import pooling_windows, windows
from caffe_fcn.net.layer_types.windows import rounds_down
from caffe_fcn.proto.schema import PoolingParameter

_MOST_AXES = 3  # that torch slides over
_METHODS = ("MAX", "AVE")


def write_convolution(place: Place) -> list[str]:
    """Weights are in torch's order already."""
    outputs, inputs = place.params[0].shape[0], place.params[0].shape[1]
    channels = place.shape[place.site.axis(place.param.axis)]
    return _slide(place, "Conv", channels, outputs, channels // inputs)


def write_deconvolution(place: Place) -> list[str]:
    """ConvTranspose with the same windows and groups."""
    channels, outputs = place.params[0].shape[0], place.params[0].shape[1]
    return _slide(place, "ConvTranspose", channels, outputs * place.param.group, place.param.group)


def _slide(place: Place, module: str, inputs: int, outputs: int, group: int) -> list[str]:
    axis = place.site.axis(place.param.axis)
    axes = place.rank - axis - 1
    if not 1 <= axes <= _MOST_AXES:
        place.fail(f"slides over {axes} axes", f"torch slides over 1 to {_MOST_AXES}")
    declared = windows(place.layer)
    sliding = declared * axes if len(declared) == 1 else declared
    settings = [str(inputs), str(outputs), f"kernel_size={write_sizes(each.kernel for each in sliding)}"]
    for name, values, usual in (
        ("stride", [each.stride for each in sliding], 1),
        ("padding", [each.pad for each in sliding], 0),
        ("dilation", [each.dilation for each in sliding], 1),
        ("groups", [group], 1),
    ):
        if set(values) != {usual}:
            settings.append(f"{name}={write_sizes(values)}")
    if len(place.params) == 1:
        settings.append("bias=False")
    arrays = dict(zip(("weight", "bias"), place.params, strict=False))
    made = place.add_module(f"nn.{module}{axes}d({', '.join(settings)})", arrays)
    return [_call(made, bottom, axis) for bottom in place.bottoms]


def _call(module: str, x: str, axis: int) -> str:
    """The module on a blob whose channels are this axis: those before it are a batch."""
    if axis == 0:
        return f"{module}({x}[None])[0]"
    if axis == 1:
        return f"{module}({x})"
    return f"{module}({x}.flatten(0, {axis - 1})).unflatten(0, {x}.shape[:{axis}])"


def write_windows(place: Place) -> list[str]:
    """Each window as a column."""
    declared = windows(place.layer)
    sliding = declared * 2 if len(declared) == 1 else declared
    settings = (tuple(getattr(each, name) for each in sliding) for name in ("kernel", "dilation", "pad", "stride"))
    return [place.call("write_windows", place.bottom, *settings)]


def write_pooling(place: Place) -> list[str]:
    """The maximum or the average of each window; a second top holds the positions of the maxima."""
    method = _find_method(place)
    sliding = pooling_windows(place.layer)
    if not sliding:
        if len(place.tops) > 1:
            whole = (f"tuple({place.bottom}.shape[2:])", (1, 1), (0, 0))
            return place.take_parts(place.call("max_pool_places", place.bottom, *whole))
        return [f"torch.{'amax' if method == 'MAX' else 'mean'}({place.bottom}, dim=(2, 3), keepdim=True)"]
    floor = rounds_down(place.param)
    if _torch_has_same_windows(sliding):
        return _pool_by_module(place, method, sliding, floor)
    settings = [tuple(getattr(each, name) for each in sliding) for name in ("kernel", "stride", "pad")]
    if len(place.tops) > 1:
        called = place.call("max_pool_places", place.bottom, *settings, *["round_up=False"] * floor)
        return place.take_parts(called)
    block = "max_pool" if method == "MAX" else "average_pool"
    return [place.call(block, place.bottom, *settings, *["round_up=False"] * floor)]


def _pool_by_module(place: Place, method: str, sliding: Sequence[Window], floor: bool) -> list[str]:
    settings = [f"{name}={write_sizes(getattr(each, field) for each in sliding)}" for name, field in _POOLING]
    if not any(each.pad for each in sliding):
        settings.pop()
    settings += ["ceil_mode=True"] * (not floor) + ["return_indices=True"] * (len(place.tops) > 1)
    module = place.add_module(f"nn.{'Max' if method == 'MAX' else 'Avg'}Pool2d({', '.join(settings)})")
    pooled = f"{module}({place.bottom})"
    if len(place.tops) == 1:
        return [pooled]
    values, places = place.take_parts(pooled)
    return [values, f"{places}.to({place.bottom}.dtype)"]


_POOLING = (("kernel_size", "kernel"), ("stride", "stride"), ("padding", "pad"))


def _torch_has_same_windows(sliding: Sequence[Window]) -> bool:
    """Whether torch's poolings have Caffe's windows at any size.

    Torch takes pads up to half a kernel, and drops windows that begin behind the image; Caffe drops them only where
    there is padding, and without padding there is none as long as no stride is larger than its kernel.
    """
    fits = all(2 * each.pad <= each.kernel for each in sliding)
    return fits and (any(each.pad for each in sliding) or all(each.stride <= each.kernel for each in sliding))


def write_pyramid(place: Place) -> list[str]:
    """A pyramid of poolings as one vector."""
    average = _find_method(place) == "AVE"
    return [place.call("pool_pyramid", place.bottom, place.param.pyramid_height, f"average={average}")]


def _find_method(place: Place) -> str:
    name: str = PoolingParameter.PoolMethod.Name(place.param.pool)
    if name not in _METHODS or (name == "AVE" and len(place.tops) > 1):
        place.fail(f"pools by {name}", f"a module pools by {' or '.join(_METHODS)}, and MAX alone gives positions")
    return name


WRITERS: dict[str, Writer] = {
    "Convolution": write_convolution,
    "ConvolutionDepthwise": write_convolution,
    "Deconvolution": write_deconvolution,
    "DepthwiseConvolution": write_convolution,
    "Im2col": write_windows,
    "Pooling": write_pooling,
    "SPP": write_pyramid,
}
