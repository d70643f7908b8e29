"""Tells the meters how many users each cell has, where the store keeps count: it scans nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from lookup.placement import warnings
from lookup.placer import PlacementPlan
from lookup.ports import Store, StoreUnavailableError
from proxy.observe.meters import Meters

_EVERY_S: Final = 10.0


class Census:
    """`run` until cancelled, in one worker of the edge.

    names   of the cells, by their index
    """

    def __init__(
        self,
        store: Store,
        plan: PlacementPlan,
        names: Sequence[str],
        meters: Meters,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._plan = plan
        self._names = names
        self._meters = meters
        self._pause = pause

    async def run(self) -> None:
        """Again and again; while the store is away, what it said last stands."""
        while True:
            try:
                users = await self._store.count_by_cell()
            except StoreUnavailableError:
                pass  # the lookups tell of it
            else:
                told = dict(warnings(users, self._plan.cells, self._plan.limits))
                capacity = {cell.name: cell.capacity for cell in self._plan.cells}
                self._meters.all_users(sum(users.values()))
                for meter, name in zip(self._meters.cells, self._names, strict=True):
                    meter.users(users.get(name, 0), capacity.get(name), name in told)
            await self._pause(_EVERY_S)
