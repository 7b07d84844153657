"""Makes the C library keep the memory of freed blobs, so that the next forward pass uses it again.

The blob of a large image is larger than the blocks that the C library keeps. By default it asks the kernel for new
pages for each such blob and gives them back afterwards, and the kernel clears them every time. For the first
convolutions of VGG-16 this takes longer than the arithmetic.

What is made in a pass and stays, such as kernels in another order, lies among the freed blobs. The next pass then finds
no room for its largest ones there, and takes more memory. So free pages are given back once after a pass in which
much was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CDLL

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_MOST_KEPT = 1 << 30  # bytes: more than any blob of the FCN family, less than the memory of a machine that runs it
_ALL = -1

_MUCH = 8 << 20  # bytes that were kept

_kept = 0  # bytes since free pages were given back
_keeps_all = False


def keep_freed_pages(all_of_them: bool = False) -> None:
    """Let this process keep the pages of freed blobs, if its C library can do that (glibc); otherwise do nothing.

    It keeps up to 1 GB of free pages; a training, whose next step needs as many as the last one, keeps all, also of the
    nets that it tests.
    """
    global _keeps_all
    _keeps_all = _keeps_all or all_of_them
    mallopt = _find_function("mallopt")
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _MOST_KEPT)
        mallopt(_TRIM_THRESHOLD, _ALL if _keeps_all else _MOST_KEPT)


def note_kept(size: int) -> None:
    """Say that so many bytes were allocated in this pass which stay."""
    global _kept
    _kept += size


def release_free_pages() -> None:
    """Give free pages back to the system, if much stays since the last time and the C library can (glibc)."""
    global _kept
    if _kept >= _MUCH:
        _kept = 0
        malloc_trim = _find_function("malloc_trim")
        if malloc_trim:
            malloc_trim(0)


def _find_function(name: str) -> Callable[..., int] | None:
    found: Callable[..., int] | None = getattr(CDLL(None), name, None)
    return found
