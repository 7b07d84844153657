"""Datum, the record of Caffe's databases: an array of C x H x W in Caffe's order of channels (B, G, R).

A Datum holds its array raw (8-bit), as floats, or as the bytes of an image file. Caffe decodes the latter
as they are: a paletted PNG would come out in colours, and a PNG with 16 bits not at all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.datasets.records import images
from caffe_fcn.errors import DatasetError
from caffe_fcn.proto import wire

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffe_fcn.proto import Datum

Array: TypeAlias = "NDArray[Any]"

# The keys of Datum.channels, height, width, data; and what follows the bytes of an image: encoded is true.
_CHANNELS, _HEIGHT, _WIDTH = (wire.encode_key(number, wire.VARINT) for number in (1, 2, 3))
_DATA, _ENCODED = wire.encode_key(4, wire.BYTES), wire.encode_key(7, wire.VARINT) + b"\x01"


def pack_raw(array: NDArray[np.uint8], label: int | None = None) -> bytes:
    """A record of the 8-bit array C x H x W, not compressed; ``label`` is a class for all of it."""
    from caffe_fcn.proto import Datum

    channels, height, width = array.shape
    record = Datum(channels=channels, height=height, width=width, data=array.tobytes(), label=label)
    return bytes(record.SerializeToString())


def pack_floats(array: NDArray[np.float32]) -> bytes:
    """A record of the array C x H x W in single precision."""
    from caffe_fcn.proto import Datum

    channels, height, width = array.shape
    return bytes(Datum(channels=channels, height=height, width=width, float_data=array.ravel()).SerializeToString())


def pack_image(data: bytes, shape: tuple[int, int, int]) -> bytes:
    """A record of an image file's bytes; ``shape``, C x H x W, is for readers who don't decode it.

    It is put together by hand: a message would copy the bytes twice.
    """
    return b"".join((_shape_and_key(shape), wire.encode_varint(len(data)), data, _ENCODED))


@lru_cache(256)
def _shape_and_key(shape: tuple[int, int, int]) -> bytes:
    """What stands before the length of the bytes, and is the same for many records."""
    channels, height, width = map(wire.encode_varint, shape)
    return b"".join((_CHANNELS, channels, _HEIGHT, height, _WIDTH, width, _DATA))


def parse(record: bytes, where: str) -> Datum:
    """The Datum in ``record``; raises `DatasetError` at ``where``."""
    from google.protobuf.message import DecodeError

    from caffe_fcn.proto import Datum

    try:
        return Datum.FromString(record)
    except DecodeError as error:
        raise DatasetError(where, "is no Datum", "build the data set again") from error


def to_array(datum: Datum, where: str) -> Array:
    """C x H x W, as Caffe's Data layer puts it into a blob: uint8, or float32 for float_data.

    Raises `DatasetError` at ``where`` for an image that does not decode or data that don't fill the shape.
    """
    import numpy as np

    if datum.encoded:
        return images.decode_as_caffe(datum.data, where)
    values: Array = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    shape = (datum.channels, datum.height, datum.width)
    if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
        size = "x".join(map(str, shape))
        raise DatasetError(where, f"holds {values.size} values for a shape of {size}", "build the data set again")
    return values.reshape(shape)


def read_shape(datum: Datum, where: str) -> tuple[int, ...]:
    """C x H x W, of an encoded record from its header; raises `DatasetError` at ``where``."""
    if not datum.encoded:
        return datum.channels, datum.height, datum.width
    header = images.open_header(datum.data, where)
    return len(images.choose_mode(header)), header.height, header.width


def describe_encoding(datum: Datum) -> str:
    """How a record holds its array: raw, float, or the format of an image file."""
    if not datum.encoded:
        return "raw" if datum.data else "float"
    return "jpeg" if datum.data.startswith(b"\xff\xd8") else "png" if datum.data.startswith(b"\x89PNG") else "image"
