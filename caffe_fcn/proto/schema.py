"""Caffe's message classes, made from ``caffe.desc`` (compiled from ``caffe.proto`` and the tables of ``dialects``).

    from caffe_fcn.proto.schema import ConvolutionParameter, NetStateRule

Every message of ``caffe.proto`` and of the forks is a class of this module. ``schema.pyi`` declares the types of their
fields: ``scripts/generate_schema.py`` writes it, and ``caffe.desc``, after a change of those.

The classes live in a descriptor pool of their own and under the package name ``caffe_fcn``, so that pycaffe's
``caffe_pb2`` can be imported in the same process without a clash, whichever comes first.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from caffe_fcn.proto import wire


def _load_classes() -> dict[str, type[Message]]:
    """The class of each message of ``caffe.desc``, by name."""
    descriptors = Path(__file__).with_name("caffe.desc").read_bytes()
    (file,) = wire.walk(descriptors)  # of a FileDescriptorSet; its class takes longer to import than this file to load
    pool = DescriptorPool()
    pool.AddSerializedFile(descriptors[file.begin : file.end])
    messages = pool.FindMessageTypeByName("caffe_fcn.NetParameter").file.message_types_by_name
    return {name: GetMessageClass(message) for name, message in messages.items()}


_CLASSES = _load_classes()
globals().update(_CLASSES)  # all at once: the class of a net alone takes as long, as it makes those of its fields


def message(name: str) -> type[Message]:
    """The class of a message by a name that is known only at run time. Raises `KeyError` for an unknown name."""
    return _CLASSES[name]
