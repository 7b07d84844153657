"""Random nets for hypothesis: as text, so that ours and real Caffe read the very same."""

from __future__ import annotations

from hypothesis import strategies as st
from prototxts import input_layer, layer

from caffe_fcn import errors, proto
from caffe_fcn.net import shapes
from caffe_fcn.net.layer_types import pooling_windows


def _fields(**values: object) -> str:
    parts = []
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            parts.append(f"{name}: {str(each).lower() if isinstance(each, bool) else each}")
    return " ".join(parts)


@st.composite
def _window(draw, axes: int, most: int = 4, stride: int = 3) -> str:
    """kernel, stride, pad and dilation, the same for all axes, one each, or as _h and _w."""
    form = draw(st.sampled_from(["one", "each", "hw"] if axes == 2 else ["one", "each"]))
    count = 1 if form == "one" else axes
    rows = {
        "kernel": draw(st.lists(st.integers(1, most), min_size=count, max_size=count)),
        "stride": draw(st.lists(st.integers(1, stride), min_size=count, max_size=count)),
        "pad": draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)),
    }
    if form == "hw":
        return " ".join(_fields(**{f"{name}_h": row[0], f"{name}_w": row[1]}) for name, row in rows.items())
    dilation = draw(st.lists(st.integers(1, 2), min_size=count, max_size=count))
    return _fields(kernel_size=rows["kernel"], stride=rows["stride"], pad=rows["pad"], dilation=dilation)


@st.composite
def _convolution(draw, bottom, name, shape):
    channels = shape[1]
    group = draw(st.sampled_from([g for g in (1, 2, 3) if channels % g == 0]))
    kind = draw(st.sampled_from(["Convolution", "Convolution", "Deconvolution"]))
    inside = draw(_window(len(shape) - 2, 3 if kind == "Deconvolution" else 4))
    bias = draw(st.booleans())
    outputs = group * draw(st.integers(1, 3))
    inside = f"num_output: {outputs} group: {group} bias_term: {str(bias).lower()} {inside}"
    return layer(kind, bottom, name, f"convolution_param {{ {inside} }}", name)


@st.composite
def _pooling(draw, bottom, name, shape):
    kernel = draw(st.integers(1, 4))
    method = draw(st.sampled_from(["MAX", "AVE"]))
    if draw(st.integers(0, 9)) == 0:
        return layer("Pooling", bottom, name, f"pooling_param {{ pool: {method} global_pooling: true }}", name)
    inside = _fields(
        pool=method,
        kernel_h=kernel,
        kernel_w=draw(st.integers(kernel, 4)),
        stride_h=draw(st.integers(1, 3)),
        stride_w=draw(st.integers(1, 3)),
        pad_h=draw(st.integers(0, kernel - 1)),
        pad_w=draw(st.integers(0, kernel - 1)),
        round_mode=draw(st.sampled_from(["CEIL", "FLOOR"])),
    )
    return layer("Pooling", bottom, name, f"pooling_param {{ {inside} }}", name)


_SIMPLE = {
    "ReLU": ["", "relu_param { negative_slope: 0.1 }"],
    "TanH": [""],
    "Sigmoid": [""],
    "ELU": [""],
    "AbsVal": [""],
    "BNLL": [""],
    "Swish": [""],
    "Clip": ["clip_param { min: -1 max: 0.5 }"],
    "Split": [""],
    "PReLU": ["", "prelu_param { channel_shared: true }"],
    "BatchNorm": [""],
    "Scale": [
        "",
        "scale_param { bias_term: true }",
        "scale_param { axis: 0 num_axes: -1 }",
        "scale_param { num_axes: 0 }",
    ],
    "Bias": ["", "bias_param { axis: 1 num_axes: 2 }"],
    "Softmax": [""],
    "Power": ["power_param { shift: -116 }"],
    "MVN": [""],
    "Dropout": [""],
    "Tile": ["tile_param { axis: 1 tiles: 2 }", "tile_param { axis: -1 tiles: 3 }"],
    "ArgMax": ["", "argmax_param { axis: 1 }", "argmax_param { out_max_val: true }"],
    "Reduction": ["reduction_param { axis: 1 }", "reduction_param { axis: -1 operation: MEAN }"],
    "Flatten": ["", "flatten_param { axis: 2 }", "flatten_param { axis: 0 end_axis: 1 }"],
    "InnerProduct": [
        "inner_product_param { num_output: 5 }",
        "inner_product_param { num_output: 3 axis: -1 bias_term: false }",
        "inner_product_param { num_output: 4 transpose: true }",
    ],
    "Reshape": [
        "reshape_param { shape { dim: 0 dim: -1 } }",
        "reshape_param { shape { dim: -1 dim: 1 } axis: 1 }",
        "reshape_param { shape { dim: 1 } axis: 1 num_axes: 0 }",
    ],
    "LRN": ["lrn_param { local_size: 3 }", "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }"],
    "SPP": ["spp_param { pyramid_height: 1 }", "spp_param { pyramid_height: 2 }"],
    "Im2col": ["convolution_param { kernel_size: 2 stride: 2 pad: 1 }"],
}
_FOUR_AXES = {"LRN", "SPP", "Im2col"}


def _parse(text: str) -> proto.NetParameter:
    net = proto.NetParameter()
    proto.parse(text, net)
    return net


def known_shape(text: str, blob: str) -> tuple[int, ...] | None:
    """What our rules say of a blob; None where they refuse the net."""
    try:
        return shapes.infer(_parse(text)).blobs[blob]
    except errors.NetError:
        return None


def has_empty_windows(text: str) -> bool:
    """Whether a pooling's last window lies beyond the image, where Caffe writes to memory that is not its own."""
    found = shapes.infer(_parse(text))
    return any(
        (pooled - 1) * window.stride >= size + window.pad
        for node in found.graph.nodes
        if node.type == "Pooling"
        for window, size, pooled in zip(
            pooling_windows(node.layer),
            found.blobs[node.bottoms[0].name][2:],
            found.blobs[node.tops[0].name][2:],
            strict=False,
        )
    )


@st.composite
def nets(draw) -> str:
    """A net of an Input, up to eight layers with branches, and what joins them: valid by our rules."""
    axes = draw(st.sampled_from([2, 2, 2, 3]))
    shape = [draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 3, 4, 6]))]
    shape += [draw(st.integers(5, 14)) for _ in range(axes)]
    text = input_layer("data", *shape)
    blobs = {"data": tuple(shape)}
    for index in range(draw(st.integers(1, 8))):
        name = f"layer{index}"
        bottom = draw(st.sampled_from(sorted(blobs)))
        new = text + draw(_some_layer(bottom, name, blobs))
        found = known_shape(new, name)
        if found is not None and len(found) and all(found):
            text, blobs = new, blobs | {name: found}
    return text


@st.composite
def _some_layer(draw, bottom, name, blobs):
    shape = blobs[bottom]
    choices = ["simple"]
    if len(shape) > 2:
        choices += ["convolution"] * 3
    if len(shape) == 4:
        choices += ["pooling"] * 2
    same = [other for other in sorted(blobs) if blobs[other] == shape]
    like = [
        other
        for other in sorted(blobs)
        if len(blobs[other]) == len(shape) > 1 and blobs[other][:1] + blobs[other][2:] == shape[:1] + shape[2:]
    ]
    smaller = [
        other
        for other in sorted(blobs)
        if len(blobs[other]) == len(shape) > 2 and all(a <= b for a, b in zip(blobs[other], shape, strict=True))
    ]
    choices += ["eltwise", "concat"] * (len(like) > 1) + ["crop"] * bool(smaller)
    kind = draw(st.sampled_from(choices))
    if kind == "convolution":
        return draw(_convolution(bottom, name, shape))
    if kind == "pooling":
        return draw(_pooling(bottom, name, shape))
    if kind == "eltwise":
        operation = draw(st.sampled_from(["", "operation: PROD", "operation: MAX", "coeff: 2 coeff: -0.5"]))
        others = [bottom, draw(st.sampled_from(same))]
        return layer("Eltwise", " ".join(others), name, f"eltwise_param {{ {operation} }}", name)
    if kind == "concat":
        return layer("Concat", f"{bottom} {draw(st.sampled_from(like))}", name, name=name)
    if kind == "crop":
        other = draw(st.sampled_from(smaller))
        offsets = [draw(st.integers(0, a - b)) for a, b in zip(shape[2:], blobs[other][2:], strict=True)]
        inside = f"crop_param {{ axis: 2 {_fields(offset=offsets)} }}"
        return layer("Crop", f"{bottom} {other}", name, inside, name)
    types = [each for each in sorted(_SIMPLE) if each not in _FOUR_AXES or len(shape) == 4]
    simple = draw(st.sampled_from(types))
    return layer(simple, bottom, name, draw(st.sampled_from(_SIMPLE[simple])), name)


PERIOD = 16


@st.composite
def image_nets(draw) -> str:
    """Windows that shrink an image, each axis its own, and a deconvolution that brings it back to size."""
    text = input_layer("data", PERIOD, 1, 9 * PERIOD, 10 * PERIOD)
    bottom, total = "data", 1
    for index in range(draw(st.integers(1, 4))):
        name = f"down{index}"
        stride = draw(st.integers(1, 2))
        total *= stride
        kernel = [draw(st.integers(stride, 5)) for _ in "hw"]
        inside = f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride: {stride}"
        if draw(st.booleans()):
            pad = [draw(st.integers(0, 6)) for _ in "hw"]
            inside = f"num_output: 1 pad_h: {pad[0]} pad_w: {pad[1]} {inside}"
            text += layer("Convolution", bottom, name, f"convolution_param {{ {inside} }}", name)
        else:
            text += layer("Pooling", bottom, name, f"pooling_param {{ pool: AVE {inside} }}", name)
        bottom = name
    kernel = [total + draw(st.integers(0, total + 1)) for _ in "hw"]
    inside = f"num_output: 1 kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride: {total} bias_term: false"
    return text + layer("Deconvolution", bottom, "up", f"convolution_param {{ {inside} }}", "up")
