"""A shared cache in memory. It keeps what it was given, also when the truth has gone on long ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lookup.assignment import Assignment


class MemoryCache:
    """Implements ports.SharedCache."""

    def __init__(self) -> None:
        self._copies: dict[str, Assignment] = {}

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return {key: self._copies[key] for key in keys if key in self._copies}

    async def fill(self, assignments: Sequence[Assignment]) -> None:
        for record in assignments:
            known = self._copies.get(record.key)
            if known is None or known.epoch <= record.epoch:
                self._copies[record.key] = record

    def empty(self) -> None:
        """It was restarted."""
        self._copies.clear()
