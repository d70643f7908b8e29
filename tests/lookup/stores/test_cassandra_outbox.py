"""That no intent is passed over, however old it is by the clock of its writer. One node of Cassandra."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from lookup import feed_event
from lookup.feed_event import FeedEvent
from lookup.outbox import Intent
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_cluster import NOTE
from lookup.stores.cassandra_requests import TooManyTombstonesError
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_sweep import ROUND_S, OutboxSweep
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.stores.cassandra_stage import silent

pytestmark = pytest.mark.slow

DAY_S = 86_400.0


async def note_at(store: CassandraStore, at_s: float) -> Intent:
    """As a writer notes whose clock shows that time, and that then dies."""
    intent = Intent(FeedEvent(uuid4().hex, assignment=home("user:1", "cell-b", 2)), at_s)
    values = (int(at_s) // 10, UUID(intent.event.operation), at_s, feed_event.encode(intent.event))
    await store._session.ask(store._outbox._note.statement, values, NOTE)
    return intent


@asynchronous
async def test_the_first_look_finds_intents_of_any_age(settings: CassandraSettings) -> None:
    now_s = time.time()
    async with silent(settings) as store:
        await store._session.ask_plain(
            f"INSERT INTO {settings.keyspace}.mark (name, time_s) VALUES ('swept', {now_s - 200})"
        )
        noted = [await note_at(store, now_s - age_s) for age_s in (30 * DAY_S, DAY_S, 4000.0, 250.0, -3600.0)]
        found = await store.pending(now_s)
    assert sorted(intent.noted_at_s for intent in found) == [intent.noted_at_s for intent in noted]


@pytest.mark.parametrize("behind_s", [240.0, 4000.0])
def test_an_intent_of_a_clock_far_behind_is_found_within_a_round_and_told_until_it_is_finished(
    settings: CassandraSettings, behind_s: float
) -> None:
    @asynchronous
    async def check() -> None:
        now_s = time.time()
        async with silent(settings) as store:
            assert await store.pending(now_s) == []
            noted = await note_at(store, now_s - behind_s)
            found: list[Intent] = []
            end_s = now_s + ROUND_S + 1.0
            while not found and now_s < end_s:
                now_s += 1.0
                found = list(await store.pending(now_s))
            assert found == [noted]
            assert await store.pending(now_s + 0.25) == [noted], "publishing it may have failed"
            await store.finish(noted, None)
            assert await store.pending(now_s + 0.5) == []

    check()


@asynchronous
async def test_a_relay_that_was_off_duty_looks_through_everything_at_once(
    settings: CassandraSettings,
) -> None:
    now_s = time.time()
    async with silent(settings) as store:
        assert await store.pending(now_s) == []
        noted = await note_at(store, now_s - DAY_S)
        assert await store.pending(now_s + 2 * ROUND_S) == [noted]
        assert await store.pending(now_s) == [noted], "its clock was set back"


@asynchronous
async def test_intents_are_found_among_more_tombstones_than_one_answer_may_pass(
    settings: CassandraSettings,
) -> None:
    """Cassandra gives up an answer at 100,000."""
    delete = f"DELETE FROM {settings.keyspace}.outbox WHERE bucket = ? AND operation = ?"
    async with silent(settings) as store:
        for bucket in range(21):
            for _ in range(5):
                await store._session.write_together(delete, [(bucket, uuid4()) for _ in range(1000)])
        await note_at(store, 55.0)
        with pytest.raises(TooManyTombstonesError):
            await anext(store._session.scan(f"SELECT DISTINCT bucket FROM {settings.keyspace}.outbox", ()))
        sweep = OutboxSweep(store._session, settings.keyspace, 3)
        assert await sweep._between(-(2**63), 2**63 - 1) == {5}
        assert await sweep.buckets(time.time()) == {5}
