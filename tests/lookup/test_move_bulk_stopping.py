"""When a bulk move begins no more, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from lookup.move_fates import Fate, Outcome, Stop
from lookup.move_list import Wish
from lookup.ports import StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.bulk_bench import ORDER, bulk_bench, users, wishes


@asynchronous
async def test_no_more_begin_when_too_many_fail(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 100) as b:
        b.failing = set(users(100)[20:])
        outcome = await b.bulk(replace(ORDER, parallel=1)).run(wishes(*users(100)))
        assert outcome == Outcome(Stop.FAILURES)
        assert b.fates() == {Fate.MOVED: 20, Fate.GIVEN_UP: 11}
        assert await b.store.count_by_cell() == {"cell-a": 80, "cell-b": 20}
        assert list(await b.store.moves(open_only=True, limit=10)) == []


@asynchronous
async def test_refusals_stop_nothing(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 5) as b:
        nobody = [f"user:none-{number}" for number in range(50)]
        assert await b.bulk().run(wishes(*nobody, *users(5))) == Outcome(Stop.NOT)
        assert b.fates() == {Fate.REFUSED: 50, Fate.MOVED: 5}


@asynchronous
async def test_told_to_stop_it_begins_no_more_and_ends_what_is_under_way(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 50) as b:
        b.gate.clear()
        bulk = b.bulk()
        running = asyncio.create_task(bulk.run(wishes(*users(50))))
        await until(lambda: len(b.hooks) == 8)
        bulk.stop()
        assert bulk.under_way == 8
        b.gate.set()
        assert await running == Outcome(Stop.ASKED)
        assert b.fates() == {Fate.MOVED: 8}
        await b.bulk().run(wishes(*users(50)))
        await b.insist_on_moved_once(users(50))


@asynchronous
async def test_told_to_stop_it_waits_for_nobodys_turn(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 20) as b:

        async def for_ever(_: float) -> None:
            await asyncio.Event().wait()

        bulk = b.bulk(per_s=0.001, pause=for_ever)
        running = asyncio.create_task(bulk.run(wishes(*users(20))))
        await until(lambda: len(b.endings) == 1)
        bulk.stop()
        assert await running == Outcome(Stop.ASKED)
        assert b.fates() == {Fate.MOVED: 1}


@asynchronous
async def test_cut_short_it_leaves_open_moves_that_the_next_run_ends(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 20) as b:
        b.gate.clear()
        bulk = b.bulk()
        running = asyncio.create_task(bulk.run(wishes(*users(20))))
        await until(lambda: len(b.hooks) == 8)
        running.cancel()
        await asyncio.wait((running,))
        assert len(await bulk.left_open()) == 8
        b.gate.set()
        await b.bulk(holder="bob").run(wishes(*users(20)))
        await b.insist_on_moved_once(users(20))


@asynchronous
async def test_told_to_stop_it_waits_for_no_list_that_looks_for_its_next(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 5) as b:

        async def endless() -> AsyncIterator[Wish]:
            yield Wish("user:1")
            await asyncio.Event().wait()

        bulk = b.bulk()
        running = asyncio.create_task(bulk.run(endless()))
        await until(lambda: len(b.endings) == 1)
        bulk.stop()
        assert await asyncio.wait_for(running, 10.0) == Outcome(Stop.ASKED)


@asynchronous
async def test_a_store_that_stays_away_ends_the_run_and_says_so(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 5) as b:
        other = await SqliteStore.open(tmp_path / "home.sqlite")
        bulk = b.bulk(store=other)
        await other.close()
        outcome = await bulk.run(wishes(*users(5)))
        assert outcome.stop is Stop.STORE
        assert isinstance(outcome.failure, StoreUnavailableError)
        assert b.fates() == {}


@asynchronous
async def test_a_store_that_fails_once_is_asked_again(tmp_path: Path) -> None:
    class Moody(SqliteStore):
        failures = 0

        async def compare_and_set(self, new: object, expected_epoch: int) -> None:
            self.failures += 1
            if self.failures == 3:
                raise StoreUnavailableError("busy")
            await super().compare_and_set(new, expected_epoch)  # type: ignore[arg-type]  # passed on

    async with bulk_bench(tmp_path, 5) as b:
        moody = await Moody.open(tmp_path / "home.sqlite")
        assert await b.bulk(store=moody).run(wishes(*users(5))) == Outcome(Stop.NOT)
        await b.insist_on_moved_once(users(5))
        await moody.close()
