"""The service's answers about cells: how many users each has, and which one a new user gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lookup.placement import NoRoom, warnings
from lookup.placer import PlacementPlan, Placer
from lookup.ports import Store
from lookup.service.forms import Json, record_form
from lookup.service.problems import ProblemError

_COUNT_S: Final = 2.0
"""So long a placement waits for the first count of all users."""


@dataclass(frozen=True, slots=True)
class CellFigures:
    """By cell: users, and the most it may have; how old the count is, in seconds."""

    users: Mapping[str, int]
    capacity: Mapping[str, int]
    age_s: float


class CellAnswers:
    """Raises ValueError for what is not as it should be, ProblemError, StoreUnavailableError.

    Built inside the running loop; `clock` gives Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        plan: PlacementPlan,
        clock: Callable[[], float],
    ) -> None:
        self._placer = Placer(store, plan, clock, _COUNT_S)
        self._plan = plan
        self._clock = clock

    async def place(self, key: str, jurisdiction: str, tenant: str) -> Mapping[str, Json]:
        """The home of a key as the store spells it: the one that it has, or a new one in a cell with room."""
        found = await self._placer.place(key, jurisdiction, tenant)
        if isinstance(found, NoRoom):
            raise ProblemError("no-room", str(found))
        return record_form(found)

    async def cells(self) -> Mapping[str, Json]:
        """How many keys are at home in each cell, and how that was found."""
        users = await self._placer.counts.users()
        return {
            "homes": dict(users),
            "counted_at_s": self._placer.counts.counted_at_s,
            "cells": [dict(row) for row in self._rows(users)],
        }

    async def figures(self) -> CellFigures:
        """The same for metrics."""
        users = dict(await self._placer.counts.users())
        cells = self._plan.cells
        return CellFigures(
            {cell.name: 0 for cell in cells} | users,
            {cell.name: cell.capacity for cell in cells if cell.capacity is not None},
            max(0.0, self._clock() - self._placer.counts.counted_at_s),
        )

    async def close(self) -> None:
        """End a count under way."""
        await self._placer.counts.close()

    def _rows(self, users: Mapping[str, int]) -> list[Mapping[str, Json]]:
        total = sum(users.values())
        told = dict(warnings(users, self._plan.cells, self._plan.limits))
        return [
            {
                "name": cell.name,
                "jurisdiction": cell.jurisdiction,
                "users": users.get(cell.name, 0),
                "share": users.get(cell.name, 0) / total if total else 0.0,
                "capacity": cell.capacity,
                "warning": told.get(cell.name, ""),
            }
            for cell in self._plan.cells
        ]
