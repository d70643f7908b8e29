"""A worker at work: what happens when a part that should run for ever does not."""

from __future__ import annotations

import asyncio
import signal

from proxy.running_edge import end_without


def test_a_worker_whose_part_fails_ends_in_order_to_be_replaced() -> None:
    async def scenario() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)

        async def fails() -> None:
            raise LookupError("a bug")

        task = loop.create_task(fails())
        task.add_done_callback(end_without)
        await asyncio.wait_for(ended.wait(), 30)

    asyncio.run(scenario())


def test_a_part_that_is_told_to_end_ends_nothing_else() -> None:
    async def scenario() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        task = loop.create_task(asyncio.sleep(60))
        task.add_done_callback(end_without)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(5):
            await asyncio.sleep(0)
        assert not ended.is_set()

    asyncio.run(scenario())
