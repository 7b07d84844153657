"""How the C library gives memory back, for work that takes nearly all of it."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 1 << 20  # bytes of a blob that gets pages of its own


def return_freed_pages() -> None:
    """Let the pages of a large blob go back to the system as soon as it is freed, if the C library can do that (glibc).

    Kept for later, they are faster (which the torch engine asks for), but blobs of different sizes leave holes between
    them: with the tiles of a photo, whose sizes differ by a few pixels, as much again as the blobs take.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if mallopt and trim:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        trim(0)
