"""What the Cassandra store does when writers, answers and nodes die. One node, with login and TLS."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from random import Random
from uuid import UUID, uuid4

import pytest

from bench.servers.cassandra import DATACENTRE, CassandraRing
from bench.servers.cassandra_config import COMMITLOG_SYNC_S
from bench.servers.certificates import make_certificates
from bench.servers.redis import RedisServer
from lookup.assignment import NO_EPOCH, Assignment
from lookup.feed_event import FeedEvent
from lookup.flags import Flag, FlagRecord
from lookup.keys import keyed_hash
from lookup.ports import EpochConflictError, StoreUnavailableError, StoreUnusableError
from lookup.redis_clients import RedisSettings
from lookup.redis_publisher import RedisPublisher
from lookup.relay import SETTLE_S, Relay
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_homes import HomeRow, Homes
from lookup.stores.cassandra_schema import KNOWN_VERSION, init, migrate, status
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings, Owners
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import empty, opened, settings_of, until_alive
from tests.lookup.stores.contract import next_change
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    with needed():
        folder = tmp_path_factory.mktemp("cassandra")
        certificates = make_certificates(folder / "certificates")
        started = CassandraRing(folder, authenticates=True, certificates=certificates)
        started.start()
    yield started
    started.stop()


@pytest.fixture
def settings(ring: CassandraRing) -> CassandraSettings:
    """Of an empty store."""
    found = settings_of(ring)
    asyncio.run(empty(found))
    return found


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisSettings:
    return RedisSettings(((redis_server.host, redis_server.port),))


@asynccontextmanager
async def silent(settings: CassandraSettings) -> AsyncIterator[CassandraStore]:
    """A store that tells no feed: as if its process died after each write."""
    store = await CassandraStore.open(settings, None)
    try:
        yield store
    finally:
        await store.close()


async def nothing_pending(store: CassandraStore) -> None:
    """Return when relays have finished every intent."""
    while await store.pending(time.time()):  # noqa: ASYNC110 - another process would finish them
        await asyncio.sleep(0.05)


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
async def test_writes_are_decided_by_the_owning_datacentre_where_there_is_one(
    settings: CassandraSettings,
) -> None:
    owned = replace(settings, owners=Owners(DATACENTRE, {"eu": DATACENTRE}))
    async with silent(owned) as store:
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        assert await store.confirm(["user:1"]) == {"user:1": home("user:1", "cell-b", 2)}
        await store.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)


@asynchronous
async def test_a_lost_feed_is_begun_anew_with_the_moves_that_the_truth_remembers(
    settings: CassandraSettings, redis: RedisSettings, redis_server: RedisServer
) -> None:
    async with opened(settings, redis) as store:
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2, NOW_S + 1), 1)
        await store.compare_and_set(home("user:2", "cell-b", 5, NOW_S + 9000), NO_EPOCH)
        with redis_server.client() as client:
            client.flushall()
        await until_alive(store.feed)
        moves = (await store.history(0.0)).moves
        assert {(move.key, move.epoch, move.left_cell) for move in moves} == {
            ("user:1", 2, "cell-a"),
            ("user:2", 5, ""),
        }


@asynchronous
async def test_cancelled_readings_leave_their_places_to_others(
    settings: CassandraSettings,
) -> None:
    async with silent(replace(settings, in_flight=2)) as store:
        await store.load(home(f"user:{number}") for number in range(50))
        for _ in range(20):
            readings = [asyncio.create_task(store.read([f"user:{number}"])) for number in range(50)]
            await asyncio.sleep(0.005)
            for reading in readings:
                reading.cancel()
            await asyncio.gather(*readings, return_exceptions=True)
        assert list(await store.read(["user:7"])) == ["user:7"]


@asynchronous
async def test_only_hashed_keys_are_stored_where_that_is_configured(settings: CassandraSettings) -> None:
    async with silent(replace(settings, hashed_keys=True)) as store:
        hashed = keyed_hash("user:42", b"0123456789abcdef")
        await store.compare_and_set(home(hashed), NO_EPOCH)
        assert list(await store.read([hashed])) == [hashed]
        for refused in (
            store.read(["user:42"]),
            store.compare_and_set(home("user:42"), NO_EPOCH),
            store.load([home("user:42")]),
        ):
            with pytest.raises(ValueError, match="hashed keys only") as error:
                await refused
            assert "42" not in str(error.value)


@asynchronous
async def test_a_keyspace_without_tables_names_the_mend(settings: CassandraSettings) -> None:
    other = replace(settings, keyspace="nothing_here")
    with pytest.raises(StoreUnusableError, match="homecell store init"):
        await CassandraStore.open(other, None)
    assert (await status(other)).found == 0


@asynchronous
async def test_two_processes_may_init_at_once(settings: CassandraSettings) -> None:
    other = replace(settings, keyspace="fresh")
    for found in await asyncio.gather(init(other, {DATACENTRE: 1}), init(other, {DATACENTRE: 1})):
        assert (found.found, found.known) == (KNOWN_VERSION, KNOWN_VERSION)
    assert await migrate(other) == await status(other)
    async with silent(other) as store:
        assert await store.read(["user:1"]) == {}


@asynchronous
async def test_a_schema_for_later_programs_is_refused_and_one_they_share_is_used(
    settings: CassandraSettings,
) -> None:
    other = replace(settings, keyspace="later")
    await init(other, {DATACENTRE: 1})
    session = await CassandraSession.connect(settings)
    step = "INSERT INTO later.schema_step (fleet, version, oldest_program, done) VALUES ('all', 9, {}, true)"
    await session.ask_plain(step.format(KNOWN_VERSION))
    async with silent(other):
        pass
    await session.ask_plain(step.format(9))
    with pytest.raises(StoreUnusableError, match="use a newer program"):
        await CassandraStore.open(other, None)
    unfinished = (
        f"UPDATE later.schema_step SET done = false WHERE fleet = 'all' AND version = {KNOWN_VERSION}"
    )
    await session.ask_plain(unfinished)
    await session.ask_plain("DELETE FROM later.schema_step WHERE fleet = 'all' AND version = 9")
    with pytest.raises(StoreUnusableError, match="homecell store"):
        await CassandraStore.open(other, None)
    await session.close()


@asynchronous
async def test_a_wrong_login_or_no_tls_is_unavailable(settings: CassandraSettings) -> None:
    for wrong in (replace(settings, password="wrong"), replace(settings, tls=None, connect_timeout_s=1.0)):
        with pytest.raises(StoreUnavailableError):
            await CassandraStore.open(wrong, None)
    assert "cassandra'" not in repr(replace(settings, username=None))


async def until_it_answers(store: CassandraStore, key: str) -> float:
    """Seconds until the key is read again."""
    begun_s = time.monotonic()
    while True:
        try:
            assert key in await store.read([key])
        except StoreUnavailableError:
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - begun_s


def test_a_frozen_node_delays_nobody_beyond_the_timeout_and_no_write_is_lost(
    settings: CassandraSettings, redis: RedisSettings, ring: CassandraRing
) -> None:
    @asynchronous
    async def scenario() -> None:
        quick = replace(settings, request_timeout_s=1.0)
        async with opened(quick, redis) as store:
            await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            ring.nodes[0].signal(signal.SIGSTOP)
            begun_s = time.monotonic()
            outcomes = await asyncio.gather(
                store.read(["user:1"]),
                store.compare_and_set(home("user:1", "cell-b", 2), 1),
                return_exceptions=True,
            )
            assert all(isinstance(outcome, StoreUnavailableError) for outcome in outcomes)
            assert time.monotonic() - begun_s < 3.5
            ring.nodes[0].signal(signal.SIGCONT)
            await until_it_answers(store, "user:1")
            present = await store.confirm(["user:1"])
            if present["user:1"].epoch == 1:
                await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            await until_alive(store.feed)
            await nothing_pending(store)
            assert [(move.key, move.epoch) for move in (await store.history(0.0)).moves] == [("user:1", 2)]

    scenario()


def test_a_killed_node_that_is_back_is_used_without_a_restart_of_ours(
    settings: CassandraSettings, redis: RedisSettings, ring: CassandraRing
) -> None:
    async def scenario() -> None:
        async with opened(settings, redis) as store:
            await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            await asyncio.sleep(2 * COMMITLOG_SYNC_S)  # until then the only copy is in the node's memory
            ring.nodes[0].kill()
            with pytest.raises(StoreUnavailableError):
                await store.read(["user:1"])
            await asyncio.to_thread(ring.nodes[0].start)
            await asyncio.to_thread(ring.nodes[0].wait_ready)
            assert await until_it_answers(store, "user:1") < 10.0
            await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            assert (await store.read(["user:1"]))["user:1"].epoch == 2
            await until_alive(store.feed)
            assert [move.epoch for move in (await store.history(0.0)).moves] == [2]

    asyncio.run(asyncio.wait_for(scenario(), 90.0))
