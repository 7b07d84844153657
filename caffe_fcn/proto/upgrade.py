"""Old nets and solvers in the current format, as Caffe itself upgrades them when it loads them.

Caffe's nets have had three formats. V0 (2013) keeps every setting of a layer in one flat message, names types
in lower case, and has layers that only pad. V1 (2014) has a message per kind of layer and types from an
enum, in the field ``layers``. The current one has types by name, in the field ``layer``. Four later changes
are independent of those: the data layers' transformation fields moved to ``transform_param``, the net's
``input`` fields became Input layers, BatchNorm's statistics ceased to be learnable, and the solver's type
became a name.

Source: Caffe's src/caffe/util/upgrade_proto.cpp, whose steps these are, in its order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.proto.copying import replace_layers
from caffe_fcn.proto.dialects.table import current_type
from caffe_fcn.proto.kept_fields import kept_name
from caffe_fcn.proto.schema import LayerParameter, Message, NetParameter, SolverParameter, V1LayerParameter
from caffe_fcn.proto.text import parse, to_text


def upgrade_message(message: NetParameter | SolverParameter) -> list[str]:
    """`upgrade_net` or `upgrade_solver`, whichever ``message`` is."""
    return upgrade_net(message) if isinstance(message, NetParameter) else upgrade_solver(message)


def upgrade_net(net: NetParameter) -> list[str]:
    """Upgrade ``net`` to the current format, in place, with its blobs.

    >>> net = NetParameter(input=["data"], input_dim=[1, 3, 227, 227])
    >>> upgrade_net(net)
    []
    >>> net.layer[0].type, list(net.layer[0].input_param.shape[0].dim)
    ('Input', [1, 3, 227, 227])

    Returns a note for each thing that the current format cannot express, and that was left out.
    Raises `NetError`, naming the layer, for a net that makes no sense in its own format.
    """
    notes: list[str] = []
    if net.layers:
        if net.layer:
            raise NetError("net", "has both 'layer' and 'layers' fields", "keep to one format")
        for layer in _list_v1_layers(net, notes):
            _move_transformation(layer)
            if not layer.HasField("type") and not _kept_type(layer):  # or one unknown to the schema, in a binary file
                notes.append(f"layer {layer.name!r}: BVLC Caffe does not know its type, left out")
            _convert_v1(net, layer)
            notes += [
                f"layer {layer.name!r}: the V1 format alone has a field {number}, left out"
                for number in map(kept_name, layer.kept_fields)
                if number.isdecimal() and int(number) not in layer.DESCRIPTOR.fields_by_number
            ]
        del net.layers[:]
    if net.input:
        _convert_inputs(net, notes)
    for batch_norm in filter(_has_old_statistics, net.layer):
        for spec in batch_norm.param:
            spec.lr_mult = spec.decay_mult = 0
    return notes


def upgrade_solver(solver: SolverParameter) -> list[str]:
    """Turn ``solver_type``, an enum, into ``type``, a name; in place. Raises `NetError` if both are given."""
    if not solver.HasField("solver_type"):
        return []
    if solver.HasField("type"):
        raise NetError("solver", "has both 'type' and 'solver_type'", "keep 'type'")
    solver.type = _SOLVER_TYPES[_enum_name(solver, "solver_type")]
    solver.ClearField("solver_type")
    return []


_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


def is_padding(layer: V1LayerParameter) -> bool:
    """Whether a layer of a V0 net only pads; the current format has no such layers."""
    return bool(layer.layer.type == "padding")


# V0 to V1.


def _list_v1_layers(net: NetParameter, notes: list[str]) -> list[V1LayerParameter]:
    if not any(layer.HasField("layer") for layer in net.layers):
        return list(net.layers)
    for index, layer in enumerate(net.layers):
        if not layer.HasField("layer"):
            raise NetError(f"layer {layer.name or index!r}", "is V1, while others are V0", "keep to one format")
    return [_convert_v0(layer, notes) for layer in _remove_padding_layers(net.layers)]


def _remove_padding_layers(layers: Iterable[V1LayerParameter]) -> list[V1LayerParameter]:
    """The layers without those that only pad, whose pad goes to the convolutions and poolings that read them."""
    kept: list[V1LayerParameter] = []
    made_by: dict[str, V1LayerParameter] = {}
    for layer in layers:
        for index, blob in enumerate(layer.bottom):
            source = made_by.get(blob)
            if source is None or not is_padding(source):
                continue
            kind, where = layer.layer.type, f"layer {layer.layer.name!r}"
            if kind not in ("conv", "pool"):
                raise NetError(where, f"reads the padding layer {source.layer.name!r}", "only conv and pool layers can")
            if len(layer.bottom) != 1 or len(source.bottom) != 1 or len(source.top) != 1:
                raise NetError(where, "or the padding layer before it has several blobs", "each takes and makes one")
            layer.layer.pad = source.layer.pad
            layer.bottom[index] = source.bottom[0]
        made_by.update(dict.fromkeys(layer.top, layer))
        if not is_padding(layer):
            kept.append(layer)
    return kept


def _convert_v0(connection: V1LayerParameter, notes: list[str]) -> V1LayerParameter:
    old = connection.layer
    layer = V1LayerParameter(bottom=connection.bottom, top=connection.top, kept_fields=connection.kept_fields)
    for field, value in old.ListFields():
        if field.name in ("name", "blobs", "blobs_lr", "weight_decay", "kept_fields"):
            _set_field(layer, field.name, value)
        elif field.name == "type":
            if value not in _V0_TYPES:
                raise NetError(f"layer {old.name!r}", f"unknown V0 layer type {value!r}", nearest(value, _V0_TYPES))
            layer.type = layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[_V0_TYPES[value]].number
        else:
            homes = _V0_FIELDS.get(field.name, {})
            home = homes.get(old.type) or homes.get("")
            if home is None:
                notes.append(f"layer {old.name!r}: '{field.name}' says nothing to a layer of type {old.type}, left out")
            else:
                message, _, name = home.partition(".")
                _set_field(getattr(layer, message) if name else layer, name or message, value)
    return layer


def _set_field(message: Message, name: str, value: Any) -> None:
    """Set a field of any kind; a repeated one takes a single value too."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if not field.has_presence:
        getattr(message, name).extend([value] if field.message_type is None and _is_scalar(value) else value)
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float, str))


_V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

# V0 field -> V0 type -> where the field went in V1; the type "" stands for all types.
_V0_FIELDS = {
    "num_output": {"conv": "convolution_param.num_output", "innerproduct": "inner_product_param.num_output"},
    "biasterm": {"conv": "convolution_param.bias_term", "innerproduct": "inner_product_param.bias_term"},
    "weight_filler": {"conv": "convolution_param.weight_filler", "innerproduct": "inner_product_param.weight_filler"},
    "bias_filler": {"conv": "convolution_param.bias_filler", "innerproduct": "inner_product_param.bias_filler"},
    "pad": {"conv": "convolution_param.pad", "pool": "pooling_param.pad"},
    "kernelsize": {"conv": "convolution_param.kernel_size", "pool": "pooling_param.kernel_size"},
    "group": {"conv": "convolution_param.group"},
    "stride": {"conv": "convolution_param.stride", "pool": "pooling_param.stride"},
    "pool": {"pool": "pooling_param.pool"},
    "dropout_ratio": {"dropout": "dropout_param.dropout_ratio"},
    "local_size": {"lrn": "lrn_param.local_size"},
    "alpha": {"lrn": "lrn_param.alpha"},
    "beta": {"lrn": "lrn_param.beta"},
    "k": {"lrn": "lrn_param.k"},
    "source": {
        "data": "data_param.source",
        "hdf5_data": "hdf5_data_param.source",
        "images": "image_data_param.source",
        "window_data": "window_data_param.source",
        "infogain_loss": "infogain_loss_param.source",
    },
    "batchsize": {
        "data": "data_param.batch_size",
        "hdf5_data": "hdf5_data_param.batch_size",
        "images": "image_data_param.batch_size",
        "window_data": "window_data_param.batch_size",
    },
    "scale": {"": "transform_param.scale"},
    "meanfile": {"": "transform_param.mean_file"},
    "cropsize": {"": "transform_param.crop_size"},
    "mirror": {"": "transform_param.mirror"},
    "rand_skip": {"data": "data_param.rand_skip", "images": "image_data_param.rand_skip"},
    "shuffle_images": {"images": "image_data_param.shuffle"},
    "new_height": {"images": "image_data_param.new_height"},
    "new_width": {"images": "image_data_param.new_width"},
    "concat_dim": {"concat": "concat_param.concat_dim"},
    "det_fg_threshold": {"window_data": "window_data_param.fg_threshold"},
    "det_bg_threshold": {"window_data": "window_data_param.bg_threshold"},
    "det_fg_fraction": {"window_data": "window_data_param.fg_fraction"},
    "det_context_pad": {"window_data": "window_data_param.context_pad"},
    "det_crop_mode": {"window_data": "window_data_param.crop_mode"},
    "hdf5_output_param": {"hdf5_output": "hdf5_output_param"},
}


# V1 to the current format.


def _move_transformation(layer: V1LayerParameter) -> None:
    home = _DATA_PARAMS.get(_enum_name(layer, "type"))
    if home is None or not layer.HasField(home):
        return
    param = getattr(layer, home)
    for name in ("scale", "mean_file", "crop_size", "mirror"):
        if param.HasField(name):
            setattr(layer.transform_param, name, getattr(param, name))
            param.ClearField(name)


_DATA_PARAMS: dict[str, Literal["data_param", "image_data_param", "window_data_param"]] = {
    "DATA": "data_param",
    "IMAGE_DATA": "image_data_param",
    "WINDOW_DATA": "window_data_param",
}


def _convert_v1(net: NetParameter, old: V1LayerParameter) -> None:
    layer = net.layer.add()
    known = layer.DESCRIPTOR.fields_by_name
    for field, value in old.ListFields():
        if field.name == "kept_fields":
            continue
        if field.name in _V1_PARAM_SPEC:
            name = _V1_PARAM_SPEC[field.name]
            for index, item in enumerate(value):
                while len(layer.param) <= index:
                    layer.param.add()
                setattr(layer.param[index], name, item)
        elif field.name == "type":
            layer.type = _V1_TYPES[_enum_name(old, "type")]
        elif field.name in known:
            _set_field(layer, field.name, value)
        else:
            parse(to_text(type(old)(**{field.name: value})), layer, allow_unknown=True)
    for text in old.kept_fields:  # some of them are fields of the current format
        if kept_name(text).isdecimal():
            continue
        if kept_name(text) != "type":
            parse(text, layer, allow_unknown=True)
        else:
            layer.type = _kept_type(old)


def _kept_type(layer: V1LayerParameter) -> str:
    """The type of a layer that the V1 format of BVLC's Caffe does not have; "" where there is none."""
    for text in layer.kept_fields:
        if kept_name(text) == "type":
            value = text.partition(":")[2].strip()
            return value.strip("\"'") if value[0] in "\"'" else current_type(value) or value
    return ""


_V1_PARAM_SPEC = {
    "param": "name",
    "blob_share_mode": "share_mode",
    "blobs_lr": "lr_mult",
    "weight_decay": "decay_mult",
}

_V1_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}


def _enum_name(message: Message, field: str) -> str:
    number = getattr(message, field)
    return str(message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[number].name)


# Changes within the current format.


def _convert_inputs(net: NetParameter, notes: list[str]) -> None:
    names, dims = list(net.input), list(net.input_dim)
    shapes = [list(shape.dim) for shape in net.input_shape] or [dims[i : i + 4] for i in range(0, len(dims), 4)]
    if not shapes:
        notes.append(f"input {names[0]!r} has no shape, left out")
    elif len(shapes) != len(names) or (not net.input_shape and len(dims) % 4):
        mend = "one input_shape, or four input_dim, for each input"
        raise NetError(f"input {names[0]!r}", f"{len(names)} inputs, {len(dims) or len(shapes)} dimensions", mend)
    else:
        layer = LayerParameter(name="input", type="Input", top=names)
        for shape in shapes:
            layer.input_param.shape.add(dim=shape)
        replace_layers(net, [layer, *net.layer])
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)


def _has_old_statistics(layer: LayerParameter) -> bool:
    return layer.type == "BatchNorm" and len(layer.param) == 3
