"""A cell's pool: endpoints in turn, a limit, and nothing counted that is not there."""

from __future__ import annotations

import asyncio

import pytest

from proxy.cells.addresses import Addresses
from proxy.forward.pool import Pool
from proxy.forward.upstream import IDLE
from proxy.model import Endpoint
from tests.support.cells import HOST
from tests.support.ends import until
from tests.support.stage import CELL_IDLE_S, CONNECT_S, Stage, staged


def new_pool(stage: Stage, *endpoints: Endpoint) -> Pool:
    """A pool of these endpoints, of which names were never resolved."""
    addresses = Addresses(endpoint.host for endpoint in endpoints)
    return Pool(endpoints, addresses, stage.edge.wheel, stage.edge.outbox, CELL_IDLE_S, CONNECT_S, 3)


@staged
async def test_endpoints_are_taken_in_turn(stage: Stage) -> None:
    first, second = stage.cells["eu-1"], stage.cells["eu-2"]
    pool = new_pool(stage, Endpoint(HOST, first.port), Endpoint(HOST, second.port))
    for _ in range(4):
        await pool.open()
    await until(lambda: len(first.accepted) == len(second.accepted) == 2, "two came to each")


@staged
async def test_after_a_refusal_the_next_endpoint_is_tried(stage: Stage) -> None:
    gone, there = stage.cells["eu-1"], stage.cells["eu-2"]
    await gone.shut()
    pool = new_pool(stage, Endpoint(HOST, there.port), Endpoint(HOST, gone.port))
    with pytest.raises(ConnectionRefusedError):
        await pool.open()
    assert pool.open_count == 0
    await pool.open()
    assert pool.open_count == 1


@staged
async def test_a_name_that_was_never_resolved_is_unreachable_at_once(stage: Stage) -> None:
    pool = new_pool(stage, Endpoint("cell.example", 80))
    with pytest.raises(OSError, match="no address"):
        await pool.open()
    assert pool.open_count == 0


@staged
async def test_opening_that_is_given_up_is_not_counted(stage: Stage) -> None:
    pool = new_pool(stage, Endpoint(HOST, stage.cell.port))
    opening = asyncio.create_task(pool.open())
    await asyncio.sleep(0)
    assert pool.open_count == 1
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert pool.open_count == 0


@staged
async def test_giving_up_at_any_moment_is_counted_right(stage: Stage) -> None:
    pool = new_pool(stage, Endpoint(HOST, stage.cell.port))
    for turns in range(12):
        opening = asyncio.create_task(pool.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        done = await asyncio.wait([opening])
        assert done
        if not opening.cancelled():
            pool.give_back(opening.result())
            pool.close_idle()
        await until(lambda: pool.open_count <= 0, "the connection is over")
        assert pool.open_count == 0, turns


@staged
async def test_the_limit_counts_what_is_open(stage: Stage) -> None:
    pool = new_pool(stage, Endpoint(HOST, stage.cell.port))
    connections = [await pool.open() for _ in range(3)]
    assert pool.full
    pool.give_back(connections[0])
    assert pool.full
    connections[0].abort()
    await until(lambda: not pool.full, "there is room again")
    assert pool.take() is None


@staged
async def test_closing_the_idle_ones_leaves_the_busy_ones(stage: Stage) -> None:
    pool = new_pool(stage, Endpoint(HOST, stage.cell.port))
    busy, idle = await pool.open(), await pool.open()
    pool.give_back(idle)
    pool.close_idle()
    await until(lambda: pool.open_count == 1, "the idle one is over")
    assert busy.phase == IDLE
    assert idle.phase != IDLE
