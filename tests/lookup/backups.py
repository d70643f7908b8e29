"""Stores that are opened, backed up and given a backup, for the tests of backups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lookup.backup import take_backup
from lookup.backup_format import Summary
from lookup.backup_reader import BackupReader
from lookup.backup_restore import Plan, plan_restore, restore
from lookup.stores.sqlite import SqliteStore
from tests.lookup.fakes import NOW_S

LATER_S = NOW_S + 1000


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, create=True)
    try:
        yield store
    finally:
        await store.close()


async def back_up(store: SqliteStore, path: Path) -> Summary:
    return await take_backup(store, path, lambda: NOW_S, lambda _: None)


async def put_back(store: SqliteStore, path: Path) -> tuple[Plan, int]:
    with BackupReader(path) as reader:
        plan = await plan_restore(store, reader, lambda _: None)
        restored = await restore(store, reader, plan, lambda: LATER_S, lambda _: None)
        return plan, restored.written


async def plan_of(store: SqliteStore, path: Path) -> Plan:
    with BackupReader(path) as reader:
        return await plan_restore(store, reader, lambda _: None)
