"""The workers' leases in Cassandra, without compare-and-set: each worker writes a row of its own.

A worker writes its lease and then reads the floor; a move raises the floor and then reads the leases. Both at
a quorum, so that one of the two sees the other: no worker gets a lease that a move did not wait for.

What orders renewals is their number, never a clock. Expiries are by the workers' clocks and compared with the
mover's: lookup.leases allows for the difference. Of a worker whose clock was far ahead the expiry is worth
nothing; that it has not renewed for long is then seen by how much of the row's time to live is left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf
from typing import Final

from lookup.leases import Lease, stands_in_way
from lookup.moves import Position
from lookup.outbox import Publisher
from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_cluster import SHARED_NOTE, SHARED_READ, confirming, deciding_again
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.together import Together

_FLEET: Final = "all"
_KEPT_S: Final = 86_400
"""So long after its last renewal a lease is forgotten: it is over for as long, but for seconds."""

_ENDED: Final = 1 << 62
"""Write timestamp of a lease's end: later than of any renewal, those on their way included."""

_SEQUENCE_BITS: Final = 40
_ATTEMPTS: Final = 10


class Leases:
    """Statements about tables `lease`, `lease_floor` and `feed_generation`."""

    def __init__(
        self, session: CassandraSession, settings: CassandraSettings, feed: Publisher | None
    ) -> None:
        self._session = session
        self._feed = feed
        owner = None if settings.owners is None else settings.owners.placing
        self._deciding, self._confirming = deciding_again(owner), confirming(owner)
        self._ordinals: dict[str, int] = {}
        self._reading: Together[None, list[Lease]] = Together(self._read_for_all)
        self._raising: Together[Position, bool] = Together(self._raise_for_all)
        lease, floor, order = (
            f"{settings.keyspace}.{table}" for table in ("lease", "lease_floor", "feed_generation")
        )
        self._renew = (
            f"BEGIN UNLOGGED BATCH INSERT INTO {lease} (fleet, worker, number, generation, sequence, held, "
            f"linger_s) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL {_KEPT_S}; "
            f"UPDATE {lease} USING TIMESTAMP ? AND TTL {_KEPT_S} SET expires_at_s = ? "
            "WHERE fleet = ? AND worker = ?; APPLY BATCH"
        )
        self._end = f"DELETE FROM {lease} USING TIMESTAMP {_ENDED} WHERE fleet = ? AND worker = ?"
        self._all = (
            "SELECT worker, number, generation, sequence, held, expires_at_s, linger_s, "
            f"TTL(number) FROM {lease} WHERE fleet = ?"
        )
        self._raise = f"INSERT INTO {floor} (fleet, ordinal, sequence) VALUES (?, ?, ?) USING TIMESTAMP ?"
        self._floor = f"SELECT ordinal, sequence FROM {floor} WHERE fleet = ?"
        self._order = f"SELECT ordinal, generation FROM {order} WHERE fleet = ?"
        self._follow = f"INSERT INTO {order} (fleet, ordinal, generation) VALUES (?, ?, ?) IF NOT EXISTS"

    def statements(self) -> list[str]:
        """All that are used often."""
        return [self._renew, self._floor]

    async def renew(self, lease: Lease) -> bool:
        """LeaseBook.renew_lease. The later number wins, and the later expiry, by their write timestamps."""
        ordinal = 0 if lease.confirms else await self._ordinal(lease.position.generation)
        if ordinal is None:
            return False
        values = (
            _FLEET,
            lease.worker,
            lease.number,
            lease.position.generation,
            lease.position.sequence,
            json.dumps(sorted(lease.held)),
            lease.linger_s,
            lease.number,
            round(lease.expires_at_s * 1e6),
            lease.expires_at_s,
            _FLEET,
            lease.worker,
        )
        await self._session.ask(self._renew, values, SHARED_NOTE)
        return lease.confirms or (ordinal, lease.position.sequence) >= await self._read_floor()

    async def end(self, worker: str) -> None:
        """LeaseBook.end_lease; also a renewal that arrives later changes nothing."""
        await self._session.ask(self._end, (_FLEET, worker), SHARED_NOTE)

    async def all(self) -> list[Lease]:
        """LeaseBook.leases; those who ask while a reading is under way share the next one."""
        return await self._reading.ask(None)

    async def _read_for_all(self, asked: Sequence[None]) -> list[list[Lease]]:
        rows = await self._session.ask(self._all, (_FLEET,), SHARED_READ)
        leases = [
            Lease(
                worker,
                number,
                Position(generation, sequence),
                frozenset(json.loads(held)),
                inf if expires_at_s is None else expires_at_s,  # it was so far ahead that it was forgotten
                linger_s,
                float(_KEPT_S - left_s),
            )
            for worker, number, generation, sequence, held, expires_at_s, linger_s, left_s in rows
            if number is not None
        ]
        return [leases] * len(asked)

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        """LeaseBook.in_the_way. Of moves that go on at once the furthest raises the floor for all: no worker
        stands in its way, so all have taken what the others wait for."""
        found = await self._waited_for(key, fence, now_s, skew_s)
        if found:
            return found
        if not await self._raising.ask(fence):
            raise StoreUnavailableError("the feed was begun anew meanwhile; try again")
        return await self._waited_for(key, fence, now_s, skew_s)

    async def _waited_for(self, key: str, fence: Position, now_s: float, skew_s: float) -> list[Lease]:
        return [lease for lease in await self.all() if stands_in_way(lease, key, fence, now_s, skew_s)]

    async def _raise_for_all(self, fences: Sequence[Position]) -> list[bool]:
        """Whether each is of a generation that can be compared."""
        ordinals = [await self._ordinal(fence.generation) for fence in fences]
        both = zip(ordinals, fences, strict=True)
        places = [(ordinal, fence.sequence) for ordinal, fence in both if ordinal is not None]
        if places:
            ordinal, sequence = max(places)
            timestamp = (ordinal << _SEQUENCE_BITS) + sequence
            await self._session.ask(self._raise, (_FLEET, ordinal, sequence, timestamp), SHARED_NOTE)
        return [ordinal is not None for ordinal in ordinals]

    async def _read_floor(self) -> tuple[int, int]:
        """The least that a worker must have taken of the feed: ordinal of its generation, and sequence."""
        rows = await self._session.ask(self._floor, (_FLEET,), SHARED_READ)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    async def _ordinal(self, generation: str) -> int | None:
        """Which of the feed's generations it is, counted from 1. None: it never was the present one while a
        worker or a move asked, and is not now."""
        for _ in range(_ATTEMPTS):
            if generation in self._ordinals:
                return self._ordinals[generation]
            rows = await self._session.ask(self._order, (_FLEET,), self._confirming)
            self._ordinals = {name: ordinal for ordinal, name in rows}
            if generation in self._ordinals:
                continue
            if self._feed is None or (await self._feed.position()).generation != generation:
                return None
            next_ordinal = max(self._ordinals.values(), default=0) + 1
            await self._session.ask(self._follow, (_FLEET, next_ordinal, generation), self._deciding)
        raise StoreUnavailableError("the order of the feed's generations could not be told; try again")
