"""Where the Cassandra is, who decides writes, and how patient its clients are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CassandraTls:
    """PEM files. `authority` signs the nodes' certificates; certificate and key are ours, if they ask."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Owners:
    """Which datacentre decides the writes of a record.

    placing   decides first placements and flags
    by_jurisdiction   decides changes of records that are under that jurisdiction

    A record's epoch is handed from one owner to the next with the write that changes its jurisdiction, so at
    any time one datacentre decides. LOCAL_SERIAL of two datacentres would not see each other.
    """

    placing: str
    by_jurisdiction: Mapping[str, str]

    def of(self, jurisdiction: str | None) -> str:
        """Of a record under that jurisdiction; None: there is no record yet."""
        return self.placing if jurisdiction is None else self.by_jurisdiction.get(jurisdiction, self.placing)

    def datacentres(self) -> set[str]:
        """All that decide something."""
        return {self.placing, *self.by_jurisdiction.values()}


@dataclass(frozen=True, slots=True)
class CassandraSettings:
    """datacentre     of this edge: its nodes answer the reads
    owners         None: all datacentres together decide each write (SERIAL), slower and never wrong
    hashed_keys    only hashed keys may be stored (lookup.keys.keyed_hash): a raw one is refused as a mistake
    hedge_after_s  the least time after which a read that no node has answered is asked of another one too
    in_flight      most requests at once; the rest waits
    keys_at_once   most keys in one request
    outbox_parts   in so many requests a relay asks for the whole outbox
    clock_skew_s   the most by which two clocks differ, of nodes and of programs
    """

    addresses: tuple[str, ...]
    port: int = 9042
    keyspace: str = "homecell"
    datacentre: str = "datacenter1"
    owners: Owners | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: CassandraTls | None = None
    hashed_keys: bool = False
    connect_timeout_s: float = 5.0
    request_timeout_s: float = 2.0
    hedge_after_s: float = 0.02
    in_flight: int = 64
    keys_at_once: int = 16
    outbox_parts: int = 256
    clock_skew_s: float = 5.0
