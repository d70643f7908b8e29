"""What backups need of every store: subclasses say how to open one, and how to empty it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

from lookup.assignment import NO_EPOCH, Alias, Assignment, State
from lookup.backup import BackupStore, take_backup
from lookup.backup_reader import BackupReader
from lookup.backup_restore import Plan, RestorableStore, plan_restore, restore
from lookup.flags import Flag
from lookup.leases import CONFIRMING, Lease
from lookup.ports import StoreUnavailableError
from lookup.scan import every_alias_page, every_page
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home

OpenBackupStore = Callable[[], AbstractAsyncContextManager[RestorableStore]]
Wipe = Callable[[], Awaitable[None]]

LATER_S = NOW_S + 1000


async def records_of(store: BackupStore) -> dict[str, Assignment]:
    return {record.key: record async for page in every_page(store, 70) for record in page}


async def put_back(store: RestorableStore, path: Path) -> Plan:
    with BackupReader(path) as reader:
        plan = await plan_restore(store, reader, lambda _: None)
        await restore(store, reader, plan, lambda: LATER_S, lambda _: None)
    return plan


async def another_generation(store: BackupStore, former: str) -> str:
    """The feed's next generation, as one hears of it who follows again when the feed breaks."""
    while True:
        try:
            async with aclosing(store.follow()) as changes:
                async for change in changes:
                    if change.generation != former:
                        return change.generation
        except StoreUnavailableError:
            continue


class BackupContract:
    """Each test begins with an empty store; fixture `wipe` empties it again while nobody has it open."""

    @asynchronous
    async def test_an_emptied_store_is_restored(
        self, open_backup_store: OpenBackupStore, wipe: Wipe, tmp_path: Path
    ) -> None:
        async with open_backup_store() as store:
            await store.load(home(f"user:{n}", f"cell-{n % 3}", 1 + n % 4) for n in range(300))
            await store.load([Assignment("user:x", "cell-a", "us", 4, State.MOVING, "cell-b", NOW_S)])
            await store.set_alias(Alias("email:a@b", "user:7", 1, NOW_S), NO_EPOCH)
            await store.set_alias(Alias("email:c@d", "user:8", 1, NOW_S), NO_EPOCH)
            await store.set_alias(Alias("email:c@d", "", 2, NOW_S), 1)
            await store.set_flag("cell-1", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
            before = await records_of(store)
            summary = await take_backup(store, tmp_path / "b", lambda: NOW_S, lambda _: None)
            assert (summary.records, summary.aliases, summary.flags) == (301, 2, 1)
        await wipe()
        async with open_backup_store() as store:
            assert await records_of(store) == {}
            plan = await put_back(store, tmp_path / "b")
            assert (plan.new, plan.moving, plan.aliases, len(plan.flags)) == (301, 1, 2, 1)
            settled = Assignment("user:x", "cell-a", "us", 5, updated_at_s=LATER_S)
            assert await records_of(store) == before | {"user:x": settled}
            found = [alias async for page in every_alias_page(store, 1) for alias in page]
            assert sorted((alias.key, alias.home, alias.epoch) for alias in found) == [
                ("email:a@b", "user:7", 1),
                ("email:c@d", "", 2),
            ]
            assert (await store.read(["email:a@b"]))["email:a@b"].key == "user:7"
            assert (await store.flags())["cell-1"].reason == "fire"
            again = await put_back(store, tmp_path / "b")
            assert (again.same, again.new, again.newer, again.backward, again.aliases) == (301, 0, 0, 0, 0)

    @asynchronous
    async def test_what_has_moved_since_is_told_of_and_stays(
        self, open_backup_store: OpenBackupStore, tmp_path: Path
    ) -> None:
        async with open_backup_store() as store:
            await store.load(home(f"user:{n}") for n in range(20))
            await take_backup(store, tmp_path / "b", lambda: NOW_S, lambda _: None)
            await store.compare_and_set(home("user:1", "cell-b", 2, NOW_S + 1), 1)
            plan = await put_back(store, tmp_path / "b")
            assert (plan.backward, plan.same) == (1, 19)
            assert (await store.read(["user:1"]))["user:1"] == home("user:1", "cell-b", 2, NOW_S + 1)

    @asynchronous
    async def test_nobody_gets_another_cell_while_somebody_may_write_to_the_one_it_has(
        self, open_backup_store: OpenBackupStore, wipe: Wipe, tmp_path: Path
    ) -> None:
        async with open_backup_store() as store:
            await store.load([home("user:1", "cell-b", 5), home("user:2", "cell-a", 5)])
            await take_backup(store, tmp_path / "b", lambda: NOW_S, lambda _: None)
        await wipe()
        async with open_backup_store() as store:
            await store.load([home("user:1", "cell-a", 2), home("user:2", "cell-a", 2)])
            await store.renew_lease(Lease("edge-1/0", 1, CONFIRMING, frozenset(), LATER_S + 3, 30.0))
            plan = await put_back(store, tmp_path / "b")
            assert (plan.newer, plan.rehomed) == (2, 1)
            cells = {key: record.cell for key, record in (await records_of(store)).items()}
            assert cells == {"user:1": "cell-a", "user:2": "cell-a"}
            await store.end_lease("edge-1/0")
            assert (await put_back(store, tmp_path / "b")).rehomed == 1
            assert (await records_of(store))["user:1"] == home("user:1", "cell-b", 5)

    @asynchronous
    async def test_followers_hear_of_a_new_generation_whose_history_begins_then(
        self, open_backup_store: OpenBackupStore
    ) -> None:
        async with open_backup_store() as store:
            await store.load([home("user:1")])
            async with aclosing(store.follow()) as changes:
                former = (await anext(changes)).generation
            await store.begin_anew(LATER_S)
            assert await another_generation(store, former) != former
            assert (await store.history(0.0)).covers_since_s >= LATER_S

    @asynchronous
    async def test_a_history_that_begins_in_the_future_is_mended_and_hides_no_later_gap(
        self, open_backup_store: OpenBackupStore
    ) -> None:
        async with open_backup_store() as store:
            async with aclosing(store.follow()) as changes:
                former = (await anext(changes)).generation
            assert list(await store.mend()) == []
            await store.begin_anew(time.time() + 1e8)
            await another_generation(store, former)
            assert (await store.history(0.0)).covers_since_s > time.time() + 1e7
            assert list(await store.mend()) == ["the feed's history began at a time that is yet to come"]
            mended_s = await later_history(store)
            assert time.time() - 60 < mended_s < time.time() + 60
            assert list(await store.mend()) == []
            await store.begin_anew(mended_s + 3)
            assert await later_history(store, mended_s) == mended_s + 3


async def later_history(store: BackupStore, after_s: float = 0.0) -> float:
    """Where the history begins, once it is put right, and after that."""
    while True:
        try:
            covers_since_s = (await store.history(0.0)).covers_since_s
        except StoreUnavailableError:
            continue
        if after_s < covers_since_s < time.time() + 60:
            return covers_since_s
        await asyncio.sleep(0.02)
