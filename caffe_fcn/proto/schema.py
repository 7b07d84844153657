"""Caffe's message classes, made from ``caffe.desc`` (compiled from ``caffe.proto``).

They live in a descriptor pool of their own and under the package name ``caffe_fcn``, so that pycaffe's
``caffe_pb2`` can be imported in the same process without a clash, whichever comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "caffe_fcn"


def _private_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_name("caffe.desc").read_bytes()).file:
        pool.Add(file)
    return pool


_POOL = _private_pool()


def message(name: str) -> Any:
    """The class of a message of Caffe's schema by its name, such as ``"ConvolutionParameter"``."""
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


if TYPE_CHECKING:  # the classes are made at run time, so their fields have no static types
    from typing import TypeAlias

    BlobProto: TypeAlias = Any
    BlobShape: TypeAlias = Any
    Datum: TypeAlias = Any
    FillerParameter: TypeAlias = Any
    LayerParameter: TypeAlias = Any
    NetParameter: TypeAlias = Any
    NetState: TypeAlias = Any
    SolverParameter: TypeAlias = Any
    SolverState: TypeAlias = Any
    V1LayerParameter: TypeAlias = Any
else:
    BlobProto = message("BlobProto")
    BlobShape = message("BlobShape")
    Datum = message("Datum")
    FillerParameter = message("FillerParameter")
    LayerParameter = message("LayerParameter")
    NetParameter = message("NetParameter")
    NetState = message("NetState")
    SolverParameter = message("SolverParameter")
    SolverState = message("SolverState")
    V1LayerParameter = message("V1LayerParameter")
