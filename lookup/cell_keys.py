"""The keys that are at home in one cell, found by walking through all records: no store has them by cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from lookup.scan import FIRST, HomeScan

PAGE_RECORDS: Final = 2000
"""In memory at a time."""


async def keys_of(scan: HomeScan, cell: str) -> AsyncIterator[str]:
    """Also those that are being moved out of it. Of those that come meanwhile some may be missed.

    Raises StoreUnavailableError.
    """
    cursor: str | None = FIRST
    while cursor is not None:
        page = await scan.scan(cursor, PAGE_RECORDS)
        for record in page.records:
            if record.cell == cell:
                yield record.key
        cursor = page.cursor
