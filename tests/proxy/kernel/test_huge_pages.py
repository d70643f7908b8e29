"""Joining this process's pages: what is used is joined, what is not used takes no memory."""

from __future__ import annotations

import asyncio
import mmap
import platform
import re
from pathlib import Path

import pytest

from proxy.kernel.huge_pages import HugePages

HUGE_BYTES = 2 << 20
PAGE_BYTES = 4096

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or tuple(map(int, platform.release().split(".")[:2])) < (6, 1),
    reason="joining pages on request needs Linux 6.1 and pages of 4 KiB",
)


def kib(field: str) -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(rf"^{field}: +([0-9]+) kB$", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1])


def anonymous(huge_pages: int) -> mmap.mmap:
    return mmap.mmap(-1, huge_pages * HUGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def join_all(pages: HugePages) -> int:
    """How many huge pages that made."""
    return sum(pages.join(address) for address in pages.candidates())


def test_pages_in_use_are_joined_once() -> None:
    pages = HugePages()
    join_all(pages)
    with anonymous(9) as area:
        area.write(b"x" * len(area))
        before_kib = kib("AnonHugePages")
        assert join_all(pages) >= 8
        assert kib("AnonHugePages") >= before_kib + 8 * HUGE_BYTES // 1024
        assert area[:] == b"x" * len(area)
        assert join_all(pages) == 0


def test_pages_hardly_used_are_left_alone() -> None:
    pages = HugePages()
    with anonymous(9) as area:
        for at in range(0, len(area), 2 * PAGE_BYTES):  # every second one
            area[at] = 1
        join_all(pages)
        before_kib = kib("Rss")
        join_all(pages)
        assert kib("Rss") < before_kib + 1024


def test_what_was_given_back_meanwhile_is_no_matter() -> None:
    pages = HugePages()
    area = anonymous(9)
    area.write(b"x" * len(area))
    join_all(pages)
    area.close()
    with anonymous(9) as another:
        another.write(b"y" * len(another))
        join_all(pages)
        assert another[:] == b"y" * len(another)


def test_what_is_there_before_the_start_is_joined_for_no_longer_than_it_may_take() -> None:
    join_all(HugePages())
    with anonymous(9) as area:
        area.write(b"x" * len(area))
        before_kib = kib("AnonHugePages")
        HugePages().join_for(0.0)
        assert kib("AnonHugePages") < before_kib + HUGE_BYTES // 1024
        HugePages().join_for(60.0)
        assert kib("AnonHugePages") >= before_kib + 8 * HUGE_BYTES // 1024


def test_the_loop_has_its_time_between_two_joins() -> None:
    async def a_moment() -> None:
        keeping = asyncio.get_running_loop().create_task(HugePages().keep())
        await asyncio.sleep(0.4)
        keeping.cancel()

    join_all(HugePages())
    with anonymous(9) as area:
        area.write(b"x" * len(area))
        before_kib = kib("AnonHugePages")
        asyncio.run(a_moment())
        assert kib("AnonHugePages") <= before_kib + 2 * HUGE_BYTES // 1024
