"""Three cells under one law and sixty users in one of them, for tests that move many."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

from lookup.assignment import Assignment
from lookup.stores.sqlite import SqliteStore
from tests.proxy.config.site import Site

TWO_MORE = (
    "  - name: us-1\n",
    '  - name: eu-2\n    jurisdiction: eu\n    region: eu-west\n    endpoints: ["127.0.0.1:8103"]\n'
    '  - name: eu-3\n    jurisdiction: eu\n    region: eu-west\n    endpoints: ["127.0.0.1:8104"]\n'
    "  - name: us-1\n",
)
EUROPEANS = [f"user:e{number}" for number in range(60)]

UNTOUCHED = dict.fromkeys(EUROPEANS, ("eu-1", 1))


def settle_europeans(site: Site) -> None:
    """Two more cells under the same law, and sixty users in the first one."""
    site.spoil(TWO_MORE)

    async def seed() -> None:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        await store.load(Assignment(key, "eu-1", "eu", 1, updated_at_s=time.time() - 60) for key in EUROPEANS)
        await store.close()

    asyncio.run(seed())


def homes(site: Site) -> dict[str, tuple[str, int]]:
    """Where the sixty live, with their epochs."""

    async def read() -> dict[str, tuple[str, int]]:
        store = await SqliteStore.open(site.folder / "home.sqlite")
        try:
            records = await store.read(EUROPEANS)
            return {key: (records[key].cell, records[key].epoch) for key in EUROPEANS}
        finally:
            await store.close()

    return asyncio.run(read())


def homes_in(site: Site, cell: str) -> int:
    with closing(sqlite3.connect(site.folder / "home.sqlite")) as connection:
        count: int = connection.execute("SELECT count(*) FROM home WHERE cell = ?", (cell,)).fetchone()[0]
        return count


def write_list(site: Site, *lines: str) -> str:
    (site.folder / "users.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return "users.txt"
