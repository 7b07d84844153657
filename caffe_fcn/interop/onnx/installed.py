"""Whether the optional package onnx is installed."""

from __future__ import annotations

from caffe_fcn.errors import MissingExtraError


def require_onnx() -> None:
    """Raise `MissingExtraError` where it is not."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("ONNX", "onnx") from error
