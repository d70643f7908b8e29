"""What becomes of writes whose writer died, whose answer was lost, or which met another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from random import Random
from uuid import UUID, uuid4

import pytest

from lookup.assignment import NO_EPOCH, Assignment
from lookup.feed_event import FeedEvent
from lookup.flags import Flag, FlagRecord
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.redis_publisher import RedisPublisher
from lookup.relay import SETTLE_S, Relay
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_homes import HomeRow, Homes
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import (
    nothing_pending,
    opened,
    silent,
)
from tests.lookup.stores.contract import next_change

pytestmark = pytest.mark.slow


@asynchronous
async def test_a_write_whose_writer_died_reaches_the_feed_once(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with opened(settings, redis) as store, silent(settings) as dying:
        async with aclosing(store.follow()) as changes:
            await anext(changes)
            await dying.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            assert (await next_change(changes)).assignment == home("user:1", "cell-a", 1)
            await dying.set_flag("cell-a", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
            flagged = (await next_change(changes)).flag
            assert flagged is not None
            assert (flagged.cell, flagged.version) == ("cell-a", 1)
            await dying.compare_and_set(home("user:1", "cell-b", 2), 1)
            told = await next_change(changes)
            assert (told.left_cell, told.sequence) == ("cell-a", 3)
            assert told.assignment == home("user:1", "cell-b", 2)
        await nothing_pending(store)


@asynchronous
async def test_the_feed_is_told_of_a_write_when_the_truth_has_it(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with silent(settings) as truth:

        class Witness(RedisPublisher):
            async def publish(self, events: Sequence[FeedEvent]) -> str:
                told = [event.assignment for event in events if event.assignment is not None]
                assert list((await truth.confirm([record.key for record in told])).values()) == told
                raise StoreUnavailableError("it was only looked at")

        publisher = Witness(redis)
        store = await CassandraStore.open(settings, publisher)
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        assert len(await truth.pending(time.time())) == 2, "both were to be told"
        await store.close()
        await publisher.close()


@asynchronous
async def test_a_write_told_to_the_feed_by_a_writer_that_then_died_is_not_told_again(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    publisher = RedisPublisher(redis)
    async with (
        opened(settings, redis) as store,
        silent(settings) as dying,
        aclosing(store.follow()) as changes,
    ):
        await anext(changes)
        await dying.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        for intent in await dying.pending(time.time()):
            await publisher.publish([intent.event])
        assert (await next_change(changes)).sequence == 1
        await nothing_pending(store)
        await store.compare_and_set(home("user:2"), NO_EPOCH)
        assert (await next_change(changes)).sequence == 2
    await publisher.close()


@asynchronous
async def test_an_intent_that_came_to_nothing_is_dropped_when_it_can_come_no_more(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    publisher = RedisPublisher(redis)
    async with silent(settings) as store:
        await publisher.begin(0.0)
        await publisher.complete()
        event = FeedEvent(uuid4().hex, assignment=home("user:1", "cell-a", 1))
        await store._outbox.note(event)
        await Relay(store, publisher, time.time, Random(1)).turn()
        assert len(await store.pending(time.time())) == 1
        relay = Relay(store, publisher, lambda: time.time() + SETTLE_S + 1, Random(1))
        await relay.turn()
        assert relay.finished == 1
        assert await store.pending(time.time()) == []
    await publisher.close()


@asynchronous
async def test_intents_of_a_long_absence_of_relays_are_found(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    publisher = RedisPublisher(redis)
    async with silent(settings) as store:
        await publisher.begin(0.0)
        await publisher.complete()
        for number in range(3):
            await store.compare_and_set(home(f"user:{number}"), NO_EPOCH)
        relay = Relay(store, publisher, lambda: time.time() + 1800, Random(1))
        await relay.turn()
        assert relay.finished == 3
    await publisher.close()


class LosesAnswers(Homes):
    """Writes, and then does not say so; `writes` False: did not even write."""

    writes = True

    async def change(
        self, new: Assignment, former: HomeRow | None, operation: UUID, *, again: bool = False
    ) -> bool:
        if self.writes:
            await super().change(new, former, operation, again=again)
        raise StoreUnavailableError("timed out")


@asynchronous
async def test_a_write_that_timed_out_is_looked_up_by_its_operation(settings: CassandraSettings) -> None:
    async with silent(settings) as store:
        good = store._homes
        store._homes = losing = LosesAnswers(store._session, settings)
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        assert await store.read(["user:1"]) == {"user:1": home("user:1", "cell-b", 2)}
        losing.writes = False
        before = len(await store.pending(time.time()))
        with pytest.raises(StoreUnavailableError, match="did not decide"):
            await store.compare_and_set(home("user:1", "cell-c", 3), 2)
        assert len(await store.pending(time.time())) == before + 1, "it may be decided yet"
        store._homes = good
        assert await store.confirm(["user:1"]) == {"user:1": home("user:1", "cell-b", 2)}
        await store.compare_and_set(home("user:1", "cell-c", 3), 2)


@asynchronous
async def test_a_write_that_the_relay_gave_up_can_not_come_back(settings: CassandraSettings) -> None:
    async with silent(settings) as store:
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        former = await store._homes.read_row("user:1")
        late = home("user:1", "cell-b", 2)
        event = FeedEvent(uuid4().hex, assignment=late)
        assert await store.present(event, surely=True) is None
        assert not await store._homes.change(late, former, UUID(event.operation))
        await store.compare_and_set(home("user:1", "cell-c", 2), 1)
        flag = FlagRecord("cell-a", Flag.DOWN, 1, "", "ann", NOW_S)
        flagging = FeedEvent(uuid4().hex, flag=flag)
        assert await store.present(flagging, surely=True) is None
        assert not await store._flags.change(flag, None, UUID(flagging.operation))
        assert await store.flags() == {}
        assert (await store.set_flag("cell-a", Flag.DOWN, reason="", author="a", now_s=NOW_S)).version == 1


@asynchronous
async def test_a_refused_write_leaves_no_intent(settings: CassandraSettings) -> None:
    async with silent(settings) as store:
        await store.load([home("user:1")])
        attempts = [store.compare_and_set(home("user:1", f"cell-{n}", 2), 1) for n in range(8)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert sum(outcome is None for outcome in outcomes) == 1
        assert all(outcome is None or isinstance(outcome, EpochConflictError) for outcome in outcomes)
        assert len(await store.pending(time.time())) == 1


@asynchronous
async def test_a_load_overwrites_nothing_that_was_decided_and_mixes_no_records(
    settings: CassandraSettings,
) -> None:
    async with silent(settings) as one, silent(settings) as two:
        keys = [f"user:{number}" for number in range(100)]
        await asyncio.gather(
            one.load(Assignment(key, "cell-a", "eu", 1, updated_at_s=NOW_S) for key in keys),
            two.load(Assignment(key, "cell-b", "us", 1, updated_at_s=NOW_S + 1) for key in keys),
            *(one.compare_and_set(home(key, "cell-c", 1, NOW_S + 2), NO_EPOCH) for key in keys[:20]),
            return_exceptions=True,
        )
        found = await one.read(keys)
        assert len(found) == 100
        whole = {("cell-a", "eu", NOW_S), ("cell-b", "us", NOW_S + 1), ("cell-c", "eu", NOW_S + 2)}
        assert {(r.cell, r.jurisdiction, r.updated_at_s) for r in found.values()} <= whole


@asynchronous
async def test_the_generation_begun_last_counts_whatever_clocks_say(settings: CassandraSettings) -> None:
    async with silent(settings) as store:
        assert await store.generation.read() == ""
        await store.generation.begin("one")
        ahead_us = round((time.time() + 3600.0) * 1e6)
        table = f"{settings.keyspace}.feed_generation"
        await store._session.ask_plain(
            f"INSERT INTO {table} (fleet, ordinal, generation) VALUES ('present', 0, 'two') "
            f"USING TIMESTAMP {ahead_us}"
        )
        await store.generation.begin("three")
        assert await store.generation.read() == "three"


@asynchronous
async def test_a_write_that_went_to_a_former_feed_stays_pending(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with opened(settings, redis) as store:
        await store.compare_and_set(home("user:1"), NO_EPOCH)
        await nothing_pending(store)
        await store.generation.begin("another")
        await store.compare_and_set(home("user:2"), NO_EPOCH)
        pending = await store.pending(time.time())
        assert [intent.event.assignment for intent in pending] == [home("user:2")]
