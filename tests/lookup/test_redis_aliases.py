"""Keys that name a home, in the shared cache on a real Redis: a name leads to the home's own value."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from bench.servers.redis import RedisServer
from lookup import redis_value
from lookup.aliases import as_record
from lookup.assignment import Alias
from lookup.redis_tier import RedisTier
from lookup.resolution import Tier
from lookup.resolver import build_resolver
from lookup.settings import LookupSettings
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, FakeStore, home
from tests.lookup.redis_tier_stage import (
    PREFIX,
    commands_since_reset,
    put,
    reset_statistics,
    settings_of,
    tier_on,
)

pytestmark = pytest.mark.slow

MAIL = Alias("email:a@x", "user:1", 1, NOW_S)
RECORD = replace(home("user:1"), aliases=(MAIL, Alias("apikey:k", "user:1", 4, NOW_S)))


@asynchronous
async def test_what_was_filled_with_its_names_is_found_by_each_of_them(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([RECORD, home("user:2")])
        found = await tier.read(["email:a@x", "apikey:k", "user:2", "email:b@x"])
        assert found.keys() == {"email:a@x", "apikey:k", "user:2"}
        assert found["email:a@x"] == replace(home("user:1"), aliases=(MAIL,))
        assert found["apikey:k"].aliases[0].epoch == 4


@asynchronous
async def test_a_name_says_when_it_was_read_also_when_its_home_was_read_later(
    redis_server: RedisServer,
) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([replace(RECORD, read_at_s=NOW_S - 900)])
        await tier.fill([replace(home("user:1"), read_at_s=NOW_S)])
        found = (await tier.read(["email:a@x"]))["email:a@x"]
        assert (found.read_at_s, found.aliases[0].read_at_s) == (NOW_S, NOW_S - 900)


@asynchronous
async def test_a_move_changes_one_value_and_every_name_follows(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([RECORD])
        await tier.fill([home("user:1", "cell-b", 2)])
        assert (await tier.read(["email:a@x"]))["email:a@x"].cell == "cell-b"


@asynchronous
async def test_a_name_costs_a_second_reading_and_a_home_does_not(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([RECORD])
        for keys, readings in ((["user:1"], 1), (["user:1", "email:a@x"], 1), (["email:a@x"], 2)):
            reset_statistics(redis_server)
            await tier.read(keys)
            assert commands_since_reset(redis_server)["cmdstat_mget"] == readings


@asynchronous
async def test_a_name_whose_home_is_not_there_is_a_miss(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        put(redis_server, "email:a@x", redis_value.encode(as_record(MAIL)))
        assert await tier.read(["email:a@x"]) == {}
        assert tier.wrong_values == 0


@asynchronous
async def test_a_name_never_leads_to_another_name(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([RECORD])
        put(
            redis_server,
            "email:b@x",
            redis_value.encode(as_record(Alias("email:b@x", "email:a@x", 1, NOW_S))),
        )
        assert await tier.read(["email:b@x"]) == {}


@asynchronous
async def test_a_later_name_is_not_replaced_by_an_earlier_one(redis_server: RedisServer) -> None:
    async with tier_on(settings_of(redis_server)) as tier:
        await tier.fill([home("user:1"), replace(home("user:2"), aliases=(Alias("email:a@x", "user:2", 2),))])
        await tier.fill([RECORD])
        assert (await tier.read(["email:a@x"]))["email:a@x"].key == "user:2"


@asynchronous
async def test_what_one_edge_read_of_a_name_the_next_edge_finds_in_the_cache(
    redis_server: RedisServer,
) -> None:
    store = FakeStore(RECORD)
    store.records["email:a@x"] = RECORD
    async with tier_on(settings_of(redis_server)) as tier:
        first = build_resolver(store, LookupSettings(deadline_s=10.0), Random(1), tier)
        assert (await first.resolve("email:a@x", None, NOW_S, True)).tier is Tier.STORE
        with redis_server.client() as client:
            await until(lambda: bool(client.exists(PREFIX + "email:a@x")))
        await first.close()
    shared = RedisTier(settings_of(redis_server), Random(2), PREFIX)
    second = build_resolver(store, LookupSettings(deadline_s=10.0), Random(1), shared)
    answer = await second.resolve("email:a@x", None, NOW_S, True)
    assert (answer.key, answer.cell, answer.tier) == ("user:1", "cell-a", Tier.SHARED)
    await second.close()
    await shared.close()
