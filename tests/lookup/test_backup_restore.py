"""Backups of the embedded store, put back: nothing is lost, no epoch is lowered, and followers are told."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections import Counter
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookup.assignment import NO_EPOCH, Alias, Assignment, State
from lookup.backup_format import BackupError
from lookup.backup_reader import BackupReader
from lookup.backup_restore import Plan, plan_restore, restore, what_is_left, writing_workers
from lookup.flags import Flag
from lookup.leases import CONFIRMING, Lease
from lookup.moves import Position
from lookup.scan import every_alias_page, every_page
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.backups import LATER_S, back_up, opened, plan_of, put_back
from tests.lookup.fakes import NOW_S, home


def rewrite_flag(path: Path, word: str) -> None:
    """As a later version would have written it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE flag SET flag = ?", (word,))


def lease(worker: str, position: Position, expires_at_s: float = LATER_S + 3) -> Lease:
    return Lease(worker, 1, position, frozenset(), expires_at_s, 30.0)


async def everything(store: SqliteStore) -> dict[str, Assignment]:
    return {record.key: record async for page in every_page(store, 7) for record in page}


class TestRestore:
    @asynchronous
    async def test_a_new_store_has_everything_that_the_old_one_had(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "old") as old, opened(tmp_path / "new") as new:
            await old.load(home(f"user:{n}", f"cell-{n % 3}", 1 + n % 5) for n in range(12_345))
            await old.set_alias(Alias("email:a@b", "user:7", 1, NOW_S), NO_EPOCH)
            await old.set_alias(Alias("email:c@d", "user:8", 1, NOW_S), NO_EPOCH)
            await old.set_alias(Alias("email:c@d", "", 2, NOW_S), 1)
            await old.set_flag("cell-1", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
            summary = await back_up(old, tmp_path / "b")
            plan, written = await put_back(new, tmp_path / "b")
            assert (plan.new, written, plan.was_empty) == (12_345, 12_345, True)
            assert await everything(new) == await everything(old)
            assert [a async for page in every_alias_page(new, 1) for a in page] == [
                a async for page in every_alias_page(old, 5) for a in page
            ]
            assert await new.flags() == await old.flags()
            assert summary.users == await new.count_by_cell()

    @asynchronous
    async def test_done_again_it_writes_nothing(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "old") as old, opened(tmp_path / "new") as new:
            await old.load(home(f"user:{n}") for n in range(10))
            await old.load([Assignment("user:x", "cell-a", "eu", 3, State.MOVING, "cell-b", NOW_S)])
            await old.set_alias(Alias("email:a@b", "user:7", 1, NOW_S), NO_EPOCH)
            await back_up(old, tmp_path / "b")
            await put_back(new, tmp_path / "b")
            before = await everything(new)
            plan, written = await put_back(new, tmp_path / "b")
            assert (plan.same, plan.new, plan.backward, plan.aliases, plan.flags, written) == (
                11,
                0,
                0,
                0,
                [],
                0,
            )
            assert await everything(new) == before

    @asynchronous
    async def test_what_the_store_has_newer_is_told_of_and_left_alone(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store:
            await store.load(home(f"user:{n}") for n in range(20))
            await back_up(store, tmp_path / "b")
            for number in range(8):
                await store.compare_and_set(home(f"user:{number}", "cell-b", 2, NOW_S + 1), 1)
            plan, written = await put_back(store, tmp_path / "b")
            assert (plan.backward, plan.same, written) == (8, 12, 0)
            assert [(pair.backup.epoch, pair.store.epoch) for pair in plan.first_backward] == [(1, 2)] * 5
            assert (await store.read(["user:3"]))["user:3"].cell == "cell-b"

    @asynchronous
    async def test_another_home_at_the_same_epoch_counts_as_newer(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as other:
            await store.load([home("user:1", "cell-a")])
            await other.load([home("user:1", "cell-b")])
            await back_up(store, tmp_path / "b")
            assert (await plan_of(other, tmp_path / "b")).backward == 1

    @asynchronous
    async def test_a_record_that_is_older_in_the_store_is_raised_and_the_feed_tells(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as behind:
            await store.load([home("user:1", "cell-b", 5)])
            await behind.load([home("user:1", "cell-a", 2), home("user:2")])
            await back_up(store, tmp_path / "b")
            plan, written = await put_back(behind, tmp_path / "b")
            assert (plan.newer, written) == (1, 1)
            assert await everything(behind) == {
                "user:1": home("user:1", "cell-b", 5),
                "user:2": home("user:2"),
            }

    @asynchronous
    async def test_nobody_gets_another_cell_while_a_worker_may_write_to_the_one_it_knows(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as live:
            await store.load([home("user:1", "cell-b", 5), home("user:2", "cell-a", 5), home("user:3")])
            await live.load([home("user:1", "cell-a", 2), home("user:2", "cell-a", 2)])
            await back_up(store, tmp_path / "b")
            await live.renew_lease(lease("worker-1", await live.position()))
            plan, written = await put_back(live, tmp_path / "b")
            assert (plan.newer, plan.rehomed, written) == (2, 1, 2)
            assert [pair.store.key for pair in plan.first_rehomed] == ["user:1"]
            assert await everything(live) == {
                "user:1": home("user:1", "cell-a", 2),
                "user:2": home("user:2", "cell-a", 5),
                "user:3": home("user:3"),
            }
            await live.end_lease("worker-1")
            assert await put_back(live, tmp_path / "b") == (
                Plan(newer=1, rehomed=1, same=2, first_rehomed=plan.first_rehomed),
                1,
            )
            assert (await everything(live))["user:1"] == home("user:1", "cell-b", 5)

    @asynchronous
    async def test_a_worker_writes_until_what_it_had_sent_is_over(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store:
            await store.renew_lease(lease("leased", await store.position(), LATER_S))
            await store.renew_lease(lease("confirming", CONFIRMING, LATER_S + 20))
            found = [await writing_workers(store, LATER_S + late_s) for late_s in (34.9, 35.1, 54.9, 55.1)]
            assert found == [["confirming", "leased"], ["confirming"], ["confirming"], []]

    @asynchronous
    async def test_what_was_placed_between_comparing_and_writing_is_told_of(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as live:
            await store.load(home(f"user:{n}") for n in range(5))
            await back_up(store, tmp_path / "b")
            with BackupReader(tmp_path / "b") as reader:
                plan = await plan_restore(live, reader, lambda _: None)
                await live.compare_and_set(home("user:1", "cell-z"), NO_EPOCH)
                await live.compare_and_set(home("user:2"), NO_EPOCH)
                written = (await restore(live, reader, plan, lambda: LATER_S, lambda _: None)).written
                left = await what_is_left(live, reader, plan, written, lambda _: None)
                assert (plan.new, written) == (5, 3)
                assert left is not None
                assert (left.new, left.newer, left.same, left.backward) == (0, 0, 4, 1)
                assert left.first_backward[0].store.cell == "cell-z"
                again = await plan_restore(live, reader, lambda _: None)
                assert await what_is_left(live, reader, again, 0, lambda _: None) is None

    @asynchronous
    async def test_a_user_between_two_cells_is_where_an_abort_would_have_left_it(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as new:
            await store.load([Assignment("user:1", "cell-a", "eu", 3, State.MOVING, "cell-b", NOW_S)])
            await back_up(store, tmp_path / "b")
            plan, _ = await put_back(new, tmp_path / "b")
            assert plan.moving == 1
            assert await everything(new) == {"user:1": home("user:1", "cell-a", 4, LATER_S)}

    @asynchronous
    async def test_an_older_flag_does_not_replace_a_newer_one(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store:
            await store.set_flag("cell-a", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
            await back_up(store, tmp_path / "b")
            await store.set_flag("cell-a", Flag.SERVING, reason="", author="a", now_s=NOW_S + 1)
            await put_back(store, tmp_path / "b")
            assert (await store.flags())["cell-a"].flag is Flag.SERVING

    @asynchronous
    async def test_a_flag_of_a_later_version_is_refused_before_anything_is_written(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "t") as new:
            await store.load([home("user:1")])
            await store.set_flag("cell-a", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
            rewrite_flag(tmp_path / "s", "draining")
            await back_up(store, tmp_path / "b")
            with pytest.raises(BackupError, match="`draining` of cell-a; restore with the version"):
                await put_back(new, tmp_path / "b")
            assert await everything(new) == {}
            assert await new.flags() == {}

    @asynchronous
    async def test_followers_are_told_to_read_anew_and_claims_from_before_count_no_more(
        self, tmp_path: Path
    ) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "s") as worker:
            await store.load([home("user:1", "cell-a", 2)])
            await store.compare_and_set(home("user:1", "cell-b", 3), 2)
            await back_up(store, tmp_path / "b")
            async with aclosing(worker.follow()) as changes:
                before = await anext(changes)
                await put_back(store, tmp_path / "b")
                async for change in changes:
                    if change.generation != before.generation:
                        break
            history = await worker.history(0.0)
            assert (history.covers_since_s, list(history.moves)) == (LATER_S, [])
            await store.compare_and_set(home("user:1", "cell-c", 4, LATER_S + 1), 3)
            assert [move.epoch for move in (await worker.history(0.0)).moves] == [4]

    @pytest.mark.slow
    @given(
        old=st.dictionaries(st.integers(0, 9), st.integers(1, 4)),
        present=st.dictionaries(st.integers(0, 9), st.integers(1, 4)),
    )
    @settings(max_examples=25, deadline=None)
    def test_whatever_was_there_no_epoch_is_lowered_and_nothing_of_the_backup_is_missing(
        self, old: dict[int, int], present: dict[int, int]
    ) -> None:
        async def run(folder: Path) -> None:
            async with opened(folder / "old") as source, opened(folder / "new") as target:
                await source.load(home(f"user:{n}", f"cell-{epoch}", epoch) for n, epoch in old.items())
                await target.load(home(f"user:{n}", f"cell-{epoch}", epoch) for n, epoch in present.items())
                await back_up(source, folder / "b")
                plan, _ = await put_back(target, folder / "b")
                after = {int(key[5:]): record.epoch for key, record in (await everything(target)).items()}
            best = Counter(old) | Counter(present)  # the higher epoch of each
            assert after == dict(best)
            assert plan.backward == sum(present.get(n, 0) > epoch for n, epoch in old.items())

        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(Path(folder)))
