"""A book of leases in memory, for a feed of which new generations begin; each writing meets its fate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from lookup.assignment import NO_EPOCH
from lookup.leases import Lease, stands_in_way
from lookup.moves import Position
from lookup.ports import StoreUnavailableError
from tests.lookup.model.fates import Fates


class MemoryLeases:
    """Implements leases.LeaseBook. `where` says where the feed stands when a key's last change is in it."""

    def __init__(self, fates: Fates, where: Callable[[str], Awaitable[Position]]) -> None:
        self._fates = fates
        self._where = where
        self._leases: dict[str, Lease] = {}
        self._ended: set[str] = set()
        self._generations: list[str] = []
        self._floor = (-1, 0)

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:  # noqa: ARG002
        return await self._where(key)

    async def renew_lease(self, lease: Lease) -> bool:
        return await self._fates.meet(lambda: self._renew(lease))

    async def end_lease(self, worker: str) -> None:
        self._ended.add(worker)
        self._leases.pop(worker, None)

    async def leases(self) -> Sequence[Lease]:
        return list(self._leases.values())

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        return await self._fates.meet(lambda: self._in_the_way(key, fence, now_s, skew_s))

    async def _renew(self, lease: Lease) -> bool:
        place = await self._place(lease.position)
        if not lease.confirms and (place is None or place < self._floor or lease.worker in self._ended):
            return False
        former = self._leases.get(lease.worker)
        if former is None or former.number < lease.number:
            ends_at_s = max(lease.expires_at_s, former.expires_at_s if former else 0.0)
            self._leases[lease.worker] = replace(lease, expires_at_s=ends_at_s)
        return True

    async def _in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> list[Lease]:
        found = [lease for lease in self._leases.values() if stands_in_way(lease, key, fence, now_s, skew_s)]
        if not found:
            place = await self._place(fence)
            if place is None:
                raise StoreUnavailableError("the feed was begun anew meanwhile")
            self._floor = max(self._floor, place)
        return found

    async def _place(self, position: Position) -> tuple[int, int] | None:
        """To be compared; None: of a generation that is not the present one and never was."""
        if position.generation not in self._generations:
            if (await self._where("")).generation != position.generation:
                return None
            self._generations.append(position.generation)
        return self._generations.index(position.generation), position.sequence
