"""A ring that all tests here share: three nodes in datacentre `eu` and one in `us`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.servers.cassandra import CassandraRing
from tests.support.servers import needed


@pytest.fixture(scope="package")
def started_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    """Its nodes keep nothing for one that is away: what that one missed, it has missed."""
    with needed():
        started = CassandraRing(
            tmp_path_factory.mktemp("ring"),
            datacentres=["eu", "eu", "eu", "us"],
            hints=False,
            short_lived=True,
        )
        started.start()
    yield started
    started.stop()


@pytest.fixture
def ring(started_ring: CassandraRing) -> Iterator[CassandraRing]:
    """Any node may be killed or frozen; afterwards it serves again."""
    yield started_ring
    for node in started_ring.nodes:
        node.revive()
