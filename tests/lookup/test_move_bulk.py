"""Many users moved as one operation: each once, and none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from lookup.assignment import NO_EPOCH, Alias
from lookup.flags import Flag
from lookup.move_fates import Ending, Fate, Outcome, Stop, member_operation
from lookup.move_list import Wish
from lookup.moves import MoveOrder
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.bulk_bench import ORDER, bulk_bench, users, wishes
from tests.lookup.fakes import NOW_S, home


@asynchronous
async def test_every_user_of_the_list_is_moved_once_and_the_rest_stays(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 120) as b:
        moving = users(100)
        assert await b.bulk().run(wishes(*moving)) == Outcome(Stop.NOT)
        assert b.fates() == {Fate.MOVED: 100}
        await b.insist_on_moved_once(moving)
        assert await b.store.count_by_cell() == {"cell-a": 20, "cell-b": 100}
        assert list(await b.store.moves(open_only=True, limit=10)) == []


@asynchronous
async def test_the_same_operation_again_moves_nobody_twice(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 10) as b:
        await b.bulk().run(wishes(*users(6)))
        await b.bulk().run(wishes(*users(10)))
        assert b.fates() == {Fate.MOVED: 10, Fate.THERE: 6}
        await b.insist_on_moved_once(users(10))
        await b.bulk(replace(ORDER, operation="back"), "cell-a").run(wishes("user:1"))
        b.fates()
        await b.bulk().run(wishes("user:1"))
        (ending,) = b.endings
        assert ending.reason == "was moved to cell-b by this operation, and has left it"
        assert (await b.record("user:1")).epoch == 5


@asynchronous
async def test_what_this_operation_gave_up_only_another_one_tries_again(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 3) as b:
        b.failing = {"user:1"}
        await b.bulk().run(wishes(*users(3)))
        assert b.fates() == {Fate.MOVED: 2, Fate.GIVEN_UP: 1}
        b.failing.clear()
        await b.bulk().run(wishes("user:1"))
        assert b.endings == [
            Ending(
                Wish("user:1"),
                Fate.REFUSED,
                "cell-b",
                "was given up by this operation before: disk full",
            )
        ]
        await b.bulk(replace(ORDER, operation="bulk-2")).run(wishes("user:1"))
        assert (await b.record("user:1")).cell == "cell-b"


@asynchronous
async def test_after_a_crash_the_next_run_ends_what_was_open_and_does_the_rest(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 30) as b:
        crashed = await SqliteStore.open(tmp_path / "home.sqlite")
        b.gate.clear()
        crash = asyncio.create_task(b.bulk(holder="dead", store=crashed).run(wishes(*users(30))))
        await until(lambda: len(b.hooks) == 8)
        moving = b.hooks[:]
        await crashed.close()  # its last words don't reach the log: it holds the moves as a dead one does
        crash.cancel()
        await asyncio.wait((crash,))
        open_moves = await b.store.moves(open_only=True, limit=100)
        assert {(move.order.key, move.holder) for move in open_moves} == {(key, "dead") for key in moving}
        b.gate.set()
        begun_at_s = b.now_s
        assert await b.bulk(holder="bob").run(wishes(*users(30))) == Outcome(Stop.NOT)
        assert b.fates() == {Fate.MOVED: 30}
        assert b.now_s - begun_at_s < 16.0
        await b.insist_on_moved_once(users(30))
        assert list(await b.store.moves(open_only=True, limit=10)) == []


@asynchronous
async def test_a_move_that_somebody_else_carries_out_is_left_to_them(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 3) as b:
        operation = member_operation("bulk-1", "user:1")
        await b.store.note_move(MoveOrder(operation, "user:1", "cell-b"), await b.record("user:1"), NOW_S)
        await b.store.hold_move(operation, "bob", NOW_S, NOW_S + 1000.0, False)
        await b.bulk().run(wishes(*users(3)))
        assert {ending.wish.key: ending.fate for ending in b.endings} == {
            "user:0": Fate.MOVED,
            "user:1": Fate.OPEN,
            "user:2": Fate.MOVED,
        }
        assert (await b.record("user:1")).epoch == 1


@asynchronous
async def test_a_user_who_stands_twice_in_the_list_is_moved_once(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 1) as b:
        await b.bulk().run(wishes("user:0", "user:0", Wish("user:0", "cell-c")))
        assert b.fates() == {Fate.MOVED: 1, Fate.THERE: 1, Fate.REFUSED: 1}
        await b.insist_on_moved_once(["user:0"])


@asynchronous
async def test_a_user_who_stands_in_the_list_by_two_names_is_copied_once(tmp_path: Path) -> None:
    """Two copies at once: the home would change when one is complete, while the other one still writes."""
    async with bulk_bench(tmp_path, 1) as b:
        await b.store.set_alias(Alias("email:ann@b.example", "user:0", 1, NOW_S), NO_EPOCH)
        b.gate.clear()
        bulk = b.bulk()
        running = asyncio.create_task(bulk.run(wishes("user:0", "email:ann@b.example", "user:0")))
        await until(lambda: b.hooks != [] and bulk.under_way == 2)
        b.gate.set()
        await running
        assert b.hooks == ["user:0"]
        assert b.fates() == {Fate.MOVED: 1, Fate.THERE: 2}
        await b.insist_on_moved_once(["user:0"])


@asynchronous
async def test_a_line_that_wants_another_cell_than_an_open_move_is_refused(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 1) as b:
        operation = member_operation("bulk-1", "user:0")
        await b.store.note_move(MoveOrder(operation, "user:0", "cell-b", "copy"), home("user:0"), NOW_S)
        await b.bulk().run(wishes(Wish("user:0", "cell-b"), Wish("user:0", "cell-c")))
        assert b.fates() == {Fate.MOVED: 1, Fate.REFUSED: 1}


@asynchronous
async def test_open_moves_of_earlier_runs_are_ended_before_the_list_is_asked(tmp_path: Path) -> None:
    """A cell's operation has another name once its flag has changed."""
    async with bulk_bench(tmp_path, 12) as b:
        await b.store.load([home("user:x", "cell-a-2")])
        b.gate.clear()
        crashes = (
            b.bulk(replace(ORDER, operation="evacuate-cell-a-1"), holder="dead").run(wishes(*users(4))),
            b.bulk(replace(ORDER, operation="evacuate-cell-a-2-1"), holder="dead").run(wishes("user:x")),
        )
        for number, crash in enumerate(crashes):
            crashing = asyncio.create_task(crash)
            await until(lambda so_many=4 + number: len(b.hooks) == so_many)  # type: ignore[misc]  # bound now
            crashing.cancel()
            await asyncio.wait((crashing,))
        b.gate.set()
        order = replace(ORDER, operation="evacuate-cell-a-2", leaving="cell-a", former="evacuate-cell-a-")
        bulk = b.bulk(replace(order, parallel=1))
        assert {move.order.key for move in await bulk.left_open()} == set(users(4))
        open_when_asked: list[str] = []

        async def listing() -> AsyncIterator[Wish]:
            open_when_asked.extend(move.order.key for move in (await bulk.left_open())[1:])
            for key in users(12):
                yield Wish(key)

        assert await bulk.run(listing()) == Outcome(Stop.NOT)
        assert open_when_asked == []
        assert b.fates() == {Fate.MOVED: 12}
        await b.insist_on_moved_once(users(12))
        (other,) = await b.store.moves(open_only=True, limit=10)
        assert other.order.key == "user:x"


@asynchronous
async def test_no_more_are_moved_than_the_limit_over_all_runs(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 30) as b:
        for most, moved in ((5, 5), (5, 0), (12, 7)):
            await b.bulk(replace(ORDER, most=most)).run(wishes(*users(30)))
            assert b.fates()[Fate.MOVED] == moved
        assert (await b.store.count_by_cell())["cell-b"] == 12


@asynchronous
async def test_a_cell_that_stops_serving_meanwhile_gets_nobody_more(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 40) as b:
        b.gate.clear()
        running = asyncio.create_task(b.bulk().run(wishes(*users(40))))
        await until(lambda: len(b.hooks) == 8)
        await b.store.set_flag("cell-b", Flag.DOWN, reason="fire", author="ann", now_s=b.now_s)
        b.now_s += 1.0
        b.gate.set()
        assert await running == Outcome(Stop.NOT)
        assert b.fates() == {Fate.MOVED: 8, Fate.REFUSED: 32}
        assert (await b.store.count_by_cell())["cell-b"] == 8


@asynchronous
async def test_the_rate_is_kept(tmp_path: Path) -> None:
    async with bulk_bench(tmp_path, 21) as b:
        begun_at_s = b.now_s
        await b.bulk(replace(ORDER, parallel=1), per_s=10.0).run(wishes(*users(21)))
        noted = sorted(move.begun_at_s for move in await b.store.moves(open_only=False, limit=100))
        assert len(noted) == 21
        assert noted[-1] - begun_at_s >= 2.0 - 1e-3
        assert all(noted[index + 10] - noted[index] >= 1.0 - 1e-3 for index in range(11))
