"""Who has a duty, on a real Redis: one at a time, soon another one when the first is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.servers.redis import RedisServer
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_duty import HELD_FOR_S, RedisDuty
from lookup.redis_feed_scripts import FeedNames
from tests.lookup.asynchronous import asynchronous

pytestmark = pytest.mark.slow


@asynccontextmanager
async def candidates(server: RedisServer, *feeds: str) -> AsyncIterator[list[RedisDuty]]:
    settings = RedisSettings(((server.host, server.port),))
    made = [RedisDuty(settings, FeedNames(feed)) for feed in feeds]
    try:
        yield made
    finally:
        for one in made:
            await one.close()


@asynchronous
async def test_of_several_candidates_one_has_the_duty_and_keeps_it_while_it_renews(
    redis_server: RedisServer,
) -> None:
    async with candidates(redis_server, "homecell", "homecell", "other") as (first, second, elsewhere):
        assert await first.take()
        for _ in range(round(1.5 * HELD_FOR_S / 0.1)):
            await asyncio.sleep(0.1)
            assert await first.take()
            assert not await second.take()
        assert await elsewhere.take()


@asynchronous
async def test_a_candidate_that_is_gone_is_succeeded(redis_server: RedisServer) -> None:
    async with candidates(redis_server, "homecell", "homecell") as (first, second):
        loop = asyncio.get_running_loop()
        taken_at_s = loop.time()
        assert await first.take()
        while not await second.take():  # noqa: ASYNC110 -- Redis tells nobody
            await asyncio.sleep(0.02)
        assert loop.time() - taken_at_s > HELD_FOR_S - 0.1
        assert not await first.take()


@asynchronous
async def test_without_redis_nobody_can_tell(redis_server: RedisServer) -> None:
    nowhere = RedisDuty(RedisSettings(((redis_server.host, 1),)), FeedNames())
    with pytest.raises(StoreUnavailableError):
        await nowhere.take()
    await nowhere.close()


@asynchronous
async def test_a_duty_that_lasts_for_longer_than_anybody_took_it_for_is_nobodys(
    redis_server: RedisServer,
) -> None:
    """As after Redis's clock was set back by an hour: the holder's time would end an hour later."""
    async with candidates(redis_server, "homecell", "homecell") as (gone, second):
        assert await gone.take()
        with redis_server.client() as client:
            client.pexpire(FeedNames("homecell").duty, 3_600_000)
        assert await second.take()
        assert not await gone.take()
