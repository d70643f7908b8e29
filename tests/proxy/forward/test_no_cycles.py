"""Requests leave nothing behind that only a full pass of Python's collector could free: those are rare."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

from tests.support.ends import End, until
from tests.support.messages import NO_CREDENTIAL, answer, answered, get, got, length_of
from tests.support.stage import Stage, staged

_REQUESTS = 20


async def left_by(request: Callable[[int], Awaitable[None]]) -> int:
    """Objects in cycles that many requests leave, after some that begin whatever is kept."""
    for number in range(5):
        await request(number)
    gc.collect()
    gc.disable()
    try:
        for number in range(5, 5 + _REQUESTS):
            await request(number)
        return gc.collect()
    finally:
        gc.enable()


async def exchange(client: End, cell: End) -> None:
    client.send(get())
    await cell.expect(got())
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))


@staged
async def test_on_connections_that_are_kept(stage: Stage) -> None:
    client = await stage.client()
    client.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"one"))
    await client.expect(answered(b"one"))
    assert await left_by(lambda _: exchange(client, cell)) == 0


@staged
async def test_of_clients_that_come_and_go(stage: Stage) -> None:
    first = await stage.client()
    first.send(get())
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"one"))
    await first.expect(answered(b"one"))
    first.break_off()

    async def request(_: int) -> None:
        client = await stage.client()
        await exchange(client, cell)
        client.break_off()
        await until(lambda: not stage.edge.connections, "the edge has noticed")

    assert await left_by(request) == 0


@staged
async def test_to_cells_that_close_after_each(stage: Stage) -> None:
    client = await stage.client()

    async def request(_: int) -> None:
        client.send(get())
        cell = await stage.cell.connection()
        await cell.expect(got())
        cell.send(answer(b"one", b"Connection: close"))
        await client.expect(answered(b"one"))
        await cell.until_cut()

    assert await left_by(request) == 0


@staged
async def test_that_are_refused(stage: Stage) -> None:
    client = await stage.client()

    async def request(_: int) -> None:
        client.send(NO_CREDENTIAL)
        await client.take(length_of(await client.take_head()))

    assert await left_by(request) == 0


@staged
async def test_of_users_whom_nobody_knows(stage: Stage) -> None:
    client = await stage.client()

    async def request(number: int) -> None:
        client.send(get(user=100_000 + number))
        await client.take(length_of(await client.take_head()))

    assert await left_by(request) == 0
