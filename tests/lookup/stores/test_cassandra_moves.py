"""Moves and leases on Cassandra when answers, drivers and feeds are lost. One node, and the feed on Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from bench.servers.redis import RedisServer
from lookup.assignment import NO_EPOCH, State
from lookup.feed_event import FeedEvent
from lookup.fence import Fence
from lookup.lease_keeper import LeaseKeeper
from lookup.leases import Lease
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Event, Move, MoveOrder, Position, Step
from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.redis_clients import RedisSettings
from lookup.redis_publisher import RedisPublisher
from lookup.stores.cassandra_moves import Moves, _Noted
from lookup.stores.cassandra_requests import TooManyTombstonesError
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_truth import CassandraTruth
from lookup.tasks import end_tasks
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import opened
from tests.lookup.stores.truth import Truth

pytestmark = pytest.mark.slow

LINGER_S = 0.1


@asynccontextmanager
async def without_relay(settings: CassandraSettings, redis: RedisSettings) -> AsyncIterator[CassandraTruth]:
    """A truth with a feed that nobody else tells anything."""
    publisher = RedisPublisher(redis)
    await publisher.begin(0.0)
    await publisher.complete()
    truth = await CassandraTruth.open(settings, publisher)
    try:
        yield truth
    finally:
        await truth.close()
        await publisher.close()


def order(operation: str, key: str = "user:1") -> MoveOrder:
    return MoveOrder(operation, key, "cell-b")


class LosesAnswers(Moves):
    """Writes, and then does not say so; `writes` False: did not even write."""

    writes = True

    async def _try_write(self, move: Move, former: _Noted | None, token: UUID) -> bool:
        if self.writes:
            await super()._try_write(move, former, token)
        raise StoreUnavailableError("timed out")


@asynchronous
async def test_a_change_of_a_move_that_timed_out_is_looked_up(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with without_relay(settings, redis) as truth:
        good, losing = truth._moves, LosesAnswers(truth._session, settings)
        truth._moves = losing
        move = await truth.note_move(order("op-1"), home("user:1"), NOW_S)
        held = await truth.hold_move("op-1", "ann", NOW_S, NOW_S + 15, False)
        fenced = await truth.advance_move(held, Event.FENCED, "ann", NOW_S)
        assert fenced == replace(move, holder="ann", held_until_s=NOW_S + 15, step=Step.FENCING)
        losing.writes = False
        with pytest.raises(StoreUnavailableError, match="did not decide"):
            await truth.advance_move(fenced, Event.ACKNOWLEDGED, "ann", NOW_S)
        truth._moves = good
        assert await truth.move("op-1") == fenced
        assert (await truth.advance_move(fenced, Event.ACKNOWLEDGED, "ann", NOW_S)).step is Step.COPYING


class IsSlow(Moves):
    """Others do something first, before it notes its first move."""

    others: Callable[[], Awaitable[object]] | None = None

    async def _try_write(self, move: Move, former: _Noted | None, token: UUID) -> bool:
        others, self.others = self.others, None
        if others is not None:
            await others()
        return await super()._try_write(move, former, token)


@asynchronous
async def test_who_is_slow_to_note_a_move_does_not_begin_it_again_after_others_have_ended_it(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    two = await CassandraTruth.open(settings, None)
    async with without_relay(settings, redis) as one:

        async def note_and_end() -> None:
            await two.note_move(order("op-1"), home("user:1"), NOW_S)
            held = await two.hold_move("op-1", "bob", NOW_S, NOW_S + 15, False)
            await two.advance_move(held, Event.OVERTAKEN, "bob", NOW_S)

        one._moves = slow = IsSlow(one._session, settings)
        slow.others = note_and_end
        found = await one.note_move(order("op-1"), home("user:1"), NOW_S + 1, "ann", NOW_S + 16)
        assert found.step is Step.ABORTED
        assert await two.move("op-1") == found
    await two.close()


@asynchronous
async def test_who_died_before_it_noted_its_move_stands_in_nobodys_way(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with without_relay(settings, redis) as truth:
        await truth._moves._claim_operation(order("op-1"))
        dying = Move(order("op-1"), "cell-a", "eu", 1, Step.INTENDED, NOW_S, NOW_S)
        await truth._moves._lists.add(dying)
        assert await truth.move("op-1") is None
        assert list(await truth.moves(open_only=False, limit=9)) == []
        with pytest.raises(MoveTakenError):
            await truth.hold_move("op-1", "ann", NOW_S, NOW_S + 15, False)
        with pytest.raises(StoreUnavailableError, match="use another operation id"):
            await truth.note_move(order("op-1", "user:2"), home("user:2"), NOW_S)
        second = await truth.note_move(order("op-2"), home("user:1"), NOW_S + 1)
        with pytest.raises(MoveInProgressError):
            await truth.note_move(order("op-1"), home("user:1"), NOW_S + 2)
        assert list(await truth.moves(open_only=True, limit=9)) == [second]


@asynchronous
async def test_a_position_covers_what_a_dead_writer_did_not_tell_the_feed(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    silent = await CassandraTruth.open(settings, None)
    async with without_relay(settings, redis) as truth:
        await silent.compare_and_set(home("user:1"), NO_EPOCH)
        begun = await truth.position()
        assert begun.sequence == 0
        told = Position(begun.generation, 1)
        assert await truth.position("user:1") == told
        assert await truth.position("user:1") == told, "by its own operation id it is told once"
        for intent in await silent.pending(time.time()):
            await RedisPublisher(redis).publish([intent.event])
        assert await truth.position() == told
        with pytest.raises(StoreUnusableError, match="without its feed"):
            await silent.position()
    await silent.close()


class LosesEvents(RedisPublisher):
    """The feed is away while it is told the first change."""

    lost = 0

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        if not self.lost:
            self.lost += len(events)
            raise StoreUnavailableError("away")
        return await super().publish(events)


@asynchronous
async def test_a_position_covers_what_its_caller_has_just_written_and_the_feed_was_not_told(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    moving = replace(home("user:1", "cell-a", 2), state=State.MOVING, moved_to="cell-b")
    async with without_relay(settings, redis) as truth:
        await truth.load([home("user:1"), home("user:2")])
        truth._publisher = LosesEvents(redis)
        await truth.compare_and_set(moving, 1)
        begun = await truth.position()
        assert begun.sequence == 0
        assert (await truth.position("user:1", 2)).sequence == 1
        await truth.compare_and_set(replace(moving, key="user:2"), 1)
        assert (await truth.position("user:2", 2)).sequence == 2
        assert (await truth.position("user:2", 2)).sequence == 2, "also if nobody remembers"
        await truth._publisher.close()


@asynchronous
async def test_workers_of_a_feed_that_was_begun_anew_get_leases_and_those_of_the_former_get_none(
    settings: CassandraSettings, redis: RedisSettings, redis_server: RedisServer
) -> None:
    def lease(worker: str, position: Position) -> Lease:
        return Lease(worker, 1, position, frozenset(), NOW_S + 3, LINGER_S)

    async with without_relay(settings, redis) as truth:
        former = await truth.position()
        fence = Position(former.generation, 100)
        assert await truth.in_the_way("user:1", fence, NOW_S, 5.0) == []
        assert not await truth.renew_lease(lease("behind", former))
        with redis_server.client() as client:
            client.flushall()
        async with without_relay(settings, redis) as anew:
            present = await anew.position()
            assert present.generation != former.generation
            assert await anew.renew_lease(lease("new", present))
            assert await anew.renew_lease(lease("beyond", Position(former.generation, 100)))
            assert [w.worker for w in await anew.in_the_way("user:1", after(present), NOW_S, 5.0)] == [
                "behind",
                "beyond",
                "new",
            ]
            late_s = NOW_S + 60.0
            assert await anew.in_the_way("user:1", after(present), late_s, 5.0) == []
            assert not await truth.renew_lease(lease("late", Position(former.generation, 10_000)))
            assert not await anew.renew_lease(lease("lost", Position("of no feed", 10_000)))
            assert await anew.renew_lease(lease("caught-up", after(present)))


def after(position: Position) -> Position:
    return Position(position.generation, position.sequence + 1)


@asynchronous
async def test_an_ended_lease_does_not_come_back_by_a_renewal_on_its_way(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with without_relay(settings, redis) as truth:
        position = await truth.position()
        await truth.renew_lease(Lease("w1", 1, position, frozenset(), NOW_S + 3, LINGER_S))
        await truth.end_lease("w1")
        await truth.renew_lease(Lease("w1", 2, position, frozenset(), NOW_S + 4, LINGER_S))
        assert list(await truth.leases()) == []


class Worker:
    """Follows the feed and keeps a lease, as an edge's worker does."""

    def __init__(self, truth: Truth) -> None:
        self.position: Position | None = None
        self.fence = Fence(LINGER_S)
        self._truth = truth
        self.keeper = LeaseKeeper("w1", truth, self, self.fence, time.time, time.perf_counter)

    async def follow(self) -> None:
        async with aclosing(self._truth.follow()) as changes:
            async for change in changes:
                if change.assignment is not None:
                    self.fence.changed(change.assignment)
                self.position = Position(change.generation, change.sequence)


class Hooks:
    """Notes which hooks ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, hook: str, _move: Move) -> None:
        self.ran.append(hook)


class Waits(MoveListener):
    """Notes for whom the move waited."""

    def __init__(self) -> None:
        self.waited_for: set[str] = set()

    def waiting(self, _move: Move, leases: object) -> None:
        assert isinstance(leases, list)
        self.waited_for.update(lease.worker for lease in leases)


@asynchronous
async def test_a_move_on_cassandra_waits_for_the_worker_that_has_a_write_under_way(
    settings: CassandraSettings, redis: RedisSettings
) -> None:
    async with opened(settings, redis) as truth, opened(settings, redis) as workers_truth:
        await truth.compare_and_set(home("user:1"), NO_EPOCH)
        worker, hooks, waits = Worker(workers_truth), Hooks(), Waits()
        tasks = [asyncio.create_task(work()) for work in (worker.follow, worker.keeper.run)]
        await until(lambda: worker.fence.lease_until_s > time.perf_counter())
        worker.fence.enter("user:1")
        mover = Mover(truth, truth, truth, hooks, "ann", time.time, Patience(), waits)
        await mover.begin(MoveOrder(uuid4().hex, "user:1", "cell-b", "copy", "verify"))
        (noted,) = await truth.moves(open_only=True, limit=1)
        driving = asyncio.create_task(mover.drive(noted.order.operation))
        await until(lambda: waits.waited_for == {"w1"})
        await asyncio.sleep(0.3)
        assert hooks.ran == [], "nothing is copied while a write is under way"
        worker.fence.leave("user:1", False, time.perf_counter())
        assert (await driving).step is Step.DONE
        assert hooks.ran == ["copy", "verify"]
        assert (await truth.confirm(["user:1"]))["user:1"].cell == "cell-b"
        assert [old.epoch for old in await truth.past("user:1")] == [1, 2, 3]
        await end_tasks(tasks)
        await worker.keeper.end()
        assert list(await truth.leases()) == []


@pytest.mark.parametrize("is_day_over", [False, True])
def test_open_moves_are_listed_among_more_ended_ones_than_one_answer_may_pass(
    settings: CassandraSettings, redis: RedisSettings, is_day_over: bool
) -> None:
    """Cassandra gives up an answer at 100,000 deleted rows."""

    @asynchronous
    async def check() -> None:
        delete = (
            f"DELETE FROM {settings.keyspace}.move_open WHERE day = ? AND noted_at_s = ? AND operation = ?"
        )
        day, begins_s = int(NOW_S) // 86_400, NOW_S - NOW_S % 86_400
        async with without_relay(settings, redis) as truth:
            times_s = (
                []
                if is_day_over
                else [begins_s, begins_s + 50_000.0, begins_s + 50_000.0, begins_s + 86_399.0]
            )
            # A day that holds nothing else is known by the list of all moves only.
            await truth.note_move(order("ended", "user:ended"), home("user:ended"), begins_s + 3.0)
            held = await truth.hold_move("ended", "ann", NOW_S, NOW_S + 15, False)
            await truth.advance_move(held, Event.OVERTAKEN, "ann", NOW_S)
            for number, at_s in enumerate(times_s):
                key = f"user:{number}"
                await truth.note_move(order(f"op-{number}", key), home(key), at_s)
            for start in range(0, 105_000, 1000):
                ended = [
                    (day, begins_s + n * 0.8, f"evacuation/user:{n}") for n in range(start, start + 1000)
                ]
                await truth._session.write_together(delete, ended)
            statement = f"SELECT operation FROM {settings.keyspace}.move_open WHERE day = ?"
            with pytest.raises(TooManyTombstonesError):
                await anext(truth._session.scan(statement, (day,)))
            found = await truth.moves(open_only=True, limit=100)
            operations = [move.order.operation for move in found]
            assert operations == ([] if is_day_over else ["op-3", "op-1", "op-2", "op-0"])
            for number, move in enumerate(found):
                after = await truth.moves(open_only=True, limit=1, after=move)
                assert list(after) == found[number + 1 : number + 2]

    check()
