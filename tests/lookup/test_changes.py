"""Following the feed: what is applied, what counts as missed, and what a gap holds up."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookup.assignment import Assignment, State
from lookup.changes import FRESH_FOR_S
from lookup.flags import Flag
from lookup.moves import Position
from lookup.outbox import FeedNotBegunError
from lookup.ports import KeyMove, StoreUnavailableError
from lookup.resolution import Hint
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import NOW_S, FakeFeed, FakeStore, home
from tests.lookup.feed_follower import beat, claim, flagged, following, moved


@asynchronous
async def test_a_change_updates_memory_and_overrules_claims() -> None:
    feed = FakeFeed()
    async with following(FakeStore(home("user:1")), feed) as worker:
        await worker.resolver.resolve("user:1", None, NOW_S, safe=True)
        feed.send(beat(7), moved(8, home("user:1", "cell-b", 2)))
        await until(lambda: worker.follower.is_caught_up)

        def cell() -> str:
            found = worker.resolver.recall("user:1", claim(), NOW_S, safe=False)
            return "" if found is None else found.cell

        await until(lambda: cell() == "cell-b")
        assert worker.follower.gaps == 0


@asynchronous
async def test_moves_are_known_for_as_long_as_a_claim_lives() -> None:
    feed, old = FakeFeed(), Hint("cell-a", 1, NOW_S - 3000)  # a claim lives for 3,600 s
    feed.moves = [KeyMove("user:1", 2, NOW_S - 3500, "cell-a")]
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        assert worker.believes("user:9", old)
        assert not worker.believes("user:1", old)


@asynchronous
async def test_a_hole_makes_memory_due_and_reads_history_and_flags_again() -> None:
    feed, store = FakeFeed(), FakeStore(home("user:1"))
    async with following(store, feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        await worker.resolver.resolve("user:1", None, NOW_S, safe=True)
        feed.moves = [KeyMove("user:1", 2, NOW_S - 10, "cell-a")]
        await store.set_flag("cell-b", Flag.DOWN, reason="", author="ann", now_s=NOW_S)
        feed.send(moved(9, home("user:5", "cell-c", 3)))
        await until(lambda: worker.follower.gaps == 1 and worker.follower.is_caught_up)
        await until(lambda: worker.believes("user:9", claim()))
        assert worker.resolver.recall("user:1", None, NOW_S, safe=False) is None
        assert not worker.believes("user:1", claim())
        assert not worker.believes("user:5", claim()), "the change that showed the hole counts too"
        assert worker.board.flags == {"cell-b": Flag.DOWN}


@asynchronous
async def test_a_heartbeat_that_is_ahead_shows_a_lost_tail() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7), beat(8))
        await until(lambda: worker.follower.gaps == 1)


@asynchronous
async def test_another_generation_is_a_gap() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7), beat(7, "g2"))
        await until(lambda: worker.follower.gaps == 1)


@asynchronous
async def test_a_reconnect_that_missed_nothing_is_no_gap() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7), StoreUnavailableError("broken"), beat(7), moved(8, home("user:1", "cell-b", 2)))
        await until(lambda: feed.follows == 2 and not worker.believes("user:1", claim()))
        await until(lambda: worker.believes("user:2", claim()))
        assert worker.follower.gaps == 0
        assert worker.board.replacements == 1


@asynchronous
async def test_a_reconnect_that_missed_changes_is_a_gap() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7), StoreUnavailableError("broken"), beat(9))
        await until(lambda: worker.follower.gaps == 1)


@asynchronous
async def test_it_reconnects_ever_more_patiently_and_quickly_again_after_a_success() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(*[StoreUnavailableError("down")] * 12)
        await until(lambda: len(worker.pauses_s) == 12)
        assert worker.pauses_s[0] <= 0.05
        assert worker.pauses_s[4] > worker.pauses_s[0]
        assert max(worker.pauses_s) <= 5.0
        assert len(set(worker.pauses_s)) == 12, "jittered"
        feed.send(beat(7), StoreUnavailableError("down"))
        await until(lambda: len(worker.pauses_s) == 13)
        assert worker.pauses_s[12] <= 0.05


@asynchronous
async def test_when_the_truth_fails_after_a_gap_it_is_asked_again() -> None:
    feed, store = FakeFeed(), FakeStore()
    store.failure = StoreUnavailableError("down")
    async with following(store, feed) as worker:
        feed.send(beat(7))
        await until(lambda: len(worker.pauses_s) == 1)
        assert not worker.follower.is_caught_up
        store.failure = None
        feed.send(beat(7))
        await until(lambda: worker.follower.is_caught_up)
        assert worker.board.replacements == 1


@asynchronous
async def test_whatever_fails_it_goes_on_following(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, store = FakeFeed(), FakeStore()
    async with following(store, feed) as worker:
        with monkeypatch.context() as patched:
            patched.setattr(worker.board, "changed", None)
            feed.send(beat(7), flagged(8, 1, Flag.DOWN))
            await until(lambda: len(worker.pauses_s) == 1)
        await store.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)
        feed.send(beat(8))
        await until(lambda: worker.board.flags == {"cell-a": Flag.DOWN})
        assert worker.follower.gaps == 1


@asynchronous
async def test_the_position_is_that_of_the_last_change_taken_while_the_feed_is_fresh() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        assert worker.follower.position is None
        feed.send(beat(7), flagged(8, 1, Flag.DOWN))
        await until(lambda: worker.follower.position == Position("g1", 8))
        worker.now_s += FRESH_FOR_S
        assert worker.follower.position is None


@asynchronous
async def test_a_write_under_way_is_held_by_its_users_move_and_by_any_gap() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.position == Position("g1", 7))
        for key in ("user:1", "user:2"):
            worker.fence.enter(key)
        assert not worker.fence.held(0.0)
        feed.send(moved(8, Assignment("user:1", "cell-a", "eu", 2, State.MOVING, "cell-b")))
        await until(lambda: worker.follower.position == Position("g1", 8))
        assert worker.fence.held(0.0) == {"user:1"}
        feed.send(beat(99))
        await until(lambda: worker.follower.position == Position("g1", 99))
        assert worker.fence.held(0.0) == {"user:1", "user:2"}


@asynchronous
async def test_while_a_gap_is_being_closed_no_claim_is_believed_and_no_write_goes_by_memory() -> None:
    feed = FakeFeed()
    async with following(FakeStore(home("user:1")), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.believes("user:9", claim()))
        await worker.resolver.resolve("user:1", None, NOW_S, safe=True)
        assert worker.resolver.recall("user:1", None, NOW_S, safe=False) is not None
        feed.history_gate.clear()
        feed.send(beat(9))
        await until(lambda: worker.follower.gaps == 1)
        assert not worker.believes("user:9", claim())
        assert worker.resolver.recall("user:1", None, NOW_S, safe=False) is None
        feed.history_gate.set()
        await until(lambda: worker.believes("user:9", claim()))


@asynchronous
async def test_a_write_that_enters_while_a_gap_is_closed_is_held_too() -> None:
    feed = FakeFeed()
    async with following(FakeStore(), feed) as worker:
        feed.send(beat(7))
        await until(lambda: worker.follower.position == Position("g1", 7))
        feed.history_gate.clear()
        feed.send(beat(9))
        await until(lambda: worker.follower.gaps == 1)
        worker.fence.enter("user:1")
        worker.fence.enter("user:2")
        worker.fence.leave("user:2", True, 0.0)
        assert worker.follower.position is None
        feed.history_gate.set()
        await until(lambda: worker.follower.position == Position("g1", 9))
        assert worker.fence.held(0.0) == {"user:1", "user:2"}


@asynchronous
async def test_flags_reach_the_listener_in_order_and_never_an_older_one() -> None:
    feed, store = FakeFeed(), FakeStore()
    await store.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)
    await store.set_flag("cell-a", Flag.SERVING, reason="", author="ann", now_s=NOW_S)
    async with following(store, feed) as worker:
        feed.send(beat(7), flagged(8, 1, Flag.DOWN), flagged(9, 3, Flag.DOWN))
        await until(lambda: worker.board.flags == {"cell-a": Flag.DOWN})
        assert [record.version for record in worker.board.changes] == [3]


@asynchronous
async def test_a_flag_set_through_another_store_object_arrives_through_the_real_feed(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    operator = await SqliteStore.open(tmp_path / "home.sqlite")
    async with following(store, store) as worker:
        await until(lambda: worker.follower.is_caught_up)
        for number in range(300):
            flag = Flag.DOWN if number % 2 else Flag.SERVING
            await operator.set_flag("cell-a", flag, reason="", author="ann", now_s=NOW_S)
        await until(lambda: worker.board.flags == {"cell-a": Flag.DOWN} and len(worker.board.changes) == 300)
        assert worker.follower.gaps == 0
    await operator.close()
    await store.close()


def test_a_feed_that_stays_away_is_told_of_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @asynchronous
    async def outage() -> None:
        feed = FakeFeed()
        async with following(FakeStore(), feed) as worker:
            feed.send(beat(7), *[StoreUnavailableError("nobody answers")] * 30)
            await until(lambda: len(worker.pauses_s) == 30)
            feed.send(beat(7), beat(7))
            await until(lambda: len(caplog.messages) > 1)

    outage()
    assert caplog.messages == [
        "the change feed broke, and is tried again and again: nobody answers",
        "the change feed is followed again",
    ]


def test_a_feed_that_nobody_has_begun_yet_is_not_called_broken(caplog: pytest.LogCaptureFixture) -> None:
    @asynchronous
    async def fresh() -> None:
        feed = FakeFeed()
        async with following(FakeStore(), feed) as worker:
            feed.send(*[FeedNotBegunError()] * 9)
            await until(lambda: len(worker.pauses_s) == 9)

    fresh()
    assert caplog.messages == [str(FeedNotBegunError())]
