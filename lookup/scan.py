"""How all records of a store are walked through: page by page, each after a cursor that can be kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lookup.assignment import Alias, Assignment

FIRST: Final = ""
"""The cursor of the beginning."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, perhaps none; `cursor` is where the next page begins, None when this was the last one."""

    records: Sequence[Assignment]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class AliasPage:
    """Some aliases, perhaps none, also such as name nobody any more; `cursor` as of a Page."""

    aliases: Sequence[Alias]
    cursor: str | None


class HomeScan(Protocol):
    """A store whose records can be walked through. Raises StoreUnavailableError."""

    async def scan(self, cursor: str, limit: int) -> Page:
        """At most `limit` records after the cursor.

        Whatever is there from the first page to the last is in exactly one page; a record that is written
        meanwhile may be in it as it was or as it is, one that is new may be missing.
        """

    async def scan_aliases(self, cursor: str, limit: int) -> AliasPage:
        """The same of the aliases."""


async def every_page(store: HomeScan, limit: int) -> AsyncIterator[Sequence[Assignment]]:
    """All records, one page in memory at a time."""
    cursor: str | None = FIRST
    while cursor is not None:
        page = await store.scan(cursor, limit)
        if page.records:
            yield page.records
        cursor = page.cursor


async def every_alias_page(store: HomeScan, limit: int) -> AsyncIterator[Sequence[Alias]]:
    """All aliases, one page in memory at a time."""
    cursor: str | None = FIRST
    while cursor is not None:
        page = await store.scan_aliases(cursor, limit)
        if page.aliases:
            yield page.aliases
        cursor = page.cursor
