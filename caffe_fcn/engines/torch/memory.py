"""Blobs in memory that is used again.

A blob of a large image is larger than what the C library keeps: it gets fresh pages for each one, and hands them
back afterwards, and the kernel clears them for us every time. For the first convolutions of VGG-16 that takes
longer than the arithmetic.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT = 1 << 30  # bytes: more than any blob of the family, less than the machines that run it have


def keep_pages() -> None:
    """Let this process keep freed blobs' pages, where its C library can (glibc); else do nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
