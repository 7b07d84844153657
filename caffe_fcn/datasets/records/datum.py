"""Datum, the record of Caffe's databases: an array of C x H x W in Caffe's order of channels (B, G, R).

A Datum holds its array raw (8 bits a value), as floats, or encoded: as the bytes of an image file. Caffe decodes an
image file without conversion: a PNG with a palette turns into colours, and one with 16 bits a channel is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.datasets.records import images
from caffe_fcn.datasets.records.faults import REBUILD
from caffe_fcn.errors import DatasetError
from caffe_fcn.proto import wire

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffe_fcn.proto import Datum

Array: TypeAlias = "NDArray[Any]"

# The keys of Datum.channels, height, width, data; and, after the bytes of an image, encoded = true.
_CHANNELS, _HEIGHT, _WIDTH = (wire.encode_key(number, wire.VARINT) for number in (1, 2, 3))
_DATA, _ENCODED = wire.encode_key(4, wire.BYTES), wire.encode_key(7, wire.VARINT) + b"\x01"


def pack_raw(array: NDArray[np.uint8], label: int | None = None) -> bytes:
    """Pack an 8-bit array C x H x W into a record, uncompressed; ``label`` is the class of the whole image."""
    from caffe_fcn.proto import Datum

    channels, height, width = array.shape
    record = Datum(channels=channels, height=height, width=width, data=array.tobytes(), label=label)
    return bytes(record.SerializeToString())


def pack_floats(array: NDArray[np.float32]) -> bytes:
    """Pack an array C x H x W into a record, in single precision."""
    from caffe_fcn.proto import Datum

    channels, height, width = array.shape
    return bytes(Datum(channels=channels, height=height, width=width, float_data=array.ravel()).SerializeToString())


def pack_image(data: bytes, shape: tuple[int, int, int]) -> bytes:
    """Pack the bytes of an image file into a record; ``shape``, C x H x W, is for readers that do not decode it.

    The record is assembled here because a protobuf message would copy the bytes twice.
    """
    return b"".join((_shape_and_key(shape), wire.encode_varint(len(data)), data, _ENCODED))


@lru_cache(256)
def _shape_and_key(shape: tuple[int, int, int]) -> bytes:
    """Encode the fields before the length of the bytes, which are the same for many records."""
    channels, height, width = map(wire.encode_varint, shape)
    return b"".join((_CHANNELS, channels, _HEIGHT, height, _WIDTH, width, _DATA))


def parse(record: bytes, where: str) -> Datum:
    """Parse a record into a Datum; raises `DatasetError` at ``where``."""
    from google.protobuf.message import DecodeError

    from caffe_fcn.proto import Datum

    try:
        return Datum.FromString(record)
    except DecodeError as error:
        raise DatasetError(where, "is not a Datum", REBUILD) from error


def to_array(datum: Datum, where: str) -> Array:
    """Return the array, C x H x W, that Caffe's Data layer puts into a blob: uint8, or float32 for float_data.

    Raises `DatasetError` at ``where`` for an image that cannot be decoded, or data that do not fill the shape.
    """
    import numpy as np

    if datum.encoded:
        return images.decode_as_caffe(datum.data, where)
    values: Array = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float32)
    shape = (datum.channels, datum.height, datum.width)
    if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
        size = "x".join(map(str, shape))
        raise DatasetError(where, f"holds {values.size} values for a shape of {size}", REBUILD)
    return values.reshape(shape)


def read_shape(datum: Datum, where: str) -> tuple[int, ...]:
    """Return C x H x W, of an encoded record from the image's header; raises `DatasetError` at ``where``."""
    if not datum.encoded:
        return datum.channels, datum.height, datum.width
    header = images.open_header(datum.data, where)
    return len(images.choose_mode(header)), header.height, header.width


def describe_encoding(datum: Datum) -> str:
    """Return how a record holds its array: raw, float, or the format of an image file."""
    if not datum.encoded:
        return "raw" if datum.data else "float"
    return "jpeg" if datum.data.startswith(b"\xff\xd8") else "png" if datum.data.startswith(b"\x89PNG") else "image"
