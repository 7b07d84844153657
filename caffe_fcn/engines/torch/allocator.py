"""Makes the C library keep the memory of freed blobs, so that the next forward pass uses it again.

The blob of a large image is larger than the blocks that the C library keeps. By default it asks the kernel for new
pages for each such blob and gives them back afterwards, and the kernel clears them every time. For the first
convolutions of VGG-16 this takes longer than the arithmetic.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_MOST_KEPT = 1 << 30  # bytes: more than any blob of the FCN family, less than the memory of a machine that runs it
_ALL = -1


def keep_freed_pages(all_of_them: bool = False) -> None:
    """Let this process keep the pages of freed blobs, if its C library can do that (glibc); otherwise do nothing.

    It keeps up to 1 GB of free pages; a training, whose next step needs as many as the last one, keeps all.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _MOST_KEPT)
        mallopt(_TRIM_THRESHOLD, _ALL if all_of_them else _MOST_KEPT)
