"""Nets of Caffe's forks in what BVLC's Caffe has, weights along.

    converted = to_bvlc(read_net("pspnet.prototxt"))
    converted.net                                           # a NetParameter that BVLC's Caffe reads
    converted.write_weights("pspnet.caffemodel", "bvlc.caffemodel")

Each layer becomes one or several that compute the same, by the rule of its type in ``_RULES``. What has no such form
is refused, with the layer and the field: nothing is approximated. Fields that only say how a fork computes (its engine,
the precision of a pass) are left out, and named.

An Interp of aligned corners whose scale is p/q is a Deconvolution of stride p, whose kernel of 2p - 1 interpolates, and
then a 1x1 Convolution of stride q, which takes every q-th value. Caffe's bilinear filler makes that kernel where p is
odd and alike for both axes. Elsewhere the Deconvolution repeats each value p times, and a Pooling of stride q takes the
means of p: the kernel of 2p - 1 is that of a box of p twice. So no converted net needs weights to interpolate.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import CaffeFcnError, NetError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import PHASES
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.net.layer_types.pointwise import bn_eps, bn_kind, scales_and_shifts
from caffe_fcn.net.layer_types.windows import rounds_down
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import copy_message, with_layers
from caffe_fcn.proto.dialects.table import PRIVATE, is_bvlcs_type
from caffe_fcn.proto.kept_fields import NAME, kept_name
from caffe_fcn.proto.schema import Message
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer
from caffe_fcn.weights.tensors import from_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays: TypeAlias = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Form:
    """What a layer becomes: layers, and for each of them its parameters out of the old layer's (arrays).

    Without ``parameters`` the first layer has the old layer's, as they are.
    """

    layers: list[LayerParameter]
    parameters: Callable[[Arrays], list[list[NDArray[Any]]]] | None = None


@dataclass
class Converted:
    """A net that BVLC's Caffe reads, how its parameters follow from those of the net before, and what to know of it."""

    net: NetParameter
    notes: list[str] = field(default_factory=list)
    _forms: list[tuple[str, Form]] = field(default_factory=list)

    def write_weights(self, source: PathLike, target: PathLike) -> None:
        """Write the weights of the net before, in the form of this net. Raises `WeightsError`."""
        with open_weights(source) as weights:
            save_weights(target, self.convert(weights.layers), with_layers(self.net, []).SerializeToString())

    def convert(self, before: Iterable[Layer]) -> list[Layer]:
        """The layers of this net with parameters, out of those of the net before. Raises `WeightsError`."""
        had = {layer.name: layer.tensors for layer in before}
        layers = []
        for name, form in self._forms:
            tensors = had.get(name, ())
            made = [tensors]
            if form.parameters is not None and (tensors or _needs_none(form)):
                arrays = form.parameters([tensor.load() for tensor in tensors])
                made = [tuple(map(from_array, each)) for each in arrays]
            made += [()] * (len(form.layers) - len(made))
            layers += [
                Layer(layer.name, own, layer.type, layer.SerializeToString())
                for layer, own in zip(form.layers, made, strict=True)
            ]
        return layers


def _needs_none(form: Form) -> bool:
    return form.layers[0].type == "Deconvolution"


def to_bvlc(net: NetParameter, size: tuple[int, int] | None = None, types: Container[str] | None = None) -> Converted:
    """Convert ``net``, all its phases; ``size`` is the image's, where the net does not say it.

    With ``types``, only the layers of these types are converted, and all others stay.

    Raises `NetError` that names the first layer, type and field that BVLC's Caffe cannot express, and how many more.
    """
    places = _Places(net, size)
    result = Converted(with_layers(net, []))
    refused: list[NetError] = []
    used = {layer.name for layer in net.layer}
    for layer in net.layer:
        if types is not None and layer.type not in types:
            result.net.layer.append(layer)
            result._forms.append((layer.name, Form([layer])))
            continue
        try:
            form = _convert(layer, places)
            for made in form.layers:
                if made.name != layer.name and made.name in used:
                    raise NetError(f"layer '{made.name}'", f"has the name of what '{layer.name}' becomes", "rename it")
                result.notes += _drop_harmless(made, f"layer '{made.name}' ({made.type})")
        except NetError as error:
            refused.append(error)
            continue
        result.net.layer.extend(form.layers)
        result._forms.append((layer.name, form))
    try:
        result.notes += _drop_harmless(result.net, "net") if types is None else []
    except NetError as error:
        refused.append(error)
    if refused:
        first = refused[0]
        others = ", ".join(dict.fromkeys(error.where for error in refused[1:6]))
        more = f"; so are {len(refused) - 1} more: {others}{' ...' if len(refused) > 6 else ''}" if others else ""
        raise NetError(first.where, f"{first.what}{more}", first.mend)
    return result


def _convert(layer: LayerParameter, places: _Places) -> Form:
    rule = _RULES.get(layer.type)
    if rule is not None:
        return rule(layer, places)
    if not is_bvlcs_type(layer.type):
        raise NetError(f"layer '{layer.name}' ({layer.type})", "is of a type that BVLC's Caffe cannot express", _MEND)
    return Form([copy_message(layer)])


_MEND = "run the net in the fork that has it, or with the torch engine"


class _Places:
    """The shapes of what each layer reads and makes, in whichever phase has it."""

    def __init__(self, net: NetParameter, size: tuple[int, int] | None) -> None:
        self._net, self._size = net, size
        self._found: dict[tuple[str, ...], tuple[list[Shape], list[Shape]]] | None = None
        self._why = "it is in no phase of the net"

    def shapes(self, layer: LayerParameter) -> tuple[list[Shape], list[Shape]]:
        """The shapes of the layer's bottoms and tops; raises `NetError` where they cannot be inferred."""
        if self._found is None:
            self._found = {}
            for phase in PHASES:
                self._found |= self._look(phase)
        key = (layer.name, *layer.bottom, *layer.top)
        if key not in self._found:
            where = f"layer '{layer.name}' ({layer.type})"
            raise NetError(where, f"depends on the size of '{layer.bottom[0]}', which is not known: {self._why}", "")
        return self._found[key]

    def _look(self, phase: str) -> dict[tuple[str, ...], tuple[list[Shape], list[Shape]]]:
        try:
            shapes = infer(self._net, phase, size=self._size)
        except CaffeFcnError as error:
            self._why = str(error)
            return {}
        return {
            (layer.name, *layer.bottom, *layer.top): (
                [shapes.blobs[name] for name in layer.bottom],
                [shapes.blobs[name] for name in layer.top],
            )
            for layer in (node.layer for node in shapes.graph.nodes)
        }


# Rules


def _make(layer: LayerParameter, type_name: str, suffix: str = "", **fields: Any) -> LayerParameter:
    """A layer in the place of ``layer``, in the same phases, with the same bottoms and tops if ``fields`` has none."""
    made = LayerParameter(
        name=layer.name + suffix,
        type=type_name,
        bottom=layer.bottom,
        top=layer.top,
        include=layer.include,
        exclude=layer.exclude,
    )
    if layer.HasField("phase"):
        made.phase = layer.phase
    for name in ("bottom", "top"):
        if name in fields:
            made.ClearField(name)
            getattr(made, name).extend(fields.pop(name))
    made.MergeFrom(LayerParameter(**fields))
    return made


def _scale_behind(layer: LayerParameter, specs: Sequence[Any], fillers: tuple[Any, str, str]) -> LayerParameter:
    """A Scale, with a shift, that works in place on the top of ``layer``."""
    param, factor, shift = fillers
    scale = _make(layer, "Scale", "/scale", bottom=[layer.top[0]], top=[layer.top[0]], param=specs)
    scale.scale_param.bias_term = True
    for name, target in ((factor, scale.scale_param.filler), (shift, scale.scale_param.bias_filler)):
        if param.HasField(name):
            target.CopyFrom(getattr(param, name))
            param.ClearField(name)
    return scale


def _batch_norm(layer: LayerParameter, places: _Places) -> Form:
    """NVIDIA's and Intel's scale and shift behind the statistics become a layer."""
    first = copy_message(layer)
    if not scales_and_shifts(layer):
        for name in ("scale_bias", "use_weight_bias"):
            first.batch_norm_param.ClearField(name)
        return Form([first])
    scale = _scale_behind(layer, first.param[3:], (first.batch_norm_param, "scale_filler", "bias_filler"))
    for own in ("scale_bias", "use_weight_bias", "bias_term"):
        first.batch_norm_param.ClearField(own)
    del first.param[3:]
    return Form([first, scale], lambda arrays: [list(arrays[:3]), [array.ravel() for array in arrays[3:]]])


def _bn(layer: LayerParameter, places: _Places) -> Form:
    """A factor and a shift behind statistics: those that it keeps, or the batch's, or none; see `bn_kind`."""
    import numpy as np

    if len(layer.top) > 1:
        raise NetError(f"layer '{layer.name}' (BN)", "makes the batch's statistics, as no layer of BVLC's does", _MEND)
    param = copy_message(layer.bn_param)
    kind = bn_kind(layer)
    segnets = kind == "segnet"
    names = ("slope_filler", "bias_filler") if kind == "pspnet" else ("scale_filler", "shift_filler")
    scale = _scale_behind(layer, layer.param[:2], (param, *names))
    if not scale.scale_param.HasField("filler"):
        scale.scale_param.filler.value = 0  # GetFiller's own default, which is not that of a Scale
    if segnets and param.bn_mode == param.INFERENCE:
        alone = _make(layer, "Scale", param=layer.param[:2], scale_param=scale.scale_param)
        return Form([alone], lambda arrays: [[array.ravel() for array in arrays]])
    norm = _make(layer, "BatchNorm")
    settings = norm.batch_norm_param
    settings.eps = bn_eps(layer)
    if segnets or (kind == "ctpn" and not param.moving_average):
        settings.use_global_stats = False
    if segnets:
        return Form(
            [norm, scale],
            lambda arrays: [
                [np.zeros(arrays[0].size, "f4"), np.zeros(arrays[0].size, "f4"), np.zeros(1, "f4")],
                [array.ravel() for array in arrays],
            ],
        )
    if param.HasField("decay"):
        settings.moving_average_fraction = 1 - param.decay
    if param.HasField("momentum"):
        settings.moving_average_fraction = param.momentum
    if param.frozen:
        settings.use_global_stats = True
    return Form(
        [norm, scale],
        lambda arrays: [
            [*(array.ravel() for array in arrays[2:]), np.ones(1, "f4")],
            [array.ravel() for array in arrays[:2]],
        ],
    )


def _depthwise(layer: LayerParameter, places: _Places) -> Form:
    made = copy_message(layer)
    made.type = "Convolution"
    if not made.convolution_param.HasField("group"):
        made.convolution_param.group = places.shapes(layer)[0][0][1]
    return _convolution(made, places)


def _convolution(layer: LayerParameter, places: _Places) -> Form:
    """DeepLab v1's holes are the dilation."""
    made = copy_message(layer)
    param = made.convolution_param
    holes = [param.hole_h, param.hole_w] if param.HasField("hole_h") or param.HasField("hole_w") else [param.hole]
    if holes != [1]:
        if param.dilation:
            raise NetError(f"layer '{layer.name}' ({layer.type})", "has hole and dilation", "keep one of them")
        param.dilation.extend(holes)
    for name in ("hole", "hole_h", "hole_w"):
        param.ClearField(name)
    return Form([made])


def _pooling(layer: LayerParameter, places: _Places) -> Form:
    """A ceil_mode is BVLC's round_mode."""
    made = copy_message(layer)
    param = made.pooling_param
    if param.HasField("torch_pooling") and param.torch_pooling and param.pool != param.MAX:
        raise NetError(f"layer '{layer.name}' (Pooling)", "torch_pooling averages otherwise than BVLC's Caffe", _MEND)
    if rounds_down(param):
        param.round_mode = param.FLOOR
    param.ClearField("ceil_mode")
    param.ClearField("torch_pooling")
    return Form([made])


def _dropout(layer: LayerParameter, places: _Places) -> Form:
    made = copy_message(layer)
    if made.dropout_param.HasField("scale_train"):
        if not made.dropout_param.scale_train:
            what = "scale_train: false scales in the TEST phase, where BVLC's Caffe changes nothing"
            raise NetError(f"layer '{layer.name}' (Dropout)", what, _MEND)
        made.dropout_param.ClearField("scale_train")
    return Form([made])


def _relu6(layer: LayerParameter, places: _Places) -> Form:
    if layer.relu6_param.negative_slope:
        raise NetError(f"layer '{layer.name}' (ReLU6)", "has a negative_slope", _MEND)
    made = _make(layer, "Clip")
    made.clip_param.min, made.clip_param.max = 0, 6
    return Form([made])


def _axpy(layer: LayerParameter, places: _Places) -> Form:
    """scale * x + y: the scales as N x C, a Scale by them, a sum."""
    scales, scaled = f"{layer.name}/scales", f"{layer.name}/scaled"
    flat = _make(layer, "Flatten", "/scales", bottom=[layer.bottom[0]], top=[scales])
    scale = _make(layer, "Scale", "/scaled", bottom=[layer.bottom[1], scales], top=[scaled])
    scale.scale_param.axis = 0
    total = _make(layer, "Eltwise", bottom=[scaled, layer.bottom[2]])
    return Form([flat, scale, total])


def _upsample(layer: LayerParameter, places: _Places) -> Form:
    """Values that are repeated are a Deconvolution without overlap; a pooling's mask has no counterpart."""
    where = f"layer '{layer.name}' (Upsample)"
    if len(layer.bottom) > 1:
        raise NetError(where, "unpools by the mask of a pooling, which BVLC's Caffe cannot", _MEND)
    if any(kept_name(text) == "mode" and "NEAREST" not in text for text in layer.upsample_param.kept_fields):
        raise NetError(where, "has a mode of which it is not known how it interpolates", _MEND)
    ((_, channels, *before), *_), ((_, _, *after), *_) = places.shapes(layer)
    if any(large % small for small, large in zip(before, after, strict=True)):
        raise NetError(where, f"does not repeat values: {dims(before)} becomes {dims(after)}", _MEND)
    factors = [large // small for small, large in zip(before, after, strict=True)]
    made = _upscore(layer, channels, kernel=factors, stride=factors, pad=[0, 0])
    made.convolution_param.weight_filler.value = 1
    return Form([made], _constant(channels, factors))


def _interp(layer: LayerParameter, places: _Places) -> Form:
    where = f"layer '{layer.name}' (Interp)"
    param = layer.interp_param
    ((_, channels, *before), *_), ((_, _, *after), *_) = places.shapes(layer)
    if param.pad_beg != param.pad_end:
        raise NetError(where, f"cuts {-param.pad_beg} before and {-param.pad_end} behind", "only equal ones convert")
    cut = -param.pad_beg
    sizes = [size - 2 * cut for size in before]
    if sizes == [1, 1] and not cut:
        made = _upscore(layer, channels, kernel=after, stride=[1, 1], pad=[0, 0])
        made.convolution_param.weight_filler.value = 1
        return Form([made], _constant(channels, after))
    if min(*sizes, *after) < 2:
        raise NetError(where, f"makes {dims(after)} of {dims(before)}", "an axis of 1 has no corners to align")
    scales = [Fraction(large - 1, small - 1) for small, large in zip(sizes, after, strict=True)]
    strides, steps = [scale.numerator for scale in scales], [scale.denominator for scale in scales]
    if max(strides) > _LARGEST_STRIDE:
        what = f"scales by {dims(strides)} over {dims(steps)}: its Deconvolution would be too large"
        raise NetError(where, what, f"strides to {_LARGEST_STRIDE} convert")
    if strides[0] != strides[1] or strides[0] % 2 == 0 or strides == [1, 1]:
        return _interp_by_means(layer, channels, strides, steps, cut)
    kernel = [2 * stride - 1 for stride in strides]
    up = _upscore(layer, channels, kernel, strides, [stride - 1 + stride * cut for stride in strides])
    up.convolution_param.weight_filler.type = "bilinear"
    weights = _bilinear(channels, strides)
    if steps == [1, 1]:
        return Form([up], lambda arrays: [weights])
    import numpy as np

    up.name = up.top[0] = f"{layer.name}/up"
    take = _make(layer, "Convolution", bottom=up.top, param=[{"lr_mult": 0}])
    _set_window(take, channels, [1, 1], steps, [0, 0])
    take.convolution_param.weight_filler.value = 1
    return Form([up, take], lambda arrays: [weights, [np.ones((channels, 1, 1, 1), "f4")]])


def _interp_by_means(
    layer: LayerParameter, channels: int, strides: Sequence[int], steps: Sequence[int], cut: int
) -> Form:
    """Values that are repeated, and then the means of as many: of rows and columns at once where they are few."""
    repeat = _upscore(layer, channels, strides, strides, [stride * cut for stride in strides])
    repeat.convolution_param.weight_filler.value = 1
    repeat.name = repeat.top[0] = f"{layer.name}/up"
    (height, width), (down, right) = strides, steps
    windows = [((height, width), (down, right))]
    if max(strides) > _MOST_AT_ONCE:
        windows = [((height, 1), (down, 1)), ((1, width), (1, right))]
    made, bottom = [repeat], repeat.top[0]
    if list(strides) == [1, 1] and not cut:
        made, bottom = [], layer.bottom[0]
    for number, (kernel, stride) in enumerate(windows, 1):
        mean = _make(layer, "Pooling", "" if number == len(windows) else "/rows", bottom=[bottom])
        mean.pooling_param.pool = mean.pooling_param.AVE
        _set_axes(mean.pooling_param, "kernel_size", kernel)
        _set_axes(mean.pooling_param, "stride", stride)
        if number < len(windows):
            mean.top[0] = bottom = mean.name
        made.append(mean)
    return Form(made, _constant(channels, strides) if made[0] is repeat else None)


_MOST_AT_ONCE = 8  # the mean of p x p values reads p * p of them, of p and then of p only 2 * p
_LARGEST_STRIDE = 256


def _upscore(
    layer: LayerParameter, channels: int, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> LayerParameter:
    """A Deconvolution of each channel alone, which does not learn."""
    made = _make(layer, "Deconvolution", bottom=[layer.bottom[0]], param=[{"lr_mult": 0}])
    _set_window(made, channels, kernel, stride, pad)
    return made


def _set_window(
    layer: LayerParameter, channels: int, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> None:
    param = layer.convolution_param
    param.num_output, param.group, param.bias_term = channels, channels, False
    for name, values in (("kernel_size", kernel), ("stride", stride), ("pad", pad)):
        _set_axes(param, name, values)


def _set_axes(param: Any, name: str, values: Sequence[int]) -> None:
    """Set a field of a window: one value for both axes where they are alike."""
    if values[0] != values[1]:
        short = name.removesuffix("_size")
        setattr(param, f"{short}_h", values[0])
        setattr(param, f"{short}_w", values[1])
    elif param.DESCRIPTOR.fields_by_name[name].has_presence:
        setattr(param, name, values[0])
    else:
        getattr(param, name).append(values[0])


def _constant(channels: int, kernel: Sequence[int]) -> Callable[[Arrays], list[list[NDArray[Any]]]]:
    import numpy as np

    return lambda arrays: [[np.ones((channels, 1, *kernel), "f4")]]


def _bilinear(channels: int, strides: Sequence[int]) -> list[NDArray[Any]]:
    """One kernel for each channel: a weight falls from 1 at its centre to 0 at the next values."""
    import numpy as np

    lines = [1 - abs(np.arange(2 * stride - 1) - (stride - 1)) / stride for stride in strides]
    kernel = np.outer(*lines).astype("f4")
    return [np.ascontiguousarray(np.broadcast_to(kernel, (channels, 1, *kernel.shape)))]


_RULES: dict[str, Callable[[LayerParameter, _Places], Form]] = {
    "Axpy": _axpy,
    "BN": _bn,
    "BatchNorm": _batch_norm,
    "Convolution": _convolution,
    "ConvolutionDepthwise": _depthwise,
    "Deconvolution": _convolution,
    "DepthwiseConvolution": _depthwise,
    "Dropout": _dropout,
    "Interp": _interp,
    "Pooling": _pooling,
    "ReLU6": _relu6,
    "Upsample": _upsample,
}
CONVERTED_TYPES = frozenset(_RULES)
"""The layer types that may become others; `to_bvlc` says whether a layer does."""


# Fields


def _drop_harmless(message: Message, where: str, path: str = "") -> list[str]:
    """Take the fields that change no result out of a message; raises `NetError` for others of a fork."""
    notes: list[str] = []
    for each, value in message.ListFields():
        name = f"{path}{each.name}"
        if each.name == NAME:
            names = [*map(kept_name, value)]
            _refuse_others(where, [f"{path}{kept}" for kept in names if kept not in _HARMLESS])
            notes += [f"{where}: {path}{kept} is left out" for kept in dict.fromkeys(names)]
            message.ClearField(NAME)
        elif each.number >= PRIVATE:
            _refuse_others(where, [name] * (each.name not in _HARMLESS))
            notes.append(f"{where}: {name} is left out")
            message.ClearField(each.name)
        elif each.message_type is not None and each.name not in ("layer", "blobs"):
            for item in [value] if each.has_presence else value:
                notes += _drop_harmless(item, where, f"{name}.")
    return notes


def _refuse_others(where: str, names: list[str]) -> None:
    if names:
        raise NetError(where, f"has {names[0]}, which BVLC's Caffe does not have", _MEND)


# Who computes, how exactly, how fast; and what only a training's memory or its display knows
_HARMLESS = {
    "backward_math",
    "backward_type",
    "conv_algos_override",
    "cudnn_convolution_algo_seeker",
    "cache",
    "cudnn_math_override",
    "custom_param",
    "debug",
    "default_backward_math",
    "default_backward_type",
    "default_conv_algos_override",
    "default_cudnn_math_override",
    "default_forward_math",
    "default_forward_type",
    "device",
    "eltwise_mem_sharing",
    "engine",
    "forward_math",
    "forward_type",
    "mem_param",
    "optimize_test",
    "optimize_train",
    "parser_threads",
    "precache",
    "reduce_buckets",
    "threads",
}
