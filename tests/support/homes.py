"""A store of homes in memory, that a test can make silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from lookup.assignment import Assignment
from lookup.flags import Flag, FlagRecord
from lookup.ports import StoreUnavailableError


class HomeStore:
    """Answers readings from `homes`.

    available   while cleared, readings fail
    open_gate   while cleared, answers wait: they say what was true when they were asked for
    readings    how many keys were asked for
    """

    def __init__(self) -> None:
        self.homes: dict[str, Assignment] = {}
        self.available = True
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.readings = 0

    def place(self, home: Assignment) -> None:
        """Keep this record."""
        self.homes[home.key] = home

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        self.readings += len(keys)
        found = {key: self.homes[key] for key in keys if key in self.homes}
        await self.open_gate.wait()
        if not self.available:
            raise StoreUnavailableError("the test took the store away")
        return found

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await self.read(keys)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        raise NotImplementedError

    async def load(self, assignments: Iterable[Assignment]) -> int:
        raise NotImplementedError

    async def count_by_cell(self) -> Mapping[str, int]:
        raise NotImplementedError

    async def flags(self) -> Mapping[str, FlagRecord]:
        raise NotImplementedError

    async def set_flag(
        self,
        cell: str,
        flag: Flag,
        *,
        reason: str,
        author: str,
        now_s: float,
        expires_at_s: float | None = None,
    ) -> FlagRecord:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
