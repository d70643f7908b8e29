"""The store of a config for one command: opened, asked, closed. Out of reach, it ends the command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from lookup.ports import StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from proxy.cli.answers import UnreachableError

T = TypeVar("T")


def with_store(path: Path, work: Callable[[SqliteStore], Awaitable[T]]) -> T:
    """What `work` makes of the store at the path."""

    async def run() -> T:
        store = await SqliteStore.open(path)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except StoreUnavailableError as error:
        what, _, mend = str(error).partition("; ")
        raise UnreachableError(what, mend or "try again, or see whether its disk is well") from error
