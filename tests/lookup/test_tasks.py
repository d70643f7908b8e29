"""Tasks end, also those that a first cancellation does not reach."""

from __future__ import annotations

import asyncio

from lookup.tasks import end_tasks
from tests.lookup.asynchronous import asynchronous


async def deaf(times: int, heard: list[int]) -> None:
    """Takes no notice of so many cancellations."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(1)
    await asyncio.Event().wait()


@asynchronous
async def test_a_task_that_lost_a_cancellation_is_told_again() -> None:
    heard: list[int] = []
    tasks = [asyncio.create_task(deaf(times, heard)) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    await end_tasks(tasks, again_s=0.02)
    assert all(task.cancelled() for task in tasks)
    assert len(heard) == 3


@asynchronous
async def test_a_task_that_puts_things_in_order_is_left_the_time_for_it() -> None:
    in_order = False

    async def careful() -> None:
        nonlocal in_order
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            in_order = True

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert in_order


@asynchronous
async def test_tasks_that_ended_by_themselves_are_no_matter() -> None:
    async def failing() -> None:
        raise ValueError("meant")

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await end_tasks([task])
    assert isinstance(task.exception(), ValueError)
