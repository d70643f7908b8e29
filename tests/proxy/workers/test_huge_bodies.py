"""Bodies far larger than any buffer pass through in both directions, and the workers' memory stays flat."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.proxy.workers.connections import HUGE_BYTES
from tests.proxy.workers.stage import Stage, running, started

pytestmark = pytest.mark.slow

MOST_GROWTH_KIB = HUGE_BYTES // 1024 // 16


def test_memory_stays_flat_while_huge_bodies_pass(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            assert (await stage.ask()).status == 200
            before = [_kib(await stage.pid(slot), "VmRSS") for slot in (0, 1)]
            await _transfer(stage)
            peaks = [_kib(await stage.pid(slot), "VmHWM") for slot in (0, 1)]
            growth = [peak - rss for peak, rss in zip(peaks, before, strict=True)]
            assert max(growth) < MOST_GROWTH_KIB, f"grew by {growth} KiB"

    asyncio.run(scenario())


async def _transfer(stage: Stage) -> None:
    down, up = await stage.connect(), await stage.connect()
    await down.download_huge()
    answer = await up.upload_huge()
    assert answer.status == 200
    down.close()
    up.close()


def _kib(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])
