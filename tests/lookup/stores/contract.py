"""What every store must do: subclasses say how to open one. Run against the real thing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import ClassVar, Protocol

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.flags import Flag
from lookup.ports import Change, ChangeFeed, EpochConflictError, Store, StoreUnavailableError
from lookup.writer import place
from tests.lookup.asynchronous import asynchronous, stalls
from tests.lookup.fakes import NOW_S, home


class FeedingStore(Store, ChangeFeed, Protocol):
    """A store with its feed."""


OpenStore = Callable[[], AbstractAsyncContextManager[FeedingStore]]


async def next_change(changes: AsyncGenerator[Change, None]) -> Change:
    """The next event that is no heartbeat."""
    async for change in changes:
        if not change.is_heartbeat:
            return change
    raise AssertionError("the feed ended")


class StoreContract:
    """Each test begins with an empty store; each call of fixture `open_store` opens that one store."""

    very_many: ClassVar[int] = 20_000

    @asynchronous
    async def test_reads_only_what_has_a_record(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.load([home("user:1", "cell-a"), home("user:2", "cell-b")])
            assert await store.read(["user:2", "user:3"]) == {"user:2": home("user:2", "cell-b")}
            assert await store.read([]) == {}

    @asynchronous
    async def test_confirms_what_another_has_written_just_now(self, open_store: OpenStore) -> None:
        async with open_store() as one, open_store() as two:
            assert await one.confirm([]) == {}
            assert await one.confirm(["user:1"]) == {}
            await one.load([home("user:1", "cell-0", 1), home("user:2")])
            for epoch in range(2, 12):
                writer, asker = (one, two) if epoch % 2 else (two, one)
                written = home("user:1", f"cell-{epoch}", epoch)
                await writer.compare_and_set(written, epoch - 1)
                assert await asker.confirm(["user:1"]) == {"user:1": written}
            found = await two.confirm(["user:1", "user:2", "user:3"])
            assert found == {"user:1": home("user:1", "cell-11", 11), "user:2": home("user:2")}

    @asynchronous
    async def test_confirms_many_keys_at_once(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            keys = [f"user:{number}" for number in range(300)]
            await store.load(home(key) for key in keys)
            assert await store.confirm([*keys, "user:x"]) == {key: home(key) for key in keys}

    @asynchronous
    async def test_reads_very_many_keys_at_once(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            keys = [f"user:{number}" for number in range(self.very_many)]
            await store.load(home(key) for key in keys)
            assert len(await store.read([*keys, "user:x"])) == self.very_many

    @asynchronous
    async def test_keeps_every_field_of_a_record(self, open_store: OpenStore) -> None:
        record = Assignment("email:ö@x", "cell-a", "us", 7, State.MOVING, "cell-b", NOW_S + 0.25)
        async with open_store() as store:
            await store.compare_and_set(record, NO_EPOCH)
        async with open_store() as store:
            assert await store.read([record.key]) == {record.key: record}

    @asynchronous
    async def test_compare_and_set_writes_only_upon_the_expected_epoch(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            for expected in (NO_EPOCH, 1, 3):
                with pytest.raises(EpochConflictError) as conflict:
                    await store.compare_and_set(home("user:1", "cell-c", 4), expected)
                assert conflict.value.current == home("user:1", "cell-b", 2)
            with pytest.raises(EpochConflictError) as missing:
                await store.compare_and_set(home("user:2", "cell-c", 2), 1)
            assert missing.value.current is None
            assert await store.read(["user:1", "user:2"]) == {"user:1": home("user:1", "cell-b", 2)}

    @asynchronous
    async def test_an_epoch_never_goes_back(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.compare_and_set(home("user:1", "cell-a", 5), NO_EPOCH)
            with pytest.raises(ValueError, match="epoch 5"):
                await store.compare_and_set(home("user:1", "cell-b", 5), 5)

    @asynchronous
    async def test_of_many_writers_of_one_key_one_wins_each_epoch(self, open_store: OpenStore) -> None:
        async with open_store() as one, open_store() as two:
            stores = [one, two]

            async def attempt(number: int) -> bool:
                try:
                    await stores[number % 2].compare_and_set(home("user:1", f"cell-{number}"), NO_EPOCH)
                except EpochConflictError:
                    return False
                return True

            won = await asyncio.gather(*(attempt(number) for number in range(20)))
            assert sum(won) == 1
            assert (await one.read(["user:1"]))["user:1"].cell == f"cell-{won.index(True)}"

    @asynchronous
    async def test_a_user_placed_twice_at_once_gets_one_home(self, open_store: OpenStore) -> None:
        async with open_store() as one, open_store() as two:
            placed = await asyncio.gather(
                place(one, "user:1", "cell-a", "eu", NOW_S), place(two, "user:1", "cell-b", "eu", NOW_S)
            )
            assert placed[0] == placed[1]
            assert (await one.read(["user:1"]))["user:1"] == placed[0]

    @asynchronous
    async def test_load_skips_keys_that_exist_and_counts_what_it_wrote(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.compare_and_set(home("user:1", "cell-b", 3), NO_EPOCH)
            assert await store.load([home("user:1", "cell-a"), home("user:2", "cell-a")]) == 1
            assert (await store.read(["user:1"]))["user:1"].epoch == 3
            assert await store.count_by_cell() == {"cell-a": 1, "cell-b": 1}

    @asynchronous
    async def test_keeps_flags_with_a_version_per_cell(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.set_flag("cell-a", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
            second = await store.set_flag(
                "cell-a", Flag.SERVING, reason="out", author="bob", now_s=NOW_S + 1, expires_at_s=NOW_S + 9
            )
            await store.set_flag("cell-b", Flag.DOWN, reason="", author="bob", now_s=NOW_S)
            assert second.version == 2
        async with open_store() as store:
            flags = await store.flags()
            assert flags["cell-a"] == second
            assert flags["cell-b"].flag is Flag.DOWN

    @asynchronous
    async def test_the_feed_begins_with_where_it_stands_and_tells_changes_in_order(
        self, open_store: OpenStore
    ) -> None:
        async with open_store() as store, open_store() as other:
            await store.compare_and_set(home("user:0"), NO_EPOCH)
            async with aclosing(store.follow()) as changes:
                start = await anext(changes)
                assert start.assignment is None
                assert start.flag is None
                await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
                await other.compare_and_set(home("user:1", "cell-b", 2), 1)
                flagged = await other.set_flag("cell-a", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
                told = [await next_change(changes) for _ in range(3)]
            assert [change.sequence - start.sequence for change in told] == [1, 2, 3]
            assert {change.generation for change in told} == {start.generation}
            assert [change.assignment for change in told] == [
                home("user:1", "cell-a", 1),
                home("user:1", "cell-b", 2),
                None,
            ]
            assert [change.left_cell for change in told] == ["", "cell-a", ""]
            assert told[2].flag == flagged

    @asynchronous
    async def test_a_refused_write_leaves_no_trace_in_the_feed(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            async with aclosing(store.follow()) as changes:
                start = await anext(changes)
                await store.compare_and_set(home("user:1"), NO_EPOCH)
                with pytest.raises(EpochConflictError):
                    await store.compare_and_set(home("user:1", "cell-b", 2), NO_EPOCH)
                await store.compare_and_set(home("user:1", "cell-c", 2), 1)
                told = [await next_change(changes) for _ in range(2)]
            assert [change.sequence for change in told] == [start.sequence + 1, start.sequence + 2]
            assert told[1].assignment == home("user:1", "cell-c", 2)

    @asynchronous
    async def test_an_idle_feed_beats_with_the_last_sequence(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.compare_and_set(home("user:1"), NO_EPOCH)
            async with aclosing(store.follow()) as changes:
                start = await anext(changes)
                async with stalls() as stalled:
                    begun_s = time.monotonic()
                    assert await anext(changes) == start
                    assert time.monotonic() - begun_s < 1.0 + stalled.seconds

    @asynchronous
    async def test_several_followers_are_told_the_same(self, open_store: OpenStore) -> None:
        async with (
            open_store() as store,
            aclosing(store.follow()) as one,
            aclosing(store.follow()) as two,
        ):
            await anext(one)
            await store.compare_and_set(home("user:1"), NO_EPOCH)
            await anext(two)
            await store.compare_and_set(home("user:2"), NO_EPOCH)
            assert (await next_change(one)).assignment == home("user:1")
            assert (await next_change(one)).assignment == home("user:2")
            assert (await next_change(two)).assignment == home("user:2")

    @asynchronous
    async def test_the_history_tells_moves_and_no_first_placements(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.compare_and_set(home("user:1", "cell-a", 1, NOW_S), NO_EPOCH)
            await store.compare_and_set(home("user:1", "cell-b", 2, NOW_S + 1), 1)
            await store.compare_and_set(home("user:1", "cell-c", 3, NOW_S + 2), 2)
            history = await store.history(0.0)
            assert history.covers_since_s == 0.0
            assert [(m.key, m.epoch, m.moved_at_s, m.left_cell) for m in history.moves] == [
                ("user:1", 2, NOW_S + 1, "cell-a"),
                ("user:1", 3, NOW_S + 2, "cell-b"),
            ]
            later = await store.history(NOW_S + 1)
            assert later.covers_since_s == NOW_S + 1
            assert [move.epoch for move in later.moves] == [3]

    @asynchronous
    async def test_a_restored_record_that_had_moved_shortens_the_history(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.load([home("user:1", "cell-b", 4, NOW_S + 7)])
            assert (await store.history(0.0)).covers_since_s == NOW_S + 7

    @asynchronous
    async def test_a_restored_record_from_the_future_shortens_the_history_no_further_than_to_now(
        self, open_store: OpenStore
    ) -> None:
        async with open_store() as store:
            await store.load([home("user:1", "cell-b", 4, time.time() + 1e8)])
            covers_since_s = (await store.history(0.0)).covers_since_s
            assert time.time() - 60 < covers_since_s < time.time() + 60

    @asynchronous
    async def test_a_closed_store_is_unavailable_and_its_followers_learn_of_it(
        self, open_store: OpenStore
    ) -> None:
        async with open_store() as store:
            changes = store.follow()
            await anext(changes)
            await store.close()
            with pytest.raises(StoreUnavailableError):
                await next_change(changes)
            with pytest.raises(StoreUnavailableError):
                await store.read(["user:1"])
            await store.close()

    @asynchronous
    async def test_a_cancelled_reading_disturbs_no_other(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            keys = [f"user:{number}" for number in range(200)]
            await store.load(home(key, f"cell-{key}") for key in keys)
            readings = [(key, asyncio.create_task(store.read([key]))) for key in keys]
            await asyncio.sleep(0)
            for _, reading in readings[::3]:
                reading.cancel()
            for index, (key, reading) in enumerate(readings):
                if index % 3:
                    assert (await reading)[key].cell == f"cell-{key}"
