# Made by scripts/generate_schema.py from caffe.proto and dialects/: run it again after a change there.
"""Caffe's messages, with the fields that forks of Caffe add.

A repeated field, and a field that holds a message, cannot be assigned to: it is `Final` and is changed in place.
A value of an enum is a number. A constructor takes its name, too; a field for which it gets None stays unset.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, ClassVar, Final, Literal, SupportsIndex, TypeVar, final, overload

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from typing_extensions import Self, TypedDict, Unpack

_Scalar = TypeVar("_Scalar", int, float, bool, str, bytes)
_Message = TypeVar("_Message", bound=Message)

def message(name: str) -> type[Message]:
    """The class of a message by a name that is known only at run time. Raises `KeyError` for an unknown name."""

class Message:
    """The base class of all messages: google.protobuf.message.Message."""

    DESCRIPTOR: ClassVar[Descriptor]
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @classmethod
    def FromString(cls, data: bytes, /) -> Self: ...
    def ByteSize(self) -> int: ...
    def Clear(self) -> None: ...
    def ClearField(self, name: Any, /) -> None: ...
    def CopyFrom(self, other: Self, /) -> None: ...
    def DiscardUnknownFields(self) -> None: ...
    def FindInitializationErrors(self) -> list[str]: ...
    def HasField(self, name: Any, /) -> bool: ...
    def IsInitialized(self) -> bool: ...
    def ListFields(self) -> list[tuple[FieldDescriptor, Any]]: ...
    def MergeFrom(self, other: Self, /) -> None: ...
    def MergeFromString(self, data: bytes, /) -> int: ...
    def ParseFromString(self, data: bytes, /) -> int: ...
    def SerializePartialToString(self, *, deterministic: bool = ...) -> bytes: ...
    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...
    def SetInParent(self) -> None: ...

class _Enum:
    DESCRIPTOR: EnumDescriptor
    def Name(self, number: int) -> str: ...
    def Value(self, name: str) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[int]: ...
    def items(self) -> list[tuple[str, int]]: ...

class _Scalars(MutableSequence[_Scalar]):
    """A repeated field of numbers, strings or bytes."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _Scalar: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_Scalar]: ...
    @overload
    def __setitem__(self, index: SupportsIndex, value: _Scalar, /) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[_Scalar], /) -> None: ...
    def __delitem__(self, index: SupportsIndex | slice, /) -> None: ...
    def insert(self, index: int, value: _Scalar, /) -> None: ...
    def sort(self) -> None: ...
    def MergeFrom(self, other: _Scalars[_Scalar], /) -> None: ...

class _Messages(Sequence[_Message]):
    """A repeated field of messages; those that are appended are copied."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _Message: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_Message]: ...
    def __delitem__(self, index: SupportsIndex | slice, /) -> None: ...
    def append(self, value: _Message, /) -> None: ...
    def extend(self, values: Iterable[_Message], /) -> None: ...
    def insert(self, index: int, value: _Message, /) -> None: ...
    def pop(self, index: int = -1, /) -> _Message: ...
    def remove(self, value: _Message, /) -> None: ...
    def reverse(self) -> None: ...
    def MergeFrom(self, other: _Messages[_Message], /) -> None: ...

class _AccuracyParameterFields(TypedDict, total=False):
    top_k: int | None
    axis: int | None
    ignore_label: int | None
    min_is_better: bool | None
    kept_fields: Iterable[str]

@final
class AccuracyParameter(Message):
    top_k: int
    axis: int
    ignore_label: int
    min_is_better: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_AccuracyParameterFields]) -> None: ...
    def HasField(self, name: Literal["top_k", "axis", "ignore_label", "min_is_better"], /) -> bool: ...
    def ClearField(self, name: Literal["top_k", "axis", "ignore_label", "min_is_better", "kept_fields"], /) -> None: ...

class _AdaptiveBiasChannelParameterFields(TypedDict, total=False):
    bg_portion: float | None
    fg_portion: float | None
    margin_others: float | None
    num_iter: int | None
    suppress_others: bool | None
    kept_fields: Iterable[str]

@final
class AdaptiveBiasChannelParameter(Message):
    bg_portion: float
    fg_portion: float
    margin_others: float
    num_iter: int
    suppress_others: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_AdaptiveBiasChannelParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "bg_portion",
            "fg_portion",
            "margin_others",
            "num_iter",
            "suppress_others",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "bg_portion",
            "fg_portion",
            "margin_others",
            "num_iter",
            "suppress_others",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _AnnotatedDataParameterFields(TypedDict, total=False):
    anno_type: int | str | None
    batch_sampler: Iterable[BatchSampler | _BatchSamplerFields]
    difficult_label_warmup: bool | None
    label_map_file: str | None
    oriented: bool | None
    seg_resize_height: int | None
    seg_resize_width: int | None
    seg_scales: int | None
    single_class: bool | None
    train_diffcult: bool | None
    yolo_data_jitter: float | None
    yolo_data_type: int | None
    kept_fields: Iterable[str]

@final
class AnnotatedDataParameter(Message):
    AnnotationType: ClassVar[_Enum]
    BBOX: ClassVar[int]
    anno_type: int
    batch_sampler: Final[_BatchSamplers]
    difficult_label_warmup: bool
    label_map_file: str
    oriented: bool
    seg_resize_height: int
    seg_resize_width: int
    seg_scales: int
    single_class: bool
    train_diffcult: bool
    yolo_data_jitter: float
    yolo_data_type: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_AnnotatedDataParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "anno_type",
            "difficult_label_warmup",
            "label_map_file",
            "oriented",
            "seg_resize_height",
            "seg_resize_width",
            "seg_scales",
            "single_class",
            "train_diffcult",
            "yolo_data_jitter",
            "yolo_data_type",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "anno_type",
            "batch_sampler",
            "difficult_label_warmup",
            "label_map_file",
            "oriented",
            "seg_resize_height",
            "seg_resize_width",
            "seg_scales",
            "single_class",
            "train_diffcult",
            "yolo_data_jitter",
            "yolo_data_type",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ArgMaxParameterFields(TypedDict, total=False):
    out_max_val: bool | None
    top_k: int | None
    axis: int | None
    kept_fields: Iterable[str]

@final
class ArgMaxParameter(Message):
    out_max_val: bool
    top_k: int
    axis: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ArgMaxParameterFields]) -> None: ...
    def HasField(self, name: Literal["out_max_val", "top_k", "axis"], /) -> bool: ...
    def ClearField(self, name: Literal["out_max_val", "top_k", "axis", "kept_fields"], /) -> None: ...

class _BNParameterFields(TypedDict, total=False):
    axis: float | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    bn_mode: int | str | None
    decay: float | None
    eps: float | None
    frozen: bool | None
    icnet: bool | None
    momentum: float | None
    moving_average: bool | None
    scale_filler: FillerParameter | _FillerParameterFields | None
    shift_filler: FillerParameter | _FillerParameterFields | None
    slope_filler: FillerParameter | _FillerParameterFields | None
    var_eps: float | None
    kept_fields: Iterable[str]

@final
class BNParameter(Message):
    BNMode: ClassVar[_Enum]
    LEARN: ClassVar[int]
    INFERENCE: ClassVar[int]
    axis: float
    bias_filler: Final[FillerParameter]
    bn_mode: int
    decay: float
    eps: float
    frozen: bool
    icnet: bool
    momentum: float
    moving_average: bool
    scale_filler: Final[FillerParameter]
    shift_filler: Final[FillerParameter]
    slope_filler: Final[FillerParameter]
    var_eps: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BNParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "axis",
            "bias_filler",
            "bn_mode",
            "decay",
            "eps",
            "frozen",
            "icnet",
            "momentum",
            "moving_average",
            "scale_filler",
            "shift_filler",
            "slope_filler",
            "var_eps",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "axis",
            "bias_filler",
            "bn_mode",
            "decay",
            "eps",
            "frozen",
            "icnet",
            "momentum",
            "moving_average",
            "scale_filler",
            "shift_filler",
            "slope_filler",
            "var_eps",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _BatchNormParameterFields(TypedDict, total=False):
    use_global_stats: bool | None
    moving_average_fraction: float | None
    eps: float | None
    add_eps_before_sqrt: bool | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    bias_term: bool | None
    disable_mean: bool | None
    disable_variance: bool | None
    filler: FillerParameter | _FillerParameterFields | None
    icnet: bool | None
    relu: bool | None
    scale_bias: bool | None
    scale_filler: FillerParameter | _FillerParameterFields | None
    stats_batch_size: int | None
    update_global_stats: bool | None
    use_weight_bias: bool | None
    kept_fields: Iterable[str]

@final
class BatchNormParameter(Message):
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    add_eps_before_sqrt: bool
    bias_filler: Final[FillerParameter]
    bias_term: bool
    disable_mean: bool
    disable_variance: bool
    filler: Final[FillerParameter]
    icnet: bool
    relu: bool
    scale_bias: bool
    scale_filler: Final[FillerParameter]
    stats_batch_size: int
    update_global_stats: bool
    use_weight_bias: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BatchNormParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "use_global_stats",
            "moving_average_fraction",
            "eps",
            "add_eps_before_sqrt",
            "bias_filler",
            "bias_term",
            "disable_mean",
            "disable_variance",
            "filler",
            "icnet",
            "relu",
            "scale_bias",
            "scale_filler",
            "stats_batch_size",
            "update_global_stats",
            "use_weight_bias",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "use_global_stats",
            "moving_average_fraction",
            "eps",
            "add_eps_before_sqrt",
            "bias_filler",
            "bias_term",
            "disable_mean",
            "disable_variance",
            "filler",
            "icnet",
            "relu",
            "scale_bias",
            "scale_filler",
            "stats_batch_size",
            "update_global_stats",
            "use_weight_bias",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _BatchSamplerFields(TypedDict, total=False):
    max_sample: int | None
    max_trials: int | None
    sample_constraint: SampleConstraint | _SampleConstraintFields | None
    sampler: Sampler | _SamplerFields | None
    use_original_image: bool | None
    kept_fields: Iterable[str]

@final
class BatchSampler(Message):
    max_sample: int
    max_trials: int
    sample_constraint: Final[SampleConstraint]
    sampler: Final[Sampler]
    use_original_image: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BatchSamplerFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "max_sample",
            "max_trials",
            "sample_constraint",
            "sampler",
            "use_original_image",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "max_sample",
            "max_trials",
            "sample_constraint",
            "sampler",
            "use_original_image",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _BatchSamplers(_Messages[BatchSampler]):
    def add(self, **fields: Unpack[_BatchSamplerFields]) -> BatchSampler: ...

class _BiasParameterFields(TypedDict, total=False):
    axis: int | None
    num_axes: int | None
    filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class BiasParameter(Message):
    axis: int
    num_axes: int
    filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BiasParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "num_axes", "filler"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "num_axes", "filler", "kept_fields"], /) -> None: ...

class _BlobProtoFields(TypedDict, total=False):
    shape: BlobShape | _BlobShapeFields | None
    data: Iterable[float]
    diff: Iterable[float]
    double_data: Iterable[float]
    double_diff: Iterable[float]
    num: int | None
    channels: int | None
    height: int | None
    width: int | None
    kept_fields: Iterable[str]

@final
class BlobProto(Message):
    shape: Final[BlobShape]
    data: Final[_Scalars[float]]
    diff: Final[_Scalars[float]]
    double_data: Final[_Scalars[float]]
    double_diff: Final[_Scalars[float]]
    num: int
    channels: int
    height: int
    width: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BlobProtoFields]) -> None: ...
    def HasField(self, name: Literal["shape", "num", "channels", "height", "width"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "shape",
            "data",
            "diff",
            "double_data",
            "double_diff",
            "num",
            "channels",
            "height",
            "width",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _BlobProtos(_Messages[BlobProto]):
    def add(self, **fields: Unpack[_BlobProtoFields]) -> BlobProto: ...

class _BlobProtoVectorFields(TypedDict, total=False):
    blobs: Iterable[BlobProto | _BlobProtoFields]
    kept_fields: Iterable[str]

@final
class BlobProtoVector(Message):
    blobs: Final[_BlobProtos]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BlobProtoVectorFields]) -> None: ...
    def ClearField(self, name: Literal["blobs", "kept_fields"], /) -> None: ...

class _BlobShapeFields(TypedDict, total=False):
    dim: Iterable[int]
    kept_fields: Iterable[str]

@final
class BlobShape(Message):
    dim: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_BlobShapeFields]) -> None: ...
    def ClearField(self, name: Literal["dim", "kept_fields"], /) -> None: ...

class _BlobShapes(_Messages[BlobShape]):
    def add(self, **fields: Unpack[_BlobShapeFields]) -> BlobShape: ...

class _ClipParameterFields(TypedDict, total=False):
    min: float | None
    max: float | None
    kept_fields: Iterable[str]

@final
class ClipParameter(Message):
    min: float
    max: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ClipParameterFields]) -> None: ...
    def HasField(self, name: Literal["min", "max"], /) -> bool: ...
    def ClearField(self, name: Literal["min", "max", "kept_fields"], /) -> None: ...

class _ConcatParameterFields(TypedDict, total=False):
    axis: int | None
    concat_dim: int | None
    input_scale: Iterable[float]
    input_zero_point: Iterable[int]
    output_scale: float | None
    output_zero_point: int | None
    per_fla_fuse: bool | None
    kept_fields: Iterable[str]

@final
class ConcatParameter(Message):
    axis: int
    concat_dim: int
    input_scale: Final[_Scalars[float]]
    input_zero_point: Final[_Scalars[int]]
    output_scale: float
    output_zero_point: int
    per_fla_fuse: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ConcatParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "axis",
            "concat_dim",
            "output_scale",
            "output_zero_point",
            "per_fla_fuse",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "axis",
            "concat_dim",
            "input_scale",
            "input_zero_point",
            "output_scale",
            "output_zero_point",
            "per_fla_fuse",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ContrastiveLossParameterFields(TypedDict, total=False):
    margin: float | None
    legacy_version: bool | None
    kept_fields: Iterable[str]

@final
class ContrastiveLossParameter(Message):
    margin: float
    legacy_version: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ContrastiveLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["margin", "legacy_version"], /) -> bool: ...
    def ClearField(self, name: Literal["margin", "legacy_version", "kept_fields"], /) -> None: ...

class _ConvolutionParameterFields(TypedDict, total=False):
    num_output: int | None
    bias_term: bool | None
    pad: Iterable[int]
    kernel_size: Iterable[int]
    stride: Iterable[int]
    dilation: Iterable[int]
    pad_h: int | None
    pad_w: int | None
    kernel_h: int | None
    kernel_w: int | None
    stride_h: int | None
    stride_w: int | None
    group: int | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    engine: int | str | None
    axis: int | None
    force_nd_im2col: bool | None
    coeff: Iterable[float]
    conv_algorithm: str | None
    conv_algos_override: str | None
    dis_mode: bool | None
    gen_mode: bool | None
    hole: int | None
    hole_h: int | None
    hole_w: int | None
    input_scale: float | None
    input_zero_point: int | None
    negative_slope: float | None
    output_scale: float | None
    output_zero_point: int | None
    pad_b: int | None
    pad_l: int | None
    pad_r: int | None
    pad_t: int | None
    pad_type: int | None
    per_channel_scale_output: bool | None
    per_channel_scale_weight: bool | None
    relu: bool | None
    shape_offset: Iterable[int]
    submanifold_sparse: bool | None
    weight_fixed: bool | None
    weight_scale: float | None
    weight_zero_point: int | None
    kept_fields: Iterable[str]

@final
class ConvolutionParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    num_output: int
    bias_term: bool
    pad: Final[_Scalars[int]]
    kernel_size: Final[_Scalars[int]]
    stride: Final[_Scalars[int]]
    dilation: Final[_Scalars[int]]
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    group: int
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    engine: int
    axis: int
    force_nd_im2col: bool
    coeff: Final[_Scalars[float]]
    conv_algorithm: str
    conv_algos_override: str
    dis_mode: bool
    gen_mode: bool
    hole: int
    hole_h: int
    hole_w: int
    input_scale: float
    input_zero_point: int
    negative_slope: float
    output_scale: float
    output_zero_point: int
    pad_b: int
    pad_l: int
    pad_r: int
    pad_t: int
    pad_type: int
    per_channel_scale_output: bool
    per_channel_scale_weight: bool
    relu: bool
    shape_offset: Final[_Scalars[int]]
    submanifold_sparse: bool
    weight_fixed: bool
    weight_scale: float
    weight_zero_point: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ConvolutionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "num_output",
            "bias_term",
            "pad_h",
            "pad_w",
            "kernel_h",
            "kernel_w",
            "stride_h",
            "stride_w",
            "group",
            "weight_filler",
            "bias_filler",
            "engine",
            "axis",
            "force_nd_im2col",
            "conv_algorithm",
            "conv_algos_override",
            "dis_mode",
            "gen_mode",
            "hole",
            "hole_h",
            "hole_w",
            "input_scale",
            "input_zero_point",
            "negative_slope",
            "output_scale",
            "output_zero_point",
            "pad_b",
            "pad_l",
            "pad_r",
            "pad_t",
            "pad_type",
            "per_channel_scale_output",
            "per_channel_scale_weight",
            "relu",
            "submanifold_sparse",
            "weight_fixed",
            "weight_scale",
            "weight_zero_point",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "num_output",
            "bias_term",
            "pad",
            "kernel_size",
            "stride",
            "dilation",
            "pad_h",
            "pad_w",
            "kernel_h",
            "kernel_w",
            "stride_h",
            "stride_w",
            "group",
            "weight_filler",
            "bias_filler",
            "engine",
            "axis",
            "force_nd_im2col",
            "coeff",
            "conv_algorithm",
            "conv_algos_override",
            "dis_mode",
            "gen_mode",
            "hole",
            "hole_h",
            "hole_w",
            "input_scale",
            "input_zero_point",
            "negative_slope",
            "output_scale",
            "output_zero_point",
            "pad_b",
            "pad_l",
            "pad_r",
            "pad_t",
            "pad_type",
            "per_channel_scale_output",
            "per_channel_scale_weight",
            "relu",
            "shape_offset",
            "submanifold_sparse",
            "weight_fixed",
            "weight_scale",
            "weight_zero_point",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _CropParameterFields(TypedDict, total=False):
    axis: int | None
    offset: Iterable[int]
    center_crop: bool | None
    crop_h: int | None
    crop_w: int | None
    num_args: int | None
    offset_c: int | None
    offset_h: int | None
    offset_w: int | None
    kept_fields: Iterable[str]

@final
class CropParameter(Message):
    axis: int
    offset: Final[_Scalars[int]]
    center_crop: bool
    crop_h: int
    crop_w: int
    num_args: int
    offset_c: int
    offset_h: int
    offset_w: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_CropParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "axis",
            "center_crop",
            "crop_h",
            "crop_w",
            "num_args",
            "offset_c",
            "offset_h",
            "offset_w",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "axis",
            "offset",
            "center_crop",
            "crop_h",
            "crop_w",
            "num_args",
            "offset_c",
            "offset_h",
            "offset_w",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _CustomParameterFields(TypedDict, total=False):
    shape: Iterable[BlobShape | _BlobShapeFields]
    kept_fields: Iterable[str]

@final
class CustomParameter(Message):
    shape: Final[_BlobShapes]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_CustomParameterFields]) -> None: ...
    def ClearField(self, name: Literal["shape", "kept_fields"], /) -> None: ...

class _DataParameterFields(TypedDict, total=False):
    source: str | None
    batch_size: int | None
    rand_skip: int | None
    backend: int | str | None
    scale: float | None
    mean_file: str | None
    crop_size: int | None
    mirror: bool | None
    force_encoded_color: bool | None
    prefetch: int | None
    block_size: int | None
    cache: bool | None
    disk_reader_threads: int | None
    huge_video_dataset: bool | None
    limit_samples: int | None
    multi_gpu_testing: bool | None
    parser_threads: int | None
    permute_every_iter: int | None
    precache: bool | None
    preselection_file: Iterable[str]
    preselection_label: Iterable[int]
    rand_permute: bool | None
    rand_permute_seed: int | None
    random: bool | None
    range_end: int | None
    range_start: int | None
    shuffle: bool | None
    side: Iterable[int]
    slice_point: Iterable[int]
    subtract: Iterable[float]
    threads: int | None
    verbose: bool | None
    kept_fields: Iterable[str]

@final
class DataParameter(Message):
    DB: ClassVar[_Enum]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    source: str
    batch_size: int
    rand_skip: int
    backend: int
    scale: float
    mean_file: str
    crop_size: int
    mirror: bool
    force_encoded_color: bool
    prefetch: int
    block_size: int
    cache: bool
    disk_reader_threads: int
    huge_video_dataset: bool
    limit_samples: int
    multi_gpu_testing: bool
    parser_threads: int
    permute_every_iter: int
    precache: bool
    preselection_file: Final[_Scalars[str]]
    preselection_label: Final[_Scalars[int]]
    rand_permute: bool
    rand_permute_seed: int
    random: bool
    range_end: int
    range_start: int
    shuffle: bool
    side: Final[_Scalars[int]]
    slice_point: Final[_Scalars[int]]
    subtract: Final[_Scalars[float]]
    threads: int
    verbose: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DataParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "source",
            "batch_size",
            "rand_skip",
            "backend",
            "scale",
            "mean_file",
            "crop_size",
            "mirror",
            "force_encoded_color",
            "prefetch",
            "block_size",
            "cache",
            "disk_reader_threads",
            "huge_video_dataset",
            "limit_samples",
            "multi_gpu_testing",
            "parser_threads",
            "permute_every_iter",
            "precache",
            "rand_permute",
            "rand_permute_seed",
            "random",
            "range_end",
            "range_start",
            "shuffle",
            "threads",
            "verbose",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "source",
            "batch_size",
            "rand_skip",
            "backend",
            "scale",
            "mean_file",
            "crop_size",
            "mirror",
            "force_encoded_color",
            "prefetch",
            "block_size",
            "cache",
            "disk_reader_threads",
            "huge_video_dataset",
            "limit_samples",
            "multi_gpu_testing",
            "parser_threads",
            "permute_every_iter",
            "precache",
            "preselection_file",
            "preselection_label",
            "rand_permute",
            "rand_permute_seed",
            "random",
            "range_end",
            "range_start",
            "shuffle",
            "side",
            "slice_point",
            "subtract",
            "threads",
            "verbose",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DatumFields(TypedDict, total=False):
    channels: int | None
    height: int | None
    width: int | None
    data: bytes | None
    label: int | None
    float_data: Iterable[float]
    encoded: bool | None
    kept_fields: Iterable[str]

@final
class Datum(Message):
    channels: int
    height: int
    width: int
    data: bytes
    label: int
    float_data: Final[_Scalars[float]]
    encoded: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DatumFields]) -> None: ...
    def HasField(self, name: Literal["channels", "height", "width", "data", "label", "encoded"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "channels",
            "height",
            "width",
            "data",
            "label",
            "float_data",
            "encoded",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DenseImageDataParameterFields(TypedDict, total=False):
    batch_size: int | None
    crop_height: int | None
    crop_width: int | None
    is_color: bool | None
    label_divide_factor: int | None
    mean_file: str | None
    mirror: bool | None
    new_height: int | None
    new_width: int | None
    rand_skip: int | None
    root_folder: str | None
    shuffle: bool | None
    source: str | None
    kept_fields: Iterable[str]

@final
class DenseImageDataParameter(Message):
    batch_size: int
    crop_height: int
    crop_width: int
    is_color: bool
    label_divide_factor: int
    mean_file: str
    mirror: bool
    new_height: int
    new_width: int
    rand_skip: int
    root_folder: str
    shuffle: bool
    source: str
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DenseImageDataParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "batch_size",
            "crop_height",
            "crop_width",
            "is_color",
            "label_divide_factor",
            "mean_file",
            "mirror",
            "new_height",
            "new_width",
            "rand_skip",
            "root_folder",
            "shuffle",
            "source",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "batch_size",
            "crop_height",
            "crop_width",
            "is_color",
            "label_divide_factor",
            "mean_file",
            "mirror",
            "new_height",
            "new_width",
            "rand_skip",
            "root_folder",
            "shuffle",
            "source",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DepthwiseConvolutionParameterFields(TypedDict, total=False):
    axis: int | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    bias_term: bool | None
    dilation: Iterable[int]
    force_nd_im2col: bool | None
    group: int | None
    kernel_h: Iterable[int]
    kernel_size: Iterable[int]
    kernel_w: Iterable[int]
    num_output: Iterable[int]
    pad: Iterable[int]
    pad_h: int | None
    pad_w: int | None
    stride: Iterable[int]
    stride_h: Iterable[int]
    stride_w: Iterable[int]
    weight_filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class DepthwiseConvolutionParameter(Message):
    axis: int
    bias_filler: Final[FillerParameter]
    bias_term: bool
    dilation: Final[_Scalars[int]]
    force_nd_im2col: bool
    group: int
    kernel_h: Final[_Scalars[int]]
    kernel_size: Final[_Scalars[int]]
    kernel_w: Final[_Scalars[int]]
    num_output: Final[_Scalars[int]]
    pad: Final[_Scalars[int]]
    pad_h: int
    pad_w: int
    stride: Final[_Scalars[int]]
    stride_h: Final[_Scalars[int]]
    stride_w: Final[_Scalars[int]]
    weight_filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DepthwiseConvolutionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "axis",
            "bias_filler",
            "bias_term",
            "force_nd_im2col",
            "group",
            "pad_h",
            "pad_w",
            "weight_filler",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "axis",
            "bias_filler",
            "bias_term",
            "dilation",
            "force_nd_im2col",
            "group",
            "kernel_h",
            "kernel_size",
            "kernel_w",
            "num_output",
            "pad",
            "pad_h",
            "pad_w",
            "stride",
            "stride_h",
            "stride_w",
            "weight_filler",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DetectionEvaluateParameterFields(TypedDict, total=False):
    background_label_id: int | None
    evaluate_difficult_gt: bool | None
    name_size_file: str | None
    num_classes: int | None
    overlap_threshold: float | None
    resize_param: ResizeParameter | _ResizeParameterFields | None
    kept_fields: Iterable[str]

@final
class DetectionEvaluateParameter(Message):
    background_label_id: int
    evaluate_difficult_gt: bool
    name_size_file: str
    num_classes: int
    overlap_threshold: float
    resize_param: Final[ResizeParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DetectionEvaluateParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "background_label_id",
            "evaluate_difficult_gt",
            "name_size_file",
            "num_classes",
            "overlap_threshold",
            "resize_param",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "background_label_id",
            "evaluate_difficult_gt",
            "name_size_file",
            "num_classes",
            "overlap_threshold",
            "resize_param",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DetectionOutputParameterFields(TypedDict, total=False):
    arm_conf_no_concat: bool | None
    arm_loc_no_concat: bool | None
    background_label_id: int | None
    biases: Iterable[float]
    code_type: int | str | None
    confidence_threshold: float | None
    coords: int | None
    keep_top_k: int | None
    label_map_file: str | None
    max_classes_per_detection: int | None
    nbottom: int | None
    nms_param: NonMaximumSuppressionParameter | _NonMaximumSuppressionParameterFields | None
    nms_threshold: float | None
    no_permute: bool | None
    num_box: int | None
    num_classes: int | None
    objectness_score: float | None
    ratio0: int | None
    ratio1: int | None
    ratio2: int | None
    ratio3: int | None
    ratio4: int | None
    ratio5: int | None
    ratio_permute: bool | None
    save_file: str | None
    save_output_param: SaveOutputParameter | _SaveOutputParameterFields | None
    scale_xywh: Iterable[float]
    share_location: bool | None
    side: int | None
    tflite_detection: bool | None
    tflite_use_regular_nms: bool | None
    variance_encoded_in_target: bool | None
    visualize: bool | None
    visualize_threshold: float | None
    kept_fields: Iterable[str]

@final
class DetectionOutputParameter(Message):
    CodeType: ClassVar[_Enum]
    CORNER: ClassVar[int]
    CENTER_SIZE: ClassVar[int]
    CORNER_SIZE: ClassVar[int]
    arm_conf_no_concat: bool
    arm_loc_no_concat: bool
    background_label_id: int
    biases: Final[_Scalars[float]]
    code_type: int
    confidence_threshold: float
    coords: int
    keep_top_k: int
    label_map_file: str
    max_classes_per_detection: int
    nbottom: int
    nms_param: Final[NonMaximumSuppressionParameter]
    nms_threshold: float
    no_permute: bool
    num_box: int
    num_classes: int
    objectness_score: float
    ratio0: int
    ratio1: int
    ratio2: int
    ratio3: int
    ratio4: int
    ratio5: int
    ratio_permute: bool
    save_file: str
    save_output_param: Final[SaveOutputParameter]
    scale_xywh: Final[_Scalars[float]]
    share_location: bool
    side: int
    tflite_detection: bool
    tflite_use_regular_nms: bool
    variance_encoded_in_target: bool
    visualize: bool
    visualize_threshold: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DetectionOutputParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "arm_conf_no_concat",
            "arm_loc_no_concat",
            "background_label_id",
            "code_type",
            "confidence_threshold",
            "coords",
            "keep_top_k",
            "label_map_file",
            "max_classes_per_detection",
            "nbottom",
            "nms_param",
            "nms_threshold",
            "no_permute",
            "num_box",
            "num_classes",
            "objectness_score",
            "ratio0",
            "ratio1",
            "ratio2",
            "ratio3",
            "ratio4",
            "ratio5",
            "ratio_permute",
            "save_file",
            "save_output_param",
            "share_location",
            "side",
            "tflite_detection",
            "tflite_use_regular_nms",
            "variance_encoded_in_target",
            "visualize",
            "visualize_threshold",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "arm_conf_no_concat",
            "arm_loc_no_concat",
            "background_label_id",
            "biases",
            "code_type",
            "confidence_threshold",
            "coords",
            "keep_top_k",
            "label_map_file",
            "max_classes_per_detection",
            "nbottom",
            "nms_param",
            "nms_threshold",
            "no_permute",
            "num_box",
            "num_classes",
            "objectness_score",
            "ratio0",
            "ratio1",
            "ratio2",
            "ratio3",
            "ratio4",
            "ratio5",
            "ratio_permute",
            "save_file",
            "save_output_param",
            "scale_xywh",
            "share_location",
            "side",
            "tflite_detection",
            "tflite_use_regular_nms",
            "variance_encoded_in_target",
            "visualize",
            "visualize_threshold",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DistortionParameterFields(TypedDict, total=False):
    brightness_delta: float | None
    brightness_prob: float | None
    contrast_lower: float | None
    contrast_prob: float | None
    contrast_upper: float | None
    exposure_lower: float | None
    exposure_upper: float | None
    hue_delta: float | None
    hue_prob: float | None
    random_order_prob: float | None
    saturation_lower: float | None
    saturation_prob: float | None
    saturation_upper: float | None
    kept_fields: Iterable[str]

@final
class DistortionParameter(Message):
    brightness_delta: float
    brightness_prob: float
    contrast_lower: float
    contrast_prob: float
    contrast_upper: float
    exposure_lower: float
    exposure_upper: float
    hue_delta: float
    hue_prob: float
    random_order_prob: float
    saturation_lower: float
    saturation_prob: float
    saturation_upper: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DistortionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "brightness_delta",
            "brightness_prob",
            "contrast_lower",
            "contrast_prob",
            "contrast_upper",
            "exposure_lower",
            "exposure_upper",
            "hue_delta",
            "hue_prob",
            "random_order_prob",
            "saturation_lower",
            "saturation_prob",
            "saturation_upper",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "brightness_delta",
            "brightness_prob",
            "contrast_lower",
            "contrast_prob",
            "contrast_upper",
            "exposure_lower",
            "exposure_upper",
            "hue_delta",
            "hue_prob",
            "random_order_prob",
            "saturation_lower",
            "saturation_prob",
            "saturation_upper",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DomainTransformParameterFields(TypedDict, total=False):
    min_weight: float | None
    num_iter: int | None
    range_sigma: float | None
    spatial_sigma: float | None
    kept_fields: Iterable[str]

@final
class DomainTransformParameter(Message):
    min_weight: float
    num_iter: int
    range_sigma: float
    spatial_sigma: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DomainTransformParameterFields]) -> None: ...
    def HasField(self, name: Literal["min_weight", "num_iter", "range_sigma", "spatial_sigma"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "min_weight",
            "num_iter",
            "range_sigma",
            "spatial_sigma",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DropoutParameterFields(TypedDict, total=False):
    dropout_ratio: float | None
    random_seed: int | None
    sample_weights_test: bool | None
    scale_train: bool | None
    sqrt_scale: bool | None
    kept_fields: Iterable[str]

@final
class DropoutParameter(Message):
    dropout_ratio: float
    random_seed: int
    sample_weights_test: bool
    scale_train: bool
    sqrt_scale: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DropoutParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "dropout_ratio",
            "random_seed",
            "sample_weights_test",
            "scale_train",
            "sqrt_scale",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "dropout_ratio",
            "random_seed",
            "sample_weights_test",
            "scale_train",
            "sqrt_scale",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _DummyDataParameterFields(TypedDict, total=False):
    data_filler: Iterable[FillerParameter | _FillerParameterFields]
    shape: Iterable[BlobShape | _BlobShapeFields]
    num: Iterable[int]
    channels: Iterable[int]
    height: Iterable[int]
    width: Iterable[int]
    kept_fields: Iterable[str]

@final
class DummyDataParameter(Message):
    data_filler: Final[_FillerParameters]
    shape: Final[_BlobShapes]
    num: Final[_Scalars[int]]
    channels: Final[_Scalars[int]]
    height: Final[_Scalars[int]]
    width: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_DummyDataParameterFields]) -> None: ...
    def ClearField(
        self,
        name: Literal[
            "data_filler",
            "shape",
            "num",
            "channels",
            "height",
            "width",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ELUParameterFields(TypedDict, total=False):
    alpha: float | None
    kept_fields: Iterable[str]

@final
class ELUParameter(Message):
    alpha: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ELUParameterFields]) -> None: ...
    def HasField(self, name: Literal["alpha"], /) -> bool: ...
    def ClearField(self, name: Literal["alpha", "kept_fields"], /) -> None: ...

class _EltwiseParameterFields(TypedDict, total=False):
    operation: int | str | None
    coeff: Iterable[float]
    stable_prod_grad: bool | None
    axis: int | None
    input_scale: Iterable[float]
    input_zero_point: Iterable[int]
    output_scale: float | None
    output_zero_point: int | None
    power: float | None
    scale: float | None
    shift: float | None
    kept_fields: Iterable[str]

@final
class EltwiseParameter(Message):
    EltwiseOp: ClassVar[_Enum]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    operation: int
    coeff: Final[_Scalars[float]]
    stable_prod_grad: bool
    axis: int
    input_scale: Final[_Scalars[float]]
    input_zero_point: Final[_Scalars[int]]
    output_scale: float
    output_zero_point: int
    power: float
    scale: float
    shift: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_EltwiseParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "operation",
            "stable_prod_grad",
            "axis",
            "output_scale",
            "output_zero_point",
            "power",
            "scale",
            "shift",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "operation",
            "coeff",
            "stable_prod_grad",
            "axis",
            "input_scale",
            "input_zero_point",
            "output_scale",
            "output_zero_point",
            "power",
            "scale",
            "shift",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _EmbedParameterFields(TypedDict, total=False):
    num_output: int | None
    input_dim: int | None
    bias_term: bool | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class EmbedParameter(Message):
    num_output: int
    input_dim: int
    bias_term: bool
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_EmbedParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "num_output",
            "input_dim",
            "bias_term",
            "weight_filler",
            "bias_filler",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "num_output",
            "input_dim",
            "bias_term",
            "weight_filler",
            "bias_filler",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _EmitConstraintFields(TypedDict, total=False):
    emit_overlap: float | None
    emit_type: int | str | None
    kept_fields: Iterable[str]

@final
class EmitConstraint(Message):
    EmitType: ClassVar[_Enum]
    CENTER: ClassVar[int]
    MIN_OVERLAP: ClassVar[int]
    emit_overlap: float
    emit_type: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_EmitConstraintFields]) -> None: ...
    def HasField(self, name: Literal["emit_overlap", "emit_type"], /) -> bool: ...
    def ClearField(self, name: Literal["emit_overlap", "emit_type", "kept_fields"], /) -> None: ...

class _ExpParameterFields(TypedDict, total=False):
    base: float | None
    scale: float | None
    shift: float | None
    kept_fields: Iterable[str]

@final
class ExpParameter(Message):
    base: float
    scale: float
    shift: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ExpParameterFields]) -> None: ...
    def HasField(self, name: Literal["base", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["base", "scale", "shift", "kept_fields"], /) -> None: ...

class _ExpansionParameterFields(TypedDict, total=False):
    prob: float | None
    max_expand_ratio: float | None
    kept_fields: Iterable[str]

@final
class ExpansionParameter(Message):
    prob: float
    max_expand_ratio: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ExpansionParameterFields]) -> None: ...
    def HasField(self, name: Literal["prob", "max_expand_ratio"], /) -> bool: ...
    def ClearField(self, name: Literal["prob", "max_expand_ratio", "kept_fields"], /) -> None: ...

class _FillerParameterFields(TypedDict, total=False):
    type: str | None
    value: float | None
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    sparse: int | None
    variance_norm: int | str | None
    kept_fields: Iterable[str]

@final
class FillerParameter(Message):
    VarianceNorm: ClassVar[_Enum]
    FAN_IN: ClassVar[int]
    FAN_OUT: ClassVar[int]
    AVERAGE: ClassVar[int]
    type: str
    value: float
    min: float
    max: float
    mean: float
    std: float
    sparse: int
    variance_norm: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_FillerParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "type",
            "value",
            "min",
            "max",
            "mean",
            "std",
            "sparse",
            "variance_norm",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "type",
            "value",
            "min",
            "max",
            "mean",
            "std",
            "sparse",
            "variance_norm",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _FillerParameters(_Messages[FillerParameter]):
    def add(self, **fields: Unpack[_FillerParameterFields]) -> FillerParameter: ...

class _FlattenParameterFields(TypedDict, total=False):
    axis: int | None
    end_axis: int | None
    kept_fields: Iterable[str]

@final
class FlattenParameter(Message):
    axis: int
    end_axis: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_FlattenParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "end_axis"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "end_axis", "kept_fields"], /) -> None: ...

class _FocalLossParameterFields(TypedDict, total=False):
    alpha: float | None
    beta: float | None
    gamma: float | None
    kept_fields: Iterable[str]

@final
class FocalLossParameter(Message):
    alpha: float
    beta: float
    gamma: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_FocalLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["alpha", "beta", "gamma"], /) -> bool: ...
    def ClearField(self, name: Literal["alpha", "beta", "gamma", "kept_fields"], /) -> None: ...

class _HDF5DataParameterFields(TypedDict, total=False):
    source: str | None
    batch_size: int | None
    shuffle: bool | None
    kept_fields: Iterable[str]

@final
class HDF5DataParameter(Message):
    source: str
    batch_size: int
    shuffle: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_HDF5DataParameterFields]) -> None: ...
    def HasField(self, name: Literal["source", "batch_size", "shuffle"], /) -> bool: ...
    def ClearField(self, name: Literal["source", "batch_size", "shuffle", "kept_fields"], /) -> None: ...

class _HDF5OutputParameterFields(TypedDict, total=False):
    file_name: str | None
    kept_fields: Iterable[str]

@final
class HDF5OutputParameter(Message):
    file_name: str
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_HDF5OutputParameterFields]) -> None: ...
    def HasField(self, name: Literal["file_name"], /) -> bool: ...
    def ClearField(self, name: Literal["file_name", "kept_fields"], /) -> None: ...

class _HingeLossParameterFields(TypedDict, total=False):
    norm: int | str | None
    kept_fields: Iterable[str]

@final
class HingeLossParameter(Message):
    Norm: ClassVar[_Enum]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_HingeLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["norm"], /) -> bool: ...
    def ClearField(self, name: Literal["norm", "kept_fields"], /) -> None: ...

class _ImageDataParameterFields(TypedDict, total=False):
    source: str | None
    batch_size: int | None
    rand_skip: int | None
    shuffle: bool | None
    new_height: int | None
    new_width: int | None
    is_color: bool | None
    scale: float | None
    mean_file: str | None
    crop_size: int | None
    mirror: bool | None
    root_folder: str | None
    balance_by: int | None
    balance_class: bool | None
    cache: bool | None
    dataset_share_per_node: float | None
    face_mirror: bool | None
    face_point_num: int | None
    face_transform: bool | None
    has_label: bool | None
    ignore_label: int | None
    is_unchanged: bool | None
    label_cut_end: int | None
    label_cut_start: int | None
    label_num: int | None
    label_type: int | str | None
    max_aspect_ratio: float | None
    max_labels: int | None
    max_random_scale: float | None
    max_random_shift: int | None
    max_rotate_angle: float | None
    max_shear_ratio: float | None
    min_height: int | None
    min_random_scale: float | None
    min_width: int | None
    other_object_label: int | None
    precache: bool | None
    short_side: int | None
    threads: int | None
    kept_fields: Iterable[str]

@final
class ImageDataParameter(Message):
    LabelType: ClassVar[_Enum]
    NONE: ClassVar[int]
    IMAGE: ClassVar[int]
    PIXEL: ClassVar[int]
    source: str
    batch_size: int
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    scale: float
    mean_file: str
    crop_size: int
    mirror: bool
    root_folder: str
    balance_by: int
    balance_class: bool
    cache: bool
    dataset_share_per_node: float
    face_mirror: bool
    face_point_num: int
    face_transform: bool
    has_label: bool
    ignore_label: int
    is_unchanged: bool
    label_cut_end: int
    label_cut_start: int
    label_num: int
    label_type: int
    max_aspect_ratio: float
    max_labels: int
    max_random_scale: float
    max_random_shift: int
    max_rotate_angle: float
    max_shear_ratio: float
    min_height: int
    min_random_scale: float
    min_width: int
    other_object_label: int
    precache: bool
    short_side: int
    threads: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ImageDataParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "source",
            "batch_size",
            "rand_skip",
            "shuffle",
            "new_height",
            "new_width",
            "is_color",
            "scale",
            "mean_file",
            "crop_size",
            "mirror",
            "root_folder",
            "balance_by",
            "balance_class",
            "cache",
            "dataset_share_per_node",
            "face_mirror",
            "face_point_num",
            "face_transform",
            "has_label",
            "ignore_label",
            "is_unchanged",
            "label_cut_end",
            "label_cut_start",
            "label_num",
            "label_type",
            "max_aspect_ratio",
            "max_labels",
            "max_random_scale",
            "max_random_shift",
            "max_rotate_angle",
            "max_shear_ratio",
            "min_height",
            "min_random_scale",
            "min_width",
            "other_object_label",
            "precache",
            "short_side",
            "threads",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "source",
            "batch_size",
            "rand_skip",
            "shuffle",
            "new_height",
            "new_width",
            "is_color",
            "scale",
            "mean_file",
            "crop_size",
            "mirror",
            "root_folder",
            "balance_by",
            "balance_class",
            "cache",
            "dataset_share_per_node",
            "face_mirror",
            "face_point_num",
            "face_transform",
            "has_label",
            "ignore_label",
            "is_unchanged",
            "label_cut_end",
            "label_cut_start",
            "label_num",
            "label_type",
            "max_aspect_ratio",
            "max_labels",
            "max_random_scale",
            "max_random_shift",
            "max_rotate_angle",
            "max_shear_ratio",
            "min_height",
            "min_random_scale",
            "min_width",
            "other_object_label",
            "precache",
            "short_side",
            "threads",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _InfogainLossParameterFields(TypedDict, total=False):
    source: str | None
    axis: int | None
    kept_fields: Iterable[str]

@final
class InfogainLossParameter(Message):
    source: str
    axis: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_InfogainLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["source", "axis"], /) -> bool: ...
    def ClearField(self, name: Literal["source", "axis", "kept_fields"], /) -> None: ...

class _InnerProductParameterFields(TypedDict, total=False):
    num_output: int | None
    bias_term: bool | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    axis: int | None
    transpose: bool | None
    dis_mode: bool | None
    gen_mode: bool | None
    input_scale: float | None
    input_zero_point: int | None
    negative_slope: float | None
    normalize: bool | None
    output_scale: float | None
    output_zero_point: int | None
    relu: bool | None
    weight_fixed: bool | None
    weight_scale: float | None
    weight_zero_point: int | None
    kept_fields: Iterable[str]

@final
class InnerProductParameter(Message):
    num_output: int
    bias_term: bool
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    axis: int
    transpose: bool
    dis_mode: bool
    gen_mode: bool
    input_scale: float
    input_zero_point: int
    negative_slope: float
    normalize: bool
    output_scale: float
    output_zero_point: int
    relu: bool
    weight_fixed: bool
    weight_scale: float
    weight_zero_point: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_InnerProductParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "num_output",
            "bias_term",
            "weight_filler",
            "bias_filler",
            "axis",
            "transpose",
            "dis_mode",
            "gen_mode",
            "input_scale",
            "input_zero_point",
            "negative_slope",
            "normalize",
            "output_scale",
            "output_zero_point",
            "relu",
            "weight_fixed",
            "weight_scale",
            "weight_zero_point",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "num_output",
            "bias_term",
            "weight_filler",
            "bias_filler",
            "axis",
            "transpose",
            "dis_mode",
            "gen_mode",
            "input_scale",
            "input_zero_point",
            "negative_slope",
            "normalize",
            "output_scale",
            "output_zero_point",
            "relu",
            "weight_fixed",
            "weight_scale",
            "weight_zero_point",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _InputParameterFields(TypedDict, total=False):
    shape: Iterable[BlobShape | _BlobShapeFields]
    kept_fields: Iterable[str]

@final
class InputParameter(Message):
    shape: Final[_BlobShapes]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_InputParameterFields]) -> None: ...
    def ClearField(self, name: Literal["shape", "kept_fields"], /) -> None: ...

class _InterpParameterFields(TypedDict, total=False):
    full_zoom_factor: int | None
    height: int | None
    pad_beg: int | None
    pad_end: int | None
    shrink_factor: int | None
    width: int | None
    zoom_factor: int | None
    kept_fields: Iterable[str]

@final
class InterpParameter(Message):
    full_zoom_factor: int
    height: int
    pad_beg: int
    pad_end: int
    shrink_factor: int
    width: int
    zoom_factor: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_InterpParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "full_zoom_factor",
            "height",
            "pad_beg",
            "pad_end",
            "shrink_factor",
            "width",
            "zoom_factor",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "full_zoom_factor",
            "height",
            "pad_beg",
            "pad_end",
            "shrink_factor",
            "width",
            "zoom_factor",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LRNParameterFields(TypedDict, total=False):
    local_size: int | None
    alpha: float | None
    beta: float | None
    norm_region: int | str | None
    k: float | None
    engine: int | str | None
    kept_fields: Iterable[str]

@final
class LRNParameter(Message):
    NormRegion: ClassVar[_Enum]
    ACROSS_CHANNELS: ClassVar[int]
    WITHIN_CHANNEL: ClassVar[int]
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    local_size: int
    alpha: float
    beta: float
    norm_region: int
    k: float
    engine: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LRNParameterFields]) -> None: ...
    def HasField(self, name: Literal["local_size", "alpha", "beta", "norm_region", "k", "engine"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "local_size",
            "alpha",
            "beta",
            "norm_region",
            "k",
            "engine",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LSTMParameterFields(TypedDict, total=False):
    batch_size: int | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    clipping_threshold: float | None
    num_output: Iterable[int]
    weight_filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class LSTMParameter(Message):
    batch_size: int
    bias_filler: Final[FillerParameter]
    clipping_threshold: float
    num_output: Final[_Scalars[int]]
    weight_filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LSTMParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "batch_size",
            "bias_filler",
            "clipping_threshold",
            "weight_filler",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "batch_size",
            "bias_filler",
            "clipping_threshold",
            "num_output",
            "weight_filler",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LabelMapFields(TypedDict, total=False):
    item: Iterable[LabelMapItem | _LabelMapItemFields]
    kept_fields: Iterable[str]

@final
class LabelMap(Message):
    item: Final[_LabelMapItems]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelMapFields]) -> None: ...
    def ClearField(self, name: Literal["item", "kept_fields"], /) -> None: ...

class _LabelMapItemFields(TypedDict, total=False):
    display_name: Iterable[str]
    label: Iterable[int]
    name: Iterable[str]
    kept_fields: Iterable[str]

@final
class LabelMapItem(Message):
    display_name: Final[_Scalars[str]]
    label: Final[_Scalars[int]]
    name: Final[_Scalars[str]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelMapItemFields]) -> None: ...
    def ClearField(self, name: Literal["display_name", "label", "name", "kept_fields"], /) -> None: ...

class _LabelMapItems(_Messages[LabelMapItem]):
    def add(self, **fields: Unpack[_LabelMapItemFields]) -> LabelMapItem: ...

class _LabelSpecificAddParameterFields(TypedDict, total=False):
    bias: float | None
    bias_base: float | None
    bias_gamma: float | None
    bias_max: float | None
    bias_min: float | None
    bias_power: float | None
    iteration: int | None
    transform_test: bool | None
    kept_fields: Iterable[str]

@final
class LabelSpecificAddParameter(Message):
    bias: float
    bias_base: float
    bias_gamma: float
    bias_max: float
    bias_min: float
    bias_power: float
    iteration: int
    transform_test: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificAddParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "bias",
            "bias_base",
            "bias_gamma",
            "bias_max",
            "bias_min",
            "bias_power",
            "iteration",
            "transform_test",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "bias",
            "bias_base",
            "bias_gamma",
            "bias_max",
            "bias_min",
            "bias_power",
            "iteration",
            "transform_test",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LabelSpecificAffineParameterFields(TypedDict, total=False):
    auto_tune: bool | None
    bias_base: float | None
    bias_gamma: float | None
    bias_max: float | None
    bias_power: float | None
    iteration: int | None
    power_base: float | None
    power_gamma: float | None
    power_min: float | None
    power_power: float | None
    reset: bool | None
    scale_base: float | None
    scale_gamma: float | None
    scale_max: float | None
    scale_power: float | None
    transform_test: bool | None
    kept_fields: Iterable[str]

@final
class LabelSpecificAffineParameter(Message):
    auto_tune: bool
    bias_base: float
    bias_gamma: float
    bias_max: float
    bias_power: float
    iteration: int
    power_base: float
    power_gamma: float
    power_min: float
    power_power: float
    reset: bool
    scale_base: float
    scale_gamma: float
    scale_max: float
    scale_power: float
    transform_test: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificAffineParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "auto_tune",
            "bias_base",
            "bias_gamma",
            "bias_max",
            "bias_power",
            "iteration",
            "power_base",
            "power_gamma",
            "power_min",
            "power_power",
            "reset",
            "scale_base",
            "scale_gamma",
            "scale_max",
            "scale_power",
            "transform_test",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "auto_tune",
            "bias_base",
            "bias_gamma",
            "bias_max",
            "bias_power",
            "iteration",
            "power_base",
            "power_gamma",
            "power_min",
            "power_power",
            "reset",
            "scale_base",
            "scale_gamma",
            "scale_max",
            "scale_power",
            "transform_test",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LabelSpecificHardMarginParameterFields(TypedDict, total=False):
    positive_weight: float | None
    kept_fields: Iterable[str]

@final
class LabelSpecificHardMarginParameter(Message):
    positive_weight: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificHardMarginParameterFields]) -> None: ...
    def HasField(self, name: Literal["positive_weight"], /) -> bool: ...
    def ClearField(self, name: Literal["positive_weight", "kept_fields"], /) -> None: ...

class _LabelSpecificMarginParameterFields(TypedDict, total=False):
    auto_tune: bool | None
    gamma: float | None
    iteration: int | None
    margin_base: float | None
    margin_max: float | None
    margin_on_test: bool | None
    power: float | None
    reset_margin: bool | None
    kept_fields: Iterable[str]

@final
class LabelSpecificMarginParameter(Message):
    auto_tune: bool
    gamma: float
    iteration: int
    margin_base: float
    margin_max: float
    margin_on_test: bool
    power: float
    reset_margin: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificMarginParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "auto_tune",
            "gamma",
            "iteration",
            "margin_base",
            "margin_max",
            "margin_on_test",
            "power",
            "reset_margin",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "auto_tune",
            "gamma",
            "iteration",
            "margin_base",
            "margin_max",
            "margin_on_test",
            "power",
            "reset_margin",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LabelSpecificRescaleParameterFields(TypedDict, total=False):
    bias_fix: bool | None
    for_ip: bool | None
    gamma: float | None
    iteration: int | None
    negative_upper_bound: float | None
    negative_weight: float | None
    positive_lower_bound: float | None
    positive_weight: float | None
    positive_weight_base: float | None
    positive_weight_max: float | None
    positive_weight_min: float | None
    power: float | None
    power_on_positive: bool | None
    rescale_test: bool | None
    kept_fields: Iterable[str]

@final
class LabelSpecificRescaleParameter(Message):
    bias_fix: bool
    for_ip: bool
    gamma: float
    iteration: int
    negative_upper_bound: float
    negative_weight: float
    positive_lower_bound: float
    positive_weight: float
    positive_weight_base: float
    positive_weight_max: float
    positive_weight_min: float
    power: float
    power_on_positive: bool
    rescale_test: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificRescaleParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "bias_fix",
            "for_ip",
            "gamma",
            "iteration",
            "negative_upper_bound",
            "negative_weight",
            "positive_lower_bound",
            "positive_weight",
            "positive_weight_base",
            "positive_weight_max",
            "positive_weight_min",
            "power",
            "power_on_positive",
            "rescale_test",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "bias_fix",
            "for_ip",
            "gamma",
            "iteration",
            "negative_upper_bound",
            "negative_weight",
            "positive_lower_bound",
            "positive_weight",
            "positive_weight_base",
            "positive_weight_max",
            "positive_weight_min",
            "power",
            "power_on_positive",
            "rescale_test",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LabelSpecificStatisticsParameterFields(TypedDict, total=False):
    scale_factor: float | None
    scale_for_angle: bool | None
    kept_fields: Iterable[str]

@final
class LabelSpecificStatisticsParameter(Message):
    scale_factor: float
    scale_for_angle: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LabelSpecificStatisticsParameterFields]) -> None: ...
    def HasField(self, name: Literal["scale_factor", "scale_for_angle"], /) -> bool: ...
    def ClearField(self, name: Literal["scale_factor", "scale_for_angle", "kept_fields"], /) -> None: ...

class _LayerParameterFields(TypedDict, total=False):
    name: str | None
    type: str | None
    bottom: Iterable[str]
    top: Iterable[str]
    phase: int | str | None
    loss_weight: Iterable[float]
    param: Iterable[ParamSpec | _ParamSpecFields]
    blobs: Iterable[BlobProto | _BlobProtoFields]
    propagate_down: Iterable[bool]
    include: Iterable[NetStateRule | _NetStateRuleFields]
    exclude: Iterable[NetStateRule | _NetStateRuleFields]
    transform_param: TransformationParameter | _TransformationParameterFields | None
    loss_param: LossParameter | _LossParameterFields | None
    accuracy_param: AccuracyParameter | _AccuracyParameterFields | None
    argmax_param: ArgMaxParameter | _ArgMaxParameterFields | None
    batch_norm_param: BatchNormParameter | _BatchNormParameterFields | None
    bias_param: BiasParameter | _BiasParameterFields | None
    clip_param: ClipParameter | _ClipParameterFields | None
    concat_param: ConcatParameter | _ConcatParameterFields | None
    contrastive_loss_param: ContrastiveLossParameter | _ContrastiveLossParameterFields | None
    convolution_param: ConvolutionParameter | _ConvolutionParameterFields | None
    crop_param: CropParameter | _CropParameterFields | None
    data_param: DataParameter | _DataParameterFields | None
    dropout_param: DropoutParameter | _DropoutParameterFields | None
    dummy_data_param: DummyDataParameter | _DummyDataParameterFields | None
    eltwise_param: EltwiseParameter | _EltwiseParameterFields | None
    elu_param: ELUParameter | _ELUParameterFields | None
    embed_param: EmbedParameter | _EmbedParameterFields | None
    exp_param: ExpParameter | _ExpParameterFields | None
    flatten_param: FlattenParameter | _FlattenParameterFields | None
    hdf5_data_param: HDF5DataParameter | _HDF5DataParameterFields | None
    hdf5_output_param: HDF5OutputParameter | _HDF5OutputParameterFields | None
    hinge_loss_param: HingeLossParameter | _HingeLossParameterFields | None
    image_data_param: ImageDataParameter | _ImageDataParameterFields | None
    infogain_loss_param: InfogainLossParameter | _InfogainLossParameterFields | None
    inner_product_param: InnerProductParameter | _InnerProductParameterFields | None
    input_param: InputParameter | _InputParameterFields | None
    log_param: LogParameter | _LogParameterFields | None
    lrn_param: LRNParameter | _LRNParameterFields | None
    memory_data_param: MemoryDataParameter | _MemoryDataParameterFields | None
    mvn_param: MVNParameter | _MVNParameterFields | None
    parameter_param: ParameterParameter | _ParameterParameterFields | None
    pooling_param: PoolingParameter | _PoolingParameterFields | None
    power_param: PowerParameter | _PowerParameterFields | None
    prelu_param: PReLUParameter | _PReLUParameterFields | None
    python_param: PythonParameter | _PythonParameterFields | None
    recurrent_param: RecurrentParameter | _RecurrentParameterFields | None
    reduction_param: ReductionParameter | _ReductionParameterFields | None
    relu_param: ReLUParameter | _ReLUParameterFields | None
    reshape_param: ReshapeParameter | _ReshapeParameterFields | None
    scale_param: ScaleParameter | _ScaleParameterFields | None
    sigmoid_param: SigmoidParameter | _SigmoidParameterFields | None
    softmax_param: SoftmaxParameter | _SoftmaxParameterFields | None
    spp_param: SPPParameter | _SPPParameterFields | None
    slice_param: SliceParameter | _SliceParameterFields | None
    swish_param: SwishParameter | _SwishParameterFields | None
    tanh_param: TanHParameter | _TanHParameterFields | None
    threshold_param: ThresholdParameter | _ThresholdParameterFields | None
    tile_param: TileParameter | _TileParameterFields | None
    window_data_param: WindowDataParameter | _WindowDataParameterFields | None
    DepthwiseConvolution_param: DepthwiseConvolutionParameter | _DepthwiseConvolutionParameterFields | None
    adaptive_bias_channel_param: AdaptiveBiasChannelParameter | _AdaptiveBiasChannelParameterFields | None
    annotated_data_param: AnnotatedDataParameter | _AnnotatedDataParameterFields | None
    backward_math: int | str | None
    backward_type: int | str | None
    bn_param: BNParameter | _BNParameterFields | None
    cudnn_math_override: int | None
    debug: bool | None
    dense_image_data_param: DenseImageDataParameter | _DenseImageDataParameterFields | None
    detection_evaluate_param: DetectionEvaluateParameter | _DetectionEvaluateParameterFields | None
    detection_output_param: DetectionOutputParameter | _DetectionOutputParameterFields | None
    domain_transform_param: DomainTransformParameter | _DomainTransformParameterFields | None
    engine: Iterable[str]
    focal_loss_param: FocalLossParameter | _FocalLossParameterFields | None
    forward_math: int | str | None
    forward_type: int | str | None
    interp_param: InterpParameter | _InterpParameterFields | None
    label_specific_add_param: LabelSpecificAddParameter | _LabelSpecificAddParameterFields | None
    label_specific_affine_param: LabelSpecificAffineParameter | _LabelSpecificAffineParameterFields | None
    label_specific_hard_margin_param: LabelSpecificHardMarginParameter | _LabelSpecificHardMarginParameterFields | None
    label_specific_margin_param: LabelSpecificMarginParameter | _LabelSpecificMarginParameterFields | None
    label_specific_rescale_param: LabelSpecificRescaleParameter | _LabelSpecificRescaleParameterFields | None
    lstm_param: LSTMParameter | _LSTMParameterFields | None
    mask_param: TransformationParameter | _TransformationParameterFields | None
    mask_resize_param: MaskResizeParameter | _MaskResizeParameterFields | None
    maskrcnn_detection_param: MaskRCNNDetectionParameter | _MaskRCNNDetectionParameterFields | None
    maskrcnn_proposal_param: MaskRCNNProposalParameter | _MaskRCNNProposalParameterFields | None
    mat_read_param: MatReadParameter | _MatReadParameterFields | None
    mat_write_param: MatWriteParameter | _MatWriteParameterFields | None
    mil_data_param: MILDataParameter | _MILDataParameterFields | None
    multibox_loss_param: MultiBoxLossParameter | _MultiBoxLossParameterFields | None
    noise_param: NoiseParameter | _NoiseParameterFields | None
    norm_param: NormalizeParameter | _NormalizeParameterFields | None
    normalize_param: NormalizeParameter | _NormalizeParameterFields | None
    pad_param: PadParameter | _PadParameterFields | None
    permute_param: PermuteParameter | _PermuteParameterFields | None
    prior_box_param: PriorBoxParameter | _PriorBoxParameterFields | None
    proposal_param: ProposalParameter | _ProposalParameterFields | None
    proposal_target_param: ProposalTargetParameter | _ProposalTargetParameterFields | None
    psroi_pooling_param: PSROIPoolingParameter | _PSROIPoolingParameterFields | None
    pyramid_roi_align_param: PyramidROIAlignParameter | _PyramidROIAlignParameterFields | None
    quantization_param: QuantizationParameter | _QuantizationParameterFields | None
    region_loss_param: RegionLossParameter | _RegionLossParameterFields | None
    region_param: RegionParameter | _RegionParameterFields | None
    relu6_param: ReLU6Parameter | _ReLU6ParameterFields | None
    reorg_param: ReorgParameter | _ReorgParameterFields | None
    reshape_every_iter: bool | None
    resize1_param: Resize1_Parameter | _Resize1_ParameterFields | None
    resize_bilinear_param: ResizeBilinearParameter | _ResizeBilinearParameterFields | None
    resize_nearest_neighbor_param: ResizeNearestNeighborParameter | _ResizeNearestNeighborParameterFields | None
    resize_param: ResizeParameter | _ResizeParameterFields | None
    roi_align_param: ROIAlignParameter | _ROIAlignParameterFields | None
    roi_pooling_param: ROIPoolingParameter | _ROIPoolingParameterFields | None
    seg_accuracy_param: SegAccuracyParameter | _SegAccuracyParameterFields | None
    shuffle_channel_param: ShuffleChannelParameter | _ShuffleChannelParameterFields | None
    smooth_l1_loss_param: SmoothL1LossParameter | _SmoothL1LossParameterFields | None
    smoothl1_param: SmoothL1Parameter | _SmoothL1ParameterFields | None
    unpooling_param: UnpoolingParameter | _UnpoolingParameterFields | None
    upsample_darknet_param: UpsampleDarknetParameter | _UpsampleDarknetParameterFields | None
    upsample_param: UpsampleParameter | _UpsampleParameterFields | None
    video_data_param: VideoDataParameter | _VideoDataParameterFields | None
    yolo_detection_output_param: YoloDetectionOutputParameter | _YoloDetectionOutputParameterFields | None
    yolo_eval_detection_param: YoloEvalDetectionParameter | _YoloEvalDetectionParameterFields | None
    yolo_seg_param: YoloSegParameter | _YoloSegParameterFields | None
    yolo_v2_loss_param: YoloV2LossParameter | _YoloV2LossParameterFields | None
    yolo_v3_loss_param: YoloV3LossParameter | _YoloV3LossParameterFields | None
    yolov3_detection_output_param: Yolov3DetectionOutputParameter | _Yolov3DetectionOutputParameterFields | None
    yolov3_param: Yolov3Parameter | _Yolov3ParameterFields | None
    custom_param: CustomParameter | _CustomParameterFields | None
    padding_param: PaddingParameter | _PaddingParameterFields | None
    strict_dim: bool | None
    DepthwiseConvolution_parameter: DepthwiseConvolutionParameter | _DepthwiseConvolutionParameterFields | None
    split_num: int | None
    kept_fields: Iterable[str]

@final
class LayerParameter(Message):
    Type: ClassVar[_Enum]
    DOUBLE: ClassVar[int]
    FLOAT: ClassVar[int]
    FLOAT16: ClassVar[int]
    INT: ClassVar[int]
    UINT: ClassVar[int]
    name: str
    type: str
    bottom: Final[_Scalars[str]]
    top: Final[_Scalars[str]]
    phase: int
    loss_weight: Final[_Scalars[float]]
    param: Final[_ParamSpecs]
    blobs: Final[_BlobProtos]
    propagate_down: Final[_Scalars[bool]]
    include: Final[_NetStateRules]
    exclude: Final[_NetStateRules]
    transform_param: Final[TransformationParameter]
    loss_param: Final[LossParameter]
    accuracy_param: Final[AccuracyParameter]
    argmax_param: Final[ArgMaxParameter]
    batch_norm_param: Final[BatchNormParameter]
    bias_param: Final[BiasParameter]
    clip_param: Final[ClipParameter]
    concat_param: Final[ConcatParameter]
    contrastive_loss_param: Final[ContrastiveLossParameter]
    convolution_param: Final[ConvolutionParameter]
    crop_param: Final[CropParameter]
    data_param: Final[DataParameter]
    dropout_param: Final[DropoutParameter]
    dummy_data_param: Final[DummyDataParameter]
    eltwise_param: Final[EltwiseParameter]
    elu_param: Final[ELUParameter]
    embed_param: Final[EmbedParameter]
    exp_param: Final[ExpParameter]
    flatten_param: Final[FlattenParameter]
    hdf5_data_param: Final[HDF5DataParameter]
    hdf5_output_param: Final[HDF5OutputParameter]
    hinge_loss_param: Final[HingeLossParameter]
    image_data_param: Final[ImageDataParameter]
    infogain_loss_param: Final[InfogainLossParameter]
    inner_product_param: Final[InnerProductParameter]
    input_param: Final[InputParameter]
    log_param: Final[LogParameter]
    lrn_param: Final[LRNParameter]
    memory_data_param: Final[MemoryDataParameter]
    mvn_param: Final[MVNParameter]
    parameter_param: Final[ParameterParameter]
    pooling_param: Final[PoolingParameter]
    power_param: Final[PowerParameter]
    prelu_param: Final[PReLUParameter]
    python_param: Final[PythonParameter]
    recurrent_param: Final[RecurrentParameter]
    reduction_param: Final[ReductionParameter]
    relu_param: Final[ReLUParameter]
    reshape_param: Final[ReshapeParameter]
    scale_param: Final[ScaleParameter]
    sigmoid_param: Final[SigmoidParameter]
    softmax_param: Final[SoftmaxParameter]
    spp_param: Final[SPPParameter]
    slice_param: Final[SliceParameter]
    swish_param: Final[SwishParameter]
    tanh_param: Final[TanHParameter]
    threshold_param: Final[ThresholdParameter]
    tile_param: Final[TileParameter]
    window_data_param: Final[WindowDataParameter]
    DepthwiseConvolution_param: Final[DepthwiseConvolutionParameter]
    adaptive_bias_channel_param: Final[AdaptiveBiasChannelParameter]
    annotated_data_param: Final[AnnotatedDataParameter]
    backward_math: int
    backward_type: int
    bn_param: Final[BNParameter]
    cudnn_math_override: int
    debug: bool
    dense_image_data_param: Final[DenseImageDataParameter]
    detection_evaluate_param: Final[DetectionEvaluateParameter]
    detection_output_param: Final[DetectionOutputParameter]
    domain_transform_param: Final[DomainTransformParameter]
    engine: Final[_Scalars[str]]
    focal_loss_param: Final[FocalLossParameter]
    forward_math: int
    forward_type: int
    interp_param: Final[InterpParameter]
    label_specific_add_param: Final[LabelSpecificAddParameter]
    label_specific_affine_param: Final[LabelSpecificAffineParameter]
    label_specific_hard_margin_param: Final[LabelSpecificHardMarginParameter]
    label_specific_margin_param: Final[LabelSpecificMarginParameter]
    label_specific_rescale_param: Final[LabelSpecificRescaleParameter]
    lstm_param: Final[LSTMParameter]
    mask_param: Final[TransformationParameter]
    mask_resize_param: Final[MaskResizeParameter]
    maskrcnn_detection_param: Final[MaskRCNNDetectionParameter]
    maskrcnn_proposal_param: Final[MaskRCNNProposalParameter]
    mat_read_param: Final[MatReadParameter]
    mat_write_param: Final[MatWriteParameter]
    mil_data_param: Final[MILDataParameter]
    multibox_loss_param: Final[MultiBoxLossParameter]
    noise_param: Final[NoiseParameter]
    norm_param: Final[NormalizeParameter]
    normalize_param: Final[NormalizeParameter]
    pad_param: Final[PadParameter]
    permute_param: Final[PermuteParameter]
    prior_box_param: Final[PriorBoxParameter]
    proposal_param: Final[ProposalParameter]
    proposal_target_param: Final[ProposalTargetParameter]
    psroi_pooling_param: Final[PSROIPoolingParameter]
    pyramid_roi_align_param: Final[PyramidROIAlignParameter]
    quantization_param: Final[QuantizationParameter]
    region_loss_param: Final[RegionLossParameter]
    region_param: Final[RegionParameter]
    relu6_param: Final[ReLU6Parameter]
    reorg_param: Final[ReorgParameter]
    reshape_every_iter: bool
    resize1_param: Final[Resize1_Parameter]
    resize_bilinear_param: Final[ResizeBilinearParameter]
    resize_nearest_neighbor_param: Final[ResizeNearestNeighborParameter]
    resize_param: Final[ResizeParameter]
    roi_align_param: Final[ROIAlignParameter]
    roi_pooling_param: Final[ROIPoolingParameter]
    seg_accuracy_param: Final[SegAccuracyParameter]
    shuffle_channel_param: Final[ShuffleChannelParameter]
    smooth_l1_loss_param: Final[SmoothL1LossParameter]
    smoothl1_param: Final[SmoothL1Parameter]
    unpooling_param: Final[UnpoolingParameter]
    upsample_darknet_param: Final[UpsampleDarknetParameter]
    upsample_param: Final[UpsampleParameter]
    video_data_param: Final[VideoDataParameter]
    yolo_detection_output_param: Final[YoloDetectionOutputParameter]
    yolo_eval_detection_param: Final[YoloEvalDetectionParameter]
    yolo_seg_param: Final[YoloSegParameter]
    yolo_v2_loss_param: Final[YoloV2LossParameter]
    yolo_v3_loss_param: Final[YoloV3LossParameter]
    yolov3_detection_output_param: Final[Yolov3DetectionOutputParameter]
    yolov3_param: Final[Yolov3Parameter]
    custom_param: Final[CustomParameter]
    padding_param: Final[PaddingParameter]
    strict_dim: bool
    DepthwiseConvolution_parameter: Final[DepthwiseConvolutionParameter]
    split_num: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LayerParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "name",
            "type",
            "phase",
            "transform_param",
            "loss_param",
            "accuracy_param",
            "argmax_param",
            "batch_norm_param",
            "bias_param",
            "clip_param",
            "concat_param",
            "contrastive_loss_param",
            "convolution_param",
            "crop_param",
            "data_param",
            "dropout_param",
            "dummy_data_param",
            "eltwise_param",
            "elu_param",
            "embed_param",
            "exp_param",
            "flatten_param",
            "hdf5_data_param",
            "hdf5_output_param",
            "hinge_loss_param",
            "image_data_param",
            "infogain_loss_param",
            "inner_product_param",
            "input_param",
            "log_param",
            "lrn_param",
            "memory_data_param",
            "mvn_param",
            "parameter_param",
            "pooling_param",
            "power_param",
            "prelu_param",
            "python_param",
            "recurrent_param",
            "reduction_param",
            "relu_param",
            "reshape_param",
            "scale_param",
            "sigmoid_param",
            "softmax_param",
            "spp_param",
            "slice_param",
            "swish_param",
            "tanh_param",
            "threshold_param",
            "tile_param",
            "window_data_param",
            "DepthwiseConvolution_param",
            "adaptive_bias_channel_param",
            "annotated_data_param",
            "backward_math",
            "backward_type",
            "bn_param",
            "cudnn_math_override",
            "debug",
            "dense_image_data_param",
            "detection_evaluate_param",
            "detection_output_param",
            "domain_transform_param",
            "focal_loss_param",
            "forward_math",
            "forward_type",
            "interp_param",
            "label_specific_add_param",
            "label_specific_affine_param",
            "label_specific_hard_margin_param",
            "label_specific_margin_param",
            "label_specific_rescale_param",
            "lstm_param",
            "mask_param",
            "mask_resize_param",
            "maskrcnn_detection_param",
            "maskrcnn_proposal_param",
            "mat_read_param",
            "mat_write_param",
            "mil_data_param",
            "multibox_loss_param",
            "noise_param",
            "norm_param",
            "normalize_param",
            "pad_param",
            "permute_param",
            "prior_box_param",
            "proposal_param",
            "proposal_target_param",
            "psroi_pooling_param",
            "pyramid_roi_align_param",
            "quantization_param",
            "region_loss_param",
            "region_param",
            "relu6_param",
            "reorg_param",
            "reshape_every_iter",
            "resize1_param",
            "resize_bilinear_param",
            "resize_nearest_neighbor_param",
            "resize_param",
            "roi_align_param",
            "roi_pooling_param",
            "seg_accuracy_param",
            "shuffle_channel_param",
            "smooth_l1_loss_param",
            "smoothl1_param",
            "unpooling_param",
            "upsample_darknet_param",
            "upsample_param",
            "video_data_param",
            "yolo_detection_output_param",
            "yolo_eval_detection_param",
            "yolo_seg_param",
            "yolo_v2_loss_param",
            "yolo_v3_loss_param",
            "yolov3_detection_output_param",
            "yolov3_param",
            "custom_param",
            "padding_param",
            "strict_dim",
            "DepthwiseConvolution_parameter",
            "split_num",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "name",
            "type",
            "bottom",
            "top",
            "phase",
            "loss_weight",
            "param",
            "blobs",
            "propagate_down",
            "include",
            "exclude",
            "transform_param",
            "loss_param",
            "accuracy_param",
            "argmax_param",
            "batch_norm_param",
            "bias_param",
            "clip_param",
            "concat_param",
            "contrastive_loss_param",
            "convolution_param",
            "crop_param",
            "data_param",
            "dropout_param",
            "dummy_data_param",
            "eltwise_param",
            "elu_param",
            "embed_param",
            "exp_param",
            "flatten_param",
            "hdf5_data_param",
            "hdf5_output_param",
            "hinge_loss_param",
            "image_data_param",
            "infogain_loss_param",
            "inner_product_param",
            "input_param",
            "log_param",
            "lrn_param",
            "memory_data_param",
            "mvn_param",
            "parameter_param",
            "pooling_param",
            "power_param",
            "prelu_param",
            "python_param",
            "recurrent_param",
            "reduction_param",
            "relu_param",
            "reshape_param",
            "scale_param",
            "sigmoid_param",
            "softmax_param",
            "spp_param",
            "slice_param",
            "swish_param",
            "tanh_param",
            "threshold_param",
            "tile_param",
            "window_data_param",
            "DepthwiseConvolution_param",
            "adaptive_bias_channel_param",
            "annotated_data_param",
            "backward_math",
            "backward_type",
            "bn_param",
            "cudnn_math_override",
            "debug",
            "dense_image_data_param",
            "detection_evaluate_param",
            "detection_output_param",
            "domain_transform_param",
            "engine",
            "focal_loss_param",
            "forward_math",
            "forward_type",
            "interp_param",
            "label_specific_add_param",
            "label_specific_affine_param",
            "label_specific_hard_margin_param",
            "label_specific_margin_param",
            "label_specific_rescale_param",
            "lstm_param",
            "mask_param",
            "mask_resize_param",
            "maskrcnn_detection_param",
            "maskrcnn_proposal_param",
            "mat_read_param",
            "mat_write_param",
            "mil_data_param",
            "multibox_loss_param",
            "noise_param",
            "norm_param",
            "normalize_param",
            "pad_param",
            "permute_param",
            "prior_box_param",
            "proposal_param",
            "proposal_target_param",
            "psroi_pooling_param",
            "pyramid_roi_align_param",
            "quantization_param",
            "region_loss_param",
            "region_param",
            "relu6_param",
            "reorg_param",
            "reshape_every_iter",
            "resize1_param",
            "resize_bilinear_param",
            "resize_nearest_neighbor_param",
            "resize_param",
            "roi_align_param",
            "roi_pooling_param",
            "seg_accuracy_param",
            "shuffle_channel_param",
            "smooth_l1_loss_param",
            "smoothl1_param",
            "unpooling_param",
            "upsample_darknet_param",
            "upsample_param",
            "video_data_param",
            "yolo_detection_output_param",
            "yolo_eval_detection_param",
            "yolo_seg_param",
            "yolo_v2_loss_param",
            "yolo_v3_loss_param",
            "yolov3_detection_output_param",
            "yolov3_param",
            "custom_param",
            "padding_param",
            "strict_dim",
            "DepthwiseConvolution_parameter",
            "split_num",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _LayerParameters(_Messages[LayerParameter]):
    def add(self, **fields: Unpack[_LayerParameterFields]) -> LayerParameter: ...

class _LogParameterFields(TypedDict, total=False):
    base: float | None
    scale: float | None
    shift: float | None
    kept_fields: Iterable[str]

@final
class LogParameter(Message):
    base: float
    scale: float
    shift: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LogParameterFields]) -> None: ...
    def HasField(self, name: Literal["base", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["base", "scale", "shift", "kept_fields"], /) -> None: ...

class _LossParameterFields(TypedDict, total=False):
    ignore_label: int | None
    normalization: int | str | None
    normalize: bool | None
    class_weighting: Iterable[float]
    label_smoothing: float | None
    pre_fixed_normalizer: float | None
    weight_by_label_freqs: bool | None
    kept_fields: Iterable[str]

@final
class LossParameter(Message):
    NormalizationMode: ClassVar[_Enum]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    ignore_label: int
    normalization: int
    normalize: bool
    class_weighting: Final[_Scalars[float]]
    label_smoothing: float
    pre_fixed_normalizer: float
    weight_by_label_freqs: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_LossParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "ignore_label",
            "normalization",
            "normalize",
            "label_smoothing",
            "pre_fixed_normalizer",
            "weight_by_label_freqs",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "ignore_label",
            "normalization",
            "normalize",
            "class_weighting",
            "label_smoothing",
            "pre_fixed_normalizer",
            "weight_by_label_freqs",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MILDataParameterFields(TypedDict, total=False):
    channels: int | None
    ext: Iterable[str]
    images_per_batch: Iterable[int]
    label_file: Iterable[str]
    n_classes: Iterable[int]
    num_scales: int | None
    randomize: bool | None
    root_dir: Iterable[str]
    scale_factor: float | None
    source: Iterable[str]
    kept_fields: Iterable[str]

@final
class MILDataParameter(Message):
    channels: int
    ext: Final[_Scalars[str]]
    images_per_batch: Final[_Scalars[int]]
    label_file: Final[_Scalars[str]]
    n_classes: Final[_Scalars[int]]
    num_scales: int
    randomize: bool
    root_dir: Final[_Scalars[str]]
    scale_factor: float
    source: Final[_Scalars[str]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MILDataParameterFields]) -> None: ...
    def HasField(self, name: Literal["channels", "num_scales", "randomize", "scale_factor"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "channels",
            "ext",
            "images_per_batch",
            "label_file",
            "n_classes",
            "num_scales",
            "randomize",
            "root_dir",
            "scale_factor",
            "source",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MVNParameterFields(TypedDict, total=False):
    normalize_variance: bool | None
    across_channels: bool | None
    eps: float | None
    kept_fields: Iterable[str]

@final
class MVNParameter(Message):
    normalize_variance: bool
    across_channels: bool
    eps: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MVNParameterFields]) -> None: ...
    def HasField(self, name: Literal["normalize_variance", "across_channels", "eps"], /) -> bool: ...
    def ClearField(self, name: Literal["normalize_variance", "across_channels", "eps", "kept_fields"], /) -> None: ...

class _MaskRCNNDetectionParameterFields(TypedDict, total=False):
    batch_size: int | None
    bbox_std_dev: Iterable[float]
    detection_max_instances: int | None
    detection_min_confidence: float | None
    detection_nms_threshold: float | None
    kept_fields: Iterable[str]

@final
class MaskRCNNDetectionParameter(Message):
    batch_size: int
    bbox_std_dev: Final[_Scalars[float]]
    detection_max_instances: int
    detection_min_confidence: float
    detection_nms_threshold: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MaskRCNNDetectionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "batch_size",
            "detection_max_instances",
            "detection_min_confidence",
            "detection_nms_threshold",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "batch_size",
            "bbox_std_dev",
            "detection_max_instances",
            "detection_min_confidence",
            "detection_nms_threshold",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MaskRCNNProposalParameterFields(TypedDict, total=False):
    batch_size: int | None
    images_per_gpu: int | None
    post_nms_rois_inference: int | None
    pre_nms_limit: int | None
    rpn_bbox_std_dev: Iterable[float]
    rpn_nms_threshold: float | None
    kept_fields: Iterable[str]

@final
class MaskRCNNProposalParameter(Message):
    batch_size: int
    images_per_gpu: int
    post_nms_rois_inference: int
    pre_nms_limit: int
    rpn_bbox_std_dev: Final[_Scalars[float]]
    rpn_nms_threshold: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MaskRCNNProposalParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "batch_size",
            "images_per_gpu",
            "post_nms_rois_inference",
            "pre_nms_limit",
            "rpn_nms_threshold",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "batch_size",
            "images_per_gpu",
            "post_nms_rois_inference",
            "pre_nms_limit",
            "rpn_bbox_std_dev",
            "rpn_nms_threshold",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MaskResizeParameterFields(TypedDict, total=False):
    factor_height: float | None
    factor_width: float | None
    output_height: int | None
    output_width: int | None
    kept_fields: Iterable[str]

@final
class MaskResizeParameter(Message):
    factor_height: float
    factor_width: float
    output_height: int
    output_width: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MaskResizeParameterFields]) -> None: ...
    def HasField(self, name: Literal["factor_height", "factor_width", "output_height", "output_width"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "factor_height",
            "factor_width",
            "output_height",
            "output_width",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MatReadParameterFields(TypedDict, total=False):
    batch_size: int | None
    prefix: Iterable[str]
    source: Iterable[str]
    strip: int | None
    kept_fields: Iterable[str]

@final
class MatReadParameter(Message):
    batch_size: int
    prefix: Final[_Scalars[str]]
    source: Final[_Scalars[str]]
    strip: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MatReadParameterFields]) -> None: ...
    def HasField(self, name: Literal["batch_size", "strip"], /) -> bool: ...
    def ClearField(self, name: Literal["batch_size", "prefix", "source", "strip", "kept_fields"], /) -> None: ...

class _MatWriteParameterFields(TypedDict, total=False):
    period: int | None
    prefix: Iterable[str]
    source: Iterable[str]
    strip: int | None
    kept_fields: Iterable[str]

@final
class MatWriteParameter(Message):
    period: int
    prefix: Final[_Scalars[str]]
    source: Final[_Scalars[str]]
    strip: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MatWriteParameterFields]) -> None: ...
    def HasField(self, name: Literal["period", "strip"], /) -> bool: ...
    def ClearField(self, name: Literal["period", "prefix", "source", "strip", "kept_fields"], /) -> None: ...

class _MemoryDataParameterFields(TypedDict, total=False):
    batch_size: int | None
    channels: int | None
    height: int | None
    width: int | None
    dim: Iterable[int]
    kept_fields: Iterable[str]

@final
class MemoryDataParameter(Message):
    batch_size: int
    channels: int
    height: int
    width: int
    dim: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MemoryDataParameterFields]) -> None: ...
    def HasField(self, name: Literal["batch_size", "channels", "height", "width"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "batch_size",
            "channels",
            "height",
            "width",
            "dim",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _MultiBoxLossParameterFields(TypedDict, total=False):
    background_label_id: int | None
    bp_inside: bool | None
    code_type: int | str | None
    conf_loss_type: int | str | None
    do_neg_mining: bool | None
    encode_variance_in_target: bool | None
    ignore_cross_boundary_bbox: bool | None
    ignore_difficult_gt: bool | None
    loc_loss_type: int | str | None
    loc_weight: float | None
    map_object_to_agnostic: bool | None
    match_type: int | str | None
    mining_type: int | str | None
    neg_overlap: float | None
    neg_pos_ratio: float | None
    nms_param: NonMaximumSuppressionParameter | _NonMaximumSuppressionParameterFields | None
    num_classes: int | None
    objectness_score: float | None
    oriented_weight: float | None
    overlap_threshold: float | None
    sample_size: int | None
    share_location: bool | None
    use_difficult_gt: bool | None
    use_prior_for_matching: bool | None
    use_prior_for_nms: bool | None
    kept_fields: Iterable[str]

@final
class MultiBoxLossParameter(Message):
    CodeType: ClassVar[_Enum]
    CORNER: ClassVar[int]
    CENTER_SIZE: ClassVar[int]
    CORNER_SIZE: ClassVar[int]
    ConfLossType: ClassVar[_Enum]
    SOFTMAX: ClassVar[int]
    LOGISTIC: ClassVar[int]
    LocLossType: ClassVar[_Enum]
    L2: ClassVar[int]
    SMOOTH_L1: ClassVar[int]
    MatchType: ClassVar[_Enum]
    BIPARTITE: ClassVar[int]
    PER_PREDICTION: ClassVar[int]
    MiningType: ClassVar[_Enum]
    NONE: ClassVar[int]
    MAX_NEGATIVE: ClassVar[int]
    HARD_EXAMPLE: ClassVar[int]
    background_label_id: int
    bp_inside: bool
    code_type: int
    conf_loss_type: int
    do_neg_mining: bool
    encode_variance_in_target: bool
    ignore_cross_boundary_bbox: bool
    ignore_difficult_gt: bool
    loc_loss_type: int
    loc_weight: float
    map_object_to_agnostic: bool
    match_type: int
    mining_type: int
    neg_overlap: float
    neg_pos_ratio: float
    nms_param: Final[NonMaximumSuppressionParameter]
    num_classes: int
    objectness_score: float
    oriented_weight: float
    overlap_threshold: float
    sample_size: int
    share_location: bool
    use_difficult_gt: bool
    use_prior_for_matching: bool
    use_prior_for_nms: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_MultiBoxLossParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "background_label_id",
            "bp_inside",
            "code_type",
            "conf_loss_type",
            "do_neg_mining",
            "encode_variance_in_target",
            "ignore_cross_boundary_bbox",
            "ignore_difficult_gt",
            "loc_loss_type",
            "loc_weight",
            "map_object_to_agnostic",
            "match_type",
            "mining_type",
            "neg_overlap",
            "neg_pos_ratio",
            "nms_param",
            "num_classes",
            "objectness_score",
            "oriented_weight",
            "overlap_threshold",
            "sample_size",
            "share_location",
            "use_difficult_gt",
            "use_prior_for_matching",
            "use_prior_for_nms",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "background_label_id",
            "bp_inside",
            "code_type",
            "conf_loss_type",
            "do_neg_mining",
            "encode_variance_in_target",
            "ignore_cross_boundary_bbox",
            "ignore_difficult_gt",
            "loc_loss_type",
            "loc_weight",
            "map_object_to_agnostic",
            "match_type",
            "mining_type",
            "neg_overlap",
            "neg_pos_ratio",
            "nms_param",
            "num_classes",
            "objectness_score",
            "oriented_weight",
            "overlap_threshold",
            "sample_size",
            "share_location",
            "use_difficult_gt",
            "use_prior_for_matching",
            "use_prior_for_nms",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NetParameterFields(TypedDict, total=False):
    name: str | None
    input: Iterable[str]
    input_shape: Iterable[BlobShape | _BlobShapeFields]
    input_dim: Iterable[int]
    force_backward: bool | None
    state: NetState | _NetStateFields | None
    debug_info: bool | None
    layer: Iterable[LayerParameter | _LayerParameterFields]
    layers: Iterable[V1LayerParameter | _V1LayerParameterFields]
    bn_stats_batch_size: int | None
    copyright: str | None
    default_backward_math: int | str | None
    default_backward_type: int | str | None
    default_conv_algos_override: str | None
    default_cudnn_math_override: int | None
    default_forward_math: int | str | None
    default_forward_type: int | str | None
    eltwise_mem_sharing: bool | None
    engine: str | None
    global_grad_scale: float | None
    global_grad_scale_adaptive: bool | None
    reduce_buckets: int | None
    kept_fields: Iterable[str]

@final
class NetParameter(Message):
    Type: ClassVar[_Enum]
    DOUBLE: ClassVar[int]
    FLOAT: ClassVar[int]
    FLOAT16: ClassVar[int]
    INT: ClassVar[int]
    UINT: ClassVar[int]
    name: str
    input: Final[_Scalars[str]]
    input_shape: Final[_BlobShapes]
    input_dim: Final[_Scalars[int]]
    force_backward: bool
    state: Final[NetState]
    debug_info: bool
    layer: Final[_LayerParameters]
    layers: Final[_V1LayerParameters]
    bn_stats_batch_size: int
    copyright: str
    default_backward_math: int
    default_backward_type: int
    default_conv_algos_override: str
    default_cudnn_math_override: int
    default_forward_math: int
    default_forward_type: int
    eltwise_mem_sharing: bool
    engine: str
    global_grad_scale: float
    global_grad_scale_adaptive: bool
    reduce_buckets: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NetParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "name",
            "force_backward",
            "state",
            "debug_info",
            "bn_stats_batch_size",
            "copyright",
            "default_backward_math",
            "default_backward_type",
            "default_conv_algos_override",
            "default_cudnn_math_override",
            "default_forward_math",
            "default_forward_type",
            "eltwise_mem_sharing",
            "engine",
            "global_grad_scale",
            "global_grad_scale_adaptive",
            "reduce_buckets",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "name",
            "input",
            "input_shape",
            "input_dim",
            "force_backward",
            "state",
            "debug_info",
            "layer",
            "layers",
            "bn_stats_batch_size",
            "copyright",
            "default_backward_math",
            "default_backward_type",
            "default_conv_algos_override",
            "default_cudnn_math_override",
            "default_forward_math",
            "default_forward_type",
            "eltwise_mem_sharing",
            "engine",
            "global_grad_scale",
            "global_grad_scale_adaptive",
            "reduce_buckets",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NetParameters(_Messages[NetParameter]):
    def add(self, **fields: Unpack[_NetParameterFields]) -> NetParameter: ...

class _NetStateFields(TypedDict, total=False):
    phase: int | str | None
    level: int | None
    stage: Iterable[str]
    kept_fields: Iterable[str]

@final
class NetState(Message):
    phase: int
    level: int
    stage: Final[_Scalars[str]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NetStateFields]) -> None: ...
    def HasField(self, name: Literal["phase", "level"], /) -> bool: ...
    def ClearField(self, name: Literal["phase", "level", "stage", "kept_fields"], /) -> None: ...

class _NetStates(_Messages[NetState]):
    def add(self, **fields: Unpack[_NetStateFields]) -> NetState: ...

class _NetStateRuleFields(TypedDict, total=False):
    phase: int | str | None
    min_level: int | None
    max_level: int | None
    stage: Iterable[str]
    not_stage: Iterable[str]
    kept_fields: Iterable[str]

@final
class NetStateRule(Message):
    phase: int
    min_level: int
    max_level: int
    stage: Final[_Scalars[str]]
    not_stage: Final[_Scalars[str]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NetStateRuleFields]) -> None: ...
    def HasField(self, name: Literal["phase", "min_level", "max_level"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "phase",
            "min_level",
            "max_level",
            "stage",
            "not_stage",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NetStateRules(_Messages[NetStateRule]):
    def add(self, **fields: Unpack[_NetStateRuleFields]) -> NetStateRule: ...

class _NoiseParameterFields(TypedDict, total=False):
    prob: float | None
    hist_eq: bool | None
    inverse: bool | None
    decolorize: bool | None
    gauss_blur: bool | None
    jpeg: float | None
    posterize: bool | None
    erode: bool | None
    saltpepper: bool | None
    saltpepper_param: SaltPepperParameter | _SaltPepperParameterFields | None
    clahe: bool | None
    convert_to_hsv: bool | None
    convert_to_lab: bool | None
    kept_fields: Iterable[str]

@final
class NoiseParameter(Message):
    prob: float
    hist_eq: bool
    inverse: bool
    decolorize: bool
    gauss_blur: bool
    jpeg: float
    posterize: bool
    erode: bool
    saltpepper: bool
    saltpepper_param: Final[SaltPepperParameter]
    clahe: bool
    convert_to_hsv: bool
    convert_to_lab: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NoiseParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "prob",
            "hist_eq",
            "inverse",
            "decolorize",
            "gauss_blur",
            "jpeg",
            "posterize",
            "erode",
            "saltpepper",
            "saltpepper_param",
            "clahe",
            "convert_to_hsv",
            "convert_to_lab",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "prob",
            "hist_eq",
            "inverse",
            "decolorize",
            "gauss_blur",
            "jpeg",
            "posterize",
            "erode",
            "saltpepper",
            "saltpepper_param",
            "clahe",
            "convert_to_hsv",
            "convert_to_lab",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NonMaximumSuppressionParameterFields(TypedDict, total=False):
    eta: float | None
    nms_threshold: float | None
    top_k: int | None
    kept_fields: Iterable[str]

@final
class NonMaximumSuppressionParameter(Message):
    eta: float
    nms_threshold: float
    top_k: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NonMaximumSuppressionParameterFields]) -> None: ...
    def HasField(self, name: Literal["eta", "nms_threshold", "top_k"], /) -> bool: ...
    def ClearField(self, name: Literal["eta", "nms_threshold", "top_k", "kept_fields"], /) -> None: ...

class _NormalizeParameterFields(TypedDict, total=False):
    across_spatial: bool | None
    add_eps_before_sqrt: bool | None
    bp_norm: bool | None
    channel_shared: bool | None
    eps: float | None
    fix_gradient: bool | None
    normalize_type: str | None
    scale_filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class NormalizeParameter(Message):
    across_spatial: bool
    add_eps_before_sqrt: bool
    bp_norm: bool
    channel_shared: bool
    eps: float
    fix_gradient: bool
    normalize_type: str
    scale_filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NormalizeParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "across_spatial",
            "add_eps_before_sqrt",
            "bp_norm",
            "channel_shared",
            "eps",
            "fix_gradient",
            "normalize_type",
            "scale_filler",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "across_spatial",
            "add_eps_before_sqrt",
            "bp_norm",
            "channel_shared",
            "eps",
            "fix_gradient",
            "normalize_type",
            "scale_filler",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NormalizedBBoxFields(TypedDict, total=False):
    difficult: Iterable[bool]
    height: Iterable[float]
    label: Iterable[int]
    score: Iterable[float]
    size: Iterable[float]
    width: Iterable[float]
    x_center: Iterable[float]
    xmax: Iterable[float]
    xmin: Iterable[float]
    y_center: Iterable[float]
    ymax: Iterable[float]
    ymin: Iterable[float]
    kept_fields: Iterable[str]

@final
class NormalizedBBox(Message):
    difficult: Final[_Scalars[bool]]
    height: Final[_Scalars[float]]
    label: Final[_Scalars[int]]
    score: Final[_Scalars[float]]
    size: Final[_Scalars[float]]
    width: Final[_Scalars[float]]
    x_center: Final[_Scalars[float]]
    xmax: Final[_Scalars[float]]
    xmin: Final[_Scalars[float]]
    y_center: Final[_Scalars[float]]
    ymax: Final[_Scalars[float]]
    ymin: Final[_Scalars[float]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NormalizedBBoxFields]) -> None: ...
    def ClearField(
        self,
        name: Literal[
            "difficult",
            "height",
            "label",
            "score",
            "size",
            "width",
            "x_center",
            "xmax",
            "xmin",
            "y_center",
            "ymax",
            "ymin",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _NormalizedOrientedBBoxFields(TypedDict, total=False):
    height: Iterable[float]
    radians: Iterable[float]
    width: Iterable[float]
    xc: Iterable[float]
    yc: Iterable[float]
    kept_fields: Iterable[str]

@final
class NormalizedOrientedBBox(Message):
    height: Final[_Scalars[float]]
    radians: Final[_Scalars[float]]
    width: Final[_Scalars[float]]
    xc: Final[_Scalars[float]]
    yc: Final[_Scalars[float]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NormalizedOrientedBBoxFields]) -> None: ...
    def ClearField(self, name: Literal["height", "radians", "width", "xc", "yc", "kept_fields"], /) -> None: ...

class _PReLUParameterFields(TypedDict, total=False):
    filler: FillerParameter | _FillerParameterFields | None
    channel_shared: bool | None
    kept_fields: Iterable[str]

@final
class PReLUParameter(Message):
    filler: Final[FillerParameter]
    channel_shared: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PReLUParameterFields]) -> None: ...
    def HasField(self, name: Literal["filler", "channel_shared"], /) -> bool: ...
    def ClearField(self, name: Literal["filler", "channel_shared", "kept_fields"], /) -> None: ...

class _PSROIPoolingParameterFields(TypedDict, total=False):
    group_size: int | None
    output_dim: int | None
    spatial_scale: float | None
    kept_fields: Iterable[str]

@final
class PSROIPoolingParameter(Message):
    group_size: int
    output_dim: int
    spatial_scale: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PSROIPoolingParameterFields]) -> None: ...
    def HasField(self, name: Literal["group_size", "output_dim", "spatial_scale"], /) -> bool: ...
    def ClearField(self, name: Literal["group_size", "output_dim", "spatial_scale", "kept_fields"], /) -> None: ...

class _PadParameterFields(TypedDict, total=False):
    constant_values: float | None
    paddings: Iterable[int]
    kept_fields: Iterable[str]

@final
class PadParameter(Message):
    constant_values: float
    paddings: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PadParameterFields]) -> None: ...
    def HasField(self, name: Literal["constant_values"], /) -> bool: ...
    def ClearField(self, name: Literal["constant_values", "paddings", "kept_fields"], /) -> None: ...

class _PaddingParameterFields(TypedDict, total=False):
    pad_beg: int | None
    pad_end: int | None
    kept_fields: Iterable[str]

@final
class PaddingParameter(Message):
    pad_beg: int
    pad_end: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PaddingParameterFields]) -> None: ...
    def HasField(self, name: Literal["pad_beg", "pad_end"], /) -> bool: ...
    def ClearField(self, name: Literal["pad_beg", "pad_end", "kept_fields"], /) -> None: ...

class _ParamSpecFields(TypedDict, total=False):
    name: str | None
    share_mode: int | str | None
    lr_mult: float | None
    decay_mult: float | None
    kept_fields: Iterable[str]

@final
class ParamSpec(Message):
    DimCheckMode: ClassVar[_Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ParamSpecFields]) -> None: ...
    def HasField(self, name: Literal["name", "share_mode", "lr_mult", "decay_mult"], /) -> bool: ...
    def ClearField(self, name: Literal["name", "share_mode", "lr_mult", "decay_mult", "kept_fields"], /) -> None: ...

class _ParamSpecs(_Messages[ParamSpec]):
    def add(self, **fields: Unpack[_ParamSpecFields]) -> ParamSpec: ...

class _ParameterParameterFields(TypedDict, total=False):
    shape: BlobShape | _BlobShapeFields | None
    blob_filler: FillerParameter | _FillerParameterFields | None
    kept_fields: Iterable[str]

@final
class ParameterParameter(Message):
    shape: Final[BlobShape]
    blob_filler: Final[FillerParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ParameterParameterFields]) -> None: ...
    def HasField(self, name: Literal["shape", "blob_filler"], /) -> bool: ...
    def ClearField(self, name: Literal["shape", "blob_filler", "kept_fields"], /) -> None: ...

class _PermuteParameterFields(TypedDict, total=False):
    order: Iterable[int]
    kept_fields: Iterable[str]

@final
class PermuteParameter(Message):
    order: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PermuteParameterFields]) -> None: ...
    def ClearField(self, name: Literal["order", "kept_fields"], /) -> None: ...

class _PoolingParameterFields(TypedDict, total=False):
    pool: int | str | None
    pad: int | None
    pad_h: int | None
    pad_w: int | None
    kernel_size: int | None
    kernel_h: int | None
    kernel_w: int | None
    stride: int | None
    stride_h: int | None
    stride_w: int | None
    engine: int | str | None
    global_pooling: bool | None
    round_mode: int | str | None
    avg_include_pad: bool | None
    axis: int | None
    blobs_a_min: float | None
    blobs_lr: Iterable[float]
    ceil_mode: bool | None
    input_scale: float | None
    input_zero_point: int | None
    kernel_size_3d: Iterable[int]
    output_scale: float | None
    output_shift_instead_division: int | None
    output_zero_point: int | None
    pad_3d: Iterable[int]
    pad_b: int | None
    pad_l: int | None
    pad_r: int | None
    pad_t: int | None
    pad_type: int | None
    stride_3d: Iterable[int]
    torch_pooling: bool | None
    kept_fields: Iterable[str]

@final
class PoolingParameter(Message):
    PoolMethod: ClassVar[_Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    RoundMode: ClassVar[_Enum]
    CEIL: ClassVar[int]
    FLOOR: ClassVar[int]
    pool: int
    pad: int
    pad_h: int
    pad_w: int
    kernel_size: int
    kernel_h: int
    kernel_w: int
    stride: int
    stride_h: int
    stride_w: int
    engine: int
    global_pooling: bool
    round_mode: int
    avg_include_pad: bool
    axis: int
    blobs_a_min: float
    blobs_lr: Final[_Scalars[float]]
    ceil_mode: bool
    input_scale: float
    input_zero_point: int
    kernel_size_3d: Final[_Scalars[int]]
    output_scale: float
    output_shift_instead_division: int
    output_zero_point: int
    pad_3d: Final[_Scalars[int]]
    pad_b: int
    pad_l: int
    pad_r: int
    pad_t: int
    pad_type: int
    stride_3d: Final[_Scalars[int]]
    torch_pooling: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PoolingParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "pool",
            "pad",
            "pad_h",
            "pad_w",
            "kernel_size",
            "kernel_h",
            "kernel_w",
            "stride",
            "stride_h",
            "stride_w",
            "engine",
            "global_pooling",
            "round_mode",
            "avg_include_pad",
            "axis",
            "blobs_a_min",
            "ceil_mode",
            "input_scale",
            "input_zero_point",
            "output_scale",
            "output_shift_instead_division",
            "output_zero_point",
            "pad_b",
            "pad_l",
            "pad_r",
            "pad_t",
            "pad_type",
            "torch_pooling",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "pool",
            "pad",
            "pad_h",
            "pad_w",
            "kernel_size",
            "kernel_h",
            "kernel_w",
            "stride",
            "stride_h",
            "stride_w",
            "engine",
            "global_pooling",
            "round_mode",
            "avg_include_pad",
            "axis",
            "blobs_a_min",
            "blobs_lr",
            "ceil_mode",
            "input_scale",
            "input_zero_point",
            "kernel_size_3d",
            "output_scale",
            "output_shift_instead_division",
            "output_zero_point",
            "pad_3d",
            "pad_b",
            "pad_l",
            "pad_r",
            "pad_t",
            "pad_type",
            "stride_3d",
            "torch_pooling",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _PowerParameterFields(TypedDict, total=False):
    power: float | None
    scale: float | None
    shift: float | None
    kept_fields: Iterable[str]

@final
class PowerParameter(Message):
    power: float
    scale: float
    shift: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PowerParameterFields]) -> None: ...
    def HasField(self, name: Literal["power", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["power", "scale", "shift", "kept_fields"], /) -> None: ...

class _PriorBoxParameterFields(TypedDict, total=False):
    aspect_ratio: Iterable[float]
    box_height: Iterable[float]
    box_width: Iterable[float]
    clip: bool | None
    faceboxes: bool | None
    flip: bool | None
    img_h: int | None
    img_size: int | None
    img_w: int | None
    keras: bool | None
    max_size: Iterable[float]
    min_size: Iterable[float]
    offset: float | None
    step: float | None
    step_h: float | None
    step_w: float | None
    tf: bool | None
    variance: Iterable[float]
    yx_order: bool | None
    kept_fields: Iterable[str]

@final
class PriorBoxParameter(Message):
    aspect_ratio: Final[_Scalars[float]]
    box_height: Final[_Scalars[float]]
    box_width: Final[_Scalars[float]]
    clip: bool
    faceboxes: bool
    flip: bool
    img_h: int
    img_size: int
    img_w: int
    keras: bool
    max_size: Final[_Scalars[float]]
    min_size: Final[_Scalars[float]]
    offset: float
    step: float
    step_h: float
    step_w: float
    tf: bool
    variance: Final[_Scalars[float]]
    yx_order: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PriorBoxParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "clip",
            "faceboxes",
            "flip",
            "img_h",
            "img_size",
            "img_w",
            "keras",
            "offset",
            "step",
            "step_h",
            "step_w",
            "tf",
            "yx_order",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "aspect_ratio",
            "box_height",
            "box_width",
            "clip",
            "faceboxes",
            "flip",
            "img_h",
            "img_size",
            "img_w",
            "keras",
            "max_size",
            "min_size",
            "offset",
            "step",
            "step_h",
            "step_w",
            "tf",
            "variance",
            "yx_order",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ProposalParameterFields(TypedDict, total=False):
    anchor_base_size: int | None
    anchor_ratio: int | None
    anchor_scale: int | None
    base_size: int | None
    feat_stride: int | None
    max_rois: int | None
    min_height: float | None
    min_size: int | None
    min_width: float | None
    nms_input_num: int | None
    nms_iou_th: Iterable[float]
    nms_output_num: int | None
    nms_thresh: float | None
    post_nms_topn: int | None
    pre_nms_topn: int | None
    ratio: Iterable[float]
    rpn_min_size: float | None
    rpn_nms_thresh: float | None
    scale: Iterable[float]
    stride_h: Iterable[int]
    stride_w: Iterable[int]
    kept_fields: Iterable[str]

@final
class ProposalParameter(Message):
    anchor_base_size: int
    anchor_ratio: int
    anchor_scale: int
    base_size: int
    feat_stride: int
    max_rois: int
    min_height: float
    min_size: int
    min_width: float
    nms_input_num: int
    nms_iou_th: Final[_Scalars[float]]
    nms_output_num: int
    nms_thresh: float
    post_nms_topn: int
    pre_nms_topn: int
    ratio: Final[_Scalars[float]]
    rpn_min_size: float
    rpn_nms_thresh: float
    scale: Final[_Scalars[float]]
    stride_h: Final[_Scalars[int]]
    stride_w: Final[_Scalars[int]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ProposalParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "anchor_base_size",
            "anchor_ratio",
            "anchor_scale",
            "base_size",
            "feat_stride",
            "max_rois",
            "min_height",
            "min_size",
            "min_width",
            "nms_input_num",
            "nms_output_num",
            "nms_thresh",
            "post_nms_topn",
            "pre_nms_topn",
            "rpn_min_size",
            "rpn_nms_thresh",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "anchor_base_size",
            "anchor_ratio",
            "anchor_scale",
            "base_size",
            "feat_stride",
            "max_rois",
            "min_height",
            "min_size",
            "min_width",
            "nms_input_num",
            "nms_iou_th",
            "nms_output_num",
            "nms_thresh",
            "post_nms_topn",
            "pre_nms_topn",
            "ratio",
            "rpn_min_size",
            "rpn_nms_thresh",
            "scale",
            "stride_h",
            "stride_w",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ProposalTargetParameterFields(TypedDict, total=False):
    append_gtbox: bool | None
    batch_size: int | None
    bbox_thr_hg: float | None
    bbox_thr_lw: float | None
    bg_thr_hg: float | None
    bg_thr_lw: float | None
    cls_num: Iterable[int]
    fg_fraction: float | None
    fg_thr: float | None
    img_height: Iterable[int]
    img_width: Iterable[int]
    iou_weighted: bool | None
    num_img_per_batch: int | None
    pickup_discard: bool | None
    kept_fields: Iterable[str]

@final
class ProposalTargetParameter(Message):
    append_gtbox: bool
    batch_size: int
    bbox_thr_hg: float
    bbox_thr_lw: float
    bg_thr_hg: float
    bg_thr_lw: float
    cls_num: Final[_Scalars[int]]
    fg_fraction: float
    fg_thr: float
    img_height: Final[_Scalars[int]]
    img_width: Final[_Scalars[int]]
    iou_weighted: bool
    num_img_per_batch: int
    pickup_discard: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ProposalTargetParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "append_gtbox",
            "batch_size",
            "bbox_thr_hg",
            "bbox_thr_lw",
            "bg_thr_hg",
            "bg_thr_lw",
            "fg_fraction",
            "fg_thr",
            "iou_weighted",
            "num_img_per_batch",
            "pickup_discard",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "append_gtbox",
            "batch_size",
            "bbox_thr_hg",
            "bbox_thr_lw",
            "bg_thr_hg",
            "bg_thr_lw",
            "cls_num",
            "fg_fraction",
            "fg_thr",
            "img_height",
            "img_width",
            "iou_weighted",
            "num_img_per_batch",
            "pickup_discard",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _PyramidROIAlignParameterFields(TypedDict, total=False):
    crop_height: Iterable[int]
    crop_width: Iterable[int]
    data_format: str | None
    extrapolation_value: float | None
    kept_fields: Iterable[str]

@final
class PyramidROIAlignParameter(Message):
    crop_height: Final[_Scalars[int]]
    crop_width: Final[_Scalars[int]]
    data_format: str
    extrapolation_value: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PyramidROIAlignParameterFields]) -> None: ...
    def HasField(self, name: Literal["data_format", "extrapolation_value"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "crop_height",
            "crop_width",
            "data_format",
            "extrapolation_value",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _PythonParameterFields(TypedDict, total=False):
    module: str | None
    layer: str | None
    param_str: str | None
    share_in_parallel: bool | None
    kept_fields: Iterable[str]

@final
class PythonParameter(Message):
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_PythonParameterFields]) -> None: ...
    def HasField(self, name: Literal["module", "layer", "param_str", "share_in_parallel"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "module",
            "layer",
            "param_str",
            "share_in_parallel",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _QuantizationParameterFields(TypedDict, total=False):
    bw_layer_in: int | None
    bw_layer_out: int | None
    bw_params: int | None
    exp_bits: int | None
    exp_max: int | None
    exp_min: int | None
    fl_layer_in: Iterable[int]
    fl_layer_out: Iterable[int]
    fl_params: Iterable[int]
    force_u8_input: bool | None
    is_negative_input: bool | None
    mant_bits: int | None
    scale_in: Iterable[float]
    scale_out: Iterable[float]
    scale_params: Iterable[float]
    kept_fields: Iterable[str]

@final
class QuantizationParameter(Message):
    bw_layer_in: int
    bw_layer_out: int
    bw_params: int
    exp_bits: int
    exp_max: int
    exp_min: int
    fl_layer_in: Final[_Scalars[int]]
    fl_layer_out: Final[_Scalars[int]]
    fl_params: Final[_Scalars[int]]
    force_u8_input: bool
    is_negative_input: bool
    mant_bits: int
    scale_in: Final[_Scalars[float]]
    scale_out: Final[_Scalars[float]]
    scale_params: Final[_Scalars[float]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_QuantizationParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "bw_layer_in",
            "bw_layer_out",
            "bw_params",
            "exp_bits",
            "exp_max",
            "exp_min",
            "force_u8_input",
            "is_negative_input",
            "mant_bits",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "bw_layer_in",
            "bw_layer_out",
            "bw_params",
            "exp_bits",
            "exp_max",
            "exp_min",
            "fl_layer_in",
            "fl_layer_out",
            "fl_params",
            "force_u8_input",
            "is_negative_input",
            "mant_bits",
            "scale_in",
            "scale_out",
            "scale_params",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ROIAlignParameterFields(TypedDict, total=False):
    pooled_h: int | None
    pooled_w: int | None
    spatial_scale: float | None
    kept_fields: Iterable[str]

@final
class ROIAlignParameter(Message):
    pooled_h: int
    pooled_w: int
    spatial_scale: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ROIAlignParameterFields]) -> None: ...
    def HasField(self, name: Literal["pooled_h", "pooled_w", "spatial_scale"], /) -> bool: ...
    def ClearField(self, name: Literal["pooled_h", "pooled_w", "spatial_scale", "kept_fields"], /) -> None: ...

class _ROIPoolingParameterFields(TypedDict, total=False):
    pad_ratio: float | None
    pooled_h: int | None
    pooled_size: Iterable[int]
    pooled_w: int | None
    spatial_scale: float | None
    kept_fields: Iterable[str]

@final
class ROIPoolingParameter(Message):
    pad_ratio: float
    pooled_h: int
    pooled_size: Final[_Scalars[int]]
    pooled_w: int
    spatial_scale: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ROIPoolingParameterFields]) -> None: ...
    def HasField(self, name: Literal["pad_ratio", "pooled_h", "pooled_w", "spatial_scale"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "pad_ratio",
            "pooled_h",
            "pooled_size",
            "pooled_w",
            "spatial_scale",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ReLU6ParameterFields(TypedDict, total=False):
    negative_slope: float | None
    kept_fields: Iterable[str]

@final
class ReLU6Parameter(Message):
    negative_slope: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ReLU6ParameterFields]) -> None: ...
    def HasField(self, name: Literal["negative_slope"], /) -> bool: ...
    def ClearField(self, name: Literal["negative_slope", "kept_fields"], /) -> None: ...

class _ReLUParameterFields(TypedDict, total=False):
    negative_slope: float | None
    engine: int | str | None
    fuse: bool | None
    input_scale: float | None
    input_zero_point: int | None
    maximum: float | None
    minimum: float | None
    output_scale: float | None
    output_zero_point: int | None
    relu6: bool | None
    kept_fields: Iterable[str]

@final
class ReLUParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    negative_slope: float
    engine: int
    fuse: bool
    input_scale: float
    input_zero_point: int
    maximum: float
    minimum: float
    output_scale: float
    output_zero_point: int
    relu6: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ReLUParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "negative_slope",
            "engine",
            "fuse",
            "input_scale",
            "input_zero_point",
            "maximum",
            "minimum",
            "output_scale",
            "output_zero_point",
            "relu6",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "negative_slope",
            "engine",
            "fuse",
            "input_scale",
            "input_zero_point",
            "maximum",
            "minimum",
            "output_scale",
            "output_zero_point",
            "relu6",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _RecurrentParameterFields(TypedDict, total=False):
    num_output: int | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    debug_info: bool | None
    expose_hidden: bool | None
    kept_fields: Iterable[str]

@final
class RecurrentParameter(Message):
    num_output: int
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    debug_info: bool
    expose_hidden: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_RecurrentParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "num_output",
            "weight_filler",
            "bias_filler",
            "debug_info",
            "expose_hidden",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "num_output",
            "weight_filler",
            "bias_filler",
            "debug_info",
            "expose_hidden",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ReductionParameterFields(TypedDict, total=False):
    operation: int | str | None
    axis: int | None
    coeff: float | None
    kept_fields: Iterable[str]

@final
class ReductionParameter(Message):
    ReductionOp: ClassVar[_Enum]
    SUM: ClassVar[int]
    ASUM: ClassVar[int]
    SUMSQ: ClassVar[int]
    MEAN: ClassVar[int]
    operation: int
    axis: int
    coeff: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ReductionParameterFields]) -> None: ...
    def HasField(self, name: Literal["operation", "axis", "coeff"], /) -> bool: ...
    def ClearField(self, name: Literal["operation", "axis", "coeff", "kept_fields"], /) -> None: ...

class _RegionLossParameterFields(TypedDict, total=False):
    absolute: int | None
    bias_match: int | None
    biases: Iterable[float]
    class_map: Iterable[str]
    class_scale: float | None
    coord_scale: float | None
    coords: int | None
    jitter: float | None
    noobject_scale: float | None
    num: int | None
    num_class: int | None
    object_scale: float | None
    random: int | None
    rescore: int | None
    side: int | None
    softmax: int | None
    softmax_tree: Iterable[str]
    thresh: float | None
    kept_fields: Iterable[str]

@final
class RegionLossParameter(Message):
    absolute: int
    bias_match: int
    biases: Final[_Scalars[float]]
    class_map: Final[_Scalars[str]]
    class_scale: float
    coord_scale: float
    coords: int
    jitter: float
    noobject_scale: float
    num: int
    num_class: int
    object_scale: float
    random: int
    rescore: int
    side: int
    softmax: int
    softmax_tree: Final[_Scalars[str]]
    thresh: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_RegionLossParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "absolute",
            "bias_match",
            "class_scale",
            "coord_scale",
            "coords",
            "jitter",
            "noobject_scale",
            "num",
            "num_class",
            "object_scale",
            "random",
            "rescore",
            "side",
            "softmax",
            "thresh",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "absolute",
            "bias_match",
            "biases",
            "class_map",
            "class_scale",
            "coord_scale",
            "coords",
            "jitter",
            "noobject_scale",
            "num",
            "num_class",
            "object_scale",
            "random",
            "rescore",
            "side",
            "softmax",
            "softmax_tree",
            "thresh",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _RegionParameterFields(TypedDict, total=False):
    biases: Iterable[float]
    confidence_threshold: float | None
    coords: int | None
    label_map_file: Iterable[str]
    nms_threshold: float | None
    num_box: int | None
    num_classes: int | None
    side: int | None
    kept_fields: Iterable[str]

@final
class RegionParameter(Message):
    biases: Final[_Scalars[float]]
    confidence_threshold: float
    coords: int
    label_map_file: Final[_Scalars[str]]
    nms_threshold: float
    num_box: int
    num_classes: int
    side: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_RegionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "confidence_threshold",
            "coords",
            "nms_threshold",
            "num_box",
            "num_classes",
            "side",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "biases",
            "confidence_threshold",
            "coords",
            "label_map_file",
            "nms_threshold",
            "num_box",
            "num_classes",
            "side",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ReorgParameterFields(TypedDict, total=False):
    reverse: bool | None
    stride: int | None
    kept_fields: Iterable[str]

@final
class ReorgParameter(Message):
    reverse: bool
    stride: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ReorgParameterFields]) -> None: ...
    def HasField(self, name: Literal["reverse", "stride"], /) -> bool: ...
    def ClearField(self, name: Literal["reverse", "stride", "kept_fields"], /) -> None: ...

class _ReshapeParameterFields(TypedDict, total=False):
    shape: BlobShape | _BlobShapeFields | None
    axis: int | None
    num_axes: int | None
    pixelshuffler: int | None
    kept_fields: Iterable[str]

@final
class ReshapeParameter(Message):
    shape: Final[BlobShape]
    axis: int
    num_axes: int
    pixelshuffler: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ReshapeParameterFields]) -> None: ...
    def HasField(self, name: Literal["shape", "axis", "num_axes", "pixelshuffler"], /) -> bool: ...
    def ClearField(self, name: Literal["shape", "axis", "num_axes", "pixelshuffler", "kept_fields"], /) -> None: ...

class _Resize1_ParameterFields(TypedDict, total=False):
    is_pyramid_test: bool | None
    out_height_scale: float | None
    out_width_scale: float | None
    resize_type: int | None
    kept_fields: Iterable[str]

@final
class Resize1_Parameter(Message):
    is_pyramid_test: bool
    out_height_scale: float
    out_width_scale: float
    resize_type: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_Resize1_ParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "is_pyramid_test",
            "out_height_scale",
            "out_width_scale",
            "resize_type",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "is_pyramid_test",
            "out_height_scale",
            "out_width_scale",
            "resize_type",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ResizeBilinearParameterFields(TypedDict, total=False):
    align_corners: bool | None
    data_format: str | None
    half_pixel_centers: bool | None
    input_scale: float | None
    input_zero_point: int | None
    output_depth: Iterable[int]
    output_height: Iterable[int]
    output_scale: float | None
    output_width: Iterable[int]
    output_zero_point: int | None
    pytorch_half_pixel: bool | None
    scale_depth: float | None
    scale_height: float | None
    scale_width: float | None
    kept_fields: Iterable[str]

@final
class ResizeBilinearParameter(Message):
    align_corners: bool
    data_format: str
    half_pixel_centers: bool
    input_scale: float
    input_zero_point: int
    output_depth: Final[_Scalars[int]]
    output_height: Final[_Scalars[int]]
    output_scale: float
    output_width: Final[_Scalars[int]]
    output_zero_point: int
    pytorch_half_pixel: bool
    scale_depth: float
    scale_height: float
    scale_width: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ResizeBilinearParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "align_corners",
            "data_format",
            "half_pixel_centers",
            "input_scale",
            "input_zero_point",
            "output_scale",
            "output_zero_point",
            "pytorch_half_pixel",
            "scale_depth",
            "scale_height",
            "scale_width",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "align_corners",
            "data_format",
            "half_pixel_centers",
            "input_scale",
            "input_zero_point",
            "output_depth",
            "output_height",
            "output_scale",
            "output_width",
            "output_zero_point",
            "pytorch_half_pixel",
            "scale_depth",
            "scale_height",
            "scale_width",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ResizeNearestNeighborParameterFields(TypedDict, total=False):
    align_corners: bool | None
    data_format: str | None
    half_pixel_centers: bool | None
    half_pixel_onnx: bool | None
    output_height: Iterable[int]
    output_width: Iterable[int]
    scale_height: float | None
    scale_width: float | None
    kept_fields: Iterable[str]

@final
class ResizeNearestNeighborParameter(Message):
    align_corners: bool
    data_format: str
    half_pixel_centers: bool
    half_pixel_onnx: bool
    output_height: Final[_Scalars[int]]
    output_width: Final[_Scalars[int]]
    scale_height: float
    scale_width: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ResizeNearestNeighborParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "align_corners",
            "data_format",
            "half_pixel_centers",
            "half_pixel_onnx",
            "scale_height",
            "scale_width",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "align_corners",
            "data_format",
            "half_pixel_centers",
            "half_pixel_onnx",
            "output_height",
            "output_width",
            "scale_height",
            "scale_width",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ResizeParameterFields(TypedDict, total=False):
    height: int | None
    height_scale: int | None
    interp_mode: Iterable[int | str]
    is_pyramid_test: bool | None
    jitter: float | None
    out_height_scale: float | None
    out_width_scale: float | None
    pad_mode: int | str | None
    pad_value: Iterable[float]
    prob: float | None
    resize_mode: int | str | None
    width: int | None
    width_scale: int | None
    kept_fields: Iterable[str]

@final
class ResizeParameter(Message):
    Interp_mode: ClassVar[_Enum]
    LINEAR: ClassVar[int]
    AREA: ClassVar[int]
    NEAREST: ClassVar[int]
    CUBIC: ClassVar[int]
    LANCZOS4: ClassVar[int]
    Pad_mode: ClassVar[_Enum]
    CONSTANT: ClassVar[int]
    MIRRORED: ClassVar[int]
    REPEAT_NEAREST: ClassVar[int]
    Resize_mode: ClassVar[_Enum]
    WARP: ClassVar[int]
    FIT_SMALL_SIZE: ClassVar[int]
    FIT_LARGE_SIZE_AND_PAD: ClassVar[int]
    height: int
    height_scale: int
    interp_mode: Final[_Scalars[int]]
    is_pyramid_test: bool
    jitter: float
    out_height_scale: float
    out_width_scale: float
    pad_mode: int
    pad_value: Final[_Scalars[float]]
    prob: float
    resize_mode: int
    width: int
    width_scale: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ResizeParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "height",
            "height_scale",
            "is_pyramid_test",
            "jitter",
            "out_height_scale",
            "out_width_scale",
            "pad_mode",
            "prob",
            "resize_mode",
            "width",
            "width_scale",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "height",
            "height_scale",
            "interp_mode",
            "is_pyramid_test",
            "jitter",
            "out_height_scale",
            "out_width_scale",
            "pad_mode",
            "pad_value",
            "prob",
            "resize_mode",
            "width",
            "width_scale",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ResizeParameters(_Messages[ResizeParameter]):
    def add(self, **fields: Unpack[_ResizeParameterFields]) -> ResizeParameter: ...

class _SPPParameterFields(TypedDict, total=False):
    pyramid_height: int | None
    pool: int | str | None
    engine: int | str | None
    kept_fields: Iterable[str]

@final
class SPPParameter(Message):
    PoolMethod: ClassVar[_Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    pyramid_height: int
    pool: int
    engine: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SPPParameterFields]) -> None: ...
    def HasField(self, name: Literal["pyramid_height", "pool", "engine"], /) -> bool: ...
    def ClearField(self, name: Literal["pyramid_height", "pool", "engine", "kept_fields"], /) -> None: ...

class _SaltPepperParameterFields(TypedDict, total=False):
    fraction: float | None
    value: Iterable[float]
    kept_fields: Iterable[str]

@final
class SaltPepperParameter(Message):
    fraction: float
    value: Final[_Scalars[float]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SaltPepperParameterFields]) -> None: ...
    def HasField(self, name: Literal["fraction"], /) -> bool: ...
    def ClearField(self, name: Literal["fraction", "value", "kept_fields"], /) -> None: ...

class _SampleConstraintFields(TypedDict, total=False):
    min_jaccard_overlap: float | None
    max_jaccard_overlap: float | None
    min_sample_coverage: float | None
    max_sample_coverage: float | None
    min_object_coverage: float | None
    max_object_coverage: float | None
    kept_fields: Iterable[str]

@final
class SampleConstraint(Message):
    min_jaccard_overlap: float
    max_jaccard_overlap: float
    min_sample_coverage: float
    max_sample_coverage: float
    min_object_coverage: float
    max_object_coverage: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SampleConstraintFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "min_jaccard_overlap",
            "max_jaccard_overlap",
            "min_sample_coverage",
            "max_sample_coverage",
            "min_object_coverage",
            "max_object_coverage",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "min_jaccard_overlap",
            "max_jaccard_overlap",
            "min_sample_coverage",
            "max_sample_coverage",
            "min_object_coverage",
            "max_object_coverage",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _SamplerFields(TypedDict, total=False):
    min_scale: float | None
    max_scale: float | None
    min_aspect_ratio: float | None
    max_aspect_ratio: float | None
    kept_fields: Iterable[str]

@final
class Sampler(Message):
    min_scale: float
    max_scale: float
    min_aspect_ratio: float
    max_aspect_ratio: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SamplerFields]) -> None: ...
    def HasField(self, name: Literal["min_scale", "max_scale", "min_aspect_ratio", "max_aspect_ratio"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "min_scale",
            "max_scale",
            "min_aspect_ratio",
            "max_aspect_ratio",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _SaveOutputParameterFields(TypedDict, total=False):
    label_map_file: str | None
    name_size_file: str | None
    num_test_image: int | None
    output_directory: str | None
    output_format: str | None
    output_name_prefix: str | None
    resize_param: ResizeParameter | _ResizeParameterFields | None
    kept_fields: Iterable[str]

@final
class SaveOutputParameter(Message):
    label_map_file: str
    name_size_file: str
    num_test_image: int
    output_directory: str
    output_format: str
    output_name_prefix: str
    resize_param: Final[ResizeParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SaveOutputParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "label_map_file",
            "name_size_file",
            "num_test_image",
            "output_directory",
            "output_format",
            "output_name_prefix",
            "resize_param",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "label_map_file",
            "name_size_file",
            "num_test_image",
            "output_directory",
            "output_format",
            "output_name_prefix",
            "resize_param",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _ScaleParameterFields(TypedDict, total=False):
    axis: int | None
    num_axes: int | None
    filler: FillerParameter | _FillerParameterFields | None
    bias_term: bool | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    dis_mode: bool | None
    gen_mode: bool | None
    max_value: Iterable[float]
    min_value: Iterable[float]
    kept_fields: Iterable[str]

@final
class ScaleParameter(Message):
    axis: int
    num_axes: int
    filler: Final[FillerParameter]
    bias_term: bool
    bias_filler: Final[FillerParameter]
    dis_mode: bool
    gen_mode: bool
    max_value: Final[_Scalars[float]]
    min_value: Final[_Scalars[float]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ScaleParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "axis",
            "num_axes",
            "filler",
            "bias_term",
            "bias_filler",
            "dis_mode",
            "gen_mode",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "axis",
            "num_axes",
            "filler",
            "bias_term",
            "bias_filler",
            "dis_mode",
            "gen_mode",
            "max_value",
            "min_value",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _SegAccuracyParameterFields(TypedDict, total=False):
    ignore_label: Iterable[int]
    reset: bool | None
    kept_fields: Iterable[str]

@final
class SegAccuracyParameter(Message):
    ignore_label: Final[_Scalars[int]]
    reset: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SegAccuracyParameterFields]) -> None: ...
    def HasField(self, name: Literal["reset"], /) -> bool: ...
    def ClearField(self, name: Literal["ignore_label", "reset", "kept_fields"], /) -> None: ...

class _ShuffleChannelParameterFields(TypedDict, total=False):
    group: int | None
    kept_fields: Iterable[str]

@final
class ShuffleChannelParameter(Message):
    group: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ShuffleChannelParameterFields]) -> None: ...
    def HasField(self, name: Literal["group"], /) -> bool: ...
    def ClearField(self, name: Literal["group", "kept_fields"], /) -> None: ...

class _SigmoidParameterFields(TypedDict, total=False):
    engine: int | str | None
    kept_fields: Iterable[str]

@final
class SigmoidParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SigmoidParameterFields]) -> None: ...
    def HasField(self, name: Literal["engine"], /) -> bool: ...
    def ClearField(self, name: Literal["engine", "kept_fields"], /) -> None: ...

class _SliceParameterFields(TypedDict, total=False):
    axis: int | None
    slice_point: Iterable[int]
    slice_dim: int | None
    kept_fields: Iterable[str]

@final
class SliceParameter(Message):
    axis: int
    slice_point: Final[_Scalars[int]]
    slice_dim: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SliceParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "slice_dim"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "slice_point", "slice_dim", "kept_fields"], /) -> None: ...

class _SmoothL1LossParameterFields(TypedDict, total=False):
    abssum: bool | None
    sigma: float | None
    kept_fields: Iterable[str]

@final
class SmoothL1LossParameter(Message):
    abssum: bool
    sigma: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SmoothL1LossParameterFields]) -> None: ...
    def HasField(self, name: Literal["abssum", "sigma"], /) -> bool: ...
    def ClearField(self, name: Literal["abssum", "sigma", "kept_fields"], /) -> None: ...

class _SmoothL1ParameterFields(TypedDict, total=False):
    turn_point: float | None
    kept_fields: Iterable[str]

@final
class SmoothL1Parameter(Message):
    turn_point: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SmoothL1ParameterFields]) -> None: ...
    def HasField(self, name: Literal["turn_point"], /) -> bool: ...
    def ClearField(self, name: Literal["turn_point", "kept_fields"], /) -> None: ...

class _SoftmaxParameterFields(TypedDict, total=False):
    engine: int | str | None
    axis: int | None
    class_weight: Iterable[float]
    cutting_point: Iterable[float]
    hard_mining_label: Iterable[int]
    hard_ratio: float | None
    input_scale: float | None
    input_zero_point: int | None
    label_smooth_factor: float | None
    normalize_type: str | None
    output_scale: float | None
    output_zero_point: int | None
    kept_fields: Iterable[str]

@final
class SoftmaxParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    class_weight: Final[_Scalars[float]]
    cutting_point: Final[_Scalars[float]]
    hard_mining_label: Final[_Scalars[int]]
    hard_ratio: float
    input_scale: float
    input_zero_point: int
    label_smooth_factor: float
    normalize_type: str
    output_scale: float
    output_zero_point: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SoftmaxParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "engine",
            "axis",
            "hard_ratio",
            "input_scale",
            "input_zero_point",
            "label_smooth_factor",
            "normalize_type",
            "output_scale",
            "output_zero_point",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "engine",
            "axis",
            "class_weight",
            "cutting_point",
            "hard_mining_label",
            "hard_ratio",
            "input_scale",
            "input_zero_point",
            "label_smooth_factor",
            "normalize_type",
            "output_scale",
            "output_zero_point",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _SolverParameterFields(TypedDict, total=False):
    net: str | None
    net_param: NetParameter | _NetParameterFields | None
    train_net: str | None
    test_net: Iterable[str]
    train_net_param: NetParameter | _NetParameterFields | None
    test_net_param: Iterable[NetParameter | _NetParameterFields]
    train_state: NetState | _NetStateFields | None
    test_state: Iterable[NetState | _NetStateFields]
    test_iter: Iterable[int]
    test_interval: int | None
    test_compute_loss: bool | None
    test_initialization: bool | None
    base_lr: float | None
    display: int | None
    average_loss: int | None
    max_iter: int | None
    iter_size: int | None
    lr_policy: str | None
    gamma: float | None
    power: float | None
    momentum: float | None
    weight_decay: float | None
    regularization_type: str | None
    stepsize: int | None
    stepvalue: Iterable[int]
    clip_gradients: float | None
    snapshot: int | None
    snapshot_prefix: str | None
    snapshot_diff: bool | None
    snapshot_format: int | str | None
    solver_mode: int | str | None
    device_id: int | None
    random_seed: int | None
    type: str | None
    delta: float | None
    momentum2: float | None
    rms_decay: float | None
    debug_info: bool | None
    snapshot_after_train: bool | None
    solver_type: int | str | None
    layer_wise_reduce: bool | None
    weights: Iterable[str]
    kept_fields: Iterable[str]

@final
class SolverParameter(Message):
    SnapshotFormat: ClassVar[_Enum]
    HDF5: ClassVar[int]
    BINARYPROTO: ClassVar[int]
    SolverMode: ClassVar[_Enum]
    CPU: ClassVar[int]
    GPU: ClassVar[int]
    SolverType: ClassVar[_Enum]
    SGD: ClassVar[int]
    NESTEROV: ClassVar[int]
    ADAGRAD: ClassVar[int]
    RMSPROP: ClassVar[int]
    ADADELTA: ClassVar[int]
    ADAM: ClassVar[int]
    net: str
    net_param: Final[NetParameter]
    train_net: str
    test_net: Final[_Scalars[str]]
    train_net_param: Final[NetParameter]
    test_net_param: Final[_NetParameters]
    train_state: Final[NetState]
    test_state: Final[_NetStates]
    test_iter: Final[_Scalars[int]]
    test_interval: int
    test_compute_loss: bool
    test_initialization: bool
    base_lr: float
    display: int
    average_loss: int
    max_iter: int
    iter_size: int
    lr_policy: str
    gamma: float
    power: float
    momentum: float
    weight_decay: float
    regularization_type: str
    stepsize: int
    stepvalue: Final[_Scalars[int]]
    clip_gradients: float
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    snapshot_format: int
    solver_mode: int
    device_id: int
    random_seed: int
    type: str
    delta: float
    momentum2: float
    rms_decay: float
    debug_info: bool
    snapshot_after_train: bool
    solver_type: int
    layer_wise_reduce: bool
    weights: Final[_Scalars[str]]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SolverParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "net",
            "net_param",
            "train_net",
            "train_net_param",
            "train_state",
            "test_interval",
            "test_compute_loss",
            "test_initialization",
            "base_lr",
            "display",
            "average_loss",
            "max_iter",
            "iter_size",
            "lr_policy",
            "gamma",
            "power",
            "momentum",
            "weight_decay",
            "regularization_type",
            "stepsize",
            "clip_gradients",
            "snapshot",
            "snapshot_prefix",
            "snapshot_diff",
            "snapshot_format",
            "solver_mode",
            "device_id",
            "random_seed",
            "type",
            "delta",
            "momentum2",
            "rms_decay",
            "debug_info",
            "snapshot_after_train",
            "solver_type",
            "layer_wise_reduce",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "net",
            "net_param",
            "train_net",
            "test_net",
            "train_net_param",
            "test_net_param",
            "train_state",
            "test_state",
            "test_iter",
            "test_interval",
            "test_compute_loss",
            "test_initialization",
            "base_lr",
            "display",
            "average_loss",
            "max_iter",
            "iter_size",
            "lr_policy",
            "gamma",
            "power",
            "momentum",
            "weight_decay",
            "regularization_type",
            "stepsize",
            "stepvalue",
            "clip_gradients",
            "snapshot",
            "snapshot_prefix",
            "snapshot_diff",
            "snapshot_format",
            "solver_mode",
            "device_id",
            "random_seed",
            "type",
            "delta",
            "momentum2",
            "rms_decay",
            "debug_info",
            "snapshot_after_train",
            "solver_type",
            "layer_wise_reduce",
            "weights",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _SolverStateFields(TypedDict, total=False):
    iter: int | None
    learned_net: str | None
    history: Iterable[BlobProto | _BlobProtoFields]
    current_step: int | None
    kept_fields: Iterable[str]

@final
class SolverState(Message):
    iter: int
    learned_net: str
    history: Final[_BlobProtos]
    current_step: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SolverStateFields]) -> None: ...
    def HasField(self, name: Literal["iter", "learned_net", "current_step"], /) -> bool: ...
    def ClearField(self, name: Literal["iter", "learned_net", "history", "current_step", "kept_fields"], /) -> None: ...

class _SwishParameterFields(TypedDict, total=False):
    beta: float | None
    kept_fields: Iterable[str]

@final
class SwishParameter(Message):
    beta: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_SwishParameterFields]) -> None: ...
    def HasField(self, name: Literal["beta"], /) -> bool: ...
    def ClearField(self, name: Literal["beta", "kept_fields"], /) -> None: ...

class _TanHParameterFields(TypedDict, total=False):
    engine: int | str | None
    kept_fields: Iterable[str]

@final
class TanHParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_TanHParameterFields]) -> None: ...
    def HasField(self, name: Literal["engine"], /) -> bool: ...
    def ClearField(self, name: Literal["engine", "kept_fields"], /) -> None: ...

class _ThresholdParameterFields(TypedDict, total=False):
    threshold: float | None
    kept_fields: Iterable[str]

@final
class ThresholdParameter(Message):
    threshold: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_ThresholdParameterFields]) -> None: ...
    def HasField(self, name: Literal["threshold"], /) -> bool: ...
    def ClearField(self, name: Literal["threshold", "kept_fields"], /) -> None: ...

class _TileParameterFields(TypedDict, total=False):
    axis: int | None
    tiles: int | None
    kept_fields: Iterable[str]

@final
class TileParameter(Message):
    axis: int
    tiles: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_TileParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "tiles"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "tiles", "kept_fields"], /) -> None: ...

class _TransformationParameterFields(TypedDict, total=False):
    scale: float | None
    mirror: bool | None
    crop_size: int | None
    mean_file: str | None
    mean_value: Iterable[float]
    force_color: bool | None
    force_gray: bool | None
    allow_upscale: bool | None
    apply_probability: float | None
    aspect_max: float | None
    aspect_min: float | None
    bgr2rgb: bool | None
    caffe_yolo: bool | None
    center_crop: bool | None
    contrast_brightness_adjustment: bool | None
    crop_h: int | None
    crop_height: int | None
    crop_w: int | None
    crop_width: int | None
    cvt_bgr2rgb: bool | None
    debug_params: bool | None
    display: bool | None
    distort_param: DistortionParameter | _DistortionParameterFields | None
    emit_constraint: EmitConstraint | _EmitConstraintFields | None
    enable_classf_aug: bool | None
    erase_ratio: float | None
    expand_param: ExpansionParameter | _ExpansionParameterFields | None
    flow: bool | None
    horizontal_stretch_lower: float | None
    horizontal_stretch_upper: float | None
    img_rand_resize_lower: int | None
    img_rand_resize_upper: int | None
    max_brightness_shift: int | None
    max_color_shift: int | None
    max_contrast: float | None
    max_rotation_angle: int | None
    max_scaling_factor: float | None
    max_smooth: float | None
    min_contrast: float | None
    min_scaling_factor: float | None
    min_side: int | None
    min_side_max: int | None
    min_side_min: int | None
    noise_param: NoiseParameter | _NoiseParameterFields | None
    num_labels: int | None
    pad: int | None
    rand_resize_ratio_lower: float | None
    rand_resize_ratio_upper: float | None
    random_seed: int | None
    resize_param: Iterable[ResizeParameter | _ResizeParameterFields]
    rotate: bool | None
    scale_factors: Iterable[float]
    scale_max: float | None
    scale_min: float | None
    smooth_filtering: bool | None
    use_gpu_transform: bool | None
    use_letterbox_resize: bool | None
    vertical_stretch_lower: float | None
    vertical_stretch_upper: float | None
    yolo_height: int | None
    yolo_width: int | None
    var_sz_img_enabled: bool | None
    kept_fields: Iterable[str]

@final
class TransformationParameter(Message):
    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    mean_value: Final[_Scalars[float]]
    force_color: bool
    force_gray: bool
    allow_upscale: bool
    apply_probability: float
    aspect_max: float
    aspect_min: float
    bgr2rgb: bool
    caffe_yolo: bool
    center_crop: bool
    contrast_brightness_adjustment: bool
    crop_h: int
    crop_height: int
    crop_w: int
    crop_width: int
    cvt_bgr2rgb: bool
    debug_params: bool
    display: bool
    distort_param: Final[DistortionParameter]
    emit_constraint: Final[EmitConstraint]
    enable_classf_aug: bool
    erase_ratio: float
    expand_param: Final[ExpansionParameter]
    flow: bool
    horizontal_stretch_lower: float
    horizontal_stretch_upper: float
    img_rand_resize_lower: int
    img_rand_resize_upper: int
    max_brightness_shift: int
    max_color_shift: int
    max_contrast: float
    max_rotation_angle: int
    max_scaling_factor: float
    max_smooth: float
    min_contrast: float
    min_scaling_factor: float
    min_side: int
    min_side_max: int
    min_side_min: int
    noise_param: Final[NoiseParameter]
    num_labels: int
    pad: int
    rand_resize_ratio_lower: float
    rand_resize_ratio_upper: float
    random_seed: int
    resize_param: Final[_ResizeParameters]
    rotate: bool
    scale_factors: Final[_Scalars[float]]
    scale_max: float
    scale_min: float
    smooth_filtering: bool
    use_gpu_transform: bool
    use_letterbox_resize: bool
    vertical_stretch_lower: float
    vertical_stretch_upper: float
    yolo_height: int
    yolo_width: int
    var_sz_img_enabled: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_TransformationParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "scale",
            "mirror",
            "crop_size",
            "mean_file",
            "force_color",
            "force_gray",
            "allow_upscale",
            "apply_probability",
            "aspect_max",
            "aspect_min",
            "bgr2rgb",
            "caffe_yolo",
            "center_crop",
            "contrast_brightness_adjustment",
            "crop_h",
            "crop_height",
            "crop_w",
            "crop_width",
            "cvt_bgr2rgb",
            "debug_params",
            "display",
            "distort_param",
            "emit_constraint",
            "enable_classf_aug",
            "erase_ratio",
            "expand_param",
            "flow",
            "horizontal_stretch_lower",
            "horizontal_stretch_upper",
            "img_rand_resize_lower",
            "img_rand_resize_upper",
            "max_brightness_shift",
            "max_color_shift",
            "max_contrast",
            "max_rotation_angle",
            "max_scaling_factor",
            "max_smooth",
            "min_contrast",
            "min_scaling_factor",
            "min_side",
            "min_side_max",
            "min_side_min",
            "noise_param",
            "num_labels",
            "pad",
            "rand_resize_ratio_lower",
            "rand_resize_ratio_upper",
            "random_seed",
            "rotate",
            "scale_max",
            "scale_min",
            "smooth_filtering",
            "use_gpu_transform",
            "use_letterbox_resize",
            "vertical_stretch_lower",
            "vertical_stretch_upper",
            "yolo_height",
            "yolo_width",
            "var_sz_img_enabled",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "scale",
            "mirror",
            "crop_size",
            "mean_file",
            "mean_value",
            "force_color",
            "force_gray",
            "allow_upscale",
            "apply_probability",
            "aspect_max",
            "aspect_min",
            "bgr2rgb",
            "caffe_yolo",
            "center_crop",
            "contrast_brightness_adjustment",
            "crop_h",
            "crop_height",
            "crop_w",
            "crop_width",
            "cvt_bgr2rgb",
            "debug_params",
            "display",
            "distort_param",
            "emit_constraint",
            "enable_classf_aug",
            "erase_ratio",
            "expand_param",
            "flow",
            "horizontal_stretch_lower",
            "horizontal_stretch_upper",
            "img_rand_resize_lower",
            "img_rand_resize_upper",
            "max_brightness_shift",
            "max_color_shift",
            "max_contrast",
            "max_rotation_angle",
            "max_scaling_factor",
            "max_smooth",
            "min_contrast",
            "min_scaling_factor",
            "min_side",
            "min_side_max",
            "min_side_min",
            "noise_param",
            "num_labels",
            "pad",
            "rand_resize_ratio_lower",
            "rand_resize_ratio_upper",
            "random_seed",
            "resize_param",
            "rotate",
            "scale_factors",
            "scale_max",
            "scale_min",
            "smooth_filtering",
            "use_gpu_transform",
            "use_letterbox_resize",
            "vertical_stretch_lower",
            "vertical_stretch_upper",
            "yolo_height",
            "yolo_width",
            "var_sz_img_enabled",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _UnpoolingParameterFields(TypedDict, total=False):
    kernel_h: int | None
    kernel_size: int | None
    kernel_w: int | None
    pad: int | None
    pad_h: int | None
    pad_w: int | None
    stride: int | None
    stride_h: int | None
    stride_w: int | None
    unpool: int | str | None
    unpool_h: int | None
    unpool_size: int | None
    unpool_w: int | None
    kept_fields: Iterable[str]

@final
class UnpoolingParameter(Message):
    UnpoolMethod: ClassVar[_Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    TILE: ClassVar[int]
    kernel_h: int
    kernel_size: int
    kernel_w: int
    pad: int
    pad_h: int
    pad_w: int
    stride: int
    stride_h: int
    stride_w: int
    unpool: int
    unpool_h: int
    unpool_size: int
    unpool_w: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_UnpoolingParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "kernel_h",
            "kernel_size",
            "kernel_w",
            "pad",
            "pad_h",
            "pad_w",
            "stride",
            "stride_h",
            "stride_w",
            "unpool",
            "unpool_h",
            "unpool_size",
            "unpool_w",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "kernel_h",
            "kernel_size",
            "kernel_w",
            "pad",
            "pad_h",
            "pad_w",
            "stride",
            "stride_h",
            "stride_w",
            "unpool",
            "unpool_h",
            "unpool_size",
            "unpool_w",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _UpsampleDarknetParameterFields(TypedDict, total=False):
    stride: int | None
    kept_fields: Iterable[str]

@final
class UpsampleDarknetParameter(Message):
    stride: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_UpsampleDarknetParameterFields]) -> None: ...
    def HasField(self, name: Literal["stride"], /) -> bool: ...
    def ClearField(self, name: Literal["stride", "kept_fields"], /) -> None: ...

class _UpsampleParameterFields(TypedDict, total=False):
    height: int | None
    height_scale: int | None
    pad_out_h: bool | None
    pad_out_w: bool | None
    scale: int | None
    scale_h: int | None
    scale_w: int | None
    upsample_h: int | None
    upsample_w: int | None
    width: int | None
    width_scale: int | None
    kept_fields: Iterable[str]

@final
class UpsampleParameter(Message):
    height: int
    height_scale: int
    pad_out_h: bool
    pad_out_w: bool
    scale: int
    scale_h: int
    scale_w: int
    upsample_h: int
    upsample_w: int
    width: int
    width_scale: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_UpsampleParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "height",
            "height_scale",
            "pad_out_h",
            "pad_out_w",
            "scale",
            "scale_h",
            "scale_w",
            "upsample_h",
            "upsample_w",
            "width",
            "width_scale",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "height",
            "height_scale",
            "pad_out_h",
            "pad_out_w",
            "scale",
            "scale_h",
            "scale_w",
            "upsample_h",
            "upsample_w",
            "width",
            "width_scale",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _V0LayerParameterFields(TypedDict, total=False):
    name: str | None
    type: str | None
    num_output: int | None
    biasterm: bool | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    pad: int | None
    kernelsize: int | None
    group: int | None
    stride: int | None
    pool: int | str | None
    dropout_ratio: float | None
    local_size: int | None
    alpha: float | None
    beta: float | None
    k: float | None
    source: str | None
    scale: float | None
    meanfile: str | None
    batchsize: int | None
    cropsize: int | None
    mirror: bool | None
    blobs: Iterable[BlobProto | _BlobProtoFields]
    blobs_lr: Iterable[float]
    weight_decay: Iterable[float]
    rand_skip: int | None
    det_fg_threshold: float | None
    det_bg_threshold: float | None
    det_fg_fraction: float | None
    det_context_pad: int | None
    det_crop_mode: str | None
    new_num: int | None
    new_channels: int | None
    new_height: int | None
    new_width: int | None
    shuffle_images: bool | None
    concat_dim: int | None
    hdf5_output_param: HDF5OutputParameter | _HDF5OutputParameterFields | None
    kept_fields: Iterable[str]

@final
class V0LayerParameter(Message):
    PoolMethod: ClassVar[_Enum]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    name: str
    type: str
    num_output: int
    biasterm: bool
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    pad: int
    kernelsize: int
    group: int
    stride: int
    pool: int
    dropout_ratio: float
    local_size: int
    alpha: float
    beta: float
    k: float
    source: str
    scale: float
    meanfile: str
    batchsize: int
    cropsize: int
    mirror: bool
    blobs: Final[_BlobProtos]
    blobs_lr: Final[_Scalars[float]]
    weight_decay: Final[_Scalars[float]]
    rand_skip: int
    det_fg_threshold: float
    det_bg_threshold: float
    det_fg_fraction: float
    det_context_pad: int
    det_crop_mode: str
    new_num: int
    new_channels: int
    new_height: int
    new_width: int
    shuffle_images: bool
    concat_dim: int
    hdf5_output_param: Final[HDF5OutputParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_V0LayerParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "name",
            "type",
            "num_output",
            "biasterm",
            "weight_filler",
            "bias_filler",
            "pad",
            "kernelsize",
            "group",
            "stride",
            "pool",
            "dropout_ratio",
            "local_size",
            "alpha",
            "beta",
            "k",
            "source",
            "scale",
            "meanfile",
            "batchsize",
            "cropsize",
            "mirror",
            "rand_skip",
            "det_fg_threshold",
            "det_bg_threshold",
            "det_fg_fraction",
            "det_context_pad",
            "det_crop_mode",
            "new_num",
            "new_channels",
            "new_height",
            "new_width",
            "shuffle_images",
            "concat_dim",
            "hdf5_output_param",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "name",
            "type",
            "num_output",
            "biasterm",
            "weight_filler",
            "bias_filler",
            "pad",
            "kernelsize",
            "group",
            "stride",
            "pool",
            "dropout_ratio",
            "local_size",
            "alpha",
            "beta",
            "k",
            "source",
            "scale",
            "meanfile",
            "batchsize",
            "cropsize",
            "mirror",
            "blobs",
            "blobs_lr",
            "weight_decay",
            "rand_skip",
            "det_fg_threshold",
            "det_bg_threshold",
            "det_fg_fraction",
            "det_context_pad",
            "det_crop_mode",
            "new_num",
            "new_channels",
            "new_height",
            "new_width",
            "shuffle_images",
            "concat_dim",
            "hdf5_output_param",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _V1LayerParameterFields(TypedDict, total=False):
    bottom: Iterable[str]
    top: Iterable[str]
    name: str | None
    include: Iterable[NetStateRule | _NetStateRuleFields]
    exclude: Iterable[NetStateRule | _NetStateRuleFields]
    type: int | str | None
    blobs: Iterable[BlobProto | _BlobProtoFields]
    param: Iterable[str]
    blob_share_mode: Iterable[int | str]
    blobs_lr: Iterable[float]
    weight_decay: Iterable[float]
    loss_weight: Iterable[float]
    accuracy_param: AccuracyParameter | _AccuracyParameterFields | None
    argmax_param: ArgMaxParameter | _ArgMaxParameterFields | None
    concat_param: ConcatParameter | _ConcatParameterFields | None
    contrastive_loss_param: ContrastiveLossParameter | _ContrastiveLossParameterFields | None
    convolution_param: ConvolutionParameter | _ConvolutionParameterFields | None
    data_param: DataParameter | _DataParameterFields | None
    dropout_param: DropoutParameter | _DropoutParameterFields | None
    dummy_data_param: DummyDataParameter | _DummyDataParameterFields | None
    eltwise_param: EltwiseParameter | _EltwiseParameterFields | None
    exp_param: ExpParameter | _ExpParameterFields | None
    hdf5_data_param: HDF5DataParameter | _HDF5DataParameterFields | None
    hdf5_output_param: HDF5OutputParameter | _HDF5OutputParameterFields | None
    hinge_loss_param: HingeLossParameter | _HingeLossParameterFields | None
    image_data_param: ImageDataParameter | _ImageDataParameterFields | None
    infogain_loss_param: InfogainLossParameter | _InfogainLossParameterFields | None
    inner_product_param: InnerProductParameter | _InnerProductParameterFields | None
    lrn_param: LRNParameter | _LRNParameterFields | None
    memory_data_param: MemoryDataParameter | _MemoryDataParameterFields | None
    mvn_param: MVNParameter | _MVNParameterFields | None
    pooling_param: PoolingParameter | _PoolingParameterFields | None
    power_param: PowerParameter | _PowerParameterFields | None
    relu_param: ReLUParameter | _ReLUParameterFields | None
    sigmoid_param: SigmoidParameter | _SigmoidParameterFields | None
    softmax_param: SoftmaxParameter | _SoftmaxParameterFields | None
    slice_param: SliceParameter | _SliceParameterFields | None
    tanh_param: TanHParameter | _TanHParameterFields | None
    threshold_param: ThresholdParameter | _ThresholdParameterFields | None
    window_data_param: WindowDataParameter | _WindowDataParameterFields | None
    transform_param: TransformationParameter | _TransformationParameterFields | None
    loss_param: LossParameter | _LossParameterFields | None
    layer: V0LayerParameter | _V0LayerParameterFields | None
    adaptive_bias_channel_param: AdaptiveBiasChannelParameter | _AdaptiveBiasChannelParameterFields | None
    bn_param: BNParameter | _BNParameterFields | None
    interp_param: InterpParameter | _InterpParameterFields | None
    mat_read_param: MatReadParameter | _MatReadParameterFields | None
    mat_write_param: MatWriteParameter | _MatWriteParameterFields | None
    padding_param: PaddingParameter | _PaddingParameterFields | None
    seg_accuracy_param: SegAccuracyParameter | _SegAccuracyParameterFields | None
    strict_dim: bool | None
    unpooling_param: UnpoolingParameter | _UnpoolingParameterFields | None
    DepthwiseConvolution_parameter: DepthwiseConvolutionParameter | _DepthwiseConvolutionParameterFields | None
    bias_param: BiasParameter | _BiasParameterFields | None
    clip_param: ClipParameter | _ClipParameterFields | None
    detection_output_param: DetectionOutputParameter | _DetectionOutputParameterFields | None
    embed_param: EmbedParameter | _EmbedParameterFields | None
    mask_param: TransformationParameter | _TransformationParameterFields | None
    noise_param: NoiseParameter | _NoiseParameterFields | None
    prelu_param: PReLUParameter | _PReLUParameterFields | None
    prior_box_param: PriorBoxParameter | _PriorBoxParameterFields | None
    reduction_param: ReductionParameter | _ReductionParameterFields | None
    roi_pooling_param: ROIPoolingParameter | _ROIPoolingParameterFields | None
    tile_param: TileParameter | _TileParameterFields | None
    yolo_v2_loss_param: YoloV2LossParameter | _YoloV2LossParameterFields | None
    yolo_v3_loss_param: YoloV3LossParameter | _YoloV3LossParameterFields | None
    kept_fields: Iterable[str]

@final
class V1LayerParameter(Message):
    LayerType: ClassVar[_Enum]
    NONE: ClassVar[int]
    ABSVAL: ClassVar[int]
    ACCURACY: ClassVar[int]
    ARGMAX: ClassVar[int]
    BNLL: ClassVar[int]
    CONCAT: ClassVar[int]
    CONTRASTIVE_LOSS: ClassVar[int]
    CONVOLUTION: ClassVar[int]
    DATA: ClassVar[int]
    DECONVOLUTION: ClassVar[int]
    DROPOUT: ClassVar[int]
    DUMMY_DATA: ClassVar[int]
    EUCLIDEAN_LOSS: ClassVar[int]
    ELTWISE: ClassVar[int]
    EXP: ClassVar[int]
    FLATTEN: ClassVar[int]
    HDF5_DATA: ClassVar[int]
    HDF5_OUTPUT: ClassVar[int]
    HINGE_LOSS: ClassVar[int]
    IM2COL: ClassVar[int]
    IMAGE_DATA: ClassVar[int]
    INFOGAIN_LOSS: ClassVar[int]
    INNER_PRODUCT: ClassVar[int]
    LRN: ClassVar[int]
    MEMORY_DATA: ClassVar[int]
    MULTINOMIAL_LOGISTIC_LOSS: ClassVar[int]
    MVN: ClassVar[int]
    POOLING: ClassVar[int]
    POWER: ClassVar[int]
    RELU: ClassVar[int]
    SIGMOID: ClassVar[int]
    SIGMOID_CROSS_ENTROPY_LOSS: ClassVar[int]
    SILENCE: ClassVar[int]
    SOFTMAX: ClassVar[int]
    SOFTMAX_LOSS: ClassVar[int]
    SPLIT: ClassVar[int]
    SLICE: ClassVar[int]
    TANH: ClassVar[int]
    WINDOW_DATA: ClassVar[int]
    THRESHOLD: ClassVar[int]
    DimCheckMode: ClassVar[_Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    bottom: Final[_Scalars[str]]
    top: Final[_Scalars[str]]
    name: str
    include: Final[_NetStateRules]
    exclude: Final[_NetStateRules]
    type: int
    blobs: Final[_BlobProtos]
    param: Final[_Scalars[str]]
    blob_share_mode: Final[_Scalars[int]]
    blobs_lr: Final[_Scalars[float]]
    weight_decay: Final[_Scalars[float]]
    loss_weight: Final[_Scalars[float]]
    accuracy_param: Final[AccuracyParameter]
    argmax_param: Final[ArgMaxParameter]
    concat_param: Final[ConcatParameter]
    contrastive_loss_param: Final[ContrastiveLossParameter]
    convolution_param: Final[ConvolutionParameter]
    data_param: Final[DataParameter]
    dropout_param: Final[DropoutParameter]
    dummy_data_param: Final[DummyDataParameter]
    eltwise_param: Final[EltwiseParameter]
    exp_param: Final[ExpParameter]
    hdf5_data_param: Final[HDF5DataParameter]
    hdf5_output_param: Final[HDF5OutputParameter]
    hinge_loss_param: Final[HingeLossParameter]
    image_data_param: Final[ImageDataParameter]
    infogain_loss_param: Final[InfogainLossParameter]
    inner_product_param: Final[InnerProductParameter]
    lrn_param: Final[LRNParameter]
    memory_data_param: Final[MemoryDataParameter]
    mvn_param: Final[MVNParameter]
    pooling_param: Final[PoolingParameter]
    power_param: Final[PowerParameter]
    relu_param: Final[ReLUParameter]
    sigmoid_param: Final[SigmoidParameter]
    softmax_param: Final[SoftmaxParameter]
    slice_param: Final[SliceParameter]
    tanh_param: Final[TanHParameter]
    threshold_param: Final[ThresholdParameter]
    window_data_param: Final[WindowDataParameter]
    transform_param: Final[TransformationParameter]
    loss_param: Final[LossParameter]
    layer: Final[V0LayerParameter]
    adaptive_bias_channel_param: Final[AdaptiveBiasChannelParameter]
    bn_param: Final[BNParameter]
    interp_param: Final[InterpParameter]
    mat_read_param: Final[MatReadParameter]
    mat_write_param: Final[MatWriteParameter]
    padding_param: Final[PaddingParameter]
    seg_accuracy_param: Final[SegAccuracyParameter]
    strict_dim: bool
    unpooling_param: Final[UnpoolingParameter]
    DepthwiseConvolution_parameter: Final[DepthwiseConvolutionParameter]
    bias_param: Final[BiasParameter]
    clip_param: Final[ClipParameter]
    detection_output_param: Final[DetectionOutputParameter]
    embed_param: Final[EmbedParameter]
    mask_param: Final[TransformationParameter]
    noise_param: Final[NoiseParameter]
    prelu_param: Final[PReLUParameter]
    prior_box_param: Final[PriorBoxParameter]
    reduction_param: Final[ReductionParameter]
    roi_pooling_param: Final[ROIPoolingParameter]
    tile_param: Final[TileParameter]
    yolo_v2_loss_param: Final[YoloV2LossParameter]
    yolo_v3_loss_param: Final[YoloV3LossParameter]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_V1LayerParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "name",
            "type",
            "accuracy_param",
            "argmax_param",
            "concat_param",
            "contrastive_loss_param",
            "convolution_param",
            "data_param",
            "dropout_param",
            "dummy_data_param",
            "eltwise_param",
            "exp_param",
            "hdf5_data_param",
            "hdf5_output_param",
            "hinge_loss_param",
            "image_data_param",
            "infogain_loss_param",
            "inner_product_param",
            "lrn_param",
            "memory_data_param",
            "mvn_param",
            "pooling_param",
            "power_param",
            "relu_param",
            "sigmoid_param",
            "softmax_param",
            "slice_param",
            "tanh_param",
            "threshold_param",
            "window_data_param",
            "transform_param",
            "loss_param",
            "layer",
            "adaptive_bias_channel_param",
            "bn_param",
            "interp_param",
            "mat_read_param",
            "mat_write_param",
            "padding_param",
            "seg_accuracy_param",
            "strict_dim",
            "unpooling_param",
            "DepthwiseConvolution_parameter",
            "bias_param",
            "clip_param",
            "detection_output_param",
            "embed_param",
            "mask_param",
            "noise_param",
            "prelu_param",
            "prior_box_param",
            "reduction_param",
            "roi_pooling_param",
            "tile_param",
            "yolo_v2_loss_param",
            "yolo_v3_loss_param",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "bottom",
            "top",
            "name",
            "include",
            "exclude",
            "type",
            "blobs",
            "param",
            "blob_share_mode",
            "blobs_lr",
            "weight_decay",
            "loss_weight",
            "accuracy_param",
            "argmax_param",
            "concat_param",
            "contrastive_loss_param",
            "convolution_param",
            "data_param",
            "dropout_param",
            "dummy_data_param",
            "eltwise_param",
            "exp_param",
            "hdf5_data_param",
            "hdf5_output_param",
            "hinge_loss_param",
            "image_data_param",
            "infogain_loss_param",
            "inner_product_param",
            "lrn_param",
            "memory_data_param",
            "mvn_param",
            "pooling_param",
            "power_param",
            "relu_param",
            "sigmoid_param",
            "softmax_param",
            "slice_param",
            "tanh_param",
            "threshold_param",
            "window_data_param",
            "transform_param",
            "loss_param",
            "layer",
            "adaptive_bias_channel_param",
            "bn_param",
            "interp_param",
            "mat_read_param",
            "mat_write_param",
            "padding_param",
            "seg_accuracy_param",
            "strict_dim",
            "unpooling_param",
            "DepthwiseConvolution_parameter",
            "bias_param",
            "clip_param",
            "detection_output_param",
            "embed_param",
            "mask_param",
            "noise_param",
            "prelu_param",
            "prior_box_param",
            "reduction_param",
            "roi_pooling_param",
            "tile_param",
            "yolo_v2_loss_param",
            "yolo_v3_loss_param",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _V1LayerParameters(_Messages[V1LayerParameter]):
    def add(self, **fields: Unpack[_V1LayerParameterFields]) -> V1LayerParameter: ...

class _VideoDataParameterFields(TypedDict, total=False):
    device_id: int | None
    skip_frames: int | None
    video_file: str | None
    video_type: int | str | None
    kept_fields: Iterable[str]

@final
class VideoDataParameter(Message):
    VideoType: ClassVar[_Enum]
    WEBCAM: ClassVar[int]
    VIDEO: ClassVar[int]
    device_id: int
    skip_frames: int
    video_file: str
    video_type: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_VideoDataParameterFields]) -> None: ...
    def HasField(self, name: Literal["device_id", "skip_frames", "video_file", "video_type"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "device_id",
            "skip_frames",
            "video_file",
            "video_type",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _WindowDataParameterFields(TypedDict, total=False):
    source: str | None
    scale: float | None
    mean_file: str | None
    batch_size: int | None
    crop_size: int | None
    mirror: bool | None
    fg_threshold: float | None
    bg_threshold: float | None
    fg_fraction: float | None
    context_pad: int | None
    crop_mode: str | None
    cache_images: bool | None
    root_folder: str | None
    kept_fields: Iterable[str]

@final
class WindowDataParameter(Message):
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    fg_threshold: float
    bg_threshold: float
    fg_fraction: float
    context_pad: int
    crop_mode: str
    cache_images: bool
    root_folder: str
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_WindowDataParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "source",
            "scale",
            "mean_file",
            "batch_size",
            "crop_size",
            "mirror",
            "fg_threshold",
            "bg_threshold",
            "fg_fraction",
            "context_pad",
            "crop_mode",
            "cache_images",
            "root_folder",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "source",
            "scale",
            "mean_file",
            "batch_size",
            "crop_size",
            "mirror",
            "fg_threshold",
            "bg_threshold",
            "fg_fraction",
            "context_pad",
            "crop_mode",
            "cache_images",
            "root_folder",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _YoloDetectionOutputParameterFields(TypedDict, total=False):
    biases: Iterable[float]
    confidence_threshold: float | None
    coords: int | None
    label_map_file: Iterable[str]
    nms_threshold: float | None
    num_box: int | None
    num_classes: int | None
    side: int | None
    kept_fields: Iterable[str]

@final
class YoloDetectionOutputParameter(Message):
    biases: Final[_Scalars[float]]
    confidence_threshold: float
    coords: int
    label_map_file: Final[_Scalars[str]]
    nms_threshold: float
    num_box: int
    num_classes: int
    side: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloDetectionOutputParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "confidence_threshold",
            "coords",
            "nms_threshold",
            "num_box",
            "num_classes",
            "side",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "biases",
            "confidence_threshold",
            "coords",
            "label_map_file",
            "nms_threshold",
            "num_box",
            "num_classes",
            "side",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _YoloEvalDetectionParameterFields(TypedDict, total=False):
    biases: Iterable[float]
    constriant: bool | None
    nms: float | None
    num_class: int | None
    num_object: int | None
    side: int | None
    sqrt: bool | None
    threshold: float | None
    kept_fields: Iterable[str]

@final
class YoloEvalDetectionParameter(Message):
    biases: Final[_Scalars[float]]
    constriant: bool
    nms: float
    num_class: int
    num_object: int
    side: int
    sqrt: bool
    threshold: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloEvalDetectionParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "constriant",
            "nms",
            "num_class",
            "num_object",
            "side",
            "sqrt",
            "threshold",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "biases",
            "constriant",
            "nms",
            "num_class",
            "num_object",
            "side",
            "sqrt",
            "threshold",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _YoloSegItemFields(TypedDict, total=False):
    b: int | None
    g: int | None
    label: Iterable[int]
    label_id: Iterable[int]
    name: Iterable[str]
    r: int | None
    kept_fields: Iterable[str]

@final
class YoloSegItem(Message):
    b: int
    g: int
    label: Final[_Scalars[int]]
    label_id: Final[_Scalars[int]]
    name: Final[_Scalars[str]]
    r: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloSegItemFields]) -> None: ...
    def HasField(self, name: Literal["b", "g", "r"], /) -> bool: ...
    def ClearField(self, name: Literal["b", "g", "label", "label_id", "name", "r", "kept_fields"], /) -> None: ...

class _YoloSegLabelFields(TypedDict, total=False):
    item: YoloSegItem | _YoloSegItemFields | None
    kept_fields: Iterable[str]

@final
class YoloSegLabel(Message):
    item: Final[YoloSegItem]
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloSegLabelFields]) -> None: ...
    def HasField(self, name: Literal["item"], /) -> bool: ...
    def ClearField(self, name: Literal["item", "kept_fields"], /) -> None: ...

class _YoloSegParameterFields(TypedDict, total=False):
    class_scale: float | None
    num_class: int | None
    object_scale: float | None
    use_hardsigmoid: bool | None
    use_logic_gradient: bool | None
    kept_fields: Iterable[str]

@final
class YoloSegParameter(Message):
    class_scale: float
    num_class: int
    object_scale: float
    use_hardsigmoid: bool
    use_logic_gradient: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloSegParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "class_scale",
            "num_class",
            "object_scale",
            "use_hardsigmoid",
            "use_logic_gradient",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "class_scale",
            "num_class",
            "object_scale",
            "use_hardsigmoid",
            "use_logic_gradient",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _YoloV2LossParameterFields(TypedDict, total=False):
    anchors: Iterable[float]
    box_scale: float | None
    class_scale: float | None
    constraint: bool | None
    noobject_scale: float | None
    num_classes: Iterable[int]
    num_object: Iterable[int]
    object_scale: float | None
    rescore: bool | None
    side: Iterable[int]
    thresh: float | None
    kept_fields: Iterable[str]

@final
class YoloV2LossParameter(Message):
    anchors: Final[_Scalars[float]]
    box_scale: float
    class_scale: float
    constraint: bool
    noobject_scale: float
    num_classes: Final[_Scalars[int]]
    num_object: Final[_Scalars[int]]
    object_scale: float
    rescore: bool
    side: Final[_Scalars[int]]
    thresh: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloV2LossParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "box_scale",
            "class_scale",
            "constraint",
            "noobject_scale",
            "object_scale",
            "rescore",
            "thresh",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "anchors",
            "box_scale",
            "class_scale",
            "constraint",
            "noobject_scale",
            "num_classes",
            "num_object",
            "object_scale",
            "rescore",
            "side",
            "thresh",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _YoloV3LossParameterFields(TypedDict, total=False):
    anchors: Iterable[int]
    ignore_thresh: float | None
    mask: Iterable[int]
    net_h: Iterable[int]
    net_w: Iterable[int]
    num_classes: Iterable[int]
    num_object: Iterable[int]
    side: Iterable[int]
    total_object: Iterable[int]
    truth_thresh: float | None
    kept_fields: Iterable[str]

@final
class YoloV3LossParameter(Message):
    anchors: Final[_Scalars[int]]
    ignore_thresh: float
    mask: Final[_Scalars[int]]
    net_h: Final[_Scalars[int]]
    net_w: Final[_Scalars[int]]
    num_classes: Final[_Scalars[int]]
    num_object: Final[_Scalars[int]]
    side: Final[_Scalars[int]]
    total_object: Final[_Scalars[int]]
    truth_thresh: float
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_YoloV3LossParameterFields]) -> None: ...
    def HasField(self, name: Literal["ignore_thresh", "truth_thresh"], /) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "anchors",
            "ignore_thresh",
            "mask",
            "net_h",
            "net_w",
            "num_classes",
            "num_object",
            "side",
            "total_object",
            "truth_thresh",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _Yolov3DetectionOutputParameterFields(TypedDict, total=False):
    anchors_scale: Iterable[int]
    biases: Iterable[float]
    confidence_threshold: float | None
    gaussian_box: bool | None
    mask: Iterable[int]
    mask_group_num: int | None
    nms_threshold: float | None
    num_box: int | None
    num_classes: int | None
    kept_fields: Iterable[str]

@final
class Yolov3DetectionOutputParameter(Message):
    anchors_scale: Final[_Scalars[int]]
    biases: Final[_Scalars[float]]
    confidence_threshold: float
    gaussian_box: bool
    mask: Final[_Scalars[int]]
    mask_group_num: int
    nms_threshold: float
    num_box: int
    num_classes: int
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_Yolov3DetectionOutputParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "confidence_threshold",
            "gaussian_box",
            "mask_group_num",
            "nms_threshold",
            "num_box",
            "num_classes",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "anchors_scale",
            "biases",
            "confidence_threshold",
            "gaussian_box",
            "mask",
            "mask_group_num",
            "nms_threshold",
            "num_box",
            "num_classes",
            "kept_fields",
        ],
        /,
    ) -> None: ...

class _Yolov3ParameterFields(TypedDict, total=False):
    accumulate: bool | None
    anchors_scale: int | None
    biases: Iterable[float]
    class_scale: float | None
    coord_scale: float | None
    iou_normalizer: float | None
    iou_thresh: float | None
    label_smooth_eps: float | None
    mask: Iterable[int]
    max_delta: float | None
    noobject_scale: float | None
    num: int | None
    num_class: int | None
    object_scale: float | None
    side: int | None
    thresh: float | None
    use_focal_loss: bool | None
    use_logic_gradient: bool | None
    kept_fields: Iterable[str]

@final
class Yolov3Parameter(Message):
    accumulate: bool
    anchors_scale: int
    biases: Final[_Scalars[float]]
    class_scale: float
    coord_scale: float
    iou_normalizer: float
    iou_thresh: float
    label_smooth_eps: float
    mask: Final[_Scalars[int]]
    max_delta: float
    noobject_scale: float
    num: int
    num_class: int
    object_scale: float
    side: int
    thresh: float
    use_focal_loss: bool
    use_logic_gradient: bool
    kept_fields: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_Yolov3ParameterFields]) -> None: ...
    def HasField(
        self,
        name: Literal[
            "accumulate",
            "anchors_scale",
            "class_scale",
            "coord_scale",
            "iou_normalizer",
            "iou_thresh",
            "label_smooth_eps",
            "max_delta",
            "noobject_scale",
            "num",
            "num_class",
            "object_scale",
            "side",
            "thresh",
            "use_focal_loss",
            "use_logic_gradient",
        ],
        /,
    ) -> bool: ...
    def ClearField(
        self,
        name: Literal[
            "accumulate",
            "anchors_scale",
            "biases",
            "class_scale",
            "coord_scale",
            "iou_normalizer",
            "iou_thresh",
            "label_smooth_eps",
            "mask",
            "max_delta",
            "noobject_scale",
            "num",
            "num_class",
            "object_scale",
            "side",
            "thresh",
            "use_focal_loss",
            "use_logic_gradient",
            "kept_fields",
        ],
        /,
    ) -> None: ...
