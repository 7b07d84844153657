"""Independent readers: protobuf's C++ text parser (protoc), protobuf's binary parser, NumPy, safetensors."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from grpc_tools import protoc

from caffe_fcn import proto

_SCHEMA = Path(proto.__file__).with_name("caffe.desc")


def text_by_protobuf(text: bytes, kind: Any) -> Any:
    """The message of class ``kind`` that protobuf's C++ parser makes of a text, or None where it refuses it."""
    streams: list[io.BufferedRandom] = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115
    streams[0].write(text)
    streams[0].seek(0)
    kept = [os.dup(number) for number in range(3)]
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    try:
        status = protoc.main(["protoc", f"--descriptor_set_in={_SCHEMA}", f"--encode={kind.DESCRIPTOR.full_name}"])
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)
    streams[1].seek(0)
    encoded = streams[1].read()
    for stream in streams:
        stream.close()
    return binary_by_protobuf(encoded, kind) if status == 0 else None


def binary_by_protobuf(data: bytes, kind: Any) -> Any:
    """The message that protobuf makes of bytes, or None where it refuses them."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message


def same(one: Any, other: Any) -> bool:
    """Whether two messages are equal, NaN to NaN."""
    return one == other or one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
