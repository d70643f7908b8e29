"""How all records of a store are walked through: page by page, each after a cursor that can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lookup.assignment import Assignment

FIRST: Final = ""
"""The cursor of the beginning."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, perhaps none; `cursor` is where the next page begins, None when this was the last one."""

    records: Sequence[Assignment]
    cursor: str | None


class HomeScan(Protocol):
    """A store whose records can be walked through. Raises StoreUnavailableError."""

    async def scan(self, cursor: str, limit: int) -> Page:
        """At most `limit` records after the cursor.

        Whatever is there from the first page to the last is in exactly one page; a record that is written
        meanwhile may be in it as it was or as it is, one that is new may be missing.
        """
