"""Huge pages for a process's heap: what a worker knows lies all over it, and each part costs a page walk.

A walk is dear on a virtual machine, where the host's page tables are walked for each step of it. Linux 6.1
and later join small pages on request (madvise(2), MADV_COLLAPSE); elsewhere nothing happens.
"""

from __future__ import annotations

import asyncio
import ctypes
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

_PAGE_BYTES: Final = 4096
_HUGE_BYTES: Final = 2 << 20
_PAGES: Final = _HUGE_BYTES // _PAGE_BYTES
_USED_PAGES: Final = _PAGES * 3 // 4
"""Of a huge page's small ones, so that joining them takes at most a third more memory than they did."""

_MADV_COLLAPSE: Final = 25
_LOOK_EVERY_S: Final = 10.0
_PAUSE_S: Final = 5.0
"""Between two joins: each may stop the process for 5 ms, so that even while there are many to come about one
request in a thousand waits for one."""
_ABSENT: Final = bytes(range(0, 256, 2))
"""What mincore(2) says of small pages that are not in memory: bit 0 is clear, others mean nothing."""
_HEAP: Final = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 +(?:\[heap\])?$", re.MULTILINE)
"""A line of /proc/PID/maps (proc(5)): private and writable, with no file behind it."""


class HugePages:
    """Joins the pages of this process's heap. On the page size of x86-64; one that differs finds nothing."""

    _joined: ClassVar[set[int]] = set()  # a heap is its process's, whoever joins it

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)

    def join_for(self, seconds: float) -> None:
        """Join what there is while nobody waits for this process, for about so long at most."""
        until_s = time.monotonic() + seconds
        for address in self.candidates():
            if time.monotonic() >= until_s:
                return
            self.join(address)

    async def keep(self) -> None:
        """Join what is added as the caches fill; off the loop, and one by one."""
        while True:
            for address in await asyncio.to_thread(self.candidates):
                await asyncio.to_thread(self.join, address)
                await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(_LOOK_EVERY_S)

    def candidates(self) -> list[int]:
        """Where pages are in use nearly everywhere and aren't joined yet."""
        addresses = set(_huge_page_addresses())
        self._joined.intersection_update(addresses)
        return [at for at in sorted(addresses - self._joined) if self._in_use(at)]

    def join(self, address: int) -> bool:
        """Join the pages of a candidate, if they are still in use; whether that made a huge page."""
        if not self._in_use(address) or not self._collapse(address):
            return False
        self._joined.add(address)
        return True

    def _in_use(self, address: int) -> bool:
        """Whether most of its small pages are in memory."""
        resident = ctypes.create_string_buffer(_PAGES)
        if self._libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(_HUGE_BYTES), resident):
            return False  # it was given back meanwhile
        return len(resident.raw.translate(None, _ABSENT)) >= _USED_PAGES

    def _collapse(self, address: int) -> bool:
        """False where the kernel can't do it, or not now."""
        failed: int = self._libc.madvise(
            ctypes.c_void_p(address), ctypes.c_size_t(_HUGE_BYTES), _MADV_COLLAPSE
        )
        return not failed


def _huge_page_addresses() -> Iterator[int]:
    """Where a huge page could begin and end within one part of this process's heap."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # no Linux
        return
    for found in _HEAP.finditer(maps):
        begin, end = int(found[1], 16), int(found[2], 16)
        begin = -(-begin // _HUGE_BYTES) * _HUGE_BYTES
        yield from range(begin, end - _HUGE_BYTES + 1, _HUGE_BYTES)
