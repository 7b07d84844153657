"""Caffe's message classes, made from ``caffe.desc`` (compiled from ``caffe.proto``).

    from caffe_fcn.proto.schema import ConvolutionParameter, NetStateRule

Every message of ``caffe.proto`` is a class of this module. ``schema.pyi`` declares the types of their fields:
``scripts/generate_schema.py`` writes it, and ``caffe.desc``, after a change of ``caffe.proto``.

The classes live in a descriptor pool of their own and under the package name ``caffe_fcn``, so that pycaffe's
``caffe_pb2`` can be imported in the same process without a clash, whichever comes first.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


def _load_classes() -> dict[str, type[Message]]:
    """The class of each message of ``caffe.desc``, by name."""
    descriptors = Path(__file__).with_name("caffe.desc").read_bytes()
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(descriptors).file
    pool = DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}")) for name in names}


_CLASSES = _load_classes()
globals().update(_CLASSES)  # all at once: the class of a net alone takes as long, as it makes those of its fields


def message(name: str) -> type[Message]:
    """The class of a message by a name that is known only at run time. Raises `KeyError` for an unknown name."""
    return _CLASSES[name]
