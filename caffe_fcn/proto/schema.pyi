# Made by scripts/generate_schema.py from caffe.proto: run it again after a change there.
"""Caffe's messages.

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

@final
class AccuracyParameter(Message):
    top_k: int
    axis: int
    ignore_label: int
    def __init__(self, **fields: Unpack[_AccuracyParameterFields]) -> None: ...
    def HasField(self, name: Literal["top_k", "axis", "ignore_label"], /) -> bool: ...
    def ClearField(self, name: Literal["top_k", "axis", "ignore_label"], /) -> None: ...

class _ArgMaxParameterFields(TypedDict, total=False):
    out_max_val: bool | None
    top_k: int | None
    axis: int | None

@final
class ArgMaxParameter(Message):
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(self, **fields: Unpack[_ArgMaxParameterFields]) -> None: ...
    def HasField(self, name: Literal["out_max_val", "top_k", "axis"], /) -> bool: ...
    def ClearField(self, name: Literal["out_max_val", "top_k", "axis"], /) -> None: ...

class _BatchNormParameterFields(TypedDict, total=False):
    use_global_stats: bool | None
    moving_average_fraction: float | None
    eps: float | None

@final
class BatchNormParameter(Message):
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    def __init__(self, **fields: Unpack[_BatchNormParameterFields]) -> None: ...
    def HasField(self, name: Literal["use_global_stats", "moving_average_fraction", "eps"], /) -> bool: ...
    def ClearField(self, name: Literal["use_global_stats", "moving_average_fraction", "eps"], /) -> None: ...

class _BiasParameterFields(TypedDict, total=False):
    axis: int | None
    num_axes: int | None
    filler: FillerParameter | _FillerParameterFields | None

@final
class BiasParameter(Message):
    axis: int
    num_axes: int
    filler: Final[FillerParameter]
    def __init__(self, **fields: Unpack[_BiasParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "num_axes", "filler"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "num_axes", "filler"], /) -> None: ...

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
        ],
        /,
    ) -> None: ...

class _BlobProtos(_Messages[BlobProto]):
    def add(self, **fields: Unpack[_BlobProtoFields]) -> BlobProto: ...

class _BlobProtoVectorFields(TypedDict, total=False):
    blobs: Iterable[BlobProto | _BlobProtoFields]

@final
class BlobProtoVector(Message):
    blobs: Final[_BlobProtos]
    def __init__(self, **fields: Unpack[_BlobProtoVectorFields]) -> None: ...
    def ClearField(self, name: Literal["blobs"], /) -> None: ...

class _BlobShapeFields(TypedDict, total=False):
    dim: Iterable[int]

@final
class BlobShape(Message):
    dim: Final[_Scalars[int]]
    def __init__(self, **fields: Unpack[_BlobShapeFields]) -> None: ...
    def ClearField(self, name: Literal["dim"], /) -> None: ...

class _BlobShapes(_Messages[BlobShape]):
    def add(self, **fields: Unpack[_BlobShapeFields]) -> BlobShape: ...

class _ClipParameterFields(TypedDict, total=False):
    min: float | None
    max: float | None

@final
class ClipParameter(Message):
    min: float
    max: float
    def __init__(self, **fields: Unpack[_ClipParameterFields]) -> None: ...
    def HasField(self, name: Literal["min", "max"], /) -> bool: ...
    def ClearField(self, name: Literal["min", "max"], /) -> None: ...

class _ConcatParameterFields(TypedDict, total=False):
    axis: int | None
    concat_dim: int | None

@final
class ConcatParameter(Message):
    axis: int
    concat_dim: int
    def __init__(self, **fields: Unpack[_ConcatParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "concat_dim"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "concat_dim"], /) -> None: ...

class _ContrastiveLossParameterFields(TypedDict, total=False):
    margin: float | None
    legacy_version: bool | None

@final
class ContrastiveLossParameter(Message):
    margin: float
    legacy_version: bool
    def __init__(self, **fields: Unpack[_ContrastiveLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["margin", "legacy_version"], /) -> bool: ...
    def ClearField(self, name: Literal["margin", "legacy_version"], /) -> None: ...

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
        ],
        /,
    ) -> None: ...

class _CropParameterFields(TypedDict, total=False):
    axis: int | None
    offset: Iterable[int]

@final
class CropParameter(Message):
    axis: int
    offset: Final[_Scalars[int]]
    def __init__(self, **fields: Unpack[_CropParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "offset"], /) -> None: ...

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

@final
class Datum(Message):
    channels: int
    height: int
    width: int
    data: bytes
    label: int
    float_data: Final[_Scalars[float]]
    encoded: bool
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
        ],
        /,
    ) -> None: ...

class _DropoutParameterFields(TypedDict, total=False):
    dropout_ratio: float | None

@final
class DropoutParameter(Message):
    dropout_ratio: float
    def __init__(self, **fields: Unpack[_DropoutParameterFields]) -> None: ...
    def HasField(self, name: Literal["dropout_ratio"], /) -> bool: ...
    def ClearField(self, name: Literal["dropout_ratio"], /) -> None: ...

class _DummyDataParameterFields(TypedDict, total=False):
    data_filler: Iterable[FillerParameter | _FillerParameterFields]
    shape: Iterable[BlobShape | _BlobShapeFields]
    num: Iterable[int]
    channels: Iterable[int]
    height: Iterable[int]
    width: Iterable[int]

@final
class DummyDataParameter(Message):
    data_filler: Final[_FillerParameters]
    shape: Final[_BlobShapes]
    num: Final[_Scalars[int]]
    channels: Final[_Scalars[int]]
    height: Final[_Scalars[int]]
    width: Final[_Scalars[int]]
    def __init__(self, **fields: Unpack[_DummyDataParameterFields]) -> None: ...
    def ClearField(self, name: Literal["data_filler", "shape", "num", "channels", "height", "width"], /) -> None: ...

class _ELUParameterFields(TypedDict, total=False):
    alpha: float | None

@final
class ELUParameter(Message):
    alpha: float
    def __init__(self, **fields: Unpack[_ELUParameterFields]) -> None: ...
    def HasField(self, name: Literal["alpha"], /) -> bool: ...
    def ClearField(self, name: Literal["alpha"], /) -> None: ...

class _EltwiseParameterFields(TypedDict, total=False):
    operation: int | str | None
    coeff: Iterable[float]
    stable_prod_grad: bool | None

@final
class EltwiseParameter(Message):
    EltwiseOp: ClassVar[_Enum]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    operation: int
    coeff: Final[_Scalars[float]]
    stable_prod_grad: bool
    def __init__(self, **fields: Unpack[_EltwiseParameterFields]) -> None: ...
    def HasField(self, name: Literal["operation", "stable_prod_grad"], /) -> bool: ...
    def ClearField(self, name: Literal["operation", "coeff", "stable_prod_grad"], /) -> None: ...

class _EmbedParameterFields(TypedDict, total=False):
    num_output: int | None
    input_dim: int | None
    bias_term: bool | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None

@final
class EmbedParameter(Message):
    num_output: int
    input_dim: int
    bias_term: bool
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
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
        ],
        /,
    ) -> None: ...

class _ExpParameterFields(TypedDict, total=False):
    base: float | None
    scale: float | None
    shift: float | None

@final
class ExpParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(self, **fields: Unpack[_ExpParameterFields]) -> None: ...
    def HasField(self, name: Literal["base", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["base", "scale", "shift"], /) -> None: ...

class _FillerParameterFields(TypedDict, total=False):
    type: str | None
    value: float | None
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    sparse: int | None
    variance_norm: int | str | None

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
        ],
        /,
    ) -> None: ...

class _FillerParameters(_Messages[FillerParameter]):
    def add(self, **fields: Unpack[_FillerParameterFields]) -> FillerParameter: ...

class _FlattenParameterFields(TypedDict, total=False):
    axis: int | None
    end_axis: int | None

@final
class FlattenParameter(Message):
    axis: int
    end_axis: int
    def __init__(self, **fields: Unpack[_FlattenParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "end_axis"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "end_axis"], /) -> None: ...

class _HDF5DataParameterFields(TypedDict, total=False):
    source: str | None
    batch_size: int | None
    shuffle: bool | None

@final
class HDF5DataParameter(Message):
    source: str
    batch_size: int
    shuffle: bool
    def __init__(self, **fields: Unpack[_HDF5DataParameterFields]) -> None: ...
    def HasField(self, name: Literal["source", "batch_size", "shuffle"], /) -> bool: ...
    def ClearField(self, name: Literal["source", "batch_size", "shuffle"], /) -> None: ...

class _HDF5OutputParameterFields(TypedDict, total=False):
    file_name: str | None

@final
class HDF5OutputParameter(Message):
    file_name: str
    def __init__(self, **fields: Unpack[_HDF5OutputParameterFields]) -> None: ...
    def HasField(self, name: Literal["file_name"], /) -> bool: ...
    def ClearField(self, name: Literal["file_name"], /) -> None: ...

class _HingeLossParameterFields(TypedDict, total=False):
    norm: int | str | None

@final
class HingeLossParameter(Message):
    Norm: ClassVar[_Enum]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(self, **fields: Unpack[_HingeLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["norm"], /) -> bool: ...
    def ClearField(self, name: Literal["norm"], /) -> None: ...

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

@final
class ImageDataParameter(Message):
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
        ],
        /,
    ) -> None: ...

class _InfogainLossParameterFields(TypedDict, total=False):
    source: str | None
    axis: int | None

@final
class InfogainLossParameter(Message):
    source: str
    axis: int
    def __init__(self, **fields: Unpack[_InfogainLossParameterFields]) -> None: ...
    def HasField(self, name: Literal["source", "axis"], /) -> bool: ...
    def ClearField(self, name: Literal["source", "axis"], /) -> None: ...

class _InnerProductParameterFields(TypedDict, total=False):
    num_output: int | None
    bias_term: bool | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    axis: int | None
    transpose: bool | None

@final
class InnerProductParameter(Message):
    num_output: int
    bias_term: bool
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    axis: int
    transpose: bool
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
        ],
        /,
    ) -> None: ...

class _InputParameterFields(TypedDict, total=False):
    shape: Iterable[BlobShape | _BlobShapeFields]

@final
class InputParameter(Message):
    shape: Final[_BlobShapes]
    def __init__(self, **fields: Unpack[_InputParameterFields]) -> None: ...
    def ClearField(self, name: Literal["shape"], /) -> None: ...

class _LRNParameterFields(TypedDict, total=False):
    local_size: int | None
    alpha: float | None
    beta: float | None
    norm_region: int | str | None
    k: float | None
    engine: int | str | None

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
    def __init__(self, **fields: Unpack[_LRNParameterFields]) -> None: ...
    def HasField(self, name: Literal["local_size", "alpha", "beta", "norm_region", "k", "engine"], /) -> bool: ...
    def ClearField(self, name: Literal["local_size", "alpha", "beta", "norm_region", "k", "engine"], /) -> None: ...

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

@final
class LayerParameter(Message):
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
        ],
        /,
    ) -> None: ...

class _LayerParameters(_Messages[LayerParameter]):
    def add(self, **fields: Unpack[_LayerParameterFields]) -> LayerParameter: ...

class _LogParameterFields(TypedDict, total=False):
    base: float | None
    scale: float | None
    shift: float | None

@final
class LogParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(self, **fields: Unpack[_LogParameterFields]) -> None: ...
    def HasField(self, name: Literal["base", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["base", "scale", "shift"], /) -> None: ...

class _LossParameterFields(TypedDict, total=False):
    ignore_label: int | None
    normalization: int | str | None
    normalize: bool | None

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
    def __init__(self, **fields: Unpack[_LossParameterFields]) -> None: ...
    def HasField(self, name: Literal["ignore_label", "normalization", "normalize"], /) -> bool: ...
    def ClearField(self, name: Literal["ignore_label", "normalization", "normalize"], /) -> None: ...

class _MVNParameterFields(TypedDict, total=False):
    normalize_variance: bool | None
    across_channels: bool | None
    eps: float | None

@final
class MVNParameter(Message):
    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(self, **fields: Unpack[_MVNParameterFields]) -> None: ...
    def HasField(self, name: Literal["normalize_variance", "across_channels", "eps"], /) -> bool: ...
    def ClearField(self, name: Literal["normalize_variance", "across_channels", "eps"], /) -> None: ...

class _MemoryDataParameterFields(TypedDict, total=False):
    batch_size: int | None
    channels: int | None
    height: int | None
    width: int | None

@final
class MemoryDataParameter(Message):
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(self, **fields: Unpack[_MemoryDataParameterFields]) -> None: ...
    def HasField(self, name: Literal["batch_size", "channels", "height", "width"], /) -> bool: ...
    def ClearField(self, name: Literal["batch_size", "channels", "height", "width"], /) -> None: ...

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

@final
class NetParameter(Message):
    name: str
    input: Final[_Scalars[str]]
    input_shape: Final[_BlobShapes]
    input_dim: Final[_Scalars[int]]
    force_backward: bool
    state: Final[NetState]
    debug_info: bool
    layer: Final[_LayerParameters]
    layers: Final[_V1LayerParameters]
    def __init__(self, **fields: Unpack[_NetParameterFields]) -> None: ...
    def HasField(self, name: Literal["name", "force_backward", "state", "debug_info"], /) -> bool: ...
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
        ],
        /,
    ) -> None: ...

class _NetParameters(_Messages[NetParameter]):
    def add(self, **fields: Unpack[_NetParameterFields]) -> NetParameter: ...

class _NetStateFields(TypedDict, total=False):
    phase: int | str | None
    level: int | None
    stage: Iterable[str]

@final
class NetState(Message):
    phase: int
    level: int
    stage: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NetStateFields]) -> None: ...
    def HasField(self, name: Literal["phase", "level"], /) -> bool: ...
    def ClearField(self, name: Literal["phase", "level", "stage"], /) -> None: ...

class _NetStates(_Messages[NetState]):
    def add(self, **fields: Unpack[_NetStateFields]) -> NetState: ...

class _NetStateRuleFields(TypedDict, total=False):
    phase: int | str | None
    min_level: int | None
    max_level: int | None
    stage: Iterable[str]
    not_stage: Iterable[str]

@final
class NetStateRule(Message):
    phase: int
    min_level: int
    max_level: int
    stage: Final[_Scalars[str]]
    not_stage: Final[_Scalars[str]]
    def __init__(self, **fields: Unpack[_NetStateRuleFields]) -> None: ...
    def HasField(self, name: Literal["phase", "min_level", "max_level"], /) -> bool: ...
    def ClearField(self, name: Literal["phase", "min_level", "max_level", "stage", "not_stage"], /) -> None: ...

class _NetStateRules(_Messages[NetStateRule]):
    def add(self, **fields: Unpack[_NetStateRuleFields]) -> NetStateRule: ...

class _PReLUParameterFields(TypedDict, total=False):
    filler: FillerParameter | _FillerParameterFields | None
    channel_shared: bool | None

@final
class PReLUParameter(Message):
    filler: Final[FillerParameter]
    channel_shared: bool
    def __init__(self, **fields: Unpack[_PReLUParameterFields]) -> None: ...
    def HasField(self, name: Literal["filler", "channel_shared"], /) -> bool: ...
    def ClearField(self, name: Literal["filler", "channel_shared"], /) -> None: ...

class _ParamSpecFields(TypedDict, total=False):
    name: str | None
    share_mode: int | str | None
    lr_mult: float | None
    decay_mult: float | None

@final
class ParamSpec(Message):
    DimCheckMode: ClassVar[_Enum]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    def __init__(self, **fields: Unpack[_ParamSpecFields]) -> None: ...
    def HasField(self, name: Literal["name", "share_mode", "lr_mult", "decay_mult"], /) -> bool: ...
    def ClearField(self, name: Literal["name", "share_mode", "lr_mult", "decay_mult"], /) -> None: ...

class _ParamSpecs(_Messages[ParamSpec]):
    def add(self, **fields: Unpack[_ParamSpecFields]) -> ParamSpec: ...

class _ParameterParameterFields(TypedDict, total=False):
    shape: BlobShape | _BlobShapeFields | None

@final
class ParameterParameter(Message):
    shape: Final[BlobShape]
    def __init__(self, **fields: Unpack[_ParameterParameterFields]) -> None: ...
    def HasField(self, name: Literal["shape"], /) -> bool: ...
    def ClearField(self, name: Literal["shape"], /) -> None: ...

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
        ],
        /,
    ) -> None: ...

class _PowerParameterFields(TypedDict, total=False):
    power: float | None
    scale: float | None
    shift: float | None

@final
class PowerParameter(Message):
    power: float
    scale: float
    shift: float
    def __init__(self, **fields: Unpack[_PowerParameterFields]) -> None: ...
    def HasField(self, name: Literal["power", "scale", "shift"], /) -> bool: ...
    def ClearField(self, name: Literal["power", "scale", "shift"], /) -> None: ...

class _PythonParameterFields(TypedDict, total=False):
    module: str | None
    layer: str | None
    param_str: str | None
    share_in_parallel: bool | None

@final
class PythonParameter(Message):
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(self, **fields: Unpack[_PythonParameterFields]) -> None: ...
    def HasField(self, name: Literal["module", "layer", "param_str", "share_in_parallel"], /) -> bool: ...
    def ClearField(self, name: Literal["module", "layer", "param_str", "share_in_parallel"], /) -> None: ...

class _ReLUParameterFields(TypedDict, total=False):
    negative_slope: float | None
    engine: int | str | None

@final
class ReLUParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    negative_slope: float
    engine: int
    def __init__(self, **fields: Unpack[_ReLUParameterFields]) -> None: ...
    def HasField(self, name: Literal["negative_slope", "engine"], /) -> bool: ...
    def ClearField(self, name: Literal["negative_slope", "engine"], /) -> None: ...

class _RecurrentParameterFields(TypedDict, total=False):
    num_output: int | None
    weight_filler: FillerParameter | _FillerParameterFields | None
    bias_filler: FillerParameter | _FillerParameterFields | None
    debug_info: bool | None
    expose_hidden: bool | None

@final
class RecurrentParameter(Message):
    num_output: int
    weight_filler: Final[FillerParameter]
    bias_filler: Final[FillerParameter]
    debug_info: bool
    expose_hidden: bool
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
        ],
        /,
    ) -> None: ...

class _ReductionParameterFields(TypedDict, total=False):
    operation: int | str | None
    axis: int | None
    coeff: float | None

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
    def __init__(self, **fields: Unpack[_ReductionParameterFields]) -> None: ...
    def HasField(self, name: Literal["operation", "axis", "coeff"], /) -> bool: ...
    def ClearField(self, name: Literal["operation", "axis", "coeff"], /) -> None: ...

class _ReshapeParameterFields(TypedDict, total=False):
    shape: BlobShape | _BlobShapeFields | None
    axis: int | None
    num_axes: int | None

@final
class ReshapeParameter(Message):
    shape: Final[BlobShape]
    axis: int
    num_axes: int
    def __init__(self, **fields: Unpack[_ReshapeParameterFields]) -> None: ...
    def HasField(self, name: Literal["shape", "axis", "num_axes"], /) -> bool: ...
    def ClearField(self, name: Literal["shape", "axis", "num_axes"], /) -> None: ...

class _SPPParameterFields(TypedDict, total=False):
    pyramid_height: int | None
    pool: int | str | None
    engine: int | str | None

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
    def __init__(self, **fields: Unpack[_SPPParameterFields]) -> None: ...
    def HasField(self, name: Literal["pyramid_height", "pool", "engine"], /) -> bool: ...
    def ClearField(self, name: Literal["pyramid_height", "pool", "engine"], /) -> None: ...

class _ScaleParameterFields(TypedDict, total=False):
    axis: int | None
    num_axes: int | None
    filler: FillerParameter | _FillerParameterFields | None
    bias_term: bool | None
    bias_filler: FillerParameter | _FillerParameterFields | None

@final
class ScaleParameter(Message):
    axis: int
    num_axes: int
    filler: Final[FillerParameter]
    bias_term: bool
    bias_filler: Final[FillerParameter]
    def __init__(self, **fields: Unpack[_ScaleParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "num_axes", "filler", "bias_term", "bias_filler"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "num_axes", "filler", "bias_term", "bias_filler"], /) -> None: ...

class _SigmoidParameterFields(TypedDict, total=False):
    engine: int | str | None

@final
class SigmoidParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, **fields: Unpack[_SigmoidParameterFields]) -> None: ...
    def HasField(self, name: Literal["engine"], /) -> bool: ...
    def ClearField(self, name: Literal["engine"], /) -> None: ...

class _SliceParameterFields(TypedDict, total=False):
    axis: int | None
    slice_point: Iterable[int]
    slice_dim: int | None

@final
class SliceParameter(Message):
    axis: int
    slice_point: Final[_Scalars[int]]
    slice_dim: int
    def __init__(self, **fields: Unpack[_SliceParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "slice_dim"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "slice_point", "slice_dim"], /) -> None: ...

class _SoftmaxParameterFields(TypedDict, total=False):
    engine: int | str | None
    axis: int | None

@final
class SoftmaxParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    def __init__(self, **fields: Unpack[_SoftmaxParameterFields]) -> None: ...
    def HasField(self, name: Literal["engine", "axis"], /) -> bool: ...
    def ClearField(self, name: Literal["engine", "axis"], /) -> None: ...

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
        ],
        /,
    ) -> None: ...

class _SolverStateFields(TypedDict, total=False):
    iter: int | None
    learned_net: str | None
    history: Iterable[BlobProto | _BlobProtoFields]
    current_step: int | None

@final
class SolverState(Message):
    iter: int
    learned_net: str
    history: Final[_BlobProtos]
    current_step: int
    def __init__(self, **fields: Unpack[_SolverStateFields]) -> None: ...
    def HasField(self, name: Literal["iter", "learned_net", "current_step"], /) -> bool: ...
    def ClearField(self, name: Literal["iter", "learned_net", "history", "current_step"], /) -> None: ...

class _SwishParameterFields(TypedDict, total=False):
    beta: float | None

@final
class SwishParameter(Message):
    beta: float
    def __init__(self, **fields: Unpack[_SwishParameterFields]) -> None: ...
    def HasField(self, name: Literal["beta"], /) -> bool: ...
    def ClearField(self, name: Literal["beta"], /) -> None: ...

class _TanHParameterFields(TypedDict, total=False):
    engine: int | str | None

@final
class TanHParameter(Message):
    Engine: ClassVar[_Enum]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, **fields: Unpack[_TanHParameterFields]) -> None: ...
    def HasField(self, name: Literal["engine"], /) -> bool: ...
    def ClearField(self, name: Literal["engine"], /) -> None: ...

class _ThresholdParameterFields(TypedDict, total=False):
    threshold: float | None

@final
class ThresholdParameter(Message):
    threshold: float
    def __init__(self, **fields: Unpack[_ThresholdParameterFields]) -> None: ...
    def HasField(self, name: Literal["threshold"], /) -> bool: ...
    def ClearField(self, name: Literal["threshold"], /) -> None: ...

class _TileParameterFields(TypedDict, total=False):
    axis: int | None
    tiles: int | None

@final
class TileParameter(Message):
    axis: int
    tiles: int
    def __init__(self, **fields: Unpack[_TileParameterFields]) -> None: ...
    def HasField(self, name: Literal["axis", "tiles"], /) -> bool: ...
    def ClearField(self, name: Literal["axis", "tiles"], /) -> None: ...

class _TransformationParameterFields(TypedDict, total=False):
    scale: float | None
    mirror: bool | None
    crop_size: int | None
    mean_file: str | None
    mean_value: Iterable[float]
    force_color: bool | None
    force_gray: bool | None

@final
class TransformationParameter(Message):
    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    mean_value: Final[_Scalars[float]]
    force_color: bool
    force_gray: bool
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
        ],
        /,
    ) -> None: ...

class _V1LayerParameters(_Messages[V1LayerParameter]):
    def add(self, **fields: Unpack[_V1LayerParameterFields]) -> V1LayerParameter: ...

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
        ],
        /,
    ) -> None: ...
