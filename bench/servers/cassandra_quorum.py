"""Whether the nodes of a ring see each other: each must coordinate a read of every copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy

_KEYSPACE: Final = "ring_probe"


def see_each_other(addresses: Sequence[str], port: int) -> bool:
    """Asks each node; a keyspace for the purpose is left behind."""
    try:
        return all(_reads_all(address, port, len(addresses)) for address in addresses)
    except (DriverException, NoHostAvailable):
        return False


def _reads_all(address: str, port: int, copies: int) -> bool:
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([address]),
        consistency_level=ConsistencyLevel.ALL,
        request_timeout=10.0,
    )
    cluster = Cluster(
        [address], port=port, protocol_version=5, execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )
    try:
        session = cluster.connect()
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {_KEYSPACE} WITH replication = "
            f"{{'class': 'SimpleStrategy', 'replication_factor': {copies}}}"
        )
        session.execute(f"CREATE TABLE IF NOT EXISTS {_KEYSPACE}.probe (key int PRIMARY KEY)")
        session.execute(f"SELECT key FROM {_KEYSPACE}.probe WHERE key = 1")
    finally:
        cluster.shutdown()
    return True
