"""The keys that are at home in one cell, found by walking through all records: no store has them by cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

from lookup.scan import FIRST, Page

PAGE_RECORDS: Final = 2000
"""In memory at a time."""


class RecordPages(Protocol):
    """The part of scan.HomeScan that is needed here."""

    async def scan(self, cursor: str, limit: int) -> Page:
        """scan.HomeScan.scan."""


async def keys_of(records: RecordPages, cell: str) -> AsyncIterator[str]:
    """Also those that are being moved out of it. Of those that come meanwhile some may be missed.

    Raises StoreUnavailableError.
    """
    cursor: str | None = FIRST
    while cursor is not None:
        page = await records.scan(cursor, PAGE_RECORDS)
        for record in page.records:
            if record.cell == cell:
                yield record.key
        cursor = page.cursor
