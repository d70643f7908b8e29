"""Writes go by what is remembered only while the worker holds a lease, and are counted while under way."""

from __future__ import annotations

import time
from math import inf

import pytest

from lookup.assignment import Assignment, State
from tests.support.ends import End
from tests.support.messages import answer, get, post
from tests.support.stage import Stage, staged


async def served(stage: Stage, client: End, request: bytes, cell: str = "eu-1") -> bytes:
    """One exchange with the cell; the head that the client got."""
    known = stage.cells[cell].accepted
    client.send(request)
    end = known[-1] if known and not known[-1].gone else await stage.cells[cell].connection()
    await end.take_head()
    end.send(answer(b""))
    return await client.take_head()


def moving(epoch: int) -> Assignment:
    return Assignment("user:1", "eu-1", "eu", epoch, State.MOVING, "eu-2")


@staged
async def test_with_a_lease_a_write_goes_by_what_memory_knows(stage: Stage) -> None:
    client = await stage.client()
    await served(stage, client, get())
    await served(stage, client, post(b"/", b"x"))
    assert stage.store.readings == 1


@staged
async def test_without_a_lease_each_write_is_confirmed_by_the_store_and_a_read_is_not(stage: Stage) -> None:
    stage.edge.fence.lease_until_s = -inf
    client = await stage.client()
    for request, readings in (
        (get(), 1),
        (get(), 1),
        (post(b"/", b"x"), 2),
        (post(b"/", b"x"), 3),
        (get(), 3),
    ):
        assert b" 200 " in await served(stage, client, request)
        assert stage.store.readings == readings


@staged
async def test_after_a_suspension_a_write_is_confirmed_although_the_stopwatch_stood_still(
    stage: Stage,
) -> None:
    client = await stage.client()
    await served(stage, client, get())
    stage.edge.fence.grant(time.perf_counter(), time.time() - 3.0, 3.0)
    for request, readings in ((get(), 1), (post(b"/", b"x"), 2)):
        await served(stage, client, request)
        assert stage.store.readings == readings


@staged
async def test_without_a_lease_a_write_of_a_user_being_moved_is_refused_whatever_memory_says(
    stage: Stage,
) -> None:
    client = await stage.client()
    await served(stage, client, get())
    stage.edge.fence.lease_until_s = -inf
    stage.store.place(moving(4))
    client.send(post(b"/", b"x"))
    head = await client.take_head()
    assert b" 503 " in head
    assert b"\r\nRetry-After: 2\r\n" in head
    assert b" 200 " in await served(stage, client, get())


@staged
async def test_without_a_lease_and_without_the_store_a_write_is_refused_and_a_read_is_served(
    stage: Stage,
) -> None:
    client = await stage.client()
    await served(stage, client, get())
    stage.edge.fence.lease_until_s = -inf
    stage.store.available = False
    client.send(post(b"/", b"x"))
    assert b" 503 " in await client.take_head()
    await stage.settled()
    assert stage.log()[-1]["reason"] == "lookup-unavailable"
    client = await stage.client()
    assert b" 200 " in await served(stage, client, get())


@staged
async def test_a_write_is_held_while_under_way_and_not_after(stage: Stage) -> None:
    client = await stage.client()
    client.send(post(b"/", b"x"))
    cell = await stage.cell.connection()
    await cell.take_head()
    fence = stage.edge.fence
    fence.changed(moving(4))
    assert fence.held(0.0) == {"user:1"}
    cell.send(answer(b""))
    await client.take_head()
    await stage.settled()
    assert fence.held(0.0) == frozenset()
    assert fence.quiet


@pytest.mark.parametrize("sent", [True, False])
def test_a_write_whose_client_left_counts_as_running_if_it_was_sent(stage: Stage, sent: bool) -> None:
    @staged
    async def leave(stage: Stage) -> None:
        if not sent:
            stage.store.open_gate.clear()
        client = await stage.client()
        client.send(post(b"/", b"x"))
        if sent:
            await (await stage.cell.connection()).take_head()
        client.break_off()
        await stage.settled()
        stage.store.open_gate.set()
        fence = stage.edge.fence
        fence.lose_continuity()
        assert fence.held(0.0) == ({"user:1"} if sent else frozenset())
        assert fence.held(inf) == frozenset()

    leave(stage)
