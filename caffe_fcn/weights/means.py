"""The mean that is subtracted from images: one number per channel, or an image.

Caffe keeps an image of means in a file with a BlobProto (``.binaryproto``), numpy in an ``.npy`` file; a prototxt has
one number per channel: B, G, R.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.errors import WeightsError
from caffe_fcn.files import PathLike, atomic_write
from caffe_fcn.net.geometry import dims
from caffe_fcn.weights import npz, signatures
from caffe_fcn.weights.blobs import read_blob
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.tensors import FileSegment, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mean = NDArray[np.float32]

SUFFIXES = (".binaryproto", ".npy")


def read_mean(path: PathLike) -> Mean:
    """The mean in a ``.binaryproto`` or ``.npy`` file, (C,) or (C, H, W) float32.

    Raises `WeightsError` where the file holds anything else.
    """
    file = InputFile(path)
    head = file.read(0, min(npz.LONGEST_HEADER, len(file)))
    tensor = _read_npy(file, head) if head.startswith(signatures.NPY) else read_blob(file)
    shape = tensor.shape[1:] if len(tensor.shape) == 4 and tensor.shape[0] == 1 else tensor.shape
    if len(shape) not in (1, 3) or not tensor.count:
        raise WeightsError(path, f"holds {dims(tensor.shape)}", "a mean is C values, or an image C x H x W")
    values: Mean = tensor.cast("float32", str(path)).load().reshape(shape)
    return values


def write_mean(path: PathLike, mean: Mean, size: tuple[int, int] | None = None) -> None:
    """Write a mean in the format that the suffix of ``path`` names.

    >>> write_mean("mean.binaryproto", make_mean([104.0, 117.0, 123.0]), size=(2, 2))
    >>> image = read_mean("mean.binaryproto")
    >>> image.shape, average_channels(image)
    ((3, 2, 2), [104.0, 117.0, 123.0])

    ``size`` (H, W) makes an image of a mean of one number per channel.
    A ``.binaryproto`` is 1 x C x H x W in the old fields of a shape, as Caffe's compute_image_mean writes it.
    """
    import numpy as np

    if size is not None and mean.ndim == 1:
        mean = np.broadcast_to(mean[:, None, None], (len(mean), *size))
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise WeightsError(path, f"no format of means has the suffix {suffix!r}", f"{' and '.join(SUFFIXES)} do")
    mean = mean.astype("<f4")
    with atomic_write(path) as out:
        if suffix == ".npy":
            np.save(out, np.ascontiguousarray(mean))
        else:
            from caffe_fcn.proto import BlobProto

            channels, height, width = mean.shape if mean.ndim == 3 else (len(mean), 1, 1)
            blob = BlobProto(num=1, channels=channels, height=height, width=width, data=mean.ravel())
            out.write(blob.SerializeToString())


def make_mean(numbers: Sequence[float]) -> Mean:
    """A mean of one number per channel, (C,)."""
    import numpy as np

    return np.array(numbers, np.float32)


def average_channels(mean: Mean) -> list[float]:
    """One number per channel: the average over the image."""
    import numpy as np

    return [float(value) for value in mean.reshape(len(mean), -1).mean(axis=1, dtype=np.float64)]


def read_array(path: PathLike) -> Tensor:
    """The array in an ``.npy`` file of floats; raises `WeightsError` where the file holds anything else."""
    file = InputFile(path)
    return _read_npy(file, file.read(0, min(npz.LONGEST_HEADER, len(file))))


def _read_npy(file: InputFile, head: bytes) -> Tensor:
    shape, dtype, begin = npz.parse_header(head, str(file.path))
    tensor = Tensor(shape, dtype, (FileSegment(file, begin, len(file) - begin),))
    if tensor.nbytes != len(file) - begin:
        raise WeightsError(file.path, f"{dims(shape)} needs {tensor.nbytes} bytes, it has {len(file) - begin}", DAMAGED)
    return tensor
