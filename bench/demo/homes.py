"""Where the demo's users live: where they were seeded, or where the store says that somebody moved them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from bench.demo.population import home_of
from lookup.keys import user_key
from lookup.ports import StoreUnavailableError
from proxy.config import Settings
from proxy.model import Cell
from proxy.tiers import open_tiers

Ask: TypeAlias = Callable[[str], Awaitable[str]]
"""Gives the cell of a key as the store has it now; "" when it can't tell."""


@asynccontextmanager
async def asking_the_store(settings: Settings) -> AsyncIterator[Ask]:
    """The store of that config, inside the block."""
    tiers = open_tiers(settings)

    async def ask(key: str) -> str:
        try:
            record = (await tiers.store.read([key])).get(key)
        except StoreUnavailableError:
            return ""
        return "" if record is None else record.cell

    try:
        yield ask
    finally:
        await tiers.close()


class Homes:
    """`ask` is None where nobody is moved."""

    def __init__(self, cells: Sequence[Cell], ask: Ask | None) -> None:
        self._cells = cells
        self._ask = ask
        self._moved: dict[int, Cell] = {}

    def of(self, number: int) -> Cell:
        """Where user `number` lives, as far as is known."""
        return self._moved.get(number) or home_of(number, self._cells)

    async def judging(self, number: int, answered_by: str) -> Cell:
        """The home by which a reply of that cell is judged: the store decides where another one was known."""
        if self._ask is not None and answered_by not in ("", self.of(number).name):
            name = await self._ask(user_key(str(number)))
            self._moved.update((number, cell) for cell in self._cells if cell.name == name)
        return self.of(number)
