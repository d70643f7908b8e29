"""A second process that writes to an embedded store: run as a module with PATH and PREFIX.

Places PREFIX0, PREFIX1, ... one after the other and prints each key once it is committed, until killed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import count
from pathlib import Path

from lookup.stores.sqlite import SqliteStore
from lookup.writer import place


async def write(path: Path, prefix: str) -> None:
    """Write until killed."""
    store = await SqliteStore.open(path, create=True)
    for number in count():
        key = f"{prefix}{number}"
        await place(store, key, "cell-a", "eu", time.time())
        print(key, flush=True)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
