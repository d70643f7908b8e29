"""An edge that gives the same users a home as another one at the same time: run with PATH, CELLS and ORDER.

Says "ready", waits for a line, places user:0 ... user:199 (ORDER `up` or `down`) in one of CELLS, separated
by commas, and prints each user with the home that it was told.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from lookup.placement import CellRoom, NoRoom, ShareLimits
from lookup.placer import PlacementPlan, Placer
from lookup.stores.sqlite import SqliteStore

USERS = 200


async def place_all(path: Path, cells: list[str], order: str) -> None:
    """The homes of all users, as this edge is told them."""
    store = await SqliteStore.open(path)
    plan = PlacementPlan([CellRoom(cell, "eu") for cell in cells], {"eu": ["eu"]}, ShareLimits())
    placer = Placer(store, plan, time.time)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(USERS) if order == "up" else reversed(range(USERS)):
        record = await placer.place(f"user:{number}", "eu")
        assert not isinstance(record, NoRoom)
        print(record.key, record.cell, record.epoch, flush=True)
    await placer.counts.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(place_all(Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]))
