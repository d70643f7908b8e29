"""Whether a keyspace can be linearizable as it is configured: its replicas, and one answer to who decides."""

from __future__ import annotations

from typing import Final

from lookup.ports import StoreUnusableError
from lookup.stores.cassandra_cluster import READ, confirming, deciding_again
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings, Owners

_FLEET: Final = "all"
_BY_DATACENTRE: Final = "NetworkTopologyStrategy"


async def check_keyspace(session: CassandraSession, settings: CassandraSettings) -> None:
    """Each datacentre that is to read or to decide must hold replicas. Raises StoreUnusableError."""
    rows = await session.ask(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", (settings.keyspace,), READ
    )
    replication: dict[str, str] = dict(rows[0][0]) if rows else {}
    strategy = replication.pop("class", "").rpartition(".")[2]
    if strategy != _BY_DATACENTRE:
        raise StoreUnusableError(
            f"keyspace {settings.keyspace} has replication class {strategy or 'unknown'}, which knows no "
            f"datacentres: ALTER KEYSPACE {settings.keyspace} WITH replication = "
            f"{{'class': '{_BY_DATACENTRE}', '{settings.datacentre}': 3}}"
        )
    holding = {name for name, copies in replication.items() if copies != "0"}
    deciders = settings.owners.datacentres() if settings.owners is not None else set()
    missing = sorted(({settings.datacentre} | deciders) - holding)
    if missing:
        raise StoreUnusableError(
            f"keyspace {settings.keyspace} has no replicas in {', '.join(missing)}, only in "
            f"{', '.join(sorted(holding))}: correct the name, or ALTER KEYSPACE and repair"
        )


async def agree_on_owners(session: CassandraSession, settings: CassandraSettings) -> None:
    """The first program says who decides, every other one must say the same: two datacentres that both
    decide one record don't see each other's decisions. Raises StoreUnusableError."""
    table = f"{settings.keyspace}.ownership"
    select = f"SELECT placing, by_jurisdiction FROM {table} WHERE fleet = ?"
    ours = _spelled(settings.owners)
    rows = await session.ask(select, (_FLEET,), READ)
    if not rows:
        rows = await session.ask(select, (_FLEET,), confirming(None))
    if not rows:
        insert = f"INSERT INTO {table} (fleet, placing, by_jurisdiction) VALUES (?, ?, ?) IF NOT EXISTS"
        [(is_ours, *_)] = await session.ask(insert, (_FLEET, *ours), deciding_again(None))
        rows = [ours] if is_ours else await session.ask(select, (_FLEET,), confirming(None))
    theirs = (rows[0][0], dict(rows[0][1] or {}))
    if theirs != ours:
        raise StoreUnusableError(
            f"the programs that use keyspace {settings.keyspace} agreed that {_told(*theirs)}; "
            f"here the config says that {_told(*ours)}. Correct the config. To change it for all: stop every "
            f"program, repair the keyspace, TRUNCATE {table}, start them with the new config"
        )


def _spelled(owners: Owners | None) -> tuple[str, dict[str, str]]:
    """Without what changes nothing, so that two ways to say the same are the same."""
    if owners is None:
        return "", {}
    others = {place: owner for place, owner in owners.by_jurisdiction.items() if owner != owners.placing}
    return owners.placing, others


def _told(placing: str, by_jurisdiction: dict[str, str]) -> str:
    if not placing:
        return "all datacentres together decide writes"
    others = (f", {owner} those of {place}" for place, owner in sorted(by_jurisdiction.items()))
    return f"{placing} decides writes{''.join(others)}"
