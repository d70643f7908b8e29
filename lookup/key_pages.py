"""The keys that are at home in a cell, page by page: for work on a whole cell that must not fill memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

FROM_THE_START = ""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """keys   perhaps none, although more follow
    after  where the next page begins; None: this was the last
    """

    keys: tuple[str, ...]
    after: str | None


class KeyPages(Protocol):
    """A store that can be asked cell by cell."""

    async def keys_of(self, cell: str, after: str, limit: int) -> KeyPage:
        """At most `limit` keys with their home in the cell, those being moved out of it included.

        `after` is FROM_THE_START or what the page before said; it stays good over restarts. A key that stays
        in the cell is on exactly one page; one that comes meanwhile may be missed. Raises
        StoreUnavailableError, and ValueError for an `after` of another kind of store.
        """


async def every_key(pages: KeyPages, cell: str, page_keys: int) -> AsyncIterator[str]:
    """All of them, one page in memory at a time."""
    after: str | None = FROM_THE_START
    while after is not None:
        page = await pages.keys_of(cell, after, page_keys)
        for key in page.keys:
            yield key
        after = page.after
