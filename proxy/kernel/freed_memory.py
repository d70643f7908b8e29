"""Keeps what the heap has just given up for what is needed next, in place of giving it back to the kernel.

A read hands over up to 256,000 bytes, soon written on and freed. glibc by itself gives such memory back each
time, and the kernel must then clear and map it anew, page by page: about 50 µs for each such read.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_KEPT_BYTES: Final = 4 << 20
"""Free memory at the heap's end: all that a dozen bodies under way hold."""
_APART_BYTES: Final = 1 << 20
"""From this size on, a block is mapped for itself and given back as soon as it is freed: tables that grow."""


def keep_freed_memory() -> bool:
    """For this process, from now on; False where the C library is not glibc and decides for itself."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return False
    kept = libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    return bool(kept and libc.mallopt(_M_MMAP_THRESHOLD, _APART_BYTES))
