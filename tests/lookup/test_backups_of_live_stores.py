"""A backup of a store in use, and what is lost between it and now."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

from lookup.assignment import NO_EPOCH, Alias, Assignment, State
from lookup.backup import take_backup
from lookup.backup_drill import Lost, what_is_lost
from lookup.backup_reader import BackupReader
from lookup.flags import Flag
from tests.lookup.asynchronous import asynchronous
from tests.lookup.backups import back_up, opened, put_back
from tests.lookup.fakes import NOW_S, home


class TestBackup:
    @asynchronous
    async def test_a_store_in_use_loses_none_of_those_who_were_there(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store, opened(tmp_path / "s") as writer:
            await store.load(home(f"user:{n:05}") for n in range(30_000))
            seen: list[int] = []

            async def move() -> None:
                for number in range(0, 30_000, 300):
                    await writer.compare_and_set(home(f"user:{number:05}", "cell-b", 2, NOW_S + 1), 1)
                    await writer.compare_and_set(home(f"user:{number:05}+new"), NO_EPOCH)

            moving = asyncio.create_task(move())
            await take_backup(store, tmp_path / "b", lambda: NOW_S, seen.append)
            await moving
            with BackupReader(tmp_path / "b") as reader:
                records = [record for block in reader.blocks() for record in block.records]
            keys = {record.key for record in records}
            assert len(keys) == len(records)
            assert keys >= {f"user:{n:05}" for n in range(30_000)}
            assert {record.cell for record in records} <= {"cell-a", "cell-b"}
            assert seen == sorted(seen)
            assert seen[-1] == len(records)

    @asynchronous
    async def test_the_header_says_where_the_feed_stood(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "s") as store:
            await store.compare_and_set(home("user:1"), NO_EPOCH)
            position = await store.position()
            await back_up(store, tmp_path / "b")
            with BackupReader(tmp_path / "b") as reader:
                list(reader.blocks())
            assert (reader.header.generation, reader.header.sequence) == (position.generation, 1)


class TestDrill:
    @asynchronous
    async def test_tells_by_cell_what_came_since_the_backup(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "live") as live, opened(tmp_path / "scratch") as scratch:
            await live.load(home(f"user:{n}") for n in range(10))
            await live.load([Assignment("user:x", "cell-a", "eu", 3, State.MOVING, "cell-b", NOW_S)])
            await live.set_flag("cell-a", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
            await back_up(live, tmp_path / "b")
            await put_back(scratch, tmp_path / "b")
            assert await what_is_lost(live, scratch, lambda _: None) == Lost(live=11)
            await live.compare_and_set(home("user:1", "cell-b", 2), 1)
            await live.compare_and_set(replace(home("user:11", "cell-c"), jurisdiction="us"), NO_EPOCH)
            await live.set_flag("cell-b", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
            lost = await what_is_lost(live, scratch, lambda _: None)
            assert lost == Lost(Counter({"cell-c": 1}), Counter({"cell-b": 1}), ["cell-b"], 12)

    @asynchronous
    async def test_tells_how_many_aliases_were_named_and_changed_since(self, tmp_path: Path) -> None:
        async with opened(tmp_path / "live") as live, opened(tmp_path / "scratch") as scratch:
            await live.load([home("user:1"), home("user:2")])
            for number in range(5):
                await live.set_alias(Alias(f"email:{number}", "user:1", 1, NOW_S), NO_EPOCH)
            await back_up(live, tmp_path / "b")
            await put_back(scratch, tmp_path / "b")
            assert await what_is_lost(live, scratch, lambda _: None) == Lost(live=2)
            await live.set_alias(Alias("email:0", "user:2", 2, NOW_S), 1)
            await live.set_alias(Alias("email:1", "", 2, NOW_S), 1)
            await live.set_alias(Alias("email:new", "user:1", 1, NOW_S), NO_EPOCH)
            await live.set_alias(Alias("email:gone", "user:1", 1, NOW_S), NO_EPOCH)
            await live.set_alias(Alias("email:gone", "", 2, NOW_S), 1)
            assert await what_is_lost(live, scratch, lambda _: None) == Lost(live=2, named=1, renamed=2)
