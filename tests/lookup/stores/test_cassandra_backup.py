from __future__ import annotations

import pytest

from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.stores.backup_contract import BackupContract, OpenBackupStore, Wipe
from tests.lookup.stores.cassandra_stage import opened
from tests.support.on_cassandra import empty

pytestmark = pytest.mark.slow


@pytest.fixture
def wipe(settings: CassandraSettings) -> Wipe:
    return lambda: empty(settings)


@pytest.fixture
def open_backup_store(settings: CassandraSettings, redis: RedisSettings) -> OpenBackupStore:
    return lambda: opened(settings, redis)


class TestCassandraBackup(BackupContract):
    """Backups of a real Cassandra whose feed is on a real Redis."""
