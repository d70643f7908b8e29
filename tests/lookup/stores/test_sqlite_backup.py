from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lookup.backup_restore import RestorableStore
from lookup.stores.sqlite import SqliteStore
from tests.lookup.stores.backup_contract import BackupContract, OpenBackupStore, Wipe


@pytest.fixture
def open_backup_store(tmp_path: Path) -> OpenBackupStore:
    @asynccontextmanager
    async def opened() -> AsyncIterator[RestorableStore]:
        store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
        try:
            yield store
        finally:
            await store.close()

    return opened


@pytest.fixture
def wipe(tmp_path: Path) -> Wipe:
    async def remove() -> None:
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"home.sqlite{suffix}").unlink(missing_ok=True)

    return remove


class TestSqliteBackup(BackupContract):
    """Backups of the embedded store."""
