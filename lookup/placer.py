"""Gives new users a home in a cell of its own choice; of several placers of one user all get the same one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lookup.assignment import Assignment
from lookup.counts import CellCounts
from lookup.flags import Flag, FlagRecord
from lookup.placement import CellRoom, Newcomer, NoRoom, Occupancy, ShareLimits, choose
from lookup.ports import Store, StoreUnavailableError
from lookup.writer import place

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class PlacementPlan:
    """laws   for each jurisdiction of users, those whose cells may have them, the preferred first

    All who place in one process hold the same one, so that `become` is heard of by all.
    """

    cells: Sequence[CellRoom]
    laws: Mapping[str, Sequence[str]]
    limits: ShareLimits

    def become(self, other: PlacementPlan) -> None:
        """Say what the other one says."""
        self.cells, self.laws, self.limits = other.cells, other.laws, other.limits


class Placer:
    """`clock` gives Unix seconds. Built inside the running loop.

    patience_s  with the count of all users; without one, cells' capacities and the cap on shares can't be
                kept, and law, tenant, flags and weight alone decide. None: as long as it takes
    """

    def __init__(
        self, store: Store, plan: PlacementPlan, clock: Callable[[], float], patience_s: float | None = None
    ) -> None:
        self.counts = CellCounts(store, clock)
        self.plan = plan
        self._patience_s = patience_s
        self._is_blind = False
        self._store = store
        self._clock = clock

    async def place(self, key: str, jurisdiction: str, tenant: str = "") -> Assignment | NoRoom:
        """The user's home: one that it has already, else a new one where there is room.

        Raises ValueError for a jurisdiction that nobody knows, and StoreUnavailableError: place again then.
        """
        if jurisdiction not in self.plan.laws:
            raise ValueError(f"there is no jurisdiction {jurisdiction!r}")
        users, now_s = await self._users(), self._clock()
        occupancy = Occupancy(users, closed_cells(await self._store.flags(), now_s))
        newcomer = Newcomer(key, self.plan.laws[jurisdiction], tenant)
        found = choose(newcomer, self.plan.cells, occupancy, self.plan.limits)
        if isinstance(found, NoRoom):
            return (await self._store.read([key])).get(key) or found
        record = await place(self._store, key, found.name, jurisdiction, now_s)
        if record.epoch == 1 and record.updated_at_s == now_s:
            self.counts.placed(record.cell)
        return record

    async def _users(self) -> Mapping[str, int]:
        try:
            users = await self.counts.users(self._patience_s)
        except StoreUnavailableError as failure:
            if not self._is_blind:
                _log.warning("new users are placed whatever cells' capacities and shares are: %s", failure)
            self._is_blind = True
            return {}
        if self._is_blind:
            _log.warning("the users of the cells are counted: capacities and shares are kept again")
        self._is_blind = False
        return users


def closed_cells(flags: Mapping[str, FlagRecord], now_s: float) -> frozenset[str]:
    """Cells whose flag lets them take nobody new: any but `serving`, unless it has expired."""
    return frozenset(
        cell
        for cell, record in flags.items()
        if record.flag is not Flag.SERVING and (record.expires_at_s is None or record.expires_at_s > now_s)
    )
