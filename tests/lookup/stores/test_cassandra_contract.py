from __future__ import annotations

import pytest

from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.stores.alias_contract import AliasContract
from tests.lookup.stores.cassandra_stage import opened
from tests.lookup.stores.contract import OpenStore, StoreContract
from tests.lookup.stores.leases_contract import LeaseBookContract
from tests.lookup.stores.moves_contract import MoveLogContract
from tests.lookup.stores.pages_contract import PagesContract
from tests.lookup.stores.truth import OpenTruth

pytestmark = pytest.mark.slow


@pytest.fixture
def open_truth(settings: CassandraSettings, redis: RedisSettings) -> OpenTruth:
    return lambda: opened(settings, redis)


@pytest.fixture
def open_store(open_truth: OpenTruth) -> OpenStore:
    return open_truth


class TestCassandraStore(StoreContract):
    """The truth in a real Cassandra, its feed on a real Redis."""


class TestCassandraMoveLog(MoveLogContract):
    """Its log of moves."""


class TestCassandraLeaseBook(LeaseBookContract):
    """Its book of leases."""


class TestCassandraPages(PagesContract):
    """Its records, page by page."""


class TestCassandraAliases(AliasContract):
    """Its aliases."""
