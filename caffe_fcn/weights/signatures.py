"""How files of each format begin, so that formats are told apart without importing the modules that read them."""

from __future__ import annotations

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
NPY = b"\x93NUMPY"

_LONGEST_SAFETENSORS_HEADER = 100_000_000  # bytes, by the format


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a safetensors file: the length of its header, then JSON."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_SAFETENSORS_HEADER
